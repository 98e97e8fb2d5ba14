// SPDX-License-Identifier: GPL-2.0

//! A fault inserts PFNs of a BAR that is not in the registration data, or pages of system memory that
//! are not in the placement record, so that they can be released while the entry stays.

use crate::{
    toy,
    units::PageWindow,
    upstream::{
        gem::{
            fault::{
                Backing,
                Fault,
                VmFault, //
            },
            MappedObject,
            ObjectData, //
        },
        shmem::ShmemPages,
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

fn from_caller<'a, T>(fault: &Fault<'_, T>, range: PfnRange<'a>) -> Result<VmFault, ()>
where
    T: MappedObject + ObjectData<Driver = toy::Driver<T>>,
{
    fault.insert_with(|_, _| Ok(Backing::Device(range)), |_| PageWindow::NONE) //~ error: lifetime may not live long enough
}

fn from_new_bar<T>(fault: &Fault<'_, T>, pdev: &pci::Device<Bound>) -> Result<Result<VmFault, ()>>
where
    T: MappedObject + ObjectData<Driver = toy::Driver<T>>,
{
    let bar = WcBar::new(pdev, 0, c"toy")?;
    let range = bar.pfn_range(0, 1, 0).ok_or(EINVAL)?; //~ E0597
    Ok(fault.insert_with(|_, _| Ok(Backing::Device(range)), |_| PageWindow::NONE))
    //~^ error: lifetime may not live long enough
}

fn from_other_pages<T>(fault: &Fault<'_, T>) -> Result<Result<VmFault, ()>>
where
    T: MappedObject + ObjectData<Driver = toy::Driver<T>>,
{
    let pages = ShmemPages::new(1)?;
    let range = pages.range(0).ok_or(EINVAL)?; //~ E0597
    Ok(fault.insert_with(|_, _| Ok(Backing::System(range)), |_| PageWindow::NONE))
}
