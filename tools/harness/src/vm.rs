// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Runs one guest from boot to power-off: answers the requests of its scripts on the control line,
//! enforces the time limit, and fetches the files that it leaves.
//!
//! The guest sends the lines `begin TEST`, `result OUTCOME SECONDS TEST [REASON]`, `say TEXT` and
//! `end`, and these requests, which the harness answers by one line each: `oracle TEST BYTES
//! PCI-ADDRESS MIN-PIECES`, `screen TEST SECONDS ID WORDS` (for the words see [`screen::look`]),
//! `cost NAME SECONDS`, `unplug ID`, `plug ID BUS`. The last line of a guest that makes its kernel panic is `panic TEST
//! SECONDS ID WORDS`, that of a guest that halts is `halt TEST PCI-ADDRESS`. A guest sends `crash`
//! before it makes its kernel panic, if another kernel then continues. It sends `hibernate` before it
//! hibernates, so that the harness starts it again, and `awake` afterwards.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::oracle::{self, Found};
use crate::qemu::{Machine, Processor};
use crate::qmp::Qmp;
use crate::report::{Entry, Outcome};
use crate::screen::{self, Shot};
use crate::settings::Settings;
use crate::{apic, command, kernel_log, vnc, Result};

/// Interval of progress messages for a guest that prints none itself.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Time limit for reading the control line; then the deadline is checked.
const POLL: Duration = Duration::from_millis(200);
/// Time limit for the kernel to start the first process, in seconds. It takes a few.
const BOOT_LIMIT: u32 = 240;
/// How long a guest sleeps that has asked to be woken up.
const SLEEP: Duration = Duration::from_secs(8);
/// The BAR with a display's registers, and the offset of the ENABLE register in it, in bytes.
const REGISTER_BAR: u64 = 2;
const ENABLE_REGISTER: usize = 0x508;
/// The name of the socket of QEMU's VNC server, in guests that have one.
pub const VNC: &str = "vnc";
/// Number of console lines that a message about a lost guest quotes.
const QUOTED_LINES: usize = 25;

/// The output of a guest.
pub struct GuestOutput {
    /// Results that its scripts reported.
    pub entries: Vec<Entry>,
    /// Lines that its scripts printed with `say`, in order.
    pub said: Vec<String>,
    /// The pages that the oracle found in VRAM, in order.
    pub found: Vec<Found>,
    /// Screendumps that showed what they must, in order.
    pub shots: Vec<Shot>,
    /// The kernel panicked as a test intended.
    pub panicked: bool,
    /// The complete console output.
    pub console: String,
    /// Directory with the files that the guest left.
    pub results: PathBuf,
    /// The last programs of the fuzzer, from its journal.
    pub journal: Vec<u8>,
    /// Why the guest did not reach its end; `None` if it did.
    pub lost: Option<String>,
    /// QEMU has failed: it has lost an interrupt of the guest, which hung therefore, or the guest hung
    /// before its first process.
    pub qemu_failed: bool,
}

/// Boots `machine` and waits until it powers off or `limit` expires. Prints progress if it has a
/// `name`.
pub fn run(
    settings: &Settings,
    machine: &Machine,
    name: Option<&str>,
    limit: Duration,
) -> Result<GuestOutput> {
    command::fresh_dir(&machine.dir)?;
    let child = machine.start(settings)?;
    let mut session = Session {
        settings,
        machine,
        name,
        child,
        running: String::from("booting"),
        entries: Vec::new(),
        said: Vec::new(),
        found: Vec::new(),
        shots: Vec::new(),
        panic: Panic::No,
        crashes: false,
        halt: None,
        hibernates: false,
        wake: None,
        ended: false,
        was_asleep: false,
        qemu_failed: false,
        cpus: String::new(),
    };
    let lost = session.attend(limit);
    // QEMU has exited already if all went well.
    let _ = session.child.kill();
    let _ = session.child.wait();

    let console = command::read_lossy(&machine.console_log());
    let full = command::is_full(&machine.dir);
    let lost = match lost {
        _ if full => Some(format!(
            "no space is left in {}, OUT=<dir> puts it elsewhere",
            settings.host_out
        )),
        Ok(()) if matches!(session.panic, Panic::Seen) => None,
        Ok(()) if matches!(session.panic, Panic::Announced(_)) => {
            Some("its kernel did not panic".into())
        }
        Ok(()) if session.ended => None,
        Ok(()) => Some(format!("switched off while {}", session.running)),
        Err(why) => Some(format!("{why}, while {}", session.running)),
    };
    let lost = lost.map(|why| {
        let qemu = command::read_lossy(&machine.dir.join("qemu.log"));
        let log = settings.shown(&machine.console_log());
        format!(
            "{why}; {qemu}the end of {log}{}:\n{}",
            session.cpus,
            command::tail(&console, QUOTED_LINES)
        )
    });
    // A full disk may have truncated the guest's files.
    session.ended &= !full;
    let journal = machine.journal();
    let results = session.fetch_results()?;
    Ok(GuestOutput {
        qemu_failed: session.qemu_failed,
        journal,
        entries: session.entries,
        said: session.said,
        found: session.found,
        shots: session.shots,
        panicked: session.crashes || !matches!(session.panic, Panic::No),
        console,
        results,
        lost,
    })
}

/// The state of an intended kernel panic.
enum Panic {
    /// No panic is intended.
    No,
    /// The guest has announced a panic; the text describes what the screen must show then.
    Announced(String),
    /// The panic has happened.
    Seen,
}

struct Session<'a> {
    settings: &'a Settings,
    machine: &'a Machine<'a>,
    name: Option<&'a str>,
    child: Child,
    running: String,
    entries: Vec<Entry>,
    said: Vec<String>,
    found: Vec<Found>,
    shots: Vec<Shot>,
    panic: Panic,
    /// The kernel panics as a test intends, and another one continues.
    crashes: bool,
    /// Arguments of the `halt` line of a guest that is about to halt.
    halt: Option<String>,
    /// The guest hibernates: start it again after it powers off.
    hibernates: bool,
    ended: bool,
    /// The guest suspends until something wakes it: when to do that.
    wake: Option<Instant>,
    /// The guest was suspended at the last check.
    was_asleep: bool,
    /// QEMU has failed: see [`GuestOutput::qemu_failed`].
    qemu_failed: bool,
    /// Where the state of the CPUs of a guest that was not done in its time is, in parentheses.
    cpus: String,
}

impl Session<'_> {
    /// Serves the control line until QEMU exits.
    fn attend(&mut self, limit: Duration) -> Result<()> {
        let start = Instant::now();
        let mut told = Instant::now();
        let mut line = self.connect(start + limit)?;
        let mut pending = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match line.read(&mut buffer) {
                Ok(0) => {
                    match self.child.wait() {
                        Ok(status) if !status.success() => {
                            return Err(format!("QEMU ended: {status}"))
                        }
                        _ if self.hibernates => (),
                        _ => return Ok(()),
                    }
                    self.hibernates = false;
                    self.running = String::from("booting to resume from hibernation");
                    self.child = self.machine.start_again(self.settings)?;
                    line = self.connect(start + limit)?;
                    pending.clear();
                }
                Ok(count) => pending.extend_from_slice(&buffer[..count]),
                // Stopping and continuing the harness interrupts a read with a timeout.
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(e) => return Err(format!("control line: {e}")),
            }
            while let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
                let text: Vec<u8> = pending.drain(..=end).collect();
                let text = String::from_utf8_lossy(&text);
                if let Some(answer) = self.answer(text.trim()) {
                    writeln!(line, "{answer}").map_err(|e| format!("control line: {e}"))?;
                    told = Instant::now();
                }
            }
            self.wake_if_due();
            self.wake_if_still();
            if self.check_panic_screen() || self.check_halted_display() {
                return Ok(());
            }
            if start.elapsed() > limit {
                self.save_cpus();
                return Err(format!("not done after {} s", limit.as_secs()));
            }
            if told.elapsed() > HEARTBEAT {
                told = Instant::now();
                self.tell(&format!(
                    "{} s: {}",
                    start.elapsed().as_secs(),
                    self.activity()
                ));
                self.wake_if_stuck();
                if start.elapsed() > self.settings.limit(BOOT_LIMIT) && !self.has_booted() {
                    self.qemu_failed = true;
                    self.save_cpus();
                    return Err("the kernel has started no process".into());
                }
                if let Some((cpu, vector)) = self.find_lost_interrupt() {
                    self.qemu_failed = true;
                    return Err(format!(
                        "QEMU has lost interrupt {vector} of CPU {cpu}, which waits for it"
                    ));
                }
            }
        }
    }

    /// Saves the state of the guest's CPUs and their interrupt controllers.
    fn save_cpus(&mut self) {
        let file = self.machine.dir.join("cpus.txt");
        let state =
            Qmp::connect(&self.machine.qmp_socket()).and_then(|mut qmp| apic::state(&mut qmp));
        self.cpus = match std::fs::write(&file, state.unwrap_or_else(|why| why)) {
            Ok(()) => format!(" (CPUs: {})", self.settings.shown(&file)),
            Err(e) => format!(" (CPUs: not saved: {e})"),
        };
    }

    /// Returns true if the kernel has started the first process, before which it has no driver of ours.
    fn has_booted(&self) -> bool {
        command::read_lossy(&self.machine.console_log()).contains("as init process")
    }

    fn find_lost_interrupt(&self) -> Option<(usize, String)> {
        // A QEMU that has just exited does not answer.
        Qmp::connect(&self.machine.qmp_socket())
            .and_then(|mut qmp| apic::lost_interrupt(&mut qmp))
            .ok()?
    }

    /// Wakes a guest that has said that it suspends, as often as that takes: by a key if it is suspended to
    /// idle, which QEMU does not know of.
    fn wake_if_due(&mut self) {
        if self.wake.is_none_or(|due| Instant::now() < due) {
            return;
        }
        self.wake = Some(Instant::now() + SLEEP);
        // A QEMU that has just exited does not answer.
        let _ = Qmp::connect(&self.machine.qmp_socket()).and_then(|mut qmp| qmp.wake());
    }

    /// Wakes a suspended guest: sometimes its RTC alarm does not fire.
    fn wake_if_stuck(&mut self) {
        let socket = self.machine.qmp_socket();
        let is_asleep = Qmp::connect(&socket)
            .and_then(|mut qmp| {
                let is_asleep = qmp.is_asleep()?;
                if is_asleep && self.was_asleep {
                    self.tell("still suspended: waking it up");
                    qmp.wake()?;
                }
                Ok(is_asleep)
            })
            // A QEMU that has just exited does not answer.
            .unwrap_or(false);
        self.was_asleep = is_asleep;
    }

    /// Wakes a guest that is suspended if its clock counts instructions: the clock stands then, so that the
    /// alarm that the guest has set does not go off.
    fn wake_if_still(&mut self) {
        if self.machine.processor != Processor::Counting {
            return;
        }
        let Ok(mut qmp) = Qmp::connect(&self.machine.qmp_socket()) else {
            return; // A QEMU that has just exited does not answer.
        };
        if qmp.is_asleep() == Ok(true) {
            let _ = qmp.wake();
        }
    }

    /// Connects to QEMU's socket, which appears soon after QEMU starts.
    fn connect(&mut self, deadline: Instant) -> Result<UnixStream> {
        loop {
            match UnixStream::connect(self.machine.control_socket()) {
                Ok(stream) => {
                    stream
                        .set_read_timeout(Some(POLL))
                        .map_err(|e| format!("control line: {e}"))?;
                    return Ok(stream);
                }
                Err(_) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20))
                }
                Err(e) => return Err(format!("control line: {e}")),
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("QEMU did not start: {status}"));
            }
        }
    }

    /// Handles a line of the guest. Returns the reply for a request.
    fn answer(&mut self, line: &str) -> Option<String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "begin" => self.running = rest.into(),
            "result" => self.take_result(rest),
            "say" => self.said.push(rest.into()),
            "end" => self.ended = true,
            "oracle" => {
                return Some(match self.query_oracle(rest) {
                    Ok(summary) => format!("match {summary}"),
                    Err(why) => format!("mismatch {why}"),
                })
            }
            "screen" => {
                return Some(match self.look(rest) {
                    Ok(summary) => format!("match {summary}"),
                    Err(why) => format!("mismatch {why}"),
                })
            }
            "cost" => {
                return Some(match self.measure_cost(rest) {
                    Ok(()) => "done".into(),
                    Err(why) => format!("refused {why}"),
                })
            }
            "panic" => self.panic = Panic::Announced(rest.into()),
            "crash" => self.crashes = true,
            "halt" => self.halt = Some(rest.into()),
            "hibernate" => self.hibernates = true,
            "suspend" => self.wake = Some(Instant::now() + SLEEP),
            "awake" => (self.hibernates, self.wake) = (false, None),
            "unplug" | "plug" => {
                return Some(match self.hot_plug(verb, rest) {
                    Ok(()) => "done".into(),
                    Err(why) => format!("refused {why}"),
                })
            }
            // Noise on the line while the guest's kernel probes it.
            _ => (),
        }
        None
    }

    fn tell(&self, text: &str) {
        if let Some(name) = self.name {
            println!("[{name}] {text}");
        }
    }

    fn take_result(&mut self, line: &str) {
        let mut parts = line.splitn(4, ' ');
        let mut next = || parts.next().unwrap_or_default();
        let (outcome, seconds, test, reason) = (next(), next(), next(), next());
        let outcome = match outcome {
            "pass" => Outcome::Passed,
            "skip" => Outcome::Skipped,
            _ => Outcome::Failed,
        };
        if outcome == Outcome::Failed {
            self.tell(&format!("failed: {test}: {reason}"));
        }
        let text = reason.replace(" | ", "\n");
        let mut entry = match outcome {
            Outcome::Passed => Entry {
                notes: text.lines().map(str::to_owned).collect(),
                ..Entry::passed(test)
            },
            _ => Entry::new(test, outcome, text),
        };
        entry.seconds = seconds.parse().unwrap_or_default();
        self.entries.push(entry);
    }

    fn query_oracle(&mut self, arguments: &str) -> Result<String> {
        let parts: Vec<&str> = arguments.split_whitespace().collect();
        let [_, size, slot, min_pieces] = parts[..] else {
            return Err("oracle TEST BYTES PCI-ADDRESS MIN-PIECES".into());
        };
        let size = size.parse().map_err(|_| format!("{size} is not a size"))?;
        let min_pieces: usize = min_pieces
            .parse()
            .map_err(|_| format!("{min_pieces} is not a number"))?;
        let mut qmp = Qmp::connect(&self.machine.qmp_socket())?;
        let dump = self.machine.dir.join("vram.dump");
        let found = oracle::look(&mut qmp, slot, &self.machine.exchange_disk(), size, &dump)?;
        let summary = found.summary();
        if found.pieces() < min_pieces {
            return Err(format!(
                "the object must be in at least {min_pieces} pieces: {summary}"
            ));
        }
        self.found.push(found);
        Ok(summary)
    }

    /// Looks at a screen and saves the screendump as PNG.
    fn look(&mut self, arguments: &str) -> Result<String> {
        let parts: Vec<&str> = arguments.splitn(4, ' ').collect();
        let [test, seconds, display, words] = parts[..] else {
            return Err("screen TEST SECONDS ID WORDS".into());
        };
        let seconds = seconds
            .parse()
            .map_err(|_| format!("{seconds} is not a number of seconds"))?;
        let mut qmp = Qmp::connect(&self.machine.qmp_socket())?;
        let patience = self.settings.limit(seconds);
        let exchange = self.machine.exchange_disk();
        let (shot, summary) = screen::look(&mut qmp, display, words, &exchange, patience)?;
        let file = format!("screen-{}.png", test.replace(['@', '/'], "-"));
        shot.write(&self.machine.dir.join(file))?;
        if summary.is_ok() {
            self.shots.push(shot);
        }
        summary
    }

    /// Measures what the screen costs QEMU while a VNC viewer looks at it, and adds a line `cost NAME HOST
    /// GUEST UPDATES BYTES` to what the guest has said: CPU times in milliseconds, updates and KiB, each per
    /// second.
    fn measure_cost(&mut self, arguments: &str) -> Result<()> {
        let (name, seconds) = arguments.split_once(' ').ok_or("cost NAME SECONDS")?;
        let seconds: u32 = seconds
            .parse()
            .map_err(|_| format!("{seconds} is not a number of seconds"))?;
        let socket = self.machine.dir.join(VNC);
        let time = Duration::from_secs(seconds.into());
        let cost = vnc::watch(self.child.id(), &socket, time)?;
        let per_second = f64::from(seconds);
        self.said.push(format!(
            "cost {name} {:.1} {:.0} {:.1} {:.0}",
            cost.host.as_secs_f64() * 1000. / per_second,
            cost.guest.as_secs_f64() * 1000. / per_second,
            cost.updates as f64 / per_second,
            cost.bytes as f64 / 1024. / per_second,
        ));
        Ok(())
    }

    /// If the guest has announced a panic and the kernel has printed all its messages, looks at the
    /// screen. Returns true in that case.
    fn check_panic_screen(&mut self) -> bool {
        let Panic::Announced(arguments) = &self.panic else {
            return false;
        };
        let console = command::read_lossy(&self.machine.console_log());
        if !kernel_log::has_panicked(&console) {
            return false;
        }
        let arguments = arguments.clone();
        let test = arguments.split(' ').next().unwrap_or_default();
        let entry = match self.look(&arguments) {
            Ok(_) => Entry::passed(test),
            Err(why) => Entry::failed(test, why),
        };
        self.entries.push(entry);
        self.panic = Panic::Seen;
        true
    }

    /// If the guest has announced a halt and has halted, checks that its display is disabled.
    /// Returns true in that case.
    fn check_halted_display(&mut self) -> bool {
        let Some(arguments) = &self.halt else {
            return false;
        };
        if !kernel_log::has_halted(&command::read_lossy(&self.machine.console_log())) {
            return false;
        }
        let (test, slot) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let entry = match self.enable_register(slot) {
            Ok(0) => Entry::passed(test),
            Ok(value) => Entry::failed(test, format!("the ENABLE register is {value:#x}")),
            Err(why) => Entry::failed(test, why),
        };
        self.entries.push(entry);
        self.ended = true;
        true
    }

    /// Returns the ENABLE register of the display at PCI address `slot`.
    fn enable_register(&self, slot: &str) -> Result<u16> {
        let mut qmp = Qmp::connect(&self.machine.qmp_socket())?;
        let registers = qmp.bar(slot, REGISTER_BAR)?;
        let dump = self.machine.dir.join("registers.dump");
        qmp.save_memory(registers, &dump)?;
        let bytes = std::fs::read(&dump).map_err(|e| format!("{}: {e}", dump.display()))?;
        match bytes.get(ENABLE_REGISTER..ENABLE_REGISTER + 2) {
            Some(&[low, high]) => Ok(u16::from_le_bytes([low, high])),
            _ => Err("the register BAR is too short".into()),
        }
    }

    /// Unplugs a device, or plugs the same kind of device into another port. It cannot return to
    /// its old port, as QEMU keeps the VRAM of an unplugged display under the name of that port.
    fn hot_plug(&mut self, verb: &str, arguments: &str) -> Result<()> {
        let mut qmp = Qmp::connect(&self.machine.qmp_socket())?;
        if verb == "unplug" {
            let arguments = json!({ "id": arguments });
            return qmp.execute("device_del", arguments).map(drop);
        }
        let (id, bus) = arguments.split_once(' ').ok_or("plug ID BUS")?;
        let named = |part: &str| part == format!("id={id}");
        let spec = self
            .machine
            .devices
            .iter()
            .find(|d| d.split(',').any(named));
        let spec = spec.ok_or_else(|| format!("this guest has no device {id}"))?;
        let (driver, rest) = spec.split_once(',').unwrap_or((spec, ""));
        let mut arguments = serde_json::Map::new();
        arguments.insert("driver".into(), driver.into());
        for (key, value) in rest.split(',').filter_map(|part| part.split_once('=')) {
            arguments.insert(key.into(), property(value));
        }
        arguments.insert("id".into(), format!("{id}-{bus}").into());
        arguments.insert("bus".into(), bus.into());
        qmp.execute("device_add", arguments.into()).map(drop)
    }

    /// Returns the activity of the guest, for the progress message. IGT announces its subtests in the
    /// kernel log.
    fn activity(&self) -> String {
        let console = command::read_lossy(&self.machine.console_log());
        let subtest = console.lines().rev().find_map(|line| {
            let (_, announced) = line.split_once("[IGT] ")?;
            announced
                .contains("starting subtest")
                .then_some(announced.trim())
        });
        match subtest {
            Some(subtest) if self.running.starts_with("igt") => {
                format!("{}: {subtest}", self.running)
            }
            _ => self.running.clone(),
        }
    }

    /// Unpacks the archive that the guest wrote to its results disk, if there is one.
    fn fetch_results(&self) -> Result<PathBuf> {
        let results = self.machine.dir.join("results");
        command::fresh_dir(&results)?;
        if self.ended {
            command::logged(
                Command::new("tar")
                    .arg("-xf")
                    .arg(self.machine.results_disk())
                    .arg("-C")
                    .arg(&results),
                &self.machine.dir.join("results.log"),
            )?;
        }
        for disk in [self.machine.results_disk(), self.machine.exchange_disk()] {
            std::fs::remove_file(&disk).map_err(|e| format!("{}: {e}", disk.display()))?;
        }
        Ok(results)
    }
}

/// Converts a device's property from the command line to JSON: QMP takes a size as a number of bytes.
fn property(value: &str) -> Value {
    let (digits, shift) = match value.strip_suffix('M') {
        Some(digits) => (digits, 20),
        None => (value, 0),
    };
    match digits.parse::<u64>() {
        Ok(number) => (number << shift).into(),
        Err(_) => value.into(),
    }
}
