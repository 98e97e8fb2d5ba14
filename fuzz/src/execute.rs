// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Runs a program in a process of its own.

use std::ffi::CString;
use std::sync::Mutex;
use std::thread;

use crate::arena;
use crate::call::Call;
use crate::calls;
use crate::device::PciDevice;
use crate::faulting_access;
use crate::kcov::{Kcov, Text};
use crate::model::Model;
use crate::program::{Program, MAX_THREADS};
use crate::shared::Shared;
use crate::sys;
use crate::thread_context::{ThreadContext, Trace};

/// A display.
pub struct Display {
    /// Its PCI device.
    pub device: PciDevice,
    /// Bytes of VRAM.
    pub vram: u64,
    /// Bytes of VRAM available while no program runs.
    pub available: u64,
}

impl Display {
    /// Returns all displays bound to the driver.
    pub fn find() -> Result<Vec<Self>, String> {
        let displays = PciDevice::find()?.into_iter().map(|device| {
            let (vram, available) = device.vram()?;
            Ok(Self {
                device,
                vram,
                available,
            })
        });
        displays.collect()
    }
}

/// The environment of all programs.
pub struct Environment {
    /// The displays, at least one.
    pub displays: Vec<Display>,
    /// The addresses of the driver's code.
    pub text: Text,
    /// Memory shared with the programs.
    pub shared: Shared,
    /// Coverage buffers: one for each thread and one for the main thread. Empty on a kernel without
    /// KCOV.
    pub kcovs: Vec<Kcov>,
}

impl Environment {
    /// Number of coverage buffers.
    pub const KCOVS: usize = MAX_THREADS + 1;

    /// Returns the first display; the load of `make soak` uses it.
    pub fn display(&self) -> &Display {
        &self.displays[0]
    }

    /// Returns the display that `program` uses.
    pub fn display_of(&self, program: &Program) -> &Display {
        &self.displays[program.display(self.displays.len())]
    }
}

/// Runs `program` and ends the process.
pub fn execute(env: &Environment, program: &Program, trace: Option<&Trace>) -> ! {
    faulting_access::catch();
    let limit = [0u64; 2];
    let pointer = limit.as_ptr() as usize;
    let _ = sys::call(libc::SYS_setrlimit, &[libc::RLIMIT_CORE as usize, pointer]);
    if arena::reserve().is_err() {
        env.shared.report("the arena cannot be reserved");
        sys::exit(1);
    }
    let display = env.display_of(program);
    let is_other = |d: &&Display| !std::ptr::eq(*d, display);
    let other = env.displays.iter().find(is_other).unwrap_or(display);
    let model = Mutex::new(Model::new(display.vram));
    let threads = program.threads();
    let ctx = |number: usize, kcov: usize| ThreadContext {
        number,
        exact: threads == 1,
        model: &model,
        device: &display.device,
        other: &other.device,
        shared: &env.shared,
        kcov: env.kcovs.get(kcov),
        text: &env.text,
        trace,
        fail: fail_file(),
        delayed_copy: Mutex::default(),
    };
    let first = ctx(0, MAX_THREADS);
    first.start();
    let flags = libc::O_RDWR | libc::O_CLOEXEC;
    calls::open_node(&first, &display.device, "renderD", flags);
    if threads == 1 {
        first.run(&calls_of(program, 0));
    } else {
        thread::scope(|scope| {
            for number in 0..threads {
                let ctx = &ctx;
                scope.spawn(move || {
                    let ctx = ctx(number, number);
                    ctx.start();
                    for _ in 0..program.rounds() {
                        ctx.run(&calls_of(program, number));
                    }
                });
            }
        });
    }
    calls::reap(&first);
    if !program.is_abrupt() {
        calls::tidy(&first);
    }
    sys::exit(0);
}

/// Returns the calls that thread `number` makes.
fn calls_of(program: &Program, number: usize) -> Vec<Call> {
    let calls = program.calls().into_iter();
    calls
        .filter(|(of, _)| *of == number)
        .map(|(_, call)| call)
        .collect()
}

/// Opens the calling thread's fail-nth file; -1 if the kernel has no fault injection.
fn fail_file() -> i32 {
    let path = CString::new("/proc/thread-self/fail-nth").expect("no zero in it");
    let flags = (libc::O_RDWR | libc::O_CLOEXEC) as usize;
    let open = [libc::AT_FDCWD as usize, path.as_ptr() as usize, flags];
    sys::call(libc::SYS_openat, &open).map_or(-1, |fd| fd as i32)
}
