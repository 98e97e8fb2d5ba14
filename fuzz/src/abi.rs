// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The ioctls of the driver, of DRM, of KCOV and of userfaultfd, as bindgen made them of the headers.

#![allow(non_camel_case_types, missing_docs, dead_code)]
#![expect(clippy::unreadable_literal, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/abi.rs"));
