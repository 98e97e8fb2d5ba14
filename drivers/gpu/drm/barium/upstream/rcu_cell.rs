// SPDX-License-Identifier: GPL-2.0

//! An owned value that readers access without a lock while a writer replaces it.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)
//!
//! - Upstream today: [`rcu::Guard`] marks a read-side critical section. Of the types that it
//!   protects, `Revocable` can be emptied, but its value cannot be replaced.
//! - The shape it should have: this type, in [`kernel::sync::rcu`].
//! - Why this is sound on 7.3: a reader gets a reference that borrows its [`rcu::Guard`], so it
//!   drops the reference before its critical section ends. Only [`RcuCell::publish`] removes a
//!   value, and it removes each value once, by an atomic exchange. The value is then in a
//!   [`Retired`], from which it can be taken only after a grace period that began after the
//!   exchange.
//! - Delete when upstream has such a type.

use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full, //
        },
        rcu, //
    }, //
};

/// A cell that owns a value, or is empty.
///
/// Readers do not wait. A writer waits for the readers of the value that it has replaced.
///
/// # Invariants
///
/// The pointer is null, or comes from [`KBox::into_raw`] and is owned by the cell. While it is in
/// the cell, the value is not accessed through a mutable reference.
pub(crate) struct RcuCell<T> {
    value: Atomic<*mut T>,
    _owns: PhantomData<KBox<T>>,
}

// SAFETY: The cell owns the value, and drops it in the thread that drops the cell or a `Retired`.
unsafe impl<T: Send> Send for RcuCell<T> {}

// SAFETY: Several threads may have references to the value at once, and any of them may take the
// value out of the cell.
unsafe impl<T: Send + Sync> Sync for RcuCell<T> {}

/// Returns the pointer that a cell with `value` contains.
fn into_raw<T>(value: Option<KBox<T>>) -> *mut T {
    value.map_or(ptr::null_mut(), KBox::into_raw)
}

impl<T> RcuCell<T> {
    /// Creates a cell.
    pub(crate) fn new(value: Option<KBox<T>>) -> Self {
        // INVARIANT: The pointer is null or comes from `KBox::into_raw()`.
        Self {
            value: Atomic::new(into_raw(value)),
            _owns: PhantomData,
        }
    }

    /// Returns the value; `None` if the cell is empty.
    #[inline]
    pub(crate) fn read<'g>(&'g self, _guard: &'g rcu::Guard) -> Option<&'g T> {
        // An atomic load would call a helper. An address dependency orders this load before those
        // through the pointer, as in `rcu_dereference()`.
        //
        // SAFETY: The pointer of the cell is valid, and `publish()` replaces it atomically.
        let value = unsafe { self.value.as_ptr().read_volatile() };
        // SAFETY: By the type invariants, a pointer that is not null points to a value that the
        // cell owned when it was read. `publish()` may have replaced it since, but the value is
        // dropped only after a grace period, which does not end before the guard is dropped. The
        // value was initialised before it was published.
        unsafe { value.as_ref() }
    }

    /// Returns the value; `None` if the cell is empty.
    ///
    /// # Safety
    ///
    /// [`Self::publish`] must not be called while the result exists.
    pub(crate) unsafe fn read_exclusive(&self) -> Option<&T> {
        let value = self.value.load(Acquire);
        // SAFETY: By the type invariants, a pointer that is not null points to a value that the
        // cell owns. By the safety requirements, it stays in the cell.
        unsafe { value.as_ref() }
    }

    /// Replaces the value. Returns the old one, unless the cell was empty.
    ///
    /// Readers see either value until a grace period has passed, and the new one after that.
    pub(crate) fn publish(&self, new: Option<KBox<T>>) -> Option<Retired<T>> {
        // INVARIANT: The new pointer is null or comes from `KBox::into_raw()`.
        let old = self.value.xchg(into_raw(new), Full);
        // INVARIANT: The cell owned the old value, and no longer contains it. The exchange returns
        // each pointer once.
        NonNull::new(old).map(Retired)
    }
}

impl<T> Drop for RcuCell<T> {
    fn drop(&mut self) {
        let value = *self.value.get_mut();
        if !value.is_null() {
            // SAFETY: By the type invariants, the pointer comes from `KBox::into_raw()`, and the
            // cell owns the value. A reader borrows the cell, so there is none.
            drop(unsafe { KBox::from_raw(value) });
        }
    }
}

/// A value that [`RcuCell::publish`] has replaced. Readers may still use it.
///
/// Dropping it waits for a grace period before it drops the value. May sleep.
///
/// # Invariants
///
/// The pointer comes from [`KBox::into_raw`], and this object owns the value. No cell contains it.
pub(crate) struct Retired<T>(NonNull<T>);

impl<T> Retired<T> {
    /// Waits until no reader uses the value, and returns it. May sleep.
    pub(crate) fn after_grace_period(self) -> KBox<T> {
        let this = ManuallyDrop::new(self);
        // SAFETY: The value is not used through `this`, which is not dropped, after this call.
        unsafe { this.take() }
    }

    /// Waits until no reader uses any of the values, and returns them. Waits once for all of them,
    /// and not at all if there are none. May sleep.
    pub(crate) fn all_after_grace_period<const N: usize>(
        values: [Option<Self>; N],
    ) -> [Option<KBox<T>>; N] {
        if values.iter().any(Option::is_some) {
            // SAFETY: `synchronize_rcu_expedited()` requires a context that may sleep, as does this
            // function.
            unsafe { bindings::synchronize_rcu_expedited() };
        }
        values.map(|value| {
            let value = ManuallyDrop::new(value?);
            // SAFETY: By the type invariants, the pointer comes from `KBox::into_raw()`, and this
            // object, which is not dropped, owned the value. Readers that got it from the cell did
            // so before this call, and their critical sections have ended.
            Some(unsafe { KBox::from_raw(value.0.as_ptr()) })
        })
    }

    /// See [`Self::after_grace_period`].
    ///
    /// # Safety
    ///
    /// The caller must not use `self` afterwards, and not drop it.
    unsafe fn take(&self) -> KBox<T> {
        // SAFETY: `synchronize_rcu_expedited()` requires a context that may sleep, as do the
        // callers of this function.
        unsafe { bindings::synchronize_rcu_expedited() };
        // SAFETY: By the type invariants, the pointer comes from `KBox::into_raw()`, and this
        // object owns the value. Readers that got it from the cell did so before the exchange in
        // `publish()`, and their critical sections have ended.
        unsafe { KBox::from_raw(self.0.as_ptr()) }
    }
}

impl<T> Drop for Retired<T> {
    fn drop(&mut self) {
        // SAFETY: `self` is being dropped.
        drop(unsafe { self.take() });
    }
}

#[kunit_tests(barium_rcu_cell)]
mod tests {
    use super::*;
    use kernel::sync::Arc;

    #[test]
    fn a_reader_gets_the_published_value() -> Result {
        let cell = RcuCell::new(None);
        assert!(cell.read(&rcu::read_lock()).is_none());
        assert!(cell.publish(Some(KBox::new(1, GFP_KERNEL)?)).is_none());
        assert_eq!(cell.read(&rcu::read_lock()), Some(&1));
        let old = cell.publish(Some(KBox::new(2, GFP_KERNEL)?));
        assert_eq!(cell.read(&rcu::read_lock()), Some(&2));
        assert_eq!(old.map(|old| *old.after_grace_period()), Some(1));
        Ok(())
    }

    #[test]
    fn each_value_is_dropped_once() -> Result {
        let value = Arc::new((), GFP_KERNEL)?;
        let cell = RcuCell::new(Some(KBox::new(value.clone(), GFP_KERNEL)?));
        drop(cell.publish(Some(KBox::new(value.clone(), GFP_KERNEL)?)));
        drop(cell);
        assert!(Arc::into_unique_or_drop(value).is_some());
        Ok(())
    }

    #[test]
    fn values_can_share_a_grace_period() -> Result {
        let value = Arc::new((), GFP_KERNEL)?;
        let cells = [(); 3].map(|()| RcuCell::new(None));
        for cell in &cells[..2] {
            drop(cell.publish(Some(KBox::new(value.clone(), GFP_KERNEL)?)));
        }
        let old = cells.each_ref().map(|cell| cell.publish(None));
        let old = Retired::all_after_grace_period(old);
        assert!(matches!(old, [Some(_), Some(_), None]));
        drop(old);
        assert!(Arc::into_unique_or_drop(value).is_some());
        Ok(())
    }

    #[test]
    fn an_old_value_stays_for_its_readers() -> Result {
        let cell = RcuCell::new(Some(KBox::new(1, GFP_KERNEL)?));
        let guard = rcu::read_lock();
        let read = cell.read(&guard);
        let old = cell.publish(None);
        assert!(cell.read(&guard).is_none());
        assert_eq!(read, Some(&1));
        drop(guard);
        drop(old);
        Ok(())
    }
}
