// SPDX-License-Identifier: GPL-2.0

//! Who shows something without being asked by userspace: the kernel's own clients (the console),
//! and whoever has to take the screen away and give it back.
//!
//! - Upstream today: nothing.
//! - The shape it should have: the clients are a part of registering a device, as here; suspend and
//!   resume are methods of a registered device.
//! - Why this is sound on 7.3: a device that is registered through [`ReadyKmsDevice`] has its
//!   mode configuration complete, for as long as it lives. [`WasRegistered`] is the proof that it
//!   was: only [`register`](crate::upstream::registration::register) makes one.
//! - Delete when upstream has KMS abstractions.

use super::{
    bindings,
    Device,
    Driver,
    ReadyKmsDevice, //
};
use crate::upstream::{
    raw,
    registration::WasRegistered, //
};
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

/// A device that shows nothing once this is dropped, and is not resumed after that.
///
/// When the device is unplugged by then, the hardware is not touched: framebuffers are released, and
/// pending events are sent.
pub(in crate::upstream) struct Shutdown<K: Driver>(ARef<Device<K>>);

impl<K: Driver> Shutdown<K> {
    pub(in crate::upstream) fn new(ready: &ReadyKmsDevice<K>) -> Self {
        Self(ready.device().into())
    }
}

impl<K: Driver> Drop for Shutdown<K> {
    fn drop(&mut self) {
        // SAFETY: `Self::new()` got the `ReadyKmsDevice` of this device.
        unsafe { switch_off(&self.0) };
        // A device that is unplugged while it is suspended is not resumed any more.
        //
        // SAFETY: The device is valid, and its mode configuration complete. Only suspend and resume
        // access `suspend_state` besides. They run for bound devices, under the lock of the parent
        // device, which is unbound under it: they have run, or will find the device unplugged.
        let state = unsafe {
            let config = &raw mut (*raw::drm_device(&*self.0)).mode_config;
            core::ptr::replace(&raw mut (*config).suspend_state, core::ptr::null_mut())
        };
        if !state.is_null() {
            // SAFETY: `drm_mode_config_helper_suspend()` has left its reference to the state there.
            // Nothing else can find it any more.
            unsafe { barium_atomic_commit_put(state) };
        }
    }
}

/// Switches all CRTCs of a device off, as `drm_atomic_helper_shutdown()` does, but completely: a
/// commit waits for the previous one, and a pending signal of the calling process interrupts that
/// wait.
///
/// # Safety
///
/// The device must be one that a [`ReadyKmsDevice`] was made for.
unsafe fn switch_off<D: drm::Driver>(dev: &drm::Device<D>) {
    /// How long to try, in ms. What the commit waits for is a vblank, and is given up after as long.
    const PATIENCE: u32 = 10_000;
    let mut result = Err(EINTR);
    for _ in 0..PATIENCE {
        // SAFETY: The device is valid. By the safety requirements, its mode configuration is
        // complete.
        result = to_result(unsafe { barium_atomic_shutdown(raw::drm_device(dev)) });
        match result {
            Err(EINTR | ERESTARTSYS) => fsleep(Delta::from_millis(1)),
            _ => break,
        }
    }
    if let Err(err) = result {
        dev_err!(dev.as_ref(), "can't switch the screen off: {err:?}\n");
    }
}

/// The `fbdev_probe` entry of a driver: how the console gets a picture.
///
/// It is the function for drivers that have dumb buffers and `vmap`, in whatever memory. What the
/// console draws is collected in system memory, and the changed part goes to VRAM, at most 20 times
/// a second; nothing is ever read from VRAM. Named after TTM, it is not about TTM.
pub(in crate::upstream) const FBDEV_PROBE: FbdevProbe = {
    #[cfg(CONFIG_DRM_TTM_HELPER)]
    let probe: FbdevProbe = Some(bindings::drm_fbdev_ttm_driver_fbdev_probe);
    #[cfg(not(CONFIG_DRM_TTM_HELPER))]
    let probe: FbdevProbe = None;
    probe
};

type FbdevProbe = Option<
    unsafe extern "C" fn(
        *mut kernel::bindings::drm_fb_helper,
        *mut bindings::drm_fb_helper_surface_size,
    ) -> c_int,
>;

/// Lets the kernel's clients have the screen of `dev` for as long as nobody else wants it.
pub(in crate::upstream) fn set_up<K: Driver>(dev: &Device<K>) {
    #[cfg(all(CONFIG_DRM_CLIENT_SETUP, CONFIG_DRM_TTM_HELPER))]
    // SAFETY: The device is registered, and its mode configuration complete; null leaves the
    // choice of the format to DRM.
    unsafe {
        bindings::drm_client_setup(raw::drm_device(dev), core::ptr::null())
    };
}

/// Switches the screen off and keeps in mind what it shows. Does nothing if the device is unplugged.
pub(crate) fn suspend<D: drm::Driver>(dev: &WasRegistered<D>) -> Result {
    let suspend = |dev: &drm::Device<D, Registered>| {
        // SAFETY: The device is valid. It was registered by `register()`, from a `ReadyKmsDevice`, so its mode
        // configuration is complete.
        to_result(unsafe { bindings::drm_mode_config_helper_suspend(raw::drm_device(dev)) })
    };
    dev.if_plugged(suspend).unwrap_or(Ok(()))
}

/// Shows again what was shown before [`suspend`]. Does nothing if the device is unplugged.
pub(crate) fn resume<D: drm::Driver>(dev: &WasRegistered<D>) -> Result {
    let resume = |dev: &drm::Device<D, Registered>| {
        // SAFETY: The device is valid. It was registered by `register()`, from a `ReadyKmsDevice`, so its mode
        // configuration is complete.
        to_result(unsafe { bindings::drm_mode_config_helper_resume(raw::drm_device(dev)) })
    };
    dev.if_plugged(resume).unwrap_or(Ok(()))
}

/// Switches the screen off. Clients can switch it on again. Does nothing if the device is unplugged.
pub(crate) fn shutdown<D: drm::Driver>(dev: &WasRegistered<D>) {
    // SAFETY: The device was registered by `register()`, from a `ReadyKmsDevice`.
    dev.if_plugged(|dev| unsafe { switch_off(dev) });
}
