// SPDX-License-Identifier: GPL-2.0

//! An ioctl argument has a type for which some byte values are invalid.

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

#[repr(C)]
struct Arguments {
    value: u64,
    flag: bool,
    rest: [u8; 7],
}

fn get_param(
    _dev: &drm::Device<Toy, Ioctl>,
    _args: &mut Arguments,
    _file: &drm::File<toy::File<Toy>>,
) -> Result<u32> {
    Ok(0)
}

#[vtable]
impl drm::Driver for Toy {
    toy::driver_without_ioctls!();

    declare_ioctls! {
        driver: Toy,
        (DRM_IOCTL_BARIUM_GET_PARAM, Arguments, RENDER_ALLOW, any: get_param), //~ E0277
    }
}
