// SPDX-License-Identifier: GPL-2.0

//! The blank picture, which stands in for the blank screen that `bochs-display` lacks.
//!
//! That device cannot blank the screen: if it is disabled, QEMU's window keeps the last picture. So
//! the driver shows a black picture of the mode's size instead.
//!
//! The picture counts as available VRAM. If there is no room for another allocation, the driver
//! frees the picture, and disables the device if it shows the picture.

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
    /// `ENOSPC` if VRAM has no room for it; `EINVAL` if the device cannot show such a picture;
    /// `ENOMEM`.
    pub(super) fn new(
        limits: &ModeLimits,
        vram: &VramManager,
        bar: &VramBar<'_>,
        width: u16,
        height: u16,
    ) -> Result<Self> {
        // Zero is black in both formats. The picture lies as high as the display can show it. A
        // picture with 16 bits per pixel that does not reach the end of VRAM would split the VRAM
        // that buffers can use, because the reach is longer for their larger pixels. So it then
        // gets 32 bits.
        let smallest = Self::picture(limits, Fourcc::RGB565, u16::BITS, width, height)?;
        let is_at_end = |(picture, last_start): &(Picture, u64)| {
            let end = picture.len().and_then(|len| last_start.checked_add(len));
            end.is_some_and(|end| usize::try_from(end).is_ok_and(|end| end >= vram.size().bytes()))
        };
        let (picture, last_start) = match is_at_end(&smallest) {
            true => smallest,
            false => Self::picture(limits, Fourcc::XRGB8888, u32::BITS, width, height)?,
        };
        let len = picture.len().ok_or(EINVAL)?;
        let size = page::page_align(len.try_into()?).ok_or(EINVAL)?;
        let allocation = vram.alloc_reclaimable(size, VramOffset(last_start.try_into()?))?;
        let (start, _) = allocation.extents().next().ok_or(EINVAL)?;
        let blank = Self {
            allocation,
            scanout: limits.scanout(&picture, start.0.try_into()?)?,
        };
        blank.clear(bar)?;
        Ok(blank)
    }

    /// Returns a picture whose lines have no padding, and the highest offset at which it can start.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device cannot show such a picture.
    fn picture(
        limits: &ModeLimits,
        format: Fourcc,
        bits_per_pixel: u32,
        width: u16,
        height: u16,
    ) -> Result<(Picture, u64)> {
        let pitch = bits_per_pixel / u8::BITS * u32::from(width);
        let last_start = limits
            .last_start(height.into(), pitch, bits_per_pixel)
            .ok_or(EINVAL)?;
        let picture = Picture {
            format,
            width,
            height,
            pitch,
        };
        Ok((picture, last_start))
    }

    /// Returns the offset of the picture in VRAM, and the length of its allocation in bytes.
    pub(super) fn part(&self) -> Option<(VramOffset, usize)> {
        self.allocation.extents().next()
    }

    /// Makes the picture black.
    pub(super) fn clear(&self, bar: &VramBar<'_>) -> Result {
        for (offset, len) in self.allocation.extents() {
            bar.clear(offset, len)?;
        }
        Ok(())
    }
}
