// SPDX-License-Identifier: GPL-2.0

//! DRM's vblank timer, without its deadlock.
//!
//! - Upstream today: `drm_crtc_vblank_start_timer()` waits in a loop until the callback of the
//!   timer has returned, as it may still run after vblank was disabled. Its caller,
//!   `drm_vblank_enable()`, holds `vblank_time_lock` with interrupts disabled, and the callback, on
//!   another CPU, waits for that lock in `drm_handle_vblank()`. Neither CPU makes progress. This
//!   requires a slow callback, e.g. because the hypervisor has stopped its CPU.
//! - The shape it should have: none. The bug is to be fixed in DRM.
//! - Why this is sound on 7.3: the loop is safe if the callback takes no lock that the caller of
//!   `enable_vblank` holds. The callback announces that it is about to take them (`HANDLING`), and
//!   `enable_vblank` that it is about to wait (`ENABLING`). The later one gives way: the
//!   callback returns without taking a lock, or `enable_vblank` does not wait, and the callback
//!   starts the timer again (`RESTART`). There is one callback at a time, and `vbl_lock` serialises
//!   `enable_vblank`.
//! - Delete when `drm_crtc_vblank_start_timer()` does not wait.
//!
//! C header: [`include/drm/drm_vblank.h`](srctree/include/drm/drm_vblank.h)

use super::bindings;
use kernel::{
    prelude::*,
    sync::atomic::{
        ordering::{
            Full,
            Release, //
        },
        Atomic, //
    },
};

/// Neither the callback nor `enable_vblank` runs, or the callback has not begun to handle the
/// vblank.
const IDLE: u32 = 0;
/// The callback is handling a vblank.
const HANDLING: u32 = 1;
/// `enable_vblank` is starting the timer.
const ENABLING: u32 = 2;
/// The callback is handling a vblank, and vblank was enabled meanwhile: the callback must start the
/// timer again.
const RESTART: u32 = 3;

/// A CRTC with a vblank timer, as DRM allocates it: it begins with its `drm_crtc`.
#[repr(C)]
pub(super) struct TimerCrtc {
    crtc: bindings::drm_crtc,
    /// `IDLE` in zeroed memory.
    state: Atomic<u32>,
}

/// Returns the state of the vblank timer of a CRTC.
///
/// # Safety
///
/// `crtc` must point to the beginning of a [`TimerCrtc`] that lives for `'a`.
unsafe fn state<'a>(crtc: *mut bindings::drm_crtc) -> &'a Atomic<u32> {
    // SAFETY: By the safety requirements this is a field of a valid `TimerCrtc`. Only atomic
    // operations access it.
    unsafe { &(*crtc.cast::<TimerCrtc>()).state }
}

/// The `enable_vblank` callback of a CRTC: starts the timer.
///
/// # Safety
///
/// Must be called by DRM only, with the CRTC of a [`TimerCrtc`] that has vblank initialised.
pub(super) unsafe extern "C" fn enable_callback(crtc: *mut bindings::drm_crtc) -> c_int {
    // SAFETY: By the safety requirements, `crtc` points to the beginning of a `TimerCrtc`, which
    // lives until this callback returns.
    let state = unsafe { state(crtc) };
    loop {
        if state.cmpxchg(IDLE, ENABLING, Full).is_ok() {
            // SAFETY: By the safety requirements this is a valid CRTC with vblank initialised.
            let ret = unsafe { bindings::drm_crtc_vblank_helper_enable_vblank_timer(crtc) };
            state.store(IDLE, Release);
            return ret;
        }
        // The state changes at most twice during this loop: one callback ends, and another begins.
        if state.cmpxchg(HANDLING, RESTART, Full) != Err(IDLE) {
            // SAFETY: By the safety requirements, this is a valid CRTC with vblank initialised. DRM
            // holds `vbl_lock` during this callback. A timer callback runs, so the timer has been
            // set up.
            unsafe { set_interval(crtc) };
            return 0;
        }
    }
}

/// Sets the interval of the timer to the duration of a frame, as the start of the timer does.
///
/// # Safety
///
/// `crtc` must be a valid CRTC with vblank initialised, whose timer has been set up. The caller
/// must hold `vbl_lock`.
unsafe fn set_interval(crtc: *mut bindings::drm_crtc) {
    // SAFETY: By the safety requirements vblank is initialised.
    let vblank = unsafe { bindings::drm_crtc_vblank_crtc(crtc) };
    // SAFETY: `drm_crtc_vblank_crtc()` has returned a valid pointer, and the set-up of the timer
    // has initialised the lock, which protects the interval. Interrupts are disabled, as the caller
    // holds `vbl_lock`. The commit that has set the mode has calculated the duration of a frame.
    unsafe {
        let timer = &raw mut (*vblank).vblank_timer;
        let lock = (&raw mut (*timer).interval_lock).cast();
        bindings::spin_lock(lock);
        (*timer).interval = (*vblank).framedur_ns.into();
        bindings::spin_unlock(lock);
    }
}

/// The `handle_vblank_timeout` callback of a CRTC: handles a vblank. Returns true if DRM must
/// restart the timer.
///
/// # Safety
///
/// Must be called by DRM only, in the callback of the vblank timer of the CRTC of a [`TimerCrtc`].
pub(super) unsafe extern "C" fn timeout_callback(crtc: *mut bindings::drm_crtc) -> bool {
    // SAFETY: By the safety requirements, `crtc` points to the beginning of a `TimerCrtc`, which
    // lives until this callback returns.
    let state = unsafe { state(crtc) };
    if state.cmpxchg(IDLE, HANDLING, Full).is_err() {
        // `enable_vblank` waits for the end of this callback, and then starts the timer.
        return false;
    }
    // SAFETY: By the safety requirements this is a valid CRTC.
    let is_enabled = unsafe { bindings::drm_crtc_handle_vblank(crtc) };
    state.xchg(IDLE, Full) == RESTART || is_enabled
}

/// The `get_vblank_timestamp` callback of a CRTC: returns the time of the timer's last expiry.
///
/// If vblank is enabled while the callback is running, the timer continues from its last expiry.
/// That is before the vblank that DRM recorded when vblank was enabled, and DRM would take the
/// negative difference for a very large number of vblanks. So the callback returns the later of the
/// two times.
///
/// # Safety
///
/// Must be called by DRM only, with the CRTC of a [`TimerCrtc`] that has vblank initialised, valid
/// pointers, and `vblank_time_lock` held.
pub(super) unsafe extern "C" fn timestamp_callback(
    crtc: *mut bindings::drm_crtc,
    max_error: *mut c_int,
    time: *mut bindings::ktime_t,
    in_vblank_irq: bool,
) -> bool {
    // SAFETY: By the safety requirements the CRTC and the pointers are valid. `vblank_time_lock`,
    // which the caller holds, protects the time of the last vblank.
    unsafe {
        let is_known = bindings::drm_crtc_vblank_helper_get_vblank_timestamp_from_timer(
            crtc,
            max_error,
            time,
            in_vblank_irq,
        );
        let last = (*bindings::drm_crtc_vblank_crtc(crtc)).time;
        *time = last.max(*time);
        is_known
    }
}
