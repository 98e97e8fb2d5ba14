// SPDX-License-Identifier: GPL-2.0

//! B1: registration data that borrows from the caller of `register()`, which returns before unbind.

use crate::{
    device::{
        BariumDriver,
        BariumHardware, //
    },
    display::Display,
    upstream::{
        kms::Ready,
        registration::{
            register,
            WasRegistered, //
        }, //
    },
};
use kernel::{
    device::Bound,
    pci,
    prelude::*, //
};

fn borrowed<'a>(
    pdev: &pci::Device<Bound>,
    ready: Ready<Display>,
    make: impl Fn() -> Result<BariumHardware<'a>>,
) -> Result<WasRegistered<BariumDriver>> {
    register::<Display, _>(pdev, ready, |_| make()) //~ error: lifetime may not live long enough
}
