// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Operating system services for the other modules: programs whose output goes to a log, files,
//! directories, locks, threads.

use std::collections::{BTreeMap, VecDeque};
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

/// Calls `run` for each of `items`, in their order, in as many threads as `jobs`; `run` also gets the
/// number of its thread. Returns the results in the order of the items.
pub fn in_parallel<T: Send, R: Send>(
    jobs: usize,
    items: impl IntoIterator<Item = T>,
    run: impl Fn(T, usize) -> R + Sync,
) -> Vec<R> {
    let queue = Mutex::new(items.into_iter().enumerate().collect::<VecDeque<_>>());
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for worker in 0..jobs.max(1) {
            let (queue, results, run) = (&queue, &results, &run);
            scope.spawn(move || loop {
                let Some((index, item)) = lock(queue).pop_front() else {
                    break;
                };
                let result = run(item, worker);
                lock(results).insert(index, result);
            });
        }
    });
    results
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .into_values()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        for jobs in [0, 1, 3] {
            let doubled = in_parallel(jobs, 1..=20, |item, worker| {
                assert!(worker < jobs.max(1));
                2 * item
            });
            assert_eq!(doubled, (1..=20).map(|item| 2 * item).collect::<Vec<_>>());
        }
    }

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
