// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A plugin for QEMU's TCG that records the guest's execution between two markers.
//!
//! The option `-plugin FILE.so,out=RECORD` loads it and makes it record the addresses of all
//! executed guest instructions: a sequence of little-endian `u64`, with a 0 after each interval
//! between two markers. With `what=memory`, it records instead how many bytes the guest's CPU reads
//! and writes, and to which physical addresses it writes, see [`memory`]; with `what=reads`, from which
//! it reads. A marker is a NOP that no compiler
//! emits: `nop dword ptr [rax + 0x42617201]` starts an interval, `...02` ends it; within an
//! interval, `...03` starts a pause and `...04` ends it. The record has addresses only; the guest
//! saves its symbols.

mod memory;
// Only QEMU provides the functions that these modules import.
#[cfg(not(test))]
mod plugin;
#[cfg(not(test))]
mod qemu;
