// SPDX-License-Identifier: GPL-2.0

//! VRAM: the BAR to access it ([`bar`]), its allocation ([`manager`], with the bitmap in
//! [`page_map`] and the extents in [`extents`]), the choice of the objects that leave it
//! ([`occupancy`]), and a copy of its content during hibernation ([`hibernation`]).
//!
//! Offsets are in bytes from the start of VRAM. This module does not use GEM objects.

mod bar;
mod extents;
mod hibernation;
mod manager;
mod occupancy;
mod page_map;

pub(crate) use bar::VramBar;
pub(crate) use extents::VramPage;
pub(crate) use hibernation::VramBackup;
pub(crate) use manager::{
    Allocation,
    Contiguity,
    VramManager,
    VramParts, //
};
pub(crate) use occupancy::{
    Needed,
    Occupancy,
    Rank,
    Window, //
};

pub(crate) use crate::units::VramOffset;

use core::num::NonZeroUsize;
use kernel::{
    page::PAGE_MASK,
    sizes::SZ_1M, //
};

/// The size of VRAM in bytes: a whole number of pages, not 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct VramSize(NonZeroUsize);

impl VramSize {
    /// Creates a size of `bytes`, rounded down to whole pages. `None` if that is 0.
    pub(crate) fn new(bytes: usize) -> Option<Self> {
        NonZeroUsize::new(bytes & PAGE_MASK).map(Self)
    }

    /// Returns the size in bytes.
    pub(crate) fn bytes(self) -> usize {
        self.0.get()
    }

    /// Returns the size in MiB, rounded down, for messages.
    pub(crate) fn mib(self) -> usize {
        self.bytes() / SZ_1M
    }
}
