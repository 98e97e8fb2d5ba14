// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Runs the benchmark's workloads on one driver, in the guest, and prints a line of JSON for each.
//!
//! Each workload runs in a newly executed process, so that all drivers and workloads have the same
//! address space layout.

mod abi;
mod clock;
mod memory;
mod meter;
mod method;
mod pattern;
mod profile;
mod row;
mod screen;
mod sys;
mod workload;

use std::error::Error;
use std::process::{Command, ExitCode};

use method::{Device, Method};
use row::Config;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage:
  barium-bench cost METHOD MODE PCI-ADDRESS [TEXT]     workloads (with TEXT in their name), in guest
                                                       instructions; the guest runs under -icount
  barium-bench scaling METHOD MODE PCI-ADDRESS [TEXT]  two and four threads, in wall-clock time
  barium-bench traffic METHOD MODE PCI-ADDRESS [TEXT]  memory traffic, recorded by the profiler
  barium-bench profile METHOD PCI-ADDRESS fault|round|life|flip WORKLOAD
                                                       one of these, recorded by the profiler
  barium-bench record start|end                        the profiler records everything in between
METHOD is barium, ttm, shmem or eager. MODE is a name for the results.";

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
        ["cost", method, mode, address, ref text @ ..] => {
            clock::check()?;
            let names = workload::cost::all().into_iter().map(|w| w.name);
            each("cost-of", config(method, mode, address)?, names, text)
        }
        ["scaling", method, mode, address, ref text @ ..] => {
            let names = workload::scaling::all().into_iter().map(|w| w.name);
            each("scaling-of", config(method, mode, address)?, names, text)
        }
        ["traffic", method, mode, address, ref text @ ..] => {
            let names = workload::traffic::all().into_iter().map(|w| w.name);
            each("traffic-of", config(method, mode, address)?, names, text)
        }
        ["cost-of", method, mode, address, name] => {
            let config = config(method, mode, address)?;
            let workload = find(workload::cost::all(), |w| w.name == name)?;
            config.report(workload.run(&config.open()?)?.row(name));
            Ok(())
        }
        ["scaling-of", method, mode, address, name] => {
            let config = config(method, mode, address)?;
            let workload = find(workload::scaling::all(), |w| w.name == name)?;
            config.report(workload.run(&config.open()?)?.row(name));
            Ok(())
        }
        ["traffic-of", method, mode, address, name] => {
            let config = config(method, mode, address)?;
            let workload = find(workload::traffic::all(), |w| w.name == name)?;
            config.report(workload.run(&config.open()?)?);
            Ok(())
        }
        ["profile", method, address, what, name] => {
            profile::run(&config(method, "profile", address)?.open()?, what, name)
        }
        ["record", "start"] => {
            clock::record();
            Ok(())
        }
        ["record", "end"] => {
            clock::record_end();
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

/// Runs each selected workload in a process of its own. If one fails, the error is reported and the
/// others still run.
fn each(
    command: &str,
    config: Config<'_>,
    names: impl Iterator<Item = String>,
    wanted: &[&str],
) -> Result<()> {
    let mut failed = 0;
    for name in names.filter(|name| wanted.iter().all(|text| name.contains(text))) {
        let status = Command::new("/proc/self/exe")
            .args([
                command,
                config.method.name(),
                config.mode,
                config.address,
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

fn config<'a>(method: &str, mode: &'a str, address: &'a str) -> Result<Config<'a>> {
    let method = Method::named(method).ok_or_else(|| format!("no such method: {method}"))?;
    Ok(Config {
        method,
        mode,
        address,
    })
}

fn find<T>(all: Vec<T>, is: impl Fn(&T) -> bool) -> Result<T> {
    all.into_iter()
        .find(is)
        .ok_or_else(|| "no such workload".into())
}

impl Config<'_> {
    fn open(&self) -> Result<Device> {
        Ok(Device::open(self.method, self.address)?)
    }
}
