// SPDX-License-Identifier: GPL-2.0

//! PFNs outlive the registration guard, after which the BAR may be released.

use crate::{
    toy,
    units::PageWindow,
    upstream::gem::{
        fault::{
            Backing,
            Fault,
            VmFault, //
        },
        MappedObject,
        ObjectData, //
    }, //
};

fn keep<T>(fault: &Fault<'_, T>) -> Result<VmFault, ()>
where
    T: MappedObject + ObjectData<Driver = toy::Driver<T>>,
{
    let mut kept = None;
    let result = fault.insert_with(
        |bar, _| {
            kept = bar.and_then(|bar| bar.pfn_range(0, 1, 0)); //~ error: lifetime may not live long enough
            kept.map(Backing::Device).ok_or(())
        },
        |_| PageWindow::NONE,
    );
    drop(kept);
    result
}
