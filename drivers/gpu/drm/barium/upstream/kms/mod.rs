// SPDX-License-Identifier: GPL-2.0

//! Mode setting (KMS): planes, CRTCs, encoders, connectors and framebuffers of a DRM driver.
//!
//! - Upstream today: nothing. The kernel crate has no abstractions or bindings for these objects.
//! - The shape it should have: traits like [`Driver`], [`plane::DriverPlane`], [`crtc::DriverCrtc`]
//!   and [`connector::DriverConnector`], whose methods receive typed states; [`Driver`] as a part
//!   of `drm::Driver`; and a device type that can be registered only after its mode setting is
//!   complete.
//! - Why this is sound on 7.3: [`UnregisteredKmsDevice`] owns the device, so nothing else accesses
//!   it while its objects are created. Each step returns the type whose method is the next step: a
//!   plane creates a CRTC, the CRTC an encoder, the encoder a connector. The objects are managed
//!   (`drmm_*`): DRM frees them together with the `drm_device`. The vtables are constants. DRM
//!   calls the callbacks of a vtable only for objects created with that vtable, so these objects
//!   belong to the driver that is the type parameter of the vtable.
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
//! A method that checks a state receives the device. DRM may call it at any time, even after the
//! device has been unplugged. A method that accesses hardware receives the registered device and
//! its registration data, and runs inside a `drm_dev_enter()` section. After the device has been
//! unplugged, the callbacks skip these methods: commits still succeed and events are still
//! delivered, as `Documentation/gpu/drm-uapi.rst` ("Device Hot-Unplug") requires.

// Hidden from the documentation, because most of it is generated from C.
#[doc(hidden)]
mod bindings;
pub(crate) mod client;
pub(crate) mod connector;
pub(crate) mod crtc;
pub(crate) mod damage;
mod encoder;
pub(crate) mod framebuffer;
pub(crate) mod mode;
mod mode_config;
pub(crate) mod plane;
pub(crate) mod registration;
mod vblank_timer;

pub(crate) use mode_config::{
    ModeConfigInfo, //
    ReadyKmsDevice,
    UnregisteredKmsDevice,
};

use super::gem::{
    MappedObject,
    Object, //
};
use core::marker::PhantomData;
use framebuffer::Framebuffer;
use kernel::{
    drm::{
        self,
        Registered, //
    },
    prelude::*, //
};

/// The `driver_features` of a `drm_driver` with atomic mode setting.
pub(super) const FEATURES: u32 = kernel::bindings::drm_driver_feature_DRIVER_MODESET
    | kernel::bindings::drm_driver_feature_DRIVER_ATOMIC;

/// The mode setting of a DRM driver.
pub(crate) trait Driver: Sized + 'static {
    /// The DRM driver.
    type Driver: drm::Driver<Object = Object<Self::Memory>>;

    /// The driver's data in each GEM object.
    type Memory: MappedObject<Driver = Self::Driver>;

    /// Checks a framebuffer that a client creates, before the ioctl returns the framebuffer's id.
    ///
    /// # Errors
    ///
    /// Any error, usually `EINVAL`, if the hardware can never show the framebuffer. The ioctl
    /// returns this error.
    fn check_framebuffer(
        dev: &drm::Device<Self::Driver>,
        framebuffer: &Framebuffer<'_, Self>,
    ) -> Result;

    /// Returns true if the display shows a copy of `framebuffer` when it shows the framebuffer:
    /// then `DRM_IOCTL_MODE_DIRTYFB` commits the damaged parts. Takes no lock.
    fn is_copied(framebuffer: &Framebuffer<'_, Self>) -> bool;
}

/// The DRM device of a driver.
type Device<K, Ctx = drm::Normal> = drm::Device<<K as Driver>::Driver, Ctx>;

/// The registration data of a driver.
type RegistrationData<'a, K> = <<K as Driver>::Driver as drm::Driver>::RegistrationData<'a>;

/// Calls `access` with the registration data of `dev`, unless the device is unplugged. Takes no
/// lock, and does not enter an SRCU read-side section, which NMI context does not allow.
///
/// # Safety
///
/// `dev` must be a valid device of `K::Driver` that has been registered. A concurrent
/// `drm_dev_unplug()` must not return before this function does.
unsafe fn with_registered_held<K: Driver, R>(
    dev: *mut bindings::drm_device,
    access: impl for<'a> FnOnce(&'a RegistrationData<'a, K>) -> R,
) -> Option<R> {
    // SAFETY: By the safety requirements `dev` is valid. `drm_dev_unplug()` may set the flag
    // concurrently, so this reads it exactly once.
    if unsafe { (&raw const (*dev).unplugged).read_volatile() } {
        return None;
    }
    // SAFETY: `drm::Device` is `repr(C)` and starts with its `drm_device`, and by the safety
    // requirements `dev` is one of `K::Driver`. Its registration data is valid: `drm::Registration`
    // sets it before it registers the device, and drops it after `drm_dev_unplug()` has returned.
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
    // SAFETY: By the safety requirements `dev` is a valid device of `K::Driver` that has been
    // registered, as the `Ioctl` context requires.
    let dev = unsafe { drm::Device::<K::Driver, drm::Ioctl>::from_raw(dev) };
    let guard = dev.registration_guard()?;
    let dev: &Device<K, Registered> = &guard;
    Some(dev.registration_data_with(|reg| access(dev, reg)))
}

/// A device that has been registered, and may be unplugged.
///
/// # Invariants
///
/// `raw` is a device of `K::Driver` that is valid for `'a` and has been registered.
pub(crate) struct MaybeUnplugged<'a, K: Driver> {
    raw: *mut bindings::drm_device,
    _device: PhantomData<&'a Device<K>>,
}

impl<K: Driver> MaybeUnplugged<'_, K> {
    /// Creates a handle of `dev`.
    ///
    /// # Safety
    ///
    /// `dev` must be a device of `K::Driver` that is valid for the lifetime of the result and has
    /// been registered.
    unsafe fn from_raw(dev: *mut bindings::drm_device) -> Self {
        // INVARIANT: By the safety requirements, `dev` is such a device, valid for `'a`.
        Self {
            raw: dev,
            _device: PhantomData,
        }
    }

    /// Calls `access` with the device and its registration data, unless the device is unplugged.
    /// `drm_dev_unplug()` waits until `access` returns.
    pub(crate) fn with_registered<R>(
        &self,
        access: impl for<'a> FnOnce(&Device<K, Registered>, &'a RegistrationData<'a, K>) -> R,
    ) -> Option<R> {
        // SAFETY: By the type invariants, `raw` is a valid device that has been registered.
        unsafe { with_registered::<K, R>(self.raw, access) }
    }
}
