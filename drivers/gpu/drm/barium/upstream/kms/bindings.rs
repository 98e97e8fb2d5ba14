// SPDX-License-Identifier: GPL-2.0

//! Bindings for the C side of mode setting: `kernel::bindings`, and the items that it lacks.
//!
//! - Upstream today: the headers that the kernel's bindings are generated from declare most types
//!   of mode setting, but do not define them.
//! - The shape it should have: none. The headers belong in `rust/bindings/bindings_helper.h`.
//! - Why this is sound on 7.3: `Kbuild` runs bindgen over `bindings.h` with the C flags of this
//!   module. bindgen generates only the items that `Kbuild` lists. They use the types that are
//!   complete in `kernel::bindings`. This module defines the types that are opaque there; callers
//!   cast pointers between the two.
//! - Delete when the kernel's bindings have these items.

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
