// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Where things are inside the toolbox, and what the user can choose through the environment.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Result;

/// The kernels that guests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Optimised, as a distribution would build it.
    Opt,
    /// With every checker that a driver of this kind can trip.
    Debug,
    /// With the checker for data races.
    Kcsan,
    /// With control flow integrity: each indirect call checks the type of the function.
    Cfi,
}

impl Flavour {
    /// The name used in paths and in the names of tests.
    pub fn name(self) -> &'static str {
        match self {
            Flavour::Opt => "opt",
            Flavour::Debug => "debug",
            Flavour::Kcsan => "kcsan",
            Flavour::Cfi => "cfi",
        }
    }

    /// The kernel's build directory.
    pub fn build_dir(self) -> PathBuf {
        Path::new("/barium").join(format!("kernel-{}", self.name()))
    }

    /// What `make` needs to build modules for this kernel.
    pub fn make_arguments(self) -> &'static [&'static str] {
        match self {
            Flavour::Opt | Flavour::Kcsan => &[],
            Flavour::Cfi => &["LLVM=1"],
            // With debugging information of the module, for coverage.
            Flavour::Debug => &["LLVM=1", "KRUSTFLAGS=-Cdebuginfo=2", "KCFLAGS=-g"],
        }
    }
}

/// Where things are, and what the user chose.
pub struct Settings {
    /// The source tree whose driver and tests are used. Never written to.
    pub source: PathBuf,
    /// Where everything that is built or found out goes.
    pub out: PathBuf,
    /// The name that `out` has outside the toolbox, for messages.
    pub host_out: String,
    /// Directory with the guests' root file system.
    pub guest: PathBuf,
    /// QEMU's accelerator: `tcg` unless asked otherwise.
    pub accel: String,
    /// Only guests whose name contains this are run.
    pub only: String,
    /// Only tests whose name matches this regular expression are run; all if empty.
    pub tests: String,
    /// Only mutants whose name contains this are tried.
    pub mutant: String,
    /// Only workloads of the benchmark whose name contains this are measured.
    pub bench: String,
    /// Display device of `run` and `shell`.
    pub display: String,
    /// Kernel of `shell` and `fuzz`, if it is not the usual one.
    pub kernel: Option<Flavour>,
    /// Further arguments for QEMU in `shell`.
    pub qemu_args: Vec<String>,
    /// Whether `shell` waits for a debugger.
    pub gdb: bool,
    /// Minutes that `fuzz` goes on.
    pub fuzz_minutes: f64,
    /// What the programs of `fuzz` follow from; 0 for a new one each time.
    pub fuzz_seed: u64,
    /// Whether `fuzz` makes the program that it replays shorter.
    pub shorten: bool,
    /// Minutes that `soak` goes on.
    pub soak_minutes: f64,
    /// Guests at a time.
    pub jobs: usize,
    /// What the time limits are multiplied by.
    timeout_factor: f64,
}

impl Settings {
    /// Reads the environment that `tools/barium` passes on.
    pub fn from_environment() -> Result<Self> {
        let text = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.into());
        let out = PathBuf::from("/barium/out");
        let kernel = match text("KERNEL", "").as_str() {
            "" => None,
            "opt" => Some(Flavour::Opt),
            "debug" => Some(Flavour::Debug),
            "kcsan" => Some(Flavour::Kcsan),
            "cfi" => Some(Flavour::Cfi),
            other => return Err(format!("KERNEL={other}: must be opt or debug")),
        };
        let number = |name: &str, default: &str| {
            let text = text(name, default);
            text.parse::<f64>()
                .map_err(|_| format!("{name}={text}: must be a number"))
        };
        let seed = text("FUZZ_SEED", "0");
        let jobs = text("JOBS", "2");
        Ok(Settings {
            source: PathBuf::from("/barium/src"),
            host_out: text("HOST_OUT", &out.display().to_string()),
            out,
            guest: PathBuf::from("/barium/guest"),
            accel: text("ACCEL", "tcg"),
            only: text("ONLY", ""),
            tests: text("TESTS", ""),
            mutant: text("MUTANT", ""),
            bench: text("BENCH", ""),
            display: text("DISPLAY_DEVICE", "bochs-display"),
            kernel,
            qemu_args: text("QEMU_ARGS", "")
                .split_whitespace()
                .map(String::from)
                .collect(),
            gdb: env::var("GDB").is_ok(),
            jobs: jobs
                .parse()
                .map_err(|_| format!("JOBS={jobs}: must be a number"))?,
            fuzz_minutes: number("FUZZ_MINUTES", "30")?,
            fuzz_seed: seed
                .parse()
                .map_err(|_| format!("FUZZ_SEED={seed}: must be a number"))?,
            shorten: env::var("SHORTEN").is_ok(),
            soak_minutes: number("SOAK_MINUTES", "20")?,
            timeout_factor: number("TIMEOUT_FACTOR", "1")?,
        })
    }

    /// A time limit, with the user's factor.
    pub fn limit(&self, seconds: u32) -> Duration {
        Duration::from_secs_f64(f64::from(seconds) * self.timeout_factor)
    }

    /// How a path under `out` is called outside the toolbox.
    pub fn shown(&self, path: &Path) -> String {
        match path.strip_prefix(&self.out) {
            Ok(rest) => format!("{}/{}", self.host_out, rest.display()),
            Err(_) => path.display().to_string(),
        }
    }
}
