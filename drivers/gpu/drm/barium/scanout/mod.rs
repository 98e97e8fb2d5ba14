// SPDX-License-Identifier: GPL-2.0

//! Scan-out: which pictures the device can show ([`limits`]), and programming it ([`pipe`]).
//!
//! This room knows the registers and nothing of DRM's objects: [`crate::display`] connects it to
//! them. It is below [`crate::device`], which holds its state.

mod limits;
mod pipe;

pub(crate) use limits::{
    ModeLimits,
    Picture,
    Scanout,
    PITCH_ALIGN, //
};
pub(crate) use pipe::Pipe;
