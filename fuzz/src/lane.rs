// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A thread of a program: makes calls, tells what it does if asked to, takes its coverage, and says
//! what is not as it has to be.

use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;
use std::sync::{Mutex, MutexGuard};

use crate::abi;
use crate::call::{fail, Call, Late};
use crate::calls;
use crate::device::Place;
use crate::kcov::{Kcov, Text};
use crate::late;
use crate::shared::Shared;
use crate::sys::{self, Returned};
use crate::world::World;

/// Ioctls that ask what there is, before a call does what it is about.
const QUESTIONS: &[u32] = &[
    abi::FUZZ_SET_CLIENT_CAP,
    abi::FUZZ_GET_RESOURCES,
    abi::FUZZ_GET_PLANES,
    abi::FUZZ_GET_CONNECTOR,
    abi::FUZZ_GET_PROPERTIES,
    abi::FUZZ_GET_PROPERTY,
];

/// Where the steps of a program are told.
pub struct Trace {
    /// The files, each of which gets each line.
    files: Mutex<Vec<File>>,
}

impl Trace {
    /// To standard output and the kernel's log, where it stands beside what the kernel says.
    pub fn new() -> Self {
        let _ = sys::write_file("/proc/sys/kernel/printk_devkmsg", "on");
        // SAFETY: it is open, and not closed before the process ends.
        let mut files = vec![unsafe { File::from_raw_fd(1) }];
        files.extend(File::options().write(true).open("/dev/kmsg"));
        Self {
            files: Mutex::new(files),
        }
    }

    /// Tells a line.
    pub fn say(&self, line: &str) {
        let line = format!("{line}\n");
        for file in self.files.lock().expect("no panic").iter_mut() {
            // One write for a line: the kernel's log takes each as a message.
            let _ = file.write_all(line.as_bytes());
        }
    }
}

/// See the head of this file.
pub struct Lane<'a> {
    /// Which thread of the program it is.
    pub number: usize,
    /// Whether it is the only one, so that what the world says is right.
    pub exact: bool,
    /// What the program has got.
    pub world: &'a Mutex<World>,
    /// The device.
    pub place: &'a Place,
    /// Another one, if there is one.
    pub other: &'a Place,
    /// What the watching process gets to know.
    pub shared: &'a Shared,
    /// Its coverage.
    pub kcov: Option<&'a Kcov>,
    /// Where the driver is.
    pub text: &'a Text,
    /// Where steps are told, if they are.
    pub trace: Option<&'a Trace>,
    /// `/proc/thread-self/fail-nth`
    pub fail: i32,
    /// What is to come late in the next call, if anything.
    pub late: Mutex<Option<Late>>,
}

impl Lane<'_> {
    /// The world. Not to be held during a call.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Has the coverage of the calling thread taken from here on.
    pub fn start(&self) {
        if let Some(kcov) = self.kcov {
            kcov.enable();
        }
    }

    /// Makes the calls, in order.
    pub fn run(&self, calls: &[Call]) {
        let mut failing = false;
        for call in calls {
            match *call {
                Call::Fail(number) => {
                    let position = fail::position(number);
                    self.say(|| format!("fail_nth({position})"));
                    self.set_fail(position);
                    failing = true;
                    continue;
                }
                Call::Late(late) => {
                    *self.late() = Some(late);
                    continue;
                }
                _ => (),
            }
            calls::run(self, *call);
            *self.late() = None;
            if failing {
                self.set_fail(0);
                failing = false;
            }
            self.take_coverage();
            if self.shared.finding().is_some() {
                return;
            }
        }
    }

    fn late(&self) -> MutexGuard<'_, Option<Late>> {
        self.late.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// What is to come late in this ioctl.
    fn late_for(&self, request: u32) -> Option<Late> {
        if QUESTIONS.contains(&request) {
            return None;
        }
        let mut late = self.late();
        match late.as_mut() {
            Some(Late { skip, .. }) if skip.0 % Late::SKIPS > 0 => {
                skip.0 -= 1;
                None
            }
            _ => late.take(),
        }
    }

    /// Has allocation `number` of this thread fail; none if it is 0.
    fn set_fail(&self, number: usize) {
        self.shared.set_failing(number != 0);
        let text = format!("{number}\n");
        let write = [sys::fd(self.fail), text.as_ptr() as usize, text.len(), 0];
        // Switching it off copies from user space, which may be what is to fail.
        while number == 0 && sys::call(libc::SYS_pwrite64, &write) == Err(libc::EFAULT) {}
        if number != 0 {
            let _ = sys::call(libc::SYS_pwrite64, &write);
        }
    }

    /// Takes what was covered so far.
    pub fn take_coverage(&self) {
        let Some(kcov) = self.kcov else { return };
        kcov.take(|address| {
            if let Some(place) = self.text.place(address) {
                self.shared.see(place);
            }
        });
    }

    /// Tells a step before it is done.
    pub fn say(&self, says: impl FnOnce() -> String) {
        if let Some(trace) = self.trace {
            trace.say(&format!("fuzz {}: {};", self.number, says()));
        }
    }

    /// Tells how the step ended.
    pub fn tell(&self, says: impl FnOnce() -> String) {
        if let Some(trace) = self.trace {
            trace.say(&format!("fuzz {}:     /* {} */", self.number, says()));
        }
    }

    /// A system call. `says` is how it looks in C.
    pub fn sys(
        &self,
        says: impl FnOnce() -> String,
        number: libc::c_long,
        arguments: &[usize],
    ) -> Returned {
        self.say(says);
        let done = sys::call(number, arguments);
        self.shared.count();
        let request = match number {
            libc::SYS_ioctl => arguments[1] & 0xffff,
            libc::SYS_madvise => arguments[2],
            _ => 0,
        };
        let error = done.err().unwrap_or(0);
        self.shared
            .note(((number as u64) << 32) | ((request as u64) << 12) | error as u64);
        self.tell(|| match done {
            Ok(value) if value > 0xffff => format!("= {value:#x}"),
            Ok(value) => format!("= {value}"),
            Err(error) => format!("= -{}", sys::error_name(error)),
        });
        done
    }

    /// An ioctl with a structure as its argument.
    pub fn ioctl<T: Copy + Sync>(
        &self,
        says: impl FnOnce() -> String,
        fd: i32,
        request: u32,
        argument: &mut T,
    ) -> Returned {
        self.late_call(request, argument, |argument| {
            self.sys(
                says,
                libc::SYS_ioctl,
                &[sys::fd(fd), request as usize, argument],
            )
        })
    }

    /// A call for ioctl `request` with the address of `argument`, which comes late if the program says
    /// so.
    pub fn late_call<T: Copy + Sync>(
        &self,
        request: u32,
        argument: &mut T,
        call: impl FnOnce(usize) -> Returned,
    ) -> Returned {
        match self.late_for(request) {
            None => call(std::ptr::from_mut(argument) as usize),
            Some(late) => {
                self.say(|| String::from("/* before an argument of the next call is there */"));
                late::with_late(argument, || calls::device(self, late.action()), call)
            }
        }
    }

    /// Something is not as it has to be.
    pub fn find(&self, text: &str) {
        self.say(|| format!("/* {text} */"));
        self.shared.find(text);
    }
}
