// SPDX-License-Identifier: GPL-2.0

//! The Rust side of the ABI. bindgen makes it from `uapi/drm/barium_drm.h` when the module is
//! built, with an assertion for the size and the offsets of every structure.

#![expect(
    non_camel_case_types,
    unreachable_pub,
    reason = "generated from C, and documented in the C header"
)]

include!(env!("BARIUM_UAPI_RS"));
