// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `make igt`: runs IGT's own tests of display drivers on Barium and on the C driver for the same
//! device, and writes a document that compares the results ([`crate::official_doc`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::igt::{self, Verdict};
use crate::official_doc::Document;
use crate::payload;
use crate::qemu::{Console, Machine, Processor};
use crate::report::Outcome;
use crate::settings::{Flavour, Settings};
use crate::{command, kernel_log, run, vm, Result};

/// The display of both guests. Barium keeps pictures in VRAM: this has room for several 4K ones.
const DISPLAY: &str = "bochs-display,vgamem=256M";
/// Time limit for the tests of one driver in seconds, and the typical time on two cores.
const LIMIT: u32 = 5400;
const TYPICAL: u32 = 900;
/// Time limit of one test in seconds.
const TEST_LIMIT: u32 = 300;

/// A driver under test.
pub struct Driver {
    /// Its name in the document.
    pub title: &'static str,
    /// Its name in DRM and on the PCI bus.
    name: &'static str,
    module: &'static str,
}

/// The driver under test, and the one to compare with.
pub const DRIVERS: [Driver; 2] = [
    Driver {
        title: "Barium",
        name: "barium",
        module: "barium",
    },
    Driver {
        title: "bochs",
        name: "bochs-drm",
        module: "bochs",
    },
];

/// Results of one driver's guest: IGT's results by test name, and the first report in the kernel
/// log.
pub struct DriverResults {
    pub verdicts: BTreeMap<String, Verdict>,
    pub alarm: Option<String>,
}

impl DriverResults {
    /// Returns how many tests have a result of this kind.
    pub fn count(&self, kind: &str) -> usize {
        self.verdicts.values().filter(|v| v.kind() == kind).count()
    }

    /// Returns the line `N passed, N failed, N skipped`.
    pub fn summary(&self) -> String {
        let count = |kind| self.count(kind);
        format!(
            "{} passed, {} failed, {} skipped",
            count("pass"),
            count("fail"),
            count("skip")
        )
    }
}

/// Runs the tests on both drivers and writes the document. If the user selects one driver, the last
/// results of the other one are used. Returns true if Barium passes each test that the other driver
/// passes and the document explains all other results.
pub fn official(settings: &Settings) -> Result<bool> {
    println!("[build] driver");
    let payload = payload::build(settings, Flavour::Opt, &payload::programs(settings)?)?;
    // One driver after the other: many tests depend on timing.
    let results_of = |driver: &Driver| match driver.title.contains(&settings.only) {
        true => one_driver(settings, driver, &payload),
        false => last_results(&directory(settings, driver)),
    };
    let (ours, theirs) = (results_of(&DRIVERS[0])?, results_of(&DRIVERS[1])?);

    let document = Document::new(settings, &ours, &theirs)?;
    let path = settings.out.join("igt.md");
    command::write(&path, document.text().as_bytes())?;
    println!("The table is in {}.", settings.shown(&path));
    Ok(document.is_good())
}

/// Returns the directory of a driver's guest.
fn directory(settings: &Settings, driver: &Driver) -> PathBuf {
    settings
        .out
        .join("vm")
        .join(format!("igt-{}", driver.title))
}

/// Reads the results of the last guest that ran in `dir`.
fn last_results(dir: &Path) -> Result<DriverResults> {
    Ok(DriverResults {
        verdicts: igt::verdicts(&dir.join("results/igt/results.json"))?,
        alarm: kernel_log::alarm(&command::read_lossy(&dir.join("console.log"))),
    })
}

fn one_driver(
    settings: &Settings,
    driver: &Driver,
    payload: &payload::Payload,
) -> Result<DriverResults> {
    let name = format!("igt/{}", driver.title);
    println!("[{name}] started, typically {} min", TYPICAL / 60);
    let start = Instant::now();
    let machine = Machine {
        flavour: Flavour::Opt,
        processor: Processor::Two,
        payload,
        scenario: "igt",
        parameters: vec![
            format!("guest_driver={}", driver.name),
            format!("guest_module={}", driver.module),
            format!("guest_test_timeout={TEST_LIMIT}"),
            // Some tests use the kernel's console.
            "drm_client_lib.active=fbdev".into(),
        ],
        tests: &settings.tests,
        programs: &[],
        swap: false,
        kexec: false,
        devices: run::display(DISPLAY),
        dir: directory(settings, driver),
        console: Console::Logged,
    };
    let output = vm::run(settings, &machine, Some(&name), settings.limit(LIMIT))?;
    if let Some(why) = output.lost {
        return Err(format!("{name}: {why}"));
    }
    if let Some(entry) = output.entries.iter().find(|e| e.outcome == Outcome::Failed) {
        return Err(format!("{name}: {}", entry.reason));
    }
    let results = last_results(&machine.dir)?;
    println!(
        "[{name}] {} in {} s",
        results.summary(),
        start.elapsed().as_secs()
    );
    Ok(results)
}
