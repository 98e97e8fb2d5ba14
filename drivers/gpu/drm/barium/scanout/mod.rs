// SPDX-License-Identifier: GPL-2.0

//! Scanout: the limits of the device ([`limits`]), the code that programs it ([`pipe`]), the
//! picture that it shows instead of a framebuffer that is not in VRAM ([`shadow`]), and the one
//! that it shows instead of a blank screen ([`blank`]).
//!
//! This module uses the registers and none of DRM's objects; [`crate::display`] connects it to
//! them. [`crate::device`] uses this module and stores its state.

mod blank;
mod limits;
mod pipe;
mod shadow;

pub(crate) use limits::{
    ModeLimits,
    Picture,
    Scanout,
    PITCH_ALIGN, //
};
pub(crate) use pipe::Pipe;
pub(crate) use shadow::{
    Shadow,
    ShadowSource, //
};
