// SPDX-License-Identifier: GPL-2.0

//! Scan-out: the limits of the device ([`limits`]), the code that programs it ([`pipe`]), and what it
//! shows when it must show nothing ([`blank`]).
//!
//! This module uses the registers and none of DRM's objects; [`crate::display`] connects it to
//! them. [`crate::device`] uses this module and stores its state.

mod blank;
mod limits;
mod pipe;

pub(crate) use limits::{
    ModeLimits,
    Picture,
    Scanout,
    PITCH_ALIGN, //
};
pub(crate) use pipe::Pipe;
