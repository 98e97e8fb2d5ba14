// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `make in-tree-test`: checks a kernel tree with Barium in it, builds that kernel with Barium built
//! in and as a module, and boots both. tools/in-tree/build.sh checks and builds; tools/barium has
//! prepared the tree, and a build directory in the place of the optimised kernel's.

use std::process::Command;
use std::time::Instant;

use crate::guest_run::{self, GuestRun};
use crate::guests::{self, Guest};
use crate::payload::{self, Programs};
use crate::report::{self, Entry, Outcome, Report};
use crate::settings::{Flavour, Settings};
use crate::{command, suite, Result};

/// A step of tools/in-tree/build.sh.
struct Step {
    /// Its name there, and the prefix of the names of its tests.
    name: &'static str,
    /// What it does, with its typical duration on two cores.
    text: &'static str,
    /// The guests that boot what it has built.
    guests: fn() -> Vec<Guest>,
    /// Regular expression for the tests that run in these guests. Empty selects all.
    tests: &'static str,
}

const STEPS: &[Step] = &[
    Step {
        name: "tree",
        text: "checking the added files, typically 10 s",
        guests: Vec::new,
        tests: "",
    },
    Step {
        name: "y",
        text: "building the kernel with Barium built in, typically 3 min",
        guests: guests::in_tree_built_in,
        tests: "",
    },
    Step {
        name: "m",
        text: "building the kernel with Barium as a module, typically 2 min",
        guests: guests::in_tree_module,
        tests: guests::IN_TREE_TESTS,
    },
    Step {
        name: "warnings",
        text: "building the driver with all warnings, typically 2 min",
        guests: Vec::new,
        tests: "",
    },
    Step {
        name: "kunit",
        text: "running kunit.py, which builds a kernel of its own, typically 4 min",
        guests: Vec::new,
        tests: "",
    },
];

/// Runs all steps, or those whose name contains the user's text. Returns true if no test failed.
pub fn in_tree(settings: &Settings) -> Result<bool> {
    let path = settings.out.join("results.json");
    // Nobody must take the results of the last run for those of this one.
    command::remove(&path)?;
    let steps: Vec<&Step> = STEPS
        .iter()
        .filter(|step| step.name.contains(&settings.only))
        .collect();
    if steps.is_empty() {
        return Err(format!("ONLY={} names no step", settings.only));
    }
    let programs = payload::user_programs(settings)?;
    let mut report = Report::default();
    if settings.only.is_empty() {
        report.add("export", suite::setup_checks(settings, "^in-tree/")?);
    }
    for step in steps {
        run_step(settings, step, &programs, &mut report)?;
    }
    report.write(&path)?;
    report.print();
    println!("Results are in {}.", settings.shown(&path));
    println!("{}", report.summary());
    Ok(report.is_good())
}

/// Runs a step and, if all its checks passed, its guests.
fn run_step(
    settings: &Settings,
    step: &Step,
    programs: &Programs,
    report: &mut Report,
) -> Result<()> {
    let name = step.name;
    println!("[{name}] {}", step.text);
    let start = Instant::now();
    let entries = build(settings, name)?;
    println!(
        "[{name}] {} in {} s",
        report::summary(&entries),
        start.elapsed().as_secs()
    );
    let good = entries.iter().all(|e| e.outcome != Outcome::Failed);
    report.add(&format!("in-tree/{name}"), entries);
    let guests = (step.guests)();
    if guests.is_empty() {
        return Ok(());
    }
    if !good {
        report.add(
            &format!("in-tree/{name}"),
            vec![Entry::failed("guests", "there is no kernel to boot")],
        );
        return Ok(());
    }
    payload::forget_test_module(settings, Flavour::Opt)?;
    let programs = payload::with_test_module(settings, programs)?;
    let payload = payload::pack_installed(settings, Flavour::Opt, &programs, &settings.out)?;
    for guest in guests {
        let run = GuestRun {
            guest: &guest,
            payload: &payload,
            tests: step.tests,
            programs: &[],
            dir: settings.out.join("vm").join(guest.name.replace('/', "-")),
            name: Some(&guest.name),
        };
        println!("[{}] started, typically {} s", guest.name, guest.typical);
        let start = Instant::now();
        let entries = guest_run::run(settings, &run);
        println!(
            "[{}] {} in {} s",
            guest.name,
            report::summary(&entries),
            start.elapsed().as_secs()
        );
        report.add(&guest.name, entries);
    }
    Ok(())
}

/// Runs a step of tools/in-tree/build.sh, which prints lines `OUTCOME NAME[: WHY]`.
fn build(settings: &Settings, step: &str) -> Result<Vec<Entry>> {
    let output = Command::new("bash")
        .arg(settings.source.join("tools/in-tree/build.sh"))
        .arg(step)
        .output()
        .map_err(|e| format!("tools/in-tree/build.sh: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut entries: Vec<Entry> = text.lines().filter_map(suite::setup_check).collect();
    if entries.is_empty() {
        let errors = String::from_utf8_lossy(&output.stderr);
        entries.push(Entry::failed(
            "build.sh",
            format!("no check ran: {text}{errors}"),
        ));
    }
    Ok(entries)
}
