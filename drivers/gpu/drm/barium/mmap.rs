// SPDX-License-Identifier: GPL-2.0

//! Mappings of objects: checks `mmap()`, and resolves pages of objects to VRAM or system memory.
//!
//! This file is the policy. The mechanism that inserts PFNs into page tables is in
//! [`crate::upstream::gem::fault`].
//!
//! A mapping is shared, and populated on demand: with a huge entry if the extent, the address and
//! the VMA allow one, otherwise with the page of the fault, and with the neighbours that
//! [`fault_around`] selects. [`Config`] can disable huge entries and fault-around; the contents are
//! the same.
//!
//! A mapping maps the memory that the object's [`Place`] names.
//!
//! - VRAM, while the device is bound. Once the device is unplugged, every page of the mapping maps
//!   the object's zero page, so that no access raises `SIGBUS`.
//! - System memory, cached, also after unplug. The first access to a page allocates it, with the
//!   object's reservation locked. Huge entries do not map system memory.
//!
//! A fault in a page that has memory takes no lock of the driver, and the driver allocates nothing
//! for it while the device is bound.
//!
//! In-kernel clients map whole objects: those in VRAM must be contiguous. After unplug, they get
//! system memory instead of VRAM.

use crate::{
    device::{
        BariumDevice,
        BariumDriver,
        BariumRegistrationData,
        Config, //
    },
    fault_around::{
        self,
        FaultContext,
        Ordinal, //
    },
    gem::{
        self,
        BariumObject,
        VramObject, //
    },
    place::Place,
    units::{
        Advice,
        PageIndex,
        PageWindow,
        VramOffset, //
    },
    upstream::{
        self,
        gem::{
            fault::{
                Backing,
                Fault,
                MappedFault,
                VmFault, //
            },
            huge_fault::{
                HugeFault,
                HugeVmFault,
                PmdRange, //
            },
            MappedObject,
            ObjectData,
            Ops,
            Reserved,
            Served,
            Transfer,
            Usage,
            VmapSource, //
        },
        shmem::{
            Effort,
            ShmemPages, //
        },
        vma::{
            VmaNew,
            VmaPfnMap, //
        }, //
    },
};
use core::ops::Range;
use kernel::{
    drm::{
        gem::BaseObject,
        Driver, //
    },
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
        obj.history().clear();
        obj.set_mapped();
        vma.into_pfnmap()
    }

    /// The handler resolves the object page to the memory that backs it, and inserts it.
    // Not inlined into the callback, it gets its argument through memory, which costs 0.5% per
    // fault.
    #[inline(always)]
    fn fault(fault: Fault<'_, Self>) -> VmFault {
        match insert::<false>(&fault) {
            Ok(result) => result,
            Err(Missing::Page) => VmFault::SIGBUS,
            Err(Missing::Device) => fault.insert_zero_page(),
            Err(Missing::Memory) => fault.serve_reserved(gem::populate_for_fault, |fault| {
                match insert::<true>(fault) {
                    Ok(result) => result,
                    Err(Missing::Device) => fault.insert_zero_page(),
                    Err(Missing::Page | Missing::Memory) => VmFault::SIGBUS,
                }
            }),
        }
    }

    fn huge_fault(fault: &HugeFault<'_, Self>) -> HugeVmFault {
        let obj = fault.object();
        if !obj.dev().config().huge || obj.dev().is_move_due() {
            return HugeVmFault::FALLBACK;
        }
        match fault.pmd_range() {
            Some(range) => range.insert_with(
                |reg, place| match place {
                    Some(Place::Vram(allocation)) => {
                        let page = allocation.page(range.first_page().0)?;
                        reg.vram_bar().pfn_range(page)
                    }
                    _ => None,
                },
                || huge_neighbours(fault, &range),
            ),
            None => HugeVmFault::FALLBACK,
        }
    }

    fn access(
        obj: &mut Reserved<'_, Self>,
        reg: Option<&BariumRegistrationData<'_>>,
        page: PageIndex,
        in_page: usize,
        transfer: Transfer<'_>,
    ) -> Result<Served> {
        let Some(Place::Vram(allocation)) = obj.place() else {
            access_system_memory(obj, page, in_page, transfer)?;
            return Ok(Served::Done);
        };
        let Some(reg) = reg else {
            return Ok(Served::ContentGone);
        };
        let VramOffset(start) = allocation.page(page.0).ok_or(EFAULT)?.offset();
        let offset = VramOffset(start + in_page);
        match transfer {
            Transfer::Read(buf) => reg.vram_bar().read(offset, buf)?,
            Transfer::Write(buf) => reg.vram_bar().write(offset, buf)?,
        }
        Ok(Served::Done)
    }

    fn imported() -> Self {
        Self::imported()
    }

    fn move_to_devices(obj: &mut Reserved<'_, Self>) -> Result {
        gem::move_to_devices(obj)
    }

    fn system_memory(place: &Place) -> Option<&ShmemPages> {
        match place {
            Place::System(pages) => Some(pages),
            Place::Vram(_) => None,
        }
    }

    fn usage(obj: &BariumObject) -> Usage {
        gem::usage(obj)
    }

    fn copy_time(file: &<BariumDriver as Driver>::File) -> u64 {
        file.client().copy_time()
    }

    /// # Errors
    ///
    /// `EOPNOTSUPP` if the object is in VRAM, and was not created contiguous; those of
    /// [`gem::populate_all`].
    fn vmap<'p>(
        obj: &'p mut Reserved<'_, Self>,
        reg: Option<&BariumRegistrationData<'_>>,
    ) -> Result<VmapSource<'p>> {
        let object = obj.object();
        object.set_mapped();
        gem::populate_all(obj)?;
        match (obj.place(), reg) {
            (Some(Place::System(pages)), _) => Ok(VmapSource::System(pages)),
            (Some(Place::Vram(_)), None) => Ok(VmapSource::ContentGone),
            (Some(Place::Vram(_)), Some(_)) if !object.is_showable() => Err(EOPNOTSUPP),
            (Some(Place::Vram(allocation)), Some(reg)) => {
                let page = allocation.page(0).ok_or(EINVAL)?;
                let map = reg.vram_bar().vmap(page.offset(), object.size())?;
                Ok(VmapSource::Device(map))
            }
            (None, _) => Err(EINVAL),
        }
    }
}

/// The reason why a fault cannot insert a page of an object.
enum Missing {
    /// The object has no such page.
    Page,
    /// The page is in VRAM, and the device is unplugged.
    Device,
    /// The page is in system memory and has not been allocated, or the object is being moved.
    Memory,
}

/// Inserts the page of `fault` and its neighbours. `RESERVED` is true if the reservation of the
/// object is locked.
// The parameter makes two functions. The compiler does not inline one that is called in two places,
// which costs 2% per fault.
#[inline(always)]
fn insert<const RESERVED: bool>(fault: &Fault<'_, VramObject>) -> Result<VmFault, Missing> {
    fault.insert_with(
        |reg, place| {
            if !RESERVED && fault.object().dev().is_move_due() {
                return Err(Missing::Memory);
            }
            backing(reg, place, fault.page())
        },
        |mapped| neighbours::<RESERVED>(fault, mapped),
    )
}

/// Returns the memory of page `page` of an object with the placement record `place`.
// Not inlined, it returns through memory, which costs 1% per fault.
#[inline(always)]
fn backing<'r, 'p>(
    reg: Option<&'r BariumRegistrationData<'_>>,
    place: Option<&'p Place>,
    page: PageIndex,
) -> Result<Backing<'r, 'p>, Missing> {
    match place {
        Some(Place::Vram(allocation)) => {
            let reg = reg.ok_or(Missing::Device)?;
            let page = allocation.page(page.0).ok_or(Missing::Page)?;
            let range = reg.vram_bar().pfn_range(page).ok_or(Missing::Page)?;
            Ok(Backing::Device(range))
        }
        Some(Place::System(pages)) => pages
            .range(page.0)
            .map(Backing::System)
            .ok_or(Missing::Memory),
        None => Err(Missing::Memory),
    }
}

/// Serves a part of a debugger's access to an object that is not in VRAM. A read does not allocate
/// the page, unless the page may be in swap.
///
/// # Errors
///
/// Those of [`gem::populate`].
fn access_system_memory(
    obj: &mut Reserved<'_, VramObject>,
    page: PageIndex,
    in_page: usize,
    transfer: Transfer<'_>,
) -> Result {
    let may_be_swapped =
        matches!(obj.place(), Some(Place::System(pages)) if pages.may_be_swapped());
    if may_be_swapped || matches!(transfer, Transfer::Write(_)) {
        gem::populate(obj, page, 0, Effort::MayFail)?;
    }
    match (obj.place(), transfer) {
        (Some(Place::System(pages)), Transfer::Read(buf)) => pages.read(page.0, in_page, buf),
        (Some(Place::System(pages)), Transfer::Write(buf)) => pages.write(page.0, in_page, buf),
        // An object without memory reads as zero, and `Transfer` has filled the buffer with zeros.
        (None, Transfer::Read(_)) => Ok(()),
        _ => Err(EFAULT),
    }
}

/// Returns the neighbours to insert together with the page of `fault`.
///
/// If `RESERVED` is true, the page has just been allocated, and most pages beside it have no memory
/// to map. Such a fault is no evidence that mapping neighbours pays off.
#[inline(always)]
fn neighbours<const RESERVED: bool>(
    fault: &Fault<'_, VramObject>,
    mapped: &MappedFault<'_, '_, VramObject>,
) -> PageWindow {
    let obj = fault.object();
    if !obj.dev().config().fault_around {
        return PageWindow::NONE;
    }
    let (advice, will_need) = (fault.advice(), obj.needed().contains(fault.page()));
    let pages = obj.size() >> PAGE_SHIFT;
    let ordinal = if advice == Advice::Normal && !will_need && !RESERVED {
        obj.history().record(fault.page(), pages)
    } else {
        Ordinal::Unknown
    };
    let (is_first, is_last) = fault.is_at_edge();
    let context = FaultContext {
        advice,
        is_first,
        is_last,
        will_need,
        ordinal,
        pages,
    };
    fault_around::window(&context, || mapped.scan_neighbours())
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
    let context = FaultContext {
        advice: fault.advice(),
        is_first,
        is_last,
        will_need: obj.needed().contains(fault.page()),
        ordinal: Ordinal::Unknown,
        pages: obj.size() >> PAGE_SHIFT,
    };
    fault_around::window(&context, || range.scan_neighbours())
}

/// Maps `addresses` of the calling process before it accesses them.
///
/// # Errors
///
/// Those of [`upstream::map_ahead::map_ahead`].
pub(crate) fn map_ahead(dev: &BariumDevice, addresses: Range<usize>) -> Result {
    let Config { fault_around, .. } = dev.config();
    upstream::map_ahead::map_ahead(dev, addresses, |obj, page, pages| {
        // With this range set, one fault maps the rest of the extent in VRAM, or allocates and maps
        // all `pages` in system memory.
        obj.needed().set(page.0..page.0 + pages);
        match gem::vram_page(obj, page) {
            Some(page) if fault_around => pages.min(page.extent_pages - page.index),
            _ => 1,
        }
    })
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
