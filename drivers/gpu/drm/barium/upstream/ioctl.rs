// SPDX-License-Identifier: GPL-2.0

//! The ioctl table of a driver whose ABI structs are its own.
//!
//! - Upstream today: `kernel::declare_drm_ioctls!` looks structs and numbers up in `kernel::uapi`,
//!   which is made when the kernel is built, so a module outside the tree has no place in it; and
//!   it infers the driver type from the handler, with a FIXME about tying the two together.
//! - The shape it should have: the same macro with paths instead of bare names, and the driver
//!   type named.
//! - Why this is sound on 7.3: it makes `drm_ioctl_desc` from public items only. The trampolines
//!   name the driver type of the `drm::Driver` implementation they are used in (`Self`), so the
//!   device and file casts are those of the driver that the table is registered with.
//! - Delete when upstream's macro takes paths.

/// Declares the `IOCTLS` table inside an `impl drm::Driver`.
///
/// `driver` is the type that `drm::Driver` is being implemented for. Each entry is
/// `(number, argument type, flags, state: handler)`, in the order of the command numbers and
/// without a gap. If the state is `registered`, the handler has the form
///
/// ```ignore
/// fn handler(
///     dev: &drm::Device<Driver, drm::Registered>,
///     reg: &<Driver as drm::Driver>::RegistrationData<'_>,
///     args: &mut ArgumentType,
///     file: &drm::File<<Driver as drm::Driver>::File>,
/// ) -> Result<u32>
/// ```
///
/// and runs only while the device is registered; otherwise the ioctl returns `ENODEV`. Unplugging,
/// of any DRM device, waits for it, so it may not wait for what a client does.
///
/// If the state is `any`, it has the form
///
/// ```ignore
/// fn handler(
///     dev: &drm::Device<Driver, drm::Ioctl>,
///     args: &mut ArgumentType,
///     file: &drm::File<<Driver as drm::Driver>::File>,
/// ) -> Result<u32>
/// ```
///
/// and nothing waits for it. Wrong order, a gap and a struct of another size than the number says
/// do not compile.
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

            &[$(
                ::kernel::drm::ioctl::DrmIoctlDescriptor {
                    cmd: $number,
                    func: {
                        /// # Safety
                        ///
                        /// To be called by `drm_ioctl()` only.
                        unsafe extern "C" fn trampoline(
                            raw_dev: *mut ::kernel::bindings::drm_device,
                            raw_args: *mut ::core::ffi::c_void,
                            raw_file: *mut ::kernel::bindings::drm_file,
                        ) -> ::core::ffi::c_int {
                            // SAFETY: drm_ioctl() holds a reference to the device for the time
                            // of the call; the table belongs to `$driver`, so the device is
                            // embedded in a `Device<$driver>`; it has been registered, or there
                            // would be no file to call an ioctl on.
                            let dev = unsafe {
                                ::kernel::drm::Device::<$driver, ::kernel::drm::Ioctl>::from_raw(
                                    raw_dev,
                                )
                            };
                            // SAFETY: drm_ioctl() passes a buffer of at least `_IOC_SIZE` bytes,
                            // asserted above to be the size of the type, owned by this call;
                            // every bit pattern of an ABI struct is valid.
                            let args = unsafe { &mut *raw_args.cast::<$argument>() };
                            // SAFETY: drm_ioctl() passes the open file, opened through this
                            // driver's `File` type as the table belongs to `$driver`.
                            let file = unsafe {
                                ::kernel::drm::File::<
                                    <$driver as ::kernel::drm::Driver>::File,
                                >::from_raw(raw_file)
                            };

                            let done: ::kernel::error::Result<u32> =
                                $crate::upstream::ioctl::call!($state, $handler, dev, args, file);
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

/// Calls a handler of [`declare_ioctls`], as its state says.
macro_rules! call {
    (registered, $handler:expr, $dev:expr, $args:expr, $file:expr) => {
        match $dev.registration_guard() {
            Some(guard) => guard.registration_data_with(|reg| $handler(&guard, reg, $args, $file)),
            None => Err(::kernel::error::code::ENODEV),
        }
    };
    (any, $handler:expr, $dev:expr, $args:expr, $file:expr) => {
        $handler($dev, $args, $file)
    };
}

pub(crate) use {call, declare_ioctls};
