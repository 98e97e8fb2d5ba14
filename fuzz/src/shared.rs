// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a program's process tells the one that watches it, in memory that both have: it is there
//! whatever becomes of the process.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, Ordering};

use crate::sys;

/// Bytes of the text of a finding.
const TEXT: usize = 1024;
/// Bits for what calls returned.
const RESULTS: usize = 1 << 16;

/// The part of fixed size.
#[repr(C)]
struct Head {
    calls: AtomicU64,
    /// Bytes in `text`; 0 without a finding.
    len: AtomicU32,
    failing: AtomicBool,
    dying: AtomicBool,
    text: [AtomicU8; TEXT],
    results: [AtomicU64; RESULTS / 64],
}

/// See the head of this file.
pub struct Shared {
    head: &'static Head,
    /// A bit for each place in the driver's code.
    seen: &'static [AtomicU64],
}

impl Shared {
    /// With room for `places` places. It is never given back.
    pub fn new(places: usize) -> io::Result<Self> {
        let words = places.div_ceil(64);
        let start = sys::map_shared(size_of::<Head>() + words * size_of::<u64>())?;
        // SAFETY: fresh memory, aligned to pages, all zero, which is a value of the type; it is
        // never unmapped.
        let head = unsafe { &*start.cast::<Head>() };
        // SAFETY: as above, and behind the head.
        let seen = unsafe {
            std::slice::from_raw_parts(start.add(size_of::<Head>()).cast::<AtomicU64>(), words)
        };
        Ok(Self { head, seen })
    }

    /// Ready for the next program.
    pub fn clear(&self) {
        self.head.calls.store(0, Ordering::Relaxed);
        self.head.len.store(0, Ordering::Relaxed);
        self.head.failing.store(false, Ordering::Relaxed);
        self.head.dying.store(false, Ordering::Relaxed);
        for word in self.seen.iter().chain(&self.head.results) {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// A call was made.
    pub fn count(&self) {
        self.head.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn calls(&self) -> u64 {
        self.head.calls.load(Ordering::Relaxed)
    }

    /// A place in the driver's code was seen.
    pub fn see(&self, place: usize) {
        if let Some(word) = self.seen.get(place / 64) {
            word.fetch_or(1 << (place % 64), Ordering::Relaxed);
        }
    }

    /// A call of a kind ended in some way: both are folded into `what`.
    pub fn note(&self, what: u64) {
        let bit = (what.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize % RESULTS;
        self.head.results[bit / 64].fetch_or(1 << (bit % 64), Ordering::Relaxed);
    }

    /// The next call has an allocation fail. What becomes of a process that gets a signal then is
    /// not the driver's doing.
    pub fn set_failing(&self, failing: bool) {
        self.head.failing.store(failing, Ordering::Relaxed);
    }

    /// Whether it has.
    pub fn is_failing(&self) -> bool {
        self.head.failing.load(Ordering::Relaxed)
    }

    /// The process kills itself.
    pub fn set_dying(&self) {
        self.head.dying.store(true, Ordering::Relaxed);
    }

    /// Whether it does.
    pub fn is_dying(&self) -> bool {
        self.head.dying.load(Ordering::Relaxed)
    }

    /// Something is not as it has to be. The first one counts.
    pub fn find(&self, text: &str) {
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

    /// What that is.
    pub fn finding(&self) -> Option<String> {
        let len = self.head.len.load(Ordering::Acquire) as usize;
        let text = self.head.text.iter().take(len);
        let bytes: Vec<u8> = text.map(|byte| byte.load(Ordering::Relaxed)).collect();
        (len > 0).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A bit for each place that was seen, and for what calls returned.
    pub fn marks(&self) -> impl Iterator<Item = u64> + '_ {
        let all = self.seen.iter().chain(&self.head.results);
        all.map(|word| word.load(Ordering::Relaxed))
    }

    /// How many of the first of these words are places.
    pub fn place_words(&self) -> usize {
        self.seen.len()
    }
}
