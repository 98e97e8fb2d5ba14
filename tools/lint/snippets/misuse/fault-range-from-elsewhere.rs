// SPDX-License-Identifier: GPL-2.0

//! A fault inserts PFNs of a BAR that is not in the registration data, so that the BAR can be
//! released while the entry stays.

use crate::{
    toy,
    units::PageWindow,
    upstream::{
        gem::{
            fault::{
                Fault,
                VmFault, //
            },
            MappedObject,
            ObjectData, //
        },
        wc_bar::{
            PfnRange,
            WcBar, //
        },
    }, //
};
use kernel::{
    device::Bound,
    pci,
    prelude::*, //
};

fn from_caller<'a, T>(fault: &Fault<'_, T>, range: PfnRange<'a>) -> Option<VmFault>
where
    T: MappedObject + ObjectData<Driver = toy::Driver<T>>,
{
    fault.insert_with(|_, _| Some(range), |_| PageWindow::NONE) //~ error: lifetime may not live long enough
}

fn from_new_bar<T>(fault: &Fault<'_, T>, pdev: &pci::Device<Bound>) -> Result<Option<VmFault>>
where
    T: MappedObject + ObjectData<Driver = toy::Driver<T>>,
{
    let bar = WcBar::new(pdev, 0, c"toy")?;
    let range = bar.pfn_range(0, 1, 0); //~ E0597
    Ok(fault.insert_with(|_, _| range, |_| PageWindow::NONE)) //~ error: lifetime may not live long enough
}
