// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Writes the table of `make desktops`, and judges it.

use std::fmt::Write;

use serde_json::{json, Value};

use crate::desktops::{DriverResults, Row};
use crate::report::{Entry, Outcome};

/// Maximum length of a quoted reason in the table, in characters.
const QUOTE: usize = 160;

/// The table.
pub struct Document<'a> {
    rows: Vec<Row>,
    ours: &'a DriverResults,
    theirs: &'a DriverResults,
}

impl<'a> Document<'a> {
    /// Compares the results of Barium, `ours`, with those of bochs, `theirs`.
    pub fn new(rows: Vec<Row>, ours: &'a DriverResults, theirs: &'a DriverResults) -> Self {
        Document { rows, ours, theirs }
    }

    /// Returns what is wrong with a row, if anything.
    fn complaint(&self, row: &Row) -> Option<String> {
        let outcome = |results: &DriverResults| Some(results.entries.get(row.test)?.outcome);
        let name = format!("{} {}", row.program, row.action);
        match (outcome(self.ours), outcome(self.theirs)) {
            (None, _) | (_, None) => Some(format!("{name}: there is no result")),
            (Some(Outcome::Passed), _) => None,
            (_, Some(Outcome::Passed)) => Some(format!("{name}: works with bochs only")),
            _ => None,
        }
    }

    /// Returns true if each row that works with bochs works with Barium, and the kernel log with Barium
    /// has no report. Prints what does not hold.
    pub fn is_good(&self) -> bool {
        let mut complaints: Vec<String> = self
            .rows
            .iter()
            .filter_map(|row| self.complaint(row))
            .collect();
        if let Some(alarm) = &self.ours.alarm {
            complaints.push(format!("the kernel log has a report:\n{alarm}"));
        }
        for complaint in &complaints {
            println!("failed: {complaint}");
        }
        let works = self.rows.iter().filter(|row| {
            let entry = self.ours.entries.get(row.test);
            entry.is_some_and(|entry| entry.outcome == Outcome::Passed)
        });
        println!(
            "{} of {} rows work with Barium",
            works.count(),
            self.rows.len()
        );
        complaints.is_empty()
    }

    /// Returns the document's text.
    pub fn text(&self) -> String {
        let mut text = String::from(HEAD);
        for row in &self.rows {
            let _ = writeln!(
                text,
                "| {} {} | {} | {} | {} | {} |",
                row.program,
                self.version(row),
                row.action,
                word(self.theirs.entries.get(row.test)),
                word(self.ours.entries.get(row.test)),
                self.note(row)
            );
        }
        let _ = writeln!(text, "\n## Kernel log\n");
        for (driver, results) in [("bochs", self.theirs), ("Barium", self.ours)] {
            let _ = match &results.alarm {
                Some(alarm) => writeln!(
                    text,
                    "- {driver}: `{}`",
                    alarm.lines().next().unwrap_or_default()
                ),
                None => writeln!(text, "- {driver}: no complaint"),
            };
        }
        text
    }

    /// Returns the table as JSON.
    pub fn json(&self) -> String {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "test": row.test,
                    "program": row.program,
                    "version": self.version(row),
                    "action": row.action,
                    "bochs": value(self.theirs.entries.get(row.test)),
                    "barium": value(self.ours.entries.get(row.test)),
                    "note": self.note(row),
                    "expected": self.complaint(row).is_none(),
                })
            })
            .collect();
        format!("{:#}\n", json!({ "rows": rows }))
    }

    /// Returns the version of a row's program without Debian's revision.
    fn version(&self, row: &Row) -> &str {
        let version = self.ours.versions.get(row.program_name());
        let version = version.map_or("", String::as_str);
        let version = version.split_once(':').map_or(version, |(_, rest)| rest);
        version.split(['-', '+']).next().unwrap_or_default()
    }

    fn note(&self, row: &Row) -> String {
        let mut notes = Vec::new();
        for (driver, results) in [("bochs", self.theirs), ("Barium", self.ours)] {
            let Some(entry) = results.entries.get(row.test) else {
                continue;
            };
            if !entry.reason.is_empty() {
                notes.push(format!("{driver}: {}", quote(&entry.reason)));
            } else {
                notes.extend(entry.notes.iter().map(|note| format!("{driver}: {note}")));
            }
        }
        notes.join("; ")
    }
}

/// The text above the table.
const HEAD: &str = "\
# Desktops

`make desktops` writes this document. It runs compositors, an X server and other programs that draw with
KMS on the C driver `bochs` and on Barium, with the same kernel (Debian's own), the same root file system
and the same device: QEMU's `VGA` with its default of 16 MiB of VRAM, at its preferred mode of 1280x800,
with the kernel's console on it. All programs have their default settings, except for the mode where a
row names one. A row works if the program does what the row says, the screen, which the host looks at,
shows a moving picture of the size of the mode each time, and the program does not report a lack of room
for a buffer. With the console on the other VT, the host compares each pixel. The pictures are in
`out/desktops`.

| program | action | bochs | Barium | note |
| --- | --- | --- | --- | --- |
";

/// Returns the word for a result in the table.
fn word(entry: Option<&Entry>) -> &'static str {
    match entry.map(|entry| entry.outcome) {
        Some(Outcome::Passed) => "works",
        Some(Outcome::Failed) => "**fails**",
        Some(Outcome::Skipped) => "-",
        None => "no result",
    }
}

fn value(entry: Option<&Entry>) -> Value {
    match entry {
        Some(entry) => json!({
            "works": entry.outcome == Outcome::Passed,
            "seconds": entry.seconds,
            "reason": entry.reason,
            "notes": entry.notes,
        }),
        None => Value::Null,
    }
}

/// Returns the first lines of a reason for a cell of the table.
fn quote(reason: &str) -> String {
    let text: Vec<&str> = reason.lines().map(str::trim).collect();
    let text = text.join(" ").replace('|', "/");
    match text.char_indices().nth(QUOTE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Row = Row {
        test: "a@x",
        program: "A",
        action: "acts",
    };

    fn results(outcome: Option<Outcome>) -> DriverResults {
        let mut results = DriverResults::default();
        if let Some(outcome) = outcome {
            results
                .entries
                .insert("a@x".into(), Entry::new("a@x", outcome, "because"));
        }
        results.versions.insert("a".into(), "2:1.2.3+dfsg-4".into());
        results
    }

    #[test]
    fn what_works_with_bochs_has_to_work() {
        use Outcome::{Failed, Passed};
        for (ours, theirs, good) in [
            (Some(Passed), Some(Passed), true),
            (Some(Passed), Some(Failed), true),
            (Some(Failed), Some(Failed), true),
            (Some(Failed), Some(Passed), false),
            (None, Some(Passed), false),
            (Some(Passed), None, false),
        ] {
            let (ours, theirs) = (results(ours), results(theirs));
            assert_eq!(Document::new(vec![ROW], &ours, &theirs).is_good(), good);
        }
    }

    #[test]
    fn a_report_in_the_kernel_log_is_not_good() {
        let mut ours = results(Some(Outcome::Passed));
        ours.alarm = Some("BUG: x".into());
        let theirs = results(Some(Outcome::Passed));
        let document = Document::new(vec![ROW], &ours, &theirs);
        assert!(!document.is_good());
        assert!(document.text().contains("BUG: x"));
    }

    #[test]
    fn a_row_has_version_and_note() {
        let (ours, theirs) = (
            results(Some(Outcome::Failed)),
            results(Some(Outcome::Failed)),
        );
        let text = Document::new(vec![ROW], &ours, &theirs).text();
        let line = "| A 1.2.3 | acts | **fails** | **fails** | bochs: because; Barium: because |";
        assert!(text.contains(line), "{text}");
    }
}
