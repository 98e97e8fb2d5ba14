// SPDX-License-Identifier: GPL-2.0

//! Dumb buffers: objects for framebuffers, which a client creates without knowledge of the driver.
//!
//! - Upstream today: [`drm::Driver`] has no `dumb_create`, and the kernel's bindings lack
//!   `drm_mode_size_dumb()`, which computes a buffer's size and checks the client's request.
//! - The shape it should have: this trait, as optional methods of [`drm::Driver`].
//! - Why this is sound on 7.3: the callback is in the `drm_driver` of one driver
//!   ([`super::drm_driver::alloc`]), so device and file are of that driver. DRM calls it for an
//!   open file, and only a device that has been registered ([`super::kms::registration`]) can have
//!   one. The callback creates objects only inside a `drm_dev_enter()` section.
//! - Delete when `drm::Driver` has dumb buffers.
//!
//! C header: [`include/drm/drm_dumb_buffers.h`](srctree/include/drm/drm_dumb_buffers.h)

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

/// A request for a dumb buffer, with the pitch and the size that DRM has computed for it.
pub(crate) struct DumbBuffer {
    /// The number of lines.
    pub(crate) height: u32,
    /// The number of bits per pixel.
    pub(crate) bpp: u32,
    /// The number of bytes from the start of a line to the start of the next one.
    pub(crate) pitch: u32,
    /// The size in bytes: a whole number of pages and not 0.
    pub(crate) size: u64,
}

/// The driver data of objects that may be dumb buffers.
pub(crate) trait DumbBuffers: MappedObject {
    /// Returns the alignment of the pitch in bytes, not 0, for pixels of `bpp` bits.
    ///
    /// # Errors
    ///
    /// Any error if the driver does not support dumb buffers with pixels of `bpp` bits. The ioctl
    /// returns this error.
    fn pitch_align(bpp: u32) -> Result<usize>;

    /// Creates the object for `buffer`, for the client `file`. User space reads zeros from it until
    /// it writes to it.
    ///
    /// # Errors
    ///
    /// Any error. The ioctl returns it.
    fn create_dumb(
        dev: &drm::Device<Self::Driver, Registered>,
        reg: &<Self::Driver as drm::Driver>::RegistrationData<'_>,
        file: &<Self::Driver as drm::Driver>::File,
        buffer: &DumbBuffer,
    ) -> Result<ARef<Object<Self>>>;
}

/// The `dumb_create` entry in the `drm_driver` of driver `D`.
///
/// # Safety
///
/// Only DRM may call this, with an open file `file` of a device `dev` of driver `D`. `args` must be
/// valid for reads and writes, and initialised.
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
    // SAFETY: The device is of driver `D` by this function's requirements. The open file holds a
    // reference to the device. It was opened through a node that `drm_dev_register()` created, so
    // the device has been registered, as kms/registration.rs defines it.
    let dev = unsafe { drm::Device::<D, drm::Ioctl>::from_raw(dev) };
    // SAFETY: `file` is an open file of a device of driver `D` by this function's requirements.
    let file = unsafe { drm::File::<D::File>::from_raw(file) };
    // SAFETY: `args` is valid and initialised by this function's requirements. `drm_ioctl()` stores
    // it in an array of `char`, which guarantees no alignment.
    let mut copy = unsafe { args.read_unaligned() };
    let done = create(file, dev, &mut copy);
    // SAFETY: `args` is valid for writes by this function's requirements.
    unsafe { args.write_unaligned(copy) };
    match done {
        Ok(()) => 0,
        Err(err) => err.to_errno(),
    }
}

/// Creates the buffer that `args` describes, and fills in its pitch, size and handle.
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
    // SAFETY: `raw` is a valid device, and `args` a valid reference. A `size_align` of 0 means
    // whole pages.
    to_result(unsafe { drm_mode_size_dumb(raw, args, pitch_align, 0) })?;
    let buffer = DumbBuffer {
        height: args.height,
        bpp: args.bpp,
        pitch: args.pitch,
        size: args.size,
    };
    let obj =
        guard.registration_data_with(|reg| T::create_dumb(&guard, reg, &file.inner(), &buffer))?;
    args.handle = obj.create_handle(file)?;
    Ok(())
}
