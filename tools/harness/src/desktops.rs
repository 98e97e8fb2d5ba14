// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `make desktops`: runs compositors, an X server and other programs that draw with KMS on Barium and
//! on bochs, the C driver for the same device, and writes a document with the results side by side
//! ([`crate::desktops_doc`]).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{json, Value};

use crate::desktops_doc::Document;
use crate::payload;
use crate::qemu::{Console, Machine, Processor};
use crate::report::{Entry, Outcome};
use crate::settings::{Flavour, Settings};
use crate::{command, kernel_log, vm, Result};

/// The display and the memory of both guests. The display is in no port, and has QEMU's default of VRAM.
const DEVICES: [&str; 4] = ["-device", "VGA,id=display0", "-m", "2G"];

/// Time limit for the guest of one driver in seconds, and the typical time on two cores.
const LIMIT: u32 = 3600;
const TYPICAL: u32 = 900;

/// A driver of the display.
struct Driver {
    title: &'static str,
    /// Its name on the PCI bus.
    name: &'static str,
    module: &'static str,
}

const BARIUM: Driver = Driver {
    title: "Barium",
    name: "barium",
    module: "barium",
};

const BOCHS: Driver = Driver {
    title: "bochs",
    name: "bochs-drm",
    module: "bochs",
};

/// A row of the table.
#[derive(Clone, Copy)]
pub struct Row {
    /// Name of the test in tools/guest/desktop-table.sh: that of the program comes before the `@`.
    pub test: &'static str,
    /// The program, as the document calls it.
    pub program: &'static str,
    /// What the program and the user do.
    pub action: &'static str,
}

impl Row {
    const fn new(test: &'static str, program: &'static str, action: &'static str) -> Self {
        Row {
            test,
            program,
            action,
        }
    }

    /// Returns the name of the program in the scenario.
    pub fn program_name(&self) -> &str {
        self.test.split('@').next().unwrap_or_default()
    }
}

const DRAWS: &str = "starts, a client draws";
const SMALLER: &str = "changes to 1024x768 and back";
const LARGER: &str = "changes to 1920x1080";
const SWITCHES: &str = "50 VT switches, with the console on the other VT";
const REBINDS: &str = "unbind and bind beneath it, start again";

/// All rows, in the order of the table.
pub const ROWS: &[Row] = &[
    Row::new("sway@draws", "sway", DRAWS),
    Row::new("sway@modes", "sway", SMALLER),
    Row::new("sway@1080p", "sway", LARGER),
    Row::new("sway@vt", "sway", SWITCHES),
    Row::new("sway@rebind", "sway", REBINDS),
    Row::new("labwc@draws", "labwc", DRAWS),
    Row::new("labwc@modes", "labwc", SMALLER),
    Row::new("labwc@1080p", "labwc", LARGER),
    Row::new("labwc@vt", "labwc", SWITCHES),
    Row::new("labwc@rebind", "labwc", REBINDS),
    Row::new("cage@draws", "cage", DRAWS),
    Row::new("cage@modes", "cage", SMALLER),
    Row::new("cage@1080p", "cage", LARGER),
    Row::new("cage@vt", "cage", SWITCHES),
    Row::new("cage@rebind", "cage", REBINDS),
    Row::new("weston@draws", "Weston", DRAWS),
    Row::new("weston@1080p", "Weston", "starts at 1920x1080"),
    Row::new("weston@vt", "Weston", SWITCHES),
    Row::new("weston@rebind", "Weston", REBINDS),
    Row::new("xorg@draws", "Xorg", DRAWS),
    Row::new(
        "xorg@modes",
        "Xorg",
        "changes to 1024x768, 800x600 and back",
    ),
    Row::new("xorg@1080p", "Xorg", LARGER),
    Row::new(
        "xorg@large-modes",
        "Xorg",
        "changes to 1920x1080, 1680x1050 and back",
    ),
    Row::new("xorg@vt", "Xorg", SWITCHES),
    Row::new("xorg@rebind", "Xorg", REBINDS),
    Row::new("mpv@draws", "mpv --vo=drm", "plays at 1280x800"),
    Row::new("mpv@1080p", "mpv --vo=drm", "plays at 1920x1080"),
    Row::new("kmscube@draws", "kmscube", "draws at 1280x800, by llvmpipe"),
    Row::new("mutter@draws", "mutter (GNOME)", DRAWS),
    Row::new("mutter@vt", "mutter (GNOME)", SWITCHES),
    Row::new("mutter@rebind", "mutter (GNOME)", REBINDS),
    Row::new("kwin@draws", "KWin (Plasma)", DRAWS),
    Row::new("kwin@vt", "KWin (Plasma)", SWITCHES),
    Row::new("kwin@rebind", "KWin (Plasma)", REBINDS),
];

/// The results of one driver's guest.
#[derive(Default)]
pub struct DriverResults {
    /// Results by name of the test.
    pub entries: BTreeMap<String, Entry>,
    /// Versions by name of the program.
    pub versions: BTreeMap<String, String>,
    /// The first report in the kernel log.
    pub alarm: Option<String>,
}

impl DriverResults {
    /// Returns the text of a file that [`DriverResults::from_json`] parses.
    fn to_json(&self) -> String {
        let entries: Vec<Value> = self
            .entries
            .values()
            .map(|entry| {
                json!({
                    "name": entry.name,
                    "works": entry.outcome == Outcome::Passed,
                    "seconds": entry.seconds,
                    "reason": entry.reason,
                    "notes": entry.notes,
                })
            })
            .collect();
        let all = json!({ "entries": entries, "versions": self.versions, "alarm": self.alarm });
        format!("{all:#}\n")
    }

    /// Parses the text of such a file; returns `None` for other text.
    fn from_json(text: &str) -> Option<Self> {
        let all: Value = serde_json::from_str(text).ok()?;
        let string = |value: &Value| value.as_str().map(String::from);
        let entry = |value: &Value| {
            let outcome = match value["works"].as_bool()? {
                true => Outcome::Passed,
                false => Outcome::Failed,
            };
            let mut entry = Entry::new(string(&value["name"])?, outcome, string(&value["reason"])?);
            entry.seconds = value["seconds"].as_f64()?;
            entry.notes = value["notes"]
                .as_array()?
                .iter()
                .filter_map(string)
                .collect();
            Some((entry.name.clone(), entry))
        };
        let versions = all["versions"].as_object()?.iter();
        Some(DriverResults {
            entries: all["entries"]
                .as_array()?
                .iter()
                .map(entry)
                .collect::<Option<_>>()?,
            versions: versions
                .map(|(program, version)| Some((program.clone(), string(version)?)))
                .collect::<Option<_>>()?,
            alarm: string(&all["alarm"]),
        })
    }
}

/// Runs the programs on both drivers and writes the document. If the user selects one driver, the last
/// results of the other one are used. Returns true if each program that works with bochs works with
/// Barium.
pub fn desktops(settings: &Settings) -> Result<bool> {
    println!("[build] driver");
    let payload = payload::build(settings, Flavour::Stock, &payload::programs(settings)?)?;
    let pictures = settings.out.join("desktops");
    command::dir(&pictures)?;
    // One after the other: the programs draw in software, and their clients depend on timing.
    let results_of = |driver: &Driver| match driver.title.contains(&settings.only) {
        true => one_driver(settings, driver, &payload, &pictures),
        false => last_results(settings, driver),
    };
    let (ours, theirs) = (results_of(&BARIUM)?, results_of(&BOCHS)?);
    println!("Pictures are in {}.", settings.shown(&pictures));

    let rows = ROWS
        .iter()
        .filter(|row| settings.tests.is_empty() || ours.entries.contains_key(row.test));
    let document = Document::new(rows.copied().collect(), &ours, &theirs);
    let path = settings.out.join("desktops.md");
    command::write(&path, document.text().as_bytes())?;
    let json = settings.out.join("desktops.json");
    command::write(&json, document.json().as_bytes())?;
    println!(
        "The table is in {}, also as {}.",
        settings.shown(&path),
        settings.shown(&json)
    );
    Ok(document.is_good())
}

/// Returns the directory of a driver's guest.
fn directory(settings: &Settings, driver: &Driver) -> PathBuf {
    let name = format!("desktops-{}", driver.title);
    settings.out.join("vm").join(name)
}

/// Returns the path of the file with the results of a driver.
fn results_file(settings: &Settings, driver: &Driver) -> PathBuf {
    directory(settings, driver).join("desktops.json")
}

/// Reads the results of the last guest with this driver.
fn last_results(settings: &Settings, driver: &Driver) -> Result<DriverResults> {
    let path = results_file(settings, driver);
    DriverResults::from_json(&command::read_lossy(&path)).ok_or_else(|| {
        format!(
            "{} has no results of {}: run `make desktops` without ONLY first",
            settings.shown(&path),
            driver.title
        )
    })
}

fn one_driver(
    settings: &Settings,
    driver: &Driver,
    payload: &payload::Payload,
    pictures: &Path,
) -> Result<DriverResults> {
    let name = format!("desktops/{}", driver.title);
    println!("[{name}] started, typically {} min", TYPICAL / 60);
    let start = Instant::now();
    let machine = Machine {
        flavour: Flavour::Stock,
        processor: Processor::Two,
        payload,
        scenario: "desktop-table",
        parameters: vec![
            format!("guest_driver={}", driver.name),
            format!("guest_module={}", driver.module),
            "guest_init=systemd".into(),
            "guest_render_node=0".into(),
            // udev must not load the other driver.
            format!("modprobe.blacklist={},{}", BARIUM.module, BOCHS.module),
            "drm_client_lib.active=fbdev".into(),
        ],
        tests: &settings.tests,
        programs: &[],
        swap: false,
        kexec: false,
        devices: DEVICES.map(String::from).into(),
        dir: directory(settings, driver),
        console: Console::Logged,
    };
    let output = vm::run(settings, &machine, Some(&name), settings.limit(LIMIT))?;
    for picture in screendumps(&machine.dir)? {
        let file = picture.file_name().unwrap_or_default().to_string_lossy();
        let file = file.replacen("screen", &driver.title.to_lowercase(), 1);
        fs::copy(&picture, pictures.join(file))
            .map_err(|e| format!("{}: {e}", picture.display()))?;
    }
    if let Some(why) = output.lost {
        return Err(format!("{name}: {why}"));
    }
    let results = DriverResults {
        entries: output
            .entries
            .into_iter()
            .map(|entry| (entry.name.clone(), entry))
            .collect(),
        versions: output
            .said
            .iter()
            .filter_map(|line| line.strip_prefix("version ")?.split_once(' '))
            .map(|(program, version)| (program.into(), version.into()))
            .collect(),
        alarm: kernel_log::alarm(&output.console),
    };
    command::write(
        &results_file(settings, driver),
        results.to_json().as_bytes(),
    )?;
    let works = |entry: &&Entry| entry.outcome == Outcome::Passed;
    println!(
        "[{name}] {} of {} work, in {} s",
        results.entries.values().filter(works).count(),
        results.entries.len(),
        start.elapsed().as_secs()
    );
    Ok(results)
}

/// Returns the paths of the pictures that the harness has taken of the guest in `dir`.
fn screendumps(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    Ok(entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("screen-") && name.ends_with(".png")
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_back() {
        let mut results = DriverResults::default();
        let mut entry = Entry::failed("a@x", "because");
        entry.notes.push("a note".into());
        results.entries.insert("a@x".into(), entry);
        results.versions.insert("a".into(), "1.2-3".into());
        results.alarm = Some("BUG: x".into());
        let text = results.to_json();
        let read = DriverResults::from_json(&text);
        assert_eq!(read.map(|results| results.to_json()), Some(text));
        assert!(DriverResults::from_json("").is_none());
    }

    #[test]
    fn no_row_is_there_twice() {
        for (number, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..number].iter().all(|other| other.test != row.test));
        }
    }
}
