// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Accesses to memory that may not be mapped: a faulting access returns its signal, and the process
//! continues.
//!
//! The accesses are short assembly functions. If SIGSEGV or SIGBUS occurs in one of them, the
//! signal handler makes the thread continue at the function's end.

use std::arch::global_asm;

global_asm!(
    // fn(address: rdi, value: *mut u64 rsi) -> signal
    ".globl barium_fuzz_load",
    "barium_fuzz_load:",
    "mov rax, [rdi]",
    "mov [rsi], rax",
    "xor eax, eax",
    "ret",
    // fn(address: rdi, value: rsi) -> signal
    ".globl barium_fuzz_store",
    "barium_fuzz_store:",
    "mov [rdi], rsi",
    "xor eax, eax",
    "ret",
    ".globl barium_fuzz_end",
    "barium_fuzz_end:",
    "ret",
);

extern "C" {
    fn barium_fuzz_load(address: usize, value: *mut u64) -> i32;
    fn barium_fuzz_store(address: usize, value: u64) -> i32;
    fn barium_fuzz_end();
}

/// Reads eight bytes. Returns the value or the signal that the access raised.
pub fn load(address: usize) -> Result<u64, i32> {
    let mut value = 0;
    // SAFETY: the function reads memory of the device or the arena; if the access raises a signal, the
    // handler ends the function.
    match unsafe { barium_fuzz_load(address, &mut value) } {
        0 => Ok(value),
        signal => Err(signal),
    }
}

/// Writes eight bytes. No Rust object may be at `address`: see [`crate::sys::call`].
pub fn store(address: usize, value: u64) -> Result<(), i32> {
    // SAFETY: the function writes memory of the device or the arena; if the access raises a signal,
    // the handler ends the function.
    match unsafe { barium_fuzz_store(address, value) } {
        0 => Ok(()),
        signal => Err(signal),
    }
}

/// Installs the signal handlers.
pub fn catch() {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        set_handler(signal, handler as *const () as usize, libc::SA_SIGINFO);
    }
    // Interrupts blocking system calls, and has no other effect.
    set_handler(libc::SIGALRM, ignore as *const () as usize, 0);
}

fn set_handler(signal: i32, handler: usize, flags: i32) {
    // SAFETY: all-zero bytes are a valid value of this type.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: the handlers change only the interrupted context, or nothing.
    unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
}

extern "C" fn ignore(_signal: i32) {}

extern "C" fn handler(signal: i32, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let start = barium_fuzz_load as *const () as usize;
    let end = barium_fuzz_end as *const () as usize;
    // SAFETY: the kernel passes a pointer to the interrupted context.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let at = registers[libc::REG_RIP as usize] as usize;
    if (start..end).contains(&at) {
        registers[libc::REG_RAX as usize] = signal.into();
        registers[libc::REG_RIP as usize] = end as i64;
    } else {
        set_handler(signal, libc::SIG_DFL, 0);
    }
}
