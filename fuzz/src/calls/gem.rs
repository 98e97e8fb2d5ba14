// SPDX-License-Identifier: GPL-2.0 OR MIT

//! DRM's ioctls for objects: names, dma-bufs, dumb buffers.

use crate::abi;
use crate::call::{Choice, GemCall, Pick};
use crate::model::{Client, Export, Handle};
use crate::thread_context::ThreadContext;

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
pub fn run(ctx: &ThreadContext<'_>, call: GemCall) {
    match call {
        GemCall::Close { client, handle } => close(ctx, client, handle),
        GemCall::Flink { client, handle } => flink(ctx, client, handle),
        GemCall::OpenName { client, name } => open_name(ctx, client, name),
        GemCall::Export {
            client,
            handle,
            flags,
        } => export(ctx, client, handle, flags),
        GemCall::Import { client, buffer } => import(ctx, client, buffer),
        GemCall::Sync { buffer, flags } => sync(ctx, buffer, flags),
        GemCall::CreateDumb {
            client,
            width,
            height,
            bpp,
        } => create_dumb(ctx, client, [width, height], bpp),
        GemCall::MapDumb { client, handle } => map_dumb(ctx, client, handle),
        GemCall::DestroyDumb { client, handle } => destroy_dumb(ctx, client, handle),
    }
}

fn close(ctx: &ThreadContext<'_>, client: Pick, handle: Pick) {
    let client = ctx.model().client(client);
    let handle = ctx.model().handle(handle, client.id).number;
    close_handle(ctx, client, handle);
}

/// `GEM_CLOSE`
pub fn close_handle(ctx: &ThreadContext<'_>, client: Client, handle: u32) {
    let mut argument = abi::drm_gem_close { handle, pad: 0 };
    let says = || {
        format!(
            "ioctl({}, DRM_IOCTL_GEM_CLOSE, {{ .handle = {handle} }})",
            client.fd
        )
    };
    if ctx
        .ioctl(says, client.fd, abi::FUZZ_GEM_CLOSE, &mut argument)
        .is_ok()
    {
        ctx.model().drop_handle(client.id, handle);
    }
}

fn flink(ctx: &ThreadContext<'_>, client: Pick, handle: Pick) {
    let client = ctx.model().client(client);
    let handle = ctx.model().handle(handle, client.id);
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
    if ctx
        .ioctl(says, client.fd, abi::FUZZ_GEM_FLINK, &mut argument)
        .is_ok()
    {
        let known = (handle.client == client.id).then_some(handle.object);
        ctx.model().names.push(Export {
            number: argument.name as i32,
            object: known.flatten(),
            size: handle.size,
        });
    }
}

fn open_name(ctx: &ThreadContext<'_>, client: Pick, name: Pick) {
    let client = ctx.model().client(client);
    let export = {
        let model = ctx.model();
        name.of(model.names.len()).map(|index| model.names[index])
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
    if ctx
        .ioctl(says, client.fd, abi::FUZZ_GEM_OPEN, &mut argument)
        .is_ok()
    {
        // The name may belong to another object by now.
        ctx.model().add_handle(Handle {
            client: client.id,
            number: argument.handle,
            object: None,
            offset: None,
            size: argument.size,
        });
    }
}

fn export(ctx: &ThreadContext<'_>, client: Pick, handle: Pick, flags: Choice) {
    let client = ctx.model().client(client);
    let handle = ctx.model().handle(handle, client.id);
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
    if ctx
        .ioctl(says, client.fd, abi::FUZZ_HANDLE_TO_FD, &mut argument)
        .is_ok()
    {
        let known = (handle.client == client.id).then_some(handle.object);
        ctx.model().buffers.push(Export {
            number: argument.fd,
            object: known.flatten(),
            size: handle.size,
        });
    }
}

fn import(ctx: &ThreadContext<'_>, client: Pick, buffer: Pick) {
    let (client, export) = {
        let model = ctx.model();
        let export = buffer
            .of(model.buffers.len())
            .map(|index| model.buffers[index]);
        (model.client(client), export)
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
    let done = ctx.ioctl(says, client.fd, abi::FUZZ_FD_TO_HANDLE, &mut argument);
    if let (Ok(_), Some(export)) = (done, export) {
        ctx.model().add_handle(Handle {
            client: client.id,
            number: argument.handle,
            object: export.object,
            offset: None,
            size: export.size,
        });
    }
}

fn sync(ctx: &ThreadContext<'_>, buffer: Pick, flags: Choice) {
    let fd = {
        let model = ctx.model();
        buffer
            .of(model.buffers.len())
            .map_or(-1, |index| model.buffers[index].number)
    };
    let mut argument = abi::dma_buf_sync {
        flags: u64::from(flags.0 % 16),
    };
    let flags = argument.flags;
    let says = || format!("ioctl({fd}, DMA_BUF_IOCTL_SYNC, {{ .flags = {flags} }})");
    let _ = ctx.ioctl(says, fd, abi::FUZZ_DMA_BUF_SYNC, &mut argument);
}

fn create_dumb(ctx: &ThreadContext<'_>, client: Pick, size: [u16; 2], bpp: Choice) {
    let client = ctx.model().client(client);
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
    if ctx
        .ioctl(says, client.fd, abi::FUZZ_CREATE_DUMB, &mut argument)
        .is_ok()
    {
        if argument.size < u64::from(argument.pitch) * u64::from(height) || argument.size == 0 {
            ctx.report(&format!("a dumb buffer has {} bytes", argument.size));
        }
        let mut model = ctx.model();
        let object = Some(model.add_object());
        model.add_handle(Handle {
            client: client.id,
            number: argument.handle,
            object,
            offset: None,
            size: argument.size,
        });
    }
}

fn map_dumb(ctx: &ThreadContext<'_>, client: Pick, handle: Pick) {
    let client = ctx.model().client(client);
    let handle = ctx.model().handle(handle, client.id).number;
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
    let done = ctx.ioctl(says, client.fd, abi::FUZZ_MAP_DUMB, &mut argument);
    if let (Ok(_), Some(entry)) = (done, ctx.model().handle_mut(client.id, handle)) {
        entry.offset = Some(argument.offset);
    }
}

fn destroy_dumb(ctx: &ThreadContext<'_>, client: Pick, handle: Pick) {
    let client = ctx.model().client(client);
    let handle = ctx.model().handle(handle, client.id).number;
    let mut argument = abi::drm_mode_destroy_dumb { handle };
    let says = || {
        format!(
            "ioctl({}, DRM_IOCTL_MODE_DESTROY_DUMB, {{ .handle = {handle} }})",
            client.fd
        )
    };
    if ctx
        .ioctl(says, client.fd, abi::FUZZ_DESTROY_DUMB, &mut argument)
        .is_ok()
    {
        ctx.model().drop_handle(client.id, handle);
    }
}
