// SPDX-License-Identifier: GPL-2.0

//! VRAM: how it is reached ([`aperture`]), and who has which part of it ([`heap`]).
//!
//! Offsets are bytes from the start of VRAM. This room knows nothing of GEM objects.

mod aperture;
mod heap;
mod page_map;

pub(crate) use aperture::Aperture;
pub(crate) use heap::{
    Allocation,
    Heap,
    Placement,
    Run, //
};

use core::{
    fmt,
    num::NonZeroUsize, //
};
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

/// A place in VRAM, in bytes from its start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VramOffset(pub(crate) usize);

impl VramOffset {
    /// An offset that nothing in VRAM is above.
    pub(crate) const MAX: Self = Self(usize::MAX);
}

impl fmt::Debug for VramOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vram+{:#x}", self.0)
    }
}
