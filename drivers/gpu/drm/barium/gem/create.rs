// SPDX-License-Identifier: GPL-2.0

//! Creates objects: those of `GEM_CREATE`, and dumb buffers.
//!
//! Checks the request, and decides whether the object begins in VRAM, and where. [`super::room`]
//! makes the room.

use super::{
    moves,
    pins::log_no_room,
    room,
    BariumObject,
    CreateFlags,
    VramObject, //
};
use crate::{
    device::{
        BariumDevice,
        BariumDriver,
        BariumRegistrationData,
        Client,
        Priority, //
    },
    place::Place,
    scanout::{
        ModeLimits,
        PITCH_ALIGN, //
    },
    uapi::{
        BARIUM_GEM_CREATE_CONTIGUOUS,
        BARIUM_GEM_CREATE_SYSTEM, //
    },
    upstream::{
        self,
        dumb::{
            DumbBuffer,
            DumbBuffers, //
        }, //
    },
    vram::{
        Allocation,
        Contiguity,
        Needed,
        VramOffset, //
    },
};
use kernel::{
    drm::{
        Driver,
        Registered, //
    },
    page::{
        self,
        PAGE_SHIFT, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

/// The maximum number of pages that are copied to make room for each page of a new object. The
/// driver does not know whether the display will ever show it. If the display does, it makes room,
/// whatever that costs.
const MAX_COPIES_PER_NEW_PAGE: usize = 8;

/// Creates an object of `size` bytes, rounded up to whole pages, that reads as zero.
///
/// An object in system memory gets its memory when it is accessed. So does one for which VRAM, or
/// the limit of the client's cgroup, has no room, and one that is created while there is a
/// [`DisplayRequest`](crate::device::DisplayRequest).
///
/// A contiguous object starts where [`VramManager::alloc`](crate::vram::VramManager::alloc) places
/// it. That may be beyond the reach of the display, which depends on a pitch that is not known
/// here.
///
/// # Errors
///
/// - `EINVAL` for a size of 0, a size that overflows when it is rounded up, and unknown flags.
/// - `ENOSPC` if VRAM is smaller than the object.
/// - `ENOMEM` if there is no kernel memory; `EINTR` on a signal.
pub(crate) fn create(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    client: &Arc<Client>,
    size: u64,
    flags: u32,
) -> Result<ARef<BariumObject>> {
    let flags = create_flags(flags)?;
    let size = object_size(size)?;
    create_with(dev, reg, client, size, flags, VramOffset::MAX, || {
        dev.vram().alloc(size, flags.contiguity)
    })
}

/// Creates an object of `size` bytes. Unless it belongs in system memory, it gets the VRAM that
/// `alloc` allocates, if there is room. To make room, the function moves out only objects with a
/// lower priority, and, for a contiguous object, objects of clients that use more than their share.
/// It copies at most [`MAX_COPIES_PER_NEW_PAGE`] pages for each page of the new object. A
/// contiguous object then starts at `last_start` or below.
///
/// The allocation is cleared before a client can access the object.
fn create_with(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    client: &Arc<Client>,
    size: usize,
    flags: CreateFlags,
    last_start: VramOffset,
    alloc: impl Fn() -> Result<Allocation>,
) -> Result<ARef<BariumObject>> {
    if size > dev.vram().size().bytes() {
        log_no_room(dev, reg, size);
        return Err(ENOSPC);
    }
    let data = VramObject::new(flags, Some(client.clone()));
    if flags.system || dev.does_display_need_room() {
        return upstream::gem::create(dev, size, data, None);
    }
    let priority = data.priority();
    let victims = Priority::ALL
        .iter()
        .filter(|victim| **victim < priority)
        .count();
    let victims = &Priority::ALL[..victims];
    let max_copies = MAX_COPIES_PER_NEW_PAGE * (size >> PAGE_SHIFT);
    let needed = Needed::new(size, last_start).copying_at_most(max_copies);
    let needed = (flags.contiguity == Contiguity::Contiguous).then_some(&needed);
    let room = room::make_room(dev, reg, size, victims, Some(client.id()), needed, alloc);
    let allocation = match room {
        Ok(Some(allocation)) => allocation,
        Ok(None) | Err(EDQUOT) => return upstream::gem::create(dev, size, data, None),
        Err(err) => return Err(err),
    };
    moves::clear(reg.vram_bar(), &allocation)?;
    let place = KBox::new(Place::Vram(allocation), GFP_KERNEL_ACCOUNT)?;
    let obj = upstream::gem::create(dev, size, data, Some(place))?;
    dev.residents().add(&obj, priority);
    Ok(obj)
}

impl DumbBuffers for VramObject {
    /// Returns the pitch alignment that every supported display accepts, in bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` if no pixel format has `bpp` bits. Clients also create buffers for formats that the
    /// display cannot show: with 1, 2 and 4 bits, and for video (10, 12, 15, 30, 64).
    fn pitch_align(bpp: u32) -> Result<usize> {
        match bpp {
            1 | 2 | 4 | 8 | 10 | 12 | 15 | 16 | 24 | 30 | 32 | 64 => Ok(usize::try_from(
                bpp.div_ceil(u8::BITS) * u32::from(PITCH_ALIGN.get()),
            )?),
            _ => Err(EINVAL),
        }
    }

    /// Creates a contiguous buffer, low enough in VRAM that the scanout can start at each of its
    /// lines. If there is no room there, a buffer that is smaller than every mode is placed
    /// anywhere: the reach is shorter for short lines, and the buffer on the screen can occupy all
    /// of it.
    ///
    /// # Errors
    ///
    /// - `EINVAL` for a size of 0 or one that overflows.
    /// - `ENOSPC` if VRAM is smaller than the buffer.
    /// - `ENOMEM` if there is no kernel memory; `EINTR` on a signal.
    fn create_dumb(
        dev: &BariumDevice<Registered>,
        reg: &BariumRegistrationData<'_>,
        file: &<BariumDriver as Driver>::File,
        buffer: &DumbBuffer,
    ) -> Result<ARef<BariumObject>> {
        let size = object_size(buffer.size)?;
        let last_start = dev
            .limits()
            .last_start(buffer.height, buffer.pitch, buffer.bpp)
            .and_then(|offset| usize::try_from(offset).ok())
            .map_or(VramOffset::MAX, VramOffset);
        let may_lie_anywhere =
            ModeLimits::is_smaller_than_modes(buffer.height, buffer.pitch, buffer.bpp);
        let flags = CreateFlags {
            contiguity: Contiguity::Contiguous,
            system: false,
        };
        let needed_start = match may_lie_anywhere {
            true => VramOffset::MAX,
            false => last_start,
        };
        let client = file.client();
        create_with(dev, reg, client, size, flags, needed_start, || {
            match dev.vram().alloc_low(size, last_start) {
                Err(ENOSPC) if may_lie_anywhere => dev.vram().alloc(size, Contiguity::Contiguous),
                result => result,
            }
        })
    }
}

/// Rounds a requested size in bytes up to the size of an object.
///
/// # Errors
///
/// `EINVAL` for a size of 0 or one that overflows.
fn object_size(wanted: u64) -> Result<usize> {
    if wanted == 0 {
        return Err(EINVAL);
    }
    usize::try_from(wanted)
        .ok()
        .and_then(page::page_align)
        .ok_or(EINVAL)
}

/// Decodes the flags of `GEM_CREATE`.
///
/// # Errors
///
/// `EINVAL` for unknown flags.
fn create_flags(flags: u32) -> Result<CreateFlags> {
    if flags & !(BARIUM_GEM_CREATE_CONTIGUOUS | BARIUM_GEM_CREATE_SYSTEM) != 0 {
        return Err(EINVAL);
    }
    let contiguity = if flags & BARIUM_GEM_CREATE_CONTIGUOUS == 0 {
        Contiguity::Any
    } else {
        Contiguity::Contiguous
    };
    Ok(CreateFlags {
        contiguity,
        system: flags & BARIUM_GEM_CREATE_SYSTEM != 0,
    })
}

#[kunit_tests(barium_gem_create)]
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
        let known = BARIUM_GEM_CREATE_CONTIGUOUS | BARIUM_GEM_CREATE_SYSTEM;
        assert!(create_flags(0).is_ok_and(|flags| !flags.system));
        assert!(create_flags(known).is_ok_and(|flags| flags.system));
        for bit in (0..u32::BITS).map(|bit| 1 << bit) {
            assert_eq!(create_flags(bit).is_ok(), bit & known != 0);
            assert_eq!(create_flags(bit | known).is_ok(), bit & known != 0);
        }
    }
}
