// SPDX-License-Identifier: GPL-2.0

//! Registration data borrows from the caller of `register()`, which returns before unbind.

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

fn made_by_caller<'a>(
    pdev: &pci::Device<Bound>,
    ready: ReadyKmsDevice<Display>,
    make: impl Fn() -> Result<BariumHardware<'a>>,
) -> Result<RegisteredKmsDevice<BariumDriver>> {
    register::<Display, _>(pdev, ready, |_| make()) //~ error: lifetime may not live long enough
}

fn of_another_device<'a>(
    pdev: &pci::Device<Bound>,
    other: &'a pci::Device<Bound>,
    ready: ReadyKmsDevice<Display>,
    make: for<'b> fn(&'b pci::Device<Bound>) -> Result<BariumHardware<'b>>,
) -> Result<RegisteredKmsDevice<BariumDriver>> {
    register::<Display, _>(pdev, ready, |_| make(other)) //~ error: lifetime may not live long enough
}
