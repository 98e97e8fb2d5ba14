// SPDX-License-Identifier: GPL-2.0

//! Registers a DRM device while its driver is bound.
//!
//! - Upstream today: `drm::Registration::new()` is unsafe, because its caller must not forget the
//!   registration: the device would stay registered after its parent is unbound.
//! - The shape it should have: [`register`], which returns nothing that a caller could forget.
//! - Why this is sound on 7.3: devres owns the registration and drops it while the parent is still
//!   bound. All that the registration borrows is the parent: a closure that must work for any
//!   lifetime creates it.
//! - What it makes up for: `drm_dev_register()` creates the device nodes before it can fail for the
//!   last time, so that clients can map device memory meanwhile. On failure it waits for the
//!   critical sections to end, but it neither zaps these mappings nor clears `registered`; the
//!   kernel then warns when the mode objects of such a device are freed. [`UnmapOnDrop`] does both.
//! - Delete when upstream's function is safe and `drm_dev_register()` undoes all that it did.
//!
//! C header: [`include/drm/drm_drv.h`](srctree/include/drm/drm_drv.h)

use super::{
    client::{
        self,
        Shutdown, //
    },
    Driver,
    ReadyKmsDevice, //
};
use crate::upstream::raw;
use core::ops::Deref;
use kernel::{
    bindings,
    device::Bound,
    devres,
    drm,
    prelude::*,
    sync::aref::ARef, //
};

/// A DRM driver that lets user space map memory of its hardware.
pub(crate) trait MappableDriver:
    Sized
    + for<'a> drm::Driver<
        RegistrationData<'a> = UnmapOnDrop<Self, <Self as MappableDriver>::Hardware<'a>>,
    >
{
    /// What the driver accesses the hardware with. It is dropped at unbind, when no page table of
    /// user space refers to the hardware any more.
    type Hardware<'a>: Send + Sync + 'a;
}

/// The registration data of a [`MappableDriver`].
///
/// Registration data is dropped in one of two situations: the device has been unplugged, or its
/// registration has failed. Either way no critical section runs any more, so that no fault handler
/// inserts another page of the hardware. Dropping it first zaps all mappings of the device, and then
/// drops `T`, which may release the memory that they showed.
pub(crate) struct UnmapOnDrop<D: drm::Driver, T> {
    drm: ARef<drm::Device<D>>,
    data: T,
}

impl<D: drm::Driver, T> Deref for UnmapOnDrop<D, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.data
    }
}

impl<D: drm::Driver, T> Drop for UnmapOnDrop<D, T> {
    fn drop(&mut self) {
        let drm = raw::drm_device(&*self.drm);
        // SAFETY: `self.drm` is a reference to a valid device. Only the code that registers and
        // unregisters a device writes this field, and that code owns `self`.
        unsafe { (*drm).registered = false };
        // SAFETY: A valid device has its anonymous inode from `drm_dev_init()` until it is freed.
        // `unmap_mapping_range()` may be called for any mapping.
        unsafe { bindings::unmap_mapping_range((*(*drm).anon_inode).i_mapping, 0, 0, 1) };
    }
}

/// The parent of the devices of `K`, bound to its driver.
type ParentDevice<K> = <<K as Driver>::Driver as drm::Driver>::ParentDevice<Bound>;

/// A registered device. Fields are dropped in this order: the device is unplugged, which drops the
/// registration data; then the display is shut down without access to the hardware.
struct Registered<K: Driver> {
    _registration: drm::Registration<'static, K::Driver>,
    _shutdown: Shutdown<K>,
}

/// A device that has been registered, and may be unplugged since.
pub(crate) struct RegisteredKmsDevice<D: drm::Driver>(ARef<drm::Device<D>>);

impl<D: drm::Driver> RegisteredKmsDevice<D> {
    /// Calls `with` with the registered device, unless it is unplugged: that waits until `with`
    /// returns.
    pub(crate) fn with_registered<R>(
        &self,
        with: impl FnOnce(&drm::Device<D, drm::Registered>) -> R,
    ) -> Option<R> {
        // SAFETY: The device is valid, and has been registered.
        let dev = unsafe { drm::Device::<D, drm::Ioctl>::from_raw(raw::drm_device(&*self.0)) };
        let guard = dev.registration_guard()?;
        Some(with(&guard))
    }
}

/// Registers `device` with user space until its parent is unbound, and gives its display to the
/// kernel's own clients.
///
/// `hardware` creates what the driver accesses the hardware with. It gets `parent`, bound, for a
/// lifetime that it cannot choose: its result may borrow from `parent` and from statics, but not from
/// anything of its caller, which may be gone long before `parent` is unbound.
///
/// At unbind the device is unplugged, which ends all critical sections and zaps all mappings, and
/// then the hardware is dropped. The same happens if registering fails.
///
/// # Errors
///
/// `EINVAL` if `parent` is not the parent of `device`; `ENOMEM`; the errors of `hardware` and of
/// `drm_dev_register()`.
///
/// # Examples
///
/// A driver that accesses its hardware with a BAR only:
///
/// ```
/// # use crate::upstream::{
/// #     kms::{registration::{self, MappableDriver, RegisteredKmsDevice}, Driver, ReadyKmsDevice},
/// #     wc_bar::WcBar,
/// # };
/// # use kernel::{device::Bound, drm, pci, prelude::*};
/// # fn bind<K>(
/// #     pdev: &pci::Device<Bound>,
/// #     device: ReadyKmsDevice<K>,
/// # ) -> Result<RegisteredKmsDevice<K::Driver>>
/// # where
/// #     K: Driver,
/// #     K::Driver: for<'a> MappableDriver<Hardware<'a> = WcBar<'a>>
/// #         + drm::Driver<ParentDevice<Bound> = pci::Device<Bound>>,
/// # {
/// registration::register::<K, _>(pdev, device, |pdev| WcBar::new(pdev, 0, c"vram"))
/// # }
/// ```
pub(crate) fn register<K, F>(
    parent: &ParentDevice<K>,
    device: ReadyKmsDevice<K>,
    hardware: F,
) -> Result<RegisteredKmsDevice<K::Driver>>
where
    K: Driver,
    K::Driver: MappableDriver,
    ParentDevice<K>: 'static,
    F: for<'a> FnOnce(&'a ParentDevice<K>) -> Result<<K::Driver as MappableDriver>::Hardware<'a>>,
{
    // SAFETY: `hardware` must work for any lifetime, so the reference can get into its result only,
    // and from there into the registration. Both are dropped while `parent` is bound: by this
    // function on failure, and otherwise by devres, which runs at the end of unbinding.
    let parent: &'static ParentDevice<K> = unsafe { &*core::ptr::from_ref(parent) };
    let hardware = hardware(parent)?;
    let shutdown = Shutdown::new(&device);
    let device = device.into_device();
    let drm: ARef<drm::Device<K::Driver>> = (&*device).into();
    let reg_data = UnmapOnDrop {
        drm: drm.clone(),
        data: hardware,
    };
    let dev = parent.as_ref();
    // SAFETY: The registration is not forgotten: `devres::register()` drops it at unbind, or at
    // once if it fails.
    let registration = unsafe { drm::Registration::<K::Driver>::new(dev, device, reg_data, 0) }?;
    let registered = Registered::<K> {
        _registration: registration,
        _shutdown: shutdown,
    };
    devres::register(dev, registered, GFP_KERNEL)?;
    client::set_up::<K>(&drm);
    Ok(RegisteredKmsDevice(drm))
}
