// SPDX-License-Identifier: GPL-2.0

//! Per-device state: data that lives as long as the DRM device, and data that lives only while the
//! driver is bound.
//!
//! The DRM device lives until its last file, mapping and dma-buf is released, which may be long after
//! the hardware is gone. Everything that refers to the hardware is in [`BariumRegistrationData`],
//! which can be reached only inside a `registration_guard()`.
//!
//! # Lock order
//!
//! 1. `mmap_lock`, or the lock of one VMA (the memory manager takes it before a fault)
//! 2. `registration_guard()` (SRCU)
//! 3. the mutexes of [`VramManager`], or the mutex of [`Pipe`]
//!
//! The fault path takes 1 and 2, and never 3. The locks of mode setting, which DRM takes, come before
//! 2.

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

/// The type that the PCI bus and DRM know the driver by. `driver.rs` implements their traits for it.
pub(crate) struct BariumDriver;

/// The DRM device of this driver.
pub(crate) type BariumDevice<Ctx = drm::Normal> = drm::Device<BariumDriver, Ctx>;

/// How mappings are filled. The parameters of the module choose it.
#[derive(Clone, Copy)]
pub(crate) struct Config {
    /// A fault maps neighbours of its page, if it expects them to be used.
    pub(crate) fault_around: bool,
    /// A fault maps a huge entry, if VRAM and the VMA are aligned for one.
    pub(crate) huge: bool,
}

/// Data that lives as long as the DRM device: objects, and with them their accounting, may outlive
/// the hardware.
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

    /// Returns how mappings are filled.
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

/// The resources of the PCI device that the driver accesses the hardware with.
pub(crate) struct BariumHardware<'bound> {
    pipe: Pipe<'bound>,
    vram_bar: VramBar<'bound>,
}

impl<'bound> BariumHardware<'bound> {
    /// Creates the data of a bound device.
    pub(crate) fn new(pipe: Pipe<'bound>, vram_bar: VramBar<'bound>) -> Self {
        Self { pipe, vram_bar }
    }

    /// Returns the display hardware.
    #[inline]
    pub(crate) fn pipe(&self) -> &Pipe<'bound> {
        &self.pipe
    }

    /// Returns the BAR that VRAM is behind.
    #[inline]
    pub(crate) fn vram_bar(&self) -> &VramBar<'bound> {
        &self.vram_bar
    }
}
