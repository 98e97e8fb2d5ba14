// SPDX-License-Identifier: GPL-2.0

//! Moves objects between VRAM and system memory.
//!
//! The caller has locked the reservation of the object, and passes the VRAM to move it to. If a
//! move fails, the object stays where it is. During a move, the object has no placement record, so
//! a fault waits for the reservation. The content is copied after all mappings have been removed,
//! so no write is lost.
//!
//! [`purge`] drops the content of an object instead of moving it, if its client does not need the
//! content.

use super::{
    BariumObject,
    VramObject, //
};
use crate::{
    device::{
        BariumRegistrationData,
        Residents, //
    },
    place::Place,
    units::VramOffset,
    upstream::{
        self,
        gem::{
            Batch,
            Reserved,
            Vacated,
            BATCH, //
        },
        shmem::{
            Effort,
            ShmemPages,
            UninitPages, //
        },
        trace::{
            MoveIn,
            MoveOut,
            Purge,
            SwapOut,
            Timer,
            Where, //
        }, //
    },
    vram::{
        Allocation,
        VramBar, //
    },
};
use core::mem::MaybeUninit;
use kernel::{
    drm::gem::BaseObject,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::atomic::Relaxed, //
};

/// The memory that an object needs to leave VRAM, allocated in advance, and the timer of the move.
enum Leaving {
    /// Nothing: the client does not need the content.
    Purged(Timer<Purge>),
    /// Nothing: the object has no content.
    Empty(Timer<MoveOut>),
    /// System memory for the content, and for the placement record.
    Copied(Timer<MoveOut>, UninitPages, KBox<MaybeUninit<Place>>),
}

impl Leaving {
    /// Allocates the memory that the object needs to leave VRAM with its content.
    ///
    /// # Errors
    ///
    /// - `ENOENT` if the object is not in VRAM.
    /// - `EBUSY` if it is pinned.
    /// - `ENOMEM` if there is no memory; `ENOSPC` if the limit of committed memory is reached.
    fn prepare(obj: &Reserved<'_, VramObject>) -> Result<Self> {
        let object = obj.object();
        let Some(Place::Vram(_)) = obj.place() else {
            return Err(ENOENT);
        };
        if object.is_pinned() {
            return Err(EBUSY);
        }
        let timer = Timer::start();
        if !object.may_have_content() {
            return Ok(Self::Empty(timer));
        }
        // First, because this allocation invokes the OOM killer if the pages leave no memory.
        let record = KBox::new_uninit(GFP_KERNEL_ACCOUNT)?;
        // All pages are filled, so huge ones waste nothing. An object that gets its memory page by
        // page (`super::populate()`) has small ones: an access to one page must not cost a huge
        // page.
        let pages = ShmemPages::with_mount(object.dev().huge_tmpfs(), object.size() >> PAGE_SHIFT)?
            .alloc_uninit()?;
        Ok(Self::Copied(timer, pages, record))
    }

    /// Moves the object, which is vacated, out of VRAM.
    ///
    /// # Errors
    ///
    /// - `EAGAIN` if the object has got content since [`Self::prepare`].
    /// - Those of [`purge_vacated`].
    fn finish(
        self,
        object: &BariumObject,
        mut vacated: Vacated<'_, '_, VramObject>,
        reg: &BariumRegistrationData<'_>,
    ) -> Result {
        match self {
            Self::Purged(timer) => purge_vacated(object, vacated, timer)?,
            // `mmap()` sets the flag before a program can access the object. The caller has waited
            // for all faults that could have mapped it, so now the flag tells whether one did.
            Self::Empty(_) if object.may_have_content() => return Err(EAGAIN),
            Self::Empty(timer) => {
                drop(vacated.leave_empty());
                timer.end(object, Where::None, 0);
            }
            Self::Copied(timer, pages, record) => {
                let Some(Place::Vram(from)) = vacated.old() else {
                    return Err(EINVAL);
                };
                let pages = object.time_copy(|| {
                    pages.init(|index, bytes| {
                        let offset = from.page(index).ok_or(EINVAL)?.offset();
                        reg.vram_bar().read_uninit(offset, bytes)
                    })
                })?;
                let record = record.write(Place::System(pages));
                drop(vacated.publish(record));
                timer.end(object, Where::System, object.size() >> PAGE_SHIFT);
            }
        }
        Ok(())
    }
}

/// Moves the object from VRAM to system memory. Every page of system memory is allocated before the
/// object is touched.
///
/// # Errors
///
/// - `ENOENT` if the object is not in VRAM.
/// - `EBUSY` if it is pinned, if the kernel maps it, or if another device is attached to it.
/// - `ENOMEM` if there is no memory; `ENOSPC` if the system's limit for committed memory is
///   reached.
pub(super) fn move_out(
    obj: &mut Reserved<'_, VramObject>,
    reg: &BariumRegistrationData<'_>,
) -> Result {
    let object = obj.object();
    let mut done = Leaving::prepare(obj)?.finish(object, obj.vacate()?, reg);
    if done == Err(EAGAIN) {
        done = Leaving::prepare(obj)?.finish(object, obj.vacate()?, reg);
    }
    done?;
    super::update_list(obj);
    Ok(())
}

/// Moves all objects of `batch` out of VRAM, as [`move_out`] does, or drops their content if their
/// clients do not need it. Waits once until no program can access them. Skips objects that are not
/// in VRAM. Returns the index of an object that stays, if there is one. Each of the others may then
/// have left VRAM or not.
pub(super) fn move_all_out(
    batch: &mut Batch<'_, VramObject>,
    reg: &BariumRegistrationData<'_>,
) -> Option<usize> {
    let mut leaving = [const { None }; BATCH];
    for (index, (slot, leaving)) in batch.iter_mut().zip(&mut leaving).enumerate() {
        if !matches!(
            slot.as_ref().and_then(Reserved::place),
            Some(Place::Vram(_))
        ) {
            *slot = None;
        }
        *leaving = match slot {
            None => None,
            Some(obj) if obj.object().is_purgeable() && !obj.object().is_pinned() => {
                Some(Leaving::Purged(Timer::start()))
            }
            Some(obj) => match Leaving::prepare(obj) {
                Ok(leaving) => Some(leaving),
                Err(_) => return Some(index),
            },
        };
    }
    let objects = batch
        .each_ref()
        .map(|slot| slot.as_ref().map(Reserved::object));
    let mut stays = None;
    let mut results = [const { Ok(()) }; BATCH];
    let vacated = Reserved::vacate_all(batch);
    for (index, vacated) in vacated.into_iter().enumerate() {
        let (Some(object), Some(leaving)) = (objects[index], leaving[index].take()) else {
            continue;
        };
        results[index] = match vacated {
            Some(vacated) => leaving.finish(object, vacated, reg),
            None => Err(EBUSY),
        };
    }
    for (index, (slot, result)) in batch.iter_mut().zip(results).enumerate() {
        let Some(obj) = slot else {
            continue;
        };
        match result {
            Ok(()) => super::update_list(obj),
            Err(EAGAIN) if move_out(obj, reg).is_ok() => {}
            Err(_) => {
                if obj.object().is_purgeable() {
                    super::keep(obj);
                }
                stays.get_or_insert(index);
            }
        }
    }
    stays
}

/// Drops the content of the object, and frees its memory. The object then reads as zero, and gets
/// system memory when it is accessed.
///
/// # Errors
///
/// `EBUSY` if the object is pinned or shared, if the kernel maps it, or if another device is
/// attached to it.
fn purge(obj: &mut Reserved<'_, VramObject>) -> Result {
    let object = obj.object();
    if object.is_pinned() {
        return Err(EBUSY);
    }
    let timer = Timer::<Purge>::start();
    purge_vacated(object, obj.vacate()?, timer)
}

/// Does what [`purge`] does with an object that is vacated. The purge began with `timer`.
///
/// # Errors
///
/// `EBUSY` if the object is shared.
fn purge_vacated(
    object: &BariumObject,
    mut vacated: Vacated<'_, '_, VramObject>,
    timer: Timer<Purge>,
) -> Result {
    // A client that has got access to the object may have written to it until `vacate()` removed
    // the mappings. A client that gets access after this check reads zeros.
    if upstream::gem::is_shared(object) {
        return Err(EBUSY);
    }
    object.was_purged.store(true, Relaxed);
    let place = super::location(vacated.old().as_deref());
    let freed = match vacated.old() {
        None => 0,
        Some(Place::Vram(_)) => object.size() >> PAGE_SHIFT,
        Some(Place::System(pages)) => {
            let filled = pages.filled();
            pages.discard();
            filled
        }
    };
    drop(vacated.leave_empty());
    Residents::remove(object);
    timer.end(object, place, freed);
    Ok(())
}

/// Calls [`purge`]. If that fails, the object counts as needed from then on.
///
/// # Errors
///
/// Those of [`purge`].
pub(super) fn purge_or_keep(obj: &mut Reserved<'_, VramObject>) -> Result {
    purge(obj).inspect_err(|_| super::keep(obj))
}

/// Lets the kernel swap the pages of the object out. A fault reads them back. Returns the number of
/// pages that were in memory.
///
/// # Errors
///
/// `ENOENT` if the object is not in system memory; `EBUSY` if the kernel maps the object, or if
/// another device is attached to it.
pub(super) fn release(obj: &mut Reserved<'_, VramObject>) -> Result<usize> {
    let Some(Place::System(_)) = obj.place() else {
        return Err(ENOENT);
    };
    let timer = Timer::<SwapOut>::start();
    let mut vacated = obj.vacate()?;
    let Some(Place::System(pages)) = vacated.old() else {
        return Err(ENOENT);
    };
    let released = pages.release();
    drop(vacated);
    super::update_list(obj);
    timer.end(obj.object(), Where::System, released);
    Ok(released)
}

/// Moves the object into `allocation`, which has the size of the object: from system memory or from
/// another part of VRAM. If the object has no memory, clears the allocation.
///
/// # Errors
///
/// `EBUSY` if the kernel maps the object, or if another device is attached to it; `ENOMEM`; `EIO`
/// if the kernel cannot read the object from swap.
pub(super) fn move_in(
    obj: &mut Reserved<'_, VramObject>,
    reg: &BariumRegistrationData<'_>,
    allocation: Allocation,
) -> Result {
    let timer = Timer::<MoveIn>::start();
    let from = super::location(obj.place());
    let bar = reg.vram_bar();
    let mut buffer = KVec::new();
    match obj.place() {
        Some(Place::Vram(_)) => buffer = KVec::from_elem(0, PAGE_SIZE, GFP_KERNEL)?,
        Some(Place::System(pages)) if pages.may_be_swapped() => pages.fill_all(Effort::MayFail)?,
        _ => {}
    }
    let record = KBox::new(Place::Vram(allocation), GFP_KERNEL_ACCOUNT)?;
    let Place::Vram(to) = &*record else {
        return Err(EINVAL);
    };
    let object = obj.object();
    let mut vacated = obj.vacate()?;
    object.time_copy(|| match vacated.old() {
        None => clear(bar, to),
        Some(Place::System(pages)) => for_each_page(to, |index, offset| {
            pages
                .with_page(index, |bytes| bar.write(offset, bytes))
                .unwrap_or_else(|| bar.clear(offset, PAGE_SIZE))
        }),
        Some(Place::Vram(from)) => copy(bar, from, to, &mut buffer),
    })?;
    drop(vacated.publish(record));
    super::update_list(obj);
    timer.end(object, from, object.size() >> PAGE_SHIFT);
    Ok(())
}

/// Moves an object, which may be pinned and shown, to `allocation`, a lower part of VRAM. The
/// display continues to show it. The charge to a cgroup stays the same.
///
/// # Errors
///
/// `ENOENT` if the object is not in VRAM; `EBUSY` if the kernel maps it, or if another device is
/// attached to it; `ENOMEM`.
pub(super) fn relocate(
    obj: &mut Reserved<'_, VramObject>,
    reg: &BariumRegistrationData<'_>,
    allocation: Allocation,
) -> Result {
    let object = obj.object();
    let timer = Timer::<MoveIn>::start();
    let start = |allocation: &Allocation| {
        let page = allocation.page(0).ok_or(EINVAL)?;
        Ok::<u64, Error>(page.offset().0.try_into()?)
    };
    let Some(Place::Vram(from)) = obj.place() else {
        return Err(ENOENT);
    };
    let old = start(from)?;
    let old = old..old + u64::try_from(object.size())?;
    let new = start(&allocation)?;
    let mut buffer = KVec::from_elem(0, PAGE_SIZE, GFP_KERNEL)?;
    let mut record = Some(KBox::new(Place::Vram(allocation), GFP_KERNEL_ACCOUNT)?);
    reg.pipe().relocate(object.dev().limits(), old, new, || {
        let mut vacated = obj.vacate()?;
        if let (Some(Place::Vram(from)), Some(Place::Vram(to))) =
            (vacated.old(), record.as_deref_mut())
        {
            object.time_copy(|| copy(reg.vram_bar(), from, to, &mut buffer))?;
            to.take_charge(from);
        }
        // The old record is dropped after the mutex of the pipe.
        record = record.take().and_then(|new| vacated.publish(new));
        Ok(())
    })?;
    timer.end(object, Where::Vram, object.size() >> PAGE_SHIFT);
    Ok(())
}

/// Copies `from` to `to`, which has the same size, through `buffer`, which has the size of a page.
fn copy(bar: &VramBar<'_>, from: &Allocation, to: &Allocation, buffer: &mut [u8]) -> Result {
    for_each_page(to, |index, offset| {
        let from = from.page(index).ok_or(EINVAL)?.offset();
        bar.read(from, buffer)?;
        bar.write(offset, buffer)
    })
}

/// Fills `allocation` with zeros.
pub(super) fn clear(bar: &VramBar<'_>, allocation: &Allocation) -> Result {
    for (offset, len) in allocation.extents() {
        bar.clear(offset, len)?;
    }
    Ok(())
}

/// Calls `with` with the number of each page of `allocation`, and with its offset in VRAM.
fn for_each_page(
    allocation: &Allocation,
    mut with: impl FnMut(usize, VramOffset) -> Result,
) -> Result {
    let mut index = 0;
    for (VramOffset(start), len) in allocation.extents() {
        for offset in (start..start + len).step_by(PAGE_SIZE) {
            with(index, VramOffset(offset))?;
            index += 1;
        }
    }
    Ok(())
}

/// Moves the object out of VRAM, or into it if VRAM has room: for the module parameter
/// `move_every`. Does nothing if that is not possible, and for an object that belongs in system
/// memory.
pub(super) fn shuffle(obj: &mut Reserved<'_, VramObject>) {
    let object = obj.object();
    if object.is_system() {
        return;
    }
    let _ = obj.with_registered(|obj, reg| match obj.place() {
        Some(Place::Vram(_)) => move_out(obj, reg),
        _ => {
            let charge = reg.dmem().charge(object.size())?;
            let vram = object.dev().vram();
            let allocation = vram.alloc(object.size(), object.flags.contiguity)?;
            move_in(obj, reg, allocation.charge_to(charge))
        }
    });
}
