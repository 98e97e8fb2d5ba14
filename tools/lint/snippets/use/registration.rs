// SPDX-License-Identifier: GPL-2.0

//! Registration data that borrows from the parent device; suspend of a registered device.

use crate::{
    device::{
        BariumDriver,
        BariumHardware, //
    },
    dispi,
    display::Display,
    scanout::Pipe,
    upstream::{
        dmem,
        kms::{
            client,
            registration::{
                register,
                RegisteredKmsDevice, //
            },
            ReadyKmsDevice, //
        }, //
    },
    vram::VramBar,
};
use kernel::{
    device::Bound,
    pci,
    prelude::*, //
};

fn bind(
    pdev: &pci::Device<Bound>,
    ready: ReadyKmsDevice<Display>,
    properties: &dispi::Properties,
    dmem: dmem::Region<BariumDriver>,
) -> Result<RegisteredKmsDevice<BariumDriver>> {
    register::<Display, _>(pdev, ready, |pdev| {
        let bar = VramBar::new(pdev, properties.vram)?;
        let pipe = Pipe::new(dispi::Registers::new(pdev)?, properties)?;
        Ok(BariumHardware::new(dmem, pipe, bar))
    })
}

fn suspend(dev: &RegisteredKmsDevice<BariumDriver>) -> Result {
    client::suspend(dev)
}
