// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `make display-cost`: what a console and desktops on Barium cost beside bochs, while a terminal prints, and
//! while only a cursor blinks. One guest of each driver runs them before a VNC viewer, and the host's CPU time
//! is measured; in a third one, QEMU's profiler counts the bytes that the CPU reads from Barium's VRAM.

use std::fmt::Write;
use std::path::PathBuf;

use crate::payload::{self, Payload};
use crate::qemu::{Console, Machine, Processor};
use crate::report::Outcome;
use crate::settings::{Flavour, Settings};
use crate::{command, kernel_log, vm, Result};

/// The display of the guests.
const DISPLAY: &str = "VGA,id=display0,vgamem_mb=32";
/// Workloads that must not read VRAM: the console has a buffer of its own, and so does Xorg, as the driver
/// prefers that (DUMB_PREFER_SHADOW).
const SHADOWED: [&str; 5] = [
    "console-nothing",
    "console-prints",
    "console-blinks",
    "xorg-prints",
    "xorg-blinks",
];
/// The workload that must read VRAM: Xorg without such a buffer, which moves the lines of a terminal.
const UNSHADOWED: &str = "xorg-without-shadow-prints";
/// Bytes per second that are few, and those of a moved terminal.
const FEW: f64 = 4096.0;
const MANY: f64 = 1e6;
/// Time limit of a guest in seconds.
const LIMIT: u32 = 1800;

/// A guest of the measurement.
struct Part {
    title: &'static str,
    /// The driver's name on the PCI bus, and its module.
    driver: &'static str,
    module: &'static str,
    /// What the scenario measures: `host` or `reads`.
    what: &'static str,
}

const BARIUM: Part = Part {
    title: "Barium",
    driver: "barium",
    module: "barium",
    what: "host",
};
const BOCHS: Part = Part {
    title: "bochs",
    driver: "bochs-drm",
    module: "bochs",
    what: "host",
};
const READS: Part = Part {
    title: "reads",
    what: "reads",
    ..BARIUM
};

/// Runs the guests, prints the tables and writes them. Returns true if all workloads could be measured, and
/// those of [`SHADOWED`] do not read VRAM.
pub fn display_cost(settings: &Settings) -> Result<bool> {
    println!("[build] driver");
    let programs = payload::bench_programs(&settings.out.join("bench/programs"));
    let payload = payload::build(settings, Flavour::Opt, &programs)?;
    let mut text = String::new();
    let mut is_good = true;
    if "host".contains(&settings.only) {
        let ours = run(settings, &BARIUM, &payload)?;
        let theirs = run(settings, &BOCHS, &payload)?;
        text += &host_table(&ours.said, &theirs.said);
        is_good &= ours.is_good && theirs.is_good;
    }
    if "reads".contains(&settings.only) {
        let output = run(settings, &READS, &payload)?;
        let record = command::read_lossy(&record(settings));
        let rows = reads(&output.said, &record)?;
        text += &reads_table(&rows);
        let complaints = rows.iter().filter_map(Reads::complaint);
        is_good &=
            output.is_good && complaints.inspect(|why| println!("failed: {why}")).count() == 0;
    }
    let path = settings.out.join("display-cost.md");
    command::write(&path, text.as_bytes())?;
    println!("\n{text}The tables are in {}.", settings.shown(&path));
    Ok(is_good)
}

/// The lines that a guest has printed for the host.
struct Said {
    said: Vec<String>,
    is_good: bool,
}

fn directory(settings: &Settings, part: &Part) -> PathBuf {
    let name = format!("display-cost-{}", part.title);
    settings.out.join("vm").join(name)
}

/// The path of the profiler's record.
fn record(settings: &Settings) -> PathBuf {
    directory(settings, &READS).join("record")
}

fn run(settings: &Settings, part: &Part, payload: &Payload) -> Result<Said> {
    let dir = directory(settings, part);
    let name = format!("display-cost/{}", part.title);
    println!("[{name}] started, typically 4 min");
    let mut devices = vec!["-device".into(), DISPLAY.into()];
    let processor = match part.what {
        "reads" => {
            let plugin = settings.out.join("bench/bin/libbarium_profiler.so");
            devices.extend([
                "-plugin".into(),
                format!(
                    "{},out={},what=reads",
                    plugin.display(),
                    record(settings).display()
                ),
            ]);
            Processor::Counting
        }
        _ => {
            devices.extend([
                "-vnc".into(),
                format!("unix:{}", dir.join(vm::VNC).display()),
            ]);
            Processor::Two
        }
    };
    let machine = Machine {
        flavour: Flavour::Opt,
        processor,
        payload,
        scenario: "display-cost",
        parameters: vec![
            format!("guest_cost={}", part.what),
            format!("guest_driver={}", part.driver),
            format!("guest_module={}", part.module),
            "guest_render_node=0".into(),
            "drm_client_lib.active=fbdev".into(),
        ],
        tests: &settings.tests,
        programs: &[],
        swap: false,
        kexec: false,
        devices,
        dir,
        console: Console::Logged,
    };
    let output = vm::run(settings, &machine, Some(&name), settings.limit(LIMIT))?;
    if let Some(why) = output.lost {
        return Err(format!("{name}: {why}"));
    }
    if let Some(alarm) = kernel_log::alarm(&output.console) {
        return Err(format!("{name}: the kernel log has a report:\n{alarm}"));
    }
    let failed = output
        .entries
        .iter()
        .any(|entry| entry.outcome == Outcome::Failed);
    Ok(Said {
        said: output.said,
        is_good: !failed,
    })
}

/// Returns the lines that begin with the word `kind`, each as words after it.
fn lines<'a>(said: &'a [String], kind: &'a str) -> impl Iterator<Item = Vec<&'a str>> {
    said.iter().filter_map(move |line| {
        let mut words = line.split(' ');
        (words.next() == Some(kind)).then(|| words.collect())
    })
}

/// Returns the table of the guests with a viewer. Lines are `cost NAME HOST GUEST UPDATES BYTES`, with CPU times
/// in milliseconds per second, and numbers per second.
fn host_table(ours: &[String], theirs: &[String]) -> String {
    let mut table = String::from(
        "| workload | QEMU's display, bochs | Barium | guest's CPUs, bochs | Barium | \
         updates, bochs | Barium | KiB sent, bochs | Barium |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in lines(ours, "cost") {
        let other = lines(theirs, "cost").find(|other| other.first() == row.first());
        let _ = write!(table, "| {}", row.first().unwrap_or(&""));
        for (column, ours) in row.iter().enumerate().skip(1) {
            let theirs = other.as_ref().and_then(|other| other.get(column).copied());
            let _ = write!(table, " | {} | {ours}", theirs.unwrap_or("-"));
        }
        table += " |\n";
    }
    table + "\n"
}

/// What the CPU reads while a workload runs, in bytes per second.
#[derive(Debug, PartialEq)]
struct Reads {
    name: String,
    from_vram: f64,
    all: f64,
}

impl Reads {
    /// Returns what is wrong with the figure, if anything.
    fn complaint(&self) -> Option<String> {
        let Reads {
            name, from_vram, ..
        } = self;
        let is_shadowed = SHADOWED.contains(&name.as_str());
        let is_wrong = is_shadowed && *from_vram > FEW || name == UNSHADOWED && *from_vram < MANY;
        is_wrong.then(|| format!("{name} reads {from_vram:.0} bytes per second from VRAM"))
    }
}

/// Returns the rows for the profiler's record. A line `vram FIRST LAST` has the physical addresses of VRAM in
/// hexadecimal; a line `reads NAME SECONDS` belongs to each interval of the record.
fn reads(said: &[String], record: &str) -> Result<Vec<Reads>> {
    let hexadecimal = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let vram = lines(said, "vram")
        .next()
        .and_then(|words| Some((hexadecimal(words.first()?)?, hexadecimal(words.get(1)?)?)));
    let (first, last) = vram.ok_or("the guest has not said where VRAM is")?;
    let mut rows = Vec::new();
    let mut intervals = record.lines();
    for row in lines(said, "reads") {
        let [name, seconds] = row[..] else {
            return Err(format!("reads {}", row.join(" ")));
        };
        let seconds: f64 = seconds.parse().map_err(|_| "no number of seconds")?;
        let line = intervals.next().ok_or("the record is too short")?;
        let mut words = line.split(' ');
        let all: f64 = words
            .next()
            .and_then(|n| n.parse().ok())
            .ok_or("no number of bytes")?;
        let runs: Option<Vec<(u64, u64)>> = words.skip(1).map(run_of_pages).collect();
        let in_vram: u64 = runs
            .ok_or_else(|| format!("not a line of a record: {line}"))?
            .iter()
            .filter(|(start, _)| (first..=last).contains(start))
            .map(|(_, bytes)| bytes)
            .sum();
        rows.push(Reads {
            name: name.into(),
            from_vram: in_vram as f64 / seconds,
            all: all / seconds,
        });
    }
    Ok(rows)
}

fn reads_table(rows: &[Reads]) -> String {
    let mut table = String::from(
        "| workload | bytes read from VRAM | bytes read in all |\n| --- | ---: | ---: |\n",
    );
    for row in rows {
        let _ = writeln!(
            table,
            "| {} | {:.0} | {:.0} |",
            row.name, row.from_vram, row.all
        );
    }
    table + "\n"
}

/// Parses `FIRST+COUNT*BYTES`: returns the address of the first page, and the bytes of all.
fn run_of_pages(text: &str) -> Option<(u64, u64)> {
    let (first, rest) = text.split_once('+')?;
    let (count, bytes) = rest.split_once('*')?;
    let bytes = count.parse::<u64>().ok()? * bytes.parse::<u64>().ok()?;
    Some((u64::from_str_radix(first, 16).ok()?, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        text.lines().map(String::from).collect()
    }

    #[test]
    fn only_reads_of_vram_count() {
        let said = said("vram 0xfd000000 0xfdffffff\nreads a 2\nreads b 1");
        let record = "100 7 1000+1*4 fd000000+2*8 fe000000+1*3\n5 0 2000+1*5\n";
        let table = reads_table(&reads(&said, record).unwrap());
        assert!(table.contains("| a | 8 | 50 |\n| b | 0 | 5 |\n"), "{table}");
        assert!(reads(&said, "100 7\n").is_err());
    }

    #[test]
    fn a_shadow_that_is_not_used_is_found() {
        let row = |name: &str, from_vram| Reads {
            name: name.into(),
            from_vram,
            all: 1e9,
        };
        assert_eq!(row("xorg-prints", 64.).complaint(), None);
        assert!(row("xorg-prints", 1e6).complaint().is_some());
        assert_eq!(row(UNSHADOWED, 3e7).complaint(), None);
        assert!(row(UNSHADOWED, 0.).complaint().is_some());
        assert_eq!(row("sway-prints", 1e6).complaint(), None);
    }

    #[test]
    fn drivers_are_side_by_side() {
        let table = host_table(&said("cost a 1 2\ncost b 3 4"), &said("cost b 5 6"));
        assert!(table.ends_with("| a | - | 1 | - | 2 |\n| b | 5 | 3 | 6 | 4 |\n\n"));
    }
}
