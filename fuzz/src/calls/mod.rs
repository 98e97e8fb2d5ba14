// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Making calls. Each call turns its choices into values, makes system calls, updates the model,
//! and compares the results with it.

mod area;
mod buffer;
mod debug;
mod driver;
mod file;
mod gem;
mod kms;
mod map;
mod process;
mod raw;
mod touch;

use crate::call::{Call, Device};
use crate::sys;
use crate::thread_context::ThreadContext;

pub use file::open_node;
pub use process::reap;

/// Makes a call.
pub fn run(ctx: &ThreadContext<'_>, call: Call) {
    match call {
        Call::File(call) => file::run(ctx, call),
        Call::Driver(call) => driver::run(ctx, call),
        Call::Gem(call) => gem::run(ctx, call),
        Call::Kms(call) => kms::run(ctx, call),
        Call::Raw(call) => raw::run(ctx, call),
        Call::Mmap(call) => map::run(ctx, call),
        Call::Area(call) => area::run(ctx, call),
        Call::Touch(call) => touch::run(ctx, call),
        Call::Debug(call) => debug::run(ctx, call),
        Call::Buffer(call) => buffer::run(ctx, call),
        Call::Process(call) => process::run(ctx, call),
        Call::Device(call) => device(ctx, call.what.0),
        Call::DelayedCopy(_) | Call::Fail(_) => (),
    }
}

/// The RTC alarm that wakes the machine, and its delay in seconds. The machine must be suspended by
/// then.
const ALARM_CLOCK: &str = "/sys/class/rtc/rtc0/wakealarm";
const WAKE_UP: &str = "+12";

/// Maximum number of actions on the device in a program: they are slow.
const MOST_DEVICE_CALLS: usize = 8;

/// Acts on the device.
pub fn device(ctx: &ThreadContext<'_>, what: u8) {
    {
        let mut model = ctx.model();
        model.device_calls += 1;
        if model.device_calls > MOST_DEVICE_CALLS {
            return;
        }
        model.forget_contents();
    }
    let (path, text) = ctx.device.action(what);
    if what == Device::SLEEP {
        wake_up_later(ctx);
    }
    ctx.trace_call(|| format!("write_sysfs(\"{path}\", \"{text}\")"));
    let done = sys::write_file(&path, text);
    ctx.shared.count();
    ctx.trace_result(|| format!("= {done:?}"));
}

/// Sets the RTC alarm that wakes the machine.
fn wake_up_later(ctx: &ThreadContext<'_>) {
    for time in ["0", WAKE_UP] {
        ctx.trace_call(|| format!("write_sysfs(\"{ALARM_CLOCK}\", \"{time}\")"));
        let _ = sys::write_file(ALARM_CLOCK, time);
    }
}

/// Unmaps and closes everything, like a program that exits normally.
pub fn tidy(ctx: &ThreadContext<'_>) {
    let (maps, buffers, clients) = {
        let mut model = ctx.model();
        (
            std::mem::take(&mut model.maps),
            std::mem::take(&mut model.buffers),
            std::mem::take(&mut model.clients),
        )
    };
    for map in maps {
        let _ = sys::call(libc::SYS_munmap, &[map.address, map.len]);
    }
    let fds = buffers.iter().map(|buffer| buffer.number);
    for fd in fds.chain(clients.iter().map(|client| client.fd)) {
        let _ = sys::call(libc::SYS_close, &[sys::fd(fd)]);
    }
    ctx.take_coverage();
}
