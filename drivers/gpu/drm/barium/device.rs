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
//! 3. the heap's mutexes ([`Heap`])
//!
//! The fault path takes 1 and 2, and never 3.

use crate::vram::{
    Aperture,
    Heap, //
};

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
    config: Config,
}

impl BariumData {
    pub(crate) fn new(heap: Heap, config: Config) -> Self {
        Self { heap, config }
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

/// What lives as long as the driver is bound: the way to the hardware.
pub(crate) struct BariumRegistrationData<'bound> {
    aperture: Aperture<'bound>,
}

impl<'bound> BariumRegistrationData<'bound> {
    pub(crate) fn new(aperture: Aperture<'bound>) -> Self {
        Self { aperture }
    }

    /// The BAR that shows VRAM.
    pub(crate) fn aperture(&self) -> &Aperture<'bound> {
        &self.aperture
    }
}
