// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Costs in guest instructions.
//!
//! With QEMU's `-icount shift=0`, the counter of the CPU counts executed guest instructions: reading it
//! costs an instruction or two and returns the exact count. [`check`] fails on a machine where this does
//! not hold.

use std::arch::asm;
use std::hint::black_box;

/// Returns the number of guest instructions executed so far.
pub fn instructions() -> u64 {
    counter::read()
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
    let costs: Vec<u64> = (0..16)
        .map(|_| cost(|| counter::count(black_box(TURNS))))
        .collect();
    let least = *costs.iter().min().expect("16 costs");
    let same = costs.iter().filter(|&&cost| cost == least).count();
    if (2 * TURNS..2 * TURNS + 100).contains(&least) && same >= 12 {
        return Ok(());
    }
    Err(format!(
        "{TURNS} turns of two instructions took {costs:?}: not under -icount shift=0?"
    ))
}

#[cfg(target_arch = "x86_64")]
mod counter {
    use super::asm;

    /// Reads the time stamp counter.
    pub fn read() -> u64 {
        // SAFETY: RDTSC has no preconditions, and every x86-64 processor has it.
        unsafe { std::arch::x86_64::_rdtsc() }
    }

    /// Executes a loop with two instructions per iteration.
    pub fn count(turns: u64) {
        // SAFETY: the loop changes only its own registers and the flags.
        unsafe {
            asm!(
                "2:",
                "dec {turns}",
                "jnz 2b",
                turns = inout(reg) turns => _,
                options(nomem, nostack),
            );
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod counter {
    use super::asm;

    /// Reads the virtual counter. QEMU's CPU `max` counts with 1 GHz, and an instruction takes 1 ns.
    pub fn read() -> u64 {
        let count;
        // SAFETY: Linux lets programs read the counter, which has no other effect.
        unsafe { asm!("mrs {count}, cntvct_el0", count = out(reg) count, options(nostack)) };
        count
    }

    /// Executes a loop with two instructions per iteration.
    pub fn count(turns: u64) {
        // SAFETY: the loop changes only its own registers and the flags.
        unsafe {
            asm!(
                "2:",
                "subs {turns}, {turns}, #1",
                "b.ne 2b",
                turns = inout(reg) turns => _,
                options(nomem, nostack),
            );
        }
    }
}

/// A NOP that the profiler plugin, if QEMU has loaded it, recognises by its operand, see
/// `bench/profiler`. The profiler knows x86-64 only.
macro_rules! mark {
    ($operand:literal) => {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a NOP does not access the memory that its operand names.
        unsafe {
            asm!(
                concat!("nop dword ptr [rax + ", $operand, "]"),
                options(nostack)
            )
        }
    };
}

/// Tells the profiler to start recording.
pub fn record() {
    mark!("0x42617201");
}

/// Tells the profiler to stop recording.
pub fn record_end() {
    mark!("0x42617202");
}

/// Tells the profiler, if it is recording, to pause.
pub fn record_pause() {
    mark!("0x42617203");
}

/// Tells the profiler to resume, if it is paused.
pub fn record_resume() {
    mark!("0x42617204");
}
