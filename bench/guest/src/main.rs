// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Runs the benchmark's workloads on one driver, in the guest, and prints a line of JSON for each.
//!
//! Each workload runs in a newly executed process, so that all drivers and workloads have the same
//! address space layout.

mod abi;
mod clock;
mod memory;
mod meter;
mod pattern;
mod profile;
mod row;
mod screen;
mod sys;
mod way;
mod workload;

use std::error::Error;
use std::process::{Command, ExitCode};

use row::Place;
use way::{Device, Way};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage:
  barium-bench cost WAY MODE PCI-ADDRESS [TEXT]     workloads (with TEXT in their name), in guest
                                                    instructions; the guest runs under -icount
  barium-bench scaling WAY MODE PCI-ADDRESS [TEXT]  two and four threads, by wall clock
  barium-bench traffic WAY MODE PCI-ADDRESS [TEXT]  has the profiler record what is read and written
  barium-bench profile WAY PCI-ADDRESS fault|round|life|flip WORKLOAD
                                                    has the profiler record one of these
WAY is barium, ttm, shmem or eager. MODE is a name for the results.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("barium-bench {}: {error}", arguments.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match *arguments {
        ["cost", way, mode, address, ref text @ ..] => {
            clock::check()?;
            let names = workload::cost::all().into_iter().map(|w| w.name);
            each("cost-of", place(way, mode, address)?, names, text)
        }
        ["scaling", way, mode, address, ref text @ ..] => {
            let names = workload::scaling::all().into_iter().map(|w| w.name);
            each("scaling-of", place(way, mode, address)?, names, text)
        }
        ["traffic", way, mode, address, ref text @ ..] => {
            let names = workload::traffic::all().into_iter().map(|w| w.name);
            each("traffic-of", place(way, mode, address)?, names, text)
        }
        ["cost-of", way, mode, address, name] => {
            let place = place(way, mode, address)?;
            let workload = find(workload::cost::all(), |w| w.name == name)?;
            place.report(workload.run(&place.open()?)?.row(name));
            Ok(())
        }
        ["scaling-of", way, mode, address, name] => {
            let place = place(way, mode, address)?;
            let workload = find(workload::scaling::all(), |w| w.name == name)?;
            place.report(workload.run(&place.open()?)?.row(name));
            Ok(())
        }
        ["traffic-of", way, mode, address, name] => {
            let place = place(way, mode, address)?;
            let workload = find(workload::traffic::all(), |w| w.name == name)?;
            place.report(workload.run(&place.open()?)?);
            Ok(())
        }
        ["profile", way, address, what, name] => {
            profile::run(&place(way, "profile", address)?.open()?, what, name)
        }
        _ => Err(USAGE.into()),
    }
}

/// Runs each selected workload in a process of its own. If one fails, the error is reported and the
/// others still run.
fn each(
    command: &str,
    place: Place<'_>,
    names: impl Iterator<Item = String>,
    wanted: &[&str],
) -> Result<()> {
    let mut failed = 0;
    for name in names.filter(|name| wanted.iter().all(|text| name.contains(text))) {
        let status = Command::new("/proc/self/exe")
            .args([
                command,
                place.way.name(),
                place.mode,
                place.address,
                name.as_str(),
            ])
            .status()?;
        failed += u32::from(!status.success());
    }
    match failed {
        0 => Ok(()),
        count => Err(format!("{count} workloads failed").into()),
    }
}

fn place<'a>(way: &str, mode: &'a str, address: &'a str) -> Result<Place<'a>> {
    let way = Way::named(way).ok_or_else(|| format!("no such way: {way}"))?;
    Ok(Place { way, mode, address })
}

fn find<T>(all: Vec<T>, is: impl Fn(&T) -> bool) -> Result<T> {
    all.into_iter()
        .find(is)
        .ok_or_else(|| "no such workload".into())
}

impl Place<'_> {
    fn open(&self) -> Result<Device> {
        Ok(Device::open(self.way, self.address)?)
    }
}
