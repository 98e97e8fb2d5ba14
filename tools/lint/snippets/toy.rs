// SPDX-License-Identifier: GPL-2.0

//! The parts of a driver that snippets need in addition to their own code.

use crate::upstream::{
    gem::{
        fault::Backing,
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

/// The types and the name of a `drm::Driver` whose registration data is a reference to a number. The
/// snippet declares the ioctls.
macro_rules! driver_without_ioctls {
    () => {
        type Data = ();
        type RegistrationData<'bound> = &'bound u32;
        type File = $crate::toy::File<Self>;
        type Object = ::kernel::drm::gem::Object<$crate::toy::Object<Self>>;
        type ParentDevice<Ctx: ::kernel::device::DeviceContext> = ::kernel::pci::Device<Ctx>;

        const INFO: ::kernel::drm::DriverInfo = $crate::toy::INFO;
    };
}

/// Returns page `page` of the BAR, which backs page `page` of an object; an error if the device is
/// unplugged or if the BAR has no such page.
pub(crate) fn page_of_bar<'r, 'p>(
    bar: Option<&'r WcBar<'_>>,
    page: usize,
) -> Result<Backing<'r, 'p>, ()> {
    bar.and_then(|bar| bar.pfn_range(0, page + 1, page))
        .map(Backing::Device)
        .ok_or(())
}

/// The methods of a `MappedObject` named `Toy` that shows the start of the BAR. The snippet implements
/// `access`.
macro_rules! bar_without_access {
    () => {
        fn ops() -> &'static $crate::upstream::gem::Ops<Self> {
            static OPS: $crate::upstream::gem::Ops<Toy> = $crate::upstream::gem::Ops::new();
            &OPS
        }

        fn align_hint(_obj: &$crate::upstream::gem::Object<Self>) -> usize {
            0
        }

        fn will_need(
            _obj: &$crate::upstream::gem::Object<Self>,
            _pages: ::core::ops::Range<usize>,
        ) {
        }

        fn mmap<'a>(
            _obj: &$crate::upstream::gem::Object<Self>,
            vma: $crate::upstream::vma::VmaNew<'a>,
        ) -> Result<$crate::upstream::vma::VmaPfnMap<'a>> {
            vma.into_pfnmap()
        }

        fn fault(
            fault: $crate::upstream::gem::fault::Fault<'_, Self>,
        ) -> $crate::upstream::gem::fault::VmFault {
            let page = fault.page().0;
            fault
                .insert_with(
                    |bar, _| $crate::toy::page_of_bar(bar, page),
                    |_| $crate::units::PageWindow::NONE,
                )
                .unwrap_or_else(|()| fault.insert_zero_page())
        }

        fn huge_fault(
            fault: &$crate::upstream::gem::huge_fault::HugeFault<'_, Self>,
        ) -> $crate::upstream::gem::huge_fault::HugeVmFault {
            let Some(range) = fault.pmd_range() else {
                return $crate::upstream::gem::huge_fault::HugeVmFault::FALLBACK;
            };
            let page = range.first_page().0;
            let window = $crate::units::PageWindow::NONE;
            range.insert_with(|bar, _| bar.pfn_range(0, page + 512, page), || window)
        }

        fn imported() -> Self {
            Self
        }

        fn move_to_devices(_obj: &mut $crate::upstream::gem::Reserved<'_, Self>) -> Result {
            Err(EOPNOTSUPP)
        }

        fn system_memory(_place: &()) -> Option<&$crate::upstream::shmem::ShmemPages> {
            None
        }

        fn usage(obj: &$crate::upstream::gem::Object<Self>) -> $crate::upstream::gem::Usage {
            $crate::upstream::gem::Usage {
                region: $crate::upstream::gem::Region::Vram,
                resident: ::kernel::drm::gem::BaseObject::size(obj),
                is_purgeable: false,
            }
        }

        fn copy_time(_file: &<Self::Driver as ::kernel::drm::Driver>::File) -> u64 {
            0
        }

        fn vmap<'p>(
            obj: &'p mut $crate::upstream::gem::Reserved<'_, Self>,
            bar: Option<&$crate::upstream::wc_bar::WcBar<'_>>,
        ) -> Result<$crate::upstream::gem::VmapSource<'p>> {
            let Some(bar) = bar else {
                return Ok($crate::upstream::gem::VmapSource::ContentGone);
            };
            let map = bar.vmap(0, ::kernel::drm::gem::BaseObject::size(obj.object()))?;
            Ok($crate::upstream::gem::VmapSource::Device(map))
        }
    };
}

pub(crate) use {bar_without_access, driver_without_ioctls};
