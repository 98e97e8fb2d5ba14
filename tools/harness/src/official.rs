// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `make igt`: IGT's own tests of display drivers, on Barium and on the C driver for the same
//! device, and the document that tells how both did ([`crate::official_doc`]).

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

/// The display of both guests, with room for several pictures of 4K: Barium's are in VRAM.
const DISPLAY: &str = "bochs-display,vgamem=256M";
/// Seconds that the tests of one driver may take, and what they take on two cores.
const LIMIT: u32 = 5400;
const TYPICAL: u32 = 900;
/// Seconds that one test may take.
const TEST_LIMIT: u32 = 300;

/// A driver that the tests are run on.
pub struct Driver {
    /// What it is called in the document.
    pub title: &'static str,
    /// Its name to DRM and to the PCI bus.
    name: &'static str,
    module: &'static str,
}

/// The driver that is tested, and the one that it is compared with.
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

/// What one driver's guest found: verdicts by the test's name, and what its kernel complained of.
pub struct Findings {
    pub verdicts: BTreeMap<String, Verdict>,
    pub alarm: Option<String>,
}

impl Findings {
    /// How many tests ended in a way of this kind.
    pub fn count(&self, kind: &str) -> usize {
        self.verdicts.values().filter(|v| v.kind() == kind).count()
    }

    /// The line `N passed, N failed, N skipped`.
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

/// Runs the tests on both drivers and writes the document. If the user wants one driver only, the
/// other's last results are used. Whether Barium passes what the other does, and everything else is
/// explained.
pub fn official(settings: &Settings) -> Result<bool> {
    println!("[build] driver");
    let payload = payload::build(settings, Flavour::Opt, &payload::programs(settings)?)?;
    // One after the other: many tests are about times.
    let find = |driver: &Driver| match driver.title.contains(&settings.only) {
        true => one_driver(settings, driver, &payload),
        false => last_findings(&directory(settings, driver)),
    };
    let (ours, theirs) = (find(&DRIVERS[0])?, find(&DRIVERS[1])?);

    let document = Document::new(settings, &ours, &theirs)?;
    let path = settings.out.join("igt.md");
    command::write(&path, document.text().as_bytes())?;
    println!("The table is in {}.", settings.shown(&path));
    Ok(document.is_good())
}

/// Where a driver's guest has its files.
fn directory(settings: &Settings, driver: &Driver) -> PathBuf {
    settings
        .out
        .join("vm")
        .join(format!("igt-{}", driver.title))
}

/// What the last guest that ran there found.
fn last_findings(dir: &Path) -> Result<Findings> {
    Ok(Findings {
        verdicts: igt::verdicts(&dir.join("results/igt/results.json"))?,
        alarm: kernel_log::alarm(&command::read_lossy(&dir.join("console.log"))),
    })
}

fn one_driver(
    settings: &Settings,
    driver: &Driver,
    payload: &payload::Payload,
) -> Result<Findings> {
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
            // Some are about the kernel's console.
            "drm_client_lib.active=fbdev".into(),
        ],
        tests: &settings.tests,
        programs: &[],
        swap: false,
        devices: run::display(DISPLAY),
        dir: directory(settings, driver),
        console: Console::Logged,
    };
    let left = vm::run(settings, &machine, Some(&name), settings.limit(LIMIT))?;
    if let Some(why) = left.lost {
        return Err(format!("{name}: {why}"));
    }
    if let Some(entry) = left.entries.iter().find(|e| e.outcome == Outcome::Failed) {
        return Err(format!("{name}: {}", entry.reason));
    }
    let findings = last_findings(&machine.dir)?;
    println!(
        "[{name}] {} in {} s",
        findings.summary(),
        start.elapsed().as_secs()
    );
    Ok(findings)
}
