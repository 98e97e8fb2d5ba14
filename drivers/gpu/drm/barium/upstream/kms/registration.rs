// SPDX-License-Identifier: GPL-2.0

//! Registers a DRM device while its driver is bound.
//!
//! - Upstream today: `drm::Registration::new()` is unsafe, because its caller must not forget the
//!   registration: the device would stay registered after its parent is unbound.
//! - The shape it should have: [`register`], which returns nothing that a caller could forget.
//! - Why this is sound on 7.3: devres owns the registration and drops it while the parent is still
//!   bound. The registration can borrow from the parent only: the closure that creates its hardware
//!   data must accept any lifetime of the parent.
//! - When callbacks run: in the comments of this directory, a device *has been registered* once
//!   `drm_dev_register()` has been called for it. That function creates the device nodes, and
//!   `drm::Registration::new()` stores the registration data before it calls it. So clients open
//!   files, and create and map objects, only after the data is stored, but possibly before
//!   `drm_dev_register()` returns. If it fails, it first sets `unplugged` and waits for the
//!   critical sections to end. Files that are open by then stay open, and no critical section
//!   begins any more.
//! - Upstream bug that it works around: `drm_dev_register()` can fail after it has created the
//!   device nodes, when clients may have mapped device memory. On failure it waits for the critical
//!   sections to end, but it neither zaps these mappings nor clears `registered`; the kernel then
//!   warns when it frees the mode objects of such a device. [`UnmapOnDrop`] zaps the mappings and
//!   clears `registered`.
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

/// A DRM driver that lets user space map the memory of its hardware.
pub(crate) trait MappableDriver:
    Sized
    + for<'a> drm::Driver<
        RegistrationData<'a> = UnmapOnDrop<Self, <Self as MappableDriver>::Hardware<'a>>,
    >
{
    /// The resources that the driver accesses the hardware with, for example a mapped BAR. They are
    /// dropped at unbind, after all mappings of user space have been zapped.
    type Hardware<'a>: Send + Sync + 'a;
}

/// The registration data of a [`MappableDriver`].
///
/// Registration data is dropped in one of two situations: the device has been unplugged, or its
/// registration has failed. In both situations all critical sections have ended, so no fault
/// handler inserts another page of the hardware. The destructor first zaps all mappings of the
/// device, and then drops `T`, which may release the mapped memory.
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

/// A device that has been registered, and may have been unplugged since.
pub(crate) struct RegisteredKmsDevice<D: drm::Driver>(ARef<drm::Device<D>>);

impl<D: drm::Driver> RegisteredKmsDevice<D> {
    /// Returns a reference to the device.
    pub(crate) fn device(&self) -> ARef<drm::Device<D>> {
        self.0.clone()
    }

    /// Calls `with` with the registered device, unless the device is unplugged. `drm_dev_unplug()`
    /// waits until `with` returns.
    pub(crate) fn with_registered<R>(
        &self,
        with: impl FnOnce(&drm::Device<D, drm::Registered>) -> R,
    ) -> Option<R> {
        // SAFETY: The device is valid. Only `register()` creates this type, for a device that it
        // has registered.
        let dev = unsafe { drm::Device::<D, drm::Ioctl>::from_raw(raw::drm_device(&*self.0)) };
        let guard = dev.registration_guard()?;
        Some(with(&guard))
    }
}

/// Registers `device` until its parent is unbound, and sets up the in-kernel clients on its
/// display.
///
/// `hardware` creates the [`MappableDriver::Hardware`]. It receives the bound `parent` with a
/// lifetime that it cannot choose, so its result may borrow from `parent` and from statics. It
/// cannot borrow from the data of the caller, which may be dropped long before `parent` is unbound.
///
/// At unbind, devres unplugs the device, which waits for all critical sections. Then all mappings
/// are zapped and the hardware data is dropped. A failed registration does the same.
///
/// # Errors
///
/// `EINVAL` if `parent` is not the parent of `device`; `ENOMEM`; the errors of `hardware` and of
/// `drm_dev_register()`.
///
/// # Examples
///
/// A driver that accesses its hardware through one BAR:
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
    // SAFETY: `hardware` must accept any lifetime, so it can store the reference in its result
    // only, which becomes a part of the registration. Both are dropped while `parent` is bound: by
    // this function on failure, and otherwise by devres, which runs at the end of unbinding.
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
