// SPDX-License-Identifier: GPL-2.0

//! The driver's tracepoints, which `trace.h` defines.
//!
//! - Upstream today: `kernel::declare_trace!` finds the tracepoint in [`kernel::bindings`], so it
//!   works for tracepoints in the headers that the kernel's own bindings include.
//! - The shape it should have: the same macro with a path to the tracepoint's `static`.
//! - Why this is sound on 7.3: `trace.c` has a function for each tracepoint, which does nothing
//!   while the tracepoint is disabled, or if the kernel has none. It reads the object, whose device
//!   is valid, and keeps no pointer.
//! - Delete when upstream's macro accepts such a path.
//!
//! A disabled tracepoint costs a call and a `nop` (a static branch). The duration of an operation
//! is measured only if its tracepoint was enabled when the operation began.
//!
//! C header: [`include/linux/tracepoint.h`](srctree/include/linux/tracepoint.h)

use core::marker::PhantomData;
use kernel::{
    bindings,
    drm::gem::IntoGEMObject,
    time::{
        Instant,
        Monotonic, //
    }, //
};

// Defined in trace.c.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_trace_object_create(obj: *mut bindings::drm_gem_object, place: u32);
    fn barium_trace_object_free(obj: *mut bindings::drm_gem_object, place: u32);
}

/// The place of an object's content. The numbers are those of `barium_show_place()` in `trace.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Where {
    /// The object has no memory.
    None = 0,
    /// VRAM.
    Vram = 1,
    /// System memory, or swap.
    System = 2,
}

/// Reports that `obj` was created.
pub(super) fn object_create<O: IntoGEMObject>(obj: &O, place: Where) {
    // SAFETY: The object is valid, and so is its device, which has a primary node.
    unsafe { barium_trace_object_create(obj.as_raw(), place as u32) };
}

/// Reports that the last reference to `obj` was dropped.
///
/// # Safety
///
/// `obj` must be an object that is not freed yet.
pub(super) unsafe fn object_free(obj: *mut bindings::drm_gem_object, place: Where) {
    // SAFETY: By the safety requirements, the object is valid. So is its device, which has a
    // primary node.
    unsafe { barium_trace_object_free(obj, place as u32) };
}

/// The event of an operation that takes time.
pub(crate) trait Event {
    /// Returns true if the event is enabled.
    fn is_enabled() -> bool;

    /// Reports the end of the operation, which has taken `ns` nanoseconds.
    ///
    /// # Safety
    ///
    /// `obj` must be a valid object.
    unsafe fn emit(obj: *mut bindings::drm_gem_object, place: Where, number: u64, ns: u64);
}

/// An operation in progress. [`Self::end`] reports it; an operation that fails is not reported.
pub(crate) struct Timer<E> {
    /// The time at which the operation began, if its event was enabled then.
    start: Option<Instant<Monotonic>>,
    _event: PhantomData<fn() -> E>,
}

impl<E: Event> Timer<E> {
    /// Begins an operation.
    #[inline]
    pub(crate) fn start() -> Self {
        Self {
            start: E::is_enabled().then(Instant::now),
            _event: PhantomData,
        }
    }

    /// Reports the operation, for `obj`. See the event for `place` and `number`.
    #[inline]
    pub(crate) fn end<O: IntoGEMObject>(self, obj: &O, place: Where, number: usize) {
        if let Some(start) = self.start {
            let ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(0);
            // SAFETY: `obj` is a reference to the object, so it is not freed.
            unsafe { E::emit(obj.as_raw(), place, number as u64, ns) };
        }
    }
}

/// Declares events, each with the two functions of `trace.c` for it.
macro_rules! declare_events {
    ($($(#[$doc:meta])* $event:ident($is_enabled:ident, $emit:ident);)*) => {$(
        extern "C" {
            fn $is_enabled() -> bool;
        }
        #[expect(
            improper_ctypes,
            reason = "C's own types, some of them empty in this configuration"
        )]
        extern "C" {
            fn $emit(obj: *mut bindings::drm_gem_object, place: u32, number: u64, ns: u64);
        }

        $(#[$doc])*
        pub(crate) struct $event;

        impl Event for $event {
            #[inline]
            fn is_enabled() -> bool {
                // SAFETY: The function has no preconditions.
                unsafe { $is_enabled() }
            }

            #[inline]
            unsafe fn emit(
                obj: *mut bindings::drm_gem_object,
                place: Where,
                number: u64,
                ns: u64,
            ) {
                // SAFETY: By the safety requirements, the object is valid. So is its device, which
                // has a primary node.
                unsafe { $emit(obj, place as u32, number, ns) };
            }
        }
    )*};
}

declare_events! {
    /// An object leaves VRAM. The place is the new one, and the number that of the pages whose
    /// content was copied.
    MoveOut(barium_trace_move_out_enabled, barium_trace_move_out);
    /// An object is moved into VRAM. The place is the old one, and the number that of its pages.
    MoveIn(barium_trace_move_in_enabled, barium_trace_move_in);
    /// The content of an object is dropped. The place is the old one, and the number that of the
    /// pages that become free.
    Purge(barium_trace_purge_enabled, barium_trace_purge);
    /// The kernel may swap an object out from now on. The place is system memory, and the number
    /// that of the pages that were in memory.
    SwapOut(barium_trace_swap_out_enabled, barium_trace_swap_out);
    /// A fault has locked the reservation, possibly after a wait, and has allocated the page or
    /// read it from swap, unless another thread had done so. The place is the new one, and the
    /// number that of the page in the object.
    SlowFault(barium_trace_slow_fault_enabled, barium_trace_slow_fault);
}
