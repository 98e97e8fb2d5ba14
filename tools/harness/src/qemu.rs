// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The virtual machine: QEMU's command line, and the process.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::payload::Payload;
use crate::settings::{Flavour, Settings};
use crate::Result;

/// Bytes of the disk that a guest leaves its results on. Sparse.
const RESULTS_SIZE: u64 = 512 << 20;
/// Bytes of the disk through which a guest hands the oracle its reference. Sparse. At boot it holds
/// which tests are wanted.
const EXCHANGE_SIZE: u64 = 256 << 20;

/// Bytes of the disk that a guest swaps to. Sparse.
const SWAP_SIZE: u64 = 1 << 30;

/// Where the fuzzer's journal is on that disk, in bytes, and how long it is: see fuzz/src/journal.rs.
const JOURNAL_START: u64 = 1 << 20;
const JOURNAL_LEN: usize = 64 * 4096;

/// Who talks to the guest's console.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// Nobody: it is only logged.
    Logged,
    /// The user, on the terminal; logged as well.
    Interactive,
}

/// What a guest runs on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// Two CPUs.
    Two,
    /// One CPU whose clock counts the instructions that it executes: what is measured is the same each
    /// time, whatever else the machine does.
    Counting,
}

impl Processor {
    fn arguments(self, settings: &Settings) -> Vec<String> {
        let arguments: &[&str] = match (self, settings.accel.as_str()) {
            (Self::Two, "tcg") => &["-accel", "tcg,thread=multi", "-smp", "2"],
            (Self::Two, other) => &["-accel", other, "-smp", "2"],
            (Self::Counting, _) => &[
                "-accel",
                "tcg,thread=single",
                "-smp",
                "1",
                "-icount",
                "shift=0,sleep=off",
                "-rtc",
                "clock=vm,base=2026-01-01",
            ],
        };
        arguments.iter().map(|&argument| argument.into()).collect()
    }
}

/// What is particular to one guest.
pub struct Machine<'a> {
    /// Kernel to boot.
    pub flavour: Flavour,
    /// What it runs on.
    pub processor: Processor,
    /// What the guest gets as /barium.
    pub payload: &'a Payload,
    /// Scenario in tools/guest that the guest runs.
    pub scenario: &'a str,
    /// Further `name=value` pairs for the guest's scripts.
    pub parameters: Vec<String>,
    /// Regular expression for the tests that the guest is to run; all if empty.
    pub tests: &'a str,
    /// What the exchange disk holds from [`JOURNAL_START`] on.
    pub programs: &'a [u8],
    /// Arguments of QEMU for display devices and whatever else.
    pub devices: Vec<String>,
    /// Whether it has a disk to swap to.
    pub swap: bool,
    /// Where sockets, disks and logs go.
    pub dir: PathBuf,
    /// Who talks to the console.
    pub console: Console,
}

impl Machine<'_> {
    /// Where the console is logged.
    pub fn console_log(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// Socket of the line-based talk between guest scripts and harness.
    pub fn control_socket(&self) -> PathBuf {
        self.dir.join("control")
    }

    /// QEMU's own socket.
    pub fn qmp_socket(&self) -> PathBuf {
        self.dir.join("qmp")
    }

    /// The disk with what the guest has left.
    pub fn results_disk(&self) -> PathBuf {
        self.dir.join("results.img")
    }

    /// The disk with the oracle's reference.
    pub fn exchange_disk(&self) -> PathBuf {
        self.dir.join("exchange.img")
    }

    /// The disk that the guest swaps to, and hibernates on.
    fn swap_disk(&self) -> PathBuf {
        self.dir.join("swap.img")
    }

    /// The disks that the guest can write to, and their sizes in bytes.
    fn writable_disks(&self) -> Vec<(PathBuf, u64)> {
        let mut disks = vec![
            (self.results_disk(), RESULTS_SIZE),
            (self.exchange_disk(), EXCHANGE_SIZE),
        ];
        if self.swap {
            disks.push((self.swap_disk(), SWAP_SIZE));
        }
        disks
    }

    /// The fuzzer's journal; empty if there is none.
    pub fn journal(&self) -> Vec<u8> {
        let mut journal = vec![0; JOURNAL_LEN];
        let read = File::open(self.exchange_disk())
            .and_then(|disk| disk.read_exact_at(&mut journal, JOURNAL_START));
        match read {
            Ok(()) if journal.iter().any(|&byte| byte != 0) => journal,
            _ => Vec::new(),
        }
    }

    /// Makes its disks, and starts QEMU.
    pub fn start(&self, settings: &Settings) -> Result<Child> {
        for (disk, size) in self.writable_disks() {
            File::create(&disk)
                .and_then(|file| file.set_len(size))
                .map_err(|e| format!("{}: {e}", disk.display()))?;
        }
        OpenOptions::new()
            .write(true)
            .open(self.exchange_disk())
            .and_then(|file| {
                file.write_all_at(self.tests.as_bytes(), 0)?;
                file.write_all_at(self.programs, JOURNAL_START)
            })
            .map_err(|e| format!("{}: {e}", self.exchange_disk().display()))?;
        self.start_again(settings)
    }

    /// Starts QEMU with the disks that are there.
    pub fn start_again(&self, settings: &Settings) -> Result<Child> {
        let mut command = self.command(settings);
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("qemu.log"))
            .map_err(|e| format!("qemu.log: {e}"))?;
        if self.console == Console::Logged {
            let log_too = log.try_clone().map_err(|e| format!("qemu.log: {e}"))?;
            command.stdin(Stdio::null()).stdout(log_too).stderr(log);
        }
        command.spawn().map_err(|e| format!("QEMU: {e}"))
    }

    fn command(&self, settings: &Settings) -> Command {
        // Guests must not outlive the harness, whatever happens to it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"]);
        let memory = match self.flavour {
            Flavour::Opt => "1G",
            Flavour::Debug | Flavour::Kcsan => "2G",
        };
        // Without five-level paging: while the kernel identifies the processor, it does not know for a
        // moment that it has that, and KASAN then takes an interrupt's accesses for wild.
        command.args(["-M", "q35", "-cpu", "max,la57=off", "-m", memory]);
        command.args(self.processor.arguments(settings));
        command.args([
            "-nodefaults",
            "-vga",
            "none",
            "-display",
            "none",
            "-no-reboot",
        ]);
        command.args([
            "-kernel".as_ref(),
            self.flavour
                .build_dir()
                .join("arch/x86/boot/bzImage")
                .as_os_str(),
        ]);
        command.args(["-initrd".as_ref(), self.payload.initrd.as_os_str()]);
        command.args(["-append", &self.append()]);
        command.args(["-qmp", &socket_argument("unix:", &self.qmp_socket())]);

        let log = self.console_log();
        let console = match self.console {
            Console::Logged => format!("file,id=console,append=on,path={}", log.display()),
            Console::Interactive => format!(
                "stdio,id=console,signal=off,mux=on,logfile={}",
                log.display()
            ),
        };
        command.args(["-chardev", &console, "-serial", "chardev:console"]);
        let control = socket_argument("socket,id=control,path=", &self.control_socket());
        command.args(["-chardev", &control, "-serial", "chardev:control"]);

        let mut disks = vec![
            (settings.guest.join("root.squashfs"), true),
            (self.payload.squashfs.clone(), true),
        ];
        disks.extend(
            self.writable_disks()
                .into_iter()
                .map(|(disk, _)| (disk, false)),
        );
        for (number, (disk, read_only)) in disks.iter().enumerate() {
            command.args(disk_arguments(number, disk, *read_only));
        }
        command.args(&self.devices);
        command
    }

    fn append(&self) -> String {
        // No console on the display unless a scenario asks for one: it would take VRAM, and time.
        let mut append = format!(
            "console=ttyS0 panic=-1 drm_client_lib.active= guest_run={} guest_kernel={}",
            self.scenario,
            self.flavour.name()
        );
        for parameter in &self.parameters {
            append.push(' ');
            append.push_str(parameter);
        }
        append
    }
}

fn socket_argument(prefix: &str, path: &Path) -> String {
    format!("{prefix}{},server=on,wait=off", path.display())
}

/// Guests find the disks in this order, as /dev/vda and so on.
fn disk_arguments(number: usize, path: &Path, read_only: bool) -> [String; 4] {
    // Where the host's disk is full, the guest is to see an error: by default, QEMU stops it.
    let access = if read_only {
        "readonly=on"
    } else {
        "readonly=off,werror=report"
    };
    [
        "-drive".into(),
        format!(
            "if=none,id=disk{number},format=raw,{access},file={}",
            path.display()
        ),
        "-device".into(),
        // Without MSI-X: now and then QEMU trips over an access to its table while the kernel looks
        // for the devices.
        format!("virtio-blk-pci,drive=disk{number},vectors=0"),
    ]
}
