// SPDX-License-Identifier: GPL-2.0

//! Numbers with a meaning, which rooms exchange: pages, windows of pages, places in VRAM.
//!
//! This is a leaf: it has no `unsafe` code and uses no other room.

use core::fmt;

/// The number of a page within an object, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PageIndex(pub(crate) usize);

/// Pages around a page: how many lie right before it, and how many right after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageWindow {
    pub(crate) before: usize,
    pub(crate) after: usize,
}

impl PageWindow {
    /// As many pages as there are, on both sides.
    pub(crate) const ALL: Self = Self {
        before: usize::MAX,
        after: usize::MAX,
    };
    /// No page.
    pub(crate) const NONE: Self = Self {
        before: 0,
        after: 0,
    };

    /// Returns the smaller number on either side.
    #[inline]
    pub(crate) fn min(self, other: Self) -> Self {
        Self {
            before: self.before.min(other.before),
            after: self.after.min(other.after),
        }
    }
}

/// What a program said about its accesses to an area (`madvise()`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Nothing, or `MADV_NORMAL`.
    Normal,
    /// `MADV_SEQUENTIAL`.
    Sequential,
    /// `MADV_RANDOM`.
    Random,
}

/// A place in VRAM, in bytes from its start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VramOffset(pub(crate) usize);

impl VramOffset {
    /// The largest offset: nothing in VRAM is above it.
    pub(crate) const MAX: Self = Self(usize::MAX);
}

impl fmt::Debug for VramOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vram+{:#x}", self.0)
    }
}
