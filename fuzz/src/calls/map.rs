// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `mmap()` of an object, through the device's file or a dma-buf.

use crate::arena;
use crate::call::Mmap;
use crate::model::{Handle, Map, ObjectId};
use crate::sys::{self, PAGE, TABLE};
use crate::thread_context::ThreadContext;

use super::driver;

const RW: i32 = libc::PROT_READ | libc::PROT_WRITE;
const PROTS: &[i32] = &[
    RW,
    RW,
    RW,
    RW,
    libc::PROT_READ,
    libc::PROT_WRITE,
    libc::PROT_NONE,
    libc::PROT_READ | libc::PROT_EXEC,
];
const FLAGS: &[i32] = &[
    libc::MAP_SHARED,
    libc::MAP_SHARED,
    libc::MAP_SHARED,
    libc::MAP_SHARED,
    libc::MAP_SHARED,
    libc::MAP_SHARED,
    libc::MAP_SHARED_VALIDATE,
    libc::MAP_SHARED | libc::MAP_POPULATE,
    libc::MAP_SHARED | libc::MAP_LOCKED,
    libc::MAP_SHARED | libc::MAP_NORESERVE,
    libc::MAP_PRIVATE,
    libc::MAP_PRIVATE | libc::MAP_POPULATE,
    libc::MAP_SHARED_VALIDATE | libc::MAP_SYNC,
];

/// The file to map, and the offset in it.
struct Source {
    fd: i32,
    offset: usize,
    object: Option<ObjectId>,
    size: u64,
}

/// Makes the call.
pub fn run(ctx: &ThreadContext<'_>, call: Mmap) {
    let Some(source) = source(ctx, call) else {
        return;
    };
    let all = (source.size as usize / PAGE).max(1);
    let mut page = usize::from(call.page) % all;
    if call.page % 4 != 0 {
        page = 0;
    }
    let left = all - page;
    let mut len = match call.pages % 4 {
        0 => 1 + usize::from(call.pages) / 4 % left,
        _ => left,
    } * PAGE;
    let mut offset = source.offset + page * PAGE;
    let mut object = source.object;
    match call.odd.0 {
        0..=5 => len += PAGE,
        6..=8 => len -= usize::from(call.pages) % PAGE,
        9 => offset += all * PAGE,
        10 => offset += 1,
        11 => len = 0,
        12 => len = usize::MAX - PAGE,
        13 => offset = 0,
        14..=15 => {
            offset = offset.wrapping_sub(PAGE * (1 + usize::from(call.pages) % 4));
            object = None;
        }
        _ => (),
    }
    let (address, fixed) = place(call, len);
    let prot = call.prot.of(PROTS);
    let flags = call.flags.of(FLAGS) | fixed;
    let says = || {
        format!(
            "mmap({address:#x}, {len:#x}, {prot:#x}, {flags:#x}, {}, {offset:#x})",
            source.fd
        )
    };
    let done = ctx.sys(
        says,
        libc::SYS_mmap,
        &[
            address,
            len,
            prot as usize,
            flags as usize,
            sys::fd(source.fd),
            offset,
        ],
    );
    let whole = len.next_multiple_of(PAGE);
    if fixed == libc::MAP_FIXED {
        // MAP_FIXED may have removed the old mapping even if the call fails.
        ctx.model().forget_range(address..address + whole);
    }
    let Ok(address) = done else { return };
    check_allowed(ctx, &source, flags, prot, page * PAGE + whole);
    ctx.model().maps.push(Map {
        address,
        len: whole,
        prot,
        object,
        first: page,
        certain: true,
        inherited: true,
    });
}

/// Selects the file: usually that of the client that owns the object, sometimes another client's,
/// which must be refused, or a dma-buf.
fn source(ctx: &ThreadContext<'_>, call: Mmap) -> Option<Source> {
    let model = ctx.model();
    if call.client.0 >= 0xd0 {
        let buffer = *model
            .buffers
            .get(usize::from(call.client.0) % model.buffers.len().max(1))?;
        return Some(Source {
            fd: buffer.number,
            offset: 0,
            object: buffer.object,
            size: buffer.size,
        });
    }
    let handle: Handle = model.any_handle(call.handle)?;
    let owner = model.clients.iter().find(|c| c.id == handle.client);
    let fd = owner.map_or(-1, |client| client.fd);
    let through = match call.client.0 {
        0xc0..=0xcf => model.client(crate::call::Pick(call.client.0 % 16)).fd,
        _ => fd,
    };
    drop(model);
    let offset = match handle.offset {
        Some(offset) => offset,
        None => driver::offset(ctx, fd, handle, 0).ok()?,
    };
    Some(Source {
        fd: through,
        offset: offset as usize,
        object: handle.object,
        size: handle.size,
    })
}

/// Returns the address and the matching flag.
fn place(call: Mmap, len: usize) -> (usize, i32) {
    let room = arena::PAGES.saturating_sub(len.div_ceil(PAGE)).max(1);
    let at = match call.place.0 % 8 {
        // At and near addresses where a huge entry fits.
        0 | 1 => usize::from(call.at) % (arena::PAGES / TABLE) * TABLE,
        2 => usize::from(call.at) % (arena::PAGES / TABLE) * TABLE + TABLE - 1,
        // Across the middle of the arena.
        3 => arena::PAGES / 2 - 1 - usize::from(call.at) % 256,
        _ => usize::from(call.at),
    } % room;
    let address = arena::START + at * PAGE;
    let is_in = len <= arena::PAGES * PAGE && arena::has(&(address..address + len));
    match call.place.0 {
        0..=0x9f => (0, 0),
        0xa0..=0xaf => (address, 0),
        0xb0..=0xb7 => (address, libc::MAP_FIXED_NOREPLACE),
        _ if is_in => (address, libc::MAP_FIXED),
        _ => (0, 0),
    }
}

/// Checks that a successful mapping is one that the driver must allow.
fn check_allowed(ctx: &ThreadContext<'_>, source: &Source, flags: i32, prot: i32, end: usize) {
    let kind = flags & libc::MAP_TYPE;
    if kind == libc::MAP_PRIVATE && prot & libc::PROT_WRITE != 0 {
        ctx.report("a private writable mapping was made");
    }
    if source.object.is_some() && end > source.size as usize {
        ctx.report("a mapping goes past the end of its object");
    }
}
