// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Parses the results of KUnit suites in a kernel log.

use crate::kernel_log;
use crate::report::{Entry, Outcome};

/// Returns the cases of all suites whose name begins with `prefix`. A suite runs each time the
/// module is loaded; its cases are merged, and one failure makes the case fail.
pub fn results(log: &str, prefix: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut suite: Option<Suite> = None;
    for line in log.lines().filter_map(kernel_log::message) {
        if let Some(name) = line.strip_prefix("    # Subtest: ") {
            suite = name.starts_with(prefix).then(|| Suite::new(name));
            continue;
        }
        let Some(current) = suite.as_mut() else {
            continue;
        };
        if let Some(entry) = current.take(line) {
            merge(&mut entries, entry);
        } else if is_result(line) {
            // A result line without indentation ends the suite.
            if let Some(entry) = current.missing() {
                merge(&mut entries, entry);
            }
            suite = None;
        }
    }
    if let Some(entry) = suite.and_then(|s| s.missing()) {
        merge(&mut entries, entry);
    }
    entries
}

fn is_result(line: &str) -> bool {
    line.starts_with("ok ") || line.starts_with("not ok ")
}

fn merge(entries: &mut Vec<Entry>, entry: Entry) {
    match entries.iter_mut().find(|e| e.name == entry.name) {
        Some(old) if entry.outcome == Outcome::Failed => *old = entry,
        Some(_) => (),
        None => entries.push(entry),
    }
}

/// A suite that is being parsed.
struct Suite {
    name: String,
    planned: usize,
    seen: usize,
    /// Output of the running case.
    said: Vec<String>,
}

impl Suite {
    fn new(name: &str) -> Self {
        Suite {
            name: name.into(),
            planned: 0,
            seen: 0,
            said: Vec::new(),
        }
    }

    /// Takes one line of the suite. Returns the case that the line ends, if any.
    fn take(&mut self, line: &str) -> Option<Entry> {
        // Lines with more indentation are results of a case's parameters.
        let line = line.strip_prefix("    ")?;
        if let Some(count) = line.strip_prefix("1..") {
            self.planned = count.trim().parse().unwrap_or(0);
            return None;
        }
        let (good, rest) = match (line.strip_prefix("ok "), line.strip_prefix("not ok ")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => {
                self.said.push(line.trim().into());
                return None;
            }
        };
        self.seen += 1;
        let said = std::mem::take(&mut self.said).join("\n");
        let (case, directive) = rest.split_once(" # ").unwrap_or((rest, ""));
        let case = case.split_once(' ').map_or(case, |(_, name)| name).trim();
        let (outcome, reason) = match (good, directive.strip_prefix("SKIP")) {
            (true, Some(why)) => (Outcome::Skipped, why.trim().to_string()),
            (true, None) => (Outcome::Passed, String::new()),
            (false, _) => (Outcome::Failed, said),
        };
        Some(Entry::new(
            format!("kunit@{}@{case}", self.name),
            outcome,
            reason,
        ))
    }

    /// Returns a failure if fewer cases ended than the suite announced.
    fn missing(&self) -> Option<Entry> {
        (self.seen < self.planned || self.planned == 0).then(|| {
            Entry::failed(
                format!("kunit@{}", self.name),
                format!("{} of {} cases ended", self.seen, self.planned),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
[    3.000000] KTAP version 1
[    3.000000] 1..1
[    3.000000]     KTAP version 1
[    3.000000]     # Subtest: barium_mmap
[    3.000000]     # module: barium
[    3.000000]     1..3
[    3.000000]     ok 1 page_index
[    3.000000]     # rounding: ASSERTION FAILED at mmap.rs:10
[    3.000000]     Expected 1 == 2 to be true, but is false
[    3.000000]     not ok 2 rounding
[    3.000000]     ok 3 huge # SKIP no huge pages
[    3.000000] # barium_mmap: pass:1 fail:1 skip:1 total:3
[    3.000000] not ok 1 barium_mmap
[    3.000000]     # Subtest: other
[    3.000000]     1..1
[    3.000000]     ok 1 not_ours
[    3.000000] ok 2 other
";

    #[test]
    fn reads_cases() {
        let entries = results(LOG, "barium");
        let names: Vec<&str> = entries.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "kunit@barium_mmap@page_index",
                "kunit@barium_mmap@rounding",
                "kunit@barium_mmap@huge"
            ]
        );
        assert_eq!(entries[0].outcome, Outcome::Passed);
        assert_eq!(entries[1].outcome, Outcome::Failed);
        assert!(entries[1].reason.contains("Expected 1 == 2"));
        assert_eq!(entries[2].outcome, Outcome::Skipped);
        assert_eq!(entries[2].reason, "no huge pages");
    }

    #[test]
    fn misses_cases_that_did_not_end() {
        let cut = LOG.split_inclusive('\n').take(7).collect::<String>();
        let entries = results(&cut, "barium");
        assert_eq!(entries.last().unwrap().outcome, Outcome::Failed);
        assert_eq!(entries.last().unwrap().reason, "1 of 3 cases ended");
    }

    #[test]
    fn one_failure_of_two_runs_is_a_failure() {
        let good = LOG.replace("not ok 2 rounding", "ok 2 rounding");
        let entries = results(&format!("{good}{LOG}"), "barium");
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[1].outcome, Outcome::Failed);
    }
}
