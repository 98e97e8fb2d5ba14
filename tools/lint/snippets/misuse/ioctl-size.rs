// SPDX-License-Identifier: GPL-2.0

//! The size of an argument differs from the size in the ioctl's number.

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
    _dev: &drm::Device<Toy, Ioctl>,
    _args: &mut u64,
    _file: &drm::File<toy::File<Toy>>,
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

    declare_ioctls! { //~ E0080
        driver: Toy,
        (DRM_IOCTL_BARIUM_GET_PARAM, u64, RENDER_ALLOW, any: get_param),
    }
}
