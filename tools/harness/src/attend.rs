// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Runs one guest and judges it: what its scripts said, KUnit, IGT, and what its kernel complained
//! about.

use std::path::{Path, PathBuf};

use crate::guests::{Guest, Mode};
use crate::payload::Payload;
use crate::qemu::{Console, Machine, Processor};
use crate::report::Entry;
use crate::settings::{Flavour, Settings};
use crate::{fuzz, igt, kernel_log, ktap, vm, Result};

/// What is to happen with a guest.
pub struct Order<'a> {
    /// The guest.
    pub guest: &'a Guest,
    /// What it boots with.
    pub payload: &'a Payload,
    /// Only tests whose name matches this regular expression run; all if empty.
    pub tests: &'a str,
    /// Programs for the fuzzer, as a journal; empty if it makes its own.
    pub programs: &'a [u8],
    /// Where sockets, disks and logs go.
    pub dir: PathBuf,
    /// The name under which it tells how it goes; it does not if there is none.
    pub name: Option<&'a str>,
}

/// Runs the guest, gives all its results.
pub fn attend(settings: &Settings, order: &Order<'_>) -> Vec<Entry> {
    let guest = order.guest;
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
    parameters.extend(guest.boot.iter().map(|&word| word.into()));
    if self_checks(order) {
        parameters.push("guest_self_check=1".into());
    }
    let machine = Machine {
        flavour: guest.flavour,
        processor: Processor::Two,
        payload: order.payload,
        scenario: guest.scenario,
        parameters,
        tests: order.tests,
        programs: order.programs,
        devices: guest.devices.clone(),
        swap: guest.swap,
        dir: order.dir.clone(),
        console: Console::Logged,
    };
    match vm::run(settings, &machine, order.name, settings.limit(guest.limit)) {
        Ok(left) => judge(settings, order, left),
        Err(why) => vec![Entry::failed("guest", why)],
    }
}

fn self_checks(order: &Order<'_>) -> bool {
    order.guest.self_check && order.tests.is_empty()
}

fn judge(settings: &Settings, order: &Order<'_>, left: vm::Left) -> Vec<Entry> {
    let mut entries = ktap::results(&left.console, "barium");
    if entries.is_empty() && order.tests.is_empty() {
        entries.push(Entry::failed("kunit", "no suite named barium* ran"));
    }
    entries.extend(left.entries);
    if left.lost.is_none() && order.guest.scenario == "test" {
        for run in igt_runs(order) {
            entries.extend(run.entries(&left.results, order.tests.is_empty()));
        }
    }
    if left.lost.is_none() && fuzz::is_measured(order.guest, order.programs) {
        entries.push(fuzz::coverage(&left.results, &order.payload.module));
    }
    if let Some(why) = left.lost {
        let programs = fuzz::rescue(settings, &left.journal, &order.dir);
        entries.push(Entry::failed("guest", format!("{programs}{why}")));
    }
    let alarm = match left.panicked {
        true => kernel_log::alarm_but_panic(&left.console),
        false => kernel_log::alarm(&left.console),
    };
    entries.push(match alarm {
        Some(alarm) => Entry::failed("splats", alarm),
        None => Entry::passed("splats"),
    });
    entries
}

/// A run of igt_runner in a guest of the `test` scenario.
struct IgtRun {
    /// Directory of its results.
    name: String,
    /// What the names of its tests begin with.
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

    /// Its results; those it must have are missed.
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

/// The runs of igt_runner that there are if all tests are wanted.
fn igt_runs(order: &Order<'_>) -> Vec<IgtRun> {
    let mut runs = vec![
        IgtRun::new("igt-barium", String::new()),
        IgtRun::new("igt-official", String::new()),
    ];
    let others: &[Mode] = order.guest.modes.get(1..).unwrap_or_default();
    runs.extend(others.iter().map(|mode| {
        IgtRun::new(
            &format!("igt-barium-{}", mode.name()),
            format!("{}/", mode.name()),
        )
    }));
    // Only this kernel can make allocations fail.
    if order.guest.flavour == Flavour::Debug {
        runs.push(IgtRun::new("igt-faultinject", String::new()));
        runs.extend(others.iter().map(|mode| {
            IgtRun::new(
                &format!("igt-faultinject-{}", mode.name()),
                format!("{}/", mode.name()),
            )
        }));
    }
    if self_checks(order) {
        runs.push(IgtRun {
            read: igt::self_check,
            ..IgtRun::new("igt-selfcheck", String::new())
        });
    }
    runs
}
