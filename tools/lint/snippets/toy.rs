// SPDX-License-Identifier: GPL-2.0

//! The parts of a driver that snippets need in addition to their own code.

use crate::upstream::{
    gem::{
        MappedObject,
        ObjectData, //
    },
    wc_bar::WcBar, //
};
use core::marker::PhantomData;
use kernel::{
    device::DeviceContext,
    drm::{
        self,
        gem::DriverObject, //
    },
    pci,
    prelude::*, //
};

/// The name and version of all toys.
pub(crate) const INFO: drm::DriverInfo = drm::DriverInfo {
    major: 1,
    minor: 0,
    patchlevel: 0,
    name: c"toy",
    desc: c"Toy",
};

/// A client of driver `D`.
pub(crate) struct File<D>(PhantomData<fn() -> D>);

impl<D: drm::Driver> drm::file::DriverFile for File<D> {
    type Driver = D;

    fn open(_dev: &drm::Device<D>) -> Result<Pin<KBox<Self>>> {
        Ok(KBox::new(Self(PhantomData), GFP_KERNEL)?.into())
    }
}

/// The driver data of an object of driver `D` that cannot be mapped.
pub(crate) struct Object<D>(PhantomData<fn() -> D>);

impl<D: drm::Driver + 'static> DriverObject for Object<D> {
    type Driver = D;
    type Args = ();

    fn new(_dev: &drm::Device<D>, _size: usize, _args: ()) -> impl PinInit<Self, Error> {
        Ok(Self(PhantomData))
    }
}

/// A driver whose objects have the driver data `T`, and whose registration data is a BAR.
pub(crate) struct Driver<T>(PhantomData<fn() -> T>);

#[vtable]
impl<T> drm::Driver for Driver<T>
where
    T: MappedObject + ObjectData<Driver = Self>,
{
    type Data = ();
    type RegistrationData<'bound> = WcBar<'bound>;
    type File = File<Self>;
    type Object = crate::upstream::gem::Object<T>;
    type ParentDevice<Ctx: DeviceContext> = pci::Device<Ctx>;

    const INFO: drm::DriverInfo = INFO;
    const IOCTLS: &'static [drm::ioctl::DrmIoctlDescriptor] = &[];
}
