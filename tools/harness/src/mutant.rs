// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Parses a mutant: a file with headers that say how a change breaks the driver and which tests
//! must detect it, followed by the change as a diff.
//!
//! ```text
//! Breaks: private writable mappings are let through
//! Killed-by: igt@barium_mmap@cow-refused, igt@barium_mmap@cow-refused-.*
//! Guest: opt/bochs-display
//! Mode: strict
//!
//! --- a/drivers/gpu/drm/barium/upstream/vma.rs
//! +++ b/drivers/gpu/drm/barium/upstream/vma.rs
//! ```
//!
//! `Killed-by` lists regular expressions, separated by commas. Each must match the whole name of a
//! test without guest and mode, or the part before an `@` in it. `kunit@suite/case` and
//! `kunit@suite@case` mean the same. `splats` stands for a report in the kernel log and for a guest
//! that does not reach its end. `Guest` and `Mode` default to `opt/bochs-display` and `default`. A
//! line that begins with a space continues the previous one. A guest of another architecture has its
//! name, such as `arm64/cortex-a57`.

use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

use crate::arch::{self, Arch};
use crate::guests::Mode;
use crate::report::{Entry, Outcome};
use crate::{command, Result};

/// The guest of a mutant without `Guest:`.
const DEFAULT_GUEST: &str = "opt/bochs-display";
/// The test that fails for a report in the kernel log, and the one that fails for a lost guest.
const SPLATS: &str = "splats";
const GUEST: &str = "guest";

/// A deliberate bug in the driver.
#[derive(Debug)]
pub struct Mutant {
    /// Name of the file without extension.
    pub name: String,
    /// What the change breaks.
    pub breaks: String,
    /// The guest that runs the tests.
    pub guest: String,
    /// The mode in which the guest loads the driver.
    pub mode: Mode,
    path: PathBuf,
    killed_by: Vec<Pattern>,
}

/// A regular expression for test names.
#[derive(Debug)]
struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    fn new(text: &str) -> Result<Self> {
        let text = match text.strip_prefix("kunit@") {
            Some(rest) => format!("kunit@{}", rest.replacen('/', "@", 1)),
            None => text.into(),
        };
        let regex = Regex::new(&format!("^(?:{text})(?:@.*)?$")).map_err(|e| e.to_string())?;
        Ok(Pattern { text, regex })
    }

    fn names(&self, entry: &Entry) -> bool {
        self.regex.is_match(&entry.name) || (self.text == SPLATS && entry.name == GUEST)
    }
}

/// A test of `Killed-by` that failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Killer {
    /// Name of the test.
    pub test: String,
    /// How the test failed.
    pub how: String,
}

impl Mutant {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Self::parse(&name, path, &command::read_lossy(path))
            .map_err(|why| format!("{}: {why}", path.display()))
    }

    fn parse(name: &str, path: &Path, text: &str) -> Result<Self> {
        let (head, _) = text
            .split_once("\n--- ")
            .ok_or("the file has no diff, which begins with `--- `")?;
        let mut mutant = Mutant {
            name: name.into(),
            breaks: String::new(),
            guest: DEFAULT_GUEST.into(),
            mode: Mode::Default,
            path: path.into(),
            killed_by: Vec::new(),
        };
        for line in head.replace("\n ", " ").lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with("diff ") || line.starts_with("index ") {
                continue;
            }
            let (key, value) = line
                .split_once(':')
                .ok_or(format!("`{line}` is not a header"))?;
            let value = value.trim();
            match key {
                "Breaks" => mutant.breaks = value.into(),
                "Guest" => mutant.guest = value.into(),
                "Mode" => {
                    let mode = Mode::ALL.into_iter().find(|mode| mode.name() == value);
                    mutant.mode = mode.ok_or(format!("there is no mode {value}"))?;
                }
                "Killed-by" => {
                    for text in value.split(',').map(str::trim).filter(|t| !t.is_empty()) {
                        mutant.killed_by.push(Pattern::new(text)?);
                    }
                }
                other => return Err(format!("`{other}:` is not a header")),
            }
        }
        if mutant.breaks.is_empty() || mutant.killed_by.is_empty() {
            return Err("`Breaks:` and `Killed-by:` are required".into());
        }
        Ok(mutant)
    }

    /// Returns the architecture of the guest.
    pub fn arch(&self) -> &'static Arch {
        let kernel = self.guest.split('/').next().unwrap_or_default();
        Arch::named(kernel).unwrap_or(&arch::X86_64)
    }

    /// Applies the diff to the tree `source`; `log` gets the output of `patch`.
    pub fn apply(&self, source: &Path, log: &Path) -> Result<()> {
        command::logged(
            Command::new("patch")
                .args(["--strip=1", "--fuzz=0", "--batch", "--forward"])
                .args(["--no-backup-if-mismatch", "--reject-file=-"])
                .arg("--directory")
                .arg(source)
                .arg("--input")
                .arg(&self.path),
            log,
        )
    }

    /// Returns an extended regular expression for the tests that must detect any of `mutants`.
    pub fn tests<'a>(mutants: impl IntoIterator<Item = &'a Mutant>) -> String {
        let mut texts: Vec<&str> = mutants
            .into_iter()
            .flat_map(|mutant| &mutant.killed_by)
            .map(|pattern| pattern.text.as_str())
            .collect();
        texts.sort_unstable();
        texts.dedup();
        format!("^({})(@.*)?$", texts.join("|"))
    }

    /// Checks `entries`, the results of the unmodified driver: each pattern of `Killed-by` must
    /// match a test that passed, and none that failed.
    pub fn check_named(&self, entries: &[Entry]) -> Result<()> {
        if let Some(killer) = self.killers(entries).first() {
            return Err(format!(
                "{} fails ({}) on the unmodified driver too",
                killer.test, killer.how
            ));
        }
        for pattern in &self.killed_by {
            if !entries
                .iter()
                .any(|e| e.outcome == Outcome::Passed && pattern.names(e))
            {
                return Err(format!(
                    "no test {} passes on the unmodified driver",
                    pattern.text
                ));
            }
        }
        Ok(())
    }

    /// Returns the tests of `Killed-by` that failed.
    pub fn killers(&self, entries: &[Entry]) -> Vec<Killer> {
        entries
            .iter()
            .filter(|e| e.outcome == Outcome::Failed)
            .filter(|e| self.killed_by.iter().any(|pattern| pattern.names(e)))
            .map(|e| Killer {
                test: e.name.clone(),
                how: how(e),
            })
            .collect()
    }
}

/// Returns how a test failed: igt_runner's word for it, or the start of the reason.
pub fn how(entry: &Entry) -> String {
    // Paths of this run's logs make no sense in a table that is kept.
    let first = entry.reason.lines().next().unwrap_or_default();
    let first = first.split("; the end of").next().unwrap_or_default();
    if entry.name.starts_with("igt@") {
        return first.into();
    }
    match entry.name.as_str() {
        SPLATS => format!("splat: {}", strip_timestamp(first)),
        GUEST => format!("guest: {first}"),
        _ => "fail".into(),
    }
}

/// Strips the time stamp of a kernel log line.
fn strip_timestamp(line: &str) -> &str {
    line.split_once("] ").map_or(line, |(_, rest)| rest).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Breaks: nothing
Killed-by: igt@a@b, kunit@suite/case,
 igt@c@d-.*
Mode: strict

--- a/x
+++ b/x
";

    fn mutant() -> Mutant {
        Mutant::parse("x", Path::new("x.diff"), TEXT).unwrap()
    }

    #[test]
    fn reads_the_head() {
        let mutant = mutant();
        assert_eq!(mutant.breaks, "nothing");
        assert_eq!(mutant.guest, DEFAULT_GUEST);
        assert_eq!(mutant.mode, Mode::Strict);
        assert_eq!(
            Mutant::tests([&mutant]),
            "^(igt@a@b|igt@c@d-.*|kunit@suite@case)(@.*)?$"
        );
    }

    #[test]
    fn misses_what_has_to_be_there() {
        for text in [
            TEXT.replace("Breaks", "Brakes"),
            TEXT.replace("Breaks: nothing\n", ""),
            TEXT.replace("Mode: strict", "Mode: fast"),
            TEXT.replace("--- a/x", ""),
            TEXT.replace("@b,", "@(b,"),
        ] {
            assert!(Mutant::parse("x", Path::new("x"), &text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_failures_of_named_tests_kill() {
        let mutant = mutant();
        let entries = [
            Entry::new("igt@a@b", Outcome::Skipped, ""),
            Entry::failed("igt@a@b-too", "fail"),
            Entry::failed("kunit@suite@cases", "fail"),
            Entry::passed("igt@c@d-1"),
            Entry::failed("splats", "[    1.000000] BUG: x"),
        ];
        assert_eq!(mutant.killers(&entries), []);
        let entries = [Entry::failed("igt@c@d-2", "crash\nmore")];
        let killer = Killer {
            test: "igt@c@d-2".into(),
            how: "crash".into(),
        };
        assert_eq!(mutant.killers(&entries), [killer]);
    }

    #[test]
    fn a_dead_guest_is_a_splat() {
        let text = TEXT.replace("igt@a@b", "splats");
        let mutant = Mutant::parse("x", Path::new("x"), &text).unwrap();
        let died = [Entry::failed("guest", "switched off")];
        assert_eq!(mutant.killers(&died)[0].how, "guest: switched off");
    }

    #[test]
    fn named_tests_have_to_pass_unchanged() {
        let mutant = mutant();
        let mut entries = vec![
            Entry::passed("igt@a@b"),
            Entry::passed("igt@c@d-1"),
            Entry::new("kunit@suite@case", Outcome::Skipped, ""),
        ];
        assert!(mutant.check_named(&entries).is_err());
        entries[2].outcome = Outcome::Passed;
        assert!(mutant.check_named(&entries).is_ok());
        entries[0].outcome = Outcome::Failed;
        assert!(mutant.check_named(&entries).is_err());
    }
}
