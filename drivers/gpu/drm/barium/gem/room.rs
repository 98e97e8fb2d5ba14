// SPDX-License-Identifier: GPL-2.0

//! Makes room in VRAM: moves out the objects that are worth least.
//!
//! The caller holds no reservation. So each victim can be locked in turn, and no two reservations
//! are held at once.

use super::{
    moves,
    BariumObject, //
};
use crate::{
    device::{
        BariumDevice,
        BariumRegistrationData,
        Worth, //
    },
    upstream::gem::Reserved,
    vram::Allocation,
};
use kernel::{
    drm::Registered,
    page::PAGE_SIZE,
    prelude::*, //
};

/// What to do about a victim whose reservation another thread has locked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Busy {
    Skip,
    Wait,
}

/// Calls `alloc`. While it fails with `ENOSPC`, frees VRAM and calls it again: first that of the blank
/// picture, then that of the unpinned objects of each of the `victims`. Returns `None` if there is no
/// room then either.
///
/// # Errors
///
/// The errors of `alloc`, except for `ENOSPC`; `EINTR` on a signal.
pub(super) fn make_room(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    victims: &[Worth],
    alloc: impl Fn() -> Result<Allocation>,
) -> Result<Option<Allocation>> {
    let alloc = || match alloc() {
        Err(ENOSPC) => Ok(None),
        result => result.map(Some),
    };
    let mut found = alloc()?;
    if found.is_none() && reg.pipe().yield_vram() {
        found = alloc()?;
    }
    for busy in [Busy::Skip, Busy::Wait] {
        for &worth in victims {
            if found.is_none() {
                found = evict(dev, reg, worth, busy, alloc)?;
            }
        }
    }
    Ok(found)
}

/// Moves out the objects of `worth` until `alloc` succeeds. Returns `None` if none is left that can be
/// moved.
fn evict(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    worth: Worth,
    busy: Busy,
    alloc: impl Fn() -> Result<Option<Allocation>>,
) -> Result<Option<Allocation>> {
    let residents = dev.residents();
    let mut first_kept = None;
    for _ in 0..max_objects(dev) {
        let Some(victim) = residents.first(dev, worth) else {
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
            residents.move_to_end(&victim, worth);
            first_kept.get_or_insert(address);
        }
    }
    Ok(None)
}

/// Returns how many objects VRAM has room for. A loop over the objects in it makes no more rounds, also
/// if other threads move and close objects meanwhile.
fn max_objects(dev: &BariumDevice<Registered>) -> usize {
    dev.vram().size().bytes() / PAGE_SIZE
}

/// Moves `victim` out of VRAM. Returns false if that is not possible.
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
    Ok(reserved.is_some_and(|mut reserved| moves::move_out(&mut reserved, reg).is_ok()))
}
