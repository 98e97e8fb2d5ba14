// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The driver's own ioctls.

use crate::abi;
use crate::call::{Choice, DriverCall, Pick, Range};
use crate::model::{Client, Handle, Target};
use crate::sys::{self, PAGE};
use crate::thread_context::ThreadContext;

use super::gem;

/// Number of gaps in fragmented VRAM.
const SCATTERED: u64 = 40;

/// Makes the call.
pub fn run(ctx: &ThreadContext<'_>, call: DriverCall) {
    match call {
        DriverCall::GetParam { client, param, pad } => get_param(ctx, client, param, pad),
        DriverCall::Create {
            client,
            size,
            flags,
        } => {
            let client = ctx.model().client(client);
            let size = ctx.model().size(size);
            let flags = flags.of(&[0, 0, 0, 0, 0, 1, 1, 2, 3, u32::MAX]);
            create(ctx, client.fd, client.id, size, flags);
        }
        DriverCall::CreateGood { client, pages } => {
            let client = ctx.model().client(client);
            let size = (1 + u64::from(pages)) * PAGE as u64;
            create(ctx, client.fd, client.id, size, 0);
        }
        DriverCall::Scatter {
            client,
            pages,
            count,
            flags,
        } => {
            let client = ctx.model().client(client);
            scatter(ctx, client, 1 + u64::from(pages % 8), count, flags);
        }
        DriverCall::Offset {
            client,
            handle,
            pad,
        } => {
            let client = ctx.model().client(client);
            let handle = ctx.model().handle(handle, client.id);
            let pad = u32::from(pad.one_in(16));
            let _ = offset(ctx, client.fd, handle, pad);
        }
        DriverCall::Info {
            client,
            handle,
            flags,
        } => info(ctx, client, handle, flags),
        DriverCall::Ahead {
            client,
            range,
            flags,
        } => ahead(ctx, client, range, flags),
        DriverCall::AheadInterrupted { client, map, after } => {
            ahead_interrupted(ctx, client, map, after);
        }
        DriverCall::Madvise {
            client,
            handle,
            advice,
            pad,
            reclaim,
        } => {
            madvise(ctx, client, handle, advice, pad);
            if reclaim.one_in(4) {
                run_shrinkers(ctx);
            }
        }
    }
}

fn get_param(ctx: &ThreadContext<'_>, client: Pick, param: Choice, pad: Choice) {
    let fd = ctx.model().client(client).fd;
    let mut argument = abi::drm_barium_get_param {
        param: param.of(&[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 9, 7, 0x100, u32::MAX]),
        pad: u32::from(pad.one_in(8)),
        value: u64::MAX,
    };
    let says = format!(
        "ioctl({fd}, DRM_IOCTL_BARIUM_GET_PARAM, {{ .param = {}, .pad = {} }})",
        argument.param, argument.pad
    );
    let done = ctx.ioctl(|| says, fd, abi::FUZZ_GET_PARAM, &mut argument);
    let is_known = argument.param <= abi::BARIUM_PARAM_FAULT_AROUND
        || argument.param == abi::BARIUM_PARAM_FEATURES;
    if done.is_ok() && (argument.pad != 0 || !is_known) {
        ctx.report("GET_PARAM accepted a pad or an unknown parameter");
    }
}

/// `GEM_CREATE`; checks the result.
pub fn create(ctx: &ThreadContext<'_>, fd: i32, client: usize, size: u64, flags: u32) {
    let mut argument = abi::drm_barium_gem_create {
        size,
        flags,
        handle: 0,
    };
    let says = || {
        format!(
            "ioctl({fd}, DRM_IOCTL_BARIUM_GEM_CREATE, {{ .size = {size:#x}, .flags = {flags} }})"
        )
    };
    if ctx
        .ioctl(says, fd, abi::FUZZ_GEM_CREATE, &mut argument)
        .is_err()
    {
        return;
    }
    let rounded = size.checked_next_multiple_of(PAGE as u64);
    let known = abi::BARIUM_GEM_CREATE_CONTIGUOUS | abi::BARIUM_GEM_CREATE_SYSTEM;
    if size == 0 || flags & !known != 0 || Some(argument.size) != rounded || argument.handle == 0 {
        ctx.report(&format!(
            "GEM_CREATE of {size:#x} bytes, flags {flags:#x}, gave {:#x} bytes, handle {}",
            argument.size, argument.handle
        ));
        return;
    }
    let mut model = ctx.model();
    let object = Some(model.add_object());
    model.add_handle(Handle {
        client,
        number: argument.handle,
        object,
        offset: None,
        size: argument.size,
    });
}

/// Allocates almost all of VRAM in objects of `pages` pages, closes every second one, and creates
/// an object as large as all the gaps, which consists of many blocks.
fn scatter(ctx: &ThreadContext<'_>, client: Client, pages: u64, count: u8, flags: Choice) {
    let size = pages * PAGE as u64;
    let first = ctx.model().handles.len();
    // Other free memory would be used before the gaps.
    let all = ctx.model().vram();
    create(ctx, client.fd, client.id, all - 2 * SCATTERED * size, 0);
    for _ in 0..2 * SCATTERED {
        create(ctx, client.fd, client.id, size, 0);
    }
    let made: Vec<Handle> = ctx
        .model()
        .handles
        .iter()
        .skip(first + 1)
        .copied()
        .collect();
    for handle in made.iter().step_by(2) {
        gem::close_handle(ctx, client, handle.number);
    }
    let rest = (1 + u64::from(count) % (SCATTERED / 2)) * size;
    create(ctx, client.fd, client.id, rest, flags.of(&[0, 0, 0, 1]));
}

/// Returns the offset from `GEM_MMAP_OFFSET`.
pub fn offset(ctx: &ThreadContext<'_>, fd: i32, handle: Handle, pad: u32) -> Result<u64, i32> {
    let mut argument = abi::drm_barium_gem_mmap_offset {
        handle: handle.number,
        pad,
        offset: 0,
    };
    let says = || {
        format!(
            "ioctl({fd}, DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET, {{ .handle = {}, .pad = {pad} }})",
            handle.number
        )
    };
    ctx.ioctl(says, fd, abi::FUZZ_GEM_MMAP_OFFSET, &mut argument)?;
    if pad != 0 || argument.offset == 0 || argument.offset % PAGE as u64 != 0 {
        ctx.report(&format!("GEM_MMAP_OFFSET gave {:#x}", argument.offset));
    }
    if let Some(entry) = ctx.model().handle_mut(handle.client, handle.number) {
        entry.offset = Some(argument.offset);
    }
    Ok(argument.offset)
}

fn info(ctx: &ThreadContext<'_>, client: Pick, handle: Pick, flags: Choice) {
    let client = ctx.model().client(client);
    let handle = ctx.model().handle(handle, client.id);
    let mut argument = abi::drm_barium_gem_info {
        handle: handle.number,
        flags: u32::from(flags.0),
        size: u64::MAX,
    };
    let says = format!(
        "ioctl({}, DRM_IOCTL_BARIUM_GEM_INFO, {{ .handle = {} }})",
        client.fd, handle.number
    );
    let done = ctx.ioctl(|| says, client.fd, abi::FUZZ_GEM_INFO, &mut argument);
    let is_known = ctx.exact && handle.object.is_some() && handle.client == client.id;
    if done.is_ok() && is_known && argument.size != handle.size {
        ctx.report(&format!(
            "GEM_INFO says {:#x} bytes, GEM_CREATE said {:#x}",
            argument.size, handle.size
        ));
    }
}

/// Lets the kernel call the shrinkers of all drivers.
fn run_shrinkers(ctx: &ThreadContext<'_>) {
    const FILE: &str = "/proc/sys/vm/drop_caches";
    ctx.trace_call(|| format!("write_sysfs(\"{FILE}\", \"2\")"));
    let done = sys::write_file(FILE, "2");
    ctx.trace_result(|| format!("= {done:?}"));
}

/// `GEM_MADVISE`. The content of an object that is not needed is unknown from then on. Content that the
/// driver must keep has to stay.
fn madvise(ctx: &ThreadContext<'_>, client: Pick, handle: Pick, advice: Choice, pad: Choice) {
    let client = ctx.model().client(client);
    let handle = ctx.model().handle(handle, client.id);
    let mut argument = abi::drm_barium_gem_madvise {
        handle: handle.number,
        advice: advice.of(&[0, 1, 0, 1, 1, 2, u32::MAX]),
        retained: u32::MAX,
        pad: u32::from(pad.one_in(16)),
    };
    let says = format!(
        "ioctl({}, DRM_IOCTL_BARIUM_GEM_MADVISE, {{ .handle = {}, .advice = {}, .pad = {} }})",
        client.fd, argument.handle, argument.advice, argument.pad
    );
    let may_lose = argument.advice == abi::BARIUM_MADVISE_DONTNEED;
    let was_lost = may_lose && ctx.model().set_lost(handle.object, true);
    let done = ctx.ioctl(|| says, client.fd, abi::FUZZ_GEM_MADVISE, &mut argument);
    if may_lose && done.is_err() && ctx.exact {
        ctx.model().set_lost(handle.object, was_lost);
    }
    let is_known = argument.advice <= abi::BARIUM_MADVISE_DONTNEED;
    if done.is_ok() && (!is_known || argument.pad != 0 || argument.retained > 1) {
        ctx.report(&format!(
            "GEM_MADVISE {} with pad {} gave {}",
            argument.advice, argument.pad, argument.retained
        ));
    }
}

fn ahead(ctx: &ThreadContext<'_>, client: Pick, range: Range, flags: Choice) {
    let fd = ctx.model().client(client).fd;
    let target = ctx.model().target(range, true);
    let (flags, pad) = flags.of(&[
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (1, 0),
        (0, 1),
    ]);
    if map_ahead(ctx, fd, target, flags, pad).is_ok() && (flags, pad) != (0, 0) {
        ctx.report("MAP_AHEAD accepted flags or a pad");
    }
}

fn map_ahead(
    ctx: &ThreadContext<'_>,
    fd: i32,
    target: Target,
    flags: u32,
    pad: u32,
) -> sys::Returned {
    let mut argument = abi::drm_barium_map_ahead {
        address: target.start as u64,
        size: target.len as u64,
        flags,
        pad,
    };
    let says = || {
        format!(
            "ioctl({fd}, DRM_IOCTL_BARIUM_MAP_AHEAD, {{ .address = {:#x}, .size = {:#x}, \
             .flags = {flags}, .pad = {pad} }})",
            target.start, target.len
        )
    };
    ctx.ioctl(says, fd, abi::FUZZ_MAP_AHEAD, &mut argument)
}

fn ahead_interrupted(ctx: &ThreadContext<'_>, client: Pick, map: Pick, after: u8) {
    let Some(map) = ctx.model().map(map) else {
        return;
    };
    let fd = ctx.model().client(client).fd;
    let microseconds = 1 + i64::from(after) * 8;
    let mut timer = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: microseconds,
        },
        it_value: libc::timeval {
            tv_sec: 0,
            tv_usec: microseconds,
        },
    };
    let set = |timer: &libc::itimerval| {
        let pointer = std::ptr::from_ref(timer) as usize;
        let real = libc::ITIMER_REAL as usize;
        let _ = sys::call(libc::SYS_setitimer, &[real, pointer, 0]);
    };
    ctx.trace_call(|| format!("setitimer(ITIMER_REAL, {microseconds})"));
    set(&timer);
    let target = Target {
        start: map.address,
        len: map.len,
    };
    for _ in 0..4 {
        if map_ahead(ctx, fd, target, 0, 0) == Err(libc::EINTR) {
            break;
        }
    }
    timer.it_interval.tv_usec = 0;
    timer.it_value.tv_usec = 0;
    set(&timer);
}
