// SPDX-License-Identifier: GPL-2.0

//! Takes a PCI display over from the driver of the firmware's framebuffer, unless the user wants
//! that driver to keep it.
//!
//! - Upstream today: the kernel crate has no abstraction of apertures.
//! - The shape it should have: this function, as a method of `pci::Device<Core>`.
//! - Why this is sound on 7.3: the C function requires a PCI device that is being probed, which the
//!   type `Core` proves. It unregisters the platform device of the framebuffer, which unbinds the
//!   driver of that device.
//! - Delete when upstream has an abstraction of apertures.
//!
//! C header: [`include/linux/aperture.h`](srctree/include/linux/aperture.h)

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

/// Returns true if the kernel's command line has `nomodeset`: then only drivers of the firmware's
/// framebuffer may drive a display.
pub(crate) fn has_nomodeset() -> bool {
    // SAFETY: `video_firmware_drivers_only()` has no preconditions.
    unsafe { bindings::video_firmware_drivers_only() }
}

/// Unbinds simpledrm, efifb and similar drivers from the framebuffer in `pdev`, so that the caller
/// can claim its memory, and keeps them from binding later. `name` is the name of the calling
/// driver.
///
/// The screen keeps its content.
///
/// # Errors
///
/// Those of `aperture_remove_conflicting_pci_devices()`.
pub(crate) fn remove(pdev: &pci::Device<Core<'_>>, name: &'static CStr) -> Result {
    let raw = super::raw::pci_dev(pdev);
    // SAFETY: `raw` is a valid PCI device that is being probed, and `name` is static.
    to_result(unsafe { barium_remove_firmware_fb(raw, name.as_char_ptr()) })
}
