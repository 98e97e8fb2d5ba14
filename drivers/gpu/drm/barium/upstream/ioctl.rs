// SPDX-License-Identifier: GPL-2.0

//! The ioctl table of a driver that defines its own ABI structs.
//!
//! - Upstream today: `kernel::declare_drm_ioctls!` looks structs and numbers up in `kernel::uapi`,
//!   which the kernel build generates, so an out-of-tree module cannot add its own. It infers the
//!   driver type from the handler; a FIXME says that the two should be tied together.
//! - The shape it should have: the same macro with paths instead of bare names, and with the driver
//!   type named.
//! - Why this is sound on 7.3: the descriptors are built from public items only. The trampolines
//!   name the driver type, and the table compiles only in the `drm::Driver` implementation of that
//!   type, so that the casts of device and file match the driver that registers the table. A
//!   handler must accept any lifetime, so it cannot keep references to its arguments. `drm_ioctl()`
//!   stores an argument of up to 128 bytes in an array of `char`, which guarantees no alignment:
//!   the trampoline copies the argument to a variable of its type and copies the result back.
//! - Delete when upstream's macro takes paths.
//!
//! C header: [`include/drm/drm_ioctl.h`](srctree/include/drm/drm_ioctl.h)

use kernel::prelude::*;

/// Declares the `IOCTLS` table inside an `impl drm::Driver`.
///
/// `driver` is the type that implements `drm::Driver`. The form of each entry is
/// `(number, argument type, flags, state: handler)`. The entries must be in the order of the
/// command numbers, without a gap.
///
/// In state `registered` the handler has the form
///
/// ```ignore
/// fn handler(
///     dev: &drm::Device<Driver, drm::Registered>,
///     reg: &<Driver as drm::Driver>::RegistrationData<'_>,
///     args: &mut Argument,
///     file: &drm::File<<Driver as drm::Driver>::File>,
/// ) -> Result<u32>
/// ```
///
/// and runs inside `drm_dev_enter()`; if the device is unplugged, the ioctl returns `ENODEV`
/// instead. `drm_dev_unplug()` of any DRM device waits for the handler, so the handler must not
/// wait for user space.
///
/// In state `any` the handler has the form
///
/// ```ignore
/// fn handler(
///     dev: &drm::Device<Driver, drm::Ioctl>,
///     args: &mut Argument,
///     file: &drm::File<<Driver as drm::Driver>::File>,
/// ) -> Result<u32>
/// ```
///
/// and also runs after the device has been unplugged. `drm_dev_unplug()` does not wait for it.
///
/// The following do not compile: entries out of order, a gap, an argument type whose size differs
/// from that in the number, an argument type that is not plain bytes (`FromBytes` and `IntoBytes`),
/// a handler that requires one of its arguments to live longer than the call, a `driver` that is
/// not `Self`.
macro_rules! declare_ioctls {
    (
        driver: $driver:ty,
        $(($number:path, $argument:ty, $flags:expr, $state:ident: $handler:expr)),+ $(,)?
    ) => {
        const IOCTLS: &'static [::kernel::drm::ioctl::DrmIoctlDescriptor] = {
            const _: () = {
                let mut expected = ::kernel::uapi::DRM_COMMAND_BASE;
                $(
                    ::core::assert!(::kernel::ioctl::_IOC_NR($number) == expected);
                    ::core::assert!(
                        ::kernel::ioctl::_IOC_SIZE($number) == ::core::mem::size_of::<$argument>()
                    );
                    expected += 1;
                )+
                let _ = expected;
            };
            // The casts below are those of `$driver`, so the table must be in its `impl`.
            let _: ::core::marker::PhantomData<$driver> = ::core::marker::PhantomData::<Self>;
            $(
                $crate::upstream::ioctl::assert_plain_bytes::<$argument>();
            )+

            &[$(
                ::kernel::drm::ioctl::DrmIoctlDescriptor {
                    cmd: $number,
                    func: {
                        /// # Safety
                        ///
                        /// Only `drm_ioctl()` may call this.
                        unsafe extern "C" fn trampoline(
                            raw_dev: *mut ::kernel::bindings::drm_device,
                            raw_args: *mut ::core::ffi::c_void,
                            raw_file: *mut ::kernel::bindings::drm_file,
                        ) -> ::core::ffi::c_int {
                            // SAFETY: drm_ioctl() passes the device of an open file. The file holds
                            // a reference to the device. It was opened through a node that
                            // `drm_dev_register()` created, so the device has been registered, as
                            // kms/registration.rs defines it. The table belongs to `$driver`, so
                            // the device is embedded in a `Device<$driver>`.
                            let dev = unsafe {
                                ::kernel::drm::Device::<$driver, ::kernel::drm::Ioctl>::from_raw(
                                    raw_dev,
                                )
                            };
                            // SAFETY: drm_ioctl() passes the open file. The table belongs to
                            // `$driver`, so the file was opened through `$driver::File`.
                            let file = unsafe {
                                ::kernel::drm::File::<
                                    <$driver as ::kernel::drm::Driver>::File,
                                >::from_raw(raw_file)
                            };
                            let raw_args = raw_args.cast::<$argument>();
                            // SAFETY: drm_ioctl() passes a buffer of at least `_IOC_SIZE` bytes,
                            // which is asserted above to be the size of the type. All of them are
                            // initialised, and any bit pattern is a valid value (`FromBytes`).
                            let mut args = unsafe { ::core::ptr::read_unaligned(raw_args) };

                            let done: ::kernel::error::Result<u32> =
                                $crate::upstream::ioctl::call!(
                                    $state, $driver, $argument, $handler, dev, &mut args, file
                                );
                            // SAFETY: The buffer is valid for writes of the bytes that were read
                            // from it above, and only this call accesses it. All bytes of `args`
                            // are initialised (`IntoBytes`).
                            unsafe { ::core::ptr::write_unaligned(raw_args, args) };
                            match done {
                                Ok(value) => value
                                    .try_into()
                                    .unwrap_or(::kernel::error::code::ERANGE.to_errno()),
                                Err(err) => err.to_errno(),
                            }
                        }
                        Some(trampoline)
                    },
                    flags: $flags,
                    name: ::kernel::str::as_char_ptr_in_const_context(
                        ::kernel::c_str!(::core::stringify!($number)),
                    ),
                }
            ),+]
        };
    };
}

/// Calls a handler of [`declare_ioctls`] as its state requires.
///
/// The type of `handler` has a lifetime parameter for each reference. A handler that requires a
/// specific lifetime, such as `'static`, does not coerce to it.
macro_rules! call {
    (registered, $driver:ty, $argument:ty, $handler:expr, $dev:expr, $args:expr, $file:expr) => {{
        let handler: for<'dev, 'reg, 'args, 'file> fn(
            &'dev ::kernel::drm::Device<$driver, ::kernel::drm::Registered>,
            &'reg <$driver as ::kernel::drm::Driver>::RegistrationData<'reg>,
            &'args mut $argument,
            &'file ::kernel::drm::File<<$driver as ::kernel::drm::Driver>::File>,
        ) -> ::kernel::error::Result<u32> = $handler;
        match $dev.registration_guard() {
            Some(guard) => guard.registration_data_with(|reg| handler(&guard, reg, $args, $file)),
            None => Err(::kernel::error::code::ENODEV),
        }
    }};
    (any, $driver:ty, $argument:ty, $handler:expr, $dev:expr, $args:expr, $file:expr) => {{
        let handler: for<'dev, 'args, 'file> fn(
            &'dev ::kernel::drm::Device<$driver, ::kernel::drm::Ioctl>,
            &'args mut $argument,
            &'file ::kernel::drm::File<<$driver as ::kernel::drm::Driver>::File>,
        ) -> ::kernel::error::Result<u32> = $handler;
        handler($dev, $args, $file)
    }};
}

/// Compiles only if any bit pattern is a valid `T`, and `T` has no padding.
pub(crate) const fn assert_plain_bytes<T: FromBytes + IntoBytes>() {}

pub(crate) use {call, declare_ioctls};
