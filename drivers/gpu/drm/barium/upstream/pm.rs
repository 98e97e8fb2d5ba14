// SPDX-License-Identifier: GPL-2.0

//! A PCI driver's say in system sleep.
//!
//! - Upstream today: [`pci::Driver`] has no suspend and resume, and `pci::Adapter` leaves
//!   `driver.pm` empty.
//! - The shape it should have: a trait of callbacks like [`SystemSleep`], whose presence makes
//!   `pci::Adapter` set `driver.pm`.
//! - Why this is sound on 7.3: [`Adapter`] sets `driver.pm` while nobody knows the driver yet, and
//!   leaves everything else to `pci::Adapter`. The power management core holds the device's lock
//!   when it calls, and calls for bound devices only.
//! - Delete when [`pci::Driver`] has such callbacks.
//!
//! C header: [`include/linux/pm.h`](srctree/include/linux/pm.h)

use core::{
    marker::PhantomData,
    pin::Pin, //
};
use kernel::{
    bindings,
    device,
    driver::{
        DriverLayout,
        RegistrationOps, //
    },
    error::from_result,
    pci,
    prelude::*,
    str::CStr,
    types::Opaque,
    ThisModule, //
};

/// A PCI driver that is told of system sleep.
pub(crate) trait SystemSleep: pci::Driver {
    /// User space is frozen, and sleep follows unless this fails. The PCI core saves
    /// configuration space and powers the device down afterwards.
    fn suspend(pdev: &pci::Device<device::Bound>, data: Pin<&Self::Data<'_>>) -> Result;

    /// The device is powered and its configuration space is restored; user space is still frozen.
    fn resume(pdev: &pci::Device<device::Bound>, data: Pin<&Self::Data<'_>>) -> Result;
}

/// `pci::Adapter` for drivers that are told of system sleep.
pub(crate) struct Adapter<T>(PhantomData<T>);

/// The table that the power management core looks into. Hibernation is not in it: VRAM would not
/// be saved.
struct Operations<T>(PhantomData<T>);

impl<T: SystemSleep> Operations<T> {
    const TABLE: bindings::dev_pm_ops = bindings::dev_pm_ops {
        suspend: Some(Self::suspend_callback),
        resume: Some(Self::resume_callback),
        // SAFETY: All members are optional function pointers, for which zero is `None`.
        ..unsafe { core::mem::zeroed() }
    };
    const REFERENCE: &'static bindings::dev_pm_ops = &Self::TABLE;

    /// # Safety
    ///
    /// `dev` is the `dev` of a `pci_dev` that is bound to `T` and stays so for `'a`.
    unsafe fn bound<'a>(dev: *mut bindings::device) -> &'a pci::Device<device::Bound> {
        let pdev = kernel::container_of!(dev, bindings::pci_dev, dev);
        // SAFETY: `pci::Device` is a transparent wrapper of `pci_dev`, and the caller promises
        // that it is one, and bound.
        unsafe { &*pdev.cast() }
    }

    /// # Safety
    ///
    /// As for [`Self::bound`].
    unsafe fn data<'a>(dev: *mut bindings::device) -> Pin<&'a T::Data<'a>> {
        // SAFETY: `device::Device` is a transparent wrapper of `device`; the rest is the caller's
        // promise.
        let dev: &device::Device<device::BoundInternal> = unsafe { &*dev.cast() };
        // SAFETY: A bound device of this driver has the data that `probe` returned, of type
        // `T::Data`, until it is unbound.
        unsafe { dev.drvdata_borrow::<T::Data<'a>>() }
    }

    /// The `suspend` entry.
    ///
    /// # Safety
    ///
    /// To be called by the power management core only, for a device that is bound to `T`.
    unsafe extern "C" fn suspend_callback(dev: *mut bindings::device) -> c_int {
        from_result(|| {
            // SAFETY: The core calls this for devices bound to this driver, with their lock held,
            // without which they cannot be unbound.
            let (pdev, data) = unsafe { (Self::bound(dev), Self::data(dev)) };
            T::suspend(pdev, data).map(|()| 0)
        })
    }

    /// The `resume` entry.
    ///
    /// # Safety
    ///
    /// As for [`Self::suspend_callback`].
    unsafe extern "C" fn resume_callback(dev: *mut bindings::device) -> c_int {
        from_result(|| {
            // SAFETY: As in `suspend_callback`.
            let (pdev, data) = unsafe { (Self::bound(dev), Self::data(dev)) };
            T::resume(pdev, data).map(|()| 0)
        })
    }
}

// SAFETY: What it says is what `pci::Adapter` says, for which it is true.
unsafe impl<T: SystemSleep> DriverLayout for Adapter<T> {
    type DriverType = <pci::Adapter<T> as DriverLayout>::DriverType;
    type DriverData<'bound> = <pci::Adapter<T> as DriverLayout>::DriverData<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = <pci::Adapter<T> as DriverLayout>::DEVICE_DRIVER_OFFSET;
}

// SAFETY: Registers and unregisters as `pci::Adapter` does.
unsafe impl<T: SystemSleep> RegistrationOps for Adapter<T> {
    unsafe fn register(
        driver: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: The driver is not registered yet, so that nobody else looks at it.
        unsafe { (*driver.get()).driver.pm = Operations::<T>::REFERENCE };
        // SAFETY: The caller's promise is the one that `pci::Adapter` wants.
        unsafe { <pci::Adapter<T> as RegistrationOps>::register(driver, name, module) }
    }

    unsafe fn unregister(driver: &Opaque<Self::DriverType>) {
        // SAFETY: As above.
        unsafe { <pci::Adapter<T> as RegistrationOps>::unregister(driver) }
    }
}
