// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Writes the document that compares the results of all drivers and explains what Barium does not pass.
//!
//! The explanations are in `igt-tests/explained.txt`. A block has a title, regular expressions for
//! the names of the tests and for IGT's reasons that it explains (each must match as a whole), and
//! a text.
//!
//! ```text
//! Title: Checksums of what is shown
//! Tests: igt@kms_plane@.*
//! Reason: .*CRC.*
//! The device cannot compute any.
//! ```
//!
//! The first block that matches explains a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use regex::Regex;

use crate::igt::Verdict;
use crate::official::{DriverResults, DRIVERS};
use crate::settings::Settings;
use crate::{command, Result};

/// The order of the columns.
const KINDS: [&str; 3] = ["pass", "skip", "fail"];

/// A block of explained.txt.
#[derive(Debug)]
struct Explanation {
    title: String,
    tests: Regex,
    reason: Regex,
    text: String,
}

impl Explanation {
    /// Parses all blocks; lines that begin with `#` are comments.
    fn all(text: &str) -> Result<Vec<Self>> {
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
        lines
            .split(|line| line.is_empty())
            .filter(|block| !block.is_empty())
            .map(Self::new)
            .collect()
    }

    fn new(block: &[&str]) -> Result<Self> {
        let field = |name: &str| block.iter().find_map(|line| line.strip_prefix(name));
        let regex = |name: &str| {
            let text = field(name).unwrap_or(".*");
            Regex::new(&format!("^(?s:{text})$")).map_err(|e| format!("explained.txt: {e}"))
        };
        let text: Vec<&str> = block
            .iter()
            .filter(|line| {
                !["Title: ", "Tests: ", "Reason: "]
                    .iter()
                    .any(|f| line.starts_with(f))
            })
            .copied()
            .collect();
        let title = field("Title: ").ok_or_else(|| format!("no title: {}", block.join("\n")))?;
        if text.is_empty() {
            return Err(format!("{title}: the explanation has no text"));
        }
        Ok(Explanation {
            title: title.into(),
            tests: regex("Tests: ")?,
            reason: regex("Reason: ")?,
            text: text.join("\n"),
        })
    }

    fn explains(&self, test: &str, verdict: &Verdict) -> bool {
        self.tests.is_match(test) && self.reason.is_match(&verdict.reason)
    }
}

/// The document.
pub struct Document<'a> {
    /// Results of [`DRIVERS`], in their order: the first ones are ours, the second ones those of the
    /// driver for the same device.
    results: &'a [DriverResults],
    explanations: Vec<Explanation>,
}

impl<'a> Document<'a> {
    /// Compares the results of [`DRIVERS`].
    pub fn new(settings: &Settings, results: &'a [DriverResults]) -> Result<Self> {
        let path = settings.source.join("igt-tests/explained.txt");
        Ok(Document {
            results,
            explanations: Explanation::all(&command::read_lossy(&path))?,
        })
    }

    fn ours(&self) -> &'a DriverResults {
        &self.results[0]
    }

    /// Groups our tests that did not pass by the index of their explanation. The last group has
    /// none.
    fn by_explanation(&self) -> BTreeMap<usize, Vec<(&str, &Verdict)>> {
        let mut groups: BTreeMap<usize, Vec<_>> = BTreeMap::new();
        for (test, verdict) in &self.ours().verdicts {
            if verdict.kind() != "pass" {
                let group = self
                    .explanations
                    .iter()
                    .position(|e| e.explains(test, verdict));
                groups
                    .entry(group.unwrap_or(self.explanations.len()))
                    .or_default()
                    .push((test.as_str(), verdict));
            }
        }
        groups
    }

    /// Returns each driver's result of each test.
    fn kinds(&self) -> BTreeMap<&'a str, Vec<&'static str>> {
        let names: BTreeSet<&str> = self
            .results
            .iter()
            .flat_map(|results| results.verdicts.keys().map(String::as_str))
            .collect();
        let of = |name| {
            self.results
                .iter()
                .map(|results| results.verdicts.get(name).map_or("-", Verdict::kind))
                .collect()
        };
        names.into_iter().map(|name| (name, of(name))).collect()
    }

    /// Returns the tests whose results differ between us and the driver for the same device, and those
    /// that any other driver passes and we do not.
    fn differences(&self) -> Vec<(&'a str, Vec<&'static str>)> {
        self.kinds()
            .into_iter()
            .filter(|(_, kinds)| {
                kinds[0] != kinds[1] || (kinds[0] != "pass" && kinds.contains(&"pass"))
            })
            .collect()
    }

    /// Returns the tests that the driver for the same device passes and we do not.
    fn passed_only_by_theirs(&self) -> Vec<&'a str> {
        self.kinds()
            .into_iter()
            .filter(|(_, kinds)| kinds[0] != "pass" && kinds[1] == "pass")
            .map(|(name, _)| name)
            .collect()
    }

    /// Returns true if we pass each test that they pass, all other results are explained, and the
    /// kernel log has no report. Prints what does not hold.
    pub fn is_good(&self) -> bool {
        let groups = self.by_explanation();
        let unexplained = groups
            .get(&self.explanations.len())
            .map_or(&[][..], Vec::as_slice);
        for name in self.passed_only_by_theirs() {
            println!("failed: {name}: {} passes it", DRIVERS[1].title);
        }
        for (name, verdict) in unexplained {
            println!(
                "failed: {name}: {}, not explained: {}",
                verdict.result, verdict.reason
            );
        }
        if let Some(alarm) = &self.ours().alarm {
            println!("failed: the kernel log has a report:\n{alarm}");
        }
        println!("{}", self.ours().summary());
        self.passed_only_by_theirs().is_empty()
            && unexplained.is_empty()
            && self.ours().alarm.is_none()
    }

    /// Returns the document's text.
    pub fn text(&self) -> String {
        [
            String::from(HEAD),
            self.summary(),
            self.difference_table(),
            self.explained(),
        ]
        .join("\n")
    }

    /// Counts the results of each test's subtests by kind.
    fn summary(&self) -> String {
        let mut binaries: BTreeMap<&str, Vec<Counts>> = BTreeMap::new();
        let mut total = vec![Counts::default(); self.results.len()];
        for (column, results) in self.results.iter().enumerate() {
            for (test, verdict) in &results.verdicts {
                let counts = binaries
                    .entry(binary(test))
                    .or_insert_with(|| vec![Counts::default(); self.results.len()]);
                counts[column].add(verdict);
                total[column].add(verdict);
            }
        }
        let mut text = format!("| test | {} |\n| --- |", titles());
        text.push_str(&" ---: |".repeat(self.results.len()));
        text.push('\n');
        for (name, counts) in &binaries {
            let _ = writeln!(text, "| `{name}` | {} |", cells(counts));
        }
        let _ = writeln!(text, "| all | {} |", cells(&total));
        text
    }

    fn difference_table(&self) -> String {
        let mut text = format!(
            "## Where they differ\n\nTests whose results differ between {} and {}, and tests that another driver \
             passes and {} does not.\n\n| test | {} |\n| --- |{}\n",
            DRIVERS[0].title,
            DRIVERS[1].title,
            DRIVERS[0].title,
            titles(),
            " --- |".repeat(self.results.len())
        );
        for (name, kinds) in self.differences() {
            let _ = writeln!(text, "| `{name}` | {} |", kinds.join(" | "));
        }
        text
    }

    /// Lists the tests that we do not pass, by explanation, with the reasons that IGT gives.
    fn explained(&self) -> String {
        let mut text = format!("## What {} does not pass\n", DRIVERS[0].title);
        for (number, tests) in self.by_explanation() {
            let (title, why) = match self.explanations.get(number) {
                Some(explanation) => (explanation.title.as_str(), explanation.text.as_str()),
                None => (
                    "Not explained",
                    "These results have not been looked at yet.",
                ),
            };
            let _ = writeln!(text, "\n### {title}: {}\n\n{why}\n", tests.len());
            let mut by_reason: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
            for (test, verdict) in tests {
                by_reason
                    .entry((&verdict.result, &verdict.reason))
                    .or_default()
                    .push(test);
            }
            for ((result, reason), tests) in by_reason {
                let tests: Vec<String> = tests.iter().map(|t| format!("`{}`", short(t))).collect();
                let _ = writeln!(text, "- {result}, \"{}\": {}", reason, tests.join(", "));
            }
        }
        text
    }
}

/// The text above the tables.
const HEAD: &str = "\
# IGT's own tests

`make igt` writes this document. It runs IGT's own tests on Barium, on the C driver `bochs` for the same device,
and on two other drivers of virtual displays, all in the same kernel. The cells of the first table have the numbers
of subtests that pass, that are skipped, and that fail. For each test that Barium does not pass, the last section
has an explanation (from `igt-tests/explained.txt`) and IGT's own message. The tests that Barium is expected to fail
are in `igt-tests/xfails/`, in the form of the kernel's `drivers/gpu/drm/ci/xfails`.
";

/// Numbers of results by kind, in the order of [`KINDS`].
#[derive(Clone, Default)]
struct Counts([usize; KINDS.len()]);

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        if let Some(kind) = KINDS.iter().position(|&kind| kind == verdict.kind()) {
            self.0[kind] += 1;
        }
    }
}

/// Returns the heads of the drivers' columns.
fn titles() -> String {
    DRIVERS.each_ref().map(|driver| driver.title).join(" | ")
}

fn cells(counts: &[Counts]) -> String {
    let cells: Vec<String> = counts
        .iter()
        .map(|counts| match counts.0 {
            [0, 0, 0] => "-".into(),
            counts => counts.map(|count| count.to_string()).join(" / "),
        })
        .collect();
    cells.join(" | ")
}

/// Strips the prefix that all test names share.
fn short(test: &str) -> &str {
    test.strip_prefix("igt@").unwrap_or(test)
}

/// Returns the binary of a test.
fn binary(test: &str) -> &str {
    let name = short(test);
    name.split_once('@').map_or(name, |(binary, _)| binary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(result: &str, reason: &str) -> Verdict {
        Verdict {
            result: result.into(),
            reason: reason.into(),
        }
    }

    fn results(verdicts: &[(&str, &str, &str)]) -> DriverResults {
        DriverResults {
            verdicts: verdicts
                .iter()
                .map(|(name, result, reason)| ((*name).into(), verdict(result, reason)))
                .collect(),
            alarm: None,
        }
    }

    const EXPLAINED: &str = "# a comment\nTitle: No CRC\nReason: .*CRC.*\nThere is none.\n\n\
                             Title: Too slow\nTests: igt@kms_x@.*\nTwo\nlines.\n";

    #[test]
    fn the_first_explanation_that_fits_counts() -> Result<()> {
        let all = Explanation::all(EXPLAINED)?;
        let first = |test, reason| {
            let verdict = verdict("skip", reason);
            all.iter().position(|e| e.explains(test, &verdict))
        };
        assert_eq!(first("igt@kms_x@a", "no CRC here"), Some(0));
        assert_eq!(first("igt@kms_x@a", "other"), Some(1));
        assert_eq!(first("igt@kms_y@a", "other"), None);
        assert_eq!(all[1].text, "Two\nlines.");
        Ok(())
    }

    #[test]
    fn an_explanation_says_something() {
        assert!(Explanation::all("Title: Silence\nTests: igt@x\n").is_err());
        assert!(Explanation::all("Tests: igt@x\nText.\n").is_err());
    }

    #[test]
    fn what_they_pass_we_have_to() -> Result<()> {
        let theirs = [("igt@a@x", "pass", ""), ("igt@a@y", "skip", "CRC")];
        for (ours, good) in [
            (
                vec![("igt@a@x", "pass", ""), ("igt@a@y", "skip", "CRC")],
                true,
            ),
            (
                vec![("igt@a@x", "pass", ""), ("igt@a@y", "skip", "?")],
                false,
            ),
            (
                vec![("igt@a@x", "skip", "CRC"), ("igt@a@y", "pass", "")],
                false,
            ),
            (vec![("igt@a@y", "pass", "")], false),
        ] {
            let document = Document {
                results: &[results(&ours), results(&theirs)],
                explanations: Explanation::all(EXPLAINED)?,
            };
            assert_eq!(document.is_good(), good);
        }
        Ok(())
    }

    #[test]
    fn each_reason_is_in_the_document() -> Result<()> {
        let ours = [("igt@a@x", "fail", "CRC"), ("igt@a@y", "skip", "why not")];
        let others = [("igt@a@y", "pass", "")];
        let document = Document {
            results: &[results(&ours), results(&ours), results(&others)],
            explanations: Explanation::all(EXPLAINED)?,
        };
        let text = document.text();
        for part in [
            "| `a` | 0 / 1 / 1 | 0 / 1 / 1 | 1 / 0 / 0 |",
            "| `igt@a@y` | skip | skip | pass |",
            "There is none.",
            "why not",
            "`a@y`",
            "Not explained",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        Ok(())
    }
}
