// SPDX-License-Identifier: GPL-2.0

//! A device is registered twice.

use crate::{
    device::{
        BariumDriver,
        BariumHardware, //
    },
    display::Display,
    upstream::kms::{
        registration::{
            register,
            RegisteredKmsDevice, //
        },
        ReadyKmsDevice, //
    }, //
};
use kernel::{
    device::Bound,
    pci,
    prelude::*, //
};

fn twice(
    pdev: &pci::Device<Bound>,
    ready: ReadyKmsDevice<Display>,
    make: for<'a> fn(&'a pci::Device<Bound>) -> Result<BariumHardware<'a>>,
) -> Result<RegisteredKmsDevice<BariumDriver>> {
    register::<Display, _>(pdev, ready, make)?;
    register::<Display, _>(pdev, ready, make) //~ E0382
}
