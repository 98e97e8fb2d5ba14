// SPDX-License-Identifier: GPL-2.0

//! PCI ids of vendors that upstream's list lacks, and an iteration over devices of other drivers.
//!
//! - Upstream today: the constructors of [`pci::DeviceId`] require a [`pci::Vendor`], whose
//!   constructor is private and whose list has no 0x1234. A driver sees only the devices that it is
//!   probed for.
//! - The shape it should have: QEMU's 0x1234 in the list of vendors, or `Vendor::from_raw` const
//!   and public; an iterator over `pci_get_device()`.
//! - Why this is sound on 7.3: [`pci::DeviceId`] is `repr(transparent)` over the C struct. The
//!   iteration passes each reference that it gets to the next call of `pci_get_device()`, which
//!   puts it. It reads the driver of a device, and that driver's name, under the device lock.
//! - Delete when upstream has the vendor and the iterator.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use kernel::{
    bindings,
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
    fn barium_device_lock(dev: *mut bindings::device);
    fn barium_device_unlock(dev: *mut bindings::device);
}

/// Returns a PCI id that matches any subsystem vendor and device.
pub(crate) const fn device_id(vendor: u16, device: u16) -> pci::DeviceId {
    let id = bindings::pci_device_id {
        vendor: vendor as u32,
        device: device as u32,
        subvendor: bindings::PCI_ANY_ID as u32,
        subdevice: bindings::PCI_ANY_ID as u32,
        class: 0,
        class_mask: 0,
        driver_data: 0,
        override_only: 0,
    };
    // SAFETY: `DeviceId` is `repr(transparent)` over `pci_device_id` and has no invariants.
    unsafe { core::mem::transmute::<bindings::pci_device_id, pci::DeviceId>(id) }
}

/// Calls `report` for each device `vendor:device` that is bound to a driver other than `own`, with
/// the names of the device and of that driver.
///
/// The device is locked while `report` runs, so `report` must not bind or unbind it. May sleep.
pub(crate) fn for_each_held_by_other(
    vendor: u16,
    device: u16,
    own: &CStr,
    mut report: impl FnMut(&CStr, &CStr),
) {
    let mut pdev: *mut bindings::pci_dev = core::ptr::null_mut();
    loop {
        // SAFETY: `pdev` is null or a device whose reference this loop owns. The call puts it.
        pdev = unsafe { bindings::pci_get_device(vendor.into(), device.into(), pdev) };
        if pdev.is_null() {
            return;
        }
        // SAFETY: `pci_get_device()` returned a valid device with a reference.
        let dev = unsafe { &raw mut (*pdev).dev };
        // SAFETY: The reference keeps `dev` valid until the next call of `pci_get_device()`.
        unsafe { barium_device_lock(dev) };
        // SAFETY: `dev` is valid. Its driver does not change while the device is locked.
        let driver = unsafe { (*dev).driver };
        if !driver.is_null() {
            // SAFETY: Unregistering a driver unbinds its devices under their locks. So this driver
            // and its name are valid while the device is locked.
            let driver = unsafe { CStr::from_char_ptr((*driver).name) };
            // SAFETY: `dev` is valid. A PCI device keeps its name until it is freed.
            let name = unsafe { CStr::from_char_ptr(bindings::dev_name(dev)) };
            if driver != own {
                report(name, driver);
            }
        }
        // SAFETY: The device was locked above.
        unsafe { barium_device_unlock(dev) };
    }
}
