// SPDX-License-Identifier: GPL-2.0

//! Framebuffers: pictures in the memory of an object.
//!
//! - Upstream today: nothing.
//! - The shape it should have: what is here, with the choice of a type of its own for framebuffers.
//! - Why this is sound on 7.3: `drm_gem_fb_create_with_funcs()` makes them, which looks the objects
//!   up through the client's handles, keeps a reference to each for as long as the framebuffer
//!   lives, and compares their sizes. All objects of the device are of the driver's type.
//! - Delete when upstream has KMS abstractions.

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

/// A framebuffer in one plane of memory, as all formats of this kind of driver are.
///
/// There is no reference to the C struct: its reference count and lists change meanwhile.
///
/// # Invariants
///
/// `raw` is a framebuffer of a device of `K::Driver`, and held for `'a`. What is read of it does not
/// change once it is made.
pub(crate) struct Framebuffer<'a, K: Driver> {
    raw: *const bindings::drm_framebuffer,
    format: Fourcc,
    _held: PhantomData<&'a ()>,
    _driver: PhantomData<K>,
}

impl<'a, K: Driver> Framebuffer<'a, K> {
    /// # Safety
    ///
    /// `raw` must be a framebuffer of a device of `K::Driver`, and be held for `'a`.
    pub(super) unsafe fn from_raw(raw: *const bindings::drm_framebuffer) -> Self {
        // SAFETY: By the safety requirements `raw` is valid, and a framebuffer's format is an entry
        // of a constant table.
        let format = Fourcc(unsafe { (*(*raw).format).format });
        // INVARIANT: By the safety requirements.
        Self {
            raw,
            format,
            _held: PhantomData,
            _driver: PhantomData,
        }
    }

    /// What a pixel is.
    pub(crate) fn format(&self) -> Fourcc {
        self.format
    }

    /// The bytes from the start of a line to that of the next.
    pub(crate) fn pitch(&self) -> u32 {
        // SAFETY: By the type invariants `raw` is valid, and this does not change.
        unsafe { (*self.raw).pitches[0] }
    }

    /// Where in the object it starts, in bytes.
    pub(crate) fn offset(&self) -> u32 {
        // SAFETY: By the type invariants `raw` is valid, and this does not change.
        unsafe { (*self.raw).offsets[0] }
    }

    /// The object that it is in.
    pub(crate) fn object(&self) -> &'a Object<K::Memory> {
        // SAFETY: By the type invariants `raw` is valid. `drm_gem_fb_create_with_funcs()` has set
        // the object of the first plane, holds a reference to it for as long as the framebuffer
        // lives, and took it from the device's objects, which are of this type.
        unsafe { Object::<K::Memory>::from_raw((*self.raw).obj[0]) }
    }

    pub(super) fn raw_format(&self) -> *const bindings::drm_format_info {
        // SAFETY: By the type invariants `raw` is valid, and this does not change.
        unsafe { (*self.raw).format }
    }
}

const FUNCS: bindings::drm_framebuffer_funcs = bindings::drm_framebuffer_funcs {
    destroy: Some(bindings::drm_gem_fb_destroy),
    create_handle: Some(bindings::drm_gem_fb_create_handle),
    dirty: Some(dirty_callback),
};

/// The `dirty` entry: what is in memory is what is shown, so there is nothing to do.
///
/// # Safety
///
/// None; to be called by DRM only.
unsafe extern "C" fn dirty_callback(
    _framebuffer: *mut bindings::drm_framebuffer,
    _file: *mut bindings::drm_file,
    _flags: c_uint,
    _color: c_uint,
    _clips: *mut bindings::drm_clip_rect,
    _count: c_uint,
) -> c_int {
    0
}

/// The `fb_create` entry: what `DRM_IOCTL_MODE_ADDFB2` comes to.
///
/// # Safety
///
/// To be called by DRM only, for a device of `K::Driver`, with an open file of it.
pub(super) unsafe extern "C" fn create_callback<K: Driver>(
    dev: *mut bindings::drm_device,
    file: *mut bindings::drm_file,
    info: *const kernel::bindings::drm_format_info,
    command: *const bindings::drm_mode_fb_cmd2,
) -> *mut kernel::bindings::drm_framebuffer {
    // SAFETY: These are this callback's arguments, and a constant.
    let raw = unsafe {
        bindings::drm_gem_fb_create_with_funcs(dev, file, info.cast(), command, const { &FUNCS })
    };
    let raw = match kernel::error::from_err_ptr(raw) {
        Ok(raw) => raw,
        Err(err) => return err.to_ptr(),
    };
    // SAFETY: The device is one of this driver.
    let device = unsafe { Device::<K>::from_raw(dev) };
    // SAFETY: It was just made, and its reference is ours until we return it.
    let framebuffer = unsafe { Framebuffer::<K>::from_raw(raw) };
    if let Err(err) = K::check_framebuffer(device, &framebuffer) {
        // SAFETY: The reference is ours, and is not used after this.
        unsafe { bindings::drm_mode_object_put(&raw mut (*raw).base) };
        return err.to_ptr();
    }
    raw.cast()
}
