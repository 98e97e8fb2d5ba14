// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Generates the ioctl numbers and structures from the kernel's headers with bindgen.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// The structures that the fuzzer uses.
const TYPES: &str =
    "drm_(barium_.*|gem_(close|flink|open)|prime_handle|mode_(create|map|destroy)_dumb)\
                     |drm_mode_(card_res|get_(connector|plane_res|property)|modeinfo|\
                     obj_get_properties|crtc|fb_cmd2|crtc_page_flip|set_plane|fb_dirty_cmd|create_blob|atomic)|drm_clip_rect|\
                     drm_set_client_cap|dma_buf_sync|uffdio_(api|register|copy)";

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo")).join("abi.rs");
    let uapi = here.join("../uapi/drm");
    let status = Command::new("bindgen")
        .arg(here.join("abi.h"))
        .arg("--output")
        .arg(out)
        .args(["--allowlist-type", TYPES])
        .args(["--allowlist-item", "(FUZZ|BARIUM)_.*"])
        .args(["--no-layout-tests", "--default-enum-style", "consts"])
        .args(["--", "-I/usr/include/libdrm"])
        .arg(format!("-I{}", uapi.display()))
        .status()
        .expect("bindgen can be run");
    assert!(status.success(), "bindgen: {status}");
    println!("cargo::rerun-if-changed=abi.h");
    println!("cargo::rerun-if-changed={}", uapi.display());
}
