// SPDX-License-Identifier: GPL-2.0

//! PFNs outlive the registration guard, after which the BAR may be released.

use crate::{
    toy,
    units::PageWindow,
    upstream::gem::{
        fault::Fault,
        MappedObject,
        ObjectData, //
    }, //
};

fn keep<T>(fault: &Fault<'_, T>)
where
    T: MappedObject + ObjectData<Driver = toy::Driver<T>>,
{
    let mut kept = None;
    fault.insert_with(
        |bar, _| {
            kept = bar.pfn_range(0, 1, 0); //~ E0521
            kept
        },
        |_| PageWindow::NONE,
    );
    drop(kept);
}
