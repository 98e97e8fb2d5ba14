// SPDX-License-Identifier: GPL-2.0

//! Connects the modules: PCI ids, probe, the operations of the PCI bus and of DRM, the ioctl table.

use crate::{
    debugfs,
    device::{
        BariumData,
        BariumDevice,
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
    gem::{
        self,
        BariumObject,
        SystemMemory, //
    },
    scanout::{
        ModeLimits,
        Pipe, //
    },
    uapi::*,
    upstream::{
        self,
        dmem,
        drm_driver::Nodes,
        kms::registration::{
            self,
            MappableDriver,
            RegisteredKmsDevice, //
        },
        pm::{
            SystemSleep,
            Transition, //
        },
        shrinker::Shrinker,
        tmpfs::TmpfsMount, //
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

/// Sets the configuration of all devices. Must be called before the driver is registered with the
/// PCI bus: without a configuration, probe fails with `ENODEV`.
pub(crate) fn set_config(config: Config) {
    CONFIG.populate(config);
}

/// The driver data of a bound PCI device.
pub(crate) struct BoundDevice {
    _shrinker: Shrinker<SystemMemory>,
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
        // After the checks, so that a display which this driver refuses keeps its framebuffer.
        upstream::firmware_fb::remove(pdev, <Self as drm::Driver>::INFO.name)?;
        let config = CONFIG.copy().ok_or(ENODEV)?;
        let data = BariumData::new(
            VramManager::new(properties.vram)?,
            ModeLimits::new(&properties)?,
            config,
            huge_tmpfs(pdev),
        )?;
        let backup = VramBackup::new()?;
        let nodes = if config.render_node {
            Nodes::PrimaryAndRender
        } else {
            Nodes::Primary
        };
        let drm = upstream::drm_driver::alloc::<Self, _>(pdev, Ok(data), nodes, &OPS)?;
        let drm = display::set_up(drm)?;
        let dmem = dmem::Region::new(drm.device(), c"vram", properties.vram.bytes())?;
        let drm = registration::register::<Display, _>(pdev, drm, |pdev| {
            let bar = VramBar::new(pdev, properties.vram)?;
            let pipe = Pipe::new(dispi::Registers::new(pdev)?, &properties)?;
            Ok(BariumHardware::new(dmem, pipe, bar))
        })?;

        dev_info!(pdev, "{} MiB of VRAM\n", properties.vram.mib());
        display::report_little_vram(&drm);
        drm.with_registered(debugfs::add_files);
        Ok(BoundDevice {
            _shrinker: Shrinker::new(c"drm-barium", SystemMemory::new(drm.device()))?,
            drm,
            backup,
        })
    }
}

/// Mappings keep their page table entries: the PM core freezes user space before the device sleeps,
/// and thaws it after the PCI core has restored the BARs. QEMU keeps VRAM during suspend to RAM.
/// Before hibernation, the driver moves all objects out of VRAM that can be moved. It saves the
/// rest of the VRAM in use, and restores it afterwards.
impl SystemSleep for BariumDriver {
    fn prepare(
        pdev: &pci::Device<Bound>,
        data: Pin<&BoundDevice>,
        transition: Transition,
    ) -> Result {
        if transition != Transition::Hibernation {
            return Ok(());
        }
        // An object that stays, for example because there is no memory to move it to, is saved with
        // the rest of VRAM, if there is memory for that.
        let _ = gem::evict_all(&data.drm.device(), || false);
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
        // Before the copy: the console draws into VRAM until it is suspended.
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
        // Before the display is enabled, so that it does not show the boot kernel's content of
        // VRAM.
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

impl dmem::Reclaim for BariumDriver {
    fn reclaim(dev: &BariumDevice, pool: dmem::Pool<'_>, bytes: u64) -> Result {
        gem::evict_charged(dev, pool, bytes)
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
        minor: 4,
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
        (DRM_IOCTL_BARIUM_GEM_MADVISE, drm_barium_gem_madvise,
            ioctl::AUTH | ioctl::RENDER_ALLOW, registered: File::gem_madvise),
    }
}

/// Returns a mount for the system memory of the objects of `pdev` that leave VRAM. Returns `None`
/// if the kernel has no huge pages, or no memory for the mount: these objects then use small pages.
fn huge_tmpfs(pdev: &pci::Device<Core<'_>>) -> Option<TmpfsMount> {
    match TmpfsMount::with_huge_pages() {
        Ok(mount) => Some(mount),
        Err(EOPNOTSUPP) => None,
        Err(err) => {
            dev_notice!(pdev, "no huge pages for objects that leave VRAM: {err:?}\n");
            None
        }
    }
}

/// Logs each device with this driver's PCI id that another driver is bound to. `own` is the name of
/// this driver.
pub(crate) fn report_devices_of_others(own: &CStr) {
    upstream::pci::for_each_held_by_other(VENDOR_QEMU, DEVICE_STDVGA, own, |device, driver| {
        pr_notice!(
            "{device} is held by {driver}; to have it: \
             echo {device} > /sys/bus/pci/drivers/{driver}/unbind && \
             echo {device} > /sys/bus/pci/drivers/{own}/bind\n"
        );
    });
}
