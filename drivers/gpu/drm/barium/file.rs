// SPDX-License-Identifier: GPL-2.0

//! The client: an open file of the device, and its ioctls.
//!
//! `barium_drm.h` describes the ABI and its errors.

use crate::{
    device::{
        BariumDevice,
        BariumDriver,
        BariumRegistrationData,
        Client, //
    },
    gem::{
        self,
        BariumObject,
        Madv, //
    },
    mmap,
    uapi::*,
    upstream::vma::{
        HUGE_SIZE,
        WINDOW_PAGES, //
    },
};
use kernel::{
    drm::{
        self,
        gem::BaseObject,
        Ioctl,
        Registered, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

/// The file of a client. Its handles are in `drm_file`.
pub(crate) struct File(Arc<Client>);

impl drm::file::DriverFile for File {
    type Driver = BariumDriver;

    fn open(dev: &BariumDevice) -> Result<Pin<KBox<Self>>> {
        Ok(KBox::new(Self(dev.new_client()?), GFP_KERNEL)?.into())
    }
}

impl File {
    /// Returns the client.
    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.0
    }

    /// IOCTL: get_param: Returns a parameter of the device.
    pub(crate) fn get_param(
        dev: &BariumDevice<Registered>,
        _reg: &BariumRegistrationData<'_>,
        args: &mut drm_barium_get_param,
        _file: &drm::File<File>,
    ) -> Result<u32> {
        if args.pad != 0 {
            return Err(EINVAL);
        }
        args.value = match args.param {
            BARIUM_PARAM_VRAM_SIZE => u64::try_from(dev.vram().size().bytes())?,
            BARIUM_PARAM_VRAM_AVAILABLE => dev.vram().available(),
            BARIUM_PARAM_PAGE_SIZE => u64::try_from(PAGE_SIZE)?,
            BARIUM_PARAM_HUGE_SIZE if dev.config().huge => u64::try_from(HUGE_SIZE)?,
            BARIUM_PARAM_HUGE_SIZE => 0,
            BARIUM_PARAM_FAULT_AROUND if dev.config().fault_around => u64::try_from(WINDOW_PAGES)?,
            BARIUM_PARAM_FAULT_AROUND => 1,
            BARIUM_PARAM_FEATURES => u64::from(BARIUM_FEATURE_SYSTEM | BARIUM_FEATURE_MADVISE),
            _ => return Err(EINVAL),
        };
        Ok(0)
    }

    /// IOCTL: gem_create: Creates an object in VRAM or in system memory.
    pub(crate) fn gem_create(
        dev: &BariumDevice<Registered>,
        reg: &BariumRegistrationData<'_>,
        args: &mut drm_barium_gem_create,
        file: &drm::File<File>,
    ) -> Result<u32> {
        let client = file.inner().get_ref().client();
        let obj = gem::create(dev, reg, client, args.size, args.flags)?;
        args.handle = obj.create_handle(file)?;
        args.size = u64::try_from(obj.size())?;
        Ok(0)
    }

    /// IOCTL: gem_mmap_offset: Returns the fake offset to pass to `mmap()` for an object.
    pub(crate) fn gem_mmap_offset(
        _dev: &BariumDevice<Registered>,
        _reg: &BariumRegistrationData<'_>,
        args: &mut drm_barium_gem_mmap_offset,
        file: &drm::File<File>,
    ) -> Result<u32> {
        if args.pad != 0 {
            return Err(EINVAL);
        }
        args.offset = BariumObject::lookup_handle(file, args.handle)?.create_mmap_offset()?;
        Ok(0)
    }

    /// IOCTL: gem_info: Returns the size and the flags of an object.
    pub(crate) fn gem_info(
        _dev: &BariumDevice<Registered>,
        _reg: &BariumRegistrationData<'_>,
        args: &mut drm_barium_gem_info,
        file: &drm::File<File>,
    ) -> Result<u32> {
        let obj = BariumObject::lookup_handle(file, args.handle)?;
        args.flags = obj.flags();
        args.size = u64::try_from(obj.size())?;
        Ok(0)
    }

    /// IOCTL: gem_madvise: Declares whether the client needs the content of an object.
    pub(crate) fn gem_madvise(
        _dev: &BariumDevice<Registered>,
        _reg: &BariumRegistrationData<'_>,
        args: &mut drm_barium_gem_madvise,
        file: &drm::File<File>,
    ) -> Result<u32> {
        let madv = match (args.advice, args.pad) {
            (BARIUM_MADVISE_WILLNEED, 0) => Madv::WillNeed,
            (BARIUM_MADVISE_DONTNEED, 0) => Madv::DontNeed,
            _ => return Err(EINVAL),
        };
        let obj = BariumObject::lookup_handle(file, args.handle)?;
        args.retained = gem::set_madv(&obj, madv)?.into();
        Ok(0)
    }

    /// IOCTL: map_ahead: Maps a range of addresses before the client accesses it.
    ///
    /// The handler waits for the mmap lock of the client, and unplugging must not wait for that
    /// lock. So the handler does not call `drm_dev_enter()`; each of its faults does.
    pub(crate) fn map_ahead(
        dev: &BariumDevice<Ioctl>,
        args: &mut drm_barium_map_ahead,
        _file: &drm::File<File>,
    ) -> Result<u32> {
        if args.flags != 0 || args.pad != 0 {
            return Err(EINVAL);
        }
        let end = args.address.checked_add(args.size).ok_or(EINVAL)?;
        mmap::map_ahead(dev, args.address.try_into()?..end.try_into()?)?;
        Ok(0)
    }
}
