// SPDX-License-Identifier: GPL-2.0

//! Handlers whose arguments live as long as the call, in both states of the device.

use crate::{
    toy,
    uapi::*,
    upstream::ioctl::declare_ioctls, //
};
use kernel::{
    drm::{
        self,
        ioctl::RENDER_ALLOW,
        Ioctl,
        Registered, //
    },
    prelude::*, //
};

struct Toy;

fn get_param(
    _dev: &drm::Device<Toy, Registered>,
    reg: &&u32,
    args: &mut drm_barium_get_param,
    _file: &drm::File<toy::File<Toy>>,
) -> Result<u32> {
    args.value = (**reg).into();
    Ok(0)
}

fn gem_create(
    _dev: &drm::Device<Toy, Ioctl>,
    args: &mut drm_barium_gem_create,
    _file: &drm::File<toy::File<Toy>>,
) -> Result<u32> {
    args.handle = 1;
    Ok(0)
}

#[vtable]
impl drm::Driver for Toy {
    toy::driver_without_ioctls!();

    declare_ioctls! {
        driver: Toy,
        (DRM_IOCTL_BARIUM_GET_PARAM, drm_barium_get_param, RENDER_ALLOW, registered: get_param),
        (DRM_IOCTL_BARIUM_GEM_CREATE, drm_barium_gem_create, RENDER_ALLOW, any: gem_create),
    }
}
