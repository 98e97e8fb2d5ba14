// SPDX-License-Identifier: GPL-2.0

//! Power management callbacks of a PCI driver: system sleep, hibernation and shutdown.
//!
//! - Upstream today: [`pci::Driver`] has none of them. `pci::Adapter` leaves `driver.pm` and
//!   `shutdown` empty.
//! - The shape it should have: a trait of optional callbacks like [`SystemSleep`]. `pci::Adapter`
//!   sets `driver.pm` and `shutdown` for a driver that implements it.
//! - Why this is sound on 7.3: [`Adapter`] fills in the two members before the driver is
//!   registered, and leaves everything else to `pci::Adapter`. The driver core and the power
//!   management core hold the device lock for each callback (`device_prepare()`,
//!   `device_suspend()`, `device_resume()`, `device_complete()` in `drivers/base/power/main.c`;
//!   `device_shutdown()` in `drivers/base/core.c`), and look the driver up under it. So the device
//!   is bound, and its driver data is set, until the callback returns.
//! - Delete when [`pci::Driver`] has such callbacks.
//!
//! # Hibernation
//!
//! The PM core calls `freeze` in two cases: before it creates an image (`PMSG_FREEZE`), and before
//! a loaded image replaces the running kernel (`PMSG_QUIESCE`). Only in the first case must a
//! driver save the state that its device loses without power. If a driver returned `ENOMEM` in the
//! second case, the session to be restored would be lost. The callbacks cannot distinguish the
//! cases, but the PM notifier can, so `prepare` receives a [`Transition`].
//!
//! `prepare` is also the place to allocate memory for the saved state: user space is frozen
//! already, memory allocation is not restricted yet (`pm_restrict_gfp_mask()`), and the core takes
//! the allocation into account when it reserves memory for the image
//! (`hibernate_preallocate_memory()`, called after `dpm_prepare()` in `hibernation_snapshot()`). In
//! `freeze` the core guarantees no more than `/sys/power/reserved_size` bytes, 1 MiB by default.
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
    error::{
        from_result,
        to_result, //
    },
    pci,
    prelude::*,
    str::CStr,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque,
    ThisModule, //
};

/// The system-wide transition that a driver prepares for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    /// The PM core is going to create a hibernation image. When [`SystemSleep::freeze`] returns,
    /// system memory must hold all state that the device loses without power.
    Hibernation,
    /// Any other transition: suspend, or loading a hibernation image.
    Other,
}

impl Transition {
    /// Returns the transition that is in progress.
    fn current() -> Self {
        // In hybrid suspend, the PM core suspends the machine after it has written the image, and
        // sends `PM_POST_HIBERNATION` after that.
        match IMAGE_ANNOUNCED.load(Relaxed) && !is_suspending() {
            true => Self::Hibernation,
            false => Self::Other,
        }
    }
}

/// Returns true if the system is being suspended.
#[cfg(CONFIG_SUSPEND)]
fn is_suspending() -> bool {
    /// `include/linux/suspend.h`: no suspend is in progress. bindgen does not evaluate casts in
    /// macros.
    const PM_SUSPEND_ON: bindings::suspend_state_t = 0;
    // SAFETY: Only `suspend_devices_and_enter()` writes `pm_suspend_target_state`. Its callers
    // serialise it with all other transitions (`lock_system_sleep()`). `prepare`, which calls this,
    // is a part of a transition.
    unsafe { bindings::pm_suspend_target_state != PM_SUSPEND_ON }
}

/// Returns true if the system is being suspended.
#[cfg(not(CONFIG_SUSPEND))]
fn is_suspending() -> bool {
    false
}

/// Power management callbacks of a PCI driver.
///
/// User space is frozen while they run, except for [`Self::shutdown`].
pub(crate) trait SystemSleep: pci::Driver {
    /// Prepares for `transition`, for example by allocating memory. On failure the PM core aborts
    /// the transition and does not call [`Self::complete`].
    fn prepare(
        pdev: &pci::Device<device::Bound>,
        data: Pin<&Self::Data<'_>>,
        transition: Transition,
    ) -> Result;

    /// Undoes [`Self::prepare`], after the device has been resumed.
    fn complete(pdev: &pci::Device<device::Bound>, data: Pin<&Self::Data<'_>>);

    /// Suspends the device. The PCI core saves its configuration space and may power it down
    /// afterwards.
    fn suspend(pdev: &pci::Device<device::Bound>, data: Pin<&Self::Data<'_>>) -> Result;

    /// Resumes the device after [`Self::suspend`]. Its configuration space is restored.
    fn resume(pdev: &pci::Device<device::Bound>, data: Pin<&Self::Data<'_>>) -> Result;

    /// Stops the device before an image is created, or before a loaded image replaces this kernel.
    fn freeze(pdev: &pci::Device<device::Bound>, data: Pin<&Self::Data<'_>>) -> Result;

    /// Starts the device again after [`Self::freeze`]: the image has been created, or the
    /// transition has failed. The device has not lost power.
    fn thaw(pdev: &pci::Device<device::Bound>, data: Pin<&Self::Data<'_>>) -> Result;

    /// Stops the device after the image has been written, before the machine is switched off.
    fn poweroff(pdev: &pci::Device<device::Bound>, data: Pin<&Self::Data<'_>>) -> Result;

    /// Starts the device again in a kernel that was restored from an image, or after
    /// [`Self::poweroff`] if the machine is not switched off after all. In the first case the
    /// device was reset, and another kernel may have used it.
    fn restore(pdev: &pci::Device<device::Bound>, data: Pin<&Self::Data<'_>>) -> Result;

    /// Stops the device before the machine is rebooted, halted or switched off, or before another
    /// kernel is started by kexec. User space may still be running. A crash kernel is started
    /// without this.
    fn shutdown(pdev: &pci::Device<device::Bound>, data: Pin<&Self::Data<'_>>);
}

/// True from `PM_HIBERNATION_PREPARE` to `PM_POST_HIBERNATION`.
static IMAGE_ANNOUNCED: Atomic<bool> = Atomic::new(false);

/// The notifier that keeps [`IMAGE_ANNOUNCED`] up to date.
#[cfg(CONFIG_PM_SLEEP)]
struct Notifier(Opaque<bindings::notifier_block>);

#[cfg(CONFIG_PM_SLEEP)]
// SAFETY: The notifier chain accesses the members under its own lock. Nothing else accesses them.
unsafe impl Sync for Notifier {}

#[cfg(CONFIG_PM_SLEEP)]
static NOTIFIER: Notifier = Notifier(Opaque::new(bindings::notifier_block {
    notifier_call: Some(notifier_callback),
    next: core::ptr::null_mut(),
    priority: 0,
}));

/// The `notifier_call` entry of [`NOTIFIER`].
///
/// # Safety
///
/// This function has no preconditions.
#[cfg(CONFIG_PM_SLEEP)]
unsafe extern "C" fn notifier_callback(
    _block: *mut bindings::notifier_block,
    action: c_ulong,
    _data: *mut c_void,
) -> c_int {
    const PREPARE: c_ulong = bindings::PM_HIBERNATION_PREPARE as c_ulong;
    const POST: c_ulong = bindings::PM_POST_HIBERNATION as c_ulong;
    match action {
        PREPARE => IMAGE_ANNOUNCED.store(true, Relaxed),
        POST => IMAGE_ANNOUNCED.store(false, Relaxed),
        _ => (),
    }
    // `NOTIFY_DONE`.
    0
}

/// `pci::Adapter` for drivers with [`SystemSleep`]. A module can register one such driver.
pub(crate) struct Adapter<T>(PhantomData<T>);

/// The C callbacks of driver `T`.
struct Callbacks<T>(PhantomData<T>);

/// Defines the entry `$name` of `dev_pm_ops`, which calls `T::$method`.
macro_rules! sleep_callback {
    ($name:ident, $method:ident) => {
        /// # Safety
        ///
        /// Must be called by the power management core only, with a device that is bound to `T`.
        unsafe extern "C" fn $name(dev: *mut bindings::device) -> c_int {
            from_result(|| {
                // SAFETY: By the safety requirements the device is bound to `T`. It stays bound,
                // because the PM core holds the device lock.
                unsafe { Self::with_bound(dev, |p, d| T::$method(p, d)) }.map(|()| 0)
            })
        }
    };
}

impl<T: SystemSleep> Callbacks<T> {
    const OPS: &'static bindings::dev_pm_ops = &bindings::dev_pm_ops {
        prepare: Some(Self::prepare_callback),
        complete: Some(Self::complete_callback),
        suspend: Some(Self::suspend_callback),
        resume: Some(Self::resume_callback),
        freeze: Some(Self::freeze_callback),
        thaw: Some(Self::thaw_callback),
        poweroff: Some(Self::poweroff_callback),
        restore: Some(Self::restore_callback),
        ..pin_init::zeroed()
    };

    /// Calls `with` with the device and its driver data.
    ///
    /// # Safety
    ///
    /// `dev` must be the `dev` of a `pci_dev` that is bound to `T` and stays bound until this
    /// returns.
    unsafe fn with_bound<R>(
        dev: *mut bindings::device,
        with: impl for<'a> FnOnce(&'a pci::Device<device::Bound>, Pin<&'a T::Data<'a>>) -> R,
    ) -> R {
        let pdev = kernel::container_of!(dev, bindings::pci_dev, dev);
        // SAFETY: `pci::Device` is a transparent wrapper of `pci_dev`. By the safety requirements,
        // `pdev` is a bound `pci_dev`.
        let pdev: &pci::Device<device::Bound> = unsafe { &*pdev.cast() };
        // SAFETY: `device::Device` is a transparent wrapper of `device`. By the safety
        // requirements, `dev` is bound.
        let dev: &device::Device<device::BoundInternal> = unsafe { &*dev.cast() };
        // SAFETY: From the return of `T::probe` until unbind, the driver data of a device that is
        // bound to `T` is the `T::Data` that `T::probe` returned.
        with(pdev, unsafe { dev.drvdata_borrow::<T::Data<'_>>() })
    }

    /// The `prepare` entry.
    ///
    /// # Safety
    ///
    /// Must be called by the power management core only, with a device that is bound to `T`.
    unsafe extern "C" fn prepare_callback(dev: *mut bindings::device) -> c_int {
        from_result(|| {
            // SAFETY: By the safety requirements the device is bound to `T`. It stays bound,
            // because the PM core holds the device lock.
            unsafe { Self::with_bound(dev, |p, d| T::prepare(p, d, Transition::current())) }
                .map(|()| 0)
        })
    }

    /// The `complete` entry.
    ///
    /// # Safety
    ///
    /// Must be called by the power management core only, with a device that is bound to `T`.
    unsafe extern "C" fn complete_callback(dev: *mut bindings::device) {
        // SAFETY: By the safety requirements the device is bound to `T`. It stays bound, because
        // the PM core holds the device lock.
        unsafe { Self::with_bound(dev, |p, d| T::complete(p, d)) }
    }

    sleep_callback!(suspend_callback, suspend);
    sleep_callback!(resume_callback, resume);
    sleep_callback!(freeze_callback, freeze);
    sleep_callback!(thaw_callback, thaw);
    sleep_callback!(poweroff_callback, poweroff);
    sleep_callback!(restore_callback, restore);

    /// The `shutdown` entry.
    ///
    /// # Safety
    ///
    /// Must be called by the PCI core only, with a device that is bound to `T`.
    unsafe extern "C" fn shutdown_callback(pdev: *mut bindings::pci_dev) {
        // SAFETY: By the safety requirements `pdev` is valid.
        let dev = unsafe { &raw mut (*pdev).dev };
        // SAFETY: By the safety requirements the device is bound to `T`. It stays bound, because
        // `device_shutdown()` holds the device lock.
        unsafe { Self::with_bound(dev, |pdev, data| T::shutdown(pdev, data)) }
    }
}

// SAFETY: All items are those of `pci::Adapter`, whose implementation meets the requirements.
unsafe impl<T: SystemSleep> DriverLayout for Adapter<T> {
    type DriverType = <pci::Adapter<T> as DriverLayout>::DriverType;
    type DriverData<'bound> = <pci::Adapter<T> as DriverLayout>::DriverData<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = <pci::Adapter<T> as DriverLayout>::DEVICE_DRIVER_OFFSET;
}

// SAFETY: `register()` succeeds only if that of `pci::Adapter` does, so the `unregister()` of
// `pci::Adapter` may be called after it.
unsafe impl<T: SystemSleep> RegistrationOps for Adapter<T> {
    unsafe fn register(
        driver: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        let raw = driver.get();
        // SAFETY: The driver is not registered yet, so nothing else accesses it.
        unsafe {
            (*raw).driver.pm = Callbacks::<T>::OPS;
            (*raw).shutdown = Some(Callbacks::<T>::shutdown_callback);
        }
        register_notifier()?;
        // SAFETY: The safety requirements are those of the `pci::Adapter` function.
        let registered =
            unsafe { <pci::Adapter<T> as RegistrationOps>::register(driver, name, module) };
        registered.inspect_err(|_| unregister_notifier())
    }

    unsafe fn unregister(driver: &Opaque<Self::DriverType>) {
        // SAFETY: The safety requirements are those of the `pci::Adapter` function.
        unsafe { <pci::Adapter<T> as RegistrationOps>::unregister(driver) }
        unregister_notifier();
    }
}

/// Registers [`NOTIFIER`].
#[cfg(CONFIG_PM_SLEEP)]
fn register_notifier() -> Result {
    // SAFETY: `NOTIFIER` is static. `Adapter::unregister()` unregisters it before the module is
    // unloaded.
    to_result(unsafe { bindings::register_pm_notifier(NOTIFIER.0.get()) })
}

/// Does nothing: without system sleep there are no notifications.
#[cfg(not(CONFIG_PM_SLEEP))]
fn register_notifier() -> Result {
    Ok(())
}

/// Unregisters [`NOTIFIER`] after [`register_notifier`].
fn unregister_notifier() {
    #[cfg(CONFIG_PM_SLEEP)]
    {
        // SAFETY: `NOTIFIER` is static. The function searches the chain for its address, and does
        // nothing if the chain does not contain it.
        unsafe { bindings::unregister_pm_notifier(NOTIFIER.0.get()) };
    }
}
