// SPDX-License-Identifier: GPL-2.0

//! The state of a plane and its framebuffer are kept after the callback.

use crate::{
    display::Display,
    upstream::kms::plane::PlaneState, //
};

fn atomic_update(new: PlaneState<'_, Display>, kept: &mut Option<PlaneState<'static, Display>>) {
    *kept = Some(new); //~ error: lifetime may not live long enough
}
