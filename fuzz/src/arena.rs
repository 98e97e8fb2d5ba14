// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A reserved address range in which programs may map, unmap and write freely.

use std::ops::Range;

use crate::sys::{self, PAGE, TABLE};

/// Its size in pages.
pub const PAGES: usize = 64 << 8;
/// Its start: away from all other mappings and aligned for huge entries. The end of a PMD table
/// lies in the middle of the arena.
pub const START: usize = MIDDLE - PAGES / 2 * PAGE;
/// A multiple of what a PMD table maps.
const MIDDLE: usize = match PAGE * TABLE * TABLE {
    bytes if bytes < 64 << 30 => 64 << 30,
    bytes => bytes,
};

/// Returns true if the arena contains all of `range`.
pub fn has(range: &Range<usize>) -> bool {
    START <= range.start && range.end <= START + PAGES * PAGE
}

/// Reserves the arena in the calling process.
pub fn reserve() -> Result<(), i32> {
    let flags =
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
    sys::call(
        libc::SYS_mmap,
        &[
            START,
            PAGES * PAGE,
            libc::PROT_NONE as usize,
            flags as usize,
            usize::MAX,
            0,
        ],
    )
    .map(drop)
}
