// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Operating system services for the other modules: programs whose output goes to a log, files,
//! directories, locks.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};

use crate::Result;

/// Number of log lines that an error message quotes.
const QUOTED_LINES: usize = 20;

/// Runs `command` with its output in `log`. An error quotes the last lines of the log.
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

/// Returns the last `count` lines of `text`.
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Reads a file as text. A missing file is empty; invalid UTF-8 is replaced.
pub fn read_lossy(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// Creates an empty directory at `path`. Existing content is removed.
pub fn fresh_dir(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    fs::create_dir_all(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Creates a directory at `path`. Existing content is kept.
pub fn dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Runs `build`, which makes files in `dir`. make trusts the time of a file, and a killed compiler
/// may leave a half-written file behind, so an interrupted build empties the directory the next
/// time.
pub fn build_in(dir: &Path, build: impl FnOnce() -> Result<()>) -> Result<()> {
    let mark = dir.join(".unfinished");
    if mark.exists() {
        fresh_dir(dir)?;
    }
    self::dir(dir)?;
    write(&mark, b"")?;
    build()?;
    fs::remove_file(&mark).map_err(|e| format!("{}: {e}", mark.display()))
}

/// Writes a file atomically.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let unfinished = Path::new(&name);
    fs::write(unfinished, content)
        .and_then(|()| fs::rename(unfinished, path))
        .map_err(|e| format!("{}: {e}", path.display()))
}

/// Returns true if the file system of `dir` is nearly full.
pub fn is_full(dir: &Path) -> bool {
    let df = Command::new("df")
        .args(["--output=avail", "-Bk"])
        .arg(dir)
        .output();
    let text = df.map(|df| String::from_utf8_lossy(&df.stdout).into_owned());
    let free = text.ok().and_then(|text| {
        let line = text.lines().last()?.trim();
        line.strip_suffix('K')?.parse::<u64>().ok()
    });
    free.is_some_and(|kib| kib < 1024)
}

/// Removes a file if it exists.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(format!("{}: {e}", path.display())),
        _ => Ok(()),
    }
}

/// Locks `mutex`, also if a thread has panicked while it held it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_unfinished_build_left_is_not_kept() {
        let dir = std::env::temp_dir().join("barium-build-in");
        let _ = fs::remove_dir_all(&dir);
        let object = dir.join("object");
        let build = |result: Result<()>| {
            build_in(&dir, || {
                let was_there = object.exists();
                write(&object, b"half")?;
                result.map(|()| assert!(!was_there))
            })
        };
        assert!(build(Err("killed".into())).is_err());
        assert_eq!(build(Ok(())), Ok(()));
        let kept = build_in(&dir, || {
            assert!(object.exists());
            Ok(())
        });
        assert_eq!(kept, Ok(()));
        let _ = fs::remove_dir_all(&dir);
    }
}
