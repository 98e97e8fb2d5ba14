// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the rest needs of the operating system: other programs with their output in a log, files,
//! directories, locks.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};

use crate::Result;

/// Lines of a log that a message quotes.
const QUOTED_LINES: usize = 20;

/// Runs `command` with its output in `log`; an error quotes the end of that.
pub fn logged(command: &mut Command, log: &Path) -> Result<()> {
    let output = File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
    let errors = output
        .try_clone()
        .map_err(|e| format!("{}: {e}", log.display()))?;
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .status()
        .map_err(|e| format!("{program}: {e}"))?;
    if status.success() {
        return Ok(());
    }
    let text = read_lossy(log);
    Err(format!(
        "{program}: {status}; the end of its log {}:\n{}",
        log.display(),
        tail(&text, QUOTED_LINES)
    ))
}

/// The last `count` lines of `text`.
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// A file as text, empty if it is not there, whatever bytes are in it.
pub fn read_lossy(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// An empty directory at `path`, whatever was there.
pub fn fresh_dir(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    fs::create_dir_all(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// A directory at `path`, with what it holds.
pub fn dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Writes a whole file.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).map_err(|e| format!("{}: {e}", path.display()))
}

/// What the mutex holds, also after a thread that had it has panicked.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
