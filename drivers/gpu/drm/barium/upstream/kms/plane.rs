// SPDX-License-Identifier: GPL-2.0

//! Primary planes.
//!
//! - Upstream today: nothing.
//! - The shape it should have: [`DriverPlane`], with a state type of the driver, overlays, cursors,
//!   scaling and format modifiers as well.
//! - Why this is sound on 7.3: DRM calls the callbacks of a vtable only for planes created with
//!   that vtable. The caller of `atomic_check` owns the state until the callback returns. During a
//!   commit, the framebuffer and the source rectangle of a plane's state do not change, and the
//!   state holds a reference to the framebuffer. The states of a plane are of type [`State`],
//!   because the callbacks of its vtable allocate them. DRM calls `prepare_fb` with the lock of the
//!   plane held, so the plane's state stays the same meanwhile. DRM calls `cleanup_fb` only for a
//!   state that is not, or no longer, the plane's. In a panic, DRM holds the panic lock
//!   (`drm_panic_trylock()`) until it has drawn the panic screen, so no commit swaps the plane's
//!   state. `drm_dev_unplug()` waits for the panic handler: `kmsg_dump_unregister()` waits for a
//!   dump in progress, and the removal of the debugfs file waits for a test of the handler.
//! - Delete when upstream has KMS abstractions.
//!
//! C headers: [`include/drm/drm_plane.h`](srctree/include/drm/drm_plane.h),
//! [`include/drm/drm_modeset_helper_vtables.h`](srctree/include/drm/drm_modeset_helper_vtables.h)

use super::{
    bindings,
    damage::Damage,
    framebuffer::Framebuffer,
    mode::Fourcc,
    with_registered,
    with_registered_held,
    Device,
    Driver,
    MaybeUnplugged,
    RegistrationData,
    UnregisteredKmsDevice, //
};
use crate::upstream::wc_bar::BarPart;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    drm::Registered,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// `DRM_PLANE_NO_SCALING` of `include/drm/drm_atomic_helper.h`: a scaling factor of 1, in 16.16
/// fixed point. bindgen does not evaluate the expression in the macro.
const NO_SCALING: c_int = 1 << 16;

/// The blend modes of a primary plane. The background is black, so that premultiplied colours look
/// the same with and without blending.
const BLEND_MODES: c_uint =
    1 << bindings::DRM_MODE_BLEND_PREMULTI | 1 << bindings::DRM_MODE_BLEND_PIXEL_NONE;

/// The primary plane of a CRTC, which covers the CRTC and does not scale.
pub(crate) trait DriverPlane: Sized + 'static {
    /// The driver that the plane belongs to.
    type Driver: Driver;

    /// The result of [`Self::prepare`], which becomes a part of the state of the plane.
    type Prepared: Send + Sync + 'static;

    /// Checks whether the hardware can show `new`, which has the size of the mode.
    ///
    /// # Errors
    ///
    /// Any error, usually `EINVAL`, if it cannot. The commit fails with this error.
    fn atomic_check(dev: &Device<Self::Driver>, new: &PlaneState<'_, Self::Driver>) -> Result;

    /// Prepares the memory of `new`, which has passed [`Self::atomic_check`], before the commit
    /// that shows it. `old` is the result for the state that `new` replaces. May sleep.
    ///
    /// # Errors
    ///
    /// Any error if the memory cannot be shown, and `ENODEV` if the implementation needs a device
    /// that is unplugged. The commit fails with this error.
    fn prepare(
        dev: &MaybeUnplugged<'_, Self::Driver>,
        old: Option<&Self::Prepared>,
        new: &PlaneState<'_, Self::Driver>,
    ) -> Result<Self::Prepared>;

    /// Undoes a successful [`Self::prepare`]: called once for each of them, when `old` is no longer
    /// shown. The device may be unplugged.
    fn cleanup(old: &PlaneState<'_, Self::Driver>, prepared: Self::Prepared);

    /// Shows `new`, for which [`Self::prepare`] has returned `prepared`. The CRTC is enabled, or
    /// the same commit enables it right after this. `damage` is the difference from the plane's
    /// last state, if the CRTC was enabled with that state.
    ///
    /// A fence may wait for the commit. So an implementation must neither allocate memory nor lock
    /// a reservation.
    fn atomic_update(
        dev: &Device<Self::Driver, Registered>,
        reg: &RegistrationData<'_, Self::Driver>,
        new: &PlaneState<'_, Self::Driver>,
        prepared: &Self::Prepared,
        damage: Damage<'_>,
    );

    /// Shows nothing: the plane is switched off. The CRTC may stay on, with a black screen.
    fn atomic_disable(
        dev: &Device<Self::Driver, Registered>,
        reg: &RegistrationData<'_, Self::Driver>,
    );

    /// Returns the memory of `shown`, from the first visible pixel to the last, for the panic
    /// handler to write to. If the returned memory is shorter, the panic handler writes nothing.
    ///
    /// The panic handler calls this in any context, including NMI. Any lock may be held and never
    /// be released, so an implementation must not take locks.
    ///
    /// # Errors
    ///
    /// Any error if there is no such memory. DRM then draws no panic screen.
    fn scanout_memory<'a>(
        reg: &'a RegistrationData<'_, Self::Driver>,
        shown: &PlaneState<'_, Self::Driver>,
        prepared: &Self::Prepared,
    ) -> Result<ScanoutMemory<'a>>;
}

/// The memory that the hardware scans out for a plane.
pub(crate) struct ScanoutMemory<'a> {
    /// The memory, from the first visible pixel to the last.
    pub(crate) part: BarPart<'a>,
    /// The number of bytes from the start of a line to the start of the next one.
    pub(crate) pitch: u32,
}

/// The state of a plane, as DRM stores it, with the driver's part of it.
///
/// # Invariants
///
/// `prepared` is `Some` from a successful `prepare_fb` to `cleanup_fb`, if the state has a
/// framebuffer.
#[repr(C)]
struct State<P: DriverPlane> {
    base: bindings::drm_plane_state,
    prepared: Option<P::Prepared>,
}

impl<P: DriverPlane> State<P> {
    /// Returns the place of `prepared` in the state `base`.
    fn prepared(base: *mut bindings::drm_plane_state) -> *mut Option<P::Prepared> {
        base.wrapping_byte_add(core::mem::offset_of!(Self, prepared))
            .cast()
    }
}

/// The state of a plane that shows a rectangle of a framebuffer.
pub(crate) struct PlaneState<'a, K: Driver> {
    /// The framebuffer.
    pub(crate) framebuffer: Framebuffer<'a, K>,
    /// The left edge of the rectangle, in pixels.
    pub(crate) x: u16,
    /// The top edge of the rectangle, in lines.
    pub(crate) y: u16,
    /// The width of the rectangle, in pixels.
    pub(crate) width: u16,
    /// The height of the rectangle, in lines.
    pub(crate) height: u16,
}

impl<'a, K: Driver> PlaneState<'a, K> {
    /// Reads the state `plane`. Returns `None` if it has no framebuffer.
    ///
    /// # Safety
    ///
    /// `plane` must be the state of a plane of a device of `K::Driver`, valid for `'a`, and its
    /// framebuffer and source rectangle must not change for `'a`.
    unsafe fn from_raw(plane: *const bindings::drm_plane_state) -> Option<Self> {
        // SAFETY: By the safety requirements the state is valid, and `fb` does not change for `'a`.
        let (fb, src) = unsafe { ((*plane).fb, &raw const (*plane).src) };
        if fb.is_null() {
            return None;
        }
        // SAFETY: By the safety requirements the state is valid, and `src` does not change for
        // `'a`.
        let bindings::drm_rect { x1, y1, x2, y2 } = unsafe { src.read() };
        // The coordinates are in 16.16 fixed point. They are not negative, as the rectangle is
        // within the framebuffer.
        let integer_part = |fixed: c_int| u16::try_from(fixed >> 16).unwrap_or(0);
        Some(Self {
            // SAFETY: The state holds a reference to its framebuffer. By the safety requirements,
            // the state keeps this reference for `'a`.
            framebuffer: unsafe { Framebuffer::from_raw(fb) },
            x: integer_part(x1),
            y: integer_part(y1),
            width: integer_part(x2 - x1),
            height: integer_part(y2 - y1),
        })
    }
}

impl<K: Driver> PlaneState<'_, K> {
    /// Returns the number of bytes from the first visible pixel to the end of the last one, in
    /// memory with `pitch` bytes from the start of a line to the start of the next one.
    fn len(&self, pitch: u32) -> usize {
        // SAFETY: The format of a framebuffer is an entry of a constant table. Both members of the
        // union are arrays of bytes; byte 0 describes the only colour plane.
        let pixel = unsafe {
            (*self.framebuffer.raw_format())
                .__bindgen_anon_1
                .cpp
                .as_ref()[0]
        };
        let lines = usize::from(self.height).saturating_sub(1);
        usize::try_from(pitch)
            .unwrap_or(usize::MAX)
            .saturating_mul(lines)
            .saturating_add(usize::from(self.width) * usize::from(pixel))
    }
}

/// A primary plane of an unregistered device, which has no CRTC yet.
///
/// # Invariants
///
/// `raw` is an initialised plane of `dev`.
pub(crate) struct UnregisteredPlane<'a, K: Driver> {
    dev: &'a UnregisteredKmsDevice<K>,
    raw: *mut bindings::drm_plane,
}

impl<'a, K: Driver> UnregisteredPlane<'a, K> {
    pub(super) fn into_raw(self) -> (&'a UnregisteredKmsDevice<K>, *mut bindings::drm_plane) {
        (self.dev, self.raw)
    }
}

/// The vtables of planes of type `P`.
struct Vtable<P>(PhantomData<P>);

impl<P: DriverPlane> Vtable<P> {
    const FUNCS: bindings::drm_plane_funcs = bindings::drm_plane_funcs {
        update_plane: Some(bindings::drm_atomic_helper_update_plane),
        disable_plane: Some(bindings::drm_atomic_helper_disable_plane),
        reset: Some(reset_callback::<P>),
        atomic_duplicate_state: Some(duplicate_callback::<P>),
        atomic_destroy_state: Some(destroy_callback::<P>),
        ..pin_init::zeroed()
    };

    const HELPER_FUNCS: bindings::drm_plane_helper_funcs = bindings::drm_plane_helper_funcs {
        prepare_fb: Some(prepare_fb_callback::<P>),
        cleanup_fb: Some(cleanup_fb_callback::<P>),
        atomic_check: Some(atomic_check_callback::<P>),
        atomic_update: Some(atomic_update_callback::<P>),
        atomic_disable: Some(atomic_disable_callback::<P>),
        get_scanout_buffer: Some(get_scanout_buffer_callback::<P>),
        ..pin_init::zeroed()
    };
}

impl<K: Driver> UnregisteredKmsDevice<K> {
    /// Creates a primary plane that supports `formats`, the preferred one first. Clients can pass
    /// damage clips.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn primary_plane<P: DriverPlane<Driver = K>>(
        &self,
        formats: &[Fourcc],
    ) -> Result<UnregisteredPlane<'_, K>> {
        // SAFETY: The device is valid and its mode configuration is initialised. The vtable is a
        // constant, and has no `destroy`, which a managed plane must not have. `Fourcc` is a
        // transparent wrapper of a format code, and the call copies the list.
        // `__drmm_crtc_alloc_with_planes()` sets `possible_crtcs` later.
        let raw = from_err_ptr(unsafe {
            bindings::__drmm_universal_plane_alloc(
                self.raw(),
                size_of::<bindings::drm_plane>(),
                0,
                0,
                const { &Vtable::<P>::FUNCS },
                formats.as_ptr().cast(),
                u32::try_from(formats.len())?,
                core::ptr::null(),
                bindings::drm_plane_type_DRM_PLANE_TYPE_PRIMARY,
                core::ptr::null(),
            )
        })?
        .cast::<bindings::drm_plane>();
        // SAFETY: `__drmm_universal_plane_alloc()` has just created the plane. The device is not
        // registered, so nothing else accesses it.
        unsafe { (*raw).helper_private = const { &Vtable::<P>::HELPER_FUNCS } };
        // SAFETY: The plane is initialised, and its device is not registered yet.
        unsafe { bindings::drm_plane_enable_fb_damage_clips(raw) };
        // SAFETY: The plane is initialised, and its device is not registered yet.
        to_result(unsafe { bindings::drm_plane_create_blend_mode_property(raw, BLEND_MODES) })?;
        // INVARIANT: `raw` was just created for the device of `self`.
        Ok(UnregisteredPlane { dev: self, raw })
    }
}

/// Returns the new state of `plane` in `commit`, and the new state of its CRTC if it has one. Both
/// are valid for as long as the commit.
///
/// # Safety
///
/// `plane` must be a valid plane, and part of `commit`.
unsafe fn new_states(
    plane: *mut bindings::drm_plane,
    commit: *mut bindings::drm_atomic_commit,
) -> (
    *mut bindings::drm_plane_state,
    Option<NonNull<bindings::drm_crtc_state>>,
) {
    // SAFETY: By the safety requirements the plane is valid. Its index does not change.
    let index = unsafe { (*plane).index };
    // SAFETY: `planes` of a commit has an entry for each plane of the device. By the safety
    // requirements this plane is part of the commit, so its entry has a new state.
    let state = unsafe { (*(*commit).planes.add(index as usize)).new_state };
    // SAFETY: The state is part of the commit, and therefore valid.
    let crtc = unsafe { (*state).crtc };
    if crtc.is_null() {
        return (state, None);
    }
    // SAFETY: The CRTC of a plane's state belongs to the same device. Its index does not change.
    let index = unsafe { (*crtc).index };
    // SAFETY: `crtcs` of a commit has an entry for each CRTC of the device.
    let crtc = unsafe { (*(*commit).crtcs.add(index as usize)).new_state };
    (state, NonNull::new(crtc))
}

/// The `reset` callback of a plane: gives it a state without a framebuffer.
///
/// # Safety
///
/// Must be called by DRM only, with a plane with the vtable of `P`.
unsafe extern "C" fn reset_callback<P: DriverPlane>(plane: *mut bindings::drm_plane) {
    // SAFETY: By the safety requirements the plane is valid, and DRM does not use its state
    // meanwhile.
    let old = unsafe { core::ptr::replace(&raw mut (*plane).state, core::ptr::null_mut()) };
    if !old.is_null() {
        // SAFETY: The state belongs to this plane, which does not have it any more.
        unsafe { destroy_callback::<P>(plane, old) };
    }
    let Ok(new) = KBox::<State<P>>::new_uninit(GFP_KERNEL | __GFP_ZERO) else {
        return;
    };
    let base = KBox::into_raw(new).cast::<bindings::drm_plane_state>();
    // SAFETY: The field is in the new state, and is not initialised.
    unsafe { State::<P>::prepared(base).write(None) };
    // SAFETY: `base` is the first field of the new state, which is zeroed, as the call requires.
    // The plane takes the state over, and `destroy_callback()` frees it.
    unsafe { bindings::__drm_atomic_helper_plane_reset(plane, base) };
}

/// The `atomic_duplicate_state` callback of a plane. Returns null if there is no memory. Nothing is
/// prepared for the copy.
///
/// # Safety
///
/// Must be called by DRM only, with a plane with the vtable of `P`, whose lock the caller holds.
unsafe extern "C" fn duplicate_callback<P: DriverPlane>(
    plane: *mut bindings::drm_plane,
) -> *mut bindings::drm_plane_state {
    // SAFETY: By the safety requirements the plane is valid, and its state does not change.
    if unsafe { (*plane).state.is_null() } {
        return core::ptr::null_mut();
    }
    let Ok(new) = KBox::<State<P>>::new_uninit(GFP_KERNEL) else {
        return core::ptr::null_mut();
    };
    let base = KBox::into_raw(new).cast::<bindings::drm_plane_state>();
    // SAFETY: `base` is the first field of the new state. The call initialises it with a copy of
    // the plane's state.
    unsafe { bindings::__drm_atomic_helper_plane_duplicate_state(plane, base) };
    // SAFETY: The field is in the new state, and is not initialised.
    unsafe { State::<P>::prepared(base).write(None) };
    base
}

/// The `atomic_destroy_state` callback of a plane.
///
/// # Safety
///
/// Must be called by DRM only, with a plane with the vtable of `P`, and with a state of it that
/// nothing uses any more.
unsafe extern "C" fn destroy_callback<P: DriverPlane>(
    _plane: *mut bindings::drm_plane,
    state: *mut bindings::drm_plane_state,
) {
    // SAFETY: By the safety requirements, nothing else uses the state. The call puts its
    // references.
    unsafe { bindings::__drm_atomic_helper_plane_destroy_state(state) };
    // SAFETY: `reset_callback()` or `duplicate_callback()` has allocated the state as a `State<P>`,
    // and initialised it.
    drop(unsafe { KBox::<State<P>>::from_raw(state.cast()) });
}

/// The `atomic_check` callback of a plane.
///
/// # Safety
///
/// Must be called by DRM only, with a plane of `P::Driver` that is part of `commit`.
unsafe extern "C" fn atomic_check_callback<P: DriverPlane>(
    plane: *mut bindings::drm_plane,
    commit: *mut bindings::drm_atomic_commit,
) -> c_int {
    // SAFETY: By the safety requirements the plane is part of the commit.
    let (state, crtc) = unsafe { new_states(plane, commit) };
    let crtc = crtc.map_or(core::ptr::null_mut(), NonNull::as_ptr);
    // SAFETY: `new_states()` returned valid states, which the caller owns until this returns.
    let checked = to_result(unsafe {
        bindings::drm_atomic_helper_check_plane_state(
            state, crtc, NO_SCALING, NO_SCALING, false, true,
        )
    });
    if let Err(err) = checked {
        return err.to_errno();
    }
    // SAFETY: `new_states()` returned a valid state if `crtc` is not null.
    if crtc.is_null() || !unsafe { (*crtc).enable } {
        return 0;
    }
    // SAFETY: `state` belongs to a plane of `P::Driver`. The caller owns it until this returns.
    let Some(new) = (unsafe { PlaneState::<P::Driver>::from_raw(state) }) else {
        return 0;
    };
    // SAFETY: `new_states()` returned a valid state.
    if !unsafe { (*state).visible } {
        return EINVAL.to_errno();
    }
    // SAFETY: By the safety requirements the plane belongs to a device of `P::Driver`, which lives
    // as long as the plane.
    let dev = unsafe { Device::<P::Driver>::from_raw((*plane).dev) };
    match P::atomic_check(dev, &new) {
        Ok(()) => 0,
        Err(err) => err.to_errno(),
    }
}

/// The `prepare_fb` callback of a plane.
///
/// # Safety
///
/// Must be called by DRM only, with a plane of `P::Driver` and a state of it that has been checked.
unsafe extern "C" fn prepare_fb_callback<P: DriverPlane>(
    plane: *mut bindings::drm_plane,
    state: *mut bindings::drm_plane_state,
) -> c_int {
    // Without this callback, DRM would call the helper, which adds implicit fences to the state.
    //
    // SAFETY: The arguments are those of this callback.
    let fenced = unsafe { bindings::drm_gem_plane_helper_prepare_fb(plane, state) };
    if fenced != 0 {
        return fenced;
    }
    // SAFETY: `state` belongs to a plane of `P::Driver`. The caller owns it until this returns.
    let Some(new) = (unsafe { PlaneState::<P::Driver>::from_raw(state) }) else {
        return 0;
    };
    // SAFETY: By the safety requirements the plane belongs to a device of `P::Driver`. The device
    // has been registered: DRM runs no commit before that.
    let dev = unsafe { MaybeUnplugged::from_raw((*plane).dev) };
    // SAFETY: By the safety requirements the plane is valid. The caller holds its lock, so its
    // state stays the same until this returns.
    let current = unsafe { (*plane).state };
    let old = match current.is_null() {
        true => None,
        // SAFETY: All states of the plane are of type `State<P>`. Nothing changes `prepared` of
        // the plane's state, because the state stays the same until this returns.
        false => unsafe { (*State::<P>::prepared(current)).as_ref() },
    };
    match P::prepare(&dev, old, &new) {
        Ok(prepared) => {
            // SAFETY: `state` is of type `State<P>`, and the caller owns it until this returns.
            // Nothing was prepared for it, so this drops nothing.
            unsafe { *State::<P>::prepared(state) = Some(prepared) };
            0
        }
        Err(err) => err.to_errno(),
    }
}

/// The `cleanup_fb` callback of a plane.
///
/// # Safety
///
/// Must be called by DRM only, with a plane of `P::Driver` and a state of it for which
/// `prepare_fb_callback` has returned 0.
unsafe extern "C" fn cleanup_fb_callback<P: DriverPlane>(
    _plane: *mut bindings::drm_plane,
    state: *mut bindings::drm_plane_state,
) {
    // SAFETY: `state` is of type `State<P>`. It is not the plane's any more, or has never been, so
    // nothing else uses `prepared`.
    let prepared = unsafe { (*State::<P>::prepared(state)).take() };
    // SAFETY: `state` belongs to a plane of `P::Driver`. Its framebuffer has not changed since
    // `prepare_fb`, and does not change until this returns.
    let old = unsafe { PlaneState::<P::Driver>::from_raw(state) };
    if let (Some(old), Some(prepared)) = (old, prepared) {
        P::cleanup(&old, prepared);
    }
}

/// The `atomic_update` callback of a plane.
///
/// # Safety
///
/// Must be called by DRM only, with a plane of `P::Driver` that is part of `commit`.
unsafe extern "C" fn atomic_update_callback<P: DriverPlane>(
    plane: *mut bindings::drm_plane,
    commit: *mut bindings::drm_atomic_commit,
) {
    // SAFETY: By the safety requirements the plane is part of the commit.
    let (state, Some(crtc)) = (unsafe { new_states(plane, commit) }) else {
        return;
    };
    // SAFETY: `new_states()` returned a valid state.
    if !unsafe { (*crtc.as_ptr()).active } {
        return;
    }
    // SAFETY: `state` belongs to a plane of `P::Driver`. Its framebuffer and source rectangle do
    // not change during the commit.
    let Some(new) = (unsafe { PlaneState::<P::Driver>::from_raw(state) }) else {
        return;
    };
    // SAFETY: `state` is of type `State<P>`. `prepared` stays the same until
    // `cleanup_fb`, which follows the commit.
    let Some(prepared) = (unsafe { (*State::<P>::prepared(state)).as_ref() }) else {
        return;
    };
    // SAFETY: By the safety requirements the plane is part of the commit, so its entry in `planes`
    // has an old state.
    let old = unsafe { (*(*commit).planes.add((*plane).index as usize)).old_state };
    // SAFETY: These are the two states of the plane in the commit, during which they do not change.
    let damage = unsafe { Damage::from_raw(old, state) };
    // SAFETY: By the safety requirements the plane belongs to a device of `P::Driver`. The device
    // has been registered: DRM runs no commit before that.
    unsafe {
        with_registered::<P::Driver, _>((*plane).dev, |dev, reg| {
            P::atomic_update(dev, reg, &new, prepared, damage);
        })
    };
}

/// The `atomic_disable` callback of a plane.
///
/// # Safety
///
/// Must be called by DRM only, with a plane of `P::Driver`.
unsafe extern "C" fn atomic_disable_callback<P: DriverPlane>(
    plane: *mut bindings::drm_plane,
    _commit: *mut bindings::drm_atomic_commit,
) {
    // SAFETY: By the safety requirements the plane belongs to a device of `P::Driver`. The device
    // has been registered: DRM runs no commit before that.
    unsafe {
        with_registered::<P::Driver, _>((*plane).dev, |dev, reg| P::atomic_disable(dev, reg))
    };
}

/// The `get_scanout_buffer` callback of a plane.
///
/// # Safety
///
/// Must be called by DRM only, with a plane of `P::Driver`, and with the panic lock held.
unsafe extern "C" fn get_scanout_buffer_callback<P: DriverPlane>(
    plane: *mut bindings::drm_plane,
    buffer: *mut bindings::drm_scanout_buffer,
) -> c_int {
    // SAFETY: By the safety requirements the plane is valid. The panic lock prevents a commit from
    // swapping its state.
    let state = unsafe { (*plane).state };
    if state.is_null() {
        return ENODEV.to_errno();
    }
    // SAFETY: `state` belongs to a plane of `P::Driver`. The panic lock prevents a commit from
    // swapping and freeing it.
    let Some(shown) = (unsafe { PlaneState::<P::Driver>::from_raw(state) }) else {
        return ENODEV.to_errno();
    };
    // SAFETY: `state` is of type `State<P>`, and the plane's, so `cleanup_fb` was not called for
    // it.
    let Some(prepared) = (unsafe { (*State::<P>::prepared(state)).as_ref() }) else {
        return ENODEV.to_errno();
    };
    // SAFETY: By the safety requirements the plane belongs to a device of `P::Driver`. The device
    // has been registered, because `drm_dev_register()` calls `drm_panic_register()`.
    // `drm_dev_unplug()` waits for the panic handler (see the head of this file).
    let memory = unsafe {
        with_registered_held::<P::Driver, _>((*plane).dev, |reg| {
            let ScanoutMemory { part, pitch } = P::scanout_memory(reg, &shown, prepared)?;
            if part.len() < shown.len(pitch) {
                return Err(EINVAL);
            }
            Ok((part.as_ptr(), pitch))
        })
    };
    let Some(Ok((vaddr_iomem, pitch))) = memory else {
        return ENODEV.to_errno();
    };
    // SAFETY: DRM passes a valid buffer, which nothing else accesses until this returns.
    let buffer = unsafe { &mut *buffer };
    buffer.format = shown.framebuffer.raw_format();
    buffer.width = shown.width.into();
    buffer.height = shown.height.into();
    buffer.pitch[0] = pitch;
    // The memory stays mapped while the panic handler writes: `drm_dev_unplug()` waits for the
    // handler (see the head of this file) before the registration data is dropped.
    buffer.map[0] = bindings::iosys_map {
        __bindgen_anon_1: bindings::iosys_map__bindgen_ty_1 { vaddr_iomem },
        is_iomem: true,
    };
    0
}
