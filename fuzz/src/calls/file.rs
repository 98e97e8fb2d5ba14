// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Calls on files of the device.

use crate::call::FileCall;
use crate::device::Place;
use crate::lane::Lane;
use crate::sys;

/// Makes the call.
pub fn run(lane: &Lane<'_>, call: FileCall) {
    match call {
        FileCall::Open { card, flags } => {
            let kind = if card.one_in(4) { "card" } else { "renderD" };
            let place = match card.0 {
                FileCall::OTHER.. => lane.other,
                _ => lane.place,
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
            open_node(lane, place, kind, flags | libc::O_CLOEXEC);
        }
        FileCall::Close { client } => {
            let client = lane.world().client(client);
            if client.id == usize::MAX {
                return;
            }
            lane.world().clients.retain(|other| other.fd != client.fd);
            let _ = lane.sys(
                || format!("close({})", client.fd),
                libc::SYS_close,
                &[sys::fd(client.fd)],
            );
        }
        FileCall::Dup { client } => {
            let client = lane.world().client(client);
            let done = lane.sys(
                || format!("dup({})", client.fd),
                libc::SYS_dup,
                &[sys::fd(client.fd)],
            );
            if let Ok(fd) = done {
                let same_as = (client.id != usize::MAX).then_some(client.id);
                if same_as.is_some() {
                    lane.world().add_client(fd as i32, same_as);
                } else {
                    let _ = sys::call(libc::SYS_close, &[fd]);
                }
            }
        }
        FileCall::CloseBuffer { buffer } => {
            let mut world = lane.world();
            let Some(index) = buffer.of(world.buffers.len()) else {
                return;
            };
            let fd = world.buffers.swap_remove(index).number;
            drop(world);
            let _ = lane.sys(|| format!("close({fd})"), libc::SYS_close, &[sys::fd(fd)]);
        }
        FileCall::Other {
            client,
            what,
            number,
        } => {
            let fd = lane.world().client(client).fd;
            if fd > 2 {
                other(lane, fd, what.0, usize::from(number));
            }
        }
    }
}

/// Opens a node of the device `place` and adds the file to the model.
pub fn open_node(lane: &Lane<'_>, place: &Place, kind: &str, flags: i32) {
    let node = place.node(kind);
    let path = node.unwrap_or_else(|| format!("/dev/dri/{kind}0"));
    lane.say(|| format!("open(\"{path}\", {flags:#o})"));
    let done = sys::open(&path, flags);
    lane.shared.count();
    lane.shared.note(done.err().unwrap_or(0) as u64);
    lane.tell(|| format!("= {done:?}"));
    if let Ok(fd) = done {
        lane.world().add_client(fd, None);
    }
}

/// Other file operations.
fn other(lane: &Lane<'_>, fd: i32, what: u8, number: usize) {
    let mut bytes = [0u8; 1024];
    let buffer = bytes.as_mut_ptr() as usize;
    let len = number % bytes.len();
    let file = sys::fd(fd);
    // Otherwise read() waits for an event.
    let nonblock = [file, libc::F_SETFL as usize, libc::O_NONBLOCK as usize];
    let _ = sys::call(libc::SYS_fcntl, &nonblock);
    let _ = match what % 12 {
        0 => {
            let read = [file, buffer, len];
            lane.sys(
                || format!("read({fd}, buffer, {len})"),
                libc::SYS_read,
                &read,
            )
        }
        1 => {
            let write = [file, buffer, len];
            lane.sys(
                || format!("write({fd}, buffer, {len})"),
                libc::SYS_write,
                &write,
            )
        }
        2 => {
            let seek = [file, number, number % 5];
            lane.sys(
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
            lane.sys(
                || format!("poll({fd}, {:#x})", number as i16),
                libc::SYS_poll,
                &[pointer, 1, 0],
            )
        }
        4 => lane.sys(
            || format!("ftruncate({fd}, {number})"),
            libc::SYS_ftruncate,
            &[file, number],
        ),
        5 => lane.sys(
            || format!("fallocate({fd}, {}, 0, 4096)", number % 8),
            libc::SYS_fallocate,
            &[file, number % 8, 0, 4096],
        ),
        6 => {
            let stat = [file, buffer];
            lane.sys(|| format!("fstat({fd}, buffer)"), libc::SYS_fstat, &stat)
        }
        7 => lane.sys(|| format!("fsync({fd})"), libc::SYS_fsync, &[file]),
        8 => lane.sys(
            || format!("pread({fd}, buffer, {len}, {number})"),
            libc::SYS_pread64,
            &[file, buffer, len, number],
        ),
        9 => read_file(lane, &format!("/proc/self/fdinfo/{fd}")),
        10 => {
            let files = [
                "smaps",
                "numa_maps",
                "maps",
                "smaps_rollup",
                "pagemap",
                "status",
            ];
            read_file(lane, &format!("/proc/self/{}", files[number % files.len()]))
        }
        _ => {
            let files = ["name", "clients", "gem_names", "framebuffer", "state"];
            read_file(lane, &lane.place.debugfs(files[number % files.len()]))
        }
    };
}

fn read_file(lane: &Lane<'_>, path: &str) -> sys::Returned {
    lane.say(|| format!("read_file(\"{path}\")"));
    lane.shared.count();
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
