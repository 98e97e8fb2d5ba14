// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Expectation lists of IGT's own tests, in the form of the kernel's drivers/gpu/drm/ci/xfails, so that
//! they can go there as they are: `DRIVER-DEVICE-fails.txt` has a line `TEST,STATUS` for each test that
//! does not pass and is not skipped, `-flakes.txt` a regular expression for each test whose result
//! varies, `-skips.txt` one for each test that must not run. Each list may be missing. Dynamic subtests
//! are not listed: they count as part of their subtest.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use regex::Regex;

use crate::igt::Verdict;
use crate::{command, Result};

/// The lists of one driver.
#[derive(Default)]
pub struct Expectations {
    fails: BTreeMap<String, String>,
    flakes: Vec<Regex>,
}

impl Expectations {
    /// Reads the lists of `driver`, which is `DRIVER-DEVICE`, in a directory.
    pub fn read(directory: &Path, driver: &str) -> Result<Self> {
        let list = |kind: &str| {
            let path = directory.join(format!("{driver}-{kind}.txt"));
            (command::read_lossy(&path), path)
        };
        let (text, path) = list("fails");
        let mut fails = BTreeMap::new();
        for line in entries(&text) {
            let (test, status) = line
                .split_once(',')
                .ok_or_else(|| format!("{}: {line}: no status", path.display()))?;
            fails.insert(test.into(), status.into());
        }
        let (text, path) = list("flakes");
        let flakes = entries(&text)
            .map(|line| Regex::new(&format!("^(?:{line})$")))
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Expectations { fails, flakes })
    }

    /// Returns a line for each test whose result is not the expected one.
    pub fn unexpected(&self, verdicts: &BTreeMap<String, Verdict>) -> Vec<String> {
        let results = statuses(verdicts);
        let is_flake = |test: &str| self.flakes.iter().any(|flake| flake.is_match(test));
        let mut lines = Vec::new();
        for (test, status) in &results {
            let expected = self.fails.get(*test).map(String::as_str);
            match (expected, *status) {
                _ if is_flake(test) => (),
                (None, "Pass" | "Skip") => (),
                (Some(expected), status) if status == expected => (),
                (Some(expected), status) => {
                    lines.push(format!("{test}: {status}, expected to be {expected}"))
                }
                (None, status) => lines.push(format!("{test}: {status}, not expected")),
            }
        }
        for test in self
            .fails
            .keys()
            .filter(|t| !results.contains_key(t.as_str()))
        {
            lines.push(format!("{test}: expected to fail, did not run"));
        }
        lines
    }
}

/// Returns the content of the list of tests that fail, as results show them.
pub fn fails(verdicts: &BTreeMap<String, Verdict>) -> String {
    let mut list = String::new();
    for (test, status) in statuses(verdicts) {
        if !matches!(status, "Pass" | "Skip") {
            let _ = writeln!(list, "{test},{status}");
        }
    }
    list
}

/// Returns the lines of a list that are neither empty nor a comment.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Returns the status of each test by its name in the lists. Leaves out dynamic subtests.
fn statuses(verdicts: &BTreeMap<String, Verdict>) -> BTreeMap<&str, &'static str> {
    verdicts
        .iter()
        .filter_map(|(name, verdict)| {
            let name = name.strip_prefix("igt@").unwrap_or(name);
            let status = match verdict.result.as_str() {
                "pass" => "Pass",
                "skip" => "Skip",
                "crash" => "Crash",
                "timeout" | "incomplete" => "Timeout",
                "dmesg-warn" | "warn" => "Warn",
                _ => "Fail",
            };
            (name.matches('@').count() < 2).then_some((name, status))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(results: &[(&str, &str)]) -> BTreeMap<String, Verdict> {
        results
            .iter()
            .map(|(name, result)| {
                let verdict = Verdict {
                    result: (*result).into(),
                    reason: String::new(),
                };
                (format!("igt@{name}"), verdict)
            })
            .collect()
    }

    fn expectations() -> Expectations {
        Expectations {
            fails: BTreeMap::from([("a@x".into(), "Fail".into())]),
            flakes: vec![Regex::new("^(?:a@fl.*)$").unwrap()],
        }
    }

    #[test]
    fn what_is_expected_is_no_complaint() {
        let results = [
            ("a@x", "fail"),
            ("a@y", "pass"),
            ("a@z", "skip"),
            ("a@flip", "fail"),
            ("a@y@pipe-a", "fail"),
        ];
        assert!(expectations().unexpected(&verdicts(&results)).is_empty());
    }

    #[test]
    fn complains_of_all_else() {
        for (results, complaint) in [
            (vec![("a@x", "pass")], "a@x: Pass, expected to be Fail"),
            (vec![("a@x", "crash")], "a@x: Crash, expected to be Fail"),
            (vec![], "a@x: expected to fail, did not run"),
            (
                vec![("a@x", "fail"), ("b", "dmesg-warn")],
                "b: Warn, not expected",
            ),
        ] {
            assert_eq!(
                expectations().unexpected(&verdicts(&results)),
                [complaint],
                "{results:?}"
            );
        }
    }

    #[test]
    fn writes_the_list_of_fails() {
        let results = [("b@x", "timeout"), ("a@y", "pass"), ("a@x", "fail")];
        assert_eq!(fails(&verdicts(&results)), "a@x,Fail\nb@x,Timeout\n");
    }
}
