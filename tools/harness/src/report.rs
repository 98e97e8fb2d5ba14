// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Test results: collecting them, writing `results.json`, and the line that ends a run.

use std::path::Path;

use serde_json::{json, Value};

use crate::{command, Result};

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// In any other way.
    Failed,
    /// It said that it does not apply here.
    Skipped,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
        }
    }
}

/// One test's result.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Guest and test, such as `opt/bochs-display/igt@barium_mmap@cow-refused`.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: f64,
    /// Why it did not pass; empty if it did.
    pub reason: String,
    /// What it has found out, for people: numbers mostly.
    pub notes: Vec<String>,
}

impl Entry {
    /// A test that passed.
    pub fn passed(name: impl Into<String>) -> Self {
        Self::new(name, Outcome::Passed, "")
    }

    /// A test that failed, and why.
    pub fn failed(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(name, Outcome::Failed, reason)
    }

    /// A test with any outcome.
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

/// Everything that a run found out.
#[derive(Default)]
pub struct Report {
    entries: Vec<Entry>,
}

impl Report {
    /// Adds results, their names prefixed by `vm`, and says which failed.
    pub fn add(&mut self, vm: &str, entries: Vec<Entry>) {
        for mut entry in entries {
            entry.name = format!("{vm}/{}", entry.name);
            self.entries.push(entry);
        }
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.entries.iter().filter(|e| e.outcome == outcome).count()
    }

    /// Whether something ran and nothing failed.
    pub fn is_good(&self) -> bool {
        self.count(Outcome::Failed) == 0 && self.count(Outcome::Passed) > 0
    }

    /// The line `N passed, N failed, N skipped`.
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

    /// Prints what tests have noted.
    pub fn print_notes(&self) {
        for entry in &self.entries {
            for note in &entry.notes {
                println!("{}: {note}", entry.name);
            }
        }
    }

    /// Prints what was skipped and what failed, each with its reason.
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

/// How many of `entries` ended how.
pub fn summary(entries: &[Entry]) -> String {
    let count = |outcome| entries.iter().filter(|e| e.outcome == outcome).count();
    format!(
        "{} passed, {} failed, {} skipped",
        count(Outcome::Passed),
        count(Outcome::Failed),
        count(Outcome::Skipped)
    )
}
