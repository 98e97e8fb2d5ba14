// SPDX-License-Identifier: GPL-2.0

//! Mappings of VRAM objects: which are allowed, and what they show.
//!
//! This is policy. How a page frame gets into a page table is in [`crate::upstream::vma`].
//!
//! A mapping is shared, write-combining, and filled on demand, one page for each fault. While the
//! device is there a page shows VRAM; once it is gone, each page shows the object's page of zeros,
//! so that no access ever raises `SIGBUS`. A fault takes no lock of the driver's: the object's
//! place in VRAM does not change.

use crate::{
    device::BariumRegistrationData,
    gem::{
        BariumObject,
        VramObject, //
    },
    upstream::{
        gem::{
            Funcs,
            MappedObject, //
        },
        vma::{
            Access,
            Fault,
            NewVma,
            Outcome,
            PageIndex,
            PfnVma, //
        },
        wc_bar::Pfn, //
    },
    vram::VramOffset,
};
use core::ops::Range;
use kernel::{
    drm::gem::BaseObject,
    page::PAGE_SHIFT,
    prelude::*, //
};

static FUNCS: Funcs<VramObject> = Funcs::new();

impl MappedObject for VramObject {
    type Driver = crate::driver::BariumDriver;

    fn funcs() -> &'static Funcs<Self> {
        &FUNCS
    }

    fn mmap<'a>(obj: &BariumObject, vma: NewVma<'a>) -> Result<PfnVma<'a>> {
        if !is_within(&vma.pages()?, obj.size() >> PAGE_SHIFT) {
            return Err(EINVAL);
        }
        vma.into_pfnmap()
    }

    fn fault(fault: &Fault<'_, Self>) -> Outcome {
        let Some(page) = fault.page() else {
            return Outcome::SIGBUS;
        };
        // Inside the guard, unplugging waits for us, and then finds what we have inserted.
        let Some(guard) = fault.device().registration_guard() else {
            return fault.insert_zero_page();
        };
        guard.registration_data_with(|reg| match frame(fault.object(), page, reg) {
            Some(pfn) => fault.insert_pfn(pfn),
            None => Outcome::SIGBUS,
        })
    }

    fn access(access: Access<'_, Self>) -> Result<usize> {
        let Some(guard) = access.device().registration_guard() else {
            return access.with_zero_page();
        };
        let obj = access.object();
        guard.registration_data_with(|reg| {
            access.for_each_page(|page, in_page, transfer| {
                let VramOffset(start) = obj.backing(page).ok_or(EFAULT)?;
                reg.aperture()
                    .transfer(VramOffset(start + in_page), transfer)
            })
        })
    }
}

/// The page frame that shows page `page` of `obj`.
fn frame<'a>(
    obj: &VramObject,
    page: PageIndex,
    reg: &'a BariumRegistrationData<'_>,
) -> Option<Pfn<'a>> {
    reg.aperture().pfn(obj.backing(page)?)
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
