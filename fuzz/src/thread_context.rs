// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A thread of a program: makes calls, prints them if requested, collects its coverage, and reports
//! findings.

use std::fs::File;
use std::io::Write;
use std::os::fd::FromRawFd;
use std::sync::{Mutex, MutexGuard};

use crate::abi;
use crate::call::{fail, Call, DelayedCopy};
use crate::calls;
use crate::delayed_copy;
use crate::device::PciDevice;
use crate::kcov::{Kcov, Text};
use crate::model::Model;
use crate::shared::Shared;
use crate::sys::{self, Returned};

/// Ioctls that only query state before the call's main ioctl.
const QUESTIONS: &[u32] = &[
    abi::FUZZ_SET_CLIENT_CAP,
    abi::FUZZ_GET_RESOURCES,
    abi::FUZZ_GET_PLANES,
    abi::FUZZ_GET_CONNECTOR,
    abi::FUZZ_GET_PROPERTIES,
    abi::FUZZ_GET_PROPERTY,
];

/// Prints the steps of a program.
pub struct Trace {
    /// Each line is written to all of these files.
    files: Mutex<Vec<File>>,
}

impl Trace {
    /// Prints to standard output and to the kernel log, where the lines interleave with the
    /// kernel's messages.
    pub fn new() -> Self {
        let _ = sys::write_file("/proc/sys/kernel/printk_devkmsg", "on");
        // SAFETY: the descriptor is open and stays open until the process ends.
        let mut files = vec![unsafe { File::from_raw_fd(1) }];
        files.extend(File::options().write(true).open("/dev/kmsg"));
        Self {
            files: Mutex::new(files),
        }
    }

    /// Prints a line.
    pub fn say(&self, line: &str) {
        let line = format!("{line}\n");
        for file in self.files.lock().expect("no panic").iter_mut() {
            // One write for each line: each write is a message in the kernel log.
            let _ = file.write_all(line.as_bytes());
        }
    }
}

/// The context of a thread.
pub struct ThreadContext<'a> {
    /// Number of the thread in the program.
    pub number: usize,
    /// The program has only this thread, so that the model is exact.
    pub exact: bool,
    /// The program's model.
    pub model: &'a Mutex<Model>,
    /// The display that the program uses.
    pub device: &'a PciDevice,
    /// The other display, or the same one if there is no other.
    pub other: &'a PciDevice,
    /// Memory shared with the supervisor.
    pub shared: &'a Shared,
    /// The thread's coverage buffer.
    pub kcov: Option<&'a Kcov>,
    /// The addresses of the driver's code.
    pub text: &'a Text,
    /// Prints the steps, if requested.
    pub trace: Option<&'a Trace>,
    /// File descriptor of `/proc/thread-self/fail-nth`.
    pub fail: i32,
    /// Delays the copying of the next call's argument, if set.
    pub delayed_copy: Mutex<Option<DelayedCopy>>,
}

impl ThreadContext<'_> {
    /// Locks the model. The lock must not be held during a system call.
    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Starts to collect the calling thread's coverage.
    pub fn start(&self) {
        if let Some(kcov) = self.kcov {
            kcov.enable();
        }
    }

    /// Makes the calls in order.
    pub fn run(&self, calls: &[Call]) {
        let mut failing = false;
        for call in calls {
            match *call {
                Call::Fail(number) => {
                    let position = fail::position(number);
                    self.trace_call(|| format!("fail_nth({position})"));
                    self.set_fail(position);
                    failing = true;
                    continue;
                }
                Call::DelayedCopy(delayed_copy) => {
                    *self.delayed_copy() = Some(delayed_copy);
                    continue;
                }
                _ => (),
            }
            calls::run(self, *call);
            *self.delayed_copy() = None;
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

    fn delayed_copy(&self) -> MutexGuard<'_, Option<DelayedCopy>> {
        self.delayed_copy.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Returns the delay for this ioctl, if there is one.
    fn delayed_copy_for(&self, request: u32) -> Option<DelayedCopy> {
        if QUESTIONS.contains(&request) {
            return None;
        }
        let mut delayed_copy = self.delayed_copy();
        match delayed_copy.as_mut() {
            Some(DelayedCopy { skip, .. }) if skip.0 % DelayedCopy::SKIPS > 0 => {
                skip.0 -= 1;
                None
            }
            _ => delayed_copy.take(),
        }
    }

    /// Makes the thread's allocation `number` fail; 0 disables failures.
    fn set_fail(&self, number: usize) {
        self.shared.set_failing(number != 0);
        let text = format!("{number}\n");
        let write = [sys::fd(self.fail), text.as_ptr() as usize, text.len(), 0];
        // Disabling failures copies from user space, and that copy may be the one to fail.
        while number == 0 && sys::call(libc::SYS_pwrite64, &write) == Err(libc::EFAULT) {}
        if number != 0 {
            let _ = sys::call(libc::SYS_pwrite64, &write);
        }
    }

    /// Collects the coverage since the last call.
    pub fn take_coverage(&self) {
        let Some(kcov) = self.kcov else { return };
        kcov.take(|address| {
            if let Some(point) = self.text.point(address) {
                self.shared.see(point);
            }
        });
    }

    /// Prints a step before it is executed.
    pub fn trace_call(&self, says: impl FnOnce() -> String) {
        if let Some(trace) = self.trace {
            trace.say(&format!("fuzz {}: {};", self.number, says()));
        }
    }

    /// Prints the result of a step.
    pub fn trace_result(&self, says: impl FnOnce() -> String) {
        if let Some(trace) = self.trace {
            trace.say(&format!("fuzz {}:     /* {} */", self.number, says()));
        }
    }

    /// Makes a system call. `says` returns its text in C.
    pub fn sys(
        &self,
        says: impl FnOnce() -> String,
        number: libc::c_long,
        arguments: &[usize],
    ) -> Returned {
        self.trace_call(says);
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
        self.trace_result(|| match done {
            Ok(value) if value > 0xffff => format!("= {value:#x}"),
            Ok(value) => format!("= {value}"),
            Err(error) => format!("= -{}", sys::error_name(error)),
        });
        done
    }

    /// Makes an ioctl with a structure as its argument.
    pub fn ioctl<T: Copy + Sync>(
        &self,
        says: impl FnOnce() -> String,
        fd: i32,
        request: u32,
        argument: &mut T,
    ) -> Returned {
        self.call_with_delayed_copy(request, argument, |argument| {
            self.sys(
                says,
                libc::SYS_ioctl,
                &[sys::fd(fd), request as usize, argument],
            )
        })
    }

    /// Makes `call` with the address of `argument` for the ioctl `request`. If the program requests
    /// it, the argument's copy is delayed.
    pub fn call_with_delayed_copy<T: Copy + Sync>(
        &self,
        request: u32,
        argument: &mut T,
        call: impl FnOnce(usize) -> Returned,
    ) -> Returned {
        match self.delayed_copy_for(request) {
            None => call(std::ptr::from_mut(argument) as usize),
            Some(delayed_copy) => {
                self.trace_call(|| {
                    String::from("/* before an argument of the next call is there */")
                });
                delayed_copy::with_delayed_copy(
                    argument,
                    || calls::device(self, delayed_copy.action()),
                    call,
                )
            }
        }
    }

    /// Reports a finding.
    pub fn report(&self, text: &str) {
        self.trace_call(|| format!("/* {text} */"));
        self.shared.report(text);
    }
}
