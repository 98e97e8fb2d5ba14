// SPDX-License-Identifier: GPL-2.0

//! A huge entry is inserted without a check that the VMA spans it.

use crate::{
    toy,
    units::PageWindow,
    upstream::gem::{
        huge_fault::{
            HugeFault,
            HugeVmFault,
            PmdRange, //
        },
        MappedObject,
        ObjectData, //
    }, //
};

fn without<T>(fault: &HugeFault<'_, T>) -> HugeVmFault
where
    T: MappedObject + ObjectData<Driver = toy::Driver<T>>,
{
    fault.insert_with(|bar, _| bar.pfn_range(0, 512, 0), || PageWindow::NONE) //~ E0599
}

fn forged<'f, 'a, T>(fault: &'f HugeFault<'a, T>) -> PmdRange<'f, 'a, T>
where
    T: MappedObject,
{
    PmdRange {
        fault: &fault.0, //~ E0616
        before: 0,
    }
}
