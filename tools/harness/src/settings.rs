// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Paths inside the toolbox, and the options that the user sets in the environment.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::arch::{self, Arch};
use crate::Result;

/// The kernels that guests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Debian's own.
    Stock,
    /// Optimised, as a distribution would build it.
    Opt,
    /// With every checker that this kind of driver can trigger.
    Debug,
    /// With KCSAN, the data race detector.
    Kcsan,
    /// With control flow integrity: each indirect call checks the type of the function.
    Cfi,
}

impl Flavour {
    /// All flavours.
    pub const ALL: [Flavour; 5] = [
        Flavour::Stock,
        Flavour::Opt,
        Flavour::Debug,
        Flavour::Kcsan,
        Flavour::Cfi,
    ];

    /// The name in paths and in the names of tests.
    pub fn name(self) -> &'static str {
        match self {
            Flavour::Stock => "stock",
            Flavour::Opt => "opt",
            Flavour::Debug => "debug",
            Flavour::Kcsan => "kcsan",
            Flavour::Cfi => "cfi",
        }
    }

    /// Returns the flavour with this name.
    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flavour| flavour.name() == name)
    }

    /// Returns the kernel's build directory.
    pub fn build_dir(self) -> PathBuf {
        Path::new("/barium").join(format!("kernel-{}", self.name()))
    }

    /// Returns true if the set-up has this kernel. It lacks Debian's own if the package mirror has no
    /// such version.
    pub fn is_there(self) -> bool {
        self.build_dir().join("modules/release").exists()
    }

    /// Returns true if the kernel runs the KUnit suites of a module that is loaded.
    pub fn has_kunit(self) -> bool {
        self != Flavour::Stock
    }

    /// Returns the arguments of `make` for building modules for this kernel.
    pub fn make_arguments(self) -> &'static [&'static str] {
        match self {
            Flavour::Stock | Flavour::Opt | Flavour::Kcsan => &[],
            Flavour::Cfi => &["LLVM=1"],
            // Coverage needs the module's debugging information.
            Flavour::Debug => &["LLVM=1", "KRUSTFLAGS=-Cdebuginfo=2", "KCFLAGS=-g"],
        }
    }
}

/// Paths and options.
pub struct Settings {
    /// The source tree with the driver and the tests. Never written to.
    pub source: PathBuf,
    /// Directory of all build products and results.
    pub out: PathBuf,
    /// The name of `out` outside the toolbox, for messages.
    pub host_out: String,
    /// Directory with the guests' root file system.
    pub guest: PathBuf,
    /// The guests' architecture.
    pub arch: &'static Arch,
    /// QEMU's accelerator; default `tcg`.
    pub accel: String,
    /// Run only guests whose name contains this text.
    pub only: String,
    /// Run only tests whose name matches this regular expression; empty selects all.
    pub tests: String,
    /// Another architecture whose results `tools/barium` has made for `make test` to add, or nothing.
    pub smoke: String,
    /// Try only mutants whose name contains this text.
    pub mutant: String,
    /// Measure only workloads of the benchmark whose name contains this text.
    pub bench: String,
    /// Display device of `run` and `shell`.
    pub display: String,
    /// Kernel of `run`, `shell` and `fuzz`; `None` selects their default.
    pub kernel: Option<Flavour>,
    /// Additional arguments for QEMU in `shell`.
    pub qemu_args: Vec<String>,
    /// Makes `shell` wait for a debugger.
    pub gdb: bool,
    /// Duration of `fuzz` in minutes.
    pub fuzz_minutes: f64,
    /// Seed of `fuzz`; 0 selects a random one.
    pub fuzz_seed: u64,
    /// Makes `fuzz` shorten the program that it replays.
    pub shorten: bool,
    /// Duration of `soak` in minutes.
    pub soak_minutes: f64,
    /// Number of guests that run at the same time.
    pub jobs: usize,
    /// Multiplier of all time limits.
    timeout_factor: f64,
}

impl Settings {
    /// Reads the environment that `tools/barium` passes on.
    pub fn from_environment() -> Result<Self> {
        let text = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.into());
        let out = PathBuf::from("/barium/out");
        let kernel = match text("KERNEL", "").as_str() {
            "" => None,
            name => Some(
                Flavour::named(name)
                    .ok_or_else(|| format!("KERNEL={name}: must be stock, opt or debug"))?,
            ),
        };
        let arch = text("GUEST_ARCH", arch::X86_64.name);
        let arch = Arch::named(&arch)
            .ok_or_else(|| format!("ARCH={arch}: the harness does not know it"))?;
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
            arch,
            accel: text("ACCEL", "tcg"),
            only: text("ONLY", ""),
            smoke: text("SMOKE", ""),
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

    /// Returns a time limit multiplied by the user's factor.
    pub fn limit(&self, seconds: u32) -> Duration {
        Duration::from_secs_f64(f64::from(seconds) * self.timeout_factor)
    }

    /// Returns the name of a path under `out` outside the toolbox.
    pub fn shown(&self, path: &Path) -> String {
        match path.strip_prefix(&self.out) {
            Ok(rest) => format!("{}/{}", self.host_out, rest.display()),
            Err(_) => path.display().to_string(),
        }
    }
}
