// SPDX-License-Identifier: GPL-2.0 OR MIT

//! System calls with a mapping as their buffer. Calls that pin pages must fail: the mapping has no
//! struct pages.

use crate::call::Buffer;
use crate::sys::{self, PAGE};
use crate::thread_context::ThreadContext;

/// `IORING_REGISTER_BUFFERS`, from linux/io_uring.h.
const REGISTER_BUFFERS: usize = 0;

/// Makes the call.
pub fn run(ctx: &ThreadContext<'_>, call: Buffer) {
    if ctx.model().maps.is_empty() {
        return;
    }
    let target = ctx.model().target(call.range, false);
    let start = target.start & !(PAGE - 1);
    if ctx.model().map_at(&(start..start + PAGE)).is_none() {
        return;
    }
    match call.what.0 % 8 {
        0 => vmsplice(ctx, start),
        1 => direct_read(ctx, start),
        2 => copy_in(ctx, start),
        3 => copy_out(ctx, start),
        4 => {
            let _ = ctx.sys(
                || format!("futex({start:#x}, FUTEX_WAIT, 1)"),
                libc::SYS_futex,
                &[start, libc::FUTEX_WAKE as usize, 1, 0, 0, 0],
            );
        }
        5 => register(ctx, start),
        6 => {
            let _ = ctx.sys(
                || format!("getrandom({:#x}, 64)", start + 64),
                libc::SYS_getrandom,
                &[start + 64, 64, 0],
            );
        }
        _ => {
            let mut node = [0usize; 64];
            let mut pages = [start; 1];
            let pid = 0;
            let status = node.as_mut_ptr() as usize;
            let _ = ctx.sys(
                || format!("move_pages(0, 1, {{ {start:#x} }})"),
                libc::SYS_move_pages,
                &[pid, 1, pages.as_mut_ptr() as usize, 0, status, 0],
            );
        }
    }
}

fn expect_failure(ctx: &ThreadContext<'_>, name: &str, done: sys::Returned) {
    if matches!(done, Ok(count) if count > 0) {
        ctx.report(&format!("{name} of a mapping succeeded"));
    }
}

fn vmsplice(ctx: &ThreadContext<'_>, start: usize) {
    let mut pipe = [0i32; 2];
    if sys::call(libc::SYS_pipe2, &[pipe.as_mut_ptr() as usize, 0]).is_err() {
        return;
    }
    let vector = [start, PAGE];
    let done = ctx.sys(
        || format!("vmsplice(pipe, {{ {start:#x}, 4096 }})"),
        libc::SYS_vmsplice,
        &[
            sys::fd(pipe[1]),
            vector.as_ptr() as usize,
            1,
            libc::SPLICE_F_NONBLOCK as usize,
        ],
    );
    if ctx.exact {
        expect_failure(ctx, "vmsplice()", done);
    }
    for fd in pipe {
        let _ = sys::call(libc::SYS_close, &[sys::fd(fd)]);
    }
}

fn direct_read(ctx: &ThreadContext<'_>, start: usize) {
    let Ok(disk) = sys::open("/dev/vda", libc::O_RDONLY | libc::O_DIRECT) else {
        return;
    };
    let done = ctx.sys(
        || format!("read(open(\"/dev/vda\", O_DIRECT), {start:#x}, 512)"),
        libc::SYS_pread64,
        &[sys::fd(disk), start, 512, 0],
    );
    if ctx.exact {
        expect_failure(ctx, "direct I/O", done);
    }
    let _ = sys::call(libc::SYS_close, &[sys::fd(disk)]);
}

/// The kernel writes to the mapping with copy_to_user().
fn copy_in(ctx: &ThreadContext<'_>, start: usize) {
    let Ok(zero) = sys::open("/dev/zero", libc::O_RDONLY) else {
        return;
    };
    let _ = ctx.sys(
        || format!("read(open(\"/dev/zero\"), {start:#x}, 1024)"),
        libc::SYS_read,
        &[sys::fd(zero), start, 1024],
    );
    let _ = sys::call(libc::SYS_close, &[sys::fd(zero)]);
}

/// The kernel reads from the mapping with copy_from_user(), also across its end.
fn copy_out(ctx: &ThreadContext<'_>, start: usize) {
    let name = c"barium-fuzz";
    let Ok(file) = sys::call(libc::SYS_memfd_create, &[name.as_ptr() as usize, 0]) else {
        return;
    };
    let _ = ctx.sys(
        || format!("write(memfd, {start:#x}, {})", 2 * PAGE),
        libc::SYS_write,
        &[file, start, 2 * PAGE],
    );
    let _ = sys::call(libc::SYS_close, &[file]);
}

/// Registers the mapping as a buffer with io_uring.
fn register(ctx: &ThreadContext<'_>, start: usize) {
    let mut params = [0u32; 30];
    let setup = [1, params.as_mut_ptr() as usize];
    let Ok(ring) = sys::call(libc::SYS_io_uring_setup, &setup) else {
        return;
    };
    let vector = [start, PAGE];
    let done = ctx.sys(
        || format!("io_uring_register(ring, IORING_REGISTER_BUFFERS, {{ {start:#x}, 4096 }})"),
        libc::SYS_io_uring_register,
        &[ring, REGISTER_BUFFERS, vector.as_ptr() as usize, 1],
    );
    if ctx.exact && done.is_ok() {
        ctx.report("a mapping was registered with io_uring");
    }
    let _ = sys::call(libc::SYS_close, &[ring]);
}
