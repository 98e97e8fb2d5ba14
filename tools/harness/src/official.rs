// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `make igt`: runs IGT's own tests of display drivers on Barium, on the C driver for the same device and
//! on two other drivers of virtual displays, and writes a document that compares the results
//! ([`crate::official_doc`]). The tests that Barium fails are those that are expected to fail
//! ([`crate::expectations`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::expectations::{self, Expectations};
use crate::igt::{self, Verdict};
use crate::official_doc::Document;
use crate::payload;
use crate::qemu::{Console, Machine, Processor};
use crate::report::Outcome;
use crate::settings::{Flavour, Settings};
use crate::{command, kernel_log, vm, Result};

/// The display of Barium and bochs. Barium keeps pictures in VRAM: this has room for several 4K ones.
const BOCHS_DISPLAY: &str = "bochs-display,vgamem=256M";
/// Time limit for the tests of one driver in seconds, and the typical time on two cores.
const LIMIT: u32 = 5400;
const TYPICAL: u32 = 900;
/// Time limit of one test in seconds.
const TEST_LIMIT: u32 = 300;

/// A driver under test.
pub struct Driver {
    /// Its name in the document.
    pub title: &'static str,
    /// Its name in DRM.
    name: &'static str,
    module: &'static str,
    /// QEMU's device, if the driver is for one.
    device: Option<&'static str>,
    /// Start of the names of its expectation lists in `igt-tests/xfails`.
    expectations: &'static str,
}

/// The driver under test, the one for the same device, and two others to compare with.
pub const DRIVERS: [Driver; 4] = [
    Driver {
        title: "Barium",
        name: "barium",
        module: "barium",
        device: Some(BOCHS_DISPLAY),
        expectations: "barium-bochs-display",
    },
    Driver {
        title: "bochs",
        name: "bochs-drm",
        module: "bochs",
        device: Some(BOCHS_DISPLAY),
        expectations: "bochs-bochs-display",
    },
    Driver {
        title: "vkms",
        name: "vkms",
        module: "vkms",
        device: None,
        expectations: "vkms-none",
    },
    Driver {
        title: "virtio-gpu",
        name: "virtio_gpu",
        module: "virtio-gpu",
        device: Some("virtio-gpu-pci"),
        expectations: "virtio_gpu-none",
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

/// Runs the tests on all drivers and writes the document. If the user selects one driver, the last
/// results of the others are used. Returns true if Barium passes each test that bochs passes, fails the
/// tests that it is expected to fail, and the document explains what it does not pass.
pub fn official(settings: &Settings) -> Result<bool> {
    println!("[build] driver");
    let payload = payload::build(settings, Flavour::Opt, &payload::programs(settings)?)?;
    let results = all_drivers(settings, &payload)?;
    let expectations = Expectations::read(
        &settings.source.join("igt-tests/xfails"),
        DRIVERS[0].expectations,
    )?;
    let list = settings
        .out
        .join(format!("{}-fails.txt", DRIVERS[0].expectations));
    command::write(&list, expectations::fails(&results[0].verdicts).as_bytes())?;

    let document = Document::new(settings, &results)?;
    let path = settings.out.join("igt.md");
    command::write(&path, document.text().as_bytes())?;
    println!(
        "The table is in {}, the tests that {} fails are in {}.",
        settings.shown(&path),
        DRIVERS[0].title,
        settings.shown(&list)
    );
    let unexpected = match settings.tests.is_empty() {
        true => expectations.unexpected(&results[0].verdicts),
        false => Vec::new(),
    };
    for line in &unexpected {
        println!("failed: {line}");
    }
    Ok(document.is_good() && unexpected.is_empty())
}

/// Runs the tests on the drivers that the user selects, as many at a time as the user wants. Returns the
/// results of all drivers, in the order of [`DRIVERS`].
fn all_drivers(settings: &Settings, payload: &payload::Payload) -> Result<Vec<DriverResults>> {
    command::in_parallel(settings.jobs, &DRIVERS, |driver, _| {
        match driver.title.contains(&settings.only) {
            true => one_driver(settings, driver, payload),
            false => last_results(&directory(settings, driver)).map_err(|why| {
                format!("ONLY needs the results of an earlier run of the others: {why}")
            }),
        }
    })
    .into_iter()
    .collect()
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

/// Returns QEMU's arguments for a driver's guest.
fn devices(driver: &Driver) -> Vec<String> {
    // Not q35: after S3, SeaBIOS 1.17 configures that chipset through MMCONFIG, which is not on yet. Its
    // ACPI registers are missing then, and the kernel reports an error. Without HPET: QEMU's loses the
    // clock's interrupts during a suspension, and the kernel complains.
    let mut devices = vec!["-machine".into(), "pc,hpet=off".into()];
    if let Some(device) = driver.device {
        devices.extend(["-device".into(), format!("{device},id=display0")]);
    }
    devices
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
        // Many tests depend on timing.
        processor: Processor::Counting,
        payload,
        scenario: "igt",
        parameters: vec![
            format!("guest_driver={}", driver.name),
            format!("guest_module={}", driver.module),
            format!("guest_expectations={}", driver.expectations),
            format!("guest_test_timeout={TEST_LIMIT}"),
            // The alarm of a suspension: with ACPI's, the kernel complains about QEMU's.
            "rtc_cmos.use_acpi_alarm=0".into(),
            // Without HPET, the kernel compares the TSC with a clock that is slow to read, and finds it wrong.
            "tsc=reliable".into(),
            // Some tests use the kernel's console.
            "drm_client_lib.active=fbdev".into(),
        ],
        tests: &settings.tests,
        programs: &[],
        swap: false,
        kexec: false,
        devices: devices(driver),
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
