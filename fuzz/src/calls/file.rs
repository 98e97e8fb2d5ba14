// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Calls on files of the device.

use std::time::Duration;

use crate::call::FileCall;
use crate::device::PciDevice;
use crate::sys;
use crate::thread_context::ThreadContext;

/// Makes the call.
pub fn run(ctx: &ThreadContext<'_>, call: FileCall) {
    match call {
        FileCall::Open { card, flags } => {
            let kind = if card.one_in(4) { "card" } else { "renderD" };
            let device = match card.0 {
                FileCall::OTHER.. => ctx.other,
                _ => ctx.device,
            };
            let flags = flags.of(&[
                libc::O_RDWR,
                libc::O_RDWR,
                libc::O_RDWR,
                libc::O_RDWR,
                libc::O_RDONLY,
                libc::O_WRONLY,
                libc::O_RDWR | libc::O_NONBLOCK,
                libc::O_PATH,
            ]);
            open_node(ctx, device, kind, flags | libc::O_CLOEXEC);
        }
        FileCall::Close { client } => {
            let client = ctx.model().client(client);
            if client.id == usize::MAX {
                return;
            }
            ctx.model().clients.retain(|other| other.fd != client.fd);
            let _ = ctx.sys(
                || format!("close({})", client.fd),
                libc::SYS_close,
                &[sys::fd(client.fd)],
            );
        }
        FileCall::Dup { client } => {
            let client = ctx.model().client(client);
            let done = ctx.sys(
                || format!("dup({})", client.fd),
                libc::SYS_dup,
                &[sys::fd(client.fd)],
            );
            if let Ok(fd) = done {
                let same_as = (client.id != usize::MAX).then_some(client.id);
                if same_as.is_some() {
                    ctx.model().add_client(fd as i32, same_as);
                } else {
                    let _ = sys::call(libc::SYS_close, &[fd]);
                }
            }
        }
        FileCall::CloseBuffer { buffer } => {
            let mut model = ctx.model();
            let Some(index) = buffer.of(model.buffers.len()) else {
                return;
            };
            let fd = model.buffers.swap_remove(index).number;
            drop(model);
            let _ = ctx.sys(|| format!("close({fd})"), libc::SYS_close, &[sys::fd(fd)]);
        }
        FileCall::Other {
            client,
            what,
            number,
        } => {
            let fd = ctx.model().client(client).fd;
            if fd > 2 {
                other(ctx, fd, what.0, usize::from(number));
            }
        }
    }
}

/// Opens a node of `device` and adds the file to the model.
pub fn open_node(ctx: &ThreadContext<'_>, device: &PciDevice, kind: &str, flags: i32) {
    let node = device.node(kind);
    let path = node.unwrap_or_else(|| format!("/dev/dri/{kind}0"));
    ctx.trace_call(|| format!("open(\"{path}\", {flags:#o})"));
    let done = sys::open(&path, flags);
    ctx.shared.count();
    ctx.shared.note(done.err().unwrap_or(0) as u64);
    ctx.trace_result(|| format!("= {done:?}"));
    if let Ok(fd) = done {
        ctx.model().add_client(fd, None);
    }
}

/// Other file operations.
fn other(ctx: &ThreadContext<'_>, fd: i32, what: u8, number: usize) {
    let mut bytes = [0u8; 1024];
    let buffer = bytes.as_mut_ptr() as usize;
    let len = number % bytes.len();
    let file = sys::fd(fd);
    // Otherwise read() waits for an event.
    let nonblock = [file, libc::F_SETFL as usize, libc::O_NONBLOCK as usize];
    let _ = sys::call(libc::SYS_fcntl, &nonblock);
    let _ = match what % FileCall::KINDS {
        0 => {
            let read = [file, buffer, len];
            ctx.sys(
                || format!("read({fd}, buffer, {len})"),
                libc::SYS_read,
                &read,
            )
        }
        1 => {
            let write = [file, buffer, len];
            ctx.sys(
                || format!("write({fd}, buffer, {len})"),
                libc::SYS_write,
                &write,
            )
        }
        2 => {
            let seek = [file, number, number % 5];
            ctx.sys(
                || format!("lseek({fd}, {number}, {})", number % 5),
                libc::SYS_lseek,
                &seek,
            )
        }
        3 => {
            let mut poll = libc::pollfd {
                fd,
                events: number as i16,
                revents: 0,
            };
            let pointer = std::ptr::from_mut(&mut poll) as usize;
            let time = sys::timespec(Duration::ZERO);
            ctx.sys(
                || format!("ppoll({fd}, {:#x})", number as i16),
                libc::SYS_ppoll,
                &[pointer, 1, std::ptr::from_ref(&time) as usize],
            )
        }
        4 => ctx.sys(
            || format!("ftruncate({fd}, {number})"),
            libc::SYS_ftruncate,
            &[file, number],
        ),
        5 => ctx.sys(
            || format!("fallocate({fd}, {}, 0, 4096)", number % 8),
            libc::SYS_fallocate,
            &[file, number % 8, 0, 4096],
        ),
        6 => {
            let stat = [file, buffer];
            ctx.sys(|| format!("fstat({fd}, buffer)"), libc::SYS_fstat, &stat)
        }
        7 => ctx.sys(|| format!("fsync({fd})"), libc::SYS_fsync, &[file]),
        8 => ctx.sys(
            || format!("pread({fd}, buffer, {len}, {number})"),
            libc::SYS_pread64,
            &[file, buffer, len, number],
        ),
        9 => read_file(ctx, &format!("/proc/self/fdinfo/{fd}")),
        10 => {
            let files = [
                "smaps",
                "numa_maps",
                "maps",
                "smaps_rollup",
                "pagemap",
                "status",
            ];
            read_file(ctx, &format!("/proc/self/{}", files[number % files.len()]))
        }
        FileCall::STATUS => {
            let files = [
                "name",
                "clients",
                "gem_names",
                "framebuffer",
                "state",
                "objects",
                "vram",
            ];
            read_file(ctx, &ctx.device.debugfs(files[number % files.len()]))
        }
        _ => evict(ctx),
    };
}

/// Moves all objects out of VRAM that can be moved. Their content stays.
fn evict(ctx: &ThreadContext<'_>) -> sys::Returned {
    let path = ctx.device.debugfs("evict");
    ctx.trace_call(|| format!("write_file(\"{path}\", \"1\")"));
    ctx.shared.count();
    sys::write_file(&path, "1")
}

fn read_file(ctx: &ThreadContext<'_>, path: &str) -> sys::Returned {
    ctx.trace_call(|| format!("read_file(\"{path}\")"));
    ctx.shared.count();
    let file = sys::open(path, libc::O_RDONLY | libc::O_CLOEXEC)?;
    let mut bytes = [0u8; 4096];
    for _ in 0..64 {
        let read = [sys::fd(file), bytes.as_mut_ptr() as usize, bytes.len()];
        match sys::call(libc::SYS_read, &read) {
            Ok(count) if count > 0 => (),
            _ => break,
        }
    }
    sys::call(libc::SYS_close, &[sys::fd(file)])
}
