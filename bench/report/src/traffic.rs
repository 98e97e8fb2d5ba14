// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Figures in bytes: combines the rows of `barium-bench traffic` with the profiler's record.

use serde_json::{json, Value};

use crate::rows::BYTES;
use crate::Result;

/// Bytes of a page of the guest.
const PAGE: u64 = 4096;

/// The CPU's memory traffic between two markers: a line of the profiler's record.
#[derive(Debug, PartialEq, Eq)]
struct Interval {
    /// Bytes read.
    read: u64,
    /// Bytes written.
    written: u64,
    /// Runs of pages that were written to.
    runs: Vec<Run>,
}

/// Adjacent pages with the same number of written bytes.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    /// Physical address of the first page.
    start: u64,
    pages: u64,
    /// Bytes written to each.
    each: u64,
}

/// Returns the rows with their figures as lines of JSON. Each of `rows` uses the next `stretches`
/// intervals of `record`.
pub fn rows(rows: &str, record: &str) -> Result<String> {
    let mut lines = record.lines();
    let mut text = String::new();
    for row in rows.lines() {
        let mut row: Value = serde_json::from_str(row)?;
        let count = row["stretches"].as_u64().filter(|&count| count > 0);
        let count = usize::try_from(count.ok_or("a row without intervals")?)?;
        let stretches: Vec<Interval> = lines
            .by_ref()
            .take(count)
            .map(Interval::parse)
            .collect::<Result<_>>()?;
        if stretches.len() < count {
            return Err("the record has fewer intervals than the rows".into());
        }
        fill(&mut row, &stretches)?;
        text += &format!("{row}\n");
    }
    match lines.next() {
        None => Ok(text),
        Some(_) => Err("the record has more intervals than the rows".into()),
    }
}

/// Adds the figures to a row: the medians over its intervals.
fn fill(row: &mut Value, stretches: &[Interval]) -> Result<()> {
    let vram = row["vram"][0].as_u64().zip(row["vram"][1].as_u64());
    let vram = vram.ok_or("a row without VRAM")?;
    let middle = |figure: &dyn Fn(&Interval) -> u64| {
        let mut figures: Vec<u64> = stretches.iter().map(figure).collect();
        figures.sort_unstable();
        figures[figures.len() / 2]
    };
    let in_vram = middle(&|interval| interval.in_vram(vram, |run| run.pages * run.each));
    let value = match row["figure"].as_str() {
        Some("moved") => middle(&|interval| interval.read + interval.written),
        Some("vram") => {
            let pages = middle(&|interval| interval.in_vram(vram, |run| run.pages * PAGE));
            pages.max(row["missing_from_vram"].as_u64().unwrap_or(0))
        }
        other => return Err(format!("no such figure: {other:?}").into()),
    };
    row["value"] = json!(value);
    row["unit"] = json!(BYTES);
    row["written_to_vram"] = json!(in_vram);
    Ok(())
}

impl Interval {
    fn parse(line: &str) -> Result<Self> {
        let bad = || format!("not a line of a record: {line}");
        let mut words = line.split(' ');
        let mut number = || words.next()?.parse().ok();
        let (read, written) = number().zip(number()).ok_or_else(bad)?;
        let runs: Option<Vec<Run>> = words.map(Run::parse).collect();
        Ok(Self {
            read,
            written,
            runs: runs.ok_or_else(bad)?,
        })
    }

    /// Returns the sum of `figure` over the runs in VRAM. A run is entirely inside or outside VRAM.
    fn in_vram(&self, (first, last): (u64, u64), figure: impl Fn(&Run) -> u64) -> u64 {
        let runs = self.runs.iter();
        runs.filter(|run| (first..=last).contains(&run.start))
            .map(figure)
            .sum()
    }
}

impl Run {
    fn parse(word: &str) -> Option<Self> {
        let (start, rest) = word.split_once('+')?;
        let (pages, each) = rest.split_once('*')?;
        Some(Self {
            start: u64::from_str_radix(start, 16).ok()?,
            pages: pages.parse().ok()?,
            each: each.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLIP: &str = r#"{"workload":"flip-1080p-bytes","driver":"shmem","mode":"default","figure":"moved","stretches":3,"vram":[3489660928,3758096383]}"#;
    const FLIPS: &str = "\
10 12 1000+1*4 d0000000+2*4
900 8000 d0000000+1*4000 d0001000+1*4000
11 12 1000+1*4 cffff000+1*4 e0000000+1*4
";

    fn filled(row: &str, record: &str) -> Value {
        serde_json::from_str(&rows(row, record).unwrap()).unwrap()
    }

    #[test]
    fn the_stretch_in_the_middle_counts() {
        let row = filled(FLIP, FLIPS);
        assert_eq!((&row["value"], &row["unit"]), (&json!(23), &json!(BYTES)));
        assert_eq!(row["written_to_vram"], 8);
    }

    #[test]
    fn vram_is_what_was_written_to_or_what_is_missing() {
        let row = |missing: &str| {
            format!(
                r#"{{"workload":"w","figure":"vram","stretches":1,"vram":[0,65535],"missing_from_vram":{missing}}}"#
            )
        };
        let record = "0 9 0+2*4 f000+1*1\n";
        assert_eq!(filled(&row("null"), record)["value"], 3 * PAGE);
        assert_eq!(filled(&row("20480"), record)["value"], 20480);
        assert_eq!(filled(&row("4096"), record)["value"], 3 * PAGE);
    }

    #[test]
    fn rows_and_record_have_to_agree() {
        assert!(rows(FLIP, "1 1\n1 1\n").is_err());
        assert!(rows(FLIP, &FLIPS.repeat(2)).is_err());
        assert!(rows(FLIP, &FLIPS.replace('+', "-")).is_err());
        assert!(rows("{}", "").is_err());
    }
}
