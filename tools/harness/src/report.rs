// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Test results: collects them, writes `results.json`, and prints the final line of a run.

use std::fmt::Display;
use std::path::Path;

use serde_json::{json, Value};

use crate::{command, Result};

/// The result of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The test passed.
    Passed,
    /// The test failed, crashed, timed out or did not end.
    Failed,
    /// The test reported that it does not apply.
    Skipped,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Passed, Self::Failed, Self::Skipped];

    fn name(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
        }
    }
}

/// A test and its result.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Guest and test, such as `opt/bochs-display/igt@barium_mmap@cow-refused`.
    pub name: String,
    /// Its result.
    pub outcome: Outcome,
    /// Its duration.
    pub seconds: f64,
    /// Why it did not pass; empty for a test that passed.
    pub reason: String,
    /// Lines that the test prints for people: mostly figures.
    pub notes: Vec<String>,
}

impl Entry {
    /// Returns an entry for a test that passed.
    pub fn passed(name: impl Into<String>) -> Self {
        Self::new(name, Outcome::Passed, "")
    }

    /// Returns an entry for a test that failed.
    pub fn failed(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(name, Outcome::Failed, reason)
    }

    /// Returns an entry with any result.
    pub fn new(name: impl Into<String>, outcome: Outcome, reason: impl Into<String>) -> Self {
        Entry {
            name: name.into(),
            outcome,
            seconds: 0.0,
            reason: reason.into(),
            notes: Vec::new(),
        }
    }
}

/// The results of a run.
#[derive(Default)]
pub struct Report {
    entries: Vec<Entry>,
}

impl Report {
    /// Adds results with `vm` as the prefix of their names, and prints the failures.
    pub fn add(&mut self, vm: &str, entries: Vec<Entry>) {
        for mut entry in entries {
            entry.name = format!("{vm}/{}", entry.name);
            self.entries.push(entry);
        }
    }

    /// Adds the results that another run has written to `path`.
    pub fn add_results(&mut self, path: &Path) -> Result<()> {
        let error = |what: &dyn Display| format!("{}: {what}", path.display());
        let text = std::fs::read_to_string(path).map_err(|e| error(&e))?;
        let entries = parse(&text).ok_or_else(|| error(&"not results of tests"))?;
        self.entries.extend(entries);
        Ok(())
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.entries.iter().filter(|e| e.outcome == outcome).count()
    }

    /// Returns true if at least one test ran and none failed.
    pub fn is_good(&self) -> bool {
        self.count(Outcome::Failed) == 0 && self.count(Outcome::Passed) > 0
    }

    /// Returns the line `N passed, N failed, N skipped`.
    pub fn summary(&self) -> String {
        summary(&self.entries)
    }

    /// Writes `results.json`.
    pub fn write(&self, path: &Path) -> Result<()> {
        let tests: Vec<Value> = self
            .entries
            .iter()
            .map(|e| {
                json!({
                    "name": e.name,
                    "result": e.outcome.name(),
                    "seconds": (e.seconds * 1000.0).round() / 1000.0,
                    "reason": e.reason,
                    "notes": e.notes,
                })
            })
            .collect();
        let all = json!({
            "passed": self.count(Outcome::Passed),
            "failed": self.count(Outcome::Failed),
            "skipped": self.count(Outcome::Skipped),
            "tests": tests,
        });
        command::write(path, format!("{all:#}\n").as_bytes())
    }

    /// Prints the notes of tests.
    pub fn print_notes(&self) {
        for entry in &self.entries {
            for note in &entry.notes {
                println!("{}: {note}", entry.name);
            }
        }
    }

    /// Prints the tests that were skipped and those that failed, each with its reason.
    pub fn print(&self) {
        for outcome in [Outcome::Skipped, Outcome::Failed] {
            for entry in self.entries.iter().filter(|e| e.outcome == outcome) {
                println!("{}: {}", outcome.name(), entry.name);
                for line in entry.reason.lines() {
                    println!("    {line}");
                }
            }
        }
    }
}

/// Parses what [`Report::write`] has written.
fn parse(text: &str) -> Option<Vec<Entry>> {
    let all: Value = serde_json::from_str(text).ok()?;
    let entry = |test: &Value| {
        let outcome = Outcome::ALL
            .into_iter()
            .find(|outcome| test["result"] == outcome.name())?;
        let notes = test["notes"].as_array()?.iter();
        Some(Entry {
            name: test["name"].as_str()?.into(),
            outcome,
            seconds: test["seconds"].as_f64()?,
            reason: test["reason"].as_str()?.into(),
            notes: notes.filter_map(|n| n.as_str().map(String::from)).collect(),
        })
    };
    all["tests"].as_array()?.iter().map(entry).collect()
}

/// Returns the line `N passed, N failed, N skipped` for `entries`.
pub fn summary(entries: &[Entry]) -> String {
    let count = |outcome| entries.iter().filter(|e| e.outcome == outcome).count();
    format!(
        "{} passed, {} failed, {} skipped",
        count(Outcome::Passed),
        count(Outcome::Failed),
        count(Outcome::Skipped)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_can_be_read_again() {
        let path = std::env::temp_dir().join(format!("barium-results-{}", std::process::id()));
        let mut report = Report::default();
        let skipped = Entry::new("b", Outcome::Skipped, "no disk");
        report.add("arm64", vec![Entry::passed("a"), skipped]);
        report.write(&path).unwrap();
        let mut other = Report::default();
        other.add("opt", vec![Entry::failed("c", "it broke")]);
        other.add_results(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(other.summary(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(other.entries[2].name, "arm64/b");
        assert_eq!(other.entries[2].reason, "no disk");
        assert!(other.add_results(&path).is_err());
        assert!(parse("{}").is_none());
    }
}
