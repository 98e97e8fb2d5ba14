// SPDX-License-Identifier: GPL-2.0

//! The C structs behind devices of the kernel crate.
//!
//! - Upstream today: `drm::Device::as_raw()` and `pci::Device::as_raw()` are private.
//! - The shape it should have: those, public.
//! - Why this is sound on 7.3: `drm::Device` is `repr(C)` and starts with its `drm_device`;
//!   `pci::Device` is `repr(transparent)` over an `Opaque<pci_dev>`. A pointer is made, and nothing
//!   is done with it.
//! - Delete when they are public.

use kernel::{
    bindings,
    device,
    drm,
    pci, //
};

/// The `drm_device` of `dev`, which is valid for as long as there is a reference to `dev`.
pub(super) fn drm_device<D: drm::Driver, C: drm::DeviceContext>(
    dev: &drm::Device<D, C>,
) -> *mut bindings::drm_device {
    core::ptr::from_ref(dev).cast_mut().cast()
}

/// The `pci_dev` of `pdev`, which is valid for as long as there is a reference to `pdev`.
pub(super) fn pci_dev<C: device::DeviceContext>(pdev: &pci::Device<C>) -> *mut bindings::pci_dev {
    core::ptr::from_ref(pdev).cast_mut().cast()
}
