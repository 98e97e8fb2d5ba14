// SPDX-License-Identifier: GPL-2.0

//! Mode setting (KMS): what a DRM driver needs to light a screen.
//!
//! - Upstream today: nothing. The kernel crate has no planes, CRTCs, encoders, connectors or
//!   framebuffers, and no bindings of them.
//! - The shape it should have: traits like the ones here ([`Driver`], [`plane::DriverPlane`],
//!   [`crtc::DriverCrtc`], [`connector::DriverConnector`]), whose methods get typed states; and a
//!   device that can only be registered when its mode setting is complete. [`Driver`] would be a
//!   part of `drm::Driver`.
//! - Why this is sound on 7.3: a device is set up while nobody else knows it ([`UnregisteredKmsDevice`]), and each
//!   step returns what the next one is a method of: a plane makes a CRTC, that an encoder, that a
//!   connector. What is made belongs to the `drm_device` (`drmm_*`) and lives as long. The C tables
//!   are constants. DRM calls the functions in them with objects of the device that they were made
//!   for; that these are of the type parameters of the table is what [`UnregisteredKmsDevice`] ensures.
//! - Delete when upstream has KMS abstractions.
//!
//! # Setting up
//!
//! ```ignore
//! let setup = UnregisteredKmsDevice::<Display>::new(drm, limits)?;
//! setup
//!     .primary_plane::<Plane>(formats)?
//!     .crtc::<Crtc>()?
//!     .virtual_encoder()?
//!     .virtual_connector::<Connector>()?;
//! registration::register(parent, setup.finish()?, reg_data)?;
//! ```
//!
//! # Two kinds of methods
//!
//! What checks a state gets the device, and may be called at any time, also when the hardware is
//! gone. What touches hardware gets the registered device and its registration data, inside
//! `drm_dev_enter()`; when the device is gone such a method is not called, and the commit goes on
//! without it. This is what the kernel's DRM uAPI document (Device Hot-Unplug) asks for: commits
//! succeed and events are delivered.

mod bindings;
pub(crate) mod client;
pub(crate) mod connector;
pub(crate) mod crtc;
mod encoder;
pub(crate) mod framebuffer;
pub(crate) mod mode;
mod mode_config;
pub(crate) mod plane;

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

/// What a `drm_driver` that sets modes has besides `MODESET` and `ATOMIC`.
pub(super) const FEATURES: u32 = kernel::bindings::drm_driver_feature_DRIVER_MODESET
    | kernel::bindings::drm_driver_feature_DRIVER_ATOMIC;

/// Mode setting of a driver.
pub(crate) trait Driver: Sized + 'static {
    /// The DRM driver.
    type Driver: drm::Driver<Object = Object<Self::Memory>>;

    /// The data of its GEM objects.
    type Memory: MappedObject<Driver = Self::Driver>;

    /// Whether a framebuffer with this memory can ever be shown. It is called when a client makes
    /// one, before the client gets to know it.
    fn check_framebuffer(
        dev: &drm::Device<Self::Driver>,
        framebuffer: &Framebuffer<'_, Self>,
    ) -> Result;
}

/// The device of a driver.
type Device<K, Ctx = drm::Normal> = drm::Device<<K as Driver>::Driver, Ctx>;

/// What a driver has while it is bound.
type RegistrationData<'a, K> = <<K as Driver>::Driver as drm::Driver>::RegistrationData<'a>;

/// Calls `touch` with the hardware, unless that is gone. Takes no lock, not even SRCU's, which must
/// not be taken in an NMI.
///
/// # Safety
///
/// `dev` must be a valid device of `K::Driver` that has been registered. If it is unplugged while
/// this runs, `drm_dev_unplug()` must not return before this does.
unsafe fn with_registered_held<K: Driver, R>(
    dev: *mut bindings::drm_device,
    touch: impl for<'a> FnOnce(&'a RegistrationData<'a, K>) -> R,
) -> Option<R> {
    // SAFETY: By the safety requirements `dev` is valid. `drm_dev_unplug()` may set the flag at the
    // same time, so it is read by itself and once.
    if unsafe { (&raw const (*dev).unplugged).read_volatile() } {
        return None;
    }
    // SAFETY: `drm::Device` is `repr(C)` and starts with its `drm_device`, and by the safety
    // requirements this is one of `K::Driver`. The registration data is there: it is set before the
    // device is registered, and dropped after `drm_dev_unplug()` has returned.
    let dev: &Device<K, Registered> = unsafe { &*dev.cast() };
    Some(dev.registration_data_with(touch))
}

/// Calls `touch` with the hardware, unless that is gone.
///
/// # Safety
///
/// `dev` must be a valid device of `K::Driver` that has been registered.
unsafe fn with_registered<K: Driver, R>(
    dev: *mut bindings::drm_device,
    touch: impl for<'a> FnOnce(&Device<K, Registered>, &'a RegistrationData<'a, K>) -> R,
) -> Option<R> {
    // SAFETY: As the caller says.
    let dev = unsafe { drm::Device::<K::Driver, drm::Ioctl>::from_raw(dev) };
    let guard = dev.registration_guard()?;
    let dev: &Device<K, Registered> = &guard;
    Some(dev.registration_data_with(|reg| touch(dev, reg)))
}
