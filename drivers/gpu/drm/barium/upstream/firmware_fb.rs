// SPDX-License-Identifier: GPL-2.0

//! Taking a display over from the driver of the framebuffer that the firmware has set up.
//!
//! - Upstream today: there is no binding of `include/linux/aperture.h`.
//! - The shape it should have: this function, as a method of `pci::Device<Core>`.
//! - Why this is sound on 7.3: the C function wants a PCI device that is being probed, which
//!   `Core` says. What it removes is a device of its own, whose driver it unbinds as sysfs would.
//! - Delete when there is such a binding.

use kernel::{
    bindings,
    device::Core,
    error::to_result,
    pci,
    prelude::*,
    str::CStr, //
};

// Defined in helpers.c.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_remove_firmware_fb(pdev: *mut bindings::pci_dev, name: *const c_char) -> c_int;
}

/// Unbinds simpledrm, efifb and the like from `pdev`, so that nothing but the caller claims its
/// memory, and keeps them from coming later. `name` is the caller's.
///
/// The screen keeps what it shows, and nobody draws on it until the caller does.
pub(crate) fn remove(pdev: &pci::Device<Core<'_>>, name: &'static CStr) -> Result {
    let raw = super::raw::pci_dev(pdev);
    // SAFETY: A PCI device that is being probed, and a string that stays.
    to_result(unsafe { barium_remove_firmware_fb(raw, name.as_char_ptr()) })
}
