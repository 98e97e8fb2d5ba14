// SPDX-License-Identifier: GPL-2.0

//! Barium: a DRM driver for VRAM behind a PCI BAR.
//!
//! A GEM object lives in VRAM or in system memory. User space maps it, and the fault handler
//! inserts PFNs on demand: those of VRAM write-combined, those of system memory cached. The
//! hardware is QEMU's `bochs-display`, `VGA` and `secondary-vga`.
//!
//! # Page faults
//!
//! The handler in [`mmap`] checks the device, resolves the object page to a PFN and inserts it.
//! [`place`] has the record of where the object is, and [`vram`] resolves a page of VRAM to a PFN.
//! [`upstream`] has the calls into the memory manager.
//!
//! # Scanout
//!
//! The device scans a contiguous object out in place, without a copy: [`display`] implements DRM's
//! mode setting objects, and [`scanout`] programs the registers of [`dispi`].
//!
//! # Modules
//!
//! Each top-level module uses modules in lower rows only, so that no two modules use each other.
//!
//! | module | is in charge of | uses |
//! | --- | --- | --- |
//! | `barium_main` | the module and its parameters | [`driver`], [`device`], [`upstream`] |
//! | [`driver`] | PCI ids, probe, the operations of the PCI bus and of DRM, the ioctl table | all below |
//! | [`debugfs`] | the files in debugfs | [`gem`], [`device`], [`vram`], [`upstream`] |
//! | [`mod@file`] | ioctls of a client | [`mmap`], [`gem`], [`device`], [`upstream`], [`uapi`] |
//! | [`mmap`] | mappings: the fault handler and its policy | [`gem`], [`place`], [`device`], [`fault_around`], [`upstream`], [`units`] |
//! | [`display`] | DRM's mode setting objects | [`gem`], [`device`], [`scanout`], [`vram`], [`upstream`] |
//! | [`gem`] | the GEM object | [`place`], [`device`], [`scanout`], [`vram`], [`fault_around`], [`upstream`], [`uapi`], [`units`] |
//! | [`place`] | the placement record of an object | [`vram`], [`upstream`], [`units`] |
//! | [`device`] | the driver's types, data of a device, lock order | [`scanout`], [`vram`], [`upstream`] |
//! | [`scanout`] | the limits of the display, and programming it | [`dispi`], [`vram`], [`upstream`] |
//! | [`dispi`] | the registers of the device | [`vram`] |
//! | [`vram`] | the allocation of VRAM, its BAR and its backup | [`upstream`], [`units`] |
//! | [`fault_around`] | which neighbours a fault maps: numbers only | [`upstream`], [`units`] |
//! | [`upstream`] | abstractions that the kernel crate lacks; the only module with `unsafe` code | [`units`] |
//! | [`uapi`] | the ABI | |
//! | [`units`] | types of numbers: pages, windows, offsets | |

mod debugfs;
mod device;
mod dispi;
mod display;
mod driver;
mod fault_around;
mod file;
mod gem;
mod mmap;
mod place;
mod scanout;
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
    imports_ns: ["DMA_BUF"],
    params: {
        fault_around: bool {
            default: true,
            description: "Map neighbours of a page with it where that is worth it (default: true)",
        },
        huge: bool {
            default: true,
            description: "Map with huge entries where that is possible (default: true)",
        },
        modeset: i32 {
            default: -1,
            description: "1: bind although the kernel has nomodeset, 0: never bind (default: -1, unless nomodeset)",
        },
        move_every: u32 {
            default: 0,
            description: "For tests: each n-th page fault moves its object out of VRAM or into it (default: 0, never)",
        },
        render_node: bool {
            default: false,
            description: "Create a render node, for programs that use Barium's own ioctls (default: false)",
        },
    },
}

/// Returns the configuration that the module parameters select.
fn config() -> device::Config {
    device::Config {
        fault_around: module_parameters::fault_around.value(),
        huge: upstream::vma::HUGE_SUPPORTED && module_parameters::huge.value(),
        move_every: module_parameters::move_every.value(),
        render_node: module_parameters::render_node.value(),
    }
}

/// Fails with `ENODEV` if the module must leave the displays to the firmware's framebuffer: with
/// `nomodeset` on the kernel's command line, unless `modeset=1` overrides it, and with `modeset=0`.
fn check_modeset() -> Result {
    match module_parameters::modeset.value() {
        0 => Err(ENODEV),
        1.. => Ok(()),
        ..0 if upstream::firmware_fb::has_nomodeset() => Err(ENODEV),
        ..0 => Ok(()),
    }
}

/// The loaded module: the registration with the PCI bus.
#[pin_data]
struct BariumModule {
    #[pin]
    _registration: kernel::driver::Registration<upstream::pm::Adapter<device::BariumDriver>>,
}

impl InPlaceModule for BariumModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _: { check_modeset()? },
            _: { driver::set_config(config()) },
            _registration <- kernel::driver::Registration::new(
                <Self as ModuleMetadata>::NAME,
                module,
            ),
            _: { driver::report_devices_of_others(<Self as ModuleMetadata>::NAME) },
        })
    }
}
