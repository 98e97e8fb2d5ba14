// SPDX-License-Identifier: GPL-2.0

//! Mappings of VRAM objects: checks `mmap()`, and resolves pages of objects to VRAM.
//!
//! This file is the policy. The mechanism that inserts PFNs into page tables is in
//! [`crate::upstream::gem::fault`].
//!
//! A mapping is shared, write-combining, and populated on demand: with a huge entry if the extent,
//! the address and the VMA allow one, otherwise with the page of the fault, and with the neighbours
//! that [`fault_around`] selects. [`Config`] can disable huge entries and fault-around; the
//! contents are the same.
//!
//! While the device is bound, a mapping maps VRAM, which the object's [`Place`] names. Once the device is unplugged, every page maps
//! the object's zero page, so that no access raises `SIGBUS`. In-kernel clients map whole objects,
//! which must be contiguous; after unplug they get system memory instead. Because an object does
//! not move in VRAM, a fault takes no lock of the driver, and the driver allocates nothing for it
//! while the device is bound.

use crate::{
    device::{
        BariumDevice,
        BariumDriver,
        BariumRegistrationData,
        Config, //
    },
    fault_around::{
        self,
        FaultContext, //
    },
    gem::{
        self,
        BariumObject,
        VramObject, //
    },
    place::Place,
    units::{
        PageIndex,
        PageWindow,
        VramOffset, //
    },
    upstream::{
        self,
        gem::{
            fault::{
                Fault,
                HugeFault,
                HugeVmFault,
                MappedFault,
                PmdRange,
                VmFault, //
            },
            MappedObject,
            ObjectData,
            Ops,
            Transfer, //
        },
        vma::{
            VmaNew,
            VmaPfnMap, //
        },
        wc_bar::{
            PfnRange,
            VMap, //
        },
    },
};
use core::ops::Range;
use kernel::{
    drm::gem::BaseObject,
    page::PAGE_SHIFT,
    prelude::*, //
};

static OPS: Ops<VramObject> = Ops::new();

impl ObjectData for VramObject {
    type Driver = BariumDriver;
    type Place = Place;
}

impl MappedObject for VramObject {
    fn ops() -> &'static Ops<Self> {
        &OPS
    }

    fn align_hint(obj: &BariumObject) -> usize {
        gem::vram_page(obj, PageIndex(0)).map_or(0, |page| page.offset().0 >> PAGE_SHIFT)
    }

    fn will_need(obj: &BariumObject, pages: Range<usize>) {
        obj.needed().set(pages);
    }

    fn mmap<'a>(obj: &BariumObject, vma: VmaNew<'a>) -> Result<VmaPfnMap<'a>> {
        if !is_within(&vma.pages(), obj.size() >> PAGE_SHIFT) {
            return Err(EINVAL);
        }
        vma.into_pfnmap()
    }

    /// The handler checks the device, resolves the object page to a PFN and inserts it.
    // Not inlined into the callback, it gets its argument through memory, which costs 0.5% per fault.
    #[inline(always)]
    fn fault(fault: &Fault<'_, Self>) -> VmFault {
        fault
            .insert_with(
                |reg, place| pfn_range(place, fault.page(), reg),
                |mapped| neighbours(fault, mapped),
            )
            .unwrap_or_else(|| fault.insert_zero_page())
    }

    fn huge_fault(fault: &HugeFault<'_, Self>) -> HugeVmFault {
        let obj = fault.object();
        if !obj.dev().config().huge {
            return HugeVmFault::FALLBACK;
        }
        match fault.pmd_range() {
            Some(range) => range.insert_with(
                |reg, place| pfn_range(place, range.first_page(), reg),
                || huge_neighbours(fault, &range),
            ),
            None => HugeVmFault::FALLBACK,
        }
    }

    fn access(
        obj: &BariumObject,
        reg: &BariumRegistrationData<'_>,
        page: PageIndex,
        in_page: usize,
        transfer: Transfer<'_>,
    ) -> Result {
        let VramOffset(start) = gem::vram_page(obj, page).ok_or(EFAULT)?.offset();
        let offset = VramOffset(start + in_page);
        match transfer {
            Transfer::Read(buf) => reg.vram_bar().read(offset, buf),
            Transfer::Write(buf) => reg.vram_bar().write(offset, buf),
        }
    }

    /// # Errors
    ///
    /// `EOPNOTSUPP` if the object was not created contiguous.
    fn vmap(obj: &BariumObject, reg: &BariumRegistrationData<'_>) -> Result<VMap> {
        let offset = gem::contiguous_offset(obj).ok_or(EOPNOTSUPP)?;
        reg.vram_bar().vmap(offset, obj.size())
    }
}

/// Returns the PFN of page `page` of an object with the placement record `place`, with the other PFNs
/// of the same extent; `None` if `page` is outside the object.
// Not inlined, it returns through memory, which costs 1% per fault.
#[inline(always)]
fn pfn_range<'a>(
    place: Option<&Place>,
    page: PageIndex,
    reg: &'a BariumRegistrationData<'_>,
) -> Option<PfnRange<'a>> {
    reg.vram_bar().pfn_range(place?.vram_page(page)?)
}

/// Returns the neighbours to insert together with the page of `fault`.
#[inline]
fn neighbours(
    fault: &Fault<'_, VramObject>,
    mapped: &MappedFault<'_, '_, VramObject>,
) -> PageWindow {
    let obj = fault.object();
    if !obj.dev().config().fault_around {
        return PageWindow::NONE;
    }
    let (is_first, is_last) = fault.is_at_edge();
    fault_around::window(&FaultContext {
        mapped: mapped.scan_neighbours(),
        advice: fault.advice(),
        is_first,
        is_last,
        will_need: obj.needed().contains(fault.page()),
    })
}

/// Returns the neighbours, in huge pages, to insert together with the huge page of `fault`.
#[inline]
fn huge_neighbours(
    fault: &HugeFault<'_, VramObject>,
    range: &PmdRange<'_, '_, VramObject>,
) -> PageWindow {
    let obj = fault.object();
    if !obj.dev().config().fault_around {
        return PageWindow::NONE;
    }
    let (is_first, is_last) = range.is_at_edge();
    fault_around::window(&FaultContext {
        mapped: range.scan_neighbours(),
        advice: fault.advice(),
        is_first,
        is_last,
        will_need: obj.needed().contains(fault.page()),
    })
}

/// Maps `addresses` of the calling process before it accesses them.
///
/// # Errors
///
/// Those of [`upstream::map_ahead::map_ahead`].
pub(crate) fn map_ahead(dev: &BariumDevice, addresses: Range<usize>) -> Result {
    let Config { fault_around, .. } = dev.config();
    upstream::map_ahead::map_ahead(
        dev,
        addresses,
        |obj, page, pages| {
            // This lets one fault map the rest of the extent.
            obj.needed().set(page.0..page.0 + pages);
            match gem::vram_page(obj, page) {
                Some(page) if fault_around => pages.min(page.extent_pages - page.index),
                _ => 1,
            }
        },
    )
}

/// Returns true if `pages` is not empty and lies in an object of `count` pages.
fn is_within(pages: &Range<usize>, count: usize) -> bool {
    pages.start < pages.end && pages.end <= count
}

#[kunit_tests(barium_mmap)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_may_show_any_part_of_the_object() {
        for pages in [0..4, 0..1, 3..4, 1..3] {
            assert!(is_within(&pages, 4));
        }
    }

    #[test]
    fn a_mapping_may_not_go_past_the_object() {
        for pages in [0..5, 4..5, 3..5, 5..6, 0..usize::MAX] {
            assert!(!is_within(&pages, 4));
        }
    }

    #[test]
    fn a_mapping_of_nothing_is_none() {
        assert!(!is_within(&(2..2), 4));
    }
}
