// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `make bench`. One guest measures all ways of mapping device memory in instructions, a second one
//! measures several threads in time, a third one counts the bytes that page flips read and write,
//! and a fourth one profiles a fault. `bench/` has the programs that run in the guests and the one
//! that makes tables and plots.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::payload::{self, Payload};
use crate::qemu::{Console, Machine, Processor};
use crate::report::{Entry, Outcome};
use crate::settings::{Flavour, Settings};
use crate::{command, kernel_log, vm, Result};

/// The displays to compare, at the addresses that `bench/scenario.sh` expects: Barium's, and bochs'.
const DISPLAYS: [&str; 2] = [
    "bochs-display,addr=0x10,vgamem=256M",
    "bochs-display,addr=0x11,vgamem=256M",
];
/// The display for TTM, which QEMU has for x86 only. qxl places objects in the VRAM that `ram_size_mb`
/// sets.
const TTM: &str = "qxl,addr=0x12,ram_size_mb=128,vram_size_mb=8,vgamem_mb=16";

/// A guest of the benchmark.
struct Part {
    /// Name of the part in `bench/scenario.sh`.
    name: &'static str,
    processor: Processor,
    /// Time limit in seconds.
    limit: u32,
    /// Typical duration on two cores, for the progress message.
    typical: &'static str,
    /// File that the profiler plugin of QEMU writes, if the part uses the plugin.
    recorded: Option<&'static str>,
}

const COST: Part = Part {
    name: "cost",
    processor: Processor::Counting,
    limit: 3000,
    typical: "4 min",
    recorded: None,
};
const TRAFFIC: Part = Part {
    name: "traffic",
    processor: Processor::Counting,
    limit: 1200,
    typical: "1 min",
    recorded: Some("memory"),
};
const PROFILE: Part = Part {
    name: "profile",
    processor: Processor::Counting,
    limit: 1200,
    typical: "1 min",
    recorded: Some("instructions"),
};
const SCALING: Part = Part {
    name: "scaling",
    processor: Processor::Two,
    limit: 1500,
    typical: "3 min",
    recorded: None,
};

/// Measures all workloads, or those that the user selects; prints the tables and writes them,
/// `bench.json` and the plots to the output directory. Returns true if Barium meets its goals.
pub fn bench(settings: &Settings) -> Result<bool> {
    let start = Instant::now();
    println!("[build] driver");
    let programs = payload::bench_programs(&settings.out.join("bench/programs"));
    let payload = payload::build(settings, Flavour::Opt, &programs)?;
    println!("[build] done in {} s", start.elapsed().as_secs());

    let measure = |part: &Part| run(settings, &payload, part);
    if !settings.arch.is_native() {
        // The profiler knows x86-64 only, and times mean nothing in an emulated CPU.
        let cost = measure(&COST)?.join("cost.jsonl");
        return report(settings, &[cost]);
    }
    let profiled = settings.bench.is_empty();
    let (cost, recorded) = std::thread::scope(|scope| {
        let recorded = scope.spawn(|| {
            let traffic = measure(&TRAFFIC)?;
            if profiled {
                measure(&PROFILE)?;
            }
            Ok::<_, String>(traffic)
        });
        (measure(&COST), recorded.join().expect("no panic"))
    });
    let (cost, traffic) = (cost?, recorded?);
    // Runs alone: another guest would disturb its times.
    let scaling = measure(&SCALING)?;
    if profiled {
        write_profile(settings)?;
    }
    let bytes = settings.out.join("bench/traffic.jsonl");
    write_recorded(
        settings,
        "traffic",
        &traffic.join("traffic.jsonl"),
        &TRAFFIC,
        &bytes,
    )?;

    let rows = [
        cost.join("cost.jsonl"),
        bytes,
        scaling.join("scaling.jsonl"),
    ];
    let good = report(settings, &rows)?;
    if profiled {
        let profile = profile_report(settings);
        println!("faults by function: {}", settings.shown(&profile));
    }
    Ok(good)
}

/// Prints the tables of `rows`, files with lines of JSON, and writes them, `bench.json` and the plots to
/// the output directory. Returns true if Barium meets its goals.
fn report(settings: &Settings, rows: &[PathBuf]) -> Result<bool> {
    if rows.iter().all(|file| command::read_lossy(file).is_empty()) {
        return Err(format!("no workload has {} in its name", settings.bench));
    }
    println!();
    let status = report_command(settings)
        .arg("rows")
        .arg(&settings.out)
        .args(rows)
        .status()
        .map_err(|e| format!("barium-bench-report: {e}"))?;
    let json = settings.out.join("bench.json");
    println!("figures: {}, plots beside it", settings.shown(&json));
    Ok(status.success())
}

/// Boots a guest for `part` and returns the directory with its results.
fn run(settings: &Settings, payload: &Payload, part: &Part) -> Result<PathBuf> {
    let dir = part_dir(settings, part);
    let ttm = settings.arch.is_native().then_some(&TTM);
    let mut devices: Vec<String> = DISPLAYS
        .iter()
        .chain(ttm)
        .flat_map(|display| ["-device".into(), String::from(*display)])
        .collect();
    if let Some(what) = part.recorded {
        let plugin = settings.out.join("bench/bin/libbarium_profiler.so");
        devices.push("-plugin".into());
        devices.push(format!(
            "{},out={},what={what}",
            plugin.display(),
            record(settings, part).display()
        ));
    }
    let mut parameters = vec![
        format!("guest_bench={}", part.name),
        // Counting page faults by memory cgroup costs each fault 89 instructions in the kernel's code.
        "cgroup_disable=memory".into(),
    ];
    if !settings.bench.is_empty() {
        parameters.push(format!("guest_bench_text={}", settings.bench));
    }
    let machine = Machine {
        flavour: Flavour::Opt,
        processor: part.processor,
        payload,
        scenario: "bench",
        parameters,
        tests: "",
        programs: &[],
        swap: false,
        kexec: false,
        devices,
        dir,
        console: Console::Logged,
    };
    println!("[{}] typically {}", part.name, part.typical);
    let start = Instant::now();
    let output = vm::run(
        settings,
        &machine,
        Some(part.name),
        settings.limit(part.limit),
    )?;
    if let Some(why) = output.lost {
        return Err(format!("the {} guest: {why}", part.name));
    }
    if let Some(alarm) = kernel_log::alarm(&output.console) {
        return Err(format!("the kernel log has a report:\n{alarm}"));
    }
    let failed = |entry: &&Entry| entry.outcome == Outcome::Failed;
    if let Some(entry) = output.entries.iter().find(failed) {
        return Err(format!("{}: {}", entry.name, entry.reason));
    }
    println!("[{}] done in {} s", part.name, start.elapsed().as_secs());
    Ok(output.results)
}

/// Writes the profile: instructions by function.
fn write_profile(settings: &Settings) -> Result<()> {
    let found = part_dir(settings, &PROFILE).join("results");
    write_recorded(
        settings,
        "profile",
        &found,
        &PROFILE,
        &profile_report(settings),
    )
}

/// Passes the guest's results (`found`) and the profiler's record to the command `verb` of the
/// report program.
fn write_recorded(
    settings: &Settings,
    verb: &str,
    found: &Path,
    part: &Part,
    to: &Path,
) -> Result<()> {
    let output = report_command(settings)
        .arg(verb)
        .arg(found)
        .arg(record(settings, part))
        .output()
        .map_err(|e| format!("barium-bench-report: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    command::write(to, &output.stdout)
}

fn profile_report(settings: &Settings) -> PathBuf {
    settings.out.join("bench/profile.md")
}

fn part_dir(settings: &Settings, part: &Part) -> PathBuf {
    settings.out.join("vm").join(format!("bench-{}", part.name))
}

/// Returns the path of the profiler's record.
fn record(settings: &Settings, part: &Part) -> PathBuf {
    part_dir(settings, part).join("record")
}

fn report_command(settings: &Settings) -> Command {
    Command::new(Path::new(&settings.out).join("bench/bin/barium-bench-report"))
}
