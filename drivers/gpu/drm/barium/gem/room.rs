// SPDX-License-Identifier: GPL-2.0

//! Makes room in VRAM: moves out the objects with the lowest priority, or drops their content if
//! their clients do not need it. For a contiguous object, only those in one range of VRAM leave,
//! which [`crate::vram::Occupancy`] selects.
//!
//! VRAM is charged to the cgroup of the current task, in kernels with the dmem controller. If that
//! would exceed a limit, only objects leave VRAM that count for it. `dmem.min` protects objects
//! from leaving; `dmem.low` does so while others can leave.
//!
//! The caller holds no reservation, and waits for one at a time. Small objects leave VRAM together,
//! so that they share the wait for a grace period: the others of such a batch are only locked if no
//! other thread holds their reservation.

use super::{
    moves,
    protection::{
        in_two_passes,
        Need,
        Protected, //
    },
    shares::Shares,
    BariumObject,
    VramObject, //
};
use crate::{
    device::{
        BariumDevice,
        BariumRegistrationData,
        ClientId,
        Priority,
        ResidentObjects, //
    },
    place::Place,
    upstream::{
        dmem::{
            Charge,
            Pool,
            TryCharge, //
        },
        gem::{
            Batch,
            Reserved,
            BATCH, //
        },
    },
    vram::{
        Allocation,
        Needed,
        Occupancy,
        Rank,
        VramManager,
        VramOffset,
        Window, //
    },
};
use kernel::{
    drm::{
        gem::BaseObject,
        Registered, //
    },
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sizes::SZ_1M,
    sync::{
        rcu,
        Arc, //
    }, //
};

/// The maximum number of windows that [`evict_window`] tries to free, one after another.
const WINDOW_TRIES: usize = 16;

/// The maximum total size of objects that leave VRAM together, in bytes.
const BATCH_SIZE: usize = SZ_1M;

/// The way to handle a victim whose reservation another thread has locked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Busy {
    /// The victim stays.
    Skip,
    /// The driver waits for the reservation.
    Wait,
}

/// Charges `size` bytes of VRAM, and calls `alloc`, which allocates as much. While it fails with
/// `ENOSPC`, frees VRAM and calls it again: first frees the blank picture, then the VRAM of
/// unpinned objects whose priority is one of the `victims`, which are in ascending order. Returns
/// `None` if `alloc` still fails.
///
/// For a contiguous request, `needed` says which range of VRAM it needs, and how many pages may be
/// copied. Then only objects in one such range leave VRAM, and none if there is no such range.
///
/// # Errors
///
/// - Those of [`charge`].
/// - The errors of `alloc`, except for `ENOSPC`.
/// - `ENOMEM` if there is no kernel memory for the search; `EINTR` on a signal.
pub(super) fn make_room(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    size: usize,
    victims: &[Priority],
    client: Option<ClientId>,
    needed: Option<&Needed>,
    alloc: impl Fn() -> Result<Allocation>,
) -> Result<Option<Allocation>> {
    let charge = charge(dev, reg, size, victims)?;
    let need = Need::vram(reg.dmem(), charge.as_deref());
    let found = free_room(dev, reg, need, victims, client, needed, alloc)?;
    Ok(found.map(|found| found.charge_to(charge)))
}

/// Does what [`make_room`] does, for VRAM that is charged.
fn free_room(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    need: Need<'_>,
    victims: &[Priority],
    client: Option<ClientId>,
    needed: Option<&Needed>,
    alloc: impl Fn() -> Result<Allocation>,
) -> Result<Option<Allocation>> {
    let alloc = || none_if_full(alloc());
    let mut found = alloc()?;
    if found.is_none() && reg.pipe().release_blank() {
        found = alloc()?;
    }
    if found.is_some() || victims.is_empty() {
        return Ok(found);
    }
    let Some(needed) = needed else {
        return evict_until(dev, reg, need, victims, alloc);
    };
    let mut needed = *needed;
    in_two_passes(need, |protected| {
        let pages = needed.pages();
        let search = || Search::new(dev, protected, victims, client, pages);
        match evict_window(reg, search, &mut needed, Busy::Skip, alloc)? {
            None => evict_window(reg, search, &mut needed, Busy::Wait, alloc),
            found => Ok(found),
        }
    })
}

/// Charges `size` bytes of VRAM to the cgroup of the current task. If that would exceed a limit,
/// moves out objects that count for the limit and whose priority is one of the `victims`.
///
/// # Errors
///
/// - `EDQUOT` if the limit would still be exceeded.
/// - `ENOMEM` if there is no kernel memory; `EINTR` on a signal.
fn charge(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    size: usize,
    victims: &[Priority],
) -> Result<Option<Arc<Charge>>> {
    for _ in 0..max_objects(dev) {
        let limit = match reg.dmem().try_charge(size)? {
            TryCharge::Charged(charge) => return Ok(charge),
            TryCharge::Limited(limit) => limit,
        };
        let mut has_moved = false;
        let found = for_each_unprotected(dev, Need::Limit(limit.pool()), victims, |victim| {
            if !move_out(victim, reg, Busy::Wait)? {
                return Ok(None);
            }
            has_moved = true;
            Ok(match reg.dmem().try_charge(size)? {
                TryCharge::Charged(charge) => Some(charge),
                TryCharge::Limited(_) => None,
            })
        })?;
        if let Some(charge) = found {
            return Ok(charge);
        }
        if !has_moved {
            break;
        }
    }
    Err(EDQUOT)
}

/// Moves objects out of VRAM that are charged to the cgroup of `pool` or to cgroups below it, until
/// `bytes` bytes are free, or drops their content. Unpinned objects leave in ascending order of
/// their priority, whoever they belong to.
///
/// Unplugging waits for the move of one object, as long as the caller has no
/// `registration_guard()`.
///
/// # Errors
///
/// Only if no object has left VRAM: `ENOSPC` if none can; `ENODEV` if the device is unplugged;
/// `EINTR` on a signal; `ENOMEM`.
pub(crate) fn evict_charged(dev: &BariumDevice, pool: Pool<'_>, bytes: u64) -> Result {
    let mut freed = 0;
    let result = for_each_unprotected(dev, Need::Limit(pool), &Priority::ALL, |victim| {
        if victim.is_pinned() {
            return Ok(None);
        }
        let moved = Reserved::lock_interruptible(victim)?.with_registered(leave_vram);
        if moved.ok_or(ENODEV)?.is_ok() {
            freed += u64::try_from(victim.size())?;
        }
        Ok((freed >= bytes).then_some(()))
    });
    match freed {
        0 => result.and(Err(ENOSPC)),
        _ => Ok(()),
    }
}

/// Calls `with` for the objects in VRAM that are not protected and whose priority is one of the
/// `victims`, in ascending order of their priority, until it returns a result. See
/// [`in_two_passes`]. Unlike [`for_each_victim`], leaves the lists in the order of age: most
/// objects may be those of other cgroups, which stay.
///
/// # Errors
///
/// Those of `with`; `ENOMEM`.
fn for_each_unprotected<T>(
    dev: &BariumDevice,
    need: Need<'_>,
    victims: &[Priority],
    mut with: impl FnMut(&BariumObject) -> Result<Option<T>>,
) -> Result<Option<T>> {
    in_two_passes(need, |protected| {
        let residents = dev.residents().objects(dev)?;
        for (priority, obj) in in_order(&residents) {
            if !victims.contains(&priority) || !is_in_vram(obj) || protected.keeps(obj) {
                continue;
            }
            if let Some(result) = with(obj)? {
                return Ok(Some(result));
            }
        }
        Ok(None)
    })
}

/// Returns true if `obj` is in VRAM.
fn is_in_vram(obj: &BariumObject) -> bool {
    matches!(obj.place(&rcu::read_lock()), Some(Place::Vram(_)))
}

/// Returns `None` for the error `ENOSPC`.
fn none_if_full(result: Result<Allocation>) -> Result<Option<Allocation>> {
    match result {
        Err(ENOSPC) => Ok(None),
        result => result.map(Some),
    }
}

/// Makes room as [`make_room`] does, for an object that the display is going to show: moves out any
/// object that is not pinned. If the pinned ones leave no room, and `may_move_pinned` is true,
/// moves out all others, and moves the pinned ones to lower parts of VRAM.
///
/// # Errors
///
/// Those of [`make_room`].
pub(super) fn make_room_for_display(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    needed: &Needed,
    may_move_pinned: bool,
    alloc: impl Fn() -> Result<Allocation>,
) -> Result<Option<Allocation>> {
    let charge = charge(dev, reg, needed.pages() << PAGE_SHIFT, &Priority::ALL)?;
    let need = Need::vram(reg.dmem(), charge.as_deref());
    let mut found = free_room(dev, reg, need, &Priority::ALL, None, Some(needed), &alloc)?;
    if found.is_none() && may_move_pinned {
        let alloc = || none_if_full(alloc());
        found = evict_until(dev, reg, need, &Priority::ALL, alloc)?;
        if found.is_none() {
            found = for_each_victim(dev, Priority::Shown, |obj| {
                Ok(match move_down(dev, reg, obj) {
                    Ok(()) => alloc()?.map_or(Victim::Stays, Victim::Last),
                    Err(_) => Victim::Stays,
                })
            })?;
        }
    }
    Ok(found.map(|found| found.charge_to(charge)))
}

/// Finds the range that is cheapest to free, among those that suit `needed`, in a search that
/// `begin` begins, moves out the objects in it, and calls `alloc`. If an object stays, finds
/// another range. Returns `None` if there is none. Subtracts the copied pages from the maximum in
/// `needed`.
///
/// An object that the display could show stays if another suitable range contains only objects that
/// rank below it: objects with a lower priority, or objects that were moved into VRAM or shown
/// longer ago. The order of objects that the display cannot show does not matter. Nothing moves
/// them into VRAM again, so only the cost of the move counts.
///
/// # Errors
///
/// Those of [`make_room`].
fn evict_window<'a>(
    reg: &BariumRegistrationData<'_>,
    begin: impl Fn() -> Result<Search<'a>>,
    needed: &mut Needed,
    busy: Busy,
    alloc: impl Fn() -> Result<Option<Allocation>>,
) -> Result<Option<Allocation>> {
    let mut kept = KVec::new();
    for _ in 0..WINDOW_TRIES {
        let search = begin()?;
        let Some(window) = search.snapshot(&kept)?.cheapest(needed) else {
            break;
        };
        needed.pay_for(&window);
        let tenants = search.tenants(&window)?;
        let mut rest = tenants.as_slice();
        while !rest.is_empty() {
            let batch = rest.get(..batch_len(rest)).unwrap_or(rest);
            let was_purgeable = batch.iter().filter(|victim| victim.is_purgeable()).count();
            match move_batch_out(batch, reg, busy)? {
                Moved::All(count) => rest = rest.get(count..).unwrap_or(&[]),
                Moved::AllBut(victim) => {
                    // An object that turns out to be needed ranks higher from now on.
                    let is_purgeable = batch.iter().filter(|victim| victim.is_purgeable()).count();
                    if is_purgeable == was_purgeable {
                        kept.push(address(victim), GFP_KERNEL)?;
                    }
                    break;
                }
            }
        }
        // Frees the objects that their clients have closed meanwhile.
        drop(tenants);
        drop(search);
        if let Some(found) = alloc()? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The result of [`move_batch_out`].
enum Moved<'a> {
    /// The first objects have left VRAM: this many, not 0.
    All(usize),
    /// An object stays. Others may have left VRAM.
    AllBut(&'a BariumObject),
}

/// Returns the number of the first `objects` that leave VRAM together, not 0: several small
/// objects, or one large one. Programs that access one of them wait until all have left.
fn batch_len(objects: &[&BariumObject]) -> usize {
    let mut size = 0;
    let fits = |obj: &&&BariumObject| {
        size += obj.size();
        size <= BATCH_SIZE
    };
    objects.iter().take(BATCH).take_while(fits).count().max(1)
}

/// Moves `victims`, at most [`BATCH`] objects, out of VRAM, or drops their content.
///
/// Waits for at most one reservation, that of the first object, and only if `busy` is
/// [`Busy::Wait`].
///
/// # Errors
///
/// `EINTR` on a signal.
fn move_batch_out<'a>(
    victims: &[&'a BariumObject],
    reg: &BariumRegistrationData<'_>,
    busy: Busy,
) -> Result<Moved<'a>> {
    let mut batch: Batch<'_, VramObject> = [const { None }; BATCH];
    let mut count = 0;
    for (slot, victim) in batch.iter_mut().zip(victims) {
        if victim.is_pinned() {
            return Ok(Moved::AllBut(victim));
        }
        *slot = match (Reserved::try_lock(victim), busy) {
            (None, Busy::Skip) => return Ok(Moved::AllBut(victim)),
            (None, Busy::Wait) if count == 0 => Some(Reserved::lock_interruptible(victim)?),
            (None, Busy::Wait) => break,
            (reserved, _) => reserved,
        };
        count += 1;
    }
    let stays = moves::move_all_out(&mut batch, reg).and_then(|index| victims.get(index));
    Ok(stays.map_or(Moved::All(count), |victim| Moved::AllBut(victim)))
}

/// Returns the address of the object's data, which identifies the object in a search.
fn address(data: &VramObject) -> *const VramObject {
    data
}

/// A search for objects that can leave VRAM for a contiguous one.
struct Search<'a> {
    vram: &'a VramManager,
    /// The priorities of objects that can leave VRAM.
    victims: &'a [Priority],
    /// The client that needs the room; `None` for the display.
    client: Option<ClientId>,
    shares: Shares,
    /// The objects that were in VRAM when the search began, except for those that are protected.
    residents: ResidentObjects,
}

impl<'a> Search<'a> {
    /// Begins a search for `pages` pages: reads how much of VRAM each client uses.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    fn new(
        dev: &'a BariumDevice<Registered>,
        protected: &Protected<'_>,
        victims: &'a [Priority],
        client: Option<ClientId>,
        pages: usize,
    ) -> Result<Self> {
        let mut residents = dev.residents().objects(dev)?;
        let objects = residents.iter().map(|objects| objects.len()).sum();
        let mut shares = Shares::new(objects)?;
        for_each_resident(&residents, |obj, _, allocation| {
            shares.add(obj.client_id(), allocation.counts().1);
        });
        if let Some(client) = client {
            shares.add(client, pages);
        }
        shares.settle(dev.vram().size().bytes() / PAGE_SIZE);
        for objects in &mut residents {
            objects.retain(|obj| !protected.keeps(obj));
        }
        Ok(Self {
            vram: dev.vram(),
            victims,
            client,
            shares,
            residents,
        })
    }

    /// Returns true if the object can leave VRAM: if it is not pinned, and its priority is one of
    /// the `victims`. An object that the display has not shown can also leave if its client uses
    /// more than its share, and the client that needs the room does not.
    fn may_leave(&self, obj: &VramObject, priority: Priority) -> bool {
        let is_fair = || {
            self.client
                .is_some_and(|client| !self.shares.is_above(client))
                && self.shares.is_above(obj.client_id())
        };
        !obj.is_pinned()
            && (self.victims.contains(&priority) || priority == Priority::Showable && is_fair())
    }

    /// Returns a snapshot of VRAM. The objects in `kept` cannot leave.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    fn snapshot(&self, kept: &[*const VramObject]) -> Result<Occupancy> {
        let (mut objects, mut extents) = (0, 0);
        for_each_resident(&self.residents, |_, _, allocation| {
            objects += 1;
            extents += allocation.counts().0;
        });
        let mut occupancy = Occupancy::new(self.vram, objects, extents)?;
        let mut position = 0;
        let showable = Rank::LOWEST.0 + 2;
        let objects = u32::try_from(objects)?;
        for_each_resident(&self.residents, |obj, priority, allocation| {
            if !self.may_leave(obj, priority) || kept.contains(&address(obj)) {
                return;
            }
            position += 1;
            let copies = match obj.is_purgeable() || !obj.may_have_content() {
                true => 0,
                false => allocation.counts().1,
            };
            let is_above = self.shares.is_above(obj.client_id());
            let rank = match priority {
                Priority::Purgeable => 0,
                Priority::Unshowable => u32::from(copies != 0 && !is_above),
                Priority::Showable if is_above => showable + position,
                Priority::Showable => showable + objects + position,
                Priority::Shown => showable + 2 * objects + position,
            };
            occupancy.add(allocation, Rank(rank), copies);
        });
        occupancy.seal(self.vram)?;
        Ok(occupancy)
    }

    /// Returns the objects in `window` that can leave VRAM.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    fn tenants(&self, window: &Window) -> Result<KVVec<&BariumObject>> {
        let mut found = KVVec::with_capacity(window.tenants, GFP_KERNEL)?;
        for_each_resident(&self.residents, |obj, priority, allocation| {
            if self.may_leave(obj, priority) && window.intersects(allocation) {
                // The list may have no room for an object that was moved into the window meanwhile.
                let _ = found.push_within_capacity(obj);
            }
        });
        Ok(found)
    }
}

/// Calls `with` for each object of `residents` that is still in VRAM, with the priority that it
/// had.
fn for_each_resident<'r>(
    residents: &'r ResidentObjects,
    mut with: impl FnMut(&'r BariumObject, Priority, &Allocation),
) {
    for (priority, obj) in in_order(residents) {
        if let Some(Place::Vram(allocation)) = obj.place(&rcu::read_lock()) {
            with(obj, priority, allocation);
        }
    }
}

/// Returns the objects of `residents`, each with the priority that it had, in ascending order of
/// their priority.
fn in_order(residents: &ResidentObjects) -> impl Iterator<Item = (Priority, &BariumObject)> {
    let lists = Priority::ALL.into_iter().zip(residents);
    lists.flat_map(|(priority, objects)| objects.iter().map(move |obj| (priority, &**obj)))
}

/// Moves out objects with the priorities `victims`, in this order, until `alloc` succeeds. Returns
/// `None` if it still fails when no object can be moved any more.
fn evict_until(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    need: Need<'_>,
    victims: &[Priority],
    alloc: impl Fn() -> Result<Option<Allocation>>,
) -> Result<Option<Allocation>> {
    in_two_passes(need, |protected| {
        for busy in [Busy::Skip, Busy::Wait] {
            for &priority in victims {
                if let Some(found) = evict(dev, reg, protected, priority, busy, &alloc)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    })
}

/// Moves out objects with this `priority` until `alloc` succeeds. Returns `None` if it still fails
/// when no object can be moved any more.
fn evict(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    protected: &Protected<'_>,
    priority: Priority,
    busy: Busy,
    alloc: impl Fn() -> Result<Option<Allocation>>,
) -> Result<Option<Allocation>> {
    for_each_victim(dev, priority, |victim| {
        Ok(
            match !protected.keeps(victim) && move_out(victim, reg, busy)? {
                true => alloc()?.map_or(Victim::Left, Victim::Last),
                false => Victim::Stays,
            },
        )
    })
}

/// Moves all objects out of VRAM that can be moved, or drops their content if their clients do not
/// need it. Objects that the display shows, or that the kernel maps, stay.
///
/// Unplugging waits for the move of one object, as long as the caller has no
/// `registration_guard()`.
///
/// # Errors
///
/// - `ENOMEM` if objects have stayed because there is no memory for them, or because the system's
///   limit for committed memory is reached. The others were moved.
/// - `EINTR` if `should_stop` has returned true, `ENODEV` if the device is unplugged: the remaining
///   objects have stayed.
pub(crate) fn evict_all(dev: &BariumDevice, should_stop: impl Fn() -> bool) -> Result {
    let mut result = Ok(());
    for priority in Priority::ALL {
        for_each_victim::<()>(dev, priority, |victim| {
            if should_stop() {
                return Err(EINTR);
            }
            let moved = Reserved::lock(victim).with_registered(leave_vram);
            let Err(err) = moved.ok_or(ENODEV)? else {
                return Ok(Victim::Left);
            };
            if matches!(err, ENOMEM | ENOSPC) {
                result = Err(ENOMEM);
            }
            Ok(Victim::Stays)
        })?;
    }
    result
}

/// The result for a victim of [`for_each_victim`].
enum Victim<T> {
    /// It has left VRAM.
    Left,
    /// It has stayed in VRAM.
    Stays,
    /// No other victim is needed, and this is the result.
    Last(T),
}

/// Calls `with` for the objects with this `priority` that are in VRAM, the first one of the list
/// each time, until only objects for which it has returned [`Victim::Stays`] are left, or until it
/// returns [`Victim::Last`].
///
/// # Errors
///
/// Those of `with`.
fn for_each_victim<T>(
    dev: &BariumDevice,
    priority: Priority,
    mut with: impl FnMut(&BariumObject) -> Result<Victim<T>>,
) -> Result<Option<T>> {
    let residents = dev.residents();
    let mut first_kept = None;
    for _ in 0..max_objects(dev) {
        let Some(victim) = residents.first(dev, priority) else {
            break;
        };
        let address = address(&victim);
        if first_kept == Some(address) {
            break;
        }
        match with(&victim)? {
            Victim::Last(result) => return Ok(Some(result)),
            Victim::Left => {}
            Victim::Stays => {
                residents.move_to_end(&victim, priority);
                first_kept.get_or_insert(address);
            }
        }
    }
    Ok(None)
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
