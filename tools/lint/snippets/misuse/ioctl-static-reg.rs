// SPDX-License-Identifier: GPL-2.0

//! A handler can keep the registration data after the device is unplugged.

use crate::{
    toy,
    uapi::*,
    upstream::ioctl::declare_ioctls, //
};
use kernel::{
    drm::{
        self,
        ioctl::RENDER_ALLOW,
        Registered, //
    },
    prelude::*, //
};

struct Toy;

fn get_param(
    _dev: &drm::Device<Toy, Registered>,
    _reg: &'static &'static u32,
    _args: &mut drm_barium_get_param,
    _file: &drm::File<toy::File<Toy>>,
) -> Result<u32> {
    Ok(0)
}

#[vtable]
impl drm::Driver for Toy {
    toy::driver_without_ioctls!();

    declare_ioctls! {
        driver: Toy,
        (DRM_IOCTL_BARIUM_GET_PARAM, drm_barium_get_param, RENDER_ALLOW, registered: get_param), //~ E0308
    }
}
