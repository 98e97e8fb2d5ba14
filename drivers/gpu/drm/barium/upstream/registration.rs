// SPDX-License-Identifier: GPL-2.0

//! Registering a DRM device for as long as its driver is bound.
//!
//! - Upstream today: `drm::Registration::new()` is unsafe, because what it returns must not be
//!   forgotten: the device would stay registered after its parent is unbound.
//! - The shape it should have: what [`register`] is. It returns nothing that could be forgotten.
//! - Why this is sound on 7.3: the registration goes straight to devres, which drops it when the
//!   parent is unbound, before anything borrowed for that time goes out of date.
//! - What it makes up for: a `drm_dev_register()` that fails late leaves the device marked as
//!   registered, and the kernel warns when it frees the display's objects of such a device.
//! - Delete when upstream's function is safe.

use super::{
    kms::{
        self,
        client::Shutdown,
        Ready, //
    },
    raw, //
};
use kernel::{
    device::Bound,
    devres,
    drm,
    prelude::*,
    sync::aref::ARef, //
};

/// What there is while a device is registered. The order is that of the end: the device is unplugged,
/// which lets go of the registration data; then, without hardware, what it shows.
struct Registered<K: kms::Driver> {
    _registration: drm::Registration<'static, K::Driver>,
    _shutdown: Shutdown<K>,
}

/// A device that has been registered, and may be unplugged since.
pub(crate) struct WasRegistered<D: drm::Driver>(ARef<drm::Device<D>>);

impl<D: drm::Driver> WasRegistered<D> {
    /// Calls `with` with the registered device, unless it is unplugged: that waits until `with`
    /// returns.
    pub(crate) fn if_plugged<R>(
        &self,
        with: impl FnOnce(&drm::Device<D, drm::Registered>) -> R,
    ) -> Option<R> {
        // SAFETY: The device is valid, and has been registered.
        let dev = unsafe { drm::Device::<D, drm::Ioctl>::from_raw(raw::drm_device(&*self.0)) };
        let guard = dev.registration_guard()?;
        Some(with(&guard))
    }
}

/// Registers `ready` with userspace, until `dev`, its parent, is unbound, and lets the kernel's own
/// clients have its screen.
///
/// At unbind the device is unplugged, which ends all guarded sections and removes all page table
/// entries of its mappings, and then `reg_data` is dropped.
///
/// Errors: `EINVAL` if `dev` is not the parent; `ENOMEM`; what `drm_dev_register()` says.
pub(crate) fn register<'bound, K: kms::Driver>(
    dev: &'bound kernel::device::Device<Bound>,
    ready: Ready<K>,
    reg_data: <K::Driver as drm::Driver>::RegistrationData<'bound>,
) -> Result<WasRegistered<K::Driver>> {
    let shutdown = Shutdown::new(&ready);
    let device = ready.into_device();
    let drm: ARef<drm::Device<K::Driver>> = (&*device).into();
    // SAFETY: The registration is not forgotten: `devres::register()` drops it at unbind, or at
    // once if it fails.
    let registration = unsafe { drm::Registration::<K::Driver>::new(dev, device, reg_data, 0) }
        .inspect_err(|_| unmark(&drm))?;
    // SAFETY: The types differ in a lifetime only. Devres keeps the registration to itself until
    // it drops it at unbind, which is within `'bound`.
    let registration = unsafe {
        core::mem::transmute::<
            drm::Registration<'bound, K::Driver>,
            drm::Registration<'static, K::Driver>,
        >(registration)
    };
    let registered = Registered {
        _registration: registration,
        _shutdown: shutdown,
    };
    devres::register(dev, registered, GFP_KERNEL)?;
    kms::client::set_up::<K>(&drm);
    Ok(WasRegistered(drm))
}

/// Undoes the mark of `drm_dev_register()`, which has failed, on `drm`.
fn unmark<D: drm::Driver>(drm: &drm::Device<D>) {
    // SAFETY: The device is valid. Its nodes are gone, and nobody else writes the mark: that is for
    // who registers it.
    unsafe { (*raw::drm_device(drm)).registered = false };
}
