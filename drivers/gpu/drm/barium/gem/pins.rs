// SPDX-License-Identifier: GPL-2.0

//! Keeps objects where they are in VRAM while the display shows them, and moves them there before.
//!
//! The display also gets VRAM for pictures that are not objects here ([`alloc_for_display`]).

use super::{
    keep,
    moves,
    room,
    BariumObject,
    VramObject, //
};
use crate::{
    device::{
        BariumDevice,
        BariumRegistrationData, //
    },
    units::PageIndex,
    upstream::{
        gem::Reserved,
        process, //
    },
    vram::{
        Allocation,
        Needed,
        VramOffset, //
    },
};
use kernel::{
    drm::{
        gem::BaseObject,
        Registered, //
    },
    prelude::*,
    sizes::SZ_1K,
    sync::atomic::{
        Acquire,
        Full,
        Relaxed, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// The maximum number of attempts to make room while more than one object is pinned, 1 ms apart. A
/// busy machine runs the worker that unpins objects late.
const UNPIN_TRIES: u32 = 1000;
/// The number of these attempts in which pinned objects stay where they are. The previous picture
/// is usually unpinned at the next vblank.
const FLIP_TRIES: u32 = 30;

/// The result of [`pin_in_place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinned {
    /// The object is pinned.
    InPlace,
    /// The object is not pinned, and has to be moved first: it is not in VRAM, or not where the
    /// display can show it.
    NotYet,
    /// The object is not pinned: it is in system memory and has to stay there, because another
    /// device has attached to it, or because the kernel maps it.
    Held,
}

/// Keeps `obj`, which the display can show, where it is in VRAM until [`unpin`] is called, if
/// `can_start` returns true for its offset.
///
/// # Errors
///
/// `EINVAL` if the object would have to be moved, but is pinned.
pub(crate) fn pin_in_place(
    obj: &BariumObject,
    can_start: impl Fn(VramOffset) -> bool,
) -> Result<Pinned> {
    pin_reserved(&Reserved::lock(obj), can_start)
}

/// Pins an object whose reservation is locked. See [`pin_in_place`].
fn pin_reserved(
    reserved: &Reserved<'_, VramObject>,
    can_start: impl Fn(VramOffset) -> bool,
) -> Result<Pinned> {
    let obj = reserved.object();
    let page = reserved
        .place()
        .and_then(|place| place.vram_page(PageIndex(0)));
    if !page.is_some_and(|page| can_start(page.offset())) {
        return match page {
            Some(_) if obj.is_pinned() => Err(EINVAL),
            None if reserved.is_held() => Ok(Pinned::Held),
            _ => Ok(Pinned::NotYet),
        };
    }
    if obj.pins.fetch_add(1, Full) == 0 {
        obj.dev().pinned().fetch_add(1, Full);
    }
    obj.has_been_shown.store(true, Relaxed);
    keep(reserved);
    Ok(Pinned::InPlace)
}

/// Moves `obj`, and pins it as [`pin_in_place`] does. It then starts at or below
/// `preferred` if there is room, and at or below `last_start` otherwise.
///
/// # Errors
///
/// - `EINVAL` if the object is pinned, or if `can_start` returns false for its new offset.
/// - `EBUSY` if the kernel maps the object, or if another device is attached to it.
/// - `EIO` if the kernel cannot read the object from swap.
/// - Those of [`alloc_for_display`].
pub(crate) fn pin(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    obj: &BariumObject,
    can_start: impl Fn(VramOffset) -> bool,
    preferred: VramOffset,
    last_start: VramOffset,
) -> Result {
    let allocation = alloc_for_display(dev, reg, obj.size(), preferred, last_start)?;
    let mut reserved = Reserved::lock(obj);
    // Another thread may have moved it meanwhile.
    match pin_reserved(&reserved, &can_start)? {
        Pinned::InPlace => return Ok(()),
        Pinned::Held => return Err(EBUSY),
        Pinned::NotYet => moves::move_in(&mut reserved, reg, allocation)?,
    }
    match pin_reserved(&reserved, can_start)? {
        Pinned::InPlace => Ok(()),
        Pinned::Held | Pinned::NotYet => Err(EINVAL),
    }
}

/// Allocates VRAM for a picture of `size` bytes, a whole number of pages, charges it to the cgroup
/// of the current task, and moves out other objects if there is no room. New objects get no VRAM
/// meanwhile. The allocation starts at or below `preferred` if there is room, and at or below
/// `last_start` otherwise. Its content is not cleared.
///
/// # Errors
///
/// - `ENOSPC` if pinned pictures, or objects that `dmem.min` protects, leave no room, if the limit
///   of the cgroup does not allow it, or if there is no memory for the objects that would have to
///   leave VRAM.
/// - `ENOMEM`; `EINTR` on a signal.
pub(crate) fn alloc_for_display(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    size: usize,
    preferred: VramOffset,
    last_start: VramOffset,
) -> Result<Allocation> {
    let alloc = || match dev.vram().alloc_low(size, preferred) {
        Err(ENOSPC) => dev.vram().alloc_low(size, last_start),
        result => result,
    };
    let _request = dev.begin_display_request();
    let mut found = Ok(None);
    let needed = Needed::new(size, last_start.max(preferred));
    for attempt in 0..UNPIN_TRIES {
        // A worker unpins the previous picture some time after a flip.
        let may_unpin = dev.pinned().load(Acquire) >= 2;
        let may_move_pinned = !may_unpin || attempt >= FLIP_TRIES;
        found = room::make_room_for_display(dev, reg, &needed, may_move_pinned, alloc);
        if !matches!(found, Ok(None) | Err(EDQUOT)) || !may_unpin {
            break;
        }
        fsleep(Delta::from_millis(1));
    }
    match found {
        Ok(Some(allocation)) => return Ok(allocation),
        Ok(None) => log_no_room(dev, reg, size),
        Err(EDQUOT) => log_limit(dev, size),
        Err(err) => return Err(err),
    }
    Err(ENOSPC)
}

/// Undoes one successful [`pin`] or [`pin_in_place`] of `obj`. Takes no lock.
pub(crate) fn unpin(obj: &BariumObject) {
    if obj.pins.fetch_sub(1, Full) == 1 {
        obj.dev().pinned().fetch_sub(1, Full);
    }
}

/// Logs that the limit of its cgroup does not allow the current process the `size` bytes of VRAM
/// that it needs.
fn log_limit(dev: &BariumDevice<Registered>, size: usize) {
    if process::may_log() {
        dev_notice!(
            dev.as_ref(),
            "{}: dmem.max of its cgroup leaves no room for {} KiB of VRAM\n",
            process::current_process(),
            size / SZ_1K
        );
    }
}

/// Logs that VRAM has no room for the `size` bytes that the current process needs there, and how to
/// give the device more VRAM.
pub(super) fn log_no_room(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    size: usize,
) {
    if !process::may_log() {
        return;
    }
    let free = dev.vram().available();
    let in_one_piece = match u64::try_from(size) {
        Ok(size) if size <= free => ", but not in one piece",
        _ => "",
    };
    let vram = dev.vram().size();
    dev_notice!(
        dev.as_ref(),
        "{}: VRAM has no room for {} KiB: {} of {} KiB are free{in_one_piece}{}\n",
        process::current_process(),
        size / SZ_1K,
        free / SZ_1K as u64,
        vram.bytes() / SZ_1K,
        reg.pipe().kind().more_vram_advice(vram)
    );
}
