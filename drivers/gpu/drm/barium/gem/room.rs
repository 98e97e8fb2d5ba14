// SPDX-License-Identifier: GPL-2.0

//! Makes room in VRAM: moves out the objects with the lowest priority, or drops their content if their
//! clients do not need it.
//!
//! The caller holds no reservation. So each victim can be locked in turn, and no two reservations
//! are held at once.

use super::{
    moves,
    BariumObject,
    VramObject, //
};
use crate::{
    device::{
        BariumDevice,
        BariumRegistrationData,
        Priority, //
    },
    upstream::gem::Reserved,
    vram::{
        Allocation,
        VramOffset, //
    },
};
use kernel::{
    drm::{
        gem::BaseObject,
        Registered, //
    },
    page::PAGE_SIZE,
    prelude::*, //
};

/// What to do about a victim whose reservation another thread has locked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Busy {
    Skip,
    Wait,
}

/// Calls `alloc`. While it fails with `ENOSPC`, frees VRAM and calls it again: first frees the blank
/// picture, then the VRAM of the unpinned objects of each of the `victims`. Returns `None` if `alloc`
/// still fails.
///
/// # Errors
///
/// The errors of `alloc`, except for `ENOSPC`; `EINTR` on a signal.
pub(super) fn make_room(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    victims: &[Priority],
    alloc: impl Fn() -> Result<Allocation>,
) -> Result<Option<Allocation>> {
    let alloc = || match alloc() {
        Err(ENOSPC) => Ok(None),
        result => result.map(Some),
    };
    let mut found = alloc()?;
    if found.is_none() && reg.pipe().release_blank() {
        found = alloc()?;
    }
    for busy in [Busy::Skip, Busy::Wait] {
        for &priority in victims {
            if found.is_none() {
                found = evict(dev, reg, priority, busy, alloc)?;
            }
        }
    }
    Ok(found)
}

/// Makes room as [`make_room`] does, for an object that the display is going to show: moves out any
/// object that is not pinned. If the pinned ones leave no room, moves them to lower parts of VRAM.
///
/// # Errors
///
/// Those of [`make_room`].
pub(super) fn make_room_for_display(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    alloc: impl Fn() -> Result<Allocation>,
) -> Result<Option<Allocation>> {
    let found = make_room(dev, reg, &Priority::ALL, &alloc)?;
    if found.is_some() {
        return Ok(found);
    }
    let residents = dev.residents();
    let mut first = None;
    for _ in 0..max_objects(dev) {
        let Some(obj) = residents.first(dev, Priority::Shown) else {
            break;
        };
        let address: *const BariumObject = &raw const *obj;
        if first == Some(address) {
            break;
        }
        first.get_or_insert(address);
        residents.move_to_end(&obj, Priority::Shown);
        if move_down(dev, reg, &obj).is_ok() {
            match alloc() {
                Err(ENOSPC) => {}
                result => return result.map(Some),
            }
        }
    }
    Ok(None)
}

/// Moves out objects with this `priority` until `alloc` succeeds. Returns `None` if it still fails
/// when no object can be moved any more.
fn evict(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    priority: Priority,
    busy: Busy,
    alloc: impl Fn() -> Result<Option<Allocation>>,
) -> Result<Option<Allocation>> {
    let residents = dev.residents();
    let mut first_kept = None;
    for _ in 0..max_objects(dev) {
        let Some(victim) = residents.first(dev, priority) else {
            break;
        };
        let address: *const BariumObject = &raw const *victim;
        if first_kept == Some(address) {
            break;
        }
        if move_out(&victim, reg, busy)? {
            if let Some(found) = alloc()? {
                return Ok(Some(found));
            }
        } else {
            residents.move_to_end(&victim, priority);
            first_kept.get_or_insert(address);
        }
    }
    Ok(None)
}

/// Moves all objects out of VRAM that can be moved, or drops their content if their clients do not need
/// it. Objects that the display shows, or that the kernel maps, stay.
///
/// Unplugging waits for the move of one object, as long as the caller has no `registration_guard()`.
///
/// # Errors
///
/// - `ENOMEM` if objects have stayed because there is no memory for them. The others were moved.
/// - `EINTR` if `should_stop` has returned true, `ENODEV` if the device is unplugged: the rest has stayed.
pub(crate) fn evict_all(dev: &BariumDevice, should_stop: impl Fn() -> bool) -> Result {
    let residents = dev.residents();
    let mut result = Ok(());
    for priority in Priority::ALL {
        let mut first_kept = None;
        for _ in 0..max_objects(dev) {
            let Some(victim) = residents.first(dev, priority) else {
                break;
            };
            let address: *const BariumObject = &raw const *victim;
            if first_kept == Some(address) {
                break;
            }
            if should_stop() {
                return Err(EINTR);
            }
            let moved = Reserved::lock(&victim).with_registered(leave_vram);
            if let Err(err) = moved.ok_or(ENODEV)? {
                if err == ENOMEM {
                    result = Err(ENOMEM);
                }
                residents.move_to_end(&victim, priority);
                first_kept.get_or_insert(address);
            }
        }
    }
    result
}

/// Returns the maximum number of objects in VRAM. It bounds the loops over the lists, which other
/// threads change meanwhile.
fn max_objects(dev: &BariumDevice) -> usize {
    dev.vram().size().bytes() / PAGE_SIZE
}

/// Moves `obj` to a lower part of VRAM, also if it is pinned.
///
/// # Errors
///
/// `ENOSPC` if no lower part is free; the errors of [`moves::relocate`].
fn move_down(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    obj: &BariumObject,
) -> Result {
    let mut reserved = Reserved::lock(obj);
    let VramOffset(start) = super::contiguous_offset(obj).ok_or(ENOSPC)?;
    let below = start.checked_sub(PAGE_SIZE).ok_or(ENOSPC)?;
    let allocation = dev.vram().alloc_low(obj.size(), VramOffset(below))?;
    moves::relocate(&mut reserved, reg, allocation)
}

/// Moves `victim` out of VRAM, or drops its content. Returns false if that is not possible.
///
/// # Errors
///
/// `EINTR` on a signal.
fn move_out(victim: &BariumObject, reg: &BariumRegistrationData<'_>, busy: Busy) -> Result<bool> {
    if victim.is_pinned() {
        return Ok(false);
    }
    let reserved = match (Reserved::try_lock(victim), busy) {
        (None, Busy::Wait) => Some(Reserved::lock_interruptible(victim)?),
        (reserved, _) => reserved,
    };
    Ok(reserved.is_some_and(|mut reserved| leave_vram(&mut reserved, reg).is_ok()))
}

/// Moves the object out of VRAM, or drops its content if the client does not need it.
///
/// # Errors
///
/// - Those of [`moves::purge_or_keep`]: the object then stays, and counts as needed.
/// - Those of [`moves::move_out`].
fn leave_vram(obj: &mut Reserved<'_, VramObject>, reg: &BariumRegistrationData<'_>) -> Result {
    if obj.object().is_purgeable() {
        return moves::purge_or_keep(obj);
    }
    moves::move_out(obj, reg)
}
