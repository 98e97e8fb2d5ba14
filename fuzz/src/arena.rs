// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A reserved range of addresses where programs may map, unmap and write as they like.

use std::ops::Range;

use crate::sys::{self, PAGE};

/// Its pages.
pub const PAGES: usize = 64 << 8;
/// Where it starts: far from everything else, and where huge entries fit. In its middle a table of page
/// tables ends.
pub const START: usize = (64 << 30) - PAGES / 2 * PAGE;

/// Whether all of `range` is in it.
pub fn has(range: &Range<usize>) -> bool {
    START <= range.start && range.end <= START + PAGES * PAGE
}

/// Reserves it in the calling process.
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
