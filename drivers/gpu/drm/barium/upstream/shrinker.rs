// SPDX-License-Identifier: GPL-2.0

//! Shrinkers: a driver gives memory back when the kernel is short of it.
//!
//! C header: [`include/linux/shrinker.h`](srctree/include/linux/shrinker.h)
//!
//! - Upstream today: nothing in the kernel crate. Binder has a shrinker of its own, for its pages.
//! - The shape it should have: [`Shrink`] and [`Shrinker`]; a function for allocation scopes
//!   (`memalloc_nofs_save()`) in [`kernel::alloc`].
//! - Why this is sound on 7.3: the callbacks get a pointer to the [`Shrink`], which the
//!   [`Shrinker`] owns. `shrinker_free()` waits until no callback runs and prevents further ones,
//!   and the [`Shrink`] is dropped after that. [`without_fs_reclaim`] takes a closure, so that
//!   scopes end in the reverse order, each in the thread that began it.
//! - Delete when upstream has such types.
//!
//! # Contexts
//!
//! The kernel calls a shrinker in kswapd, and in any allocation that may wait and may call file
//! systems (`GFP_KERNEL`): in the allocating thread, with the locks that this thread holds. So a
//! shrinker may sleep, but must not wait for a lock that any thread holds while it allocates, nor
//! for such a thread: it only tries to take such locks. It must not allocate memory itself. It may
//! wait for an RCU grace period, take the locks of page tables, and remove page table entries.
//!
//! A thread that allocates while it holds a lock for which a shrinker waits does so in
//! [`without_fs_reclaim`]: the callbacks do nothing for such allocations.
//!
//! The callbacks tell lockdep that they run in reclaim, also when `/proc/sys/vm/drop_caches` has
//! invoked them.

use core::ptr::NonNull;
use kernel::{
    bindings,
    prelude::*, //
};

// Defined in helpers.c.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_may_shrink(control: *const bindings::shrink_control) -> bool;
    fn barium_shrink_begin(control: *const bindings::shrink_control);
    fn barium_shrink_end(control: *const bindings::shrink_control);
    fn barium_nofs_save() -> c_uint;
    fn barium_nofs_restore(flags: c_uint);
}

/// Memory that a driver can give back. The head of this file says what the methods may do.
pub(crate) trait Shrink: Send + Sync + 'static {
    /// Returns the number of pages that [`Self::scan`] may be able to give back.
    fn count(&self) -> usize;

    /// Gives back at least `pages` pages, or as many as possible. Returns their number.
    fn scan(&self, pages: usize) -> usize;
}

/// A registered shrinker. Dropping it waits until no callback runs.
///
/// # Invariants
///
/// `raw` is a registered shrinker whose callbacks are those of this module for `T`. Its private
/// data points to the value in `data`, which does not move.
pub(crate) struct Shrinker<T: Shrink> {
    raw: NonNull<bindings::shrinker>,
    _data: KBox<T>,
}

// SAFETY: Any thread may unregister a shrinker.
unsafe impl<T: Shrink> Send for Shrinker<T> {}

// SAFETY: There are no methods on a shared reference.
unsafe impl<T: Shrink> Sync for Shrinker<T> {}

impl<T: Shrink> Shrinker<T> {
    /// Registers a shrinker with the name `name`. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(name: &'static CStr, data: T) -> Result<Self> {
        let data = KBox::new(data, GFP_KERNEL)?;
        // SAFETY: The format takes one string, and both are null-terminated.
        let raw = unsafe { bindings::shrinker_alloc(0, c"%s".as_char_ptr(), name.as_char_ptr()) };
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;
        let shrinker = raw.as_ptr();
        // SAFETY: `shrinker_alloc()` returned the shrinker, which is not registered yet, so nothing
        // else uses its fields.
        unsafe {
            (*shrinker).count_objects = Some(count_callback::<T>);
            (*shrinker).scan_objects = Some(scan_callback::<T>);
            (*shrinker).private_data = core::ptr::from_ref(&*data).cast_mut().cast();
        }
        // SAFETY: The shrinker is valid and has all fields that the kernel uses.
        unsafe { bindings::shrinker_register(shrinker) };
        // INVARIANT: The shrinker was registered above, and its private data is `data`.
        Ok(Self { raw, _data: data })
    }
}

impl<T: Shrink> Drop for Shrinker<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the shrinker is registered. The function waits until no
        // callback runs, so that the data can be dropped after this.
        unsafe { bindings::shrinker_free(self.raw.as_ptr()) };
    }
}

/// Returns the data of a shrinker.
///
/// # Safety
///
/// `shrinker` must be that of a [`Shrinker<T>`] which is not dropped for `'a`.
unsafe fn data<'a, T: Shrink>(shrinker: *const bindings::shrinker) -> &'a T {
    // SAFETY: By the invariants of `Shrinker`, the private data points to a `T`, which it owns.
    unsafe { &*(*shrinker).private_data.cast::<T>() }
}

/// `shrinker.count_objects`.
///
/// # Safety
///
/// Only the memory manager may call it, for the shrinker of a [`Shrinker<T>`].
unsafe extern "C" fn count_callback<T: Shrink>(
    shrinker: *mut bindings::shrinker,
    control: *mut bindings::shrink_control,
) -> c_ulong {
    // SAFETY: `control` is the argument of this callback.
    if !unsafe { barium_may_shrink(control) } {
        return 0;
    }
    // SAFETY: The shrinker is freed only after this callback has returned.
    unsafe { data::<T>(shrinker) }.count()
}

/// `shrinker.scan_objects`.
///
/// # Safety
///
/// Only the memory manager may call it, for the shrinker of a [`Shrinker<T>`].
unsafe extern "C" fn scan_callback<T: Shrink>(
    shrinker: *mut bindings::shrinker,
    control: *mut bindings::shrink_control,
) -> c_ulong {
    // `SHRINK_STOP`, which bindgen takes for an `int`.
    const STOP: c_ulong = c_ulong::MAX;
    // SAFETY: `control` is the argument of this callback.
    let (may_shrink, pages) = unsafe { (barium_may_shrink(control), (*control).nr_to_scan) };
    if !may_shrink {
        return STOP;
    }
    // SAFETY: `control` is the argument of this callback.
    unsafe { barium_shrink_begin(control) };
    // SAFETY: The shrinker is freed only after this callback has returned.
    let freed = unsafe { data::<T>(shrinker) }.scan(pages);
    // SAFETY: `barium_shrink_begin()` was called above with the same `control`.
    unsafe { barium_shrink_end(control) };
    if freed == 0 {
        STOP
    } else {
        freed
    }
}

/// Calls `run`. Allocations that the current thread makes in `run` call no [`Shrink`].
pub(crate) fn without_fs_reclaim<R>(run: impl FnOnce() -> R) -> R {
    // SAFETY: `barium_nofs_save()` has no preconditions. It changes a flag of the current thread.
    let flags = unsafe { barium_nofs_save() };
    let result = run();
    // SAFETY: The current thread has got the flags from `barium_nofs_save()`, and the scopes that
    // `run` began have ended, because each ends in the call of this function that began it.
    unsafe { barium_nofs_restore(flags) };
    result
}
