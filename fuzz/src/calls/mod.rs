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
use crate::lane::Lane;
use crate::sys;

pub use file::open_node;
pub use process::reap;

/// Makes a call.
pub fn run(lane: &Lane<'_>, call: Call) {
    match call {
        Call::File(call) => file::run(lane, call),
        Call::Driver(call) => driver::run(lane, call),
        Call::Gem(call) => gem::run(lane, call),
        Call::Kms(call) => kms::run(lane, call),
        Call::Raw(call) => raw::run(lane, call),
        Call::Mmap(call) => map::run(lane, call),
        Call::Area(call) => area::run(lane, call),
        Call::Touch(call) => touch::run(lane, call),
        Call::Debug(call) => debug::run(lane, call),
        Call::Buffer(call) => buffer::run(lane, call),
        Call::Process(call) => process::run(lane, call),
        Call::Device(call) => device(lane, call.what.0),
        Call::Late(_) | Call::Fail(_) => (),
    }
}

/// The RTC alarm that wakes the machine, and its delay in seconds. The machine must be suspended by
/// then.
const ALARM_CLOCK: &str = "/sys/class/rtc/rtc0/wakealarm";
const WAKE_UP: &str = "+12";

/// Maximum number of actions on the device in a program: they are slow.
const MOST_DEVICE_CALLS: usize = 8;

/// Acts on the device.
pub fn device(lane: &Lane<'_>, what: u8) {
    {
        let mut world = lane.world();
        world.device_calls += 1;
        if world.device_calls > MOST_DEVICE_CALLS {
            return;
        }
        world.lose_contents();
    }
    let (path, text) = lane.place.action(what);
    if what == Device::SLEEP {
        wake_up_later(lane);
    }
    lane.say(|| format!("write_sysfs(\"{path}\", \"{text}\")"));
    let done = sys::write_file(&path, text);
    lane.shared.count();
    lane.tell(|| format!("= {done:?}"));
}

/// Sets the RTC alarm that wakes the machine.
fn wake_up_later(lane: &Lane<'_>) {
    for time in ["0", WAKE_UP] {
        lane.say(|| format!("write_sysfs(\"{ALARM_CLOCK}\", \"{time}\")"));
        let _ = sys::write_file(ALARM_CLOCK, time);
    }
}

/// Unmaps and closes everything, like a program that exits normally.
pub fn tidy(lane: &Lane<'_>) {
    let (maps, buffers, clients) = {
        let mut world = lane.world();
        (
            std::mem::take(&mut world.maps),
            std::mem::take(&mut world.buffers),
            std::mem::take(&mut world.clients),
        )
    };
    for map in maps {
        let _ = sys::call(libc::SYS_munmap, &[map.address, map.len]);
    }
    let fds = buffers.iter().map(|buffer| buffer.number);
    for fd in fds.chain(clients.iter().map(|client| client.fd)) {
        let _ = sys::call(libc::SYS_close, &[sys::fd(fd)]);
    }
    lane.take_coverage();
}
