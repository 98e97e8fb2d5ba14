// SPDX-License-Identifier: GPL-2.0 OR MIT

//! One guest from boot to power-off: answers what its scripts ask on the control line, watches the
//! time, and fetches what it leaves behind.
//!
//! The guest's lines are `begin TEST`, `result OUTCOME SECONDS TEST [REASON]`, `say TEXT`, `end`, and
//! these, which are answered by one line each: `oracle TEST BYTES PCI-ADDRESS MIN-PIECES`,
//! `screen TEST SECONDS ID WORDS` (the words are those of [`screen::look`]), `unplug ID`,
//! `plug ID BUS`. The last line of a guest that is about to let its kernel panic is
//! `panic TEST SECONDS ID WORDS`, of one that is about to halt `halt TEST PCI-ADDRESS`. A guest says
//! `hibernate` before it hibernates, in order to be started again, and `awake` after that.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::oracle::{self, Found};
use crate::qemu::Machine;
use crate::qmp::Qmp;
use crate::report::{Entry, Outcome};
use crate::screen::{self, Shot};
use crate::settings::Settings;
use crate::{command, kernel_log, Result};

/// How often a guest's doings are told if it has nothing to say itself.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How long reading the control line may take before the clock is looked at.
const POLL: Duration = Duration::from_millis(200);
/// The BAR with a display's registers, and where in it ENABLE is, in bytes.
const REGISTER_BAR: u64 = 2;
const ENABLE_REGISTER: usize = 0x508;
/// Lines of the console that a message about a lost guest quotes.
const QUOTED_LINES: usize = 25;

/// What a guest has left.
pub struct Left {
    /// Results that its scripts reported.
    pub entries: Vec<Entry>,
    /// Lines that its scripts said, in order.
    pub said: Vec<String>,
    /// What the oracle found in VRAM, in order.
    pub found: Vec<Found>,
    /// What its screen showed when it was as it should be, in order.
    pub shots: Vec<Shot>,
    /// Whether its kernel panicked on purpose.
    pub panicked: bool,
    /// Everything on its console.
    pub console: String,
    /// Directory with the files it left.
    pub results: PathBuf,
    /// The last programs of the fuzzer, as its journal has them.
    pub journal: Vec<u8>,
    /// Why it did not come to its end, if it did not.
    pub lost: Option<String>,
}

/// Boots `machine` and stays until it is off or `limit` is over. Says how it goes if it has a `name`.
pub fn run(
    settings: &Settings,
    machine: &Machine,
    name: Option<&str>,
    limit: Duration,
) -> Result<Left> {
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
        halt: None,
        hibernates: false,
        ended: false,
        slept: false,
    };
    let lost = session.attend(limit);
    // Gone already if all went well.
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
            "{why}; {qemu}the end of {log}:\n{}",
            command::tail(&console, QUOTED_LINES)
        )
    });
    // What a guest has left on a full disk is not whole.
    session.ended &= !full;
    let journal = machine.journal();
    let results = session.fetch_results()?;
    Ok(Left {
        journal,
        entries: session.entries,
        said: session.said,
        found: session.found,
        shots: session.shots,
        panicked: !matches!(session.panic, Panic::No),
        console,
        results,
        lost,
    })
}

/// What a guest has to do with a panic of its kernel.
enum Panic {
    /// Nothing.
    No,
    /// It is about to happen; what is to be seen then.
    Announced(String),
    /// It has happened.
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
    /// The rest of the line of a guest that is about to halt.
    halt: Option<String>,
    /// Whether it is to be started again when it has switched itself off.
    hibernates: bool,
    ended: bool,
    /// Whether it was asleep the last time that it was looked at.
    slept: bool,
}

impl Session<'_> {
    /// Serves the control line until QEMU ends.
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
                // A read with a time limit is interrupted when the harness was stopped and goes on.
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
            if self.look_at_panic() || self.look_at_halt() {
                return Ok(());
            }
            if start.elapsed() > limit {
                return Err(format!("not done after {} s", limit.as_secs()));
            }
            if told.elapsed() > HEARTBEAT {
                told = Instant::now();
                self.tell(&format!(
                    "{} s: {}",
                    start.elapsed().as_secs(),
                    self.doing()
                ));
                self.look_at_sleep();
            }
        }
    }

    /// Wakes a guest that sleeps on: now and then, its clock does not go off.
    fn look_at_sleep(&mut self) {
        let socket = self.machine.qmp_socket();
        let is_asleep = Qmp::connect(&socket)
            .and_then(|mut qmp| {
                let is_asleep = qmp.is_asleep()?;
                if is_asleep && self.slept {
                    self.tell("it sleeps on: waking it up");
                    qmp.execute("system_wakeup", json!({}))?;
                }
                Ok(is_asleep)
            })
            // One that has just ended tells nothing.
            .unwrap_or(false);
        self.slept = is_asleep;
    }

    /// QEMU makes the socket soon after its start.
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

    /// Does what a line of the guest asks for; gives the answer if it waits for one.
    fn answer(&mut self, line: &str) -> Option<String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "begin" => self.running = rest.into(),
            "result" => self.take_result(rest),
            "say" => self.said.push(rest.into()),
            "end" => self.ended = true,
            "oracle" => {
                return Some(match self.consult(rest) {
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
            "panic" => self.panic = Panic::Announced(rest.into()),
            "halt" => self.halt = Some(rest.into()),
            "hibernate" => self.hibernates = true,
            "awake" => self.hibernates = false,
            "unplug" | "plug" => {
                return Some(match self.hot_plug(verb, rest) {
                    Ok(()) => "done".into(),
                    Err(why) => format!("refused {why}"),
                })
            }
            // Noise of the line while the guest's kernel finds it.
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

    fn consult(&mut self, arguments: &str) -> Result<String> {
        let parts: Vec<&str> = arguments.split_whitespace().collect();
        let [_, size, slot, min_pieces] = parts[..] else {
            return Err("oracle TEST BYTES PCI-ADDRESS MIN-PIECES".into());
        };
        let size = size.parse().map_err(|_| format!("{size} is no size"))?;
        let min_pieces: usize = min_pieces
            .parse()
            .map_err(|_| format!("{min_pieces} is no number"))?;
        let mut qmp = Qmp::connect(&self.machine.qmp_socket())?;
        let dump = self.machine.dir.join("vram.dump");
        let found = oracle::look(&mut qmp, slot, &self.machine.exchange_disk(), size, &dump)?;
        let summary = found.summary();
        if found.pieces() < min_pieces {
            return Err(format!(
                "the object was to be in {min_pieces} pieces at least: {summary}"
            ));
        }
        self.found.push(found);
        Ok(summary)
    }

    /// Looks at a screen; what it saw is kept as a PNG file.
    fn look(&mut self, arguments: &str) -> Result<String> {
        let parts: Vec<&str> = arguments.splitn(4, ' ').collect();
        let [test, seconds, display, words] = parts[..] else {
            return Err("screen TEST SECONDS ID WORDS".into());
        };
        let seconds = seconds
            .parse()
            .map_err(|_| format!("{seconds} is no number of seconds"))?;
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

    /// Looks at the screen if the kernel was to panic and has said all that it says then; whether it
    /// has.
    fn look_at_panic(&mut self) -> bool {
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

    /// Looks at the registers of a display if the guest was to halt and has; whether it has. Nothing is
    /// to be enabled then.
    fn look_at_halt(&mut self) -> bool {
        let Some(arguments) = &self.halt else {
            return false;
        };
        if !kernel_log::has_halted(&command::read_lossy(&self.machine.console_log())) {
            return false;
        }
        let (test, slot) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let entry = match self.enable_register(slot) {
            Ok(0) => Entry::passed(test),
            Ok(value) => Entry::failed(test, format!("the ENABLE register holds {value:#x}")),
            Err(why) => Entry::failed(test, why),
        };
        self.entries.push(entry);
        self.ended = true;
        true
    }

    /// The ENABLE register of the display at PCI address `slot`.
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

    /// Takes a device out of the running machine, or plugs one like it into another port. Not into
    /// the same: QEMU keeps the VRAM of an unplugged display under the name of its place.
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
        let spec = spec.ok_or_else(|| format!("this guest never had a device {id}"))?;
        let (driver, rest) = spec.split_once(',').unwrap_or((spec, ""));
        let mut arguments = serde_json::Map::new();
        arguments.insert("driver".into(), driver.into());
        for (key, value) in rest.split(',').filter_map(|part| part.split_once('=')) {
            arguments.insert(key.into(), value.into());
        }
        arguments.insert("id".into(), format!("{id}-{bus}").into());
        arguments.insert("bus".into(), bus.into());
        qmp.execute("device_add", arguments.into()).map(drop)
    }

    /// What the guest is at, for the heartbeat. IGT announces its subtests in the kernel log.
    fn doing(&self) -> String {
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

    /// Unpacks the archive that the guest wrote to its results disk, if it came to that.
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
