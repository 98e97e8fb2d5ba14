// SPDX-License-Identifier: GPL-2.0

//! PCI ids of vendors that upstream's list lacks, and who holds a device that this driver wants.
//!
//! - Upstream today: [`pci::DeviceId`] is made from a [`pci::Vendor`], whose constructor is
//!   private and whose list has no 0x1234; there is no way to look for devices other than being
//!   probed.
//! - The shape it should have: QEMU's 0x1234 in the list of vendors, or `Vendor::from_raw` const
//!   and public; an iterator over `pci_get_device()`.
//! - Why this is sound on 7.3: [`pci::DeviceId`] is `repr(transparent)` over the C struct. The
//!   iteration gives each reference that it takes to the next call of `pci_get_device()`.
//! - Delete when the vendor is in the list, and the iterator exists.

use kernel::{
    bindings,
    pci,
    prelude::*,
    str::CStr, //
};

/// A PCI id that any subsystem vendor and device matches.
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

/// Calls `report` with the name of each device `vendor:device` that a driver other than `own`
/// holds, and the name of that driver.
///
/// It is for messages: a device may be bound or unbound while this runs.
pub(crate) fn for_each_held_by_other(
    vendor: u16,
    device: u16,
    own: &CStr,
    mut report: impl FnMut(&CStr, &CStr),
) {
    let mut pdev: *mut bindings::pci_dev = core::ptr::null_mut();
    loop {
        // SAFETY: `pdev` is null, or a device with a reference that this call takes over.
        pdev = unsafe { bindings::pci_get_device(vendor.into(), device.into(), pdev) };
        if pdev.is_null() {
            return;
        }
        // SAFETY: `pci_get_device()` returned a device with a reference that is ours until the
        // next round.
        let dev = unsafe { &raw mut (*pdev).dev };
        // SAFETY: `dev` lives as said above. The function is meant for messages and copes with
        // a driver that comes or goes.
        let driver = unsafe { CStr::from_char_ptr(bindings::dev_driver_string(dev)) };
        // SAFETY: As above; the name of a device on a bus stays until its last reference goes.
        let name = unsafe { CStr::from_char_ptr(bindings::dev_name(dev)) };
        // A device without a driver is described by its bus.
        if driver != own && driver != c"pci" {
            report(name, driver);
        }
    }
}
