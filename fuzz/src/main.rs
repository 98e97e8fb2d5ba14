// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A coverage-guided fuzzer for the driver. It runs in the guest.
//!
//! A program is a sequence of calls ([`program`], [`call`]), decoded from bytes. It runs in a
//! process of its own ([`execute`], [`calls`]), with a model of its files, handles and mappings
//! ([`model`]), and a [`supervisor`] checks it. Programs that reach new coverage are kept and mutated
//! ([`campaign`]). A journal on a disk has the last programs ([`journal`]).

mod abi;
mod arena;
mod call;
mod calls;
mod campaign;
mod counters;
mod delayed_copy;
mod device;
mod execute;
mod failing;
mod faulting_access;
mod journal;
mod kcov;
mod load;
mod model;
mod module;
mod program;
mod seed_corpus;
mod shared;
mod soak;
mod supervisor;
mod sys;
mod thread_context;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use campaign::Campaign;
use execute::{Display, Environment};
use journal::Journal;
use kcov::{Kcov, Text};
use module::{Mode, Module};
use program::Program;
use shared::Shared;
use supervisor::Supervisor;

const USAGE: &str = "usage:
  barium-fuzz run DISK SEED LENGTH DIR MODULE
                                          loads the module, runs that many programs, or as many as
                                          it can in that time (120s); leaves what it finds in DIR
  barium-fuzz replay DISK MODULE          runs the programs on the disk, tells their steps
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
    sys::check_page_size().map_err(|error| error.to_string())?;
    match *arguments {
        ["run", disk, seed, length, dir, module] => {
            let (seed, length) = (number(seed)?, length.parse()?);
            let mut module = Module::new(module);
            let loaded = module.load(Mode::ALL[0])?;
            // The driver has logged that bochs held the other displays. bochs would also bind our
            // display when it is found again.
            let _ = module::unload(c"bochs");
            let supervisor = Supervisor::new(env()?, module, open(disk)?)?;
            let mut campaign = Campaign::new(supervisor, seed, Path::new(dir));
            campaign.see(&loaded);
            campaign.run(length)
        }
        ["replay", disk, module] => {
            let mut module = Module::new(module);
            module.load(Mode::ALL[0])?;
            let journal = open(disk)?;
            let programs: Vec<Program> = journal.read().map_err(|e| format!("{disk}: {e}"))?;
            if programs.is_empty() {
                return Err(format!("there is no program on {disk}"));
            }
            Ok(campaign::replay(
                Supervisor::new(env()?, module, journal)?,
                &programs,
            ))
        }
        ["show", disk] => {
            for program in open(disk)?.read().map_err(|e| format!("{disk}: {e}"))? {
                println!("{} threads, {} times", program.threads(), program.rounds());
                for (thread, call) in program.calls() {
                    println!("  {thread}: {call:?}");
                }
            }
            Ok(true)
        }
        ["soak", seed, seconds, dir] => {
            let (seed, seconds) = (number(seed)?, number(seconds)?);
            soak::soak(&env()?, Duration::from_secs(seconds), seed, Path::new(dir))
        }
        _ => Err(USAGE.into()),
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn open(disk: &str) -> Result<Journal, String> {
    Journal::open(disk).map_err(|e| format!("{disk}: {e}"))
}

fn env() -> Result<Environment, String> {
    failing::prepare();
    // Makes the thread that suspends the machine also suspend the device.
    let _ = sys::write_file("/sys/power/pm_async", "0");
    let displays = Display::find()?;
    let text = Text::find().map_err(|e| format!("the driver's sections: {e}"))?;
    let shared = Shared::new(text.len()).map_err(|e| format!("shared memory: {e}"))?;
    let kcovs = match Kcov::is_there() {
        true => (0..Environment::KCOVS).map(|_| Kcov::new()).collect(),
        false => Ok(Vec::new()),
    };
    let kcovs = kcovs.map_err(|e: std::io::Error| format!("KCOV: {e}"))?;
    Ok(Environment {
        displays,
        text,
        shared,
        kcovs,
    })
}
