// SPDX-License-Identifier: GPL-2.0

//! Mappings of VRAM objects: which are allowed, and what they show.
//!
//! This is policy. How a page frame gets into a page table is in [`crate::upstream::gem::fault`].
//!
//! A mapping is shared, write-combining, and filled on demand: with a huge entry where VRAM, the
//! address and the mapping allow one, otherwise with the page of the fault, and with its neighbours
//! where [`fault_around`] finds them worth it. Both can be switched off ([`Config`]); each way
//! shows the same pages.
//!
//! While the device is there a page shows VRAM; once it is gone, each page shows the object's page
//! of zeros, so that no access ever raises `SIGBUS`. The kernel's own clients, which see an object
//! as a whole and only if it was made to be in one piece, see memory that is shown nowhere. A fault
//! takes no lock of the driver's and allocates nothing of its own: the object's place in VRAM does
//! not change.

use crate::{
    device::{
        BariumRegistrationData,
        Config, //
    },
    driver::BariumDevice,
    fault_around,
    gem::{
        BariumObject,
        VramObject, //
    },
    upstream::{
        self,
        gem::{
            access::Access,
            fault::{
                Beside,
                Fault,
                HugeFault,
                InTable,
                Outcome,
                PageIndex, //
            },
            vmap::KernelView,
            Funcs,
            MappedObject, //
        },
        vma::{
            NewVma,
            PfnVma, //
        },
        wc_bar::Frames, //
    },
    vram::VramOffset,
};
use core::ops::Range;
use kernel::{
    drm::{
        gem::BaseObject,
        Ioctl, //
    },
    page::PAGE_SHIFT,
    prelude::*, //
};

static FUNCS: Funcs<VramObject> = Funcs::new();

impl MappedObject for VramObject {
    type Driver = crate::driver::BariumDriver;

    fn funcs() -> &'static Funcs<Self> {
        &FUNCS
    }

    fn placement(obj: &BariumObject) -> usize {
        obj.backing(PageIndex(0))
            .map_or(0, |run| run.place().0 >> PAGE_SHIFT)
    }

    fn will_need(obj: &BariumObject, pages: Range<usize>) {
        obj.needed().set(pages);
    }

    fn mmap<'a>(obj: &BariumObject, vma: NewVma<'a>) -> Result<PfnVma<'a>> {
        if !is_within(&vma.pages(), obj.size() >> PAGE_SHIFT) {
            return Err(EINVAL);
        }
        vma.into_pfnmap()
    }

    fn fault(fault: &Fault<'_, Self>) -> Outcome {
        // Inside the guard, unplugging waits for us, and then finds what we have inserted.
        let Some(guard) = fault.device().registration_guard() else {
            return fault.insert_zero_page();
        };
        let config = guard.config();
        guard.registration_data_with(|reg| {
            let page = fault.page();
            let Some(frames) = frames(fault.object(), page, reg) else {
                return Outcome::SIGBUS;
            };
            let mapped = match fault.insert(frames) {
                Ok(mapped) => mapped,
                Err(outcome) => return outcome,
            };
            if config.fault_around {
                let window = fault_around::window(&surroundings(fault, &mapped));
                if window != Beside::NONE {
                    mapped.insert_neighbours(frames, window);
                }
            }
            Outcome::DONE
        })
    }

    fn huge_fault(fault: &HugeFault<'_, Self>) -> Outcome {
        let Some(guard) = fault.device().registration_guard() else {
            return Outcome::FALLBACK;
        };
        if !guard.config().huge {
            return Outcome::FALLBACK;
        }
        guard.registration_data_with(|reg| {
            fault
                .first_page()
                .and_then(|page| frames(fault.object(), page, reg))
                .map_or(Outcome::FALLBACK, |frames| fault.insert(frames))
        })
    }

    fn access(access: Access<'_, Self>) -> Result<usize> {
        let Some(guard) = access.device().registration_guard() else {
            return access.with_zero_page();
        };
        let obj = access.object();
        guard.registration_data_with(|reg| {
            access.for_each_page(|page, in_page, transfer| {
                let VramOffset(start) = obj.backing(page).ok_or(EFAULT)?.place();
                reg.aperture()
                    .transfer(VramOffset(start + in_page), transfer)
            })
        })
    }

    /// Errors: `EOPNOTSUPP` if the object is not in one piece; `ENOMEM`.
    fn vmap(obj: &BariumObject, dev: &BariumDevice<Ioctl>) -> Result<KernelView> {
        let place = obj.whole().ok_or(EOPNOTSUPP)?;
        let Some(guard) = dev.registration_guard() else {
            return KernelView::nothing(obj.size());
        };
        guard.registration_data_with(|reg| {
            reg.aperture()
                .map(place, obj.size())
                .map(KernelView::Device)
        })
    }
}

/// The page frame that shows page `page` of `obj`, and those beside it; `None` if the object has
/// no such page.
// Always: called, it returns through memory, which costs each fault one percent.
#[inline(always)]
fn frames<'a>(
    obj: &VramObject,
    page: PageIndex,
    reg: &'a BariumRegistrationData<'_>,
) -> Option<Frames<'a>> {
    reg.aperture().frames(obj.backing(page)?)
}

/// What the fault-around policy wants to know.
#[inline]
fn surroundings(
    fault: &Fault<'_, VramObject>,
    mapped: &InTable<'_, '_, VramObject>,
) -> fault_around::Surroundings {
    let (is_first, is_last) = fault.is_at_edge();
    fault_around::Surroundings {
        around: mapped.look_around(),
        is_first,
        is_last,
        will_need: fault.object().needed().contains(fault.page()),
    }
}

/// Has `addresses` of the calling process mapped before they are touched.
///
/// Errors: as of [`upstream::map_ahead::map_ahead`].
pub(crate) fn map_ahead(dev: &BariumDevice, addresses: Range<usize>) -> Result {
    let Config { fault_around, .. } = dev.config();
    upstream::map_ahead::map_ahead(
        dev,
        addresses,
        |obj, page, pages| {
            // With one fault for all that this run has.
            obj.needed().set(page.0..page.0 + pages);
        },
        |obj, page, pages| match obj.backing(page) {
            Some(run) if fault_around => pages.min(run.pages - run.index),
            _ => 1,
        },
    )
}

/// Whether a mapping of `pages` shows nothing but pages of an object that has `count` of them.
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
