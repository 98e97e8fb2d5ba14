// SPDX-License-Identifier: GPL-2.0 OR MIT

//! System calls on mappings.

use crate::arena;
use crate::call::{AreaCall, Choice, Pick, Range};
use crate::model::{Map, Target};
use crate::sys::{self, PAGE};
use crate::thread_context::ThreadContext;

const RW: i32 = libc::PROT_READ | libc::PROT_WRITE;
/// Advice about access patterns, `fork()` and dumps; all other existing values, and future ones.
const ADVICE: &[i32] = &[
    0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 100, 101,
    102, 103, 5, -1,
];

/// Makes the call.
pub fn run(ctx: &ThreadContext<'_>, call: AreaCall) {
    match call {
        AreaCall::Unmap { range } => unmap(ctx, range),
        AreaCall::Remap {
            range,
            pages,
            flags,
            at,
        } => remap(ctx, range, usize::from(pages), flags, usize::from(at)),
        AreaCall::Protect { range, prot } => {
            protect(ctx, range, prot.of(&[RW, RW, RW, 1, 1, 2, 0, 4, 7, 8]));
        }
        AreaCall::Advise { range, advice } => advise(ctx, range, advice.of(ADVICE)),
        AreaCall::AdviseGood { range, advice } => advise(ctx, range, advice.of(&[0, 1, 2, 3])),
        AreaCall::Lock { range, how } => lock(ctx, range, how),
        AreaCall::Other { range, what, flags } => other(ctx, range, what, flags),
        AreaCall::Fadvise {
            handle,
            page,
            pages,
            advice,
        } => fadvise(ctx, handle, usize::from(page), usize::from(pages), advice),
    }
}

fn unmap(ctx: &ThreadContext<'_>, range: Range) {
    let target = ctx.model().target(range, false);
    let done = area(ctx, "munmap", libc::SYS_munmap, target, &[]);
    if done.is_ok() {
        ctx.model().forget_range(target.range());
    }
}

/// Makes a system call whose first arguments are an address range.
fn area(
    ctx: &ThreadContext<'_>,
    name: &str,
    number: libc::c_long,
    target: Target,
    others: &[usize],
) -> sys::Returned {
    let mut arguments = vec![target.start, target.len];
    arguments.extend(others);
    let says = || {
        let others: Vec<String> = others.iter().map(|other| format!(", {other:#x}")).collect();
        format!(
            "{name}({:#x}, {:#x}{})",
            target.start,
            target.len,
            others.join("")
        )
    };
    ctx.sys(says, number, &arguments)
}

fn remap(ctx: &ThreadContext<'_>, range: Range, pages: usize, flags: Choice, at: usize) {
    let old = ctx.model().target(range, false);
    let len = match pages % 4 {
        0 => (1 + pages / 4 % 64) * PAGE,
        1 if old.len > PAGE => old.len - PAGE,
        _ => old.len,
    };
    let to = arena::START + at % arena::PAGES.saturating_sub(len.div_ceil(PAGE)).max(1) * PAGE;
    let fixed = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    let (old_len, flags) = match flags.0 % 16 {
        0..=2 => (old.len, libc::MREMAP_MAYMOVE),
        3 => (old.len, 0),
        // A second mapping of the same pages.
        4 => (0, libc::MREMAP_MAYMOVE),
        5 => (old.len, fixed | libc::MREMAP_DONTUNMAP),
        6 => (old.len, 1 << 5),
        _ => (old.len, fixed),
    };
    if flags & libc::MREMAP_FIXED != 0 && !arena::has(&(to..to + len)) {
        return;
    }
    let before = ctx.model().map_at(&old.range());
    let from = Target {
        start: old.start,
        len: old_len,
    };
    let done = area(
        ctx,
        "mremap",
        libc::SYS_mremap,
        from,
        &[len, flags as usize, to],
    );
    let mut model = ctx.model();
    let Ok(address) = done else {
        if flags & libc::MREMAP_FIXED != 0 {
            // The old mapping may be gone even so.
            model.forget_range(to..to + len);
            model.change(old.range(), |map| {
                Some(Map {
                    certain: false,
                    ..map
                })
            });
        }
        return;
    };
    let len = len.next_multiple_of(PAGE);
    if old_len != 0 && flags & libc::MREMAP_DONTUNMAP == 0 {
        model.forget_range(old.range());
    }
    model.forget_range(address..address + len);
    match before {
        Some(map) if old.start % PAGE == 0 => {
            model.maps.push(Map {
                address,
                len,
                first: map.first + (old.start - map.address) / PAGE,
                ..map
            });
        }
        // Several mappings or part of the arena: the model does not know what is there.
        _ => (),
    }
}

fn protect(ctx: &ThreadContext<'_>, range: Range, prot: i32) {
    let target = ctx.model().target(range, false);
    let done = area(
        ctx,
        "mprotect",
        libc::SYS_mprotect,
        target,
        &[prot as usize],
    );
    ctx.model().change(target.range(), |map| {
        Some(match done {
            Ok(_) => Map { prot, ..map },
            // A part of the range may have changed.
            Err(_) => Map {
                certain: false,
                ..map
            },
        })
    });
}

fn advise(ctx: &ThreadContext<'_>, range: Range, advice: i32) {
    let target = ctx.model().target(range, false);
    let done = area(
        ctx,
        "madvise",
        libc::SYS_madvise,
        target,
        &[advice as usize],
    );
    let inherited = match advice {
        libc::MADV_DONTFORK => false,
        libc::MADV_DOFORK if done.is_ok() => true,
        _ => return,
    };
    ctx.model()
        .change(target.range(), |map| Some(Map { inherited, ..map }));
}

fn lock(ctx: &ThreadContext<'_>, range: Range, how: Choice) {
    let target = ctx.model().target(range, false);
    let _ = match how.0 % 4 {
        0 => area(ctx, "mlock", libc::SYS_mlock, target, &[]),
        1 => area(ctx, "munlock", libc::SYS_munlock, target, &[]),
        2 => area(
            ctx,
            "mlock2",
            libc::SYS_mlock2,
            target,
            &[usize::from(how.0 / 4) % 3],
        ),
        _ => ctx.sys(|| "munlockall()".into(), libc::SYS_munlockall, &[]),
    };
}

fn other(ctx: &ThreadContext<'_>, range: Range, what: Choice, flags: Choice) {
    let target = ctx.model().target(range, false);
    let flag = usize::from(flags.0);
    let _ = match what.0 % 8 {
        0..=3 => area(ctx, "msync", libc::SYS_msync, target, &[flag % 8]),
        4..=5 => {
            let mut vector = vec![0u8; target.len.div_ceil(PAGE).min(1 << 16)];
            let pointer = vector.as_mut_ptr() as usize;
            if target.len.div_ceil(PAGE) > vector.len() {
                return;
            }
            area(ctx, "mincore", libc::SYS_mincore, target, &[pointer])
        }
        6 => {
            let page = flag % 8;
            let done = area(
                ctx,
                "remap_file_pages",
                libc::SYS_remap_file_pages,
                target,
                &[0, page, 0],
            );
            ctx.model().change(target.range(), |map| {
                Some(Map {
                    certain: false,
                    object: None,
                    ..map
                })
            });
            done
        }
        _ => {
            // set_mempolicy_home_node() and others need NUMA; this call exists everywhere.
            let mut vector = [target.start, target.len];
            let pointer = vector.as_mut_ptr() as usize;
            let advice = [0, 1, 2, 3, 20, 21][flag % 6];
            let pid = sys::call(libc::SYS_pidfd_open, &[std::process::id() as usize, 0]);
            let Ok(pid) = pid else { return };
            let done = ctx.sys(
                || {
                    format!(
                        "process_madvise({:#x}, {:#x}, {advice})",
                        target.start, target.len
                    )
                },
                libc::SYS_process_madvise,
                &[pid, pointer, 1, advice, 0],
            );
            let _ = sys::call(libc::SYS_close, &[pid]);
            done
        }
    };
}

fn fadvise(ctx: &ThreadContext<'_>, handle: Pick, page: usize, pages: usize, advice: Choice) {
    let found = {
        let model = ctx.model();
        model.any_handle(handle).and_then(|handle| {
            let client = model.clients.iter().find(|c| c.id == handle.client)?;
            Some((client.fd, handle.offset?))
        })
    };
    let Some((fd, offset)) = found else { return };
    let offset = match page % 64 {
        63 => page.wrapping_neg(),
        page => offset as usize + page * PAGE,
    };
    let len = match pages % 8 {
        0 => 0,
        1 => usize::MAX,
        2 => pages,
        _ => pages % 64 * PAGE,
    };
    let advice = advice.of(&[3, 3, 3, 0, 1, 2, 4, 5, 6]);
    let _ = ctx.sys(
        || format!("posix_fadvise({fd}, {offset:#x}, {len:#x}, {advice})"),
        sys::SYS_FADVISE64,
        &[sys::fd(fd), offset, len, advice],
    );
}
