// SPDX-License-Identifier: GPL-2.0

//! VRAM: how it is reached ([`aperture`]), who has which part of it ([`heap`]), and where its content
//! is while the machine hibernates ([`hibernation`]).
//!
//! Offsets are bytes from the start of VRAM. This room knows nothing of GEM objects.

mod aperture;
mod heap;
mod hibernation;
mod page_map;

pub(crate) use aperture::Aperture;
pub(crate) use heap::{
    Allocation,
    Heap,
    Placement,
    Run, //
};
pub(crate) use hibernation::VramBackup;

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
    /// `None` if there is not even one page.
    pub(crate) fn new(bytes: usize) -> Option<Self> {
        NonZeroUsize::new(bytes & PAGE_MASK).map(Self)
    }

    pub(crate) fn bytes(self) -> usize {
        self.0.get()
    }

    /// In MiB, rounded down, for messages.
    pub(crate) fn mib(self) -> usize {
        self.bytes() / SZ_1M
    }
}
