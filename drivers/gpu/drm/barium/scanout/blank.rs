// SPDX-License-Identifier: GPL-2.0

//! The blank picture, which `bochs-display` shows when it must show nothing.
//!
//! That device cannot blank the screen: if it is disabled, QEMU's window keeps the last picture. So
//! the driver shows a black picture of the mode's size instead.
//!
//! The picture counts as available VRAM. It is freed if there is no room for another allocation, and
//! then the device is disabled.

use super::limits::{
    ModeLimits,
    Picture,
    Scanout, //
};
use crate::{
    upstream::kms::mode::Fourcc,
    vram::{
        Allocation,
        VramBar,
        VramManager,
        VramOffset, //
    }, //
};
use kernel::{
    page,
    prelude::*, //
};

/// A black picture in VRAM.
pub(super) struct Blank {
    allocation: Allocation,
    /// The values of the registers that show the picture.
    pub(super) scanout: Scanout,
}

impl Blank {
    /// Creates a picture of `width` by `height` pixels.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if VRAM has no room for it; `EINVAL` if the device cannot show such a picture; `ENOMEM`.
    pub(super) fn new(
        limits: &ModeLimits,
        vram: &VramManager,
        bar: &VramBar<'_>,
        width: u16,
        height: u16,
    ) -> Result<Self> {
        let picture = Picture {
            // The format with the smallest pixels. Zero is black in each format.
            format: Fourcc::RGB565,
            width,
            height,
            pitch: 2 * u32::from(width),
        };
        let last_start = limits
            .last_start(height.into(), picture.pitch, u16::BITS)
            .ok_or(EINVAL)?;
        let len = picture.len().ok_or(EINVAL)?;
        let size = page::page_align(len.try_into()?).ok_or(EINVAL)?;
        let allocation = vram.alloc_yielding(size, VramOffset(last_start.try_into()?))?;
        let (start, _) = allocation.extents().next().ok_or(EINVAL)?;
        let blank = Self {
            allocation,
            scanout: limits.scanout(&picture, start.0.try_into()?)?,
        };
        blank.clear(bar)?;
        Ok(blank)
    }

    /// Makes the picture black.
    pub(super) fn clear(&self, bar: &VramBar<'_>) -> Result {
        for (offset, len) in self.allocation.extents() {
            bar.clear(offset, len)?;
        }
        Ok(())
    }
}
