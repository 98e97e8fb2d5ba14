// SPDX-License-Identifier: GPL-2.0

//! A bitmap of the pages of VRAM that are in use, and the search for free ranges.
//!
//! The buddy allocator serves a contiguous request with the highest block of a fitting power of
//! two. A display can scan out only the low part of VRAM, so the manager finds the lowest range
//! here, and then requests exactly that range from the buddy allocator.
//!
//! All numbers are pages from the start of VRAM.

use core::ops::Range;
use kernel::prelude::*;

/// A bitmap with a bit for each page of VRAM; the bit of a page in use is set.
///
/// # Invariants
///
/// `words` has a bit for each of `pages` pages, and the bits behind the last page are set. `free`
/// is the number of bits that are clear. All pages below `first_free` are in use.
pub(super) struct PageMap {
    words: KVec<u64>,
    pages: usize,
    free: usize,
    first_free: usize,
}

const WORD_BITS: usize = 64;

/// A request for a contiguous range of pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct RangeRequest {
    /// The length of the range. Not 0.
    pub(super) pages: usize,
    /// The highest page that the range may start at.
    pub(super) last_start: usize,
    /// The number of pages that a huge entry maps, a power of two. A *chunk* is an aligned range of
    /// this many pages.
    pub(super) chunk: usize,
    /// The maximum length of the *head*, the pages before the first chunk boundary in the range.
    /// With `chunk - 1` the range may start anywhere; with 0 it starts at a chunk boundary.
    pub(super) slack: usize,
    /// The minimum length of a head. A range that starts at a chunk boundary has none.
    pub(super) min_head: usize,
}

impl RangeRequest {
    /// Returns the request with the `slack` that makes the range contain as many whole chunks as a
    /// range of this length can.
    pub(super) fn with_most_chunks(self) -> Self {
        let slack = match self.pages < self.chunk {
            true => self.chunk - 1,
            false => self.pages % self.chunk,
        };
        Self { slack, ..self }
    }

    /// Returns the request with the `min_head` that makes the range start at a chunk boundary if it
    /// skips less than 1/32 of its length for that.
    ///
    /// Each mapping needs a page table for the head, and another one for the pages after the last
    /// chunk. Without a head, it needs at most one of the two.
    pub(super) fn without_short_head(self) -> Self {
        let min_head = self.pages / 32;
        Self { min_head, ..self }
    }

    /// Returns the lowest page at or above `page` that the request allows the range to start at.
    /// `None` if the number overflows.
    pub(super) fn first_start(&self, page: usize) -> Option<usize> {
        let in_front = page.wrapping_neg() & (self.chunk - 1);
        let head = match in_front.min(self.slack) {
            head if head < self.min_head => 0,
            head => head,
        };
        page.checked_add(in_front - head)
    }
}

impl PageMap {
    /// Creates a map of `pages` free pages.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if the bitmap cannot be allocated.
    pub(super) fn new(pages: usize) -> Result<Self> {
        let mut words = KVec::from_elem(0, pages.div_ceil(WORD_BITS), GFP_KERNEL)?;
        if let (Some(last), rest @ 1..) = (words.last_mut(), pages % WORD_BITS) {
            *last = u64::MAX << rest;
        }
        // INVARIANT: `words` has `pages` bits, rounded up to whole words; the bits behind the last
        // page are set above, all others are clear.
        Ok(Self {
            words,
            pages,
            free: pages,
            first_free: 0,
        })
    }

    /// Returns the number of free pages.
    pub(super) fn free(&self) -> usize {
        self.free
    }

    /// Marks the pages in `range`, which are free, as in use.
    #[inline]
    pub(super) fn mark_used(&mut self, range: Range<usize>) {
        self.free -= range.len();
        // INVARIANT: The pages from `first_free` to the end of `range` are marked below.
        if range.contains(&self.first_free) {
            self.first_free = range.end;
        }
        self.set(range, u64::MAX);
    }

    /// Marks the pages in `range`, which are in use, as free.
    #[inline]
    pub(super) fn mark_free(&mut self, range: Range<usize>) {
        self.free += range.len();
        if !range.is_empty() {
            self.first_free = self.first_free.min(range.start);
        }
        self.set(range, 0);
    }

    /// Copies the bits of the pages in `range` from `bits`, which is repeated for each word.
    #[inline]
    fn set(&mut self, range: Range<usize>, bits: u64) {
        let Some(last) = range.end.checked_sub(1) else {
            return;
        };
        let from_start = u64::MAX << (range.start % WORD_BITS);
        let to_last = u64::MAX >> (WORD_BITS - 1 - last % WORD_BITS);
        let copy = |word: &mut u64, mask: u64| *word = *word & !mask | bits & mask;
        match self
            .words
            .get_mut(range.start / WORD_BITS..last / WORD_BITS + 1)
        {
            Some([word]) => copy(word, from_start & to_last),
            Some([first, between @ .., last]) => {
                copy(first, from_start);
                between.fill(bits);
                copy(last, to_last);
            }
            Some([]) | None => {}
        }
    }

    /// Returns the start of the lowest free range that `request` describes, or `None` if there is
    /// no such range.
    pub(super) fn lowest_free_range(&self, request: &RangeRequest) -> Option<usize> {
        let mut page = self.first_free;
        loop {
            let start = request.first_start(self.next_page(page..self.pages, false)?)?;
            let end = start.checked_add(request.pages)?;
            if start > request.last_start || end > self.pages {
                return None;
            }
            match self.next_page(start..end, true) {
                Some(used) => page = used + 1,
                None => return Some(start),
            }
        }
    }

    /// Returns the start of the highest free range of `pages` pages that starts at `last_start` or
    /// below, or `None` if there is no such range. `pages` must not be 0.
    pub(super) fn highest_free_range(&self, pages: usize, last_start: usize) -> Option<usize> {
        let mut page = self.first_free;
        let mut highest = None;
        while let Some(start) = self.next_page(page..self.pages, false) {
            page = self
                .next_page(start..self.pages, true)
                .unwrap_or(self.pages);
            if let Some(last) = page.checked_sub(pages).filter(|last| *last >= start) {
                if start > last_start {
                    break;
                }
                highest = Some(last.min(last_start));
            }
        }
        highest
    }

    /// Returns true if there is room for another range of `pages` pages before or after the one
    /// that starts at `start`, if no other page is in use.
    pub(super) fn leaves_room_for_same(&self, start: usize, pages: usize) -> bool {
        leaves_room_for_same(self.pages, start, pages)
    }

    /// Returns the ranges of pages in use, in ascending order.
    pub(super) fn used_ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut page = 0;
        core::iter::from_fn(move || {
            let start = self.next_page(page..self.pages, true)?;
            page = self
                .next_page(start..self.pages, false)
                .unwrap_or(self.pages);
            Some(start..page)
        })
    }

    /// Returns the lowest page in `range` that is in use if `used` is true, or free otherwise.
    fn next_page(&self, range: Range<usize>, used: bool) -> Option<usize> {
        let flip = match used {
            true => 0,
            false => u64::MAX,
        };
        let first = range.start / WORD_BITS;
        let words = self.words.get(first..range.end.div_ceil(WORD_BITS))?;
        let mut mask = u64::MAX << (range.start % WORD_BITS);
        for (index, word) in (first..).zip(words) {
            let found = (word ^ flip) & mask;
            if found != 0 {
                let page = index * WORD_BITS + usize::try_from(found.trailing_zeros()).ok()?;
                return (page < range.end).then_some(page);
            }
            mask = u64::MAX;
        }
        None
    }
}

/// Returns true if VRAM, which has `vram_pages` pages, has at least `pages` pages before or after
/// the range of `pages` pages that starts at `start`.
pub(super) fn leaves_room_for_same(vram_pages: usize, start: usize, pages: usize) -> bool {
    start >= pages || vram_pages.saturating_sub(start).saturating_sub(pages) >= pages
}

#[kunit_tests(barium_vram_page_map)]
mod tests {
    use super::*;

    /// The pages that one huge entry maps in these tests.
    const CHUNK: usize = 16;

    /// A reference implementation: a list with an element for each page, true if it is in use.
    struct Model(KVec<bool>);

    impl Model {
        fn lowest_free_range(&self, request: &RangeRequest) -> Option<usize> {
            (0..=request.last_start).find(|&start| {
                let in_front = start.next_multiple_of(request.chunk) - start;
                (in_front == 0 || (request.min_head..=request.slack).contains(&in_front))
                    && self
                        .0
                        .get(start..start + request.pages)
                        .is_some_and(|range| range.iter().all(|used| !used))
            })
        }
    }

    /// Pseudorandom numbers, the same in each run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1);
            usize::try_from(self.0 >> 33).map_or(0, |number| number % end)
        }
    }

    fn anywhere(pages: usize) -> RangeRequest {
        RangeRequest {
            pages,
            last_start: usize::MAX,
            chunk: CHUNK,
            slack: CHUNK - 1,
            min_head: 0,
        }
    }

    #[test]
    fn the_lowest_range_is_found() -> Result {
        let mut map = PageMap::new(200)?;
        assert_eq!(map.lowest_free_range(&anywhere(200)), Some(0));
        assert_eq!(map.lowest_free_range(&anywhere(201)), None);
        map.mark_used(3..70);
        assert_eq!(map.lowest_free_range(&anywhere(3)), Some(0));
        assert_eq!(map.lowest_free_range(&anywhere(4)), Some(70));
        assert_eq!(map.lowest_free_range(&anywhere(130)), Some(70));
        assert_eq!(map.lowest_free_range(&anywhere(131)), None);
        assert_eq!(map.free(), 133);
        map.mark_free(3..70);
        assert_eq!(map.lowest_free_range(&anywhere(200)), Some(0));
        Ok(())
    }

    #[test]
    fn the_highest_range_is_found() -> Result {
        let mut map = PageMap::new(200)?;
        assert_eq!(map.highest_free_range(200, usize::MAX), Some(0));
        assert_eq!(map.highest_free_range(201, usize::MAX), None);
        assert_eq!(map.highest_free_range(8, usize::MAX), Some(192));
        assert_eq!(map.highest_free_range(8, 100), Some(100));
        map.mark_used(64..130);
        map.mark_used(190..200);
        assert_eq!(map.highest_free_range(60, usize::MAX), Some(130));
        assert_eq!(map.highest_free_range(61, usize::MAX), Some(3));
        assert_eq!(map.highest_free_range(60, 129), Some(4));
        assert_eq!(map.highest_free_range(60, 3), Some(3));
        assert_eq!(map.highest_free_range(65, usize::MAX), None);
        Ok(())
    }

    #[test]
    fn a_range_starts_no_later_than_requested() -> Result {
        let mut map = PageMap::new(200)?;
        map.mark_used(0..100);
        let request = |last_start| RangeRequest {
            last_start,
            ..anywhere(5)
        };
        assert_eq!(map.lowest_free_range(&request(99)), None);
        assert_eq!(map.lowest_free_range(&request(100)), Some(100));
        Ok(())
    }

    #[test]
    fn a_range_contains_the_most_chunks() -> Result {
        let mut map = PageMap::new(20 * CHUNK)?;
        let mut expected = 0;
        // Ranges of one chunk and a half need no gaps: each contains a whole chunk.
        for _ in 0..4 {
            let request = anywhere(CHUNK + CHUNK / 2).with_most_chunks();
            assert_eq!(map.lowest_free_range(&request), Some(expected));
            map.mark_used(expected..expected + CHUNK + CHUNK / 2);
            expected += CHUNK + CHUNK / 2;
        }
        map.mark_used(expected..expected + 1);
        let aligned = anywhere(2 * CHUNK).with_most_chunks();
        assert_eq!(map.lowest_free_range(&aligned), Some(7 * CHUNK));
        let small = anywhere(CHUNK - 1).with_most_chunks();
        assert_eq!(map.lowest_free_range(&small), Some(expected + 1));
        Ok(())
    }

    #[test]
    fn a_range_has_no_short_head() -> Result {
        let mut map = PageMap::new(20 * CHUNK)?;
        let request = anywhere(4 * CHUNK).without_short_head();
        map.mark_used(0..CHUNK - 1);
        assert_eq!(map.lowest_free_range(&request), Some(CHUNK));
        map.mark_free(CHUNK - 2..CHUNK - 1);
        assert_eq!(map.lowest_free_range(&request), Some(CHUNK - 2));
        Ok(())
    }

    #[test]
    fn the_search_agrees_with_its_model() -> Result {
        let mut numbers = Numbers(1);
        for pages in [1, 63, 64, 65, 300] {
            let mut map = PageMap::new(pages)?;
            let mut model = Model(KVec::from_elem(false, pages, GFP_KERNEL)?);
            for _ in 0..400 {
                let request = RangeRequest {
                    pages: 1 + numbers.below(40),
                    last_start: numbers.below(pages + 10),
                    chunk: CHUNK,
                    slack: numbers.below(CHUNK),
                    min_head: numbers.below(4),
                };
                let start = map.lowest_free_range(&request);
                assert_eq!(start, model.lowest_free_range(&request));
                if let Some(start) = start {
                    let end = start + 1 + numbers.below(request.pages);
                    map.mark_used(start..end);
                    model.0[start..end].fill(true);
                }
                // Frees a range of which all pages are in use.
                let start = numbers.below(pages);
                let used = model.0[start..].iter().take_while(|&&used| used).count();
                let end = start + used.min(numbers.below(60));
                map.mark_free(start..end);
                model.0[start..end].fill(false);
                assert_eq!(map.free(), model.0.iter().filter(|&&used| !used).count());
                let in_use = map.used_ranges().flatten();
                assert!(in_use.eq((0..pages).filter(|&page| model.0[page])));
            }
        }
        Ok(())
    }
}
