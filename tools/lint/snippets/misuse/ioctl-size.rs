// SPDX-License-Identifier: GPL-2.0

//! The size of an argument differs from the size in the ioctl's number.

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
    _dev: &drm::Device<Toy, Ioctl>,
    _args: &mut u64,
    _file: &drm::File<toy::File<Toy>>,
) -> Result<u32> {
    Ok(0)
}

#[vtable]
impl drm::Driver for Toy {
    toy::driver_without_ioctls!();

    declare_ioctls! { //~ E0080
        driver: Toy,
        (DRM_IOCTL_BARIUM_GET_PARAM, u64, RENDER_ALLOW, any: get_param),
    }
}
