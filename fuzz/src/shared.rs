// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Memory that a program's process shares with its supervisor; it survives the process.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, Ordering};

use crate::sys;

/// Maximum length of the text of a finding.
const TEXT: usize = 1024;
/// Number of bits for the results of calls.
const RESULTS: usize = 1 << 16;

/// The part of fixed size.
#[repr(C)]
struct Head {
    calls: AtomicU64,
    /// Length of `text`; 0 if there is no finding.
    len: AtomicU32,
    failing: AtomicBool,
    dying: AtomicBool,
    text: [AtomicU8; TEXT],
    results: [AtomicU64; RESULTS / 64],
}

/// The shared memory.
pub struct Shared {
    head: &'static Head,
    /// A bit for each coverage point.
    seen: &'static [AtomicU64],
}

impl Shared {
    /// Allocates the memory for `points` coverage points. It is never freed.
    pub fn new(points: usize) -> io::Result<Self> {
        let words = points.div_ceil(64);
        let start = sys::map_shared(size_of::<Head>() + words * size_of::<u64>())?;
        // SAFETY: the memory is new, page-aligned and zeroed, all-zero bytes are a valid `Head`, and it is
        // never unmapped.
        let head = unsafe { &*start.cast::<Head>() };
        // SAFETY: the bitmap follows the head in the same mapping, which is large enough, zeroed, and
        // never unmapped.
        let seen = unsafe {
            std::slice::from_raw_parts(start.add(size_of::<Head>()).cast::<AtomicU64>(), words)
        };
        Ok(Self { head, seen })
    }

    /// Resets the state for the next program.
    pub fn clear(&self) {
        self.head.calls.store(0, Ordering::Relaxed);
        self.head.len.store(0, Ordering::Relaxed);
        self.head.failing.store(false, Ordering::Relaxed);
        self.head.dying.store(false, Ordering::Relaxed);
        for word in self.seen.iter().chain(&self.head.results) {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a call.
    pub fn count(&self) {
        self.head.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of calls.
    pub fn calls(&self) -> u64 {
        self.head.calls.load(Ordering::Relaxed)
    }

    /// Marks a coverage point.
    pub fn see(&self, point: usize) {
        if let Some(word) = self.seen.get(point / 64) {
            word.fetch_or(1 << (point % 64), Ordering::Relaxed);
        }
    }

    /// Marks a combination of call and result; `what` is its hash.
    pub fn note(&self, what: u64) {
        let bit = (what.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize % RESULTS;
        self.head.results[bit / 64].fetch_or(1 << (bit % 64), Ordering::Relaxed);
    }

    /// Marks that the next call has a failing allocation. A signal that kills the process meanwhile
    /// is not the driver's bug.
    pub fn set_failing(&self, failing: bool) {
        self.head.failing.store(failing, Ordering::Relaxed);
    }

    /// Returns that mark.
    pub fn is_failing(&self) -> bool {
        self.head.failing.load(Ordering::Relaxed)
    }

    /// Marks that the process kills itself.
    pub fn set_dying(&self) {
        self.head.dying.store(true, Ordering::Relaxed);
    }

    /// Returns that mark.
    pub fn is_dying(&self) -> bool {
        self.head.dying.load(Ordering::Relaxed)
    }

    /// Records a finding; only the first one counts.
    pub fn report(&self, text: &str) {
        let bytes = &text.as_bytes()[..text.len().min(TEXT)];
        if self.finding().is_some() {
            return;
        }
        for (to, from) in self.head.text.iter().zip(bytes) {
            to.store(*from, Ordering::Relaxed);
        }
        let len = u32::try_from(bytes.len()).unwrap_or(0);
        self.head.len.store(len, Ordering::Release);
    }

    /// Returns the finding.
    pub fn finding(&self) -> Option<String> {
        let len = self.head.len.load(Ordering::Acquire) as usize;
        let text = self.head.text.iter().take(len);
        let bytes: Vec<u8> = text.map(|byte| byte.load(Ordering::Relaxed)).collect();
        (len > 0).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns the bitmaps of coverage points and of call results.
    pub fn marks(&self) -> impl Iterator<Item = u64> + '_ {
        let all = self.seen.iter().chain(&self.head.results);
        all.map(|word| word.load(Ordering::Relaxed))
    }

    /// Returns how many of these words are for coverage points.
    pub fn point_words(&self) -> usize {
        self.seen.len()
    }
}
