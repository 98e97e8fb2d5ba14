// SPDX-License-Identifier: GPL-2.0

//! A device is suspended whose mode configuration may not be complete.

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
