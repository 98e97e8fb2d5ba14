// SPDX-License-Identifier: GPL-2.0

//! Sets up the mode setting of a device before the device is registered.
//!
//! - Upstream today: nothing. `drm::UnregisteredDevice` can be registered at once.
//! - The shape it should have: [`UnregisteredKmsDevice`], which takes the unregistered device and
//!   returns it as a [`ReadyKmsDevice`] when all mode objects have been created.
//! - Why this is sound on 7.3: [`UnregisteredKmsDevice`] owns the device, which is unregistered, so
//!   nothing else accesses its mode configuration. [`UnregisteredKmsDevice::new`] calls
//!   `drmm_mode_config_init()` before any mode object exists: only the methods of
//!   [`UnregisteredKmsDevice`], and of the types that they return, create mode objects.
//!   [`UnregisteredKmsDevice::finish`] calls `drm_mode_config_reset()` after the last mode object
//!   has been created: it consumes the device that those types borrow.
//! - Delete when upstream has KMS abstractions.
//!
//! C header: [`include/drm/drm_mode_config.h`](srctree/include/drm/drm_mode_config.h)

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

/// The limits of framebuffers.
#[derive(Clone, Copy)]
pub(crate) struct ModeConfigInfo {
    /// The largest width in pixels.
    pub(crate) max_width: u16,
    /// The largest height in lines.
    pub(crate) max_height: u16,
    /// Clients should draw into memory of their own and copy the result, because it is slow to read
    /// dumb buffers, as it is from write-combined VRAM (`DRM_CAP_DUMB_PREFER_SHADOW`).
    pub(crate) prefer_shadow: bool,
}

/// An unregistered device whose mode objects are being created.
pub(crate) struct UnregisteredKmsDevice<K: Driver> {
    drm: drm::UnregisteredDevice<K::Driver>,
}

/// An unregistered device whose mode objects have all been created.
pub(crate) struct ReadyKmsDevice<K: Driver> {
    drm: drm::UnregisteredDevice<K::Driver>,
}

impl<K: Driver> ReadyKmsDevice<K> {
    /// Returns the device, which is not registered yet.
    pub(crate) fn device(&self) -> &drm::Device<K::Driver> {
        &self.drm
    }

    pub(in crate::upstream) fn into_device(self) -> drm::UnregisteredDevice<K::Driver> {
        self.drm
    }
}

/// The vtable of devices of `K`.
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
    /// Starts to set up mode setting for `drm`, which
    /// [`drm_driver::alloc`](crate::upstream::drm_driver::alloc) has allocated.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the `drm_driver` lacks the features of atomic mode setting; `ENOMEM`.
    pub(crate) fn new(
        drm: drm::UnregisteredDevice<K::Driver>,
        limits: ModeConfigInfo,
    ) -> Result<Self> {
        let raw = raw::drm_device::<K::Driver, _>(&drm);
        // SAFETY: The device is valid, and its `drm_driver` is static.
        if unsafe { (*(*raw).driver).driver_features } & super::FEATURES != super::FEATURES {
            return Err(EINVAL);
        }
        // SAFETY: The device is valid and not registered.
        to_result(unsafe { bindings::drmm_mode_config_init(raw) })?;
        // SAFETY: The device is valid. It is not registered, so nothing else accesses the mode
        // configuration.
        let config = unsafe { &mut (*raw).mode_config };
        config.max_width = limits.max_width.into();
        config.max_height = limits.max_height.into();
        config.preferred_depth = 24;
        config.prefer_shadow = limits.prefer_shadow.into();
        config.quirk_addfb_prefer_host_byte_order = true;
        config.funcs = const { &Vtable::<K>::FUNCS };
        Ok(Self { drm })
    }

    pub(super) fn raw(&self) -> *mut bindings::drm_device {
        raw::drm_device::<K::Driver, _>(&self.drm)
    }

    /// Completes the mode setting. No mode object can be created after this.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no CRTC; `ENOMEM`.
    pub(crate) fn finish(self) -> Result<ReadyKmsDevice<K>> {
        let raw = self.raw();
        // SAFETY: The device is valid. It is not registered, so nothing else accesses it.
        let crtcs = u32::try_from(unsafe { (*raw).mode_config.num_crtc })?;
        if crtcs == 0 {
            return Err(EINVAL);
        }
        // SAFETY: The device is valid, has `crtcs` CRTCs, and is not registered.
        to_result(unsafe { bindings::drm_vblank_init(raw, crtcs) })?;
        // SAFETY: The device is valid and not registered. All of its mode objects are initialised.
        unsafe { bindings::drm_mode_config_reset(raw) };
        if !self.have_states() {
            return Err(ENOMEM);
        }
        Ok(ReadyKmsDevice { drm: self.drm })
    }

    /// Returns true if all mode objects have a state. `drm_mode_config_reset()` does not report a
    /// failed allocation of a state, and DRM later dereferences the states without a check.
    fn have_states(&self) -> bool {
        const PLANE: usize = offset_of!(bindings::drm_plane, head);
        const CRTC: usize = offset_of!(bindings::drm_crtc, head);
        const CONNECTOR: usize = offset_of!(bindings::drm_connector, head);
        // SAFETY: The device is valid, so `mode_config` is in bounds of its allocation.
        let config = unsafe { &raw mut (*self.raw()).mode_config };
        // SAFETY: These are the lists of the device's mode objects, linked by `head`. The device is
        // not registered, so nothing else accesses the lists or the objects.
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

/// The `atomic_check` callback of a device.
///
/// # Safety
///
/// Must be called by DRM only.
unsafe extern "C" fn atomic_check_callback(
    dev: *mut bindings::drm_device,
    state: *mut kernel::bindings::drm_atomic_commit,
) -> c_int {
    // SAFETY: DRM passes a valid device, and a commit that it owns, as the helper requires.
    unsafe { bindings::drm_atomic_helper_check(dev, state.cast()) }
}

/// The `atomic_commit` callback of a device.
///
/// # Safety
///
/// Must be called by DRM only.
unsafe extern "C" fn atomic_commit_callback(
    dev: *mut bindings::drm_device,
    state: *mut kernel::bindings::drm_atomic_commit,
    nonblock: bool,
) -> c_int {
    // SAFETY: DRM passes a valid device, and a commit that has been checked, as the helper
    // requires.
    unsafe { bindings::drm_atomic_helper_commit(dev, state.cast(), nonblock) }
}
