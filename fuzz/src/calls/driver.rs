// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The driver's own ioctls.

use crate::abi;
use crate::call::{Choice, DriverCall, Pick, Range};
use crate::lane::Lane;
use crate::sys::{self, PAGE};
use crate::world::{Client, Handle, Target};

use super::gem;

/// Number of gaps in fragmented VRAM.
const SCATTERED: u64 = 40;

/// Makes the call.
pub fn run(lane: &Lane<'_>, call: DriverCall) {
    match call {
        DriverCall::GetParam { client, param, pad } => get_param(lane, client, param, pad),
        DriverCall::Create {
            client,
            size,
            flags,
        } => {
            let client = lane.world().client(client);
            let size = lane.world().size(size);
            let flags = flags.of(&[0, 0, 0, 0, 0, 1, 1, 2, 3, u32::MAX]);
            create(lane, client.fd, client.id, size, flags);
        }
        DriverCall::CreateGood { client, pages } => {
            let client = lane.world().client(client);
            let size = (1 + u64::from(pages)) * PAGE as u64;
            create(lane, client.fd, client.id, size, 0);
        }
        DriverCall::Scatter {
            client,
            pages,
            count,
            flags,
        } => {
            let client = lane.world().client(client);
            scatter(lane, client, 1 + u64::from(pages % 8), count, flags);
        }
        DriverCall::Offset {
            client,
            handle,
            pad,
        } => {
            let client = lane.world().client(client);
            let handle = lane.world().handle(handle, client.id);
            let pad = u32::from(pad.one_in(16));
            let _ = offset(lane, client.fd, handle, pad);
        }
        DriverCall::Info {
            client,
            handle,
            flags,
        } => info(lane, client, handle, flags),
        DriverCall::Ahead {
            client,
            range,
            flags,
        } => ahead(lane, client, range, flags),
        DriverCall::AheadInterrupted { client, map, after } => {
            ahead_interrupted(lane, client, map, after);
        }
    }
}

fn get_param(lane: &Lane<'_>, client: Pick, param: Choice, pad: Choice) {
    let fd = lane.world().client(client).fd;
    let mut argument = abi::drm_barium_get_param {
        param: param.of(&[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7, 0x100, u32::MAX]),
        pad: u32::from(pad.one_in(8)),
        value: u64::MAX,
    };
    let says = format!(
        "ioctl({fd}, DRM_IOCTL_BARIUM_GET_PARAM, {{ .param = {}, .pad = {} }})",
        argument.param, argument.pad
    );
    let done = lane.ioctl(|| says, fd, abi::FUZZ_GET_PARAM, &mut argument);
    if done.is_ok() && (argument.pad != 0 || argument.param > abi::BARIUM_PARAM_FAULT_AROUND) {
        lane.find("GET_PARAM took a pad or an unknown parameter");
    }
}

/// `GEM_CREATE`; checks the result.
pub fn create(lane: &Lane<'_>, fd: i32, client: usize, size: u64, flags: u32) {
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
    if lane
        .ioctl(says, fd, abi::FUZZ_GEM_CREATE, &mut argument)
        .is_err()
    {
        return;
    }
    let rounded = size.checked_next_multiple_of(PAGE as u64);
    if size == 0 || flags > 1 || Some(argument.size) != rounded || argument.handle == 0 {
        lane.find(&format!(
            "GEM_CREATE of {size:#x} bytes, flags {flags:#x}, gave {:#x} bytes, handle {}",
            argument.size, argument.handle
        ));
        return;
    }
    let mut world = lane.world();
    let object = Some(world.add_object());
    world.add_handle(Handle {
        client,
        number: argument.handle,
        object,
        offset: None,
        size: argument.size,
    });
}

/// Allocates almost all of VRAM in objects of `pages` pages, closes every second one, and creates
/// an object as large as all the gaps, which consists of many blocks.
fn scatter(lane: &Lane<'_>, client: Client, pages: u64, count: u8, flags: Choice) {
    let size = pages * PAGE as u64;
    let first = lane.world().handles.len();
    // Other free memory would be used before the gaps.
    let all = lane.world().vram();
    create(lane, client.fd, client.id, all - 2 * SCATTERED * size, 0);
    for _ in 0..2 * SCATTERED {
        create(lane, client.fd, client.id, size, 0);
    }
    let made: Vec<Handle> = lane
        .world()
        .handles
        .iter()
        .skip(first + 1)
        .copied()
        .collect();
    for handle in made.iter().step_by(2) {
        gem::close_handle(lane, client, handle.number);
    }
    let rest = (1 + u64::from(count) % (SCATTERED / 2)) * size;
    create(lane, client.fd, client.id, rest, flags.of(&[0, 0, 0, 1]));
}

/// Returns the offset from `GEM_MMAP_OFFSET`.
pub fn offset(lane: &Lane<'_>, fd: i32, handle: Handle, pad: u32) -> Result<u64, i32> {
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
    lane.ioctl(says, fd, abi::FUZZ_GEM_MMAP_OFFSET, &mut argument)?;
    if pad != 0 || argument.offset == 0 || argument.offset % PAGE as u64 != 0 {
        lane.find(&format!("GEM_MMAP_OFFSET gave {:#x}", argument.offset));
    }
    if let Some(entry) = lane.world().handle_mut(handle.client, handle.number) {
        entry.offset = Some(argument.offset);
    }
    Ok(argument.offset)
}

fn info(lane: &Lane<'_>, client: Pick, handle: Pick, flags: Choice) {
    let client = lane.world().client(client);
    let handle = lane.world().handle(handle, client.id);
    let mut argument = abi::drm_barium_gem_info {
        handle: handle.number,
        flags: u32::from(flags.0),
        size: u64::MAX,
    };
    let says = format!(
        "ioctl({}, DRM_IOCTL_BARIUM_GEM_INFO, {{ .handle = {} }})",
        client.fd, handle.number
    );
    let done = lane.ioctl(|| says, client.fd, abi::FUZZ_GEM_INFO, &mut argument);
    let is_known = lane.exact && handle.object.is_some() && handle.client == client.id;
    if done.is_ok() && is_known && argument.size != handle.size {
        lane.find(&format!(
            "GEM_INFO says {:#x} bytes, GEM_CREATE said {:#x}",
            argument.size, handle.size
        ));
    }
}

fn ahead(lane: &Lane<'_>, client: Pick, range: Range, flags: Choice) {
    let fd = lane.world().client(client).fd;
    let target = lane.world().target(range, true);
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
    if map_ahead(lane, fd, target, flags, pad).is_ok() && (flags, pad) != (0, 0) {
        lane.find("MAP_AHEAD took flags or a pad");
    }
}

fn map_ahead(lane: &Lane<'_>, fd: i32, target: Target, flags: u32, pad: u32) -> sys::Returned {
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
    lane.ioctl(says, fd, abi::FUZZ_MAP_AHEAD, &mut argument)
}

fn ahead_interrupted(lane: &Lane<'_>, client: Pick, map: Pick, after: u8) {
    let Some(map) = lane.world().map(map) else {
        return;
    };
    let fd = lane.world().client(client).fd;
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
    lane.say(|| format!("setitimer(ITIMER_REAL, {microseconds})"));
    set(&timer);
    let target = Target {
        start: map.address,
        len: map.len,
    };
    for _ in 0..4 {
        if map_ahead(lane, fd, target, 0, 0) == Err(libc::EINTR) {
            break;
        }
    }
    timer.it_interval.tv_usec = 0;
    timer.it_value.tv_usec = 0;
    set(&timer);
}
