// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The steps of `make lint` for which there is no other tool: `barium lint STEP`. Each prints its
//! findings, or nothing.

mod cfi;
mod crate_build;
mod examples;
mod rooms;
mod rust;
mod safety;
mod snippets;

use std::fs;
use std::path::{Path, PathBuf};

use crate::{command, Result};
use rust::Source;

/// Path of the driver's crate in the source tree.
const CRATE: &str = "drivers/gpu/drm/barium";

/// Runs the step; returns true if it found nothing.
pub fn lint(step: &str, source: &Path, out: &Path) -> Result<bool> {
    let driver = source.join(CRATE);
    let findings = match step {
        "rooms" => rooms::check(&files(&driver)?),
        "safety" => safety::check(&files(&driver)?),
        "cfi" => cfi::check(&driver, out)?,
        "snippets" => snippets::check(source, out)?,
        "examples" => examples::check(source, out)?,
        _ => return Err(format!("lint {step}: there is no such step")),
    };
    for finding in &findings {
        println!("{finding}");
    }
    Ok(findings.is_empty())
}

/// A Rust file of the driver.
pub struct File {
    /// Path below the crate's directory.
    pub path: String,
    /// Its tokens and comments.
    pub source: Source,
}

/// Returns all Rust files below `dir`, sorted by path.
fn files(dir: &Path) -> Result<Vec<File>> {
    let mut found = Vec::new();
    rust_files(dir, &mut found)?;
    found.sort();
    Ok(found
        .into_iter()
        .map(|path| File {
            path: path
                .strip_prefix(dir)
                .unwrap_or(&path)
                .display()
                .to_string(),
            source: Source::parse(&command::read_lossy(&path)),
        })
        .collect())
}

/// Adds the Rust files below `dir` to `found`.
fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    for entry in entries {
        let path = entry.map_err(|e| format!("{}: {e}", dir.display()))?.path();
        if path.is_dir() {
            rust_files(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    Ok(())
}
