// SPDX-License-Identifier: GPL-2.0

//! Barium: a DRM driver for VRAM behind a PCI BAR.
//!
//! A GEM object lives in VRAM. Userspace maps it, and the mmap fault handler inserts the BAR's
//! page frames, write-combined, one at a time. The hardware is QEMU's `bochs-display`, `VGA` and
//! `secondary-vga`.
//!
//! # The way of a fault
//!
//! [`mmap`] reads top to bottom: who is it, may it, what, insert. It asks [`gem`] for the place of
//! a page in VRAM, and [`vram`] for the page frame of that place. [`upstream`] is between it and
//! the memory manager.
//!
//! # The way of a picture
//!
//! An object that is in one piece is shown where it is: [`display`] tells the device where that
//! is, through the registers of [`dispi`]. No pixel is copied.
//!
//! # Rooms
//!
//! `file -> gem -> vram`, `mmap -> gem`, `display -> gem`, all of them `-> upstream`; [`driver`]
//! wires. Only [`upstream`] has `unsafe` code.

mod device;
mod dispi;
mod display;
mod driver;
mod fault_around;
mod file;
mod gem;
mod mmap;
mod uapi;
mod units;
mod upstream;
mod vram;

use kernel::{
    prelude::*,
    InPlaceModule,
    ModuleMetadata,
    ThisModule, //
};

module! {
    type: BariumModule,
    name: "barium",
    authors: ["The Barium authors"],
    description: "DRM driver for VRAM behind a PCI BAR",
    license: "GPL",
    params: {
        fault_around: bool {
            default: true,
            description: "Map neighbours of a page with it where that is worth it (default: true)",
        },
        huge: bool {
            default: true,
            description: "Map with huge entries where that is possible (default: true)",
        },
    },
}

/// What the parameters of the module say.
fn config() -> device::Config {
    device::Config {
        fault_around: module_parameters::fault_around.value(),
        huge: upstream::vma::HUGE_SUPPORTED && module_parameters::huge.value(),
    }
}

/// The loaded module: the registration with the PCI bus.
#[pin_data]
struct BariumModule {
    #[pin]
    _registration: kernel::driver::Registration<upstream::pm::Adapter<driver::BariumDriver>>,
}

impl InPlaceModule for BariumModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _registration <- kernel::driver::Registration::new(
                <Self as ModuleMetadata>::NAME,
                module,
            ),
            _: { driver::report_devices_of_others(<Self as ModuleMetadata>::NAME) },
        })
    }
}
