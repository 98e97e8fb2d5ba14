// SPDX-License-Identifier: GPL-2.0

//! The C side of mode setting: `kernel::bindings` with what it lacks.
//!
//! - Upstream today: the kernel's bindings are made from headers that mention the types of mode
//!   setting but do not define them.
//! - The shape it should have: none; the headers belong into `rust/bindings/bindings_helper.h`.
//! - Why this is sound on 7.3: bindgen is run as the kernel build runs it, with the arguments that
//!   the build has recorded (see `Kbuild`), over `bindings.h`. It makes the listed items only and
//!   takes all types that they need from `kernel::bindings`; what is defined here takes the place
//!   of the type without content there. A pointer to such a type is cast where one meets the other.
//! - Delete when the kernel's bindings have them.

#![expect(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    non_camel_case_types,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    reason = "generated from C"
)]

pub use kernel::bindings::*;
use kernel::ffi;
use pin_init::MaybeZeroable;

include!(env!("BARIUM_KMS_RS"));
