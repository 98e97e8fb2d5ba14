// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Reports the results of tools/packages/test.sh, which runs outside of the toolbox, like those of any
//! other run.

use std::fs;

use crate::report::{Entry, Outcome, Report};
use crate::settings::Settings;
use crate::Result;

/// Writes `results.json` from the lines of `packages/results`, and prints the final line.
pub fn packages(settings: &Settings) -> Result<bool> {
    let path = settings.out.join("packages/results");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut report = Report::default();
    let entries: Option<Vec<Entry>> = text.lines().map(entry).collect();
    report.add(
        "packages",
        entries.ok_or_else(|| format!("{}: it has a line without a result", path.display()))?,
    );
    report.write(&settings.out.join("results.json"))?;
    report.print();
    println!("{}", report.summary());
    Ok(report.is_good())
}

/// Parses a line `OUTCOME SECONDS NAME: WHY`.
fn entry(line: &str) -> Option<Entry> {
    let mut words = line.splitn(3, ' ');
    let outcome = match words.next()? {
        "passed" => Outcome::Passed,
        "failed" => Outcome::Failed,
        _ => return None,
    };
    let seconds = words.next()?.parse().ok()?;
    let (name, why) = words.next()?.split_once(": ")?;
    let mut entry = Entry::new(name, outcome, why);
    entry.seconds = seconds;
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let failed = entry("failed 12 T2/module: it is elsewhere: there").unwrap();
        assert_eq!(failed.name, "T2/module");
        assert_eq!(failed.outcome, Outcome::Failed);
        assert_eq!(failed.seconds, 12.0);
        assert_eq!(failed.reason, "it is elsewhere: there");
        let passed = entry("passed 0 T7/purge: ").unwrap();
        assert_eq!(passed.outcome, Outcome::Passed);
        assert!(entry("passed T7/purge: ").is_none());
        assert!(entry("maybe 0 T7/purge: ").is_none());
    }
}
