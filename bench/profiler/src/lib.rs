// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A plugin for QEMU's TCG that watches what the guest does between two marks.
//!
//! `-plugin FILE.so,out=RECORD` on QEMU's command line loads it, and has it record the addresses of
//! all instructions that the guest executes: a row of little-endian `u64`, with a 0 after each stretch
//! between two marks. With `what=memory` besides, it records how many bytes the guest's CPU reads
//! and writes, and to which physical addresses, see [`memory`]. A mark is a no-operation that no
//! compiler emits: `nop dword ptr [rax + 0x42617201]` starts a stretch, `...02` ends it; in a
//! stretch, `...03` begins a pause, and `...04` ends that. Names of
//! functions and addresses are not its business: the guest knows them.

mod memory;
// Only QEMU has what these need.
#[cfg(not(test))]
mod plugin;
#[cfg(not(test))]
mod qemu;
