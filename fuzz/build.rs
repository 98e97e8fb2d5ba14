// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Generates the ioctl numbers and structures from the kernel's headers with bindgen.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The structures that the fuzzer uses.
const TYPES: &str =
    "drm_(barium_.*|gem_(close|flink|open)|prime_handle|mode_(create|map|destroy)_dumb)\
                     |drm_mode_(card_res|get_(connector|plane_res|property)|modeinfo|\
                     obj_get_properties|crtc|fb_cmd2|crtc_page_flip|set_plane|fb_dirty_cmd|create_blob|atomic)|drm_clip_rect|\
                     drm_set_client_cap|dma_buf_sync|uffdio_(api|register|copy)";

/// Returns the bytes of a page in guests with this name; tools/foreign.sh has the names.
fn page_size(guest_arch: &str) -> usize {
    let kib = match guest_arch.rsplit_once('-') {
        Some((_, "16k")) => 16,
        Some((_, "64k")) => 64,
        _ => 4,
    };
    kib << 10
}

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let dir = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    println!("cargo::rerun-if-env-changed=GUEST_ARCH");
    let guest_arch = env::var("GUEST_ARCH").unwrap_or_default();
    let page = page_size(&guest_arch).to_string();
    fs::write(dir.join("page.rs"), page).expect("OUT_DIR can be written to");

    let out = dir.join("abi.rs");
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
