// SPDX-License-Identifier: GPL-2.0 OR MIT

//! DRM's ioctls for objects: names, dma-bufs, dumb buffers.

use crate::abi;
use crate::call::{Choice, GemCall, Pick};
use crate::lane::Lane;
use crate::world::{Client, Export, Handle};

/// Bits per pixel: displayable ones, ones that clients use for other buffers, and invalid ones.
const BPPS: &[u32] = &[
    32,
    32,
    32,
    16,
    8,
    24,
    1,
    0,
    64,
    u32::MAX,
    2,
    4,
    10,
    12,
    15,
    30,
    3,
];

/// Makes the call.
pub fn run(lane: &Lane<'_>, call: GemCall) {
    match call {
        GemCall::Close { client, handle } => close(lane, client, handle),
        GemCall::Flink { client, handle } => flink(lane, client, handle),
        GemCall::OpenName { client, name } => open_name(lane, client, name),
        GemCall::Export {
            client,
            handle,
            flags,
        } => export(lane, client, handle, flags),
        GemCall::Import { client, buffer } => import(lane, client, buffer),
        GemCall::Sync { buffer, flags } => sync(lane, buffer, flags),
        GemCall::CreateDumb {
            client,
            width,
            height,
            bpp,
        } => create_dumb(lane, client, [width, height], bpp),
        GemCall::MapDumb { client, handle } => map_dumb(lane, client, handle),
        GemCall::DestroyDumb { client, handle } => destroy_dumb(lane, client, handle),
    }
}

fn close(lane: &Lane<'_>, client: Pick, handle: Pick) {
    let client = lane.world().client(client);
    let handle = lane.world().handle(handle, client.id).number;
    close_handle(lane, client, handle);
}

/// `GEM_CLOSE`
pub fn close_handle(lane: &Lane<'_>, client: Client, handle: u32) {
    let mut argument = abi::drm_gem_close { handle, pad: 0 };
    let says = || {
        format!(
            "ioctl({}, DRM_IOCTL_GEM_CLOSE, {{ .handle = {handle} }})",
            client.fd
        )
    };
    if lane
        .ioctl(says, client.fd, abi::FUZZ_GEM_CLOSE, &mut argument)
        .is_ok()
    {
        lane.world().drop_handle(client.id, handle);
    }
}

fn flink(lane: &Lane<'_>, client: Pick, handle: Pick) {
    let client = lane.world().client(client);
    let handle = lane.world().handle(handle, client.id);
    let mut argument = abi::drm_gem_flink {
        handle: handle.number,
        name: 0,
    };
    let says = || {
        format!(
            "ioctl({}, DRM_IOCTL_GEM_FLINK, {{ .handle = {} }})",
            client.fd, handle.number
        )
    };
    if lane
        .ioctl(says, client.fd, abi::FUZZ_GEM_FLINK, &mut argument)
        .is_ok()
    {
        let known = (handle.client == client.id).then_some(handle.object);
        lane.world().names.push(Export {
            number: argument.name as i32,
            object: known.flatten(),
            size: handle.size,
        });
    }
}

fn open_name(lane: &Lane<'_>, client: Pick, name: Pick) {
    let client = lane.world().client(client);
    let export = {
        let world = lane.world();
        name.of(world.names.len()).map(|index| world.names[index])
    };
    let mut argument = abi::drm_gem_open {
        name: export.map_or(u32::from(name.0), |export| export.number as u32),
        handle: 0,
        size: 0,
    };
    let name = argument.name;
    let says = || {
        format!(
            "ioctl({}, DRM_IOCTL_GEM_OPEN, {{ .name = {name} }})",
            client.fd
        )
    };
    if lane
        .ioctl(says, client.fd, abi::FUZZ_GEM_OPEN, &mut argument)
        .is_ok()
    {
        // The name may belong to another object by now.
        lane.world().add_handle(Handle {
            client: client.id,
            number: argument.handle,
            object: None,
            offset: None,
            size: argument.size,
        });
    }
}

fn export(lane: &Lane<'_>, client: Pick, handle: Pick, flags: Choice) {
    let client = lane.world().client(client);
    let handle = lane.world().handle(handle, client.id);
    let read_write = libc::O_RDWR as u32;
    let flags = flags.of(&[
        read_write,
        read_write,
        read_write,
        0,
        libc::O_CLOEXEC as u32,
        1 << 20,
    ]);
    let mut argument = abi::drm_prime_handle {
        handle: handle.number,
        flags,
        fd: -1,
    };
    let says = || {
        format!(
            "ioctl({}, DRM_IOCTL_PRIME_HANDLE_TO_FD, {{ .handle = {}, .flags = {flags:#x} }})",
            client.fd, handle.number
        )
    };
    if lane
        .ioctl(says, client.fd, abi::FUZZ_HANDLE_TO_FD, &mut argument)
        .is_ok()
    {
        let known = (handle.client == client.id).then_some(handle.object);
        lane.world().buffers.push(Export {
            number: argument.fd,
            object: known.flatten(),
            size: handle.size,
        });
    }
}

fn import(lane: &Lane<'_>, client: Pick, buffer: Pick) {
    let (client, export) = {
        let world = lane.world();
        let export = buffer
            .of(world.buffers.len())
            .map(|index| world.buffers[index]);
        (world.client(client), export)
    };
    let fd = export.map_or([-1, client.fd, 0][usize::from(buffer.0) % 3], |e| e.number);
    let mut argument = abi::drm_prime_handle {
        handle: 0,
        flags: 0,
        fd,
    };
    let says = || {
        format!(
            "ioctl({}, DRM_IOCTL_PRIME_FD_TO_HANDLE, {{ .fd = {fd} }})",
            client.fd
        )
    };
    let done = lane.ioctl(says, client.fd, abi::FUZZ_FD_TO_HANDLE, &mut argument);
    if let (Ok(_), Some(export)) = (done, export) {
        lane.world().add_handle(Handle {
            client: client.id,
            number: argument.handle,
            object: export.object,
            offset: None,
            size: export.size,
        });
    }
}

fn sync(lane: &Lane<'_>, buffer: Pick, flags: Choice) {
    let fd = {
        let world = lane.world();
        buffer
            .of(world.buffers.len())
            .map_or(-1, |index| world.buffers[index].number)
    };
    let mut argument = abi::dma_buf_sync {
        flags: u64::from(flags.0 % 16),
    };
    let flags = argument.flags;
    let says = || format!("ioctl({fd}, DMA_BUF_IOCTL_SYNC, {{ .flags = {flags} }})");
    let _ = lane.ioctl(says, fd, abi::FUZZ_DMA_BUF_SYNC, &mut argument);
}

fn create_dumb(lane: &Lane<'_>, client: Pick, size: [u16; 2], bpp: Choice) {
    let client = lane.world().client(client);
    let side = |side: u16, usual: [u32; 3]| match side % 8 {
        0 => u32::from(side) << 16,
        1 => 0,
        2..=4 => usual[usize::from(side) / 8 % 3],
        _ => u32::from(side % 700),
    };
    let width = side(size[0], [640, 800, 1024]);
    let height = side(size[1], [480, 600, 768]);
    let mut argument = abi::drm_mode_create_dumb {
        height,
        width,
        bpp: bpp.of(BPPS),
        flags: 0,
        handle: 0,
        pitch: 0,
        size: 0,
    };
    let bpp = argument.bpp;
    let says = || {
        format!(
            "ioctl({}, DRM_IOCTL_MODE_CREATE_DUMB, {{ .width = {width}, .height = {height}, \
             .bpp = {bpp} }})",
            client.fd
        )
    };
    if lane
        .ioctl(says, client.fd, abi::FUZZ_CREATE_DUMB, &mut argument)
        .is_ok()
    {
        if argument.size < u64::from(argument.pitch) * u64::from(height) || argument.size == 0 {
            lane.find(&format!("a dumb buffer has {} bytes", argument.size));
        }
        let mut world = lane.world();
        let object = Some(world.add_object());
        world.add_handle(Handle {
            client: client.id,
            number: argument.handle,
            object,
            offset: None,
            size: argument.size,
        });
    }
}

fn map_dumb(lane: &Lane<'_>, client: Pick, handle: Pick) {
    let client = lane.world().client(client);
    let handle = lane.world().handle(handle, client.id).number;
    let mut argument = abi::drm_mode_map_dumb {
        handle,
        pad: 0,
        offset: 0,
    };
    let says = || {
        format!(
            "ioctl({}, DRM_IOCTL_MODE_MAP_DUMB, {{ .handle = {handle} }})",
            client.fd
        )
    };
    let done = lane.ioctl(says, client.fd, abi::FUZZ_MAP_DUMB, &mut argument);
    if let (Ok(_), Some(entry)) = (done, lane.world().handle_mut(client.id, handle)) {
        entry.offset = Some(argument.offset);
    }
}

fn destroy_dumb(lane: &Lane<'_>, client: Pick, handle: Pick) {
    let client = lane.world().client(client);
    let handle = lane.world().handle(handle, client.id).number;
    let mut argument = abi::drm_mode_destroy_dumb { handle };
    let says = || {
        format!(
            "ioctl({}, DRM_IOCTL_MODE_DESTROY_DUMB, {{ .handle = {handle} }})",
            client.fd
        )
    };
    if lane
        .ioctl(says, client.fd, abi::FUZZ_DESTROY_DUMB, &mut argument)
        .is_ok()
    {
        lane.world().drop_handle(client.id, handle);
    }
}
