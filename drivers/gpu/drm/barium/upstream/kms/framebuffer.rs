// SPDX-License-Identifier: GPL-2.0

//! Framebuffers with one colour plane.
//!
//! - Upstream today: nothing.
//! - The shape it should have: [`Framebuffer`], with data of the driver.
//! - Why this is sound on 7.3: `drm_gem_fb_create_with_funcs()` creates the framebuffers. It looks
//!   the objects up by the handles of the client, holds a reference to each until the framebuffer
//!   is destroyed, and checks their sizes. All objects of the device have the driver's type.
//! - Delete when upstream has KMS abstractions.
//!
//! C header: [`include/drm/drm_framebuffer.h`](srctree/include/drm/drm_framebuffer.h)

use super::{
    bindings,
    mode::Fourcc,
    Device,
    Driver,
    Object, //
};
use core::marker::PhantomData;
use kernel::{
    drm::gem::IntoGEMObject,
    prelude::*, //
};

/// A framebuffer with one colour plane.
///
/// The type holds a pointer to the C struct and not a reference, because C code changes the
/// reference count and the list heads concurrently.
///
/// # Invariants
///
/// `raw` is a framebuffer of a device of `K::Driver`, whose reference count is not 0 for `'a`. DRM
/// does not change its format, size, pitches, offsets and objects after its creation.
pub(crate) struct Framebuffer<'a, K: Driver> {
    raw: *const bindings::drm_framebuffer,
    format: Fourcc,
    _held: PhantomData<&'a ()>,
    _driver: PhantomData<K>,
}

impl<'a, K: Driver> Framebuffer<'a, K> {
    /// # Safety
    ///
    /// `raw` must be a framebuffer of a device of `K::Driver`, and its reference count must not
    /// become 0 for `'a`.
    pub(super) unsafe fn from_raw(raw: *const bindings::drm_framebuffer) -> Self {
        // SAFETY: By the safety requirements `raw` is valid. The format of a framebuffer is an
        // entry of a constant table.
        let format = Fourcc(unsafe { (*(*raw).format).format });
        // INVARIANT: The safety requirements are the type invariants.
        Self {
            raw,
            format,
            _held: PhantomData,
            _driver: PhantomData,
        }
    }

    /// Returns the pixel format.
    pub(crate) fn format(&self) -> Fourcc {
        self.format
    }

    /// Returns the pitch: the number of bytes from the start of a line to the start of the next
    /// one.
    pub(crate) fn pitch(&self) -> u32 {
        // SAFETY: By the type invariants `raw` is valid, and its pitches do not change.
        unsafe { (*self.raw).pitches[0] }
    }

    /// Returns the number of lines.
    pub(crate) fn height(&self) -> u32 {
        // SAFETY: By the type invariants `raw` is valid, and its size does not change.
        unsafe { (*self.raw).height }
    }

    /// Returns the offset of the first pixel in the object, in bytes.
    pub(crate) fn offset(&self) -> u32 {
        // SAFETY: By the type invariants `raw` is valid, and its offsets do not change.
        unsafe { (*self.raw).offsets[0] }
    }

    /// Returns the object that holds the pixels.
    pub(crate) fn object(&self) -> &'a Object<K::Memory> {
        // SAFETY: By the type invariants `raw` is valid. `drm_gem_fb_create_with_funcs()` has
        // looked the object up among the objects of the device, which all have this type. The
        // framebuffer holds a reference to the object.
        unsafe { Object::<K::Memory>::from_raw((*self.raw).obj[0]) }
    }

    pub(super) fn raw_format(&self) -> *const bindings::drm_format_info {
        // SAFETY: By the type invariants `raw` is valid, and its format does not change.
        unsafe { (*self.raw).format }
    }
}

/// The vtable of the framebuffers of `K`.
struct Vtable<K>(PhantomData<K>);

impl<K: Driver> Vtable<K> {
    const FUNCS: bindings::drm_framebuffer_funcs = bindings::drm_framebuffer_funcs {
        destroy: Some(bindings::drm_gem_fb_destroy),
        create_handle: Some(bindings::drm_gem_fb_create_handle),
        dirty: Some(dirty_callback::<K>),
    };
}

/// The `dirty` callback of a framebuffer. Does nothing if the hardware scans the memory of the
/// framebuffer out. Otherwise commits the damage, and waits for the next vblank.
///
/// # Safety
///
/// Must be called by DRM only, with a framebuffer of a device of `K::Driver`, to which the caller
/// holds a reference, and with the other arguments of such a call.
unsafe extern "C" fn dirty_callback<K: Driver>(
    raw: *mut bindings::drm_framebuffer,
    file: *mut bindings::drm_file,
    flags: c_uint,
    color: c_uint,
    clips: *mut bindings::drm_clip_rect,
    count: c_uint,
) -> c_int {
    // SAFETY: By the safety requirements, this is a framebuffer of a device of `K::Driver`, to
    // which the caller holds a reference.
    let framebuffer = unsafe { Framebuffer::<K>::from_raw(raw) };
    if !K::is_copied(&framebuffer) {
        return 0;
    }
    // SAFETY: These are the arguments of this callback. All planes of the device are atomic.
    unsafe { bindings::drm_atomic_helper_dirtyfb(raw, file, flags, color, clips, count) }
}

/// The `fb_create` callback of a device. Implements `DRM_IOCTL_MODE_ADDFB2`.
///
/// # Safety
///
/// Must be called by DRM only, with a device of `K::Driver`, and with an open file of it.
pub(super) unsafe extern "C" fn create_callback<K: Driver>(
    dev: *mut bindings::drm_device,
    file: *mut bindings::drm_file,
    info: *const kernel::bindings::drm_format_info,
    command: *const bindings::drm_mode_fb_cmd2,
) -> *mut kernel::bindings::drm_framebuffer {
    // SAFETY: By the safety requirements DRM passes a device, an open file of it, the description
    // of the format and the command. The vtable is a constant.
    let raw = unsafe {
        bindings::drm_gem_fb_create_with_funcs(
            dev,
            file,
            info.cast(),
            command,
            const { &Vtable::<K>::FUNCS },
        )
    };
    let raw = match kernel::error::from_err_ptr(raw) {
        Ok(raw) => raw,
        Err(err) => return err.to_ptr(),
    };
    // SAFETY: By the safety requirements `dev` is a device of `K::Driver`.
    let device = unsafe { Device::<K>::from_raw(dev) };
    // SAFETY: `drm_gem_fb_create_with_funcs()` returned a framebuffer of this device, and passed
    // its reference to this function.
    let framebuffer = unsafe { Framebuffer::<K>::from_raw(raw) };
    if let Err(err) = K::check_framebuffer(device, &framebuffer) {
        // SAFETY: This function owns the reference, and does not use the framebuffer after this.
        unsafe { bindings::drm_mode_object_put(&raw mut (*raw).base) };
        return err.to_ptr();
    }
    raw.cast()
}
