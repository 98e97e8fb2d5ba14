// SPDX-License-Identifier: GPL-2.0

//! Connects the rooms: PCI ids, probe, the operations of the PCI bus and of DRM, the ioctl table.

use crate::{
    device::{
        BariumData,
        BariumDriver,
        BariumHardware,
        BariumRegistrationData,
        Config, //
    },
    dispi,
    display::{
        self,
        Display, //
    },
    file::File,
    gem::BariumObject,
    scanout::{
        ModeLimits,
        Pipe, //
    },
    uapi::*,
    upstream::{
        self,
        kms::registration::{
            self,
            MappableDriver,
            RegisteredKmsDevice, //
        },
        pm::{
            SystemSleep,
            Transition, //
        }, //
    },
    vram::{
        VramBackup, //
        VramBar,
        VramManager,
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
    str::CStr,
    sync::SetOnce, //
};

/// QEMU's vendor id.
const VENDOR_QEMU: u16 = 0x1234;
/// The device id of `bochs-display`, `VGA` and `secondary-vga`.
const DEVICE_STDVGA: u16 = 0x1111;

/// The configuration of all devices, from the parameters of the module.
static CONFIG: SetOnce<Config> = SetOnce::new();

/// Sets the configuration of all devices. Call it before the driver is registered with the PCI bus:
/// without a configuration no device can be bound.
pub(crate) fn set_config(config: Config) {
    CONFIG.populate(config);
}

/// The driver's data of a PCI device that is bound to it.
pub(crate) struct BoundDevice {
    drm: RegisteredKmsDevice<BariumDriver>,
    backup: VramBackup,
}

/// The C structs of callbacks that all devices share.
static OPS: upstream::drm_driver::DriverOps<BariumDriver> = upstream::drm_driver::DriverOps::new();

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
        // Only now, as the driver of the firmware's framebuffer keeps a display that this one refuses.
        upstream::firmware_fb::remove(pdev, <Self as drm::Driver>::INFO.name)?;
        let data = BariumData::new(
            VramManager::new(properties.vram)?,
            ModeLimits::new(&properties)?,
            CONFIG.copy().ok_or(ENODEV)?,
        );
        let backup = VramBackup::new()?;
        let drm = upstream::drm_driver::alloc::<Self, _>(pdev, Ok(data), &OPS)?;
        let drm = display::set_up(drm)?;
        let drm = registration::register::<Display, _>(pdev, drm, |pdev| {
            let bar = VramBar::new(pdev, properties.vram)?;
            let pipe = Pipe::new(dispi::Registers::new(pdev)?, &properties)?;
            Ok(BariumHardware::new(pipe, bar))
        })?;

        dev_info!(pdev, "{} MiB of VRAM\n", properties.vram.mib());
        Ok(BoundDevice { drm, backup })
    }
}

/// Mappings keep their entries: user space is frozen before the device sleeps, and goes on when the
/// device's BARs are where they were. VRAM keeps its content while the machine is suspended: QEMU's
/// devices do not lose it. When the machine hibernates, it is saved.
impl SystemSleep for BariumDriver {
    fn prepare(
        pdev: &pci::Device<Bound>,
        data: Pin<&BoundDevice>,
        transition: Transition,
    ) -> Result {
        if transition != Transition::Hibernation {
            return Ok(());
        }
        data.drm
            .with_registered(|dev| data.backup.prepare(dev.vram()))
            .unwrap_or(Ok(()))
            .inspect_err(|_| {
                dev_err!(
                    pdev,
                    "not enough memory to save VRAM: the system can't hibernate now\n"
                );
            })
    }

    fn complete(_pdev: &pci::Device<Bound>, data: Pin<&BoundDevice>) {
        data.backup.discard();
    }

    fn suspend(_pdev: &pci::Device<Bound>, data: Pin<&BoundDevice>) -> Result {
        display::suspend(&data.drm)
    }

    fn resume(_pdev: &pci::Device<Bound>, data: Pin<&BoundDevice>) -> Result {
        display::resume(&data.drm)
    }

    fn freeze(pdev: &pci::Device<Bound>, data: Pin<&BoundDevice>) -> Result {
        // First, as the console draws until then.
        display::suspend(&data.drm)?;
        data.drm
            .with_registered(|dev| {
                dev.registration_data_with(|reg| data.backup.save(dev.vram(), reg.vram_bar()))
            })
            .unwrap_or(Ok(()))
            .inspect_err(|err| {
                dev_err!(pdev, "can't save VRAM: {err:?}\n");
                let _ = display::resume(&data.drm);
            })
    }

    fn thaw(pdev: &pci::Device<Bound>, data: Pin<&BoundDevice>) -> Result {
        Self::resume(pdev, data)
    }

    fn poweroff(pdev: &pci::Device<Bound>, data: Pin<&BoundDevice>) -> Result {
        Self::suspend(pdev, data)
    }

    fn restore(pdev: &pci::Device<Bound>, data: Pin<&BoundDevice>) -> Result {
        // First, so that nobody sees what another kernel has left there.
        let restored = data
            .drm
            .with_registered(|dev| {
                dev.registration_data_with(|reg| data.backup.restore(reg.vram_bar()))
            })
            .unwrap_or(Ok(()))
            .inspect_err(|err| dev_err!(pdev, "can't restore VRAM: {err:?}\n"));
        display::resume(&data.drm).and(restored)
    }

    fn shutdown(_pdev: &pci::Device<Bound>, data: Pin<&BoundDevice>) {
        display::shutdown(&data.drm);
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

/// Logs which displays other drivers are bound to that this driver could drive.
pub(crate) fn report_devices_of_others(own: &CStr) {
    upstream::pci::for_each_held_by_other(VENDOR_QEMU, DEVICE_STDVGA, own, |device, driver| {
        pr_notice!(
            "{device} is held by {driver}; to have it: \
             echo {device} > /sys/bus/pci/drivers/{driver}/unbind && \
             echo {device} > /sys/bus/pci/drivers/{own}/bind\n"
        );
    });
}
