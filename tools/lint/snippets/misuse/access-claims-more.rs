// SPDX-License-Identifier: GPL-2.0

//! An access callback returns the number of transferred bytes, and claims too many.

use crate::{
    toy,
    units::{
        PageIndex,
        PageWindow, //
    },
    upstream::{
        gem::{
            fault::{
                Fault,
                HugeFault,
                HugeVmFault,
                VmFault, //
            },
            MappedObject,
            Object,
            ObjectData,
            Ops,
            Transfer, //
        },
        vma::{
            VmaNew,
            VmaPfnMap, //
        },
        wc_bar::{
            VMap,
            WcBar, //
        },
    }, //
};
use core::ops::Range;
use kernel::{
    drm::gem::BaseObject,
    prelude::*, //
};

/// An object that shows the start of the BAR.
struct Toy;

static OPS: Ops<Toy> = Ops::new();

impl ObjectData for Toy {
    type Driver = toy::Driver<Self>;
}

impl MappedObject for Toy {
    fn ops() -> &'static Ops<Self> {
        &OPS
    }

    fn align_hint(_obj: &Object<Self>) -> usize {
        0
    }

    fn will_need(_obj: &Object<Self>, _pages: Range<usize>) {}

    fn mmap<'a>(_obj: &Object<Self>, vma: VmaNew<'a>) -> Result<VmaPfnMap<'a>> {
        vma.into_pfnmap()
    }

    fn fault(fault: &Fault<'_, Self>) -> VmFault {
        let PageIndex(page) = fault.page();
        fault
            .insert_with(|bar| bar.pfn_range(0, page + 1, page), |_| PageWindow::NONE)
            .unwrap_or_else(|| fault.insert_zero_page())
    }

    fn huge_fault(fault: &HugeFault<'_, Self>) -> HugeVmFault {
        let Some(range) = fault.pmd_range() else {
            return HugeVmFault::FALLBACK;
        };
        let PageIndex(page) = range.first_page();
        range.insert_with(|bar| bar.pfn_range(0, page + 512, page))
    }

    fn access(
        _obj: &Object<Self>,
        _bar: &WcBar<'_>,
        _page: PageIndex,
        _in_page: usize,
        _transfer: Transfer<'_>,
    ) -> Result<usize> {
        //~^ E0053
        Ok(usize::MAX)
    }

    fn vmap(obj: &Object<Self>, bar: &WcBar<'_>) -> Result<VMap> {
        bar.vmap(0, obj.size())
    }
}
