// SPDX-License-Identifier: GPL-2.0

//! B11: a device is suspended whose mode configuration may never have been completed.

use crate::upstream::kms::{
    client,
    registration::RegisteredKmsDevice, //
};
use kernel::{
    drm,
    prelude::*,
    sync::aref::ARef, //
};

fn registered<D: drm::Driver>(dev: &drm::Device<D, drm::Registered>) -> Result {
    client::suspend(dev) //~ E0308
}

fn forged<D: drm::Driver>(dev: ARef<drm::Device<D>>) -> Result {
    client::suspend(&RegisteredKmsDevice(dev)) //~ E0423
}
