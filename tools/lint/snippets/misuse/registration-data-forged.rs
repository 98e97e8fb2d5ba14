// SPDX-License-Identifier: GPL-2.0

//! Registration data is created that does not zap mappings when it is dropped.

use crate::{
    device::{
        BariumDriver,
        BariumHardware, //
    },
    upstream::kms::registration::UnmapOnDrop, //
};
use kernel::{
    drm,
    sync::aref::ARef, //
};

fn forged(
    drm: ARef<drm::Device<BariumDriver>>,
    data: BariumHardware<'_>,
) -> UnmapOnDrop<BariumDriver, BariumHardware<'_>> {
    UnmapOnDrop { drm, data } //~ E0451
}
