// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A fuzzer for the driver, guided by its coverage. It runs in the guest.
//!
//! A program is a row of calls ([`program`], [`call`]), made of bytes. It runs in a process of its own
//! ([`execute`], [`calls`]), on what it has got so far ([`world`]), under the eyes of another
//! ([`watch`]). Programs that reach something new are kept, and others are made of them
//! ([`campaign`]). The last ones are on a disk before they run ([`journal`]).

mod abi;
mod arena;
mod call;
mod calls;
mod campaign;
mod counters;
mod device;
mod drill;
mod execute;
mod journal;
mod kcov;
mod lane;
mod load;
mod probe;
mod program;
mod shared;
mod soak;
mod sys;
mod watch;
mod world;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use campaign::Campaign;
use device::Place;
use execute::Ground;
use journal::Journal;
use kcov::{Kcov, Text};
use program::Program;
use shared::Shared;
use watch::Watch;

const USAGE: &str = "usage:
  barium-fuzz run DISK SEED SECONDS DIR MODULE
                                          loads the module, and searches that long; leaves what it
                                          finds in DIR
  barium-fuzz replay DISK                 runs the programs on the disk, tells their steps
  barium-fuzz show DISK                   tells what calls they are made of
  barium-fuzz soak SEED SECONDS DIR       a mixed load, with a look for growth at marks";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("barium-fuzz: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<bool, String> {
    match *arguments {
        ["run", disk, seed, seconds, dir, module] => {
            let (seed, seconds) = (number(seed)?, number(seconds)?);
            let loaded = match Kcov::is_there() {
                true => kcov::load(module)?,
                false => Vec::new(),
            };
            // It has had the other displays so far, which the driver has reported. It would take ours
            // when that is found anew.
            kcov::unload(c"bochs");
            let watch = Watch::new(ground()?, open(disk)?)?;
            let mut campaign = Campaign::new(watch, seed, Path::new(dir));
            campaign.see(&loaded);
            campaign.run(Duration::from_secs(seconds))
        }
        ["replay", disk] => {
            let journal = open(disk)?;
            let programs: Vec<Program> = journal.read().map_err(|e| format!("{disk}: {e}"))?;
            if programs.is_empty() {
                return Err(format!("there is no program on {disk}"));
            }
            Ok(campaign::replay(Watch::new(ground()?, journal)?, &programs))
        }
        ["show", disk] => {
            for program in open(disk)?.read().map_err(|e| format!("{disk}: {e}"))? {
                println!("{} threads, {} times", program.lanes(), program.rounds());
                for (lane, call) in program.calls() {
                    println!("  {lane}: {call:?}");
                }
            }
            Ok(true)
        }
        ["soak", seed, seconds, dir] => {
            let (seed, seconds) = (number(seed)?, number(seconds)?);
            soak::soak(
                &ground()?,
                Duration::from_secs(seconds),
                seed,
                Path::new(dir),
            )
        }
        _ => Err(USAGE.into()),
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn open(disk: &str) -> Result<Journal, String> {
    Journal::open(disk).map_err(|e| format!("{disk}: {e}"))
}

fn ground() -> Result<Ground, String> {
    quiet_failures();
    // What a device does on its way to sleep, the thread does that asked for it.
    let _ = sys::write_file("/sys/power/pm_async", "0");
    let place = Place::find()?;
    let (vram, _) = place.vram()?;
    let text = Text::find().map_err(|e| format!("the driver's sections: {e}"))?;
    let shared = Shared::new(text.len()).map_err(|e| format!("shared memory: {e}"))?;
    let kcovs = match Kcov::is_there() {
        true => (0..Ground::KCOVS).map(|_| Kcov::new()).collect(),
        false => Ok(Vec::new()),
    };
    let kcovs = kcovs.map_err(|e: std::io::Error| format!("KCOV: {e}"))?;
    Ok(Ground {
        place,
        vram,
        text,
        shared,
        kcovs,
    })
}

/// Has allocations that fail on purpose fail without a word, and all kinds of them.
fn quiet_failures() {
    let debugfs = "/sys/kernel/debug";
    for (file, value) in [
        ("failslab/verbose", "0"),
        ("fail_page_alloc/verbose", "0"),
        ("fail_usercopy/verbose", "0"),
        ("failslab/ignore-gfp-wait", "N"),
        ("fail_page_alloc/ignore-gfp-wait", "N"),
        ("fail_page_alloc/ignore-gfp-highmem", "N"),
        ("fail_page_alloc/min-order", "0"),
    ] {
        // A kernel without them does not fail.
        let _ = sys::write_file(&format!("{debugfs}/{file}"), value);
    }
}
