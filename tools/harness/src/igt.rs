// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Reads igt_runner's `results.json`.

use std::path::Path;

use serde_json::Value;

use crate::report::{Entry, Outcome};
use crate::{command, Result};

/// Lines of a test's output that a failure quotes.
const QUOTED_LINES: usize = 25;

/// What a line begins with that is to be read by people although the test passed.
const NOTE: &str = "note: ";

/// Tests of `barium_selfcheck` with the result that igt_runner has to give them.
const SELF_CHECK: &[&str] = &["pass", "skip", "fail", "crash", "dmesg-warn"];

/// The results of one run of igt_runner: pass is passed, skip is skipped, everything else failed.
pub fn results(path: &Path) -> Result<Vec<Entry>> {
    let json = parse(path)?;
    Ok(tests(&json)?
        .iter()
        .map(|(name, test)| entry(name, test))
        .collect())
}

/// Whether each way for a test to end was reported as that.
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
        .ok_or_else(|| "igt_runner's results hold no tests".into())
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

/// IGT says why it skips in the lines from "Test requirement not met" on.
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
    fn says_why_it_skipped() {
        let out = "IGT-Version: 2.5\nTest requirement not met in function f, file x.c:1:\nTest requirement: has_prime\nSubtest y: SKIP (0.0s)";
        let test = json!({ "result": "skip", "out": out });
        assert!(entry("igt@x@y", &test).reason.contains("has_prime"));
    }
}
