// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Builds QEMU's command line and starts the process.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::arch::Arch;
use crate::payload::Payload;
use crate::settings::{Flavour, Settings};
use crate::Result;

/// Size in bytes of the disk for the guest's results. Sparse.
const RESULTS_SIZE: u64 = 512 << 20;
/// Size in bytes of the disk for the oracle's references. Sparse. At boot it holds the selection of
/// tests.
const EXCHANGE_SIZE: u64 = 256 << 20;

/// Size in bytes of the disk for swap. Sparse.
const SWAP_SIZE: u64 = 1 << 30;

/// Offset and size in bytes of the fuzzer's journal on the exchange disk: see fuzz/src/journal.rs.
const JOURNAL_START: u64 = 1 << 20;
const JOURNAL_LEN: usize = 64 * 4096;

/// What the guest's console is connected to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// A log file only.
    Logged,
    /// The user's terminal and a log file.
    Interactive,
}

/// The guest's processors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// Two CPUs.
    Two,
    /// One CPU whose clock counts executed instructions: measurements repeat exactly, whatever the
    /// load of the host.
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

/// The configuration of one guest.
pub struct Machine<'a> {
    /// Kernel to boot.
    pub flavour: Flavour,
    /// Its processors.
    pub processor: Processor,
    /// The content of /barium in the guest.
    pub payload: &'a Payload,
    /// Scenario in tools/guest that the guest runs.
    pub scenario: &'a str,
    /// Additional `name=value` parameters for the guest's scripts.
    pub parameters: Vec<String>,
    /// Regular expression for the tests to run; empty selects all.
    pub tests: &'a str,
    /// Content of the exchange disk from [`JOURNAL_START`] on.
    pub programs: &'a [u8],
    /// QEMU arguments for display and other devices.
    pub devices: Vec<String>,
    /// The guest has a disk for swap.
    pub swap: bool,
    /// The guest has disks with its kernel and its initramfs, after the writable ones.
    pub kexec: bool,
    /// Directory for sockets, disks and logs.
    pub dir: PathBuf,
    /// What the console is connected to.
    pub console: Console,
}

impl Machine<'_> {
    /// Path of the console log.
    pub fn console_log(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// Socket of the line-based protocol between guest scripts and harness.
    pub fn control_socket(&self) -> PathBuf {
        self.dir.join("control")
    }

    /// QMP socket.
    pub fn qmp_socket(&self) -> PathBuf {
        self.dir.join("qmp")
    }

    /// The disk for the guest's results.
    pub fn results_disk(&self) -> PathBuf {
        self.dir.join("results.img")
    }

    /// The disk for the oracle's references.
    pub fn exchange_disk(&self) -> PathBuf {
        self.dir.join("exchange.img")
    }

    /// The disk for swap and for the hibernation image.
    fn swap_disk(&self) -> PathBuf {
        self.dir.join("swap.img")
    }

    /// Returns the writable disks and their sizes in bytes.
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

    /// Reads the fuzzer's journal; empty if there is none.
    pub fn journal(&self) -> Vec<u8> {
        let mut journal = vec![0; JOURNAL_LEN];
        let read = File::open(self.exchange_disk())
            .and_then(|disk| disk.read_exact_at(&mut journal, JOURNAL_START));
        match read {
            Ok(()) if journal.iter().any(|&byte| byte != 0) => journal,
            _ => Vec::new(),
        }
    }

    /// Creates the disks and starts QEMU.
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

    /// Starts QEMU with the existing disks.
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
        // Guests must not outlive the harness, however it ends.
        let mut command = Command::new("setpriv");
        let arch = settings.arch;
        command.args(["--pdeathsig", "KILL", "--", &arch.qemu_path()]);
        arch.add_libraries(&mut command);
        let memory = match self.flavour {
            Flavour::Stock | Flavour::Opt | Flavour::Cfi => settings.arch.memory,
            Flavour::Debug | Flavour::Kcsan => "2G",
        };
        command.args(arch.machine).args(["-m", memory]);
        command.args(self.processor.arguments(settings));
        command.args([
            "-nodefaults",
            "-vga",
            "none",
            "-display",
            "none",
            "-no-reboot",
        ]);
        let kernel = self.flavour.build_dir().join(arch.image);
        command.args(["-kernel".as_ref(), kernel.as_os_str()]);
        command.args(["-initrd".as_ref(), self.payload.initrd.as_os_str()]);
        command.args(["-append", &self.append(arch)]);
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
        command
            .args(["-chardev", &control])
            .args(arch.control_arguments());

        let mut disks = vec![
            (settings.guest.join("root.squashfs"), true),
            (self.payload.squashfs.clone(), true),
        ];
        disks.extend(
            self.writable_disks()
                .into_iter()
                .map(|(disk, _)| (disk, false)),
        );
        if self.kexec {
            disks.extend([(kernel, true), (self.payload.initrd.clone(), true)]);
        }
        for (number, (disk, read_only)) in disks.iter().enumerate() {
            command.args(disk_arguments(number, disk, *read_only));
        }
        command.args(&self.devices);
        command
    }

    fn append(&self, arch: &Arch) -> String {
        // No console on the display unless a scenario asks for it: it would use VRAM and time.
        let mut append = format!(
            "console={} panic=-1 drm_client_lib.active= guest_run={} guest_kernel={} \
             guest_console_tty={} guest_control_tty={}",
            arch.console,
            self.scenario,
            self.flavour.name(),
            arch.console,
            arch.control,
        );
        let parameters = self.parameters.iter().map(String::as_str);
        for parameter in arch.boot.iter().copied().chain(parameters) {
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
    // If the host's disk is full, the guest must get an error. By default QEMU would pause the
    // guest.
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
        // No MSI-X: QEMU sometimes fails on an access to its table while the kernel enumerates
        // devices.
        format!("virtio-blk-pci,drive=disk{number},vectors=0"),
    ]
}
