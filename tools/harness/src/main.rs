// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The part of `make run`, `make shell`, `make test`, `make igt`, `make desktops`, `make unplug`, `make
//! faultinject`, `make kcsan`, `make cfi`, `make fuzz`, `make soak` and `make mutants` that runs
//! inside the toolbox. Builds the module and the test programs, boots guests, examines their output and their
//! devices, and reports the results.
//!
//! `barium run | shell | test | unplug | faultinject | kcsan | cfi | fuzz | soak | mutants | igt | desktops |
//! display-cost | bench | in-tree`, and `barium lint STEP`.
//! Options come from the environment, see [`settings`].

use std::process::ExitCode;

mod apic;
mod arch;
mod bench;
mod command;
mod coverage;
mod desktops;
mod desktops_doc;
mod display_cost;
mod expectations;
mod font;
mod fuzz;
mod guest_run;
mod guests;
mod igt;
mod in_tree;
mod kernel_log;
mod ktap;
mod lines;
mod lint;
mod mutant;
mod mutants;
mod object;
mod official;
mod official_doc;
mod oracle;
mod packages;
mod payload;
mod picture;
mod qemu;
mod qmp;
mod report;
mod run;
mod screen;
mod settings;
mod shorten;
mod suite;
mod vm;
mod vnc;

use settings::Settings;

/// Errors are messages for the user.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let settings = match Settings::from_environment() {
        Ok(settings) => settings,
        Err(why) => return complain(&why),
    };
    let done = match arguments[..] {
        ["run"] => run::run(&settings),
        ["shell"] => run::shell(&settings),
        ["test"] => suite::test(&settings),
        ["unplug"] => suite::unplug(&settings),
        ["faultinject"] => suite::faultinject(&settings),
        ["kcsan"] => suite::kcsan(&settings),
        ["cfi"] => suite::cfi(&settings),
        ["fuzz"] => fuzz::fuzz(&settings),
        ["soak"] => fuzz::soak(&settings),
        ["in-tree"] => in_tree::in_tree(&settings),
        ["mutants"] => mutants::mutants(&settings),
        ["igt"] => official::official(&settings),
        ["desktops"] => desktops::desktops(&settings),
        ["display-cost"] => display_cost::display_cost(&settings),
        ["bench"] => bench::bench(&settings),
        ["packages"] => packages::packages(&settings),
        ["lint", step] => lint::lint(step, &settings.source, &settings.out),
        _ => Err(
            "usage: barium run | shell | test | unplug | faultinject | kcsan | cfi | fuzz | \
                   soak | mutants | igt | desktops | display-cost | bench | in-tree | packages | lint STEP"
                .into(),
        ),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => complain(&why),
    }
}

fn complain(why: &str) -> ExitCode {
    eprintln!("barium: {why}");
    ExitCode::FAILURE
}
