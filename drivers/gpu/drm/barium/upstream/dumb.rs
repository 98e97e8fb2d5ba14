// SPDX-License-Identifier: GPL-2.0

//! Dumb buffers: objects for pictures, which any client can make without knowing the driver.
//!
//! - Upstream today: [`drm::Driver`] has no `dumb_create`, and the kernel's bindings lack
//!   `drm_mode_size_dumb()`, which computes a buffer's size and checks what the client asks for.
//! - The shape it should have: this trait, as optional methods of [`drm::Driver`].
//! - Why this is sound on 7.3: the callback is in the driver's own table
//!   ([`super::drm_driver::extend`]), so device and file are of that driver, and DRM calls it only
//!   for a file, which there is none of before the device is registered. It makes objects inside
//!   the registration guard only.
//! - Delete when `drm::Driver` has dumb buffers.

use super::gem::{
    MappedObject,
    Object, //
};
use kernel::{
    bindings,
    drm::{
        self,
        gem::BaseObject,
        Registered, //
    },
    error::to_result,
    prelude::*,
    sync::aref::ARef, //
};

#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    // include/drm/drm_dumb_buffers.h, which bindgen is not given.
    fn drm_mode_size_dumb(
        dev: *mut bindings::drm_device,
        args: *mut bindings::drm_mode_create_dumb,
        pitch_align: c_ulong,
        size_align: c_ulong,
    ) -> c_int;
}

/// A dumb buffer that a client asks for, with what DRM has computed.
pub(crate) struct DumbBuffer {
    /// The number of lines.
    pub(crate) height: u32,
    /// The bits of a pixel.
    pub(crate) bpp: u32,
    /// The bytes from the start of a line to that of the next.
    pub(crate) pitch: u32,
    /// The size in bytes: a whole number of pages and not 0.
    pub(crate) size: u64,
}

/// Driver data of objects that may be dumb buffers.
pub(crate) trait DumbBuffers: MappedObject {
    /// What the length of a line, in bytes, has to be a multiple of, if a pixel takes `bpp` bits.
    /// Not 0.
    ///
    /// An error refuses the buffer.
    fn pitch_align(bpp: u32) -> Result<usize>;

    /// Makes a buffer that reads as zero.
    fn create_dumb(
        dev: &drm::Device<Self::Driver, Registered>,
        reg: &<Self::Driver as drm::Driver>::RegistrationData<'_>,
        buffer: &DumbBuffer,
    ) -> Result<ARef<Object<Self>>>;
}

/// The `dumb_create` entry of the table of driver `D`.
///
/// # Safety
///
/// To be called by DRM only, with a registered device of driver `D`, an open file of it, and
/// arguments that are the caller's own.
pub(super) unsafe extern "C" fn create_callback<D, T>(
    file: *mut bindings::drm_file,
    dev: *mut bindings::drm_device,
    args: *mut bindings::drm_mode_create_dumb,
) -> c_int
where
    D: drm::Driver<Object = Object<T>>,
    D::File: drm::file::DriverFile<Driver = D>,
    T: DumbBuffers<Driver = D>,
{
    // SAFETY: The arguments are the caller's own.
    let args = unsafe { &mut *args };
    // SAFETY: The device is of driver `D`, and the caller has a file of it, which refers to it.
    let dev = unsafe { drm::Device::<D, drm::Ioctl>::from_raw(dev) };
    // SAFETY: An open file of the driver's device.
    let file = unsafe { drm::File::<D::File>::from_raw(file) };
    match create(file, dev, args) {
        Ok(()) => 0,
        Err(err) => err.to_errno(),
    }
}

/// Makes what `args` asks for, and fills in what it is.
fn create<D, T>(
    file: &drm::File<D::File>,
    dev: &drm::Device<D, drm::Ioctl>,
    args: &mut bindings::drm_mode_create_dumb,
) -> Result
where
    D: drm::Driver<Object = Object<T>>,
    D::File: drm::file::DriverFile<Driver = D>,
    T: DumbBuffers<Driver = D>,
{
    let pitch_align = T::pitch_align(args.bpp)?;
    let guard = dev.registration_guard().ok_or(ENODEV)?;
    let raw = super::raw::drm_device(dev);
    // SAFETY: A device and arguments that are valid; 0 asks for whole pages.
    to_result(unsafe { drm_mode_size_dumb(raw, args, pitch_align, 0) })?;
    let buffer = DumbBuffer {
        height: args.height,
        bpp: args.bpp,
        pitch: args.pitch,
        size: args.size,
    };
    let obj = guard.registration_data_with(|reg| T::create_dumb(&guard, reg, &buffer))?;
    args.handle = obj.create_handle(file)?;
    Ok(())
}
