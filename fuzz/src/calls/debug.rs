// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Accesses of a debugger: `/proc/pid/mem`, `process_vm_readv()`, and `ptrace()` of a child with
//! the same mappings.

use crate::arena;
use crate::call::Debug;
use crate::model::{Target, WORD_AT};
use crate::sys::{self, PAGE};
use crate::thread_context::ThreadContext;

use super::touch;

/// Size of the buffer in bytes.
const BUFFER_SIZE: usize = 3 * PAGE;

/// Makes the call.
pub fn run(ctx: &ThreadContext<'_>, call: Debug) {
    if ctx.model().maps.is_empty() {
        return;
    }
    let target = ctx.model().target(call.range, false);
    let start = target.start & !(PAGE - 1);
    let at = start + call.at.of(&[0, 0, 8, 64, PAGE - 8, PAGE - 4, PAGE - 1]);
    let len = match call.len % 8 {
        0 => 0,
        1 => PAGE + usize::from(call.len) % (2 * PAGE),
        2 => PAGE,
        _ => usize::from(call.len) / 8 % 256,
    };
    match call.means.0 % 10 {
        0 | 1 => read_word(ctx, target),
        2 | 3 => write_word(ctx, target),
        4 | 5 => transfer(ctx, at, len, Means::ProcMem, false),
        6 => transfer(ctx, at, len.min(128), Means::ProcMem, true),
        7 => transfer(ctx, at, len, Means::Vm, call.len % 2 == 0),
        _ => trace_child(ctx, at),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Means {
    ProcMem,
    Vm,
}

fn proc_mem(ctx: &ThreadContext<'_>, at: usize, buffer: &mut [u8], write: bool) -> sys::Returned {
    let file = sys::open("/proc/self/mem", libc::O_RDWR | libc::O_CLOEXEC)?;
    let (name, number) = match write {
        true => ("pwrite", libc::SYS_pwrite64),
        false => ("pread", libc::SYS_pread64),
    };
    let len = buffer.len();
    let done = ctx.sys(
        || format!("{name}(open(\"/proc/self/mem\"), buffer, {len}, {at:#x})"),
        number,
        &[sys::fd(file), buffer.as_mut_ptr() as usize, len, at],
    );
    let _ = sys::call(libc::SYS_close, &[sys::fd(file)]);
    done
}

/// Reads a word whose value the model knows, and checks it.
fn read_word(ctx: &ThreadContext<'_>, target: Target) {
    let start = target.start & !(PAGE - 1);
    let Some(map) = ctx.model().map_at(&(start..start + PAGE)) else {
        return;
    };
    let mut word = [0; 8];
    if proc_mem(ctx, start + WORD_AT, &mut word, false) == Ok(word.len()) {
        let page = (start - map.address) / PAGE;
        touch::compare(ctx, &map, page, u64::from_le_bytes(word), "/proc/self/mem");
    }
}

/// Writes a word whose value the model tracks.
fn write_word(ctx: &ThreadContext<'_>, target: Target) {
    let start = target.start & !(PAGE - 1);
    let Some(map) = ctx.model().map_at(&(start..start + PAGE)) else {
        return;
    };
    let page = map.first + (start - map.address) / PAGE;
    let word = page as u64 ^ 0x6465_6275_6700;
    match proc_mem(ctx, start + WORD_AT, &mut word.to_le_bytes(), true) {
        Ok(8) => ctx.model().set_word(map.object, page, word),
        // A word in the middle of a page must not be written in part.
        Ok(count) if count > 0 => {
            ctx.report(&format!("/proc/self/mem took {count} bytes of a word"))
        }
        _ => (),
    }
    let writable = map.prot & libc::PROT_WRITE != 0;
    if ctx.exact && map.certain && !writable && ctx.model().word(map.object, page) == Some(word) {
        let mut is = [0; 8];
        let read = proc_mem(ctx, start + WORD_AT, &mut is, false);
        if read == Ok(8) && u64::from_le_bytes(is) != word {
            ctx.report("/proc/self/mem reports a write that did not happen");
        }
    }
}

/// Transfers other bytes than the tracked words: a write ends before the next word.
fn transfer(ctx: &ThreadContext<'_>, at: usize, len: usize, means: Means, write: bool) {
    let mut buffer = vec![0x5a_u8; BUFFER_SIZE];
    let len = if write {
        len.min(64)
    } else {
        len.min(BUFFER_SIZE)
    };
    let page = at & !(PAGE - 1);
    let end = ctx
        .model()
        .map_at(&(page..page + PAGE))
        .map(|map| map.address + map.len);
    if write && !arena::has(&(at..at + len)) && end.is_none_or(|end| at + len > end) {
        // Memory after the mapping may belong to the fuzzer.
        return;
    }
    if means == Means::ProcMem {
        let _ = proc_mem(ctx, at, &mut buffer[..len], write);
        return;
    }
    let (name, number) = match write {
        true => ("process_vm_writev", libc::SYS_process_vm_writev),
        false => ("process_vm_readv", libc::SYS_process_vm_readv),
    };
    let local = [buffer.as_mut_ptr() as usize, len];
    let remote = [at, len];
    let pid = std::process::id() as usize;
    let _ = ctx.sys(
        || format!("{name}(getpid(), buffer, {at:#x}, {len})"),
        number,
        &[
            pid,
            local.as_ptr() as usize,
            1,
            remote.as_ptr() as usize,
            1,
            0,
        ],
    );
}

/// Reads and writes words of a child with ptrace.
fn trace_child(ctx: &ThreadContext<'_>, at: usize) {
    let child = match sys::fork() {
        Ok(0) => loop {
            let _ = sys::pause();
        },
        Ok(child) => child,
        Err(_) => return,
    };
    let ptrace = |name: &str, request: usize, address: usize, data: usize| {
        ctx.sys(
            || format!("ptrace({name}, child, {address:#x}, {data:#x})"),
            libc::SYS_ptrace,
            &[request, child as usize, address, data],
        )
    };
    let mut word = 0u64;
    let pointer = std::ptr::from_mut(&mut word) as usize;
    let attached = ptrace("PTRACE_ATTACH", libc::PTRACE_ATTACH as usize, 0, 0);
    if attached.is_ok() && sys::wait(child, libc::__WALL).is_ok() {
        let aligned = at & !7;
        let _ = ptrace(
            "PTRACE_PEEKDATA",
            libc::PTRACE_PEEKDATA as usize,
            aligned,
            pointer,
        );
        let _ = ptrace(
            "PTRACE_POKEDATA",
            libc::PTRACE_POKEDATA as usize,
            aligned,
            0x77,
        );
        let _ = ptrace(
            "PTRACE_PEEKDATA",
            libc::PTRACE_PEEKDATA as usize,
            at,
            pointer,
        );
    }
    let _ = sys::kill(child, libc::SIGKILL);
    let _ = sys::wait(child, libc::__WALL);
}
