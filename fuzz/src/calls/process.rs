// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Child processes that inherit the program's mappings, and the program's sudden death.

use crate::call::{Choice, Pick, ProcessCall};
use crate::lane::Lane;
use crate::probe;
use crate::sys::{self, PAGE};
use crate::world::Map;

/// Exit status of a child whose accesses gave the expected results.
const FINE: i32 = 0;
/// Exit status of a child that got a signal.
const SIGNAL: i32 = 1;

/// Makes the call.
pub fn run(lane: &Lane<'_>, call: ProcessCall) {
    match call {
        ProcessCall::Fork {
            map,
            page,
            count,
            what,
        } => fork(lane, map, usize::from(page), usize::from(count), what),
        ProcessCall::Die { sure } => {
            if sure.one_in(4) {
                lane.say(|| "kill(getpid(), SIGKILL)".into());
                lane.take_coverage();
                lane.shared.set_dying();
                let _ = sys::kill(std::process::id() as i32, libc::SIGKILL);
            }
        }
    }
}

fn fork(lane: &Lane<'_>, map: Pick, page: usize, count: usize, what: Choice) {
    let map = lane.world().map(map);
    lane.say(|| {
        let at = map.map_or(0, |map| map.address);
        format!(
            "if (!fork()) {{ /* touches {} pages from {at:#x} on */ }}",
            1 + count % 32
        )
    });
    lane.shared.count();
    let child = match sys::fork() {
        Ok(0) => child(map, page, 1 + count % 32, what),
        Ok(child) => child,
        Err(_) => return,
    };
    if what.0 & 1 == 0 {
        // The child runs concurrently.
        lane.world().children.push(child);
        return;
    }
    let ended = sys::wait(child, 0);
    let sure = lane.exact && map.is_some_and(is_safe);
    if let (Ok((_, status)), true) = (ended, sure) {
        if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == SIGNAL {
            lane.find("a child got a signal in a mapping that it has inherited");
        }
    }
}

fn is_safe(map: Map) -> bool {
    map.sure && map.inherited && map.prot & libc::PROT_WRITE != 0
}

/// The child's code: only system calls and memory accesses.
fn child(map: Option<Map>, page: usize, count: usize, what: Choice) -> ! {
    let Some(map) = map else { sys::exit(FINE) };
    let write = what.0 & 2 != 0;
    for index in 0..count {
        let address = map.address + (page + index) % map.pages() * PAGE;
        let done = match write {
            true => probe::store(address, 0x0202),
            false => probe::load(address).map(drop),
        };
        if done.is_err() {
            sys::exit(SIGNAL);
        }
    }
    if what.0 & 4 != 0 {
        let _ = sys::call(libc::SYS_munmap, &[map.address, map.len]);
    }
    sys::exit(FINE);
}

/// Waits for the remaining children.
pub fn reap(lane: &Lane<'_>) {
    let children = std::mem::take(&mut lane.world().children);
    for child in children {
        let _ = sys::wait(child, 0);
    }
}
