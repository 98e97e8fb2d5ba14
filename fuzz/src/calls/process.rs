// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Child processes that inherit the program's mappings, and the program's sudden death.

use crate::call::{Choice, Pick, ProcessCall};
use crate::faulting_access;
use crate::model::Map;
use crate::sys::{self, PAGE};
use crate::thread_context::ThreadContext;

/// Exit status of a child whose accesses gave the expected results.
const OK: i32 = 0;
/// Exit status of a child that got a signal.
const GOT_SIGNAL: i32 = 1;

/// Makes the call.
pub fn run(ctx: &ThreadContext<'_>, call: ProcessCall) {
    match call {
        ProcessCall::Fork {
            map,
            page,
            count,
            what,
        } => fork(ctx, map, usize::from(page), usize::from(count), what),
        ProcessCall::Die { chance } => {
            if chance.one_in(4) {
                ctx.trace_call(|| "kill(getpid(), SIGKILL)".into());
                ctx.take_coverage();
                ctx.shared.set_dying();
                let _ = sys::kill(std::process::id() as i32, libc::SIGKILL);
            }
        }
    }
}

fn fork(ctx: &ThreadContext<'_>, map: Pick, page: usize, count: usize, what: Choice) {
    let map = ctx.model().map(map);
    ctx.trace_call(|| {
        let at = map.map_or(0, |map| map.address);
        format!(
            "if (!fork()) {{ /* touches {} pages from {at:#x} on */ }}",
            1 + count % 32
        )
    });
    ctx.shared.count();
    let child = match sys::fork() {
        Ok(0) => child(map, page, 1 + count % 32, what),
        Ok(child) => child,
        Err(_) => return,
    };
    if what.0 & 1 == 0 {
        // The child runs concurrently.
        ctx.model().children.push(child);
        return;
    }
    let ended = sys::wait(child, 0);
    let certain = ctx.exact && map.is_some_and(is_safe);
    if let (Ok((_, status)), true) = (ended, certain) {
        if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == GOT_SIGNAL {
            ctx.report("a child got a signal in a mapping that it has inherited");
        }
    }
}

fn is_safe(map: Map) -> bool {
    map.certain && map.inherited && map.prot & libc::PROT_WRITE != 0
}

/// The child's code: only system calls and memory accesses.
fn child(map: Option<Map>, page: usize, count: usize, what: Choice) -> ! {
    let Some(map) = map else { sys::exit(OK) };
    let write = what.0 & 2 != 0;
    for index in 0..count {
        let address = map.address + (page + index) % map.pages() * PAGE;
        let done = match write {
            true => faulting_access::store(address, 0x0202),
            false => faulting_access::load(address).map(drop),
        };
        if done.is_err() {
            sys::exit(GOT_SIGNAL);
        }
    }
    if what.0 & 4 != 0 {
        let _ = sys::call(libc::SYS_munmap, &[map.address, map.len]);
    }
    sys::exit(OK);
}

/// Waits for the remaining children.
pub fn reap(ctx: &ThreadContext<'_>) {
    let children = std::mem::take(&mut ctx.model().children);
    for child in children {
        let _ = sys::wait(child, 0);
    }
}
