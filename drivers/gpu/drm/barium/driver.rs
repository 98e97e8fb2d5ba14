// SPDX-License-Identifier: GPL-2.0

//! Wires the rooms: the PCI ids, what probing a device does, and what it is to DRM.

use crate::{
    device::{
        BariumData,
        BariumDriver,
        BariumHardware,
        BariumRegistrationData, //
    },
    dispi,
    display::{
        self,
        Display,
        Limits,
        Screen, //
    },
    file::File,
    gem::BariumObject,
    uapi::*,
    upstream::{
        self,
        pm::SystemSleep,
        registration::{
            MappableDriver,
            WasRegistered, //
        }, //
    },
    vram::{
        Aperture,
        Heap, //
    },
};
use core::pin::Pin;
use kernel::{
    device::{
        Bound,
        Core,
        DeviceContext, //
    },
    drm::{
        self,
        ioctl, //
    },
    pci,
    prelude::*,
    str::CStr, //
};

/// QEMU's vendor id.
const VENDOR_QEMU: u16 = 0x1234;
/// The id of `bochs-display`, `VGA` and `secondary-vga`.
const DEVICE_STDVGA: u16 = 0x1111;

/// What the PCI bus keeps for us while the driver is bound.
pub(crate) struct BoundDevice {
    drm: WasRegistered<BariumDriver>,
}

/// The C structs of callbacks that all devices share.
static TABLES: upstream::drm_driver::Tables<BariumDriver> = upstream::drm_driver::Tables::new();

kernel::pci_device_table!(
    PCI_TABLE,
    <BariumDriver as pci::Driver>::IdInfo,
    [(upstream::pci::device_id(VENDOR_QEMU, DEVICE_STDVGA), ())]
);

impl pci::Driver for BariumDriver {
    type IdInfo = ();
    type Data<'bound> = BoundDevice;
    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        pdev.enable_device_mem()?;
        let properties = dispi::Registers::new(pdev)?.properties(pdev)?;
        // Not before it is known that this is a display that we can drive.
        upstream::firmware_fb::remove(pdev, <Self as drm::Driver>::INFO.name)?;
        let data = BariumData::new(
            Heap::new(properties.vram)?,
            Limits::new(&properties)?,
            crate::config(),
        );
        let drm = upstream::drm_driver::alloc::<Self, _>(pdev, Ok(data), &TABLES)?;
        let drm = display::set_up(drm)?;
        let drm = upstream::registration::register::<Display, _>(pdev, drm, |pdev| {
            let aperture = Aperture::new(pdev, properties.vram)?;
            let screen = Screen::new(dispi::Registers::new(pdev)?, &properties)?;
            Ok(BariumHardware::new(screen, aperture))
        })?;

        dev_info!(pdev, "{} MiB of VRAM\n", properties.vram.mib());
        Ok(BoundDevice { drm })
    }
}

/// VRAM keeps its content: QEMU's devices do not lose it. Mappings keep their entries: the processes
/// are frozen before the device sleeps, and go on when its BARs are where they were.
impl SystemSleep for BariumDriver {
    fn suspend(_pdev: &pci::Device<Bound>, data: Pin<&BoundDevice>) -> Result {
        data.drm.if_plugged(display::suspend).unwrap_or(Ok(()))
    }

    fn resume(_pdev: &pci::Device<Bound>, data: Pin<&BoundDevice>) -> Result {
        data.drm.if_plugged(display::resume).unwrap_or(Ok(()))
    }
}

impl MappableDriver for BariumDriver {
    type Hardware<'bound> = BariumHardware<'bound>;
}

#[vtable]
impl drm::Driver for BariumDriver {
    type Data = BariumData;
    type RegistrationData<'bound> = BariumRegistrationData<'bound>;
    type File = File;
    type Object = BariumObject;
    type ParentDevice<Ctx: DeviceContext> = pci::Device<Ctx>;

    const INFO: drm::DriverInfo = drm::DriverInfo {
        major: 1,
        minor: 0,
        patchlevel: 0,
        name: c"barium",
        desc: c"VRAM behind a PCI BAR",
    };
    const FEAT_RENDER: bool = true;

    upstream::ioctl::declare_ioctls! {
        driver: BariumDriver,
        (DRM_IOCTL_BARIUM_GET_PARAM, drm_barium_get_param,
            ioctl::RENDER_ALLOW, registered: File::get_param),
        (DRM_IOCTL_BARIUM_GEM_CREATE, drm_barium_gem_create,
            ioctl::AUTH | ioctl::RENDER_ALLOW, registered: File::gem_create),
        (DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET, drm_barium_gem_mmap_offset,
            ioctl::AUTH | ioctl::RENDER_ALLOW, registered: File::gem_mmap_offset),
        (DRM_IOCTL_BARIUM_GEM_INFO, drm_barium_gem_info,
            ioctl::AUTH | ioctl::RENDER_ALLOW, registered: File::gem_info),
        (DRM_IOCTL_BARIUM_MAP_AHEAD, drm_barium_map_ahead,
            ioctl::AUTH | ioctl::RENDER_ALLOW, any: File::map_ahead),
    }
}

/// Says which displays this driver could drive if another driver did not hold them.
pub(crate) fn report_devices_of_others(own: &CStr) {
    upstream::pci::for_each_held_by_other(VENDOR_QEMU, DEVICE_STDVGA, own, |device, driver| {
        pr_notice!(
            "{device} is held by {driver}; to have it: \
             echo {device} > /sys/bus/pci/drivers/{driver}/unbind && \
             echo {device} > /sys/bus/pci/drivers/{own}/bind\n"
        );
    });
}
