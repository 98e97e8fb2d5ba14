// SPDX-License-Identifier: GPL-2.0

//! B2: a handler that may keep its arguments after the call.

use crate::{
    driver::BariumDriver,
    file::File,
    uapi::*,
    upstream::ioctl::declare_ioctls,
};
use kernel::{
    drm::{
        self,
        ioctl,
        Ioctl, //
    },
    prelude::*,
};

fn map_ahead(
    _dev: &'static drm::Device<BariumDriver, Ioctl>,
    _args: &'static mut drm_barium_get_param,
    _file: &'static drm::File<File>,
) -> Result<u32> {
    Ok(0)
}

struct Table;

impl Table {
    declare_ioctls! {
        driver: BariumDriver,
        (DRM_IOCTL_BARIUM_GET_PARAM, drm_barium_get_param, ioctl::RENDER_ALLOW, any: map_ahead), //~ E0308
    }
}

const _: usize = Table::IOCTLS.len();
