// SPDX-License-Identifier: GPL-2.0

//! The costs of page faults and page table entries, for each architecture and page size.
//!
//! - Upstream today: the memory manager has no such numbers. It maps the neighbours of a page of a
//!   file within `fault_around_bytes` of it, whatever the access pattern.
//! - The shape it should have: a constant of the architecture.
//! - Why this is sound on 7.3: constants only.
//! - Delete when an architecture states its costs.
//!
//! # How they are measured
//!
//! `BENCH=1 make bench` counts guest instructions, and prints the costs in the table "Parts of the
//! cost of a mapping" (`bench/report/src/parts.rs` has the formulas).

use kernel::page::PAGE_SIZE;

/// The costs of a mapping, in guest instructions. Only their ratios matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultCosts {
    /// `mmap()` and `munmap()` of an object, without any access to it.
    pub(crate) mapping: usize,
    /// Allocating, clearing and freeing a page table.
    pub(crate) table: usize,
    /// A fault that maps one page, and unmapping the page.
    pub(crate) fault: usize,
    /// Looking at the page table entries beside a fault, and deciding to map no other page.
    pub(crate) decision: usize,
    /// Mapping one more page with the same fault, and unmapping it.
    pub(crate) neighbour: usize,
    /// A page of a mapping that `mmap()` populates, as that of a BAR in sysfs. The tests of the policy
    /// compare it with such mappings.
    #[cfg_attr(not(CONFIG_KUNIT), expect(dead_code))]
    pub(crate) eager_page: usize,
}

/// x86-64, pages of 4 KiB; measured.
const X86_4K: FaultCosts = FaultCosts {
    mapping: 9_600,
    table: 7_600,
    fault: 1_840,
    decision: 150,
    neighbour: 90,
    eager_page: 122,
};
/// Arm64, pages of 4 KiB; measured.
const ARM64_4K: FaultCosts = FaultCosts {
    mapping: 9_050,
    table: 3_500,
    fault: 1_290,
    decision: 200,
    neighbour: 79,
    eager_page: 75,
};
/// Arm64, pages of 16 KiB; not measured yet.
const ARM64_16K: FaultCosts = X86_4K;
/// Arm64, pages of 64 KiB; not measured yet.
const ARM64_64K: FaultCosts = X86_4K;
/// Other architectures; not measured.
const OTHER: FaultCosts = X86_4K;

/// The costs on this architecture with this page size.
pub(crate) const FAULT_COSTS: FaultCosts = match (cfg!(CONFIG_ARM64), PAGE_SIZE) {
    _ if cfg!(CONFIG_X86_64) => X86_4K,
    (true, 0x1000) => ARM64_4K,
    (true, 0x4000) => ARM64_16K,
    (true, _) => ARM64_64K,
    (false, _) => OTHER,
};
