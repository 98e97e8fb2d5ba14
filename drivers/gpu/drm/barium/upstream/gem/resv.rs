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
//!   locked. Without an acquire context, the lock is a mutex. Only [`Reserved::publish`] replaces a
//!   placement record; it has the guard exclusively, so nothing borrows the record through it.
//!   Before the old record is dropped, readers have finished with it, and no entry of a page table
//!   is left that one of them has inserted: a fault inserts entries inside the RCU read-side
//!   critical section in which it has read the record.
//! - Delete when upstream has such a guard.

use super::{
    super::raw,
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

impl<'a, T: ObjectData> Reserved<'a, T> {
    /// Creates the guard.
    ///
    /// # Safety
    ///
    /// The caller must have locked the reservation, and passes the lock on to the guard.
    unsafe fn new(obj: &'a Object<T>) -> Self {
        // INVARIANT: The caller promises it.
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
        // SAFETY: The caller holds the lock. The guard does not unlock it, as it is not dropped.
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
        // SAFETY: Only `publish()` replaces the record. It requires an exclusive reference to the
        // guard of this reservation, and the result borrows this one.
        unsafe { self.obj.place_reserved() }
    }

    /// Pins the object to its place: [`Self::publish`] fails until [`Self::unpin`] has been called once
    /// for each call.
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

    /// Replaces the placement record. May sleep.
    ///
    /// If there is an old record, waits until no fault uses it, removes the page table entries of
    /// all mappings of the object, and drops it.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the object is pinned: a device may access the memory of the old record.
    pub(crate) fn publish(&mut self, new: KBox<T::Place>) -> Result {
        if self.obj.pins().load(Relaxed) != 0 {
            return Err(EBUSY);
        }
        let Some(old) = self.obj.place_cell().publish(Some(new)) else {
            return Ok(());
        };
        let old = old.after_grace_period();
        let bytes = |len: usize| bindings::loff_t::try_from(len).unwrap_or(bindings::loff_t::MAX);
        let start = bytes(fake_offset(self.obj) << PAGE_SHIFT);
        let dev = raw::drm_device(self.obj.dev());
        // SAFETY: The object's device is valid. It has an anonymous inode until it is released.
        let mapping = unsafe { (*(*dev).anon_inode).i_mapping };
        // SAFETY: The mapping of the inode is valid as long as the device. All mappings of objects
        // and of their dma-bufs are in it.
        unsafe { bindings::unmap_mapping_range(mapping, start, bytes(self.obj.size()), 1) };
        drop(old);
        Ok(())
    }
}

impl<T: ObjectData> Drop for Reserved<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this guard owns the lock.
        unsafe { bindings::dma_resv_unlock(resv(self.obj)) };
    }
}
