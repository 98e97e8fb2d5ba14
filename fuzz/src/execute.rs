// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Runs a program in a process of its own.

use std::ffi::CString;
use std::sync::Mutex;
use std::thread;

use crate::arena;
use crate::call::Call;
use crate::calls;
use crate::device::Place;
use crate::kcov::{Kcov, Text};
use crate::lane::{Lane, Trace};
use crate::probe;
use crate::program::{Program, MAX_LANES};
use crate::shared::Shared;
use crate::sys;
use crate::world::World;

/// A display.
pub struct Display {
    /// Its PCI device.
    pub place: Place,
    /// Bytes of VRAM.
    pub vram: u64,
    /// Bytes of VRAM available while no program runs.
    pub available: u64,
}

impl Display {
    /// Returns all displays bound to the driver.
    pub fn find() -> Result<Vec<Self>, String> {
        let displays = Place::find()?.into_iter().map(|place| {
            let (vram, available) = place.vram()?;
            Ok(Self {
                place,
                vram,
                available,
            })
        });
        displays.collect()
    }
}

/// The environment of all programs.
pub struct Ground {
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

impl Ground {
    /// Number of coverage buffers.
    pub const KCOVS: usize = MAX_LANES + 1;

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
pub fn execute(ground: &Ground, program: &Program, trace: Option<&Trace>) -> ! {
    probe::catch();
    let limit = [0u64; 2];
    let pointer = limit.as_ptr() as usize;
    let _ = sys::call(libc::SYS_setrlimit, &[libc::RLIMIT_CORE as usize, pointer]);
    if arena::reserve().is_err() {
        ground.shared.find("the arena cannot be reserved");
        sys::exit(1);
    }
    let display = ground.display_of(program);
    let is_other = |d: &&Display| !std::ptr::eq(*d, display);
    let other = ground.displays.iter().find(is_other).unwrap_or(display);
    let world = Mutex::new(World::new(display.vram));
    let lanes = program.lanes();
    let lane = |number: usize, kcov: usize| Lane {
        number,
        exact: lanes == 1,
        world: &world,
        place: &display.place,
        other: &other.place,
        shared: &ground.shared,
        kcov: ground.kcovs.get(kcov),
        text: &ground.text,
        trace,
        fail: fail_file(),
        late: Mutex::default(),
    };
    let first = lane(0, MAX_LANES);
    first.start();
    let flags = libc::O_RDWR | libc::O_CLOEXEC;
    calls::open_node(&first, &display.place, "renderD", flags);
    if lanes == 1 {
        first.run(&calls_of(program, 0));
    } else {
        thread::scope(|scope| {
            for number in 0..lanes {
                let lane = &lane;
                scope.spawn(move || {
                    let lane = lane(number, number);
                    lane.start();
                    for _ in 0..program.rounds() {
                        lane.run(&calls_of(program, number));
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
