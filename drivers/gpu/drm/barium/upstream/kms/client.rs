// SPDX-License-Identifier: GPL-2.0

//! In-kernel DRM clients (the fbdev console), and suspend, resume and shutdown of the display.
//!
//! - Upstream today: nothing.
//! - The shape it should have: registering a device sets up the clients, as here; suspend, resume
//!   and shutdown are methods of a registered device.
//! - Why this is sound on 7.3: a device that was registered from a [`ReadyKmsDevice`] has a
//!   complete mode configuration until it is freed. A [`RegisteredKmsDevice`] is such a device:
//!   only [`register`](super::registration::register) creates one.
//! - Delete when upstream has KMS abstractions.
//!
//! C headers: [`include/drm/drm_modeset_helper.h`](srctree/include/drm/drm_modeset_helper.h),
//! [`include/drm/clients/drm_client_setup.h`](srctree/include/drm/clients/drm_client_setup.h)

use super::{
    bindings,
    registration::RegisteredKmsDevice,
    Device,
    Driver,
    ReadyKmsDevice, //
};
use crate::upstream::raw;
use kernel::{
    drm::{
        self,
        Registered, //
    },
    error::to_result,
    prelude::*,
    sync::aref::ARef,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

// Defined in helpers.c.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_atomic_shutdown(dev: *mut bindings::drm_device) -> c_int;
    fn barium_atomic_commit_put(commit: *mut kernel::bindings::drm_atomic_commit);
}

/// Disables the display of a device when dropped. The device must not be resumed after that.
///
/// If the device has been unplugged, this does not access the hardware: it releases framebuffers
/// and sends pending events.
pub(in crate::upstream) struct Shutdown<K: Driver>(ARef<Device<K>>);

impl<K: Driver> Shutdown<K> {
    pub(in crate::upstream) fn new(ready: &ReadyKmsDevice<K>) -> Self {
        Self(ready.device().into())
    }
}

impl<K: Driver> Drop for Shutdown<K> {
    fn drop(&mut self) {
        // SAFETY: `Self::new()` got the `ReadyKmsDevice` of this device.
        unsafe { disable_all(&self.0) };
        // If the device was unplugged during suspend, `suspend_state` still holds the state that
        // resume would have restored.
        //
        // SAFETY: The device is valid, and its mode configuration is complete. Apart from this
        // destructor, only suspend and resume access `suspend_state`. They run under the lock of
        // the parent device, and so does unbinding, which drops `self`. A later suspend or resume
        // finds the device unplugged.
        let state = unsafe {
            let config = &raw mut (*raw::drm_device(&*self.0)).mode_config;
            core::ptr::replace(&raw mut (*config).suspend_state, core::ptr::null_mut())
        };
        if !state.is_null() {
            // SAFETY: `drm_mode_config_helper_suspend()` stored its reference in the field, which
            // was cleared above, so nothing else puts this reference.
            unsafe { barium_atomic_commit_put(state) };
        }
    }
}

/// Disables all CRTCs of a device, as `drm_atomic_helper_shutdown()` does.
///
/// The commit waits for the previous one, and a pending signal of the calling process interrupts
/// that wait. `drm_atomic_helper_shutdown()` then gives up, whereas this function tries again.
///
/// # Safety
///
/// `dev` must have a complete mode configuration: it must have been a [`ReadyKmsDevice`].
unsafe fn disable_all<D: drm::Driver>(dev: &drm::Device<D>) {
    /// The number of attempts, 1 ms apart: in total as long as DRM's own timeout for the previous
    /// commit, 10 s.
    const MAX_ATTEMPTS: u32 = 10_000;
    let mut result = Err(EINTR);
    for _ in 0..MAX_ATTEMPTS {
        // SAFETY: The device is valid. By the safety requirements, its mode configuration is
        // complete.
        result = to_result(unsafe { barium_atomic_shutdown(raw::drm_device(dev)) });
        match result {
            Err(EINTR | ERESTARTSYS) => fsleep(Delta::from_millis(1)),
            _ => break,
        }
    }
    if let Err(err) = result {
        dev_err!(dev.as_ref(), "can't disable the display: {err:?}\n");
    }
}

/// The `fbdev_probe` callback of a driver.
///
/// `drm_fbdev_ttm_driver_fbdev_probe()` works for any driver with dumb buffers and `vmap`, not only
/// for TTM drivers. The console draws to a shadow buffer in system memory, and a worker copies
/// damaged lines to VRAM. VRAM is never read.
pub(in crate::upstream) const FBDEV_PROBE: FbdevProbe = {
    #[cfg(all(CONFIG_DRM_FBDEV_EMULATION, CONFIG_DRM_TTM_HELPER))]
    let probe: FbdevProbe = Some(bindings::drm_fbdev_ttm_driver_fbdev_probe);
    #[cfg(not(all(CONFIG_DRM_FBDEV_EMULATION, CONFIG_DRM_TTM_HELPER)))]
    let probe: FbdevProbe = None;
    probe
};

type FbdevProbe = Option<
    unsafe extern "C" fn(
        *mut kernel::bindings::drm_fb_helper,
        *mut bindings::drm_fb_helper_surface_size,
    ) -> c_int,
>;

/// The option that the kernel lacks for a console on the display, if it lacks one.
const MISSING_FOR_CONSOLE: Option<&str> = if !cfg!(CONFIG_DRM_CLIENT_SETUP) {
    Some("DRM_CLIENT_SETUP")
} else if !cfg!(CONFIG_DRM_FBDEV_EMULATION) {
    Some("DRM_FBDEV_EMULATION")
} else if !cfg!(CONFIG_DRM_TTM_HELPER) {
    Some("DRM_TTM_HELPER")
} else if !cfg!(CONFIG_FRAMEBUFFER_CONSOLE) {
    Some("FRAMEBUFFER_CONSOLE")
} else {
    None
};

/// Sets up the in-kernel clients, which use the display while there is no DRM master. DRM's fbdev
/// client requires [`FBDEV_PROBE`]. Logs why the display has no console, if it has none.
pub(in crate::upstream) fn set_up<K: Driver>(dev: &Device<K>) {
    #[cfg(all(
        CONFIG_DRM_CLIENT_SETUP,
        any(CONFIG_DRM_TTM_HELPER, not(CONFIG_DRM_FBDEV_EMULATION))
    ))]
    // SAFETY: The device is registered, and its mode configuration is complete. A null `format` is
    // allowed: DRM then chooses the format.
    unsafe {
        bindings::drm_client_setup(raw::drm_device(dev), core::ptr::null())
    };
    if let Some(option) = MISSING_FOR_CONSOLE {
        dev_notice!(
            dev.as_ref(),
            "no console on this display, because this kernel has no CONFIG_{option}\n"
        );
    }
}

/// Disables the display and stores its state for [`resume`]. Does nothing if the device is
/// unplugged.
pub(crate) fn suspend<D: drm::Driver>(dev: &RegisteredKmsDevice<D>) -> Result {
    let suspend = |dev: &drm::Device<D, Registered>| {
        // SAFETY: The device is valid. `register()` has registered it, from a `ReadyKmsDevice`, so
        // its mode configuration is complete.
        to_result(unsafe { bindings::drm_mode_config_helper_suspend(raw::drm_device(dev)) })
    };
    dev.with_registered(suspend).unwrap_or(Ok(()))
}

/// Restores the state that [`suspend`] has stored. Does nothing if the device is unplugged.
pub(crate) fn resume<D: drm::Driver>(dev: &RegisteredKmsDevice<D>) -> Result {
    let resume = |dev: &drm::Device<D, Registered>| {
        // SAFETY: The device is valid. `register()` has registered it, from a `ReadyKmsDevice`, so
        // its mode configuration is complete.
        to_result(unsafe { bindings::drm_mode_config_helper_resume(raw::drm_device(dev)) })
    };
    dev.with_registered(resume).unwrap_or(Ok(()))
}

/// Disables the display. Clients can enable it again. Does nothing if the device is unplugged.
pub(crate) fn shutdown<D: drm::Driver>(dev: &RegisteredKmsDevice<D>) {
    // SAFETY: `register()` has registered the device, from a `ReadyKmsDevice`.
    dev.with_registered(|dev| unsafe { disable_all(dev) });
}
