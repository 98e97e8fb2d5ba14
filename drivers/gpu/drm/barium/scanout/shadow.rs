// SPDX-License-Identifier: GPL-2.0

//! The shadow: a copy in VRAM of a picture that is elsewhere and cannot move there, which the
//! display shows instead. Such a picture is in an object that belongs in system memory, that
//! another device has attached to, or that was imported from another device.
//!
//! Each commit copies the damage from the object to the shadow, or the whole picture if the client
//! has passed no damage. The display shows the shadow meanwhile, so a commit can tear. Without a
//! commit or `DRM_IOCTL_MODE_DIRTYFB`, the screen does not change.
//!
//! A shadow has exactly the part of the framebuffer that the screen shows, with a pitch of its own.
//! So neither the framebuffer's pitch nor the part's position in it have to suit the device.
//! Consecutive states of a plane share one shadow if they have the same size and format, also if
//! they show different framebuffers: the damage is the difference between the two pictures.
//!
//! [`crate::gem`] allocates the VRAM, and [`crate::display`] decides which pictures need a shadow.

use super::limits::{
    ModeLimits,
    Picture,
    Scanout, //
};
use crate::{
    upstream::{
        kms::{
            damage::Rect,
            mode::Fourcc, //
        },
        shared_bytes::SharedBytes,
        wc_bar::{
            BarPart,
            Lines, //
        }, //
    },
    vram::{
        Allocation,
        VramBar,
        VramOffset, //
    }, //
};
use kernel::{
    page,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// A picture in VRAM that the display shows instead of one that is elsewhere.
pub(crate) struct Shadow {
    _allocation: Allocation,
    start: VramOffset,
    picture: Picture,
    scanout: Scanout,
    /// True if the last update has left all pixels of its picture in the shadow, and none of them
    /// is out of date. Only commits change this, one at a time.
    is_complete: Atomic<bool>,
}

/// The framebuffer that a shadow is a copy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShadowSource {
    /// The offset of the framebuffer's first pixel in the object, in bytes.
    pub(crate) offset: u32,
    /// The number of bytes from the start of a line to the start of the next one.
    pub(crate) pitch: u32,
    /// The left edge of the part that the screen shows, in pixels.
    pub(crate) x: u16,
    /// The top edge of that part, in lines.
    pub(crate) y: u16,
}

impl Shadow {
    /// Returns the picture that shows `width` by `height` pixels of `format`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device cannot show it at any offset in VRAM.
    pub(crate) fn picture(
        limits: &ModeLimits,
        format: Fourcc,
        width: u16,
        height: u16,
    ) -> Result<Picture> {
        let picture = Picture::packed(format, width, height);
        limits.scanout(&picture, 0)?;
        Ok(picture)
    }

    /// Returns the size of the VRAM for `picture`, in bytes, and the highest offset at which it can
    /// start.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device cannot show the picture.
    pub(crate) fn requirements(
        limits: &ModeLimits,
        picture: &Picture,
    ) -> Result<(usize, VramOffset)> {
        // The device scans out the padding of the last line, too.
        let len = u64::from(picture.pitch) * u64::from(picture.height);
        let size = page::page_align(len.try_into()?).ok_or(EINVAL)?;
        let last = limits.last_object_start(picture, 0)?;
        Ok((size, VramOffset(last.try_into()?)))
    }

    /// Creates the shadow for `picture`, in an allocation that meets [`Self::requirements`].
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device cannot show the picture in the allocation.
    pub(crate) fn new(
        limits: &ModeLimits,
        picture: Picture,
        allocation: Allocation,
    ) -> Result<Self> {
        let (start, _) = allocation.extents().next().ok_or(EINVAL)?;
        Ok(Self {
            _allocation: allocation,
            start,
            scanout: limits.scanout(&picture, start.0.try_into()?)?,
            picture,
            is_complete: Atomic::new(false),
        })
    }

    /// Returns true if this is a shadow for `picture`.
    pub(crate) fn is_for(&self, picture: &Picture) -> bool {
        self.picture == *picture
    }

    /// Returns the values of the registers that show the shadow.
    pub(crate) fn scanout(&self) -> Scanout {
        self.scanout
    }

    /// Returns the number of bytes from the start of a line to the start of the next one.
    pub(crate) fn pitch(&self) -> u32 {
        self.picture.pitch
    }

    /// Returns the memory of the shadow, from the first pixel to the last. Takes no lock.
    ///
    /// # Errors
    ///
    /// `EINVAL` or `ERANGE`, but not for a shadow that [`Self::new`] has created.
    pub(crate) fn memory<'a>(&self, bar: &'a VramBar<'_>) -> Result<BarPart<'a>> {
        bar.part(self.start, self.picture.len().ok_or(EINVAL)?.try_into()?)
    }

    /// Copies `damage`, rectangles of the framebuffer `source`, from `bytes`, the bytes of its
    /// object. Copies the whole picture if the shadow does not contain the rest of it.
    /// `is_coherent` is false if `bytes` may be out of date: the next update then copies everything
    /// again.
    ///
    /// Called in a commit: takes no lock and allocates nothing.
    ///
    /// # Errors
    ///
    /// `ERANGE` if the part that the screen shows is not within `bytes`.
    pub(crate) fn update(
        &self,
        bar: &VramBar<'_>,
        source: &ShadowSource,
        bytes: SharedBytes<'_>,
        is_coherent: bool,
        mut damage: impl Iterator<Item = Rect>,
    ) -> Result {
        let copy = |rect: Rect| {
            let lines = lines(&self.picture, self.start, source, &rect)?;
            bar.copy_lines(bytes, &lines)
        };
        let was_complete = self.is_complete.load(Relaxed);
        self.is_complete.store(false, Relaxed);
        if was_complete {
            damage.try_for_each(copy)?;
        } else {
            copy(Rect {
                x: source.x,
                y: source.y,
                width: self.picture.width,
                height: self.picture.height,
            })?;
        }
        self.is_complete.store(is_coherent, Relaxed);
        Ok(())
    }
}

/// Returns the lines to copy from `source` to `picture`, which starts at `start` in VRAM, for
/// `rect`, a rectangle of the framebuffer.
///
/// # Errors
///
/// `ERANGE` if the rectangle is not within the part that the screen shows.
fn lines(
    picture: &Picture,
    VramOffset(start): VramOffset,
    source: &ShadowSource,
    rect: &Rect,
) -> Result<Lines> {
    let from = Picture {
        pitch: source.pitch,
        ..*picture
    };
    let x = rect.x.checked_sub(source.x).ok_or(ERANGE)?;
    let y = rect.y.checked_sub(source.y).ok_or(ERANGE)?;
    if rect.width > picture.width.saturating_sub(x)
        || rect.height > picture.height.saturating_sub(y)
    {
        return Err(ERANGE);
    }
    let first = u64::from(source.offset) + from.pixel_offset(rect.x, rect.y);
    Ok(Lines {
        from: first.try_into()?,
        from_pitch: source.pitch.try_into()?,
        to: start + usize::try_from(picture.pixel_offset(x, y))?,
        to_pitch: picture.pitch.try_into()?,
        len: picture.bytes(rect.width).try_into()?,
        count: rect.height.into(),
    })
}

#[kunit_tests(barium_shadow)]
mod tests {
    use super::*;

    const START: VramOffset = VramOffset(0x10000);
    const SOURCE: ShadowSource = ShadowSource {
        offset: 100,
        pitch: 4000,
        x: 10,
        y: 20,
    };

    fn rect(x: u16, y: u16, width: u16, height: u16) -> Rect {
        Rect {
            x,
            y,
            width,
            height,
        }
    }

    #[test]
    fn lines_are_padded_to_eight_pixels() {
        for (format, width, pitch) in [
            (Fourcc::XRGB8888, 640, 2560),
            (Fourcc::XRGB8888, 641, 2592),
            (Fourcc::RGB565, 641, 1296),
        ] {
            assert_eq!(Picture::packed(format, width, 480).pitch, pitch);
        }
    }

    #[test]
    fn a_rectangle_is_copied_to_its_place_on_the_screen() {
        let picture = Picture::packed(Fourcc::XRGB8888, 641, 480);
        let copied = lines(&picture, START, &SOURCE, &rect(13, 22, 5, 7));
        let expected = Lines {
            from: 100 + 22 * 4000 + 13 * 4,
            from_pitch: 4000,
            to: START.0 + 2 * 2592 + 3 * 4,
            to_pitch: 2592,
            len: 5 * 4,
            count: 7,
        };
        assert_eq!(copied.ok(), Some(expected));
    }

    #[test]
    fn a_rectangle_is_within_the_screen() {
        let picture = Picture::packed(Fourcc::RGB565, 640, 480);
        for inside in [rect(10, 20, 640, 480), rect(649, 499, 1, 1)] {
            assert!(lines(&picture, START, &SOURCE, &inside).is_ok());
        }
        for outside in [
            rect(9, 20, 1, 1),
            rect(10, 19, 1, 1),
            rect(11, 20, 640, 1),
            rect(10, 21, 1, 480),
            rect(650, 20, 1, 1),
            rect(10, 20, u16::MAX, 1),
        ] {
            let copied = lines(&picture, START, &SOURCE, &outside);
            assert_eq!(copied.err(), Some(ERANGE));
        }
    }
}
