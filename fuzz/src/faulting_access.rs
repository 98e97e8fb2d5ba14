// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Accesses to memory that may not be mapped: a faulting access returns its signal, and the process
//! continues.
//!
//! The accesses are short assembly functions. If SIGSEGV or SIGBUS occurs in one of them, the
//! signal handler makes the thread continue at the function's end.

use std::arch::global_asm;

// Each architecture has these functions, and the module `registers`.
//
// fn barium_fuzz_load(address: usize, value: *mut u64) -> signal
// fn barium_fuzz_store(address: usize, value: u64) -> signal

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl barium_fuzz_load",
    "barium_fuzz_load:",
    "mov rax, [rdi]",
    "mov [rsi], rax",
    "xor eax, eax",
    "ret",
    ".globl barium_fuzz_store",
    "barium_fuzz_store:",
    "mov [rdi], rsi",
    "xor eax, eax",
    "ret",
    ".globl barium_fuzz_end",
    "barium_fuzz_end:",
    "ret",
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl barium_fuzz_load",
    "barium_fuzz_load:",
    "ldr x2, [x0]",
    "str x2, [x1]",
    "mov x0, #0",
    "ret",
    ".globl barium_fuzz_store",
    "barium_fuzz_store:",
    "str x1, [x0]",
    "mov x0, #0",
    "ret",
    ".globl barium_fuzz_end",
    "barium_fuzz_end:",
    "ret",
);

#[cfg(target_arch = "riscv64")]
global_asm!(
    ".globl barium_fuzz_load",
    "barium_fuzz_load:",
    "ld a2, 0(a0)",
    "sd a2, 0(a1)",
    "li a0, 0",
    "ret",
    ".globl barium_fuzz_store",
    "barium_fuzz_store:",
    "sd a1, 0(a0)",
    "li a0, 0",
    "ret",
    ".globl barium_fuzz_end",
    "barium_fuzz_end:",
    "ret",
);

/// The registers of an interrupted context that the signal handler uses.
#[cfg(target_arch = "x86_64")]
mod registers {
    /// Returns the address of the next instruction.
    pub fn next(context: &libc::ucontext_t) -> usize {
        context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize
    }

    /// Continues at `next`; the function there returns `value`.
    pub fn set(context: &mut libc::ucontext_t, next: usize, value: i32) {
        let registers = &mut context.uc_mcontext.gregs;
        registers[libc::REG_RAX as usize] = value.into();
        registers[libc::REG_RIP as usize] = next as i64;
    }
}

#[cfg(target_arch = "aarch64")]
mod registers {
    pub fn next(context: &libc::ucontext_t) -> usize {
        context.uc_mcontext.pc as usize
    }

    pub fn set(context: &mut libc::ucontext_t, next: usize, value: i32) {
        context.uc_mcontext.regs[0] = value as u64;
        context.uc_mcontext.pc = next as u64;
    }
}

#[cfg(target_arch = "riscv64")]
mod registers {
    /// The index of `a0`; that of the program counter is 0.
    const A0: usize = 10;

    pub fn next(context: &libc::ucontext_t) -> usize {
        context.uc_mcontext.__gregs[0] as usize
    }

    pub fn set(context: &mut libc::ucontext_t, next: usize, value: i32) {
        context.uc_mcontext.__gregs[A0] = value as u64;
        context.uc_mcontext.__gregs[0] = next as u64;
    }
}

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
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    if (start..end).contains(&registers::next(context)) {
        registers::set(context, end, signal);
    } else {
        set_handler(signal, libc::SIG_DFL, 0);
    }
}
