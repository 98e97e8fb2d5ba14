// SPDX-License-Identifier: GPL-2.0

//! Types of numbers that several modules use: page indices, page windows, offsets in VRAM.
//!
//! This module has no `unsafe` code and uses no other module of the driver.

use core::fmt;

/// The number of a page within an object, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PageIndex(pub(crate) usize);

/// The pages around a page: a number of pages right before it, and a number right after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageWindow {
    pub(crate) before: usize,
    pub(crate) after: usize,
}

impl PageWindow {
    /// All pages on both sides. [`Self::min`] limits them.
    pub(crate) const ALL: Self = Self {
        before: usize::MAX,
        after: usize::MAX,
    };
    /// No page.
    pub(crate) const NONE: Self = Self {
        before: 0,
        after: 0,
    };

    /// Returns the smaller number for each side.
    #[inline]
    pub(crate) fn min(self, other: Self) -> Self {
        Self {
            before: self.before.min(other.before),
            after: self.after.min(other.after),
        }
    }

    /// Returns the larger number for each side.
    #[inline]
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            before: self.before.max(other.before),
            after: self.after.max(other.after),
        }
    }
}

/// The advice of a program for a VMA (`madvise()`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// No advice, or `MADV_NORMAL`.
    Normal,
    /// `MADV_SEQUENTIAL`.
    Sequential,
    /// `MADV_RANDOM`.
    Random,
}

/// An offset in VRAM, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VramOffset(pub(crate) usize);

impl VramOffset {
    /// An upper bound for all offsets.
    pub(crate) const MAX: Self = Self(usize::MAX);
}

impl fmt::Debug for VramOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vram+{:#x}", self.0)
    }
}
