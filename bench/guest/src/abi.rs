// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The drivers' ioctls, as bindgen made them of the headers.

#![allow(non_camel_case_types, missing_docs)]
#![expect(clippy::unreadable_literal, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/abi.rs"));
