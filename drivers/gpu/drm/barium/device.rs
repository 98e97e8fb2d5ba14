// SPDX-License-Identifier: GPL-2.0

//! What there is of a device: what lives as long as the DRM device does, and what only as long as
//! the driver is bound.
//!
//! The DRM device lives until the last file, mapping and dma-buf of it is gone, which may be long
//! after the hardware is. What refers to hardware is in [`BariumRegistrationData`], and reachable
//! only inside a `registration_guard()`.
//!
//! # Lock order
//!
//! 1. `mmap_lock`, or the lock of one mapping (taken by the memory manager before a fault)
//! 2. `registration_guard()` (SRCU)
//! 3. the heap's mutexes ([`Heap`]), or that of what the display has been told ([`Pipe`])
//!
//! The fault path takes 1 and 2, and never 3. DRM's locks of mode setting come before 2.

use crate::{
    display::{
        Limits,
        Pipe, //
    },
    upstream::registration::UnmapOnDrop,
    vram::{
        Aperture,
        Heap, //
    },
};
use kernel::drm;

/// The driver, to the PCI bus and to DRM. [`crate::driver`] implements their traits for it.
pub(crate) struct BariumDriver;

/// The DRM device of this driver.
pub(crate) type BariumDevice<Ctx = drm::Normal> = drm::Device<BariumDriver, Ctx>;

/// How mappings are filled. It is chosen when the module is loaded.
#[derive(Clone, Copy)]
pub(crate) struct Config {
    /// Map neighbours of a page with it, where that is worth it.
    pub(crate) fault_around: bool,
    /// Map with huge entries, where that is possible.
    pub(crate) huge: bool,
}

/// What lives as long as the DRM device: the bookkeeping of objects, that may outlive the
/// hardware.
pub(crate) struct BariumData {
    heap: Heap,
    limits: Limits,
    config: Config,
}

impl BariumData {
    pub(crate) fn new(heap: Heap, limits: Limits, config: Config) -> Self {
        Self {
            heap,
            limits,
            config,
        }
    }

    /// What the display can show.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How mappings are filled.
    #[inline]
    pub(crate) fn config(&self) -> Config {
        self.config
    }

    /// Who has which part of VRAM.
    pub(crate) fn heap(&self) -> &Heap {
        &self.heap
    }
}

/// Registration data: the hardware, until the driver is unbound and all mappings are zapped.
pub(crate) type BariumRegistrationData<'bound> = UnmapOnDrop<BariumDriver, BariumHardware<'bound>>;

/// What the driver accesses the hardware with.
pub(crate) struct BariumHardware<'bound> {
    pipe: Pipe<'bound>,
    aperture: Aperture<'bound>,
}

impl<'bound> BariumHardware<'bound> {
    pub(crate) fn new(pipe: Pipe<'bound>, aperture: Aperture<'bound>) -> Self {
        Self { pipe, aperture }
    }

    /// What is seen of VRAM.
    #[inline]
    pub(crate) fn pipe(&self) -> &Pipe<'bound> {
        &self.pipe
    }

    /// The BAR that shows VRAM.
    #[inline]
    pub(crate) fn aperture(&self) -> &Aperture<'bound> {
        &self.aperture
    }
}
