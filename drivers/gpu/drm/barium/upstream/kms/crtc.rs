// SPDX-License-Identifier: GPL-2.0

//! CRTCs: what makes a mode, and says when a picture begins.
//!
//! - Upstream today: nothing.
//! - The shape it should have: [`DriverCrtc`], with states of the driver's own; vblank as a choice
//!   between a timer and an interrupt.
//! - Why this is sound on 7.3: DRM calls the functions of the table for CRTCs that were made with
//!   it. A state that is being checked belongs to the caller until the check returns, one that is
//!   being committed to who commits it. The vblank functions are DRM's own, driven by a timer of the
//!   CRTC; vblank is on between `atomic_enable` and `atomic_disable`, whether or not the hardware is
//!   still there, so events are delivered in any case.
//! - Delete when upstream has KMS abstractions.

use super::{
    bindings,
    mode::{
        DisplayMode,
        ModeStatus, //
    },
    plane::UnregisteredPlane,
    with_registered,
    Device,
    Driver,
    RegistrationData,
    UnregisteredKmsDevice, //
};
use core::marker::PhantomData;
use kernel::{
    drm::Registered,
    error::from_err_ptr,
    prelude::*, //
};

/// A CRTC whose primary plane is on whenever it is, and whose vblank is a timer.
pub(crate) trait DriverCrtc: Sized + 'static {
    /// The driver that it is of.
    type Driver: Driver;

    /// Whether the hardware has this mode, which is one that a timer can stand in for.
    fn mode_valid(dev: &Device<Self::Driver>, mode: &DisplayMode) -> ModeStatus;

    /// Switches the screen on. What it shows has come with the plane, right before this.
    fn atomic_enable(
        dev: &Device<Self::Driver, Registered>,
        reg: &RegistrationData<'_, Self::Driver>,
    );

    /// Switches the screen off.
    fn atomic_disable(
        dev: &Device<Self::Driver, Registered>,
        reg: &RegistrationData<'_, Self::Driver>,
    );
}

/// A CRTC that has no encoder yet.
pub(crate) struct UnregisteredCrtc<'a, K: Driver> {
    pub(super) setup: &'a UnregisteredKmsDevice<K>,
    pub(super) raw: *mut bindings::drm_crtc,
}

struct Vtable<C>(PhantomData<C>);

impl<C: DriverCrtc> Vtable<C> {
    const FUNCS: bindings::drm_crtc_funcs = bindings::drm_crtc_funcs {
        reset: Some(bindings::drm_atomic_helper_crtc_reset),
        set_config: Some(bindings::drm_atomic_helper_set_config),
        page_flip: Some(bindings::drm_atomic_helper_page_flip),
        atomic_duplicate_state: Some(bindings::drm_atomic_helper_crtc_duplicate_state),
        atomic_destroy_state: Some(bindings::drm_atomic_helper_crtc_destroy_state),
        enable_vblank: Some(bindings::drm_crtc_vblank_helper_enable_vblank_timer),
        disable_vblank: Some(bindings::drm_crtc_vblank_helper_disable_vblank_timer),
        get_vblank_timestamp: Some(
            bindings::drm_crtc_vblank_helper_get_vblank_timestamp_from_timer,
        ),
        ..pin_init::zeroed()
    };

    const HELPER_FUNCS: bindings::drm_crtc_helper_funcs = bindings::drm_crtc_helper_funcs {
        mode_valid: Some(mode_valid_callback::<C>),
        atomic_check: Some(atomic_check_callback),
        atomic_flush: Some(atomic_flush_callback),
        atomic_enable: Some(atomic_enable_callback::<C>),
        atomic_disable: Some(atomic_disable_callback::<C>),
        ..pin_init::zeroed()
    };
}

impl<'a, K: Driver> UnregisteredPlane<'a, K> {
    /// Makes a CRTC whose primary plane this is.
    ///
    /// Errors: `ENOMEM`.
    pub(crate) fn crtc<C: DriverCrtc<Driver = K>>(self) -> Result<UnregisteredCrtc<'a, K>> {
        let (setup, plane) = self.into_raw();
        let before = last_in_list(setup);
        // SAFETY: The device is valid and its mode configuration initialised; the plane is of
        // the same device, and has no CRTC yet. The table is a constant without `destroy`, as is
        // wanted.
        let raw = from_err_ptr(unsafe {
            bindings::__drmm_crtc_alloc_with_planes(
                setup.raw(),
                size_of::<bindings::drm_crtc>(),
                0,
                plane,
                core::ptr::null_mut(),
                const { &Vtable::<C>::FUNCS },
                core::ptr::null(),
            )
        })
        .inspect_err(|_| remove_half_made(setup, before))?
        .cast::<bindings::drm_crtc>();
        // SAFETY: It was just made, for a device that nobody else knows.
        unsafe { (*raw).helper_private = const { &Vtable::<C>::HELPER_FUNCS } };
        Ok(UnregisteredCrtc { setup, raw })
    }
}

/// The last entry of the device's list of CRTCs.
fn last_in_list<K: Driver>(setup: &UnregisteredKmsDevice<K>) -> *mut kernel::bindings::list_head {
    // SAFETY: The device is valid, and only we know it.
    unsafe { (*setup.raw()).mode_config.crtc_list.prev }
}

/// Takes a CRTC off the list that could not be made, if it is there: `before` was the last then.
///
/// Linux 7.3 leaves it there when the last of its allocations fails, the one for checksums. What
/// frees the device would free the CRTC's memory first, and go through the list then.
fn remove_half_made<K: Driver>(
    setup: &UnregisteredKmsDevice<K>,
    before: *mut kernel::bindings::list_head,
) {
    let last = last_in_list(setup);
    if last != before {
        // SAFETY: The entries of the list are CRTCs. This one was put there, initialised but for
        // its properties, by the call that failed. Its memory belongs to the device.
        unsafe {
            bindings::drm_crtc_cleanup(kernel::container_of!(last, bindings::drm_crtc, head))
        };
    }
}

/// The `mode_valid` entry of a CRTC.
///
/// # Safety
///
/// To be called by DRM only, with a CRTC of `C::Driver`.
unsafe extern "C" fn mode_valid_callback<C: DriverCrtc>(
    crtc: *mut bindings::drm_crtc,
    mode: *const bindings::drm_display_mode,
) -> bindings::drm_mode_status {
    // SAFETY: The CRTC's device is one of this driver, and lives as long as the CRTC.
    let dev = unsafe { Device::<C::Driver>::from_raw((*crtc).dev) };
    // SAFETY: The mode is the caller's for the time of the call.
    let mode = unsafe { DisplayMode::from_raw(mode) };
    let status = match mode.is_plain() {
        true => C::mode_valid(dev, mode),
        false => ModeStatus::NotPlain,
    };
    status.into_raw()
}

/// What a CRTC is to be after a commit: valid as long as the commit.
///
/// # Safety
///
/// The CRTC must be part of the commit.
unsafe fn new_state(
    crtc: *mut bindings::drm_crtc,
    commit: *mut bindings::drm_atomic_commit,
) -> *mut bindings::drm_crtc_state {
    // SAFETY: The CRTC is valid; its index does not change.
    let index = unsafe { (*crtc).index };
    // SAFETY: A commit has a place for each CRTC, and the CRTC's states are in it.
    unsafe { (*(*commit).crtcs.add(index as usize)).new_state }
}

/// The `atomic_check` entry of a CRTC: it needs its primary plane.
///
/// # Safety
///
/// To be called by DRM only, with a CRTC that is part of `commit`.
unsafe extern "C" fn atomic_check_callback(
    crtc: *mut bindings::drm_crtc,
    commit: *mut bindings::drm_atomic_commit,
) -> c_int {
    // SAFETY: These are this callback's arguments.
    let state = unsafe { new_state(crtc, commit) };
    // SAFETY: The state is valid, and the caller's until this returns.
    if !unsafe { (*state).enable } {
        return 0;
    }
    // SAFETY: As above.
    unsafe { bindings::drm_atomic_helper_check_crtc_primary_plane(state) }
}

/// The `atomic_flush` entry of a CRTC, when its plane has been updated: has the commit's event sent
/// at the next vblank, or at once if the CRTC is going to stay off.
///
/// When the CRTC is about to be switched on, the event is left to that: there is no vblank so far, and
/// what DRM knows of the last one is as old as the CRTC has been off.
///
/// # Safety
///
/// To be called by DRM only, with a CRTC that is part of `commit`.
unsafe extern "C" fn atomic_flush_callback(
    crtc: *mut bindings::drm_crtc,
    commit: *mut bindings::drm_atomic_commit,
) {
    // SAFETY: These are this callback's arguments.
    let state = unsafe { new_state(crtc, commit) };
    // SAFETY: The state is valid. Who commits it does not change these bits from here on.
    let is_switched_on = unsafe {
        (*state).active
            && (bindings::drm_crtc_state::mode_changed_raw(state)
                || bindings::drm_crtc_state::active_changed_raw(state)
                || bindings::drm_crtc_state::connectors_changed_raw(state))
    };
    if !is_switched_on {
        // SAFETY: As above.
        unsafe { bindings::drm_crtc_vblank_atomic_flush(crtc, commit) };
    }
}

/// The `atomic_enable` entry of a CRTC.
///
/// # Safety
///
/// To be called by DRM only, with a CRTC of `C::Driver` that is part of `commit`.
unsafe extern "C" fn atomic_enable_callback<C: DriverCrtc>(
    crtc: *mut bindings::drm_crtc,
    commit: *mut bindings::drm_atomic_commit,
) {
    // SAFETY: The CRTC's device is one of this driver. Nothing is committed before it is
    // registered.
    unsafe { with_registered::<C::Driver, _>((*crtc).dev, |dev, reg| C::atomic_enable(dev, reg)) };
    // SAFETY: The CRTC is valid, and its device has vblank.
    unsafe { bindings::drm_crtc_vblank_on(crtc) };
    // SAFETY: These are this callback's arguments.
    unsafe { bindings::drm_crtc_vblank_atomic_flush(crtc, commit) };
}

/// The `atomic_disable` entry of a CRTC.
///
/// # Safety
///
/// To be called by DRM only, with a CRTC of `C::Driver`.
unsafe extern "C" fn atomic_disable_callback<C: DriverCrtc>(
    crtc: *mut bindings::drm_crtc,
    _commit: *mut bindings::drm_atomic_commit,
) {
    // SAFETY: The CRTC is valid, and its device has vblank.
    unsafe { bindings::drm_crtc_vblank_off(crtc) };
    // SAFETY: As above; and vblank is off.
    unsafe { end_waiting(crtc) };
    // SAFETY: The CRTC's device is one of this driver. Nothing is committed before it is
    // registered.
    unsafe { with_registered::<C::Driver, _>((*crtc).dev, |dev, reg| C::atomic_disable(dev, reg)) };
}

/// Ends the waiting for a vblank that is not going to come.
///
/// The console waits for one before it updates the screen, and does not keep the screen from being
/// switched off when the device goes or is suspended. Switching vblank off wakes who waits, who finds
/// that there was none, waits on for a second, and warns. Switching it on counts one.
///
/// # Safety
///
/// The CRTC must be valid, its device have vblank, and that be off for this CRTC.
unsafe fn end_waiting(crtc: *mut bindings::drm_crtc) {
    // SAFETY: As the caller says.
    unsafe { bindings::drm_crtc_vblank_on(crtc) };
    // SAFETY: As above.
    unsafe { bindings::drm_crtc_vblank_off(crtc) };
}
