// SPDX-License-Identifier: GPL-2.0

//! A handler can keep device, arguments and file after the call.

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
    _dev: &'static drm::Device<Toy, Ioctl>,
    _args: &'static mut drm_barium_get_param,
    _file: &'static drm::File<toy::File<Toy>>,
) -> Result<u32> {
    Ok(0)
}

#[vtable]
impl drm::Driver for Toy {
    toy::driver_without_ioctls!();

    declare_ioctls! {
        driver: Toy,
        (DRM_IOCTL_BARIUM_GET_PARAM, drm_barium_get_param, RENDER_ALLOW, any: get_param), //~ E0308
    }
}
