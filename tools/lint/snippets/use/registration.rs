// SPDX-License-Identifier: GPL-2.0

//! Registration data that borrows from the parent.

use crate::{
    device::{
        BariumDriver,
        BariumHardware, //
    },
    dispi,
    display::{
        Display,
        Screen, //
    },
    upstream::{
        kms::Ready,
        registration::{
            register,
            WasRegistered, //
        }, //
    },
    vram::Aperture,
};
use kernel::{
    device::Bound,
    pci,
    prelude::*, //
};

fn parent(
    pdev: &pci::Device<Bound>,
    ready: Ready<Display>,
    properties: &dispi::Properties,
) -> Result<WasRegistered<BariumDriver>> {
    register::<Display, _>(pdev, ready, |pdev| {
        let aperture = Aperture::new(pdev, properties.vram)?;
        let screen = Screen::new(dispi::Registers::new(pdev)?, properties)?;
        Ok(BariumHardware::new(screen, aperture))
    })
}
