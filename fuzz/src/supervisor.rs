// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The supervisor: runs a program, enforces its time limit, cleans up after it, and checks the
//! state of the kernel and of VRAM afterwards.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};

use crate::execute::{self, Display, Environment};
use crate::failing;
use crate::journal::Journal;
use crate::kcov::Text;
use crate::module::{Mode, Module};
use crate::program::Program;
use crate::sys;
use crate::thread_context::Trace;

/// Time limit of a program. Most need a hundredth of it, but on a busy machine binding the device
/// takes seconds.
pub const LIMIT: Duration = Duration::from_secs(40);
/// Prefix of the finding for a program that exceeds the limit.
pub const HANGS: &str = "it did not end";
/// Time limit for a killed program to end.
const KILL_LIMIT: Duration = Duration::from_secs(60);
/// Time limit for all VRAM to be available again.
const VRAM_LIMIT: Duration = Duration::from_secs(30);

/// Strings of kernel messages that are findings.
const ALARMS: &[&str] = &[
    "WARNING:",
    "BUG:",
    "KASAN",
    "UBSAN",
    "Oops",
    "INFO: task",
    "INFO: rcu",
    "refcount_t",
    "possible circular",
    "Bad page",
    "ODEBUG",
    "corruption",
    "panicked at",
];

/// Runs and checks programs.
pub struct Supervisor {
    env: Environment,
    module: Module,
    /// Coverage of the last module load.
    loaded: Vec<usize>,
    journal: Journal,
    /// The kernel log from the start of the fuzzer on.
    log: File,
    limit: Duration,
    /// The code that injected failures are restricted to, if any.
    near: Option<Range<usize>>,
}

impl Supervisor {
    /// Creates a supervisor. Its checks compare with the current state of the kernel.
    pub fn new(env: Environment, module: Module, journal: Journal) -> Result<Self, String> {
        // SAFETY: this only sets a flag: the process adopts the orphans of programs.
        unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
        let mut log = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .map_err(|e| format!("/dev/kmsg: {e}"))?;
        std::io::Seek::seek(&mut log, std::io::SeekFrom::End(0)).map_err(|e| e.to_string())?;
        Ok(Self {
            env,
            module,
            loaded: Vec::new(),
            journal,
            log,
            limit: LIMIT,
            near: None,
        })
    }

    /// Sets the time limit of programs.
    pub fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Returns the environment.
    pub fn env(&self) -> &Environment {
        &self.env
    }

    /// Runs a program. Returns an error with the finding, if there is one.
    pub fn run(&mut self, program: &Program, trace: Option<&Trace>) -> Result<(), String> {
        self.journal
            .add(program)
            .map_err(|e| format!("the journal: {e}"))?;
        self.enter(program.mode())?;
        self.set_up_fault_injection(program);
        self.env.shared.clear();
        for point in self.loaded.drain(..) {
            self.env.shared.see(point);
        }
        let child = match sys::fork() {
            Ok(0) => {
                let _ = sys::call(libc::SYS_setpgid, &[0, 0]);
                execute::execute(&self.env, program, trace)
            }
            Ok(child) => child,
            Err(error) => return Err(format!("fork(): {}", sys::error_name(error))),
        };
        // The child does the same: one of the two comes first.
        let _ = sys::call(libc::SYS_setpgid, &[child as usize, child as usize]);
        let ended = self.end(child);
        let left = reap(child);
        let bound = self.env.display_of(program).device.bind();
        let found = self.env.shared.finding();
        let log = self.alarm();
        let vram = self.vram(program);
        for problem in [log, found.map_or(Ok(()), Err), ended, left, bound, vram] {
            problem?;
        }
        Ok(())
    }

    /// Loads the driver in this mode.
    fn enter(&mut self, mode: Mode) -> Result<(), String> {
        if self.module.is_in(mode) {
            return Ok(());
        }
        let addresses = self.module.load(mode)?;
        self.env.text = Text::find().map_err(|e| format!("the driver's sections: {e}"))?;
        self.env.displays = Display::find()?;
        let text = &self.env.text;
        self.loaded = addresses
            .iter()
            .filter_map(|address| text.point(*address))
            .collect();
        Ok(())
    }

    /// Sets up fault injection as the program requests.
    fn set_up_fault_injection(&mut self, program: &Program) {
        let near = program.fails_near().then(|| self.env.text.main());
        let near = near.flatten();
        if near != self.near {
            failing::restrict_to(near.as_ref());
            self.near = near;
        }
    }

    /// Waits until the program's first process ends.
    fn end(&self, child: libc::pid_t) -> Result<(), String> {
        let Some(status) = wait_until(child, Instant::now() + self.limit) else {
            let _ = sys::kill(-child, libc::SIGKILL);
            let killed = wait_until(child, Instant::now() + KILL_LIMIT);
            let how = match killed {
                Some(_) => "until it was killed",
                None => "and cannot be killed",
            };
            return Err(format!("{HANGS} in {} s, {how}", self.limit.as_secs()));
        };
        let shared = &self.env.shared;
        if libc::WIFSIGNALED(status) && !shared.is_dying() && !shared.is_failing() {
            let signal = libc::WTERMSIG(status);
            return Err(format!("the program was killed by signal {signal}"));
        }
        Ok(())
    }

    /// Checks that all VRAM is available again. A leak is reported once, not again for the next
    /// program.
    fn vram(&mut self, program: &Program) -> Result<(), String> {
        let start = Instant::now();
        let number = program.display(self.env.displays.len());
        let display = &mut self.env.displays[number];
        loop {
            let (_, available) = display.device.vram()?;
            if available == display.available {
                return Ok(());
            }
            if start.elapsed() > VRAM_LIMIT {
                let before = std::mem::replace(&mut display.available, available);
                return Err(format!(
                    "{available} bytes of VRAM are available while no program runs, before it was {before}"
                ));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Checks the kernel log since the last call.
    fn alarm(&mut self) -> Result<(), String> {
        let mut record = [0u8; 8192];
        let mut complaint = None;
        loop {
            let count = match self.log.read(&mut record) {
                Ok(count) if count > 0 => count,
                Err(e) if e.raw_os_error() == Some(libc::EPIPE) => continue,
                _ => break,
            };
            let text = String::from_utf8_lossy(&record[..count]);
            let Some((head, message)) = text.split_once(';') else {
                continue;
            };
            let priority = head.split(',').next().and_then(|p| p.parse::<u32>().ok());
            // Messages of programs have a facility of at least 1; the kernel's have 0.
            let is_kernels = priority.is_some_and(|priority| priority < 8);
            if is_kernels && ALARMS.iter().any(|alarm| message.contains(alarm)) {
                let line = message.lines().next().unwrap_or_default();
                complaint.get_or_insert_with(|| format!("kernel log: {line}"));
            }
        }
        complaint.map_or(Ok(()), Err)
    }
}

/// Waits until `deadline`; returns the status of a child that has ended.
fn wait_until(child: libc::pid_t, deadline: Instant) -> Option<i32> {
    let pidfd = sys::call(libc::SYS_pidfd_open, &[child as usize, 0]).ok()?;
    let mut poll = libc::pollfd {
        fd: pidfd as i32,
        events: libc::POLLIN,
        revents: 0,
    };
    let mut status = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let _ = sys::poll(&mut poll, left);
        if let Ok((pid, is)) = sys::wait(child, libc::WNOHANG) {
            if pid == child {
                status = Some(is);
            }
        }
        if status.is_some() || Instant::now() >= deadline {
            break;
        }
    }
    let _ = sys::call(libc::SYS_close, &[pidfd]);
    status
}

/// Kills all remaining processes of the program.
fn reap(group: libc::pid_t) -> Result<(), String> {
    let deadline = Instant::now() + KILL_LIMIT;
    let _ = sys::kill(-group, libc::SIGKILL);
    loop {
        match sys::wait(-1, libc::WNOHANG) {
            Ok((0, _)) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
            Ok((0, _)) => return Err("its children cannot be killed".into()),
            Ok(_) => (),
            Err(_) => return Ok(()),
        }
    }
}
