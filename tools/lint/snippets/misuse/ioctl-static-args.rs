// SPDX-License-Identifier: GPL-2.0

//! A handler can keep device, arguments and file after the call.

use crate::{
    toy,
    uapi::*,
    upstream::ioctl::declare_ioctls, //
};
use kernel::{
    device::DeviceContext,
    drm::{
        self,
        ioctl::RENDER_ALLOW,
        Ioctl, //
    },
    pci,
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
    type Data = ();
    type RegistrationData<'bound> = &'bound u32;
    type File = toy::File<Self>;
    type Object = drm::gem::Object<toy::Object<Self>>;
    type ParentDevice<Ctx: DeviceContext> = pci::Device<Ctx>;

    const INFO: drm::DriverInfo = toy::INFO;

    declare_ioctls! {
        driver: Toy,
        (DRM_IOCTL_BARIUM_GET_PARAM, drm_barium_get_param, RENDER_ALLOW, any: get_param), //~ E0308
    }
}
