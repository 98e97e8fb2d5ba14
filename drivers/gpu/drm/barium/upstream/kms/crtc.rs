// SPDX-License-Identifier: GPL-2.0

//! CRTCs whose vblanks DRM simulates with a timer.
//!
//! - Upstream today: nothing.
//! - The shape it should have: [`DriverCrtc`], with a state type of the driver, and the choice
//!   between a vblank timer and a vblank interrupt.
//! - Why this is sound on 7.3: DRM calls the callbacks of a vtable only for CRTCs created with that
//!   vtable. The caller of `atomic_check` owns the state until the callback returns. The fields
//!   that the commit callbacks read do not change during a commit. The vblanks come from DRM's
//!   timer of the CRTC ([`vblank_timer`]). Vblank is on between `atomic_enable` and
//!   `atomic_disable` even if the device is unplugged, so events are always delivered.
//! - Delete when upstream has KMS abstractions.
//!
//! C headers: [`include/drm/drm_crtc.h`](srctree/include/drm/drm_crtc.h),
//! [`include/drm/drm_modeset_helper_vtables.h`](srctree/include/drm/drm_modeset_helper_vtables.h)

use super::{
    bindings,
    mode::{
        DisplayMode,
        ModeStatus, //
    },
    plane::UnregisteredPlane,
    vblank_timer::{
        self,
        TimerCrtc, //
    },
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

/// A CRTC with a primary plane, whose vblanks come from a timer.
pub(crate) trait DriverCrtc: Sized + 'static {
    /// The driver that the CRTC belongs to.
    type Driver: Driver;

    /// Returns whether the hardware supports `mode`, a mode that DRM's vblank timer supports.
    fn mode_valid(dev: &Device<Self::Driver>, mode: &DisplayMode) -> ModeStatus;

    /// Allocates the memory that [`Self::blank`] needs. Called when DRM checks a commit that
    /// switches off the CRTC or its primary plane. DRM may check several such commits at a time,
    /// and may drop a commit after the check. `mode` is the mode of the screen that the commit
    /// blanks.
    ///
    /// The commit itself must not allocate memory: memory reclaim may wait for a fence that is
    /// signalled only after the commit.
    fn prepare_blank(
        dev: &Device<Self::Driver, Registered>,
        reg: &RegistrationData<'_, Self::Driver>,
        mode: &DisplayMode,
    );

    /// Makes the screen black: the CRTC is switched off, or switched on without its primary plane.
    fn blank(dev: &Device<Self::Driver, Registered>, reg: &RegistrationData<'_, Self::Driver>);
}

/// A CRTC of an unregistered device, which has no encoder yet.
///
/// # Invariants
///
/// `raw` is an initialised CRTC of `dev`.
pub(crate) struct UnregisteredCrtc<'a, K: Driver> {
    pub(super) dev: &'a UnregisteredKmsDevice<K>,
    pub(super) raw: *mut bindings::drm_crtc,
}

/// The vtables of CRTCs of type `C`.
struct Vtable<C>(PhantomData<C>);

impl<C: DriverCrtc> Vtable<C> {
    const FUNCS: bindings::drm_crtc_funcs = bindings::drm_crtc_funcs {
        reset: Some(bindings::drm_atomic_helper_crtc_reset),
        set_config: Some(bindings::drm_atomic_helper_set_config),
        page_flip: Some(bindings::drm_atomic_helper_page_flip),
        atomic_duplicate_state: Some(bindings::drm_atomic_helper_crtc_duplicate_state),
        atomic_destroy_state: Some(bindings::drm_atomic_helper_crtc_destroy_state),
        enable_vblank: Some(vblank_timer::enable_callback),
        disable_vblank: Some(bindings::drm_crtc_vblank_helper_disable_vblank_timer),
        get_vblank_timestamp: Some(vblank_timer::timestamp_callback),
        ..pin_init::zeroed()
    };

    const HELPER_FUNCS: bindings::drm_crtc_helper_funcs = bindings::drm_crtc_helper_funcs {
        mode_valid: Some(mode_valid_callback::<C>),
        atomic_check: Some(atomic_check_callback::<C>),
        atomic_flush: Some(atomic_flush_callback),
        atomic_enable: Some(atomic_enable_callback::<C>),
        atomic_disable: Some(atomic_disable_callback::<C>),
        handle_vblank_timeout: Some(vblank_timer::timeout_callback),
        ..pin_init::zeroed()
    };
}

impl<'a, K: Driver> UnregisteredPlane<'a, K> {
    /// Creates a CRTC with this primary plane.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn crtc<C: DriverCrtc<Driver = K>>(self) -> Result<UnregisteredCrtc<'a, K>> {
        let (dev, plane) = self.into_raw();
        let before = last_in_list(dev);
        // SAFETY: The device is valid and its mode configuration is initialised. The plane belongs
        // to the device and has no CRTC yet. The vtable is a constant, and has no `destroy`, which
        // a managed CRTC must not have. A `TimerCrtc` begins with its CRTC, and is valid if zeroed.
        let raw = from_err_ptr(unsafe {
            bindings::__drmm_crtc_alloc_with_planes(
                dev.raw(),
                size_of::<TimerCrtc>(),
                0,
                plane,
                core::ptr::null_mut(),
                const { &Vtable::<C>::FUNCS },
                core::ptr::null(),
            )
        })
        .inspect_err(|_| remove_failed(dev, before))?
        .cast::<bindings::drm_crtc>();
        // SAFETY: `__drmm_crtc_alloc_with_planes()` has just created the CRTC. The device is not
        // registered, so nothing else accesses it.
        unsafe { (*raw).helper_private = const { &Vtable::<C>::HELPER_FUNCS } };
        // INVARIANT: `raw` was just created for `dev`.
        Ok(UnregisteredCrtc { dev, raw })
    }
}

/// Returns the last entry of the device's list of CRTCs.
fn last_in_list<K: Driver>(dev: &UnregisteredKmsDevice<K>) -> *mut kernel::bindings::list_head {
    // SAFETY: The device is valid. It is not registered, so nothing else accesses the list.
    unsafe { (*dev.raw()).mode_config.crtc_list.prev }
}

/// Removes a CRTC whose creation has failed from the device's list of CRTCs. The CRTC is in the
/// list if `before`, the last entry before the creation, is no longer the last one.
///
/// In 7.3, `__drm_crtc_init_with_planes()` leaves the CRTC in the list if its last allocation, that
/// of `drm_crtc_crc_init()`, fails. On the release of the device, DRM frees the memory of the CRTC
/// and then walks the list.
fn remove_failed<K: Driver>(
    dev: &UnregisteredKmsDevice<K>,
    before: *mut kernel::bindings::list_head,
) {
    let last = last_in_list(dev);
    if last != before {
        // SAFETY: The entries of the list are CRTCs. The failed call added this one, initialised
        // except for its properties. The device manages its memory, and has not freed it yet.
        unsafe {
            bindings::drm_crtc_cleanup(kernel::container_of!(last, bindings::drm_crtc, head))
        };
    }
}

/// The `mode_valid` callback of a CRTC.
///
/// # Safety
///
/// Must be called by DRM only, with a CRTC of `C::Driver`.
unsafe extern "C" fn mode_valid_callback<C: DriverCrtc>(
    crtc: *mut bindings::drm_crtc,
    mode: *const bindings::drm_display_mode,
) -> bindings::drm_mode_status {
    // SAFETY: By the safety requirements the CRTC belongs to a device of `C::Driver`, which lives
    // as long as the CRTC.
    let dev = unsafe { Device::<C::Driver>::from_raw((*crtc).dev) };
    // SAFETY: DRM keeps the mode valid and unchanged until this callback returns.
    let mode = unsafe { DisplayMode::from_raw(mode) };
    let status = match mode.is_progressive() {
        true => C::mode_valid(dev, mode),
        false => ModeStatus::NotProgressive,
    };
    status.into_raw()
}

/// Returns the new state of a CRTC in a commit. It is valid for as long as the commit.
///
/// # Safety
///
/// `crtc` must be a valid CRTC, and part of `commit`.
unsafe fn new_state(
    crtc: *mut bindings::drm_crtc,
    commit: *mut bindings::drm_atomic_commit,
) -> *mut bindings::drm_crtc_state {
    // SAFETY: By the safety requirements the CRTC is valid. Its index does not change.
    let index = unsafe { (*crtc).index };
    // SAFETY: `crtcs` of a commit has an entry for each CRTC of the device. By the safety
    // requirements this CRTC is part of the commit, so its entry has a new state.
    unsafe { (*(*commit).crtcs.add(index as usize)).new_state }
}

/// Returns true if a CRTC in this state shows a picture: it is active, and so is its primary plane.
///
/// # Safety
///
/// `crtc` must be a valid CRTC with a primary plane, and `state` a state of it.
unsafe fn shows_picture(
    crtc: *const bindings::drm_crtc,
    state: *const bindings::drm_crtc_state,
) -> bool {
    // SAFETY: By the safety requirements the CRTC and its primary plane are valid. The index of a
    // plane does not change.
    let primary = unsafe { (*(*crtc).primary).index };
    // SAFETY: By the safety requirements the state is valid.
    unsafe { (*state).active && (*state).plane_mask & (1 << primary) != 0 }
}

/// The `atomic_check` callback of a CRTC.
///
/// # Safety
///
/// Must be called by DRM only, with a CRTC of `C::Driver` that is part of `commit`.
unsafe extern "C" fn atomic_check_callback<C: DriverCrtc>(
    crtc: *mut bindings::drm_crtc,
    commit: *mut bindings::drm_atomic_commit,
) -> c_int {
    // SAFETY: By the safety requirements the CRTC is part of the commit.
    let (old, new) = unsafe { (old_state(crtc, commit), new_state(crtc, commit)) };
    // SAFETY: `crtc()` has created the CRTC with a primary plane, and both are states of it.
    let (was_picture, is_picture) = unsafe { (shows_picture(crtc, old), shows_picture(crtc, new)) };
    // SAFETY: These are valid states of the CRTC.
    let (was_active, is_active) = unsafe { ((*old).active, (*new).active) };
    let is_blanked = was_picture || is_active && !was_active;
    if is_picture || !is_blanked {
        return 0;
    }
    let state = if is_active { new } else { old };
    // SAFETY: `state` is valid, and its mode does not change until this returns: DRM changes the
    // modes of a commit before it checks the commit, and no others.
    let mode = unsafe { DisplayMode::from_raw(&raw const (*state).mode) };
    // SAFETY: By the safety requirements the CRTC belongs to a device of `C::Driver`. The device
    // has been registered: DRM checks no commit before that.
    unsafe {
        with_registered::<C::Driver, _>((*crtc).dev, |dev, reg| C::prepare_blank(dev, reg, mode))
    };
    0
}

/// Returns the old state of a CRTC in a commit. It is valid for as long as the commit.
///
/// # Safety
///
/// `crtc` must be a valid CRTC, and part of `commit`.
unsafe fn old_state(
    crtc: *mut bindings::drm_crtc,
    commit: *mut bindings::drm_atomic_commit,
) -> *mut bindings::drm_crtc_state {
    // SAFETY: By the safety requirements the CRTC is valid. Its index does not change.
    let index = unsafe { (*crtc).index };
    // SAFETY: By the safety requirements this CRTC is part of the commit, so its entry in `crtcs`
    // has an old state.
    unsafe { (*(*commit).crtcs.add(index as usize)).old_state }
}

/// The `atomic_flush` callback of a CRTC. Arms the event of the commit for the next vblank, or
/// sends it at once if the CRTC stays off.
///
/// If the commit is going to enable the CRTC, [`atomic_enable_callback`] arms the event instead: no
/// vblank occurs before that, and DRM's last timestamp is from before the CRTC was disabled.
///
/// # Safety
///
/// Must be called by DRM only, with a CRTC that is part of `commit`.
unsafe extern "C" fn atomic_flush_callback(
    crtc: *mut bindings::drm_crtc,
    commit: *mut bindings::drm_atomic_commit,
) {
    // SAFETY: By the safety requirements the CRTC is part of the commit.
    let state = unsafe { new_state(crtc, commit) };
    // SAFETY: `new_state()` returned a valid state. DRM does not change these bits after
    // `drm_atomic_helper_swap_state()`.
    let is_being_enabled = unsafe {
        (*state).active
            && (bindings::drm_crtc_state::mode_changed_raw(state)
                || bindings::drm_crtc_state::active_changed_raw(state)
                || bindings::drm_crtc_state::connectors_changed_raw(state))
    };
    if !is_being_enabled {
        // SAFETY: By the safety requirements the CRTC is part of the commit.
        unsafe { bindings::drm_crtc_vblank_atomic_flush(crtc, commit) };
    }
}

/// The `atomic_enable` callback of a CRTC. If its primary plane is on, the commit has already
/// updated the plane, and so the screen shows its picture.
///
/// # Safety
///
/// Must be called by DRM only, with a CRTC of `C::Driver` that is part of `commit`.
unsafe extern "C" fn atomic_enable_callback<C: DriverCrtc>(
    crtc: *mut bindings::drm_crtc,
    commit: *mut bindings::drm_atomic_commit,
) {
    // SAFETY: `crtc()` has created the CRTC with a primary plane. The CRTC is part of the commit.
    if !unsafe { shows_picture(crtc, new_state(crtc, commit)) } {
        // SAFETY: By the safety requirements the CRTC belongs to a device of `C::Driver`. The
        // device has been registered: DRM runs no commit before that.
        unsafe { with_registered::<C::Driver, _>((*crtc).dev, |dev, reg| C::blank(dev, reg)) };
    }
    // SAFETY: The CRTC is valid, and `UnregisteredKmsDevice::finish()` has initialised vblank.
    unsafe { bindings::drm_crtc_vblank_on(crtc) };
    // SAFETY: By the safety requirements the CRTC is part of the commit.
    unsafe { bindings::drm_crtc_vblank_atomic_flush(crtc, commit) };
}

/// The `atomic_disable` callback of a CRTC.
///
/// # Safety
///
/// Must be called by DRM only, with a CRTC of `C::Driver`.
unsafe extern "C" fn atomic_disable_callback<C: DriverCrtc>(
    crtc: *mut bindings::drm_crtc,
    _commit: *mut bindings::drm_atomic_commit,
) {
    // SAFETY: The CRTC is valid, and `UnregisteredKmsDevice::finish()` has initialised vblank.
    unsafe { bindings::drm_crtc_vblank_off(crtc) };
    // SAFETY: The CRTC is valid, vblank is initialised, and the call above switched it off.
    unsafe { complete_vblank_waits(crtc) };
    // SAFETY: By the safety requirements the CRTC belongs to a device of `C::Driver`. The device
    // has been registered: DRM runs no commit before that.
    unsafe { with_registered::<C::Driver, _>((*crtc).dev, |dev, reg| C::blank(dev, reg)) };
}

/// Completes all waits for a vblank of a CRTC whose vblank is off.
///
/// fbdev waits for a vblank before it updates the screen (`drm_client_modeset_wait_for_vblank()`),
/// and holds no lock during that wait that prevents suspend or unbind from disabling the CRTC.
/// `drm_crtc_vblank_off()` wakes all waiters. They see an unchanged vblank count and sleep again,
/// until they time out after 1 s with a warning. `drm_crtc_vblank_on()` increments the count, which
/// ends their wait.
///
/// # Safety
///
/// `crtc` must be a valid CRTC with vblank initialised and off.
unsafe fn complete_vblank_waits(crtc: *mut bindings::drm_crtc) {
    // SAFETY: By the safety requirements the CRTC is valid, and vblank is initialised.
    unsafe { bindings::drm_crtc_vblank_on(crtc) };
    // SAFETY: By the safety requirements the CRTC is valid, and vblank is initialised.
    unsafe { bindings::drm_crtc_vblank_off(crtc) };
}
