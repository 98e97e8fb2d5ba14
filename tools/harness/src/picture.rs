// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Writes PNG files.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use crate::Result;

/// Writes XRGB8888 pixels, little-endian, without padding between lines.
pub fn write(path: &Path, width: u32, height: u32, xrgb: &[u8]) -> Result<()> {
    let rgb: Vec<u8> = xrgb
        .chunks_exact(4)
        .flat_map(|p| [p[2], p[1], p[0]])
        .collect();
    write_rgb(path, width, height, &rgb)
}

/// Writes pixels of three bytes: red, green, blue.
pub fn write_rgb(path: &Path, width: u32, height: u32, rgb: &[u8]) -> Result<()> {
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let file = File::create(path).map_err(|e| fail(&e))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|e| fail(&e))?;
    writer.write_image_data(rgb).map_err(|e| fail(&e))
}
