// SPDX-License-Identifier: GPL-2.0

//! Encoders without callbacks, between a CRTC and a connector.
//!
//! - Upstream today: nothing.
//! - The shape it should have: a trait beside [`super::crtc::DriverCrtc`] for encoders with
//!   callbacks.
//! - Why this is sound on 7.3: `__drmm_encoder_alloc()` accepts a vtable without callbacks.
//! - Delete when upstream has KMS abstractions.
//!
//! C header: [`include/drm/drm_encoder.h`](srctree/include/drm/drm_encoder.h)

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

/// An encoder of an unregistered device, which has no connector yet.
///
/// # Invariants
///
/// `raw` is an initialised encoder of `dev`.
pub(crate) struct UnregisteredEncoder<'a, K: Driver> {
    pub(super) dev: &'a UnregisteredKmsDevice<K>,
    pub(super) raw: *mut bindings::drm_encoder,
}

const FUNCS: bindings::drm_encoder_funcs = pin_init::zeroed();

impl<'a, K: Driver> UnregisteredCrtc<'a, K> {
    /// Creates an encoder of type `DRM_MODE_ENCODER_VIRTUAL` for this CRTC.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn virtual_encoder(self) -> Result<UnregisteredEncoder<'a, K>> {
        // SAFETY: The device is valid and its mode configuration is initialised. The vtable is a
        // constant.
        let raw = from_err_ptr(unsafe {
            bindings::__drmm_encoder_alloc(
                self.dev.raw(),
                size_of::<bindings::drm_encoder>(),
                0,
                const { &FUNCS },
                c_int::try_from(bindings::DRM_MODE_ENCODER_VIRTUAL)?,
                core::ptr::null(),
            )
        })?
        .cast::<bindings::drm_encoder>();
        // SAFETY: By the type invariants the CRTC is valid. Its index is below 32: DRM allows at
        // most 32 CRTCs.
        let crtcs = 1 << unsafe { (*self.raw).index };
        // SAFETY: `__drmm_encoder_alloc()` has just created the encoder. The device is not
        // registered, so nothing else accesses it.
        unsafe { (*raw).possible_crtcs = crtcs };
        // INVARIANT: `raw` was just created for `self.dev`.
        Ok(UnregisteredEncoder { dev: self.dev, raw })
    }
}
