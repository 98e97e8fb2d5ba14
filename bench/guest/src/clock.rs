// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Cost: guest instructions.
//!
//! Under QEMU's `-icount shift=0` the time stamp counter counts executed guest instructions, so
//! reading it costs one instruction and gives the exact count. [`check`] refuses to measure where
//! this does not hold.

use std::arch::x86_64::_rdtsc;
use std::hint::black_box;

/// Guest instructions executed so far.
pub fn instructions() -> u64 {
    // SAFETY: every x86-64 processor has the instruction.
    unsafe { _rdtsc() }
}

/// Guest instructions that `work` takes.
pub fn cost(work: impl FnOnce()) -> u64 {
    let start = instructions();
    work();
    instructions() - start
}

/// Whether instructions are what the counter counts: a loop of known length takes what it has to,
/// again and again.
pub fn check() -> Result<(), String> {
    const TURNS: u64 = 1000;
    let costs: Vec<u64> = (0..16).map(|_| cost(|| count(TURNS))).collect();
    let least = *costs.iter().min().expect("16 costs");
    let same = costs.iter().filter(|&&cost| cost == least).count();
    if (2 * TURNS..2 * TURNS + 100).contains(&least) && same >= 12 {
        return Ok(());
    }
    Err(format!(
        "{TURNS} turns of two instructions took {costs:?}: not under -icount shift=0?"
    ))
}

/// A loop of two instructions a turn.
fn count(turns: u64) {
    // SAFETY: the loop touches one register.
    unsafe {
        std::arch::asm!(
            "2:",
            "dec {turns}",
            "jnz 2b",
            turns = inout(reg) black_box(turns) => _,
            options(nomem, nostack),
        );
    }
}

/// Tells the profiler, if one is loaded into QEMU, to record from here on. It looks for this form
/// of no-operation, see `bench/profiler`.
pub fn record() {
    // SAFETY: a no-operation.
    unsafe { std::arch::asm!("nop dword ptr [rax + 0x42617201]", options(nostack)) }
}

/// Tells the profiler to stop.
pub fn record_end() {
    // SAFETY: a no-operation.
    unsafe { std::arch::asm!("nop dword ptr [rax + 0x42617202]", options(nostack)) }
}

/// Tells the profiler, if it is recording, to overlook what comes.
pub fn record_pause() {
    // SAFETY: a no-operation.
    unsafe { std::arch::asm!("nop dword ptr [rax + 0x42617203]", options(nostack)) }
}

/// Tells the profiler to go on, if that was the last it was told.
pub fn record_resume() {
    // SAFETY: a no-operation.
    unsafe { std::arch::asm!("nop dword ptr [rax + 0x42617204]", options(nostack)) }
}
