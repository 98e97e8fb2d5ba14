// SPDX-License-Identifier: GPL-2.0

//! Conversions from devices of the kernel crate to their C structs.
//!
//! - Upstream today: `drm::Device::as_raw()` and `pci::Device::as_raw()` are private.
//! - The shape it should have: the same methods, public.
//! - Why this is sound on 7.3: `drm::Device` is `repr(C)` and starts with its `drm_device`;
//!   `pci::Device` is `repr(transparent)` over an `Opaque<pci_dev>`. The functions convert pointers
//!   and do not dereference them.
//! - Delete when they are public.

use kernel::{
    bindings,
    device,
    drm,
    pci, //
};

/// Returns the `drm_device` of `dev`. It is valid as long as a reference to `dev` exists.
pub(super) fn drm_device<D: drm::Driver, C: drm::DeviceContext>(
    dev: &drm::Device<D, C>,
) -> *mut bindings::drm_device {
    core::ptr::from_ref(dev).cast_mut().cast()
}

/// Returns the `pci_dev` of `pdev`. It is valid as long as a reference to `pdev` exists.
pub(super) fn pci_dev<C: device::DeviceContext>(pdev: &pci::Device<C>) -> *mut bindings::pci_dev {
    core::ptr::from_ref(pdev).cast_mut().cast()
}
