// SPDX-License-Identifier: GPL-2.0

//! Ioctl handlers whose arguments live for the time of the call.

use crate::{
    device::BariumRegistrationData,
    driver::BariumDriver,
    file::File,
    uapi::*,
    upstream::ioctl::declare_ioctls,
};
use kernel::{
    drm::{
        self,
        ioctl,
        Registered, //
    },
    prelude::*,
};

fn get_param(
    _dev: &drm::Device<BariumDriver, Registered>,
    _reg: &BariumRegistrationData<'_>,
    args: &mut drm_barium_get_param,
    _file: &drm::File<File>,
) -> Result<u32> {
    args.pad = 0;
    Ok(0)
}

struct Table;

impl Table {
    declare_ioctls! {
        driver: BariumDriver,
        (DRM_IOCTL_BARIUM_GET_PARAM, drm_barium_get_param,
            ioctl::RENDER_ALLOW, registered: get_param),
    }
}

const _: usize = Table::IOCTLS.len();
