// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Runs one guest and judges it by the results that its scripts report, by KUnit's and IGT's
//! results, and by the reports in its kernel log.

use std::path::{Path, PathBuf};

use crate::guests::{Guest, Mode};
use crate::payload::Payload;
use crate::qemu::{Console, Machine, Processor};
use crate::report::Entry;
use crate::settings::{Flavour, Settings};
use crate::{fuzz, igt, kernel_log, ktap, vm, Result};

/// How to run a guest.
pub struct GuestRun<'a> {
    /// The guest to run.
    pub guest: &'a Guest,
    /// Disk image and initramfs to boot.
    pub payload: &'a Payload,
    /// Regular expression: only tests with a matching name run. Empty selects all tests.
    pub tests: &'a str,
    /// Journal with the programs that the fuzzer replays. Empty if the fuzzer generates its own.
    pub programs: &'a [u8],
    /// Directory for sockets, disks and logs.
    pub dir: PathBuf,
    /// Prefix of the progress messages. `None` suppresses them.
    pub name: Option<&'a str>,
}

/// Runs the guest and returns all its results.
pub fn run(settings: &Settings, run: &GuestRun<'_>) -> Vec<Entry> {
    let guest = run.guest;
    let modes: Vec<&str> = guest.modes.iter().map(|mode| mode.name()).collect();
    let mut parameters = vec![
        format!("guest_modes={}", modes.join(",")),
        format!("guest_mode_tests={}", guest.mode_tests),
        format!("guest_test_timeout={}", guest.test_limit),
    ];
    parameters.extend(guest.parameters.iter().cloned());
    if guest.unplug_rounds > 0 {
        parameters.push(format!("guest_unplug_rounds={}", guest.unplug_rounds));
    }
    if !guest.failing_allocations {
        parameters.push("guest_faults=no".into());
    }
    parameters.extend(guest.boot.iter().map(|&word| word.into()));
    if runs_self_check(run) {
        parameters.push("guest_self_check=1".into());
    }
    let machine = Machine {
        flavour: guest.flavour,
        processor: Processor::Two,
        payload: run.payload,
        scenario: guest.scenario,
        parameters,
        tests: run.tests,
        programs: run.programs,
        devices: guest.devices.clone(),
        swap: guest.swap,
        kexec: guest.kexec,
        dir: run.dir.clone(),
        console: Console::Logged,
    };
    let boot = || vm::run(settings, &machine, run.name, settings.limit(guest.limit));
    let mut output = boot();
    let mut entries = Vec::new();
    for start in ["second-start", "third-start"] {
        if !output.as_ref().is_ok_and(|last| last.qemu_failed) {
            break;
        }
        let note = "QEMU failed, so the guest was started once more";
        if let Some(name) = run.name {
            println!("[{name}] {note}");
        }
        entries.push(Entry {
            notes: vec![note.into()],
            ..Entry::passed(start)
        });
        output = boot();
    }
    entries.extend(match output {
        Ok(output) => evaluate(settings, run, output),
        Err(why) => vec![Entry::failed("guest", why)],
    });
    entries
}

fn runs_self_check(run: &GuestRun<'_>) -> bool {
    run.guest.self_check && run.tests.is_empty()
}

fn evaluate(settings: &Settings, run: &GuestRun<'_>, output: vm::GuestOutput) -> Vec<Entry> {
    let mut entries = ktap::results(&output.console, "barium");
    if entries.is_empty() && run.tests.is_empty() && run.guest.flavour.has_kunit() {
        entries.push(Entry::failed("kunit", "no suite named barium* ran"));
    }
    entries.extend(output.entries);
    if output.lost.is_none() && ["test", "swap"].contains(&run.guest.scenario) {
        for igt_run in igt_runs(settings, run) {
            entries.extend(igt_run.entries(&output.results, run.tests.is_empty()));
        }
    }
    if output.lost.is_none() && fuzz::reports_coverage(settings, run.guest, run.programs) {
        entries.push(fuzz::coverage(&output.results, &run.payload.module));
    }
    if let Some(why) = output.lost {
        let programs = fuzz::save_journal(settings, &output.journal, &run.dir);
        entries.push(Entry::failed("guest", format!("{programs}{why}")));
    }
    let alarm = match output.panicked {
        true => kernel_log::alarm_except_panic(&output.console),
        false => kernel_log::alarm(&output.console),
    };
    entries.push(match alarm {
        Some(alarm) => Entry::failed("splats", alarm),
        None => Entry::passed("splats"),
    });
    entries
}

/// One run of igt_runner in a guest of the scenarios `test` and `moves`.
struct IgtRun {
    /// Directory of the run's results.
    name: String,
    /// Prefix of the names of the run's tests.
    prefix: String,
    read: fn(&Path) -> Result<Vec<Entry>>,
}

impl IgtRun {
    fn new(name: &str, prefix: String) -> Self {
        IgtRun {
            name: name.into(),
            prefix,
            read: igt::results,
        }
    }

    /// Returns the run's results. If `must` is set, missing results count as a failure.
    fn entries(&self, results: &Path, must: bool) -> Vec<Entry> {
        let path = results.join(&self.name).join("results.json");
        if !path.exists() && !must {
            return Vec::new();
        }
        match (self.read)(&path) {
            Ok(mut entries) => {
                for entry in &mut entries {
                    entry.name = format!("{}{}", self.prefix, entry.name);
                }
                entries
            }
            Err(why) => vec![Entry::failed(self.name.clone(), why)],
        }
    }
}

/// Lists the runs of igt_runner that the guest makes if all tests are selected.
fn igt_runs(settings: &Settings, run: &GuestRun<'_>) -> Vec<IgtRun> {
    if run.guest.scenario == "swap" {
        return vec![IgtRun::new("igt-swap", String::new())];
    }
    let mut runs = vec![IgtRun::new("igt-barium", String::new())];
    // Distributions have IGT's own tests for x86 only.
    if settings.arch.is_native() {
        runs.push(IgtRun::new("igt-official", String::new()));
    }
    let others: &[Mode] = run.guest.modes.get(1..).unwrap_or_default();
    runs.extend(others.iter().map(|mode| {
        IgtRun::new(
            &format!("igt-barium-{}", mode.name()),
            format!("{}/", mode.name()),
        )
    }));
    // Only the debug kernel has fault injection.
    if run.guest.flavour == Flavour::Debug && run.guest.failing_allocations {
        runs.push(IgtRun::new("igt-faultinject", String::new()));
        runs.extend(others.iter().map(|mode| {
            IgtRun::new(
                &format!("igt-faultinject-{}", mode.name()),
                format!("{}/", mode.name()),
            )
        }));
    }
    if runs_self_check(run) {
        runs.push(IgtRun {
            read: igt::self_check,
            ..IgtRun::new("igt-selfcheck", String::new())
        });
    }
    runs
}
