// SPDX-License-Identifier: GPL-2.0

//! Bytes of system memory that programs and devices may change at any time.
//!
//! - Upstream today: raw pointers, as in `Page::read_raw()`.
//! - The shape it should have: [`SharedBytes`], with methods that copy, and none that returns a
//!   reference.
//! - Why this is sound on 7.3: the type hands out an address only, after a check of the range. To
//!   read the bytes, callers call C functions of the kernel, for which the bytes may change
//!   meanwhile.
//! - Delete when upstream has such a type.

use core::marker::PhantomData;
use kernel::prelude::*;

/// Bytes of system memory that others may change at any time.
///
/// # Invariants
///
/// The `len` bytes from `start` on are mapped and readable for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct SharedBytes<'a> {
    start: *const u8,
    len: usize,
    _mapped: PhantomData<&'a ()>,
}

impl SharedBytes<'_> {
    /// # Safety
    ///
    /// The `len` bytes from `start` on must be mapped and readable for the lifetime of the result.
    pub(super) unsafe fn new(start: *const u8, len: usize) -> Self {
        // INVARIANT: The safety requirements are the type invariants.
        Self {
            start,
            len,
            _mapped: PhantomData,
        }
    }

    /// Returns the address of the `len` bytes from byte `offset` on.
    ///
    /// # Errors
    ///
    /// `ERANGE` if the range does not end within the bytes.
    pub(super) fn at(&self, offset: usize, len: usize) -> Result<*const u8> {
        if offset > self.len || len > self.len - offset {
            return Err(ERANGE);
        }
        Ok(self.start.wrapping_add(offset))
    }
}

#[kunit_tests(barium_shared_bytes)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_within_the_bytes() {
        let memory = [0; 8];
        // SAFETY: The array outlives the result.
        let bytes = unsafe { SharedBytes::new(memory.as_ptr(), memory.len()) };
        for (offset, len) in [(0, 8), (7, 1), (8, 0)] {
            assert_eq!(
                bytes.at(offset, len).ok(),
                Some(memory.as_ptr().wrapping_add(offset))
            );
        }
        for (offset, len) in [(0, 9), (8, 1), (9, 0), (1, usize::MAX)] {
            assert_eq!(bytes.at(offset, len).err(), Some(ERANGE));
        }
    }
}
