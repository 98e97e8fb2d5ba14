// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Generates the ioctl numbers and structures from the kernel's headers with bindgen.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo")).join("abi.rs");
    let uapi = here.join("../../uapi/drm");
    let status = Command::new("bindgen")
        .arg(here.join("abi.h"))
        .arg("--output")
        .arg(out)
        .args(["--allowlist-type", "drm_(barium_(get_param|gem_(create|mmap_offset))|qxl_(alloc|map)|mode_((create|map|destroy)_dumb|card_res|fb_cmd|fb_dirty_cmd|crtc|crtc_page_flip|modeinfo)|clip_rect|gem_close)"])
        .args(["--allowlist-item", "BENCH_.*|DRM_MODE_PAGE_FLIP_EVENT|BARIUM_(PARAM_VRAM_AVAILABLE|GEM_CREATE_(CONTIGUOUS|SYSTEM))"])
        .args(["--no-layout-tests", "--with-derive-default", "--default-enum-style", "consts"])
        .args(["--", "-I/usr/include/libdrm"])
        .arg(format!("-I{}", uapi.display()))
        .status()
        .expect("bindgen can be run");
    assert!(status.success(), "bindgen: {status}");
    println!("cargo::rerun-if-changed=abi.h");
    println!("cargo::rerun-if-changed={}", uapi.display());
}
