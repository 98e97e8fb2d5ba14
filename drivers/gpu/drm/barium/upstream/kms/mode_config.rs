// SPDX-License-Identifier: GPL-2.0

//! Setting mode setting up: the way from a device that nobody knows to one that is ready to be
//! registered.
//!
//! - Upstream today: nothing; `drm::UnregisteredDevice` can be registered at once.
//! - The shape it should have: [`UnregisteredKmsDevice`], which takes the unregistered device and gives it back as
//!   [`ReadyKmsDevice`] when all its objects are there.
//! - Why this is sound on 7.3: the device that [`UnregisteredKmsDevice`] owns is unregistered, so nobody else reads
//!   or writes its mode configuration. `drmm_mode_config_init()` is called before any object can be
//!   made, as only a [`UnregisteredKmsDevice`] makes them, and `drm_mode_config_reset()` after the last one, as it
//!   consumes the [`UnregisteredKmsDevice`] that they borrow.
//! - Delete when upstream has KMS abstractions.

use super::{
    bindings,
    framebuffer,
    Driver, //
};
use crate::upstream::raw;
use core::{
    marker::PhantomData,
    mem::offset_of, //
};
use kernel::{
    drm,
    error::to_result,
    interop::list::CList,
    prelude::*, //
};

/// The sizes of framebuffers that a device can do something with, in pixels and lines.
#[derive(Clone, Copy)]
pub(crate) struct ModeConfigInfo {
    pub(crate) max_width: u16,
    pub(crate) max_height: u16,
}

/// A device whose mode setting is being set up.
pub(crate) struct UnregisteredKmsDevice<K: Driver> {
    drm: drm::UnregisteredDevice<K::Driver>,
}

/// A device that is ready to be registered.
pub(crate) struct ReadyKmsDevice<K: Driver> {
    drm: drm::UnregisteredDevice<K::Driver>,
}

impl<K: Driver> ReadyKmsDevice<K> {
    pub(super) fn device(&self) -> &drm::Device<K::Driver> {
        &self.drm
    }

    pub(in crate::upstream) fn into_device(self) -> drm::UnregisteredDevice<K::Driver> {
        self.drm
    }
}

struct Vtable<K>(PhantomData<K>);

impl<K: Driver> Vtable<K> {
    const FUNCS: bindings::drm_mode_config_funcs = bindings::drm_mode_config_funcs {
        fb_create: Some(framebuffer::create_callback::<K>),
        atomic_check: Some(atomic_check_callback),
        atomic_commit: Some(atomic_commit_callback),
        ..pin_init::zeroed()
    };
}

impl<K: Driver> UnregisteredKmsDevice<K> {
    /// Starts. [`super::super::drm_driver::extend`] must have been called for the device.
    ///
    /// Errors: `EINVAL` if the driver is not one that sets modes; `ENOMEM`.
    pub(crate) fn new(
        drm: drm::UnregisteredDevice<K::Driver>,
        limits: ModeConfigInfo,
    ) -> Result<Self> {
        let raw = raw::drm_device::<K::Driver, _>(&drm);
        // SAFETY: The device is valid, and its driver a table that lives as long as the module.
        if unsafe { (*(*raw).driver).driver_features } & super::FEATURES != super::FEATURES {
            return Err(EINVAL);
        }
        // SAFETY: The device is valid and not registered.
        to_result(unsafe { bindings::drmm_mode_config_init(raw) })?;
        // SAFETY: As above, and nobody else knows it.
        let config = unsafe { &mut (*raw).mode_config };
        config.max_width = limits.max_width.into();
        config.max_height = limits.max_height.into();
        config.preferred_depth = 24;
        config.quirk_addfb_prefer_host_byte_order = true;
        config.funcs = const { &Vtable::<K>::FUNCS };
        Ok(Self { drm })
    }

    pub(super) fn raw(&self) -> *mut bindings::drm_device {
        raw::drm_device::<K::Driver, _>(&self.drm)
    }

    /// Ends: the objects that were made are the ones there are.
    ///
    /// Errors: `EINVAL` if there is no CRTC; `ENOMEM`.
    pub(crate) fn finish(self) -> Result<ReadyKmsDevice<K>> {
        let raw = self.raw();
        // SAFETY: The device is valid, and only we know it.
        let crtcs = u32::try_from(unsafe { (*raw).mode_config.num_crtc })?;
        if crtcs == 0 {
            return Err(EINVAL);
        }
        // SAFETY: The device is valid, not registered, and has that many CRTCs.
        to_result(unsafe { bindings::drm_vblank_init(raw, crtcs) })?;
        // SAFETY: As above; all of its objects are initialised.
        unsafe { bindings::drm_mode_config_reset(raw) };
        if !self.have_states() {
            return Err(ENOMEM);
        }
        Ok(ReadyKmsDevice { drm: self.drm })
    }

    /// Whether all objects have the state that they start in. What resets them does not tell that
    /// it had no memory for one, and everything later takes for granted that it is there.
    fn have_states(&self) -> bool {
        const PLANE: usize = offset_of!(bindings::drm_plane, head);
        const CRTC: usize = offset_of!(bindings::drm_crtc, head);
        const CONNECTOR: usize = offset_of!(bindings::drm_connector, head);
        // SAFETY: The device is valid.
        let config = unsafe { &raw mut (*self.raw()).mode_config };
        // SAFETY: These are the lists of the device's objects, by their `head`. The device is not
        // registered, so nobody else looks at them, and they stay as they are.
        let (planes, crtcs, connectors) = unsafe {
            (
                CList::<bindings::drm_plane, PLANE>::from_raw(&raw mut (*config).plane_list),
                CList::<bindings::drm_crtc, CRTC>::from_raw(&raw mut (*config).crtc_list),
                CList::<bindings::drm_connector, CONNECTOR>::from_raw(
                    &raw mut (*config).connector_list,
                ),
            )
        };
        planes.iter().all(|plane| !plane.state.is_null())
            && crtcs.iter().all(|crtc| !crtc.state.is_null())
            && connectors
                .iter()
                .all(|connector| !connector.state.is_null())
    }
}

/// The `atomic_check` entry.
///
/// # Safety
///
/// To be called by DRM only.
unsafe extern "C" fn atomic_check_callback(
    dev: *mut bindings::drm_device,
    state: *mut kernel::bindings::drm_atomic_commit,
) -> c_int {
    // SAFETY: These are this callback's arguments.
    unsafe { bindings::drm_atomic_helper_check(dev, state.cast()) }
}

/// The `atomic_commit` entry.
///
/// # Safety
///
/// To be called by DRM only.
unsafe extern "C" fn atomic_commit_callback(
    dev: *mut bindings::drm_device,
    state: *mut kernel::bindings::drm_atomic_commit,
    nonblock: bool,
) -> c_int {
    // SAFETY: These are this callback's arguments.
    unsafe { bindings::drm_atomic_helper_commit(dev, state.cast(), nonblock) }
}
