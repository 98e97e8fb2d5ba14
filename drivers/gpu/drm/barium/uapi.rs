// SPDX-License-Identifier: GPL-2.0

//! The Rust side of the ABI. bindgen generates it from `barium_drm.h` when the driver is built,
//! with assertions for the size and the offsets of every structure. Every structure derives
//! `FromBytes` and `IntoBytes`: any bytes are a valid value of it, and it has no padding.

#![expect(
    non_camel_case_types,
    unreachable_pub,
    reason = "generated from C, and documented in the C header"
)]

include!(env!("BARIUM_UAPI_RS"));
