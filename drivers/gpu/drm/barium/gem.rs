// SPDX-License-Identifier: GPL-2.0

//! The VRAM object: what it is made of, making it, finding it, and where each of its pages is.
//!
//! How it is mapped is [`crate::mmap`]'s business.

use crate::{
    device::{
        BariumDevice,
        BariumRegistrationData, //
    },
    scanout::PITCH_ALIGN,
    uapi::BARIUM_GEM_CREATE_CONTIGUOUS,
    units::PageIndex,
    upstream::{
        self,
        dumb::{
            DumbBuffer,
            DumbBuffers, //
        }, //
    },
    vram::{
        Allocation,
        Placement,
        Run,
        VramOffset, //
    },
};
use core::ops::Range;
use kernel::{
    drm::Registered,
    page,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
    },
};

/// A GEM object of this driver.
pub(crate) type BariumObject = upstream::gem::Object<VramObject>;

/// What a GEM object of this driver has: a part of VRAM.
pub(crate) struct VramObject {
    allocation: Allocation,
    placement: Placement,
    needed: NeededSoon,
}

impl VramObject {
    /// Where page `page` of the object is, and what is beside it; `None` if the object has no such
    /// page.
    ///
    /// This is the one place that the fault path asks.
    #[inline]
    pub(crate) fn backing(&self, page: PageIndex) -> Option<Run> {
        self.allocation.run(page.0)
    }

    /// Where the object is, if it was made to be in one piece.
    pub(crate) fn whole(&self) -> Option<VramOffset> {
        match self.placement {
            Placement::Anywhere => None,
            Placement::Contiguous => self.backing(PageIndex(0)).map(Run::place),
        }
    }

    /// The pages that a program has said it will need soon.
    pub(crate) fn needed(&self) -> &NeededSoon {
        &self.needed
    }

    /// The flags that the object was made with (`BARIUM_GEM_CREATE_*`).
    pub(crate) fn flags(&self) -> u32 {
        match self.placement {
            Placement::Anywhere => 0,
            Placement::Contiguous => BARIUM_GEM_CREATE_CONTIGUOUS,
        }
    }
}

/// A range of an object's pages that will be needed soon. The last one that is set counts.
///
/// It is advice: whoever maps the object may set it, and nothing but speed depends on it.
pub(crate) struct NeededSoon(Atomic<u64>);

impl NeededSoon {
    fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Replaces the range. Pages that do not fit in 32 bits are left out.
    pub(crate) fn set(&self, pages: Range<usize>) {
        let half = |page: usize| u64::from(u32::try_from(page).unwrap_or(u32::MAX));
        self.0
            .store(half(pages.start) << u32::BITS | half(pages.end), Relaxed);
    }

    /// Whether `page` is in the range.
    #[inline]
    pub(crate) fn contains(&self, page: PageIndex) -> bool {
        let range = self.0.load(Relaxed);
        u64::try_from(page.0)
            .is_ok_and(|page| range >> u32::BITS <= page && page < range & u64::from(u32::MAX))
    }
}

/// Makes an object that reads as zero, of `size` bytes rounded up to whole pages.
///
/// The pitch of a contiguous object that will be shown is not known here: the object starts as low
/// in VRAM as possible, and wherever there is room.
///
/// Errors: `EINVAL` for size 0, a size that overflows when it is rounded, and unknown flags;
/// `ENOSPC` if VRAM has no place for it; `ENOMEM`.
pub(crate) fn create(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    size: u64,
    flags: u32,
) -> Result<ARef<BariumObject>> {
    let placement = placement(flags)?;
    let size = object_size(size)?;
    let allocation = dev.heap().alloc(size, placement)?;
    create_with(dev, reg, size, allocation, placement)
}

/// Makes an object of `size` bytes that has `allocation`.
///
/// It is cleared before anybody can see it.
fn create_with(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    size: usize,
    allocation: Allocation,
    placement: Placement,
) -> Result<ARef<BariumObject>> {
    for (offset, len) in allocation.runs() {
        reg.aperture().clear(offset, len)?;
    }
    upstream::gem::create(
        dev,
        size,
        VramObject {
            allocation,
            placement,
            needed: NeededSoon::new(),
        },
    )
}

impl DumbBuffers for VramObject {
    /// Every display of this kind can show such lines.
    ///
    /// Errors: `EINVAL` if there are no such pixels. Besides what can be shown, there are those
    /// that clients make buffers of for other uses: of 1, 2 and 4 bits, and for video (10, 12, 15,
    /// 30, 64).
    fn pitch_align(bpp: u32) -> Result<usize> {
        match bpp {
            1 | 2 | 4 | 8 | 10 | 12 | 15 | 16 | 24 | 30 | 32 | 64 => {
                Ok(usize::try_from(bpp.div_ceil(u8::BITS) * PITCH_ALIGN)?)
            }
            _ => Err(EINVAL),
        }
    }

    /// The buffer is contiguous, and low enough for the display to start with any of its lines.
    ///
    /// Errors: `ENOSPC` if VRAM has no such place; `ENOMEM`.
    fn create_dumb(
        dev: &BariumDevice<Registered>,
        reg: &BariumRegistrationData<'_>,
        buffer: &DumbBuffer,
    ) -> Result<ARef<BariumObject>> {
        let size = object_size(buffer.size)?;
        let last_start = dev
            .limits()
            .last_start(buffer.height, buffer.pitch, buffer.bpp)
            .and_then(|offset| usize::try_from(offset).ok())
            .map_or(VramOffset::MAX, VramOffset);
        let allocation = dev.heap().alloc_low(size, last_start)?;
        create_with(dev, reg, size, allocation, Placement::Contiguous)
    }
}

/// The size in bytes of an object of which `wanted` bytes are asked for.
fn object_size(wanted: u64) -> Result<usize> {
    if wanted == 0 {
        return Err(EINVAL);
    }
    usize::try_from(wanted)
        .ok()
        .and_then(page::page_align)
        .ok_or(EINVAL)
}

/// What the flags of `GEM_CREATE` ask for.
fn placement(flags: u32) -> Result<Placement> {
    match flags {
        0 => Ok(Placement::Anywhere),
        BARIUM_GEM_CREATE_CONTIGUOUS => Ok(Placement::Contiguous),
        _ => Err(EINVAL),
    }
}

#[kunit_tests(barium_gem)]
mod tests {
    use super::*;
    use kernel::page::PAGE_SIZE;

    fn wanted(size: usize) -> u64 {
        u64::try_from(size).unwrap_or(0)
    }

    #[test]
    fn sizes_are_rounded_up_to_pages() {
        for (size, rounded) in [
            (1, PAGE_SIZE),
            (PAGE_SIZE - 1, PAGE_SIZE),
            (PAGE_SIZE, PAGE_SIZE),
            (PAGE_SIZE + 1, 2 * PAGE_SIZE),
        ] {
            assert_eq!(object_size(wanted(size)).ok(), Some(rounded));
        }
    }

    #[test]
    fn what_is_needed_soon_is_a_range() {
        let needed = NeededSoon::new();
        assert!(!needed.contains(PageIndex(0)));
        needed.set(3..5);
        for (page, is_in) in [(2, false), (3, true), (4, true), (5, false)] {
            assert_eq!(needed.contains(PageIndex(page)), is_in);
        }
        needed.set(0..usize::MAX);
        assert!(needed.contains(PageIndex(0)));
        needed.set(0..0);
        assert!(!needed.contains(PageIndex(0)));
    }

    #[test]
    fn size_zero_is_refused() {
        assert_eq!(object_size(0).err(), Some(EINVAL));
    }

    #[test]
    fn a_size_that_overflows_is_refused() {
        for size in [u64::MAX, u64::MAX - wanted(PAGE_SIZE) + 2] {
            assert_eq!(object_size(size).err(), Some(EINVAL));
        }
    }

    #[test]
    fn lines_of_dumb_buffers_are_whole_groups_of_pixels() {
        for (bpp, align) in [
            (1, 8),
            (8, 8),
            (15, 16),
            (16, 16),
            (24, 24),
            (32, 32),
            (64, 64),
        ] {
            assert_eq!(VramObject::pitch_align(bpp).ok(), Some(align));
        }
    }

    #[test]
    fn unknown_sizes_of_pixels_are_refused() {
        for bpp in [0, 3, 7, 31, 33, 40, 48, 65, 128, u32::MAX] {
            assert_eq!(VramObject::pitch_align(bpp).err(), Some(EINVAL));
        }
    }

    #[test]
    fn unknown_flags_are_refused() {
        assert!(placement(0).is_ok());
        assert!(placement(BARIUM_GEM_CREATE_CONTIGUOUS).is_ok());
        for bit in (0..u32::BITS).map(|bit| 1 << bit) {
            if bit != BARIUM_GEM_CREATE_CONTIGUOUS {
                assert!(placement(bit).is_err());
                assert!(placement(bit | BARIUM_GEM_CREATE_CONTIGUOUS).is_err());
            }
        }
    }
}
