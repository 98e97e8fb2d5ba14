// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `make test`: runs all guests in parallel, the harness's own tests, and the set-up checks. Also
//! `make unplug`, `make faultinject`, `make kcsan` and `make cfi`.

use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use crate::guest_run::{self, GuestRun};
use crate::guests::{self, Guest};
use crate::payload;
use crate::report::{self, Entry, Outcome, Report};
use crate::settings::{Flavour, Settings};
use crate::{command, Result};

/// Runs all tests, or those that the user selects. Returns true if none failed.
pub fn test(settings: &Settings) -> Result<bool> {
    let mut guests = guests::all(settings);
    guests.retain(|guest| guest.name.contains(&settings.only));
    if guests.is_empty() {
        return Err(format!("ONLY={} names no guest", settings.only));
    }
    let mut report = Report::default();
    // The harness and the set-up are the same for all guests.
    if settings.only.is_empty() && settings.tests.is_empty() && settings.arch.is_native() {
        let tests = unit_tests(settings)?;
        println!("[harness] its own tests: {}", report::summary(&tests));
        report.add("harness", tests);
        println!("[setup] checks of the set-up, typically 20 s");
        let checks = setup_checks(settings, "")?;
        println!("[setup] {}", report::summary(&checks));
        report.add("setup", checks);
    }
    if !settings.smoke.is_empty() && settings.arch.is_native() {
        let results = settings.out.join(&settings.smoke).join("results.json");
        if let Err(why) = report.add_results(&results) {
            report.add(&settings.smoke, vec![Entry::failed("results", why)]);
        }
    }
    run(settings, guests, &settings.tests, &[], report)
}

/// `make unplug`: unplugs the device many times while processes write. Returns true if no test
/// failed.
pub fn unplug(settings: &Settings) -> Result<bool> {
    let guests = vec![guests::unplug()];
    run(
        settings,
        guests,
        guests::UNPLUG_TEST,
        &[],
        Report::default(),
    )
}

/// Runs all tests of `guests`; `programs` are for their fuzzer. Returns true if none failed.
pub fn run_with(settings: &Settings, guests: Vec<Guest>, programs: &[u8]) -> Result<bool> {
    run(settings, guests, "", programs, Report::default())
}

/// `make faultinject`: fails each allocation of each call once. Returns true if no test failed.
pub fn faultinject(settings: &Settings) -> Result<bool> {
    run_with(settings, vec![guests::faultinject()], &[])
}

/// `make kcsan`: runs the race tests on a kernel with KCSAN. Returns true if no test failed.
pub fn kcsan(settings: &Settings) -> Result<bool> {
    let guests = vec![guests::kcsan()];
    run(settings, guests, guests::RACE_TESTS, &[], Report::default())
}

/// `make cfi`: calls all callbacks of the driver on a kernel that checks their types. Returns true if no
/// test failed.
pub fn cfi(settings: &Settings) -> Result<bool> {
    let guests = vec![guests::cfi()];
    run(settings, guests, guests::CFI_TESTS, &[], Report::default())
}

/// Runs `tests` in `guests`, adds the results to `report` and prints them. Prints the notes too if
/// there is only one guest.
fn run(
    settings: &Settings,
    guests: Vec<Guest>,
    tests: &str,
    programs: &[u8],
    report: Report,
) -> Result<bool> {
    let start = Instant::now();
    let path = settings.out.join("results.json");
    // Nobody must take the results of the last run for those of this one.
    command::remove(&path)?;
    println!("[build] driver, tests, examples");
    let built = payload::programs(settings)?;
    let mut payloads = Vec::new();
    for flavour in Flavour::ALL {
        if flavour.is_there() && guests.iter().any(|g| g.flavour == flavour) {
            payloads.push((flavour, payload::build(settings, flavour, &built)?));
        }
    }
    println!("[build] done in {} s", start.elapsed().as_secs());
    guests::write_memories(settings)?;
    let alone = guests.len() == 1;

    let report = Mutex::new(report);
    command::in_parallel(settings.jobs, guests, |guest, _| {
        let payload = payloads
            .iter()
            .find(|(flavour, _)| *flavour == guest.flavour);
        let entries = match payload {
            Some((_, payload)) => {
                let tests = match tests {
                    "" => guest.tests,
                    selected => selected,
                };
                let run = GuestRun {
                    guest: &guest,
                    payload,
                    tests,
                    programs,
                    dir: settings.out.join("vm").join(guest.name.replace('/', "-")),
                    name: Some(&guest.name),
                };
                one_guest(settings, &run)
            }
            None => vec![no_kernel(guest.flavour)],
        };
        command::lock(&report).add(&guest.name, entries);
    });

    let report = report
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    report.write(&path)?;
    if alone {
        report.print_notes();
    }
    report.print();
    println!("Results are in {}.", settings.shown(&path));
    println!("{}", report.summary());
    Ok(report.is_good())
}

/// Returns the result of a guest whose kernel the set-up lacks.
fn no_kernel(flavour: Flavour) -> Entry {
    match flavour {
        Flavour::Stock => Entry::new(
            "guest",
            Outcome::Skipped,
            "the package mirror has no Debian kernel of this version",
        ),
        _ => Entry::failed("guest", "its kernel was not set up"),
    }
}

fn one_guest(settings: &Settings, run: &GuestRun<'_>) -> Vec<Entry> {
    let guest = run.guest;
    println!("[{}] started, typically {} s", guest.name, guest.typical);
    let start = Instant::now();
    let entries = guest_run::run(settings, run);
    println!(
        "[{}] {} in {} s",
        guest.name,
        report::summary(&entries),
        start.elapsed().as_secs()
    );
    entries
}

/// Runs the quick checks of tools/check-setup whose name matches the regular expression `names`. They
/// print lines `OUTCOME NAME[: WHY]`.
pub fn setup_checks(settings: &Settings, names: &str) -> Result<Vec<Entry>> {
    let output = Command::new("bash")
        .arg(settings.source.join("tools/check-setup/check.sh"))
        .arg("quick")
        .env("CHECK", names)
        .output()
        .map_err(|e| format!("checks of the set-up: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut entries: Vec<Entry> = text.lines().filter_map(setup_check).collect();
    if !output.status.success() && entries.iter().all(|e| e.outcome != Outcome::Failed) {
        let errors = String::from_utf8_lossy(&output.stderr);
        entries.push(Entry::failed("check.sh", format!("{text}\n{errors}")));
    }
    Ok(entries)
}

/// Parses a line of a set-up check; returns `None` for other output.
pub fn setup_check(line: &str) -> Option<Entry> {
    let (outcome, rest) = line.split_once(' ')?;
    let outcome = match outcome {
        "passed" => Outcome::Passed,
        "skipped" => Outcome::Skipped,
        "failed" => Outcome::Failed,
        _ => return None,
    };
    let (name, why) = rest.split_once(": ").unwrap_or((rest, ""));
    Some(Entry::new(name, outcome, why))
}

/// Runs the harness's own tests with cargo.
fn unit_tests(settings: &Settings) -> Result<Vec<Entry>> {
    let script = settings.source.join("tools/setup/harness-build.sh");
    let output = Command::new("bash")
        .arg(script)
        .arg("test")
        .output()
        .map_err(|e| format!("cargo test: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut entries: Vec<Entry> = text
        .lines()
        .filter_map(|line| {
            let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
            Some(match result {
                "ok" => Entry::passed(name),
                other => Entry::failed(name, other),
            })
        })
        .collect();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        entries.push(Entry::failed(
            "cargo test",
            format!("{text}\n{}", command::tail(&errors, 20)),
        ));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_set_up_checks_are_read() {
        let read = |line| setup_check(line).map(|e| (e.name, e.outcome, e.reason));
        let entry = |name: &str, outcome, why: &str| Some((name.into(), outcome, why.into()));
        assert_eq!(
            read("passed killed/INT"),
            entry("killed/INT", Outcome::Passed, "")
        );
        assert_eq!(
            read("failed set-up/no-home: it did not fail: no"),
            entry("set-up/no-home", Outcome::Failed, "it did not fail: no")
        );
        assert_eq!(read("40 passed, 2 failed, 0 skipped"), None);
    }
}
