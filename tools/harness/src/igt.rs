// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Parses igt_runner's `results.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::report::{Entry, Outcome};
use crate::{command, Result};

/// Number of lines of a test's output that a failure quotes.
const QUOTED_LINES: usize = 25;

/// Prefix of output lines that the report shows even for a test that passed.
const NOTE: &str = "note: ";

/// The subtests of `barium_selfcheck`, each named after the result that igt_runner must report for
/// it.
const SELF_CHECK: &[&str] = &["pass", "skip", "fail", "crash", "dmesg-warn"];

/// Returns the results of one run of igt_runner. All results but pass and skip count as failed.
pub fn results(path: &Path) -> Result<Vec<Entry>> {
    let json = parse(path)?;
    Ok(tests(&json)?
        .iter()
        .map(|(name, test)| entry(name, test))
        .collect())
}

/// IGT's result of one test.
pub struct Verdict {
    /// igt_runner's word for it: pass, skip, fail, dmesg-warn, crash, timeout, ...
    pub result: String,
    /// Why the test did not pass, in one line; empty for a test that passed.
    pub reason: String,
}

impl Verdict {
    /// Maps the result to pass, skip or fail; fail stands for all other results.
    pub fn kind(&self) -> &'static str {
        match self.result.as_str() {
            "pass" => "pass",
            "skip" => "skip",
            _ => "fail",
        }
    }
}

/// Returns the results of one run of igt_runner by test name.
pub fn verdicts(path: &Path) -> Result<BTreeMap<String, Verdict>> {
    let json = parse(path)?;
    let start = |test: &Value| test["time"]["start"].as_f64().unwrap_or_default();
    let mut ran: Vec<(&String, &Value)> = tests(&json)?.iter().collect();
    ran.sort_by(|(_, one), (_, other)| start(one).total_cmp(&start(other)));

    let mut verdicts = BTreeMap::new();
    let mut previous = PreviousOutput::default();
    for (name, test) in ran {
        let verdict = verdict(name, test, &mut previous);
        verdicts.insert(name.clone(), verdict);
    }
    Ok(verdicts)
}

/// The output of the previous test. IGT prints the reason only once for several tests in a row that
/// skip.
#[derive(Default)]
struct PreviousOutput {
    binary: String,
    why: String,
}

fn verdict(name: &str, test: &Value, previous: &mut PreviousOutput) -> Verdict {
    let field = |name: &str| test[name].as_str().unwrap_or_default();
    let result = field("result");
    let binary = name.split('@').nth(1).unwrap_or_default();
    if previous.binary != binary {
        *previous = PreviousOutput {
            binary: binary.into(),
            ..PreviousOutput::default()
        };
    }
    // Output after the end of the subtest belongs to the next one.
    let out = field("out");
    let end = out.find(": SKIP (").unwrap_or(out.len());
    let (out, after) = out.split_at(end);
    let reason = match result {
        "pass" => String::new(),
        "dmesg-warn" | "dmesg-fail" => first_warning(field("dmesg")),
        _ => failure_message(out, field("err")).unwrap_or_else(|| match result {
            "skip" => previous.why.clone(),
            _ => String::new(),
        }),
    };
    previous.why = failure_message(after, "").unwrap_or_else(|| reason.clone());
    Verdict {
        result: result.into(),
        reason,
    }
}

/// Returns the first kernel log line of level warning or above, without level and time.
fn first_warning(dmesg: &str) -> String {
    let levels = ["<4>", "<3>", "<2>", "<1>", "<0>"];
    dmesg
        .lines()
        .filter(|line| levels.iter().any(|level| line.starts_with(level)))
        .map(|line| line.split_once("] ").map_or(line, |(_, text)| text).trim())
        .find(|text| !text.contains("cut here"))
        .unwrap_or_default()
        .into()
}

/// Returns IGT's message about a requirement or assertion that does not hold: the test author's
/// text and the condition.
fn failure_message(out: &str, err: &str) -> Option<String> {
    let lines: Vec<&str> = out
        .lines()
        .chain(err.lines())
        .map(strip_log_prefix)
        .collect();
    let said = |head: &str| lines.iter().position(|line| line.starts_with(head));
    let at = said("Test requirement: ").or_else(|| said("Failed assertion: "))?;
    let condition = lines[at]
        .split_once(": ")
        .map_or(lines[at], |(_, rest)| rest);
    let text = lines[at + 1..]
        .iter()
        .find(|line| !line.is_empty() && !line.starts_with("Last errno"))
        .filter(|line| {
            !["Subtest ", "Dynamic ", "Stack trace", "Test ", "Failed "]
                .iter()
                .any(|head| line.starts_with(head))
        });
    Some(match text {
        Some(text) => format!("{text} ({condition})"),
        None => condition.into(),
    })
}

/// Strips the `[seconds] (test:pid) CRITICAL: ` at the start of an IGT log line.
fn strip_log_prefix(line: &str) -> &str {
    line.split_once("CRITICAL: ")
        .map_or(line, |(_, rest)| rest)
        .trim()
}

/// Checks that igt_runner reports each possible result of a test correctly.
pub fn self_check(path: &Path) -> Result<Vec<Entry>> {
    let json = parse(path)?;
    let tests = tests(&json)?;
    Ok(SELF_CHECK
        .iter()
        .map(|&wanted| {
            let is = tests
                .get(&format!("igt@barium_selfcheck@{wanted}"))
                .and_then(|test| test["result"].as_str())
                .unwrap_or("missing");
            let name = format!("selfcheck@{wanted}");
            if is == wanted {
                Entry::passed(name)
            } else {
                Entry::failed(name, format!("igt_runner reports this as {is}"))
            }
        })
        .collect())
}

fn parse(path: &Path) -> Result<Value> {
    let text = command::read_lossy(path);
    serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
}

fn tests(json: &Value) -> Result<&serde_json::Map<String, Value>> {
    json["tests"]
        .as_object()
        .ok_or_else(|| "igt_runner's results have no tests".into())
}

fn entry(name: &str, test: &Value) -> Entry {
    let field = |name: &str| test[name].as_str().unwrap_or_default();
    let time = |name: &str| test["time"][name].as_f64().unwrap_or_default();
    let (outcome, reason) = match field("result") {
        "pass" => (Outcome::Passed, String::new()),
        "skip" => (Outcome::Skipped, skip_reason(field("out"), field("err"))),
        other => {
            let mut said = vec![other.to_string()];
            for part in ["out", "err", "dmesg"] {
                let text = field(part).trim();
                if !text.is_empty()
                    && (part != "dmesg" || other.starts_with("dmesg") || other == "incomplete")
                {
                    said.push(command::tail(text, QUOTED_LINES));
                }
            }
            (Outcome::Failed, said.join("\n"))
        }
    };
    Entry {
        name: name.into(),
        outcome,
        seconds: (time("end") - time("start")).max(0.0),
        reason,
        notes: field("out")
            .lines()
            .filter_map(|line| line.strip_prefix(NOTE).map(str::to_owned))
            .collect(),
    }
}

/// Returns the reason for a skip: IGT's output from "Test requirement not met" on.
fn skip_reason(out: &str, err: &str) -> String {
    let lines: Vec<&str> = out.lines().chain(err.lines()).collect();
    let start = lines
        .iter()
        .position(|l| l.contains("requirement") || l.contains("SKIP"));
    let start = start.unwrap_or(lines.len().saturating_sub(1));
    lines[start..]
        .iter()
        .take(4)
        .map(|l| l.trim())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_pass_passes() {
        for (result, outcome) in [
            ("pass", Outcome::Passed),
            ("skip", Outcome::Skipped),
            ("fail", Outcome::Failed),
            ("crash", Outcome::Failed),
            ("dmesg-warn", Outcome::Failed),
            ("dmesg-fail", Outcome::Failed),
            ("timeout", Outcome::Failed),
            ("incomplete", Outcome::Failed),
            ("abort", Outcome::Failed),
            ("notrun", Outcome::Failed),
            ("warn", Outcome::Failed),
        ] {
            let test = json!({ "result": result, "time": { "start": 1.0, "end": 3.5 } });
            let entry = entry("igt@x@y", &test);
            assert_eq!(entry.outcome, outcome, "{result}");
            assert!((entry.seconds - 2.5).abs() < 1e-9);
        }
    }

    #[test]
    fn a_reason_is_told_once_for_several_tests() {
        let mut previous = PreviousOutput::default();
        let mut why = |name: &str, result: &str, out: &str| {
            let test = json!({ "result": result, "out": out });
            verdict(name, &test, &mut previous).reason
        };
        let said = "Test requirement not met in function f, file x.c:1:\n\
                    Test requirement: has_crc\nLast errno: 2\nNo CRC\n";
        let skip = |text: &str| format!("{text}Subtest y: SKIP (0.0s)\n");
        assert_eq!(why("igt@x@a", "skip", &skip(said)), "No CRC (has_crc)");
        assert_eq!(why("igt@x@b", "skip", &skip("")), "No CRC (has_crc)");
        assert_eq!(why("igt@x@c", "pass", ""), "");
        let next = skip("") + &said.replace("CRC", "VRR");
        assert_eq!(why("igt@x@d", "skip", &next), "");
        assert_eq!(why("igt@x@e", "skip", &skip("")), "No VRR (has_crc)");
        assert_eq!(why("igt@z@a", "skip", &skip("")), "");
    }

    #[test]
    fn quotes_the_kernels_complaint() {
        let dmesg = "<6> [1.0] [IGT] x: starting\n<4> [2.0] ------------[ cut here ]------------\n\
                     <4> [2.1] WARNING: drivers/x.c:1\n<6> [2.2] more\n";
        assert_eq!(first_warning(dmesg), "WARNING: drivers/x.c:1");
        assert_eq!(first_warning("<6> [1.0] fine\n"), "");
    }

    #[test]
    fn says_what_failed() {
        let err = "[1.5] (x:12) CRITICAL: Test assertion failure function f, file x.c:1:\n\
                   [1.6] (x:12) CRITICAL: Failed assertion: a == b\n\
                   [1.7] (x:12) CRITICAL: error: 1 != 2\n";
        let test = json!({ "result": "fail", "out": "Starting\n", "err": err });
        let verdict = verdict("igt@x@y", &test, &mut PreviousOutput::default());
        assert_eq!(verdict.reason, "error: 1 != 2 (a == b)");
        assert_eq!(verdict.kind(), "fail");
    }

    #[test]
    fn says_why_it_skipped() {
        let out = "IGT-Version: 2.5\nTest requirement not met in function f, file x.c:1:\nTest requirement: has_prime\nSubtest y: SKIP (0.0s)";
        let test = json!({ "result": "skip", "out": out });
        assert!(entry("igt@x@y", &test).reason.contains("has_prime"));
    }
}
