// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The program's accesses to its mappings, and the values that they must read.

use crate::call::Touch;
use crate::faulting_access;
use crate::model::{Map, WORD_AT};
use crate::sys::{PAGE, TABLE};
use crate::thread_context::ThreadContext;

/// Distances between touched pages.
const STRIDES: &[isize] = &[
    1,
    1,
    1,
    1,
    -1,
    -1,
    2,
    3,
    7,
    32,
    -5,
    TABLE as isize - 1,
    TABLE as isize,
    64,
];

/// An access within a page.
#[derive(Clone, Copy)]
enum At {
    /// Writes the tracked word.
    Write,
    /// Reads the tracked word, which must have the value written last.
    Read,
    /// Reads eight bytes at this offset in the page.
    Peek(usize),
    /// Writes eight bytes at this offset in the page.
    Poke(usize),
}

/// Makes the call.
pub fn run(ctx: &ThreadContext<'_>, call: Touch) {
    let Some(map) = ctx.model().map(call.map) else {
        return;
    };
    let at = call.what.of(&[
        At::Write,
        At::Write,
        At::Read,
        At::Read,
        At::Read,
        At::Peek(0),
        At::Peek(PAGE - 8),
        // Across the end of the page.
        At::Peek(PAGE - 4),
        At::Poke(0),
        At::Poke(PAGE - 8),
        At::Poke(PAGE - 4),
    ]);
    let stride = call.stride.of(STRIDES);
    let mut page = first_page(call, &map);
    let count = 1 + usize::from(call.count) % 64;
    ctx.trace_call(|| {
        let what = match at {
            At::Write => "write the words",
            At::Read => "read the words",
            At::Peek(_) => "read",
            At::Poke(_) => "write",
        };
        format!(
            "/* {what} of {count} pages from {:#x} on, every {stride} */",
            map.address + page * PAGE
        )
    });
    for _ in 0..count {
        if !touch(ctx, &map, page, at) {
            return;
        }
        match page.checked_add_signed(stride) {
            Some(next) if next < map.pages() => page = next,
            _ => return,
        }
    }
}

/// Returns the first page to touch.
fn first_page(call: Touch, map: &Map) -> usize {
    let page = usize::from(call.page) % map.pages();
    if call.page < Touch::EDGES {
        return page;
    }
    let start = map.address / PAGE;
    let first_of_table = (start + page) / TABLE * TABLE;
    // The last page of the previous page table, or the first of this one.
    let edge = first_of_table - usize::from(call.page & 1);
    edge.saturating_sub(start).min(map.pages() - 1)
}

/// Makes one access. Returns false if the program should stop touching.
fn touch(ctx: &ThreadContext<'_>, map: &Map, page: usize, at: At) -> bool {
    let start = map.address + page * PAGE;
    ctx.shared.count();
    let (done, writes, end) = match at {
        At::Write => {
            let word = (map.first + page) as u64 ^ 0x6261_7269_756d_0000;
            let done = faulting_access::store(start + WORD_AT, word);
            if done.is_ok() {
                ctx.model().set_word(map.object, map.first + page, word);
            }
            (done, true, WORD_AT + 8)
        }
        At::Read => {
            let done = faulting_access::load(start + WORD_AT);
            if let Ok(word) = done {
                compare(ctx, map, page, word, "a mapping");
            }
            (done.map(drop), false, WORD_AT + 8)
        }
        At::Peek(offset) => (
            faulting_access::load(start + offset).map(drop),
            false,
            offset + 8,
        ),
        At::Poke(offset) => (
            faulting_access::store(start + offset, 0x0101),
            true,
            offset + 8,
        ),
    };
    check_signal(ctx, map, start, done.err(), writes, end > PAGE)
}

/// Checks a word that was read against the model.
pub fn compare(ctx: &ThreadContext<'_>, map: &Map, page: usize, word: u64, through: &str) {
    if !ctx.exact || !map.certain {
        return;
    }
    match ctx.model().word(map.object, map.first + page) {
        Some(wanted) if wanted != word => ctx.report(&format!(
            "through {through}, page {} of the object reads {word:#x} instead of {wanted:#x}",
            map.first + page
        )),
        _ => (),
    }
}

/// Checks whether the access had to raise a signal. `across`: it extends to the next page.
fn check_signal(
    ctx: &ThreadContext<'_>,
    map: &Map,
    address: usize,
    signal: Option<i32>,
    writes: bool,
    across: bool,
) -> bool {
    if let Some(signal) = signal {
        ctx.trace_result(|| format!("signal {signal} at {address:#x}"));
    }
    if signal == Some(libc::SIGBUS) {
        ctx.report(&format!("SIGBUS at {address:#x}"));
        return false;
    }
    let last = address + if across { 2 * PAGE } else { PAGE };
    // Whether PROT_EXEC implies read permission depends on the processor.
    let is_vague = map.prot == libc::PROT_EXEC;
    if !ctx.exact || !map.certain || is_vague || last > map.address + map.len {
        return signal.is_none();
    }
    let needed = if writes {
        libc::PROT_WRITE
    } else {
        libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC
    };
    let allowed = map.prot & needed != 0;
    match (signal, allowed) {
        (Some(signal), true) => {
            ctx.report(&format!("signal {signal} at {address:#x}, which is mapped"));
        }
        (None, false) => ctx.report(&format!("no signal at {address:#x}, which is protected")),
        _ => return true,
    }
    false
}
