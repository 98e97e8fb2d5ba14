// SPDX-License-Identifier: GPL-2.0

//! Mode setting (KMS): planes, CRTCs, encoders, connectors and framebuffers of a DRM driver.
//!
//! - Upstream today: nothing. The kernel crate has neither abstractions nor bindings of them.
//! - The shape it should have: traits like [`Driver`], [`plane::DriverPlane`], [`crtc::DriverCrtc`]
//!   and [`connector::DriverConnector`], whose methods get typed states, with [`Driver`] as a part
//!   of `drm::Driver`; and a device that can be registered only after its mode setting is complete.
//! - Why this is sound on 7.3: [`UnregisteredKmsDevice`] owns the device, so nothing else accesses
//!   it while its objects are created. Each step returns the type whose method is the next step: a
//!   plane creates a CRTC, the CRTC an encoder, the encoder a connector. The objects are managed by
//!   the `drm_device` (`drmm_*`) and live as long. The vtables are constants. DRM passes to a
//!   callback only objects that were created with its vtable, so they belong to the driver that is
//!   the type parameter of the vtable.
//! - Delete when upstream has KMS abstractions.
//!
//! C header: [`include/drm/drm_mode_config.h`](srctree/include/drm/drm_mode_config.h)
//!
//! # Examples
//!
//! A display with one plane, one CRTC and one connector:
//!
//! ```
//! # use crate::upstream::kms::{
//! #     connector::DriverConnector, crtc::DriverCrtc, mode::Fourcc, plane::DriverPlane, Driver,
//! #     ModeConfigInfo, ReadyKmsDevice, UnregisteredKmsDevice,
//! # };
//! # use kernel::{drm, prelude::*};
//! # fn set_up<Display, Plane, Crtc, Connector>(
//! #     drm: drm::UnregisteredDevice<Display::Driver>,
//! #     info: ModeConfigInfo,
//! #     formats: &[Fourcc],
//! # ) -> Result<ReadyKmsDevice<Display>>
//! # where
//! #     Display: Driver,
//! #     Plane: DriverPlane<Driver = Display>,
//! #     Crtc: DriverCrtc<Driver = Display>,
//! #     Connector: DriverConnector<Driver = Display>,
//! # {
//! let drm = UnregisteredKmsDevice::<Display>::new(drm, info)?;
//! drm.primary_plane::<Plane>(formats)?
//!     .crtc::<Crtc>()?
//!     .virtual_encoder()?
//!     .virtual_connector::<Connector>()?;
//! drm.finish()
//! # }
//! ```
//!
//! The result can be registered ([`registration::register`]).
//!
//! # Two kinds of methods
//!
//! A method that checks a state gets the device. It may be called at any time, even after the
//! device has been unplugged. A method that accesses hardware gets the registered device and its
//! registration data, inside a `drm_dev_enter()` section. After the device has been unplugged such
//! a method is not called, and the commit goes on without it. So commits succeed and events are
//! delivered, as the kernel's DRM uAPI document demands ("Device Hot-Unplug").

// Not a part of the documentation: most of it is generated from C.
#[doc(hidden)]
mod bindings;
pub(crate) mod client;
pub(crate) mod connector;
pub(crate) mod crtc;
mod encoder;
pub(crate) mod framebuffer;
pub(crate) mod mode;
mod mode_config;
pub(crate) mod plane;
pub(crate) mod registration;

pub(crate) use mode_config::{
    ModeConfigInfo, //
    ReadyKmsDevice,
    UnregisteredKmsDevice,
};

use super::gem::{
    MappedObject,
    Object, //
};
use framebuffer::Framebuffer;
use kernel::{
    drm::{
        self,
        Registered, //
    },
    prelude::*, //
};

/// The features of a `drm_driver` with atomic mode setting.
pub(super) const FEATURES: u32 = kernel::bindings::drm_driver_feature_DRIVER_MODESET
    | kernel::bindings::drm_driver_feature_DRIVER_ATOMIC;

/// The mode setting of a DRM driver.
pub(crate) trait Driver: Sized + 'static {
    /// The DRM driver.
    type Driver: drm::Driver<Object = Object<Self::Memory>>;

    /// The driver's data of its GEM objects.
    type Memory: MappedObject<Driver = Self::Driver>;

    /// Checks a framebuffer that a client creates, before it has an id.
    ///
    /// # Errors
    ///
    /// Any error, usually `EINVAL`, if the hardware can never show it. The client gets the error.
    fn check_framebuffer(
        dev: &drm::Device<Self::Driver>,
        framebuffer: &Framebuffer<'_, Self>,
    ) -> Result;
}

/// The DRM device of a driver.
type Device<K, Ctx = drm::Normal> = drm::Device<<K as Driver>::Driver, Ctx>;

/// The registration data of a driver.
type RegistrationData<'a, K> = <<K as Driver>::Driver as drm::Driver>::RegistrationData<'a>;

/// Calls `access` with the registration data of `dev`, unless the device is unplugged. Takes no
/// lock. In particular it does not enter an SRCU section, which is not allowed in NMI context.
///
/// # Safety
///
/// `dev` must be a valid device of `K::Driver` that has been registered. If it is unplugged
/// meanwhile, `drm_dev_unplug()` must not return before this function does.
unsafe fn with_registered_held<K: Driver, R>(
    dev: *mut bindings::drm_device,
    access: impl for<'a> FnOnce(&'a RegistrationData<'a, K>) -> R,
) -> Option<R> {
    // SAFETY: By the safety requirements `dev` is valid. `drm_dev_unplug()` may set the flag at the
    // same time, so this reads it exactly once.
    if unsafe { (&raw const (*dev).unplugged).read_volatile() } {
        return None;
    }
    // SAFETY: `drm::Device` is `repr(C)` and starts with its `drm_device`, and by the safety
    // requirements this is one of `K::Driver`. The registration data is there: it is set before the
    // device is registered, and dropped after `drm_dev_unplug()` has returned.
    let dev: &Device<K, Registered> = unsafe { &*dev.cast() };
    Some(dev.registration_data_with(access))
}

/// Calls `access` with `dev` and its registration data, inside a `drm_dev_enter()` section, unless
/// the device is unplugged.
///
/// # Safety
///
/// `dev` must be a valid device of `K::Driver` that has been registered.
unsafe fn with_registered<K: Driver, R>(
    dev: *mut bindings::drm_device,
    access: impl for<'a> FnOnce(&Device<K, Registered>, &'a RegistrationData<'a, K>) -> R,
) -> Option<R> {
    // SAFETY: By the safety requirements this is a valid device of `K::Driver`.
    let dev = unsafe { drm::Device::<K::Driver, drm::Ioctl>::from_raw(dev) };
    let guard = dev.registration_guard()?;
    let dev: &Device<K, Registered> = &guard;
    Some(dev.registration_data_with(|reg| access(dev, reg)))
}
