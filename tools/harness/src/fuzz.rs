// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `make fuzz`: runs the fuzzer (fuzz/) in a guest with the debug kernel for the time that the user
//! sets, or replays saved programs step by step. Turns its reports into test results, here and in
//! `make test`. Also `make soak`, which runs a mode of the same program.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::coverage::{self, Coverage, Point};
use crate::guests::{FuzzLength, Guest};
use crate::report::Entry;
use crate::settings::{Flavour, Settings};
use crate::{command, guests, shorten, suite, Result};

/// Minimum coverage in percent of the reachable points. The programs of `make test` reach 47%; the
/// first 60 of them reach 39%.
const MIN_COVERAGE: f64 = 42.0;
/// Number of functions in the summary.
const LISTED_FUNCTIONS: usize = 60;

/// Block size of a journal, as in fuzz/src/journal.rs.
pub const BLOCK: usize = 4096;
const MAGIC: &[u8; 8] = b"BARIUMFZ";

/// Runs the fuzzer, or replays a program. Returns true if nothing was found.
pub fn fuzz(settings: &Settings) -> Result<bool> {
    let replay = settings.out.join("replay");
    let programs = match std::fs::read(&replay) {
        Ok(bytes) => journal(bytes)?,
        Err(_) => Vec::new(),
    };
    let seed = match settings.fuzz_seed {
        0 => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |time| time.as_secs()),
        seed => seed,
    };
    // The guest takes whole seconds.
    let seconds = (settings.fuzz_minutes * 60.0) as u32;
    let mut guest = guests::fuzz(settings, FuzzLength::Seconds(seconds), seed);
    let default = match settings.arch.is_native() {
        true => guest.flavour,
        false => Flavour::Opt,
    };
    guest.flavour = settings.kernel.unwrap_or(default);
    if programs.is_empty() {
        println!("[fuzz] {seconds} s from seed {seed}");
    } else {
        guest.parameters.push("guest_fuzz_replay=1".into());
    }
    let dir = settings.out.join("vm").join(guest.name.replace('/', "-"));
    if settings.shorten {
        return shorten::shorten(settings, &guest, programs);
    }
    let good = suite::run_with(settings, vec![guest], &programs)?;
    let summary = command::read_lossy(&dir.join("results/fuzz/coverage.md"));
    let log = if programs.is_empty() {
        "fuzz-findings"
    } else {
        "fuzz-replay"
    };
    println!(
        "\n{}{summary}",
        command::read_lossy(&dir.join(format!("results/log/{log}.log")))
    );
    println!("The guest's files are in {}.", settings.shown(&dir));
    Ok(good)
}

/// `make soak`: runs a mixed load while the device is unbound and bound again, and checks for leaks
/// and growth. Returns true if there was none.
pub fn soak(settings: &Settings) -> Result<bool> {
    let seconds = (settings.soak_minutes * 60.0) as u32;
    let guest = guests::soak(settings, seconds, settings.fuzz_seed.max(1));
    let dir = settings.out.join("vm").join(guest.name.replace('/', "-"));
    println!("[soak] {seconds} s");
    let good = suite::run_with(settings, vec![guest], &[])?;
    println!(
        "\n{}",
        command::read_lossy(&dir.join("results/log/soak.log"))
    );
    Ok(good)
}

/// Converts a file to replay into a journal: the file is a journal or a single program.
fn journal(bytes: Vec<u8>) -> Result<Vec<u8>> {
    if bytes.starts_with(MAGIC) || bytes.len() > BLOCK {
        return Ok(bytes);
    }
    let len = u64::try_from(bytes.len()).map_err(|e| e.to_string())?;
    let mut block = MAGIC.to_vec();
    block.extend(1_u64.to_le_bytes());
    block.extend(len.to_le_bytes());
    block.extend(bytes);
    if block.len() > BLOCK {
        return Err("the file to replay is not a program".into());
    }
    block.resize(BLOCK, 0);
    Ok(block)
}

/// Saves the last programs of a lost guest and returns a message with their path.
pub fn save_journal(settings: &Settings, journal: &[u8], dir: &Path) -> String {
    let mut blocks: Vec<&[u8]> = journal
        .chunks_exact(BLOCK)
        .filter(|block| block.starts_with(MAGIC))
        .collect();
    blocks.sort_by_key(|block| block[8..16].iter().rev().copied().collect::<Vec<u8>>());
    let (Some(last), Ok(())) = (blocks.last(), command::dir(dir)) else {
        return String::new();
    };
    let mut message = String::new();
    for (name, blocks) in [
        ("last-program", &[*last][..]),
        ("last-programs", &blocks[..]),
    ] {
        let path = dir.join(name);
        if command::write(&path, &blocks.concat()).is_ok() {
            let _ = write!(message, "REPLAY={}; ", settings.shown(&path));
        }
    }
    message
}

/// Returns true if a guest with these programs reports coverage. [`crate::coverage`] reads code of the
/// toolbox's architecture only.
pub fn reports_coverage(settings: &Settings, guest: &Guest, programs: &[u8]) -> bool {
    guest.scenario == "fuzz"
        && guest.flavour == Flavour::Debug
        && programs.is_empty()
        && settings.arch.is_native()
}

/// Returns the coverage that the fuzzer reported in `results` as a test, which fails below
/// [`MIN_COVERAGE`]. Writes a summary to `results`.
pub fn coverage(results: &Path, module: &Path) -> Entry {
    const NAME: &str = "fuzz@coverage";
    let dir = results.join("fuzz");
    match measure(&dir, module) {
        Err(why) => Entry::failed(NAME, why),
        Ok(coverage) => {
            let text = summary(&coverage);
            let written =
                command::write(&dir.join("coverage.md"), text.as_bytes()).and_then(|()| {
                    command::write(&dir.join("missed"), unreached_points(&coverage).as_bytes())
                });
            let percent = coverage.percent();
            match written {
                Err(why) => Entry::failed(NAME, why),
                Ok(()) if percent < MIN_COVERAGE => Entry::failed(
                    NAME,
                    format!("{percent:.1}% is less than the minimum of {MIN_COVERAGE}%\n{text}"),
                ),
                Ok(()) => Entry::passed(NAME),
            }
        }
    }
}

fn measure(dir: &Path, module: &Path) -> Result<Coverage> {
    let text = command::read_lossy(&dir.join("fuzz.json"));
    let report: Value =
        serde_json::from_str(&text).map_err(|e| format!("the fuzzer's report: {e}"))?;
    let places: BTreeSet<String> = report["places"]
        .as_array()
        .ok_or("the fuzzer's report has no places")?
        .iter()
        .filter_map(|place| place.as_str().map(String::from))
        .collect();
    let points = coverage::points(module)?;
    if points.is_empty() {
        return Err("the module was not built for KCOV".into());
    }
    Ok(Coverage::of(&points, &places))
}

fn summary(coverage: &Coverage) -> String {
    let mut text = format!("{} points in the module; ", coverage.total);
    for (reason, count) in &coverage.unreachable {
        let _ = write!(text, "{count}: {}; ", reason.name());
    }
    let _ = writeln!(
        text,
        "{} reachable, {} reached: {:.1}%",
        coverage.reachable,
        coverage.seen,
        coverage.percent()
    );
    let _ = writeln!(
        text,
        "{} of them in the driver's own source, {} reached: {:.1}%",
        coverage.own,
        coverage.own_seen,
        coverage.own_percent()
    );
    let mut functions: Vec<_> = coverage.unreached.iter().collect();
    functions.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    for (function, (count, all)) in functions.iter().take(LISTED_FUNCTIONS) {
        let _ = writeln!(text, "  not reached: {count} of {all} in {function}");
    }
    text
}

/// Returns a line for each reachable point that was not recorded, those of the driver's source
/// first: its place in the module, function and source lines.
fn unreached_points(coverage: &Coverage) -> String {
    let (own, others): (Vec<_>, Vec<_>) = coverage
        .unreached_points
        .iter()
        .partition(|point| point.lines.is_driver_source());
    let mut text = String::new();
    for (whose, points) in [("own", own), ("other", others)] {
        for Point {
            place,
            function,
            lines,
            ..
        } in points
        {
            let _ = writeln!(text, "{whose} {place} {function} | {}", lines.show());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_becomes_a_journal() {
        let block = journal(vec![1, 2, 3]).unwrap();
        assert_eq!(block.len(), BLOCK);
        assert!(block.starts_with(MAGIC));
        assert_eq!(
            block[8..28],
            [1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0]
        );
        assert_eq!(journal(block.clone()).unwrap(), block);
        assert!(journal(vec![0; BLOCK - 1]).is_err());
    }
}
