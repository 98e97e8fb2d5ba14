// SPDX-License-Identifier: GPL-2.0

//! Encoders: between a CRTC and a connector. These ones do nothing.
//!
//! - Upstream today: nothing.
//! - The shape it should have: a trait beside [`super::crtc::DriverCrtc`], for those that do
//!   something.
//! - Why this is sound on 7.3: an empty table of functions is what `__drmm_encoder_alloc()` takes
//!   for an encoder that does nothing.
//! - Delete when upstream has KMS abstractions.

use super::{
    bindings,
    crtc::UnregisteredCrtc,
    Driver,
    UnregisteredKmsDevice, //
};
use kernel::{
    error::from_err_ptr,
    prelude::*, //
};

/// An encoder that has no connector yet.
pub(crate) struct UnregisteredEncoder<'a, K: Driver> {
    pub(super) setup: &'a UnregisteredKmsDevice<K>,
    pub(super) raw: *mut bindings::drm_encoder,
}

const FUNCS: bindings::drm_encoder_funcs = pin_init::zeroed();

impl<'a, K: Driver> UnregisteredCrtc<'a, K> {
    /// Makes an encoder for the picture of this CRTC that nobody sees (`DRM_MODE_ENCODER_VIRTUAL`).
    ///
    /// Errors: `ENOMEM`.
    pub(crate) fn virtual_encoder(self) -> Result<UnregisteredEncoder<'a, K>> {
        // SAFETY: The device is valid and its mode configuration initialised. The table is a
        // constant.
        let raw = from_err_ptr(unsafe {
            bindings::__drmm_encoder_alloc(
                self.setup.raw(),
                size_of::<bindings::drm_encoder>(),
                0,
                const { &FUNCS },
                c_int::try_from(bindings::DRM_MODE_ENCODER_VIRTUAL)?,
                core::ptr::null(),
            )
        })?
        .cast::<bindings::drm_encoder>();
        // SAFETY: The CRTC is valid, and has an index below 32.
        let crtcs = 1 << unsafe { (*self.raw).index };
        // SAFETY: The encoder was just made, for a device that nobody else knows.
        unsafe { (*raw).possible_crtcs = crtcs };
        Ok(UnregisteredEncoder {
            setup: self.setup,
            raw,
        })
    }
}
