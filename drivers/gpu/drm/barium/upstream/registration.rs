// SPDX-License-Identifier: GPL-2.0

//! Registering a DRM device for as long as its driver is bound.
//!
//! - Upstream today: `drm::Registration::new()` is unsafe, because what it returns must not be
//!   forgotten: the device would stay registered after its parent is unbound.
//! - The shape it should have: what [`register`] is. It returns nothing that could be forgotten.
//! - Why this is sound on 7.3: the registration goes straight to devres, which drops it when the
//!   parent is unbound, before anything borrowed for that time goes out of date.
//! - Delete when upstream's function is safe.

use kernel::{
    device::Bound,
    devres,
    drm,
    prelude::*, //
};

/// Registers `drm` with userspace, until `dev`, its parent, is unbound.
///
/// At unbind the device is unplugged, which ends all guarded sections and removes all page table
/// entries of its mappings, and then `reg_data` is dropped.
///
/// Errors: `EINVAL` if `dev` is not the parent; `ENOMEM`; what `drm_dev_register()` says.
pub(crate) fn register<'bound, T>(
    dev: &'bound kernel::device::Device<Bound>,
    drm: drm::UnregisteredDevice<T>,
    reg_data: T::RegistrationData<'bound>,
) -> Result
where
    T: drm::Driver + 'static,
{
    // SAFETY: The registration is not forgotten: `devres::register()` drops it at unbind, or at
    // once if it fails.
    let registration = unsafe { drm::Registration::<T>::new(dev, drm, reg_data, 0) }?;
    // SAFETY: The types differ in a lifetime only. Devres keeps the registration to itself until
    // it drops it at unbind, which is within `'bound`.
    let registration = unsafe {
        core::mem::transmute::<drm::Registration<'bound, T>, drm::Registration<'static, T>>(
            registration,
        )
    };
    devres::register(dev, registration, GFP_KERNEL)
}
