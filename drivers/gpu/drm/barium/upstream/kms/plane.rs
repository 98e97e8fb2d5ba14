// SPDX-License-Identifier: GPL-2.0

//! Planes: what takes pixels from a framebuffer to the screen.
//!
//! - Upstream today: nothing.
//! - The shape it should have: [`DriverPlane`], with states of the driver's own, overlays, cursors,
//!   scaling and formats with modifiers as well.
//! - Why this is sound on 7.3: DRM calls the functions of the table for planes that were made with
//!   it. A state that is being checked belongs to the caller until the check returns. During a
//!   commit, the new states of the commit do not change, and the framebuffer of a plane's state is
//!   held by that state. When the kernel panics, DRM holds the lock that keeps a plane's state as it
//!   is (`drm_panic_trylock()`), until it has written. Unplugging a device waits for who is writing:
//!   `kmsg_dump_unregister()` for the panic, the removal of the file in debugfs for who tries it.
//! - Delete when upstream has KMS abstractions.

use super::{
    bindings,
    framebuffer::Framebuffer,
    mode::Fourcc,
    with_hardware,
    Device,
    Driver,
    RegistrationData,
    Setup, //
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

/// `DRM_PLANE_NO_SCALING`: the factor 1 as a fixed point number.
const NO_SCALING: c_int = 1 << 16;

/// What may be done with alpha values. Behind a primary plane all is black: colours that are
/// multiplied by alpha look the same whether alpha is used or not.
const BLEND_MODES: c_uint =
    1 << bindings::DRM_MODE_BLEND_PREMULTI | 1 << bindings::DRM_MODE_BLEND_PIXEL_NONE;

/// The primary plane of a CRTC: it covers all of it, and does not scale.
pub(crate) trait DriverPlane: Sized + 'static {
    /// The driver that it is of.
    type Driver: Driver;

    /// Whether this can be shown. It is as large as the mode.
    fn atomic_check(dev: &Device<Self::Driver>, new: &View<'_, Self::Driver>) -> Result;

    /// Shows it: it has passed [`Self::atomic_check`], and the CRTC is on, or will be right after
    /// this.
    fn atomic_update(
        dev: &Device<Self::Driver, Registered>,
        reg: &RegistrationData<'_, Self::Driver>,
        new: &View<'_, Self::Driver>,
    );

    /// Returns the memory of what is shown, in which the kernel writes why it panics: from the
    /// first pixel to the last. If it is shorter, the kernel writes nothing. Called with interrupts
    /// off, when anything may be locked: it may take no lock.
    fn scanout_memory<'a>(
        reg: &'a RegistrationData<'_, Self::Driver>,
        shown: &View<'_, Self::Driver>,
    ) -> Result<BarPart<'a>>;
}

/// What a plane shows: a part of a framebuffer.
pub(crate) struct View<'a, K: Driver> {
    /// The framebuffer.
    pub(crate) framebuffer: Framebuffer<'a, K>,
    /// The first column that is shown.
    pub(crate) x: u16,
    /// The first line that is shown.
    pub(crate) y: u16,
    /// The columns that are shown.
    pub(crate) width: u16,
    /// The lines that are shown.
    pub(crate) height: u16,
}

impl<'a, K: Driver> View<'a, K> {
    /// What a plane in state `plane` shows; `None` if it shows nothing.
    ///
    /// # Safety
    ///
    /// The state must be that of a plane of a device of `K::Driver`, and not change for `'a`.
    unsafe fn from_raw(plane: &'a bindings::drm_plane_state) -> Option<Self> {
        if plane.fb.is_null() {
            return None;
        }
        // The rectangle is in 16.16 fixed point, and not negative: it is within the framebuffer.
        let whole = |fixed: c_int| u16::try_from(fixed >> 16).unwrap_or(0);
        Some(Self {
            // SAFETY: The state holds its framebuffer, as long as the caller says.
            framebuffer: unsafe { Framebuffer::from_raw(plane.fb) },
            x: whole(plane.src.x1),
            y: whole(plane.src.y1),
            width: whole(plane.src.x2 - plane.src.x1),
            height: whole(plane.src.y2 - plane.src.y1),
        })
    }
}

impl<K: Driver> View<'_, K> {
    /// Returns the number of bytes from the first pixel that is shown to the last one.
    fn len(&self) -> usize {
        // SAFETY: The format of a framebuffer is in a constant table. The framebuffer has one plane
        // of memory; both members of the union are arrays of bytes.
        let pixel = unsafe {
            (*self.framebuffer.raw_format())
                .__bindgen_anon_1
                .cpp
                .as_ref()[0]
        };
        let lines = usize::from(self.height).saturating_sub(1);
        usize::try_from(self.framebuffer.pitch())
            .unwrap_or(usize::MAX)
            .saturating_mul(lines)
            .saturating_add(usize::from(self.width) * usize::from(pixel))
    }
}

/// A primary plane that has no CRTC yet.
pub(crate) struct NewPlane<'a, K: Driver> {
    setup: &'a Setup<K>,
    raw: *mut bindings::drm_plane,
}

impl<'a, K: Driver> NewPlane<'a, K> {
    pub(super) fn into_raw(self) -> (&'a Setup<K>, *mut bindings::drm_plane) {
        (self.setup, self.raw)
    }
}

struct Tables<P>(PhantomData<P>);

impl<P: DriverPlane> Tables<P> {
    const FUNCS: bindings::drm_plane_funcs = bindings::drm_plane_funcs {
        update_plane: Some(bindings::drm_atomic_helper_update_plane),
        disable_plane: Some(bindings::drm_atomic_helper_disable_plane),
        reset: Some(bindings::drm_atomic_helper_plane_reset),
        atomic_duplicate_state: Some(bindings::drm_atomic_helper_plane_duplicate_state),
        atomic_destroy_state: Some(bindings::drm_atomic_helper_plane_destroy_state),
        ..pin_init::zeroed()
    };

    const HELPER_FUNCS: bindings::drm_plane_helper_funcs = bindings::drm_plane_helper_funcs {
        atomic_check: Some(atomic_check_callback::<P>),
        atomic_update: Some(atomic_update_callback::<P>),
        get_scanout_buffer: Some(get_scanout_buffer_callback::<P>),
        ..pin_init::zeroed()
    };
}

impl<K: Driver> Setup<K> {
    /// Makes a primary plane that shows `formats`, the first one being the one to prefer, and lets
    /// clients say what has changed.
    ///
    /// Errors: `ENOMEM`.
    pub(crate) fn primary_plane<P: DriverPlane<Driver = K>>(
        &self,
        formats: &[Fourcc],
    ) -> Result<NewPlane<'_, K>> {
        // SAFETY: The device is valid and its mode configuration initialised. The table is a
        // constant without `destroy`, as is wanted, and `Fourcc` is `repr(transparent)`; the list
        // is copied. Which CRTCs it is for is set when it gets one.
        let raw = from_err_ptr(unsafe {
            bindings::__drmm_universal_plane_alloc(
                self.raw(),
                size_of::<bindings::drm_plane>(),
                0,
                0,
                const { &Tables::<P>::FUNCS },
                formats.as_ptr().cast(),
                u32::try_from(formats.len())?,
                core::ptr::null(),
                bindings::drm_plane_type_DRM_PLANE_TYPE_PRIMARY,
                core::ptr::null(),
            )
        })?
        .cast::<bindings::drm_plane>();
        // SAFETY: It was just made, for this device that nobody else knows.
        unsafe { (*raw).helper_private = const { &Tables::<P>::HELPER_FUNCS } };
        // SAFETY: As above.
        unsafe { bindings::drm_plane_enable_fb_damage_clips(raw) };
        // SAFETY: As above.
        to_result(unsafe { bindings::drm_plane_create_blend_mode_property(raw, BLEND_MODES) })?;
        Ok(NewPlane { setup: self, raw })
    }
}

/// The new state of `plane` and of its CRTC in `commit`; without the latter if it has no CRTC.
///
/// # Safety
///
/// `plane` must be part of `commit`.
unsafe fn new_states(
    plane: *mut bindings::drm_plane,
    commit: *mut bindings::drm_atomic_commit,
) -> (
    *mut bindings::drm_plane_state,
    Option<NonNull<bindings::drm_crtc_state>>,
) {
    // SAFETY: The plane is valid; its index does not change.
    let index = unsafe { (*plane).index };
    // SAFETY: A commit has a place for each plane, and the plane's states are in it.
    let state = unsafe { (*(*commit).planes.add(index as usize)).new_state };
    // SAFETY: As above.
    let crtc = unsafe { (*state).crtc };
    if crtc.is_null() {
        return (state, None);
    }
    // SAFETY: The CRTC is valid; its index does not change.
    let index = unsafe { (*crtc).index };
    // SAFETY: A commit has a place for each CRTC.
    let crtc = unsafe { (*(*commit).crtcs.add(index as usize)).new_state };
    (state, NonNull::new(crtc))
}

/// The `atomic_check` entry of a plane.
///
/// # Safety
///
/// To be called by DRM only, with a plane of `P::Driver` that is part of `commit`.
unsafe extern "C" fn atomic_check_callback<P: DriverPlane>(
    plane: *mut bindings::drm_plane,
    commit: *mut bindings::drm_atomic_commit,
) -> c_int {
    // SAFETY: The plane is part of the commit.
    let (state, crtc) = unsafe { new_states(plane, commit) };
    let crtc = crtc.map_or(core::ptr::null_mut(), NonNull::as_ptr);
    // SAFETY: These are the states of this commit, which is being checked: no one else writes.
    let checked = to_result(unsafe {
        bindings::drm_atomic_helper_check_plane_state(
            state, crtc, NO_SCALING, NO_SCALING, false, true,
        )
    });
    if let Err(err) = checked {
        return err.to_errno();
    }
    // SAFETY: As above, or null.
    if !unsafe { crtc.as_ref() }.is_some_and(|crtc| crtc.enable) {
        return 0;
    }
    // SAFETY: As above; the framebuffer is held by the state.
    let Some(view) = (unsafe { View::<P::Driver>::from_raw(&*state) }) else {
        return 0;
    };
    // SAFETY: As above.
    if !unsafe { (*state).visible } {
        return EINVAL.to_errno();
    }
    // SAFETY: The plane's device is one of this driver, and lives as long as the plane.
    let dev = unsafe { Device::<P::Driver>::from_raw((*plane).dev) };
    match P::atomic_check(dev, &view) {
        Ok(()) => 0,
        Err(err) => err.to_errno(),
    }
}

/// The `atomic_update` entry of a plane.
///
/// # Safety
///
/// To be called by DRM only, with a plane of `P::Driver` that is part of `commit`.
unsafe extern "C" fn atomic_update_callback<P: DriverPlane>(
    plane: *mut bindings::drm_plane,
    commit: *mut bindings::drm_atomic_commit,
) {
    // SAFETY: The plane is part of the commit.
    let (state, Some(crtc)) = (unsafe { new_states(plane, commit) }) else {
        return;
    };
    // SAFETY: The new states of a commit do not change while it is carried out.
    if !unsafe { crtc.as_ref() }.active {
        return;
    }
    // SAFETY: As above.
    let Some(view) = (unsafe { View::<P::Driver>::from_raw(&*state) }) else {
        return;
    };
    // SAFETY: The plane's device is one of this driver. Nothing is committed before it is
    // registered.
    unsafe {
        with_hardware::<P::Driver, _>((*plane).dev, |dev, reg| P::atomic_update(dev, reg, &view))
    };
}

/// The `get_scanout_buffer` entry of a plane.
///
/// # Safety
///
/// To be called by DRM only, with a plane of `P::Driver` and with the panic lock.
unsafe extern "C" fn get_scanout_buffer_callback<P: DriverPlane>(
    plane: *mut bindings::drm_plane,
    buffer: *mut bindings::drm_scanout_buffer,
) -> c_int {
    // SAFETY: The plane is valid; its state does not change under the panic lock.
    let Some(state) = (unsafe { (*plane).state.as_ref() }) else {
        return ENODEV.to_errno();
    };
    // SAFETY: As above.
    let Some(view) = (unsafe { View::<P::Driver>::from_raw(state) }) else {
        return ENODEV.to_errno();
    };
    // SAFETY: The plane's device is one of this driver, and registered: the panic code does not
    // know others.
    let memory = unsafe {
        with_hardware::<P::Driver, _>((*plane).dev, |_, reg| {
            let part = P::scanout_memory(reg, &view)?;
            if part.len() < view.len() {
                return Err(EINVAL);
            }
            Ok(part.as_ptr())
        })
    };
    let Some(Ok(vaddr_iomem)) = memory else {
        return ENODEV.to_errno();
    };
    // SAFETY: The buffer is the caller's own, to be filled in.
    let buffer = unsafe { &mut *buffer };
    buffer.format = view.framebuffer.raw_format();
    buffer.width = view.width.into();
    buffer.height = view.height.into();
    buffer.pitch[0] = view.framebuffer.pitch();
    // The memory stays mapped: unplugging waits for who is here (see the head of this file), before
    // the registration data is let go of.
    buffer.map[0] = bindings::iosys_map {
        __bindgen_anon_1: bindings::iosys_map__bindgen_ty_1 { vaddr_iomem },
        is_iomem: true,
    };
    0
}
