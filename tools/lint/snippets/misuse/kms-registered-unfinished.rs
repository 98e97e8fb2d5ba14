// SPDX-License-Identifier: GPL-2.0

//! A device is registered whose mode configuration is not complete.

use crate::{
    device::BariumHardware,
    display::Display,
    upstream::kms::{
        registration::register,
        UnregisteredKmsDevice, //
    }, //
};
use kernel::{
    device::Bound,
    pci,
    prelude::*, //
};

fn unfinished(
    pdev: &pci::Device<Bound>,
    unfinished: UnregisteredKmsDevice<Display>,
    make: for<'a> fn(&'a pci::Device<Bound>) -> Result<BariumHardware<'a>>,
) -> Result {
    register::<Display, _>(pdev, unfinished, make)?; //~ E0308
    Ok(())
}
