// SPDX-License-Identifier: GPL-2.0

//! The reservation of a GEM object: its lock, under which the object's placement record is
//! replaced.
//!
//! C header: [`include/linux/dma-resv.h`](srctree/include/linux/dma-resv.h)
//!
//! - Upstream today: the kernel crate uses the lock inside `drm::gem::shmem` only.
//! - The shape it should have: a guard for `dma_resv_lock()`, from which a driver reaches the data
//!   that the reservation protects.
//! - Why this is sound on 7.3: the guard borrows the object, and unlocks in the thread that has
//!   locked. Without an acquire context, the lock is a mutex. Only [`Reserved::vacate`] replaces a
//!   placement record; it has the guard exclusively, so nothing borrows the record through it.
//!   Once it has taken a record out, no reader uses that record any more, and no page table has an
//!   entry that a reader of the record inserted: a fault inserts entries inside the RCU read-side
//!   critical section in which it has read the record. `vacate()` fails while the kernel maps the
//!   object.
//! - Delete when upstream has such a guard.

use super::{
    super::{
        raw,
        rcu_cell::Retired, //
    },
    object::{
        fake_offset,
        with_registered,
        Object,
        ObjectData,
        RegistrationData, //
    }, //
};
use core::mem::ManuallyDrop;
use kernel::{
    bindings,
    drm::gem::{
        BaseObject,
        IntoGEMObject, //
    },
    error::to_result,
    page::PAGE_SHIFT,
    prelude::*,
    sync::atomic::Relaxed,
    types::NotThreadSafe, //
};

/// An object whose reservation is locked.
///
/// # Invariants
///
/// The current thread holds the lock of `obj`'s reservation, and this guard owns it.
pub(crate) struct Reserved<'a, T: ObjectData> {
    obj: &'a Object<T>,
    _nts: NotThreadSafe,
}

/// Returns the reservation of `obj`. It is valid as long as the object.
fn resv<T: ObjectData>(obj: &Object<T>) -> *mut bindings::dma_resv {
    // SAFETY: The object is valid, and the field does not change.
    unsafe { (*obj.as_raw()).resv }
}

/// Objects whose reservations are locked.
pub(crate) type Batch<'a, T> = [Option<Reserved<'a, T>>; BATCH];

/// The maximum number of objects in a [`Batch`].
pub(crate) const BATCH: usize = 16;

impl<'a, T: ObjectData> Reserved<'a, T> {
    /// Creates the guard.
    ///
    /// # Safety
    ///
    /// The current thread must have locked the reservation. The guard takes the lock over.
    unsafe fn new(obj: &'a Object<T>) -> Self {
        // INVARIANT: By the safety requirements, the current thread has locked the reservation, and
        // the guard takes the lock over.
        Self {
            obj,
            _nts: NotThreadSafe,
        }
    }

    /// Locks the reservation, unless another thread holds the lock.
    pub(crate) fn try_lock(obj: &'a Object<T>) -> Option<Self> {
        let resv = resv(obj);
        // SAFETY: An object has a reservation as long as it exists.
        let locked =
            unsafe { bindings::ww_mutex_trylock(&raw mut (*resv).lock, core::ptr::null_mut()) };
        // SAFETY: The reservation was locked above.
        (locked != 0).then(|| unsafe { Self::new(obj) })
    }

    /// Locks the reservation. May sleep.
    pub(crate) fn lock(obj: &'a Object<T>) -> Self {
        // SAFETY: An object has a reservation as long as it exists. Without an acquire context, the
        // function cannot fail.
        unsafe { bindings::dma_resv_lock(resv(obj), core::ptr::null_mut()) };
        // SAFETY: The reservation was locked above.
        unsafe { Self::new(obj) }
    }

    /// Locks the reservation. May sleep.
    ///
    /// # Errors
    ///
    /// `EINTR` on a signal.
    pub(crate) fn lock_interruptible(obj: &'a Object<T>) -> Result<Self> {
        let resv = resv(obj);
        // SAFETY: An object has a reservation as long as it exists.
        to_result(unsafe {
            bindings::ww_mutex_lock_interruptible(&raw mut (*resv).lock, core::ptr::null_mut())
        })?;
        // SAFETY: The reservation was locked above.
        Ok(unsafe { Self::new(obj) })
    }

    /// Creates a guard for a lock that the caller holds. Dropping the result does not unlock it.
    ///
    /// # Safety
    ///
    /// The caller must hold the lock of the reservation for `'a`, and must not have another guard
    /// for it.
    pub(super) unsafe fn held_by_caller(obj: &'a Object<T>) -> ManuallyDrop<Self> {
        // SAFETY: By the safety requirements, the caller holds the lock. The guard does not unlock
        // it, as it is not dropped.
        ManuallyDrop::new(unsafe { Self::new(obj) })
    }

    /// Returns the object.
    pub(crate) fn object(&self) -> &'a Object<T> {
        self.obj
    }

    /// Calls `with` with the guard and the registration data of the object's device, unless the
    /// device is unplugged. `drm_dev_unplug()` waits until `with` returns.
    pub(crate) fn with_registered<R>(
        &mut self,
        with: impl for<'r> FnOnce(&mut Self, &'r RegistrationData<'r, T>) -> R,
    ) -> Option<R> {
        // SAFETY: `super::create()` creates objects of registered devices only.
        unsafe { with_registered(self.obj, |reg| with(self, reg)) }
    }

    /// Returns the placement record; `None` if the object has none.
    pub(crate) fn place(&self) -> Option<&T::Place> {
        // SAFETY: Only `vacate()`, and the guard that it returns, replace the record. They require
        // an exclusive reference to the guard of this reservation, and the result borrows this one.
        unsafe { self.obj.place_reserved() }
    }

    /// Pins the object to its place: [`Self::vacate`] fails until [`Self::unpin`] has been called
    /// once for each call.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there are too many pins.
    pub(super) fn pin(&mut self) -> Result {
        let pins = self.obj.pins();
        pins.store(pins.load(Relaxed).checked_add(1).ok_or(EBUSY)?, Relaxed);
        Ok(())
    }

    /// Ends the effect of one call of [`Self::pin`].
    pub(super) fn unpin(&mut self) {
        let pins = self.obj.pins();
        pins.store(pins.load(Relaxed).saturating_sub(1), Relaxed);
    }

    /// Returns true if the object has to stay where it is, because the kernel maps it, or another
    /// device may access its memory.
    pub(crate) fn is_held(&self) -> bool {
        self.obj.vmap_slot().is_used() || self.obj.pins().load(Relaxed) != 0
    }

    /// Takes the placement record out. Nothing maps the object afterwards, and a fault waits for
    /// the reservation. May sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if [`Self::is_held`] returns true.
    pub(crate) fn vacate(&mut self) -> Result<Vacated<'_, 'a, T>> {
        if self.is_held() {
            return Err(EBUSY);
        }
        let old = self.obj.place_cell().publish(None);
        let old = old.map(|old| old.after_grace_period());
        if old.is_some() {
            self.unmap();
            drain();
        }
        // INVARIANT: The record was taken out above. Readers have finished with it, and the entries
        // that faults have inserted for it were removed.
        Ok(Vacated {
            reserved: self,
            old,
        })
    }

    /// Takes the placement records of all objects of the batch out, as [`Self::vacate`] does, and
    /// waits once for all of them. The result has `None` for an object without a record, and for
    /// one for which [`Self::is_held`] returns true. May sleep.
    pub(crate) fn vacate_all<'r>(
        batch: &'r mut Batch<'a, T>,
    ) -> [Option<Vacated<'r, 'a, T>>; BATCH] {
        let old = batch.each_ref().map(|slot| {
            let reserved = slot.as_ref().filter(|reserved| !reserved.is_held())?;
            reserved.obj.place_cell().publish(None)
        });
        let old = Retired::all_after_grace_period(old);
        for (slot, _) in batch.iter().zip(&old).filter(|(_, old)| old.is_some()) {
            slot.iter().for_each(Self::unmap);
        }
        if old.iter().any(Option::is_some) {
            drain();
        }
        let mut old = old.into_iter();
        batch.each_mut().map(|slot| {
            let old = old.next().flatten();
            let reserved = slot.as_mut().filter(|_| old.is_some())?;
            // INVARIANT: The record was taken out above. Readers have finished with it, and the
            // entries that faults have inserted for it were removed.
            Some(Vacated { reserved, old })
        })
    }

    /// Removes the page table entries of all mappings of the object. After [`drain`], the memory
    /// contains all that was written through these mappings.
    fn unmap(&self) {
        let bytes = |len: usize| bindings::loff_t::try_from(len).unwrap_or(bindings::loff_t::MAX);
        let start = bytes(fake_offset(self.obj) << PAGE_SHIFT);
        let dev = raw::drm_device(self.obj.dev());
        // SAFETY: The object's device is valid. It has an anonymous inode until it is released.
        let mapping = unsafe { (*(*dev).anon_inode).i_mapping };
        // SAFETY: The mapping of the inode is valid as long as the device. All mappings of objects
        // and of their dma-bufs are in it.
        unsafe { bindings::unmap_mapping_range(mapping, start, bytes(self.obj.size()), 1) };
    }
}

/// Waits until no CPU has stores in its write-combining buffers that a program has issued before
/// this call. May sleep.
fn drain() {
    // An interrupt drains the buffers. The TLB flush of `Reserved::unmap()` does not interrupt
    // every CPU.
    //
    // SAFETY: The function requires a context in which interrupts are enabled, as they are where a
    // thread may sleep.
    unsafe { bindings::kick_all_cpus_sync() };
}

/// A reserved object whose placement record was taken out. Dropping it puts the record back.
///
/// # Invariants
///
/// The object has no placement record. No reader uses the old one, and nothing maps its memory.
pub(crate) struct Vacated<'r, 'a, T: ObjectData> {
    reserved: &'r mut Reserved<'a, T>,
    old: Option<KBox<T::Place>>,
}

impl<T: ObjectData> Vacated<'_, '_, T> {
    /// Returns the old record; `None` if the object had none.
    pub(crate) fn old(&mut self) -> Option<&mut T::Place> {
        self.old.as_deref_mut()
    }

    /// Publishes the record `new`. Returns the old one.
    pub(crate) fn publish(mut self, new: KBox<T::Place>) -> Option<KBox<T::Place>> {
        let old = self.old.replace(new);
        // Dropping `self` publishes the new record.
        drop(self);
        old
    }

    /// Leaves the object without a record. Returns the old one.
    pub(crate) fn leave_empty(mut self) -> Option<KBox<T::Place>> {
        self.old.take()
    }
}

impl<T: ObjectData> Drop for Vacated<'_, '_, T> {
    fn drop(&mut self) {
        if let Some(record) = self.old.take() {
            // By the type invariants, there is no record to replace.
            drop(self.reserved.obj.place_cell().publish(Some(record)));
        }
    }
}

impl<T: ObjectData> Drop for Reserved<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this guard owns the lock.
        unsafe { bindings::dma_resv_unlock(resv(self.obj)) };
    }
}
