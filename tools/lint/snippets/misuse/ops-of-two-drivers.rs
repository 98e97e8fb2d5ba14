// SPDX-License-Identifier: GPL-2.0

//! The devices of two drivers share one static with callbacks.

use crate::{
    device::BariumDriver,
    upstream::{
        drm_driver::{
            alloc,
            DriverOps,
            Nodes, //
        },
        dumb::DumbBuffers,
        gem::Object, //
    }, //
};
use kernel::{
    device::Bound,
    drm,
    prelude::*, //
};

static OPS: DriverOps<BariumDriver> = DriverOps::new();

fn second_driver<D, T>(parent: &D::ParentDevice<Bound>, data: D::Data) -> Result
where
    D: drm::Driver<Object = Object<T>>,
    D::File: drm::file::DriverFile<Driver = D>,
    T: DumbBuffers<Driver = D>,
{
    alloc::<D, T>(parent, Ok(data), Nodes::Primary, &OPS)?; //~ E0308
    Ok(())
}
