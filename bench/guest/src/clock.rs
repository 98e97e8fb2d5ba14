// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Costs in guest instructions.
//!
//! With QEMU's `-icount shift=0`, the time stamp counter counts executed guest instructions:
//! reading it costs one instruction and returns the exact count. [`check`] fails on a machine where
//! this does not hold.

use std::arch::x86_64::_rdtsc;
use std::hint::black_box;

/// Returns the number of guest instructions executed so far.
pub fn instructions() -> u64 {
    // SAFETY: RDTSC has no preconditions, and every x86-64 processor has it.
    unsafe { _rdtsc() }
}

/// Returns the number of guest instructions that `work` takes.
pub fn cost(work: impl FnOnce()) -> u64 {
    let start = instructions();
    work();
    instructions() - start
}

/// Checks that the counter counts instructions: a loop of known length must take the same count
/// several times.
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

/// Executes a loop with two instructions per iteration.
fn count(turns: u64) {
    // SAFETY: the loop changes only its own registers and the flags.
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

/// Tells the profiler plugin, if QEMU has loaded it, to start recording. The plugin recognises this
/// form of NOP, see `bench/profiler`.
pub fn record() {
    // SAFETY: a NOP does not access the memory that its operand names.
    unsafe { std::arch::asm!("nop dword ptr [rax + 0x42617201]", options(nostack)) }
}

/// Tells the profiler to stop recording.
pub fn record_end() {
    // SAFETY: a NOP does not access the memory that its operand names.
    unsafe { std::arch::asm!("nop dword ptr [rax + 0x42617202]", options(nostack)) }
}

/// Tells the profiler, if it is recording, to pause.
pub fn record_pause() {
    // SAFETY: a NOP does not access the memory that its operand names.
    unsafe { std::arch::asm!("nop dword ptr [rax + 0x42617203]", options(nostack)) }
}

/// Tells the profiler to resume, if it is paused.
pub fn record_resume() {
    // SAFETY: a NOP does not access the memory that its operand names.
    unsafe { std::arch::asm!("nop dword ptr [rax + 0x42617204]", options(nostack)) }
}
