// SPDX-License-Identifier: GPL-2.0

//! One driver uses another driver's ioctl table: device and file are cast to the wrong types.

use crate::{
    toy,
    uapi::*,
    upstream::ioctl::declare_ioctls, //
};
use kernel::{
    drm::{
        self,
        ioctl::RENDER_ALLOW,
        Ioctl, //
    },
    prelude::*, //
};

struct Toy;

fn get_param(
    _dev: &drm::Device<crate::device::BariumDriver, Ioctl>,
    _args: &mut drm_barium_get_param,
    _file: &drm::File<crate::file::File>,
) -> Result<u32> {
    Ok(0)
}

#[vtable]
impl drm::Driver for Toy {
    toy::driver_without_ioctls!();

    declare_ioctls! { //~ E0308
        driver: crate::device::BariumDriver,
        (DRM_IOCTL_BARIUM_GET_PARAM, drm_barium_get_param, RENDER_ALLOW, any: get_param),
    }
}
