// SPDX-License-Identifier: GPL-2.0

//! Per-device state: data that lives as long as the DRM device, and data that lives only while the
//! driver is bound.
//!
//! The DRM device lives until its last file, mapping and dma-buf is released, which may be long
//! after the hardware is gone. All references to the hardware are in [`BariumRegistrationData`],
//! which is accessible only inside a `registration_guard()`.
//!
//! # Lock order
//!
//! 1. `mmap_lock`, or the lock of one VMA (the memory manager takes it before a fault)
//! 2. the reservation of an object (`dma_resv`), of one at a time
//! 3. `registration_guard()` (SRCU)
//! 4. the mutexes of [`VramManager`], or the mutex of [`Pipe`]
//!
//! No two of the mutexes are held at once. The fault path takes 1 and 3, and never 4. It takes 2
//! only for a page that has no memory yet, after it has left 3. With 2, memory is allocated and
//! reclaimed. A fault reads the placement record in an RCU read-side critical section, inside 3 or
//! without it, in which it takes the locks of page tables only. DRM takes its mode setting locks
//! before 3.

use crate::{
    scanout::{
        ModeLimits,
        Pipe, //
    },
    upstream::kms::registration::UnmapOnDrop,
    vram::{
        VramBar,
        VramManager, //
    },
};
use kernel::drm;

/// The type that implements the driver traits of the PCI bus and of DRM, in `driver.rs`.
pub(crate) struct BariumDriver;

/// The DRM device of this driver.
pub(crate) type BariumDevice<Ctx = drm::Normal> = drm::Device<BariumDriver, Ctx>;

/// How page faults fill mappings, and which nodes a device has. The module parameters select it.
#[derive(Clone, Copy)]
pub(crate) struct Config {
    /// A fault also maps the neighbours of its page that the program will probably access.
    pub(crate) fault_around: bool,
    /// A fault maps a huge entry if the offset in VRAM and the address are aligned for one.
    pub(crate) huge: bool,
    /// The device has a render node. Programs take it for a GPU that renders: a compositor or Mesa
    /// then fails where it would have used the CPU.
    pub(crate) render_node: bool,
}

/// Data that lives as long as the DRM device: an object may outlive the hardware, and is accounted
/// for until it is freed.
pub(crate) struct BariumData {
    vram: VramManager,
    limits: ModeLimits,
    config: Config,
}

impl BariumData {
    /// Creates the data of a device.
    pub(crate) fn new(vram: VramManager, limits: ModeLimits, config: Config) -> Self {
        Self {
            vram,
            limits,
            config,
        }
    }

    /// Returns the limits of the display.
    pub(crate) fn limits(&self) -> &ModeLimits {
        &self.limits
    }

    /// Returns the configuration of the device.
    #[inline]
    pub(crate) fn config(&self) -> Config {
        self.config
    }

    /// Returns the manager of VRAM.
    pub(crate) fn vram(&self) -> &VramManager {
        &self.vram
    }
}

/// Data that lives only while the driver is bound. It is dropped after all mappings are zapped.
pub(crate) type BariumRegistrationData<'bound> = UnmapOnDrop<BariumDriver, BariumHardware<'bound>>;

/// The mapped BARs of a bound device: its registers and VRAM.
pub(crate) struct BariumHardware<'bound> {
    pipe: Pipe<'bound>,
    vram_bar: VramBar<'bound>,
}

impl<'bound> BariumHardware<'bound> {
    /// Creates the data of a bound device.
    pub(crate) fn new(pipe: Pipe<'bound>, vram_bar: VramBar<'bound>) -> Self {
        Self { pipe, vram_bar }
    }

    /// Returns the pipe, which programs the display.
    #[inline]
    pub(crate) fn pipe(&self) -> &Pipe<'bound> {
        &self.pipe
    }

    /// Returns the BAR of VRAM.
    #[inline]
    pub(crate) fn vram_bar(&self) -> &VramBar<'bound> {
        &self.vram_bar
    }
}
