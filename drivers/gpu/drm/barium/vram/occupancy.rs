// SPDX-License-Identifier: GPL-2.0

//! A snapshot of the objects in VRAM and of their pages, and the search for the range of pages that
//! is cheapest to free.
//!
//! A contiguous object needs one range. All objects in this range have to leave VRAM, also those
//! that lie in it in part. The caller adds the objects that can leave ([`Occupancy::add`]), and
//! then all other pages in use ([`Occupancy::seal`]). Other threads change VRAM meanwhile, so the
//! result is a choice only: the caller moves the objects, and then requests an allocation.
//!
//! This is arithmetic only. [`crate::gem`] moves the objects. All numbers are pages from the start
//! of VRAM.

use super::{
    page_map::{
        leaves_room_for_same,
        RangeRequest, //
    },
    Allocation,
    VramManager,
    VramOffset, //
};
use crate::upstream::vma::PAGES_PER_TABLE;
use core::{
    cmp::Reverse,
    iter,
    ops::Range, //
};
use kernel::{
    page::PAGE_SHIFT,
    prelude::*, //
};

/// A request for a contiguous range that may be in use.
#[derive(Clone, Copy)]
pub(crate) struct Needed {
    range: RangeRequest,
    /// The maximum number of pages to copy.
    max_copies: usize,
}

impl Needed {
    /// Creates a request for `size` bytes, a whole number of pages and not 0, that start at
    /// `last_start` or below, whatever it costs to free them.
    pub(crate) fn new(size: usize, last_start: VramOffset) -> Self {
        Self {
            range: RangeRequest {
                pages: size >> PAGE_SHIFT,
                last_start: last_start.0 >> PAGE_SHIFT,
                chunk: PAGES_PER_TABLE,
                slack: PAGES_PER_TABLE - 1,
                min_head: 0,
            },
            max_copies: usize::MAX,
        }
    }

    /// Limits the number of pages that are copied to free the range.
    pub(crate) fn copying_at_most(self, max_copies: usize) -> Self {
        Self { max_copies, ..self }
    }

    /// Subtracts the pages that are copied to free `window` from the maximum.
    pub(crate) fn pay_for(&mut self, window: &Window) {
        self.max_copies = self.max_copies.saturating_sub(window.copies);
    }

    /// Returns the number of pages.
    pub(crate) fn pages(&self) -> usize {
        self.range.pages
    }
}

/// The rank of an object in VRAM: objects with a lower rank leave first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(pub(crate) u32);

impl Rank {
    /// The lowest rank: that of objects that need not be in VRAM.
    pub(crate) const LOWEST: Self = Self(0);
    /// The rank of pages that cannot be freed.
    const FIXED: Self = Self(u32::MAX);
}

/// An object in VRAM.
struct Tenant {
    rank: Rank,
    /// The number of pages to copy when it leaves VRAM.
    copies: usize,
    /// The number of its extents in the range that a search is looking at.
    in_range: usize,
}

/// An extent of an object.
struct Part {
    start: usize,
    end: usize,
    /// The index of the object.
    tenant: usize,
}

/// The cost of freeing a range. The fields are compared in order, and the smallest value is the
/// best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    /// The number of pages to copy.
    copies: usize,
    /// The number of objects that leave VRAM.
    tenants: usize,
    /// The number of whole chunks in the range, which huge entries can map.
    chunks: Reverse<usize>,
    /// The sum of the positions of these objects in the order in which they were added.
    age: usize,
    start: usize,
}

/// A snapshot of the objects in VRAM.
///
/// # Invariants
///
/// The first tenant has the rank [`Rank::FIXED`], and stands for all pages that cannot be freed.
pub(crate) struct Occupancy {
    /// The size of VRAM.
    pages: usize,
    tenants: KVVec<Tenant>,
    parts: KVVec<Part>,
    highest: Rank,
}

/// A range of VRAM that a contiguous object can have, once the objects in it have left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pages: Range<usize>,
    /// The number of objects that have pages in it.
    pub(crate) tenants: usize,
    /// The number of pages of these objects that are copied.
    copies: usize,
}

impl Window {
    /// Returns true if `allocation` has pages in the window.
    pub(crate) fn intersects(&self, allocation: &Allocation) -> bool {
        allocation
            .vram_pages()
            .any(|part| part.start < self.pages.end && self.pages.start < part.end)
    }
}

impl Occupancy {
    /// Creates a snapshot of VRAM with room for `tenants` objects that have `parts` extents.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(vram: &VramManager, tenants: usize, parts: usize) -> Result<Self> {
        Self::of_pages(vram.size().bytes() >> PAGE_SHIFT, tenants, parts)
    }

    /// Creates a snapshot of `pages` pages, which are free at first.
    fn of_pages(pages: usize, tenants: usize, parts: usize) -> Result<Self> {
        let mut all = KVVec::with_capacity(tenants + 1, GFP_KERNEL_ACCOUNT)?;
        all.push(
            Tenant {
                rank: Rank::FIXED,
                copies: 0,
                in_range: 0,
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        // INVARIANT: The first tenant was added above.
        Ok(Self {
            pages,
            tenants: all,
            parts: KVVec::with_capacity(parts, GFP_KERNEL_ACCOUNT)?,
            highest: Rank::LOWEST,
        })
    }

    /// Adds an object that can leave VRAM, for which the driver has to copy `copies` pages. The
    /// caller adds the objects that should leave first before the others. Allocates no memory: an
    /// object for which the snapshot has no room counts as one that cannot leave.
    pub(crate) fn add(&mut self, allocation: &Allocation, rank: Rank, copies: usize) {
        self.add_parts(allocation.vram_pages(), rank, copies);
    }

    /// See [`Self::add`].
    fn add_parts(&mut self, parts: impl Iterator<Item = Range<usize>>, rank: Rank, copies: usize) {
        let tenant = self.tenants.len();
        let new = Tenant {
            rank,
            copies,
            in_range: 0,
        };
        if self.tenants.push_within_capacity(new).is_err() {
            return;
        }
        self.highest = self.highest.max(rank);
        for Range { start, end } in parts {
            // A part that is missing counts as pages that cannot be freed.
            let _ = self.parts.push_within_capacity(Part { start, end, tenant });
        }
    }

    /// Completes the snapshot: all pages that are allocated, and do not belong to an object that
    /// was added, cannot be freed. Frees the cache of `vram`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn seal(&mut self, vram: &VramManager) -> Result {
        let used = vram.allocated()?;
        self.seal_with(used.iter().map(|&(VramOffset(start), len)| {
            let start = start >> PAGE_SHIFT;
            start..start + (len >> PAGE_SHIFT)
        }))
    }

    /// See [`Self::seal`]. `used` are the ranges in use, in ascending order.
    fn seal_with(&mut self, used: impl Iterator<Item = Range<usize>>) -> Result {
        self.parts.sort_unstable_by_key(|part| part.start);
        let known = self.parts.len();
        let mut next = 0;
        for range in used {
            let mut page = range.start;
            while page < range.end {
                let part = match self.parts.get(next) {
                    Some(part) if next < known => part.start..part.end,
                    _ => usize::MAX..usize::MAX,
                };
                if part.end <= page {
                    next += 1;
                } else if part.start <= page {
                    page = part.end;
                } else {
                    let end = range.end.min(part.start);
                    let fixed = Part {
                        start: page,
                        end,
                        tenant: 0,
                    };
                    self.parts.push(fixed, GFP_KERNEL_ACCOUNT)?;
                    page = end;
                }
            }
        }
        self.parts.sort_unstable_by_key(|part| part.start);
        Ok(())
    }

    /// Returns the range that is cheapest to free, or `None` if pages that cannot be freed leave no
    /// room, or if it costs more copies than `needed` allows.
    ///
    /// No object in it has a higher rank than it must. Among such ranges, this is the one with the
    /// fewest pages to copy, then with the fewest objects, then with the most chunks for huge
    /// entries, then with the objects that were added first, and then the lowest one. A range of
    /// more than a third of VRAM that leaves no room for another one of its size also costs the
    /// copy of its own pages: the driver has to move the new object later, to make room for that
    /// other one.
    pub(crate) fn cheapest(&mut self, needed: &Needed) -> Option<Window> {
        let request = needed.range;
        let limit = self.lowest_limit(&request)?;
        let mut best = None;
        let mut page = Some(0);
        let mut first = 0;
        while let Some(start) = page {
            let segment = self.segment(start, first, limit);
            page = self.parts.get(segment.parts.end).map(|wall| wall.end);
            first = segment.parts.end + 1;
            let parts = self.parts.get(segment.parts).unwrap_or(&[]);
            let mut sweep = Sweep {
                vram_pages: self.pages,
                segment: segment.pages,
                request: &request,
                parts,
                tenants: &mut self.tenants,
                best,
            };
            sweep.run_all();
            best = sweep.best;
        }
        let window = best.map(|best| Window {
            pages: best.start..best.start + request.pages,
            tenants: best.tenants,
            copies: best.copies - move_of_same(self.pages, best.start, request.pages),
        });
        window.filter(|window| window.copies <= needed.max_copies)
    }

    /// Returns the lowest rank such that a range suits `request` if all objects with this rank or a
    /// lower one leave VRAM. `None` if there is none.
    fn lowest_limit(&self, request: &RangeRequest) -> Option<Rank> {
        let Rank(mut high) = self.highest;
        if !self.fits(request, Rank(high)) {
            return None;
        }
        let mut low = 0;
        while low < high {
            let middle = low.midpoint(high);
            match self.fits(request, Rank(middle)) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        Some(Rank(high))
    }

    /// Returns true if a range suits `request` when all objects that do not rank higher than
    /// `limit` have left VRAM.
    fn fits(&self, request: &RangeRequest, limit: Rank) -> bool {
        let mut page = Some(0);
        let mut first = 0;
        while let Some(start) = page {
            let segment = self.segment(start, first, limit);
            if start > request.last_start {
                break;
            }
            if segment.pages.len() >= request.pages {
                return true;
            }
            page = self.parts.get(segment.parts.end).map(|wall| wall.end);
            first = segment.parts.end + 1;
        }
        false
    }

    /// Returns the segment that starts at page `start`: it ends before the first part, from part
    /// `first` on, whose object ranks higher than `limit`, or at the end of VRAM.
    fn segment(&self, start: usize, first: usize, limit: Rank) -> Segment {
        let ranks_higher =
            |part: &Part| self.tenants.get(part.tenant).is_none_or(|t| t.rank > limit);
        let wall = self.parts.iter().skip(first).position(ranks_higher);
        let last = wall.map_or(self.parts.len(), |index| first + index);
        let end = self.parts.get(last).map_or(self.pages, |wall| wall.start);
        Segment {
            pages: start..end,
            parts: first..last,
        }
    }
}

/// A range of VRAM, and the indices of the parts in it.
struct Segment {
    pages: Range<usize>,
    parts: Range<usize>,
}

/// A search in one segment.
struct Sweep<'a> {
    /// The size of VRAM.
    vram_pages: usize,
    segment: Range<usize>,
    request: &'a RangeRequest,
    /// The parts in the segment, in ascending order.
    parts: &'a [Part],
    tenants: &'a mut [Tenant],
    /// The cheapest range that was found so far.
    best: Option<Cost>,
}

impl Sweep<'_> {
    /// Looks at all ranges that can be the best one: a range that moves down until it meets the end
    /// of a part, or the start of the segment, does not become more expensive. Nor does one that
    /// moves up from there as long as it meets no other part.
    fn run_all(&mut self) {
        let parts = self.parts;
        let start = self.segment.start;
        let ends = || parts.iter().map(|part| part.end);
        let lowest = || Iterator::chain(iter::once(start), ends());
        let aligned = self.request.with_most_chunks();
        self.run(lowest());
        self.run(lowest().map_while(|start| aligned.first_start(start)));
        // The lowest range that leaves room for another one below it.
        let above_same = self.request.pages;
        self.run(iter::once(above_same));
        self.run(aligned.first_start(above_same).into_iter());
    }

    /// Looks at the ranges that start at the pages `starts`, which are in ascending order.
    fn run(&mut self, starts: impl Iterator<Item = usize>) {
        let pages = self.request.pages;
        let (mut first, mut next) = (0, 0);
        let (mut copies, mut tenants, mut age) = (0, 0, 0);
        for start in starts {
            let Some(end) = start.checked_add(pages) else {
                break;
            };
            if start < self.segment.start {
                continue;
            }
            if start > self.request.last_start || end > self.segment.end {
                break;
            }
            while let Some(part) = self.parts.get(next).filter(|part| part.start < end) {
                if let Some(tenant) = self.tenants.get_mut(part.tenant) {
                    if tenant.in_range == 0 {
                        copies += tenant.copies;
                        tenants += 1;
                        age += part.tenant;
                    }
                    tenant.in_range += 1;
                }
                next += 1;
            }
            while let Some(part) = self.parts.get(first).filter(|part| part.end <= start) {
                if let Some(tenant) = self.tenants.get_mut(part.tenant) {
                    tenant.in_range -= 1;
                    if tenant.in_range == 0 {
                        copies -= tenant.copies;
                        tenants -= 1;
                        age -= part.tenant;
                    }
                }
                first += 1;
            }
            let cost = Cost {
                copies: copies + move_of_same(self.vram_pages, start, pages),
                tenants,
                chunks: Reverse(chunks(start, end, self.request.chunk)),
                age,
                start,
            };
            self.best = Some(self.best.map_or(cost, |best| best.min(cost)));
        }
        for part in self.parts.iter().take(next).skip(first) {
            if let Some(tenant) = self.tenants.get_mut(part.tenant) {
                tenant.in_range = 0;
            }
        }
    }
}

/// Returns the number of pages to copy when an object with a range of `pages` pages that starts at
/// `start` moves to make room for another one of its size: 0 if there is room beside it.
fn move_of_same(vram_pages: usize, start: usize, pages: usize) -> usize {
    match leaves_room_for_same(vram_pages, start, pages) {
        true => 0,
        false => pages,
    }
}

/// Returns the number of chunks of `chunk` pages in the range, which are aligned to their size.
fn chunks(start: usize, end: usize, chunk: usize) -> usize {
    let number = |page: usize| page.checked_div(chunk).unwrap_or(0);
    number(end).saturating_sub(number(start.saturating_add(chunk.saturating_sub(1))))
}

#[kunit_tests(barium_vram_occupancy)]
mod tests {
    use super::*;

    /// The pages that one huge entry maps in these tests.
    const CHUNK: usize = 8;

    fn request(pages: usize, last_start: usize) -> Needed {
        Needed {
            range: RangeRequest {
                pages,
                last_start,
                chunk: CHUNK,
                slack: CHUNK - 1,
                min_head: 0,
            },
            max_copies: usize::MAX,
        }
    }

    /// Returns the extents of an object with one extent.
    fn one(extent: Range<usize>) -> [Range<usize>; 1] {
        [extent]
    }

    /// Creates a snapshot of 64 pages from the parts, the rank and the number of pages to copy of
    /// each object. The other pages of `used` cannot be freed.
    fn snapshot(
        objects: &[(&[Range<usize>], u32, usize)],
        used: &[Range<usize>],
    ) -> Result<Occupancy> {
        let mut all = Occupancy::of_pages(64, objects.len(), 64)?;
        for &(parts, rank, copies) in objects {
            all.add_parts(parts.iter().cloned(), Rank(rank), copies);
        }
        all.seal_with(used.iter().cloned())?;
        Ok(all)
    }

    fn cheapest(all: &mut Occupancy, needed: &Needed) -> Option<(Range<usize>, usize)> {
        all.cheapest(needed)
            .map(|window| (window.pages, window.tenants))
    }

    #[test]
    fn free_pages_cost_nothing() -> Result {
        let mut all = snapshot(
            &[(&one(0..8), 0, 8), (&one(20..64), 0, 44)],
            &[0..8, 20..64],
        )?;
        assert_eq!(cheapest(&mut all, &request(12, 63)), Some((8..20, 0)));
        assert_eq!(cheapest(&mut all, &request(12, 7)), Some((0..12, 1)));
        assert_eq!(cheapest(&mut all, &request(13, 63)), Some((0..13, 1)));
        assert_eq!(cheapest(&mut all, &request(65, 63)), None);
        Ok(())
    }

    #[test]
    fn the_objects_with_the_fewest_pages_leave() -> Result {
        // An object in two parts costs as much as all of it.
        let mut all = snapshot(
            &[
                (&[0..8, 40..48], 0, 16),
                (&[8..16, 48..64], 0, 24),
                (&one(16..32), 0, 15),
                (&one(32..36), 0, 4),
                (&one(36..40), 0, 4),
            ],
            &one(0..64),
        )?;
        assert_eq!(cheapest(&mut all, &request(8, 63)), Some((32..40, 2)));
        assert_eq!(cheapest(&mut all, &request(9, 63)), Some((16..25, 1)));
        assert_eq!(cheapest(&mut all, &request(16, 12)), Some((8..24, 2)));
        Ok(())
    }

    #[test]
    fn objects_without_content_leave_first() -> Result {
        let mut all = snapshot(
            &[
                (&one(0..24), 0, 24),
                (&one(24..40), 0, 0),
                (&one(40..64), 0, 24),
            ],
            &one(0..64),
        )?;
        assert_eq!(cheapest(&mut all, &request(10, 63)), Some((24..34, 1)));
        Ok(())
    }

    #[test]
    fn no_more_pages_are_copied_than_allowed() -> Result {
        let mut all = snapshot(&[(&one(0..24), 0, 24), (&one(24..64), 0, 40)], &one(0..64))?;
        let mut needed = request(10, 63).copying_at_most(48);
        for _ in 0..2 {
            let window = all.cheapest(&needed).ok_or(EINVAL)?;
            needed.pay_for(&window);
        }
        assert_eq!(cheapest(&mut all, &needed), None);
        // The cost of a later move of the object itself does not count.
        let needed = request(40, 63).copying_at_most(40);
        assert_eq!(cheapest(&mut all, &needed), Some((24..64, 1)));
        assert_eq!(cheapest(&mut all, &needed.copying_at_most(39)), None);
        Ok(())
    }

    #[test]
    fn no_higher_rank_leaves_than_must() -> Result {
        let mut all = snapshot(
            &[
                (&one(0..16), 3, 1),
                (&one(16..32), 1, 16),
                (&one(32..48), 2, 16),
                (&one(48..64), 4, 1),
            ],
            &one(0..64),
        )?;
        assert_eq!(cheapest(&mut all, &request(16, 63)), Some((16..32, 1)));
        assert_eq!(cheapest(&mut all, &request(17, 63)), Some((16..33, 2)));
        assert_eq!(cheapest(&mut all, &request(33, 63)), Some((0..33, 3)));
        assert_eq!(cheapest(&mut all, &request(16, 15)), Some((0..16, 1)));
        Ok(())
    }

    #[test]
    fn pages_that_nobody_can_free_are_avoided() -> Result {
        let mut all = snapshot(
            &[(&one(0..10), 0, 10), (&one(20..40), 0, 20)],
            &[0..15, 20..64],
        )?;
        assert_eq!(cheapest(&mut all, &request(10, 63)), Some((0..10, 1)));
        assert_eq!(cheapest(&mut all, &request(25, 63)), Some((15..40, 1)));
        assert_eq!(cheapest(&mut all, &request(26, 63)), None);
        assert_eq!(cheapest(&mut all, &request(25, 14)), None);
        Ok(())
    }

    #[test]
    fn a_large_range_leaves_room_for_another_one() -> Result {
        let mut all = snapshot(
            &[(&one(0..18), 0, 18), (&one(44..64), 0, 20)],
            &[0..18, 44..64],
        )?;
        assert_eq!(cheapest(&mut all, &request(24, 63)), Some((0..24, 1)));
        assert_eq!(cheapest(&mut all, &request(20, 63)), Some((20..40, 0)));
        Ok(())
    }

    #[test]
    fn a_range_contains_chunks_if_that_costs_nothing() -> Result {
        let mut all = snapshot(
            &[(&one(0..3), 0, 3), (&one(26..64), 0, 38)],
            &[0..3, 26..64],
        )?;
        assert_eq!(cheapest(&mut all, &request(18, 63)), Some((6..24, 0)));
        assert_eq!(cheapest(&mut all, &request(16, 63)), Some((8..24, 0)));
        assert_eq!(cheapest(&mut all, &request(22, 63)), Some((3..25, 0)));
        Ok(())
    }

    #[test]
    fn the_objects_that_were_added_first_leave() -> Result {
        let mut all = snapshot(
            &[
                (&one(32..64), 0, 8),
                (&one(16..32), 0, 4),
                (&one(0..16), 0, 4),
            ],
            &[0..32, 32..64],
        )?;
        assert_eq!(cheapest(&mut all, &request(8, 63)), Some((16..24, 1)));
        assert_eq!(cheapest(&mut all, &request(16, 63)), Some((16..32, 1)));
        Ok(())
    }

    #[test]
    fn an_object_without_room_in_the_snapshot_cannot_leave() -> Result {
        let mut all = Occupancy::of_pages(64, 1, 1)?;
        all.add_parts(iter::once(0..32), Rank(0), 32);
        all.add_parts(iter::once(32..64), Rank(0), 1);
        all.seal_with(iter::once(0..64))?;
        assert_eq!(cheapest(&mut all, &request(20, 63)), Some((0..20, 1)));
        Ok(())
    }

    /// Pseudorandom numbers, the same in each run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1);
            usize::try_from(self.0 >> 33).map_or(0, |number| number % end)
        }
    }

    /// A reference implementation: a list with an element for each page: nothing, or its object.
    struct Model {
        owners: KVec<Option<usize>>,
        ranks: KVec<u32>,
        copies: KVec<usize>,
    }

    impl Model {
        /// Returns the highest rank in the range, and the cost of the range. `None` if a page
        /// cannot be freed.
        fn cost(&self, start: usize, pages: usize) -> Result<Option<(u32, Cost)>> {
            let vram = self.owners.len();
            let mut seen = KVec::from_elem(false, self.ranks.len(), GFP_KERNEL)?;
            let (mut rank, mut copies, mut tenants, mut age) = (0, 0, 0, 0);
            for &owner in self.owners[start..start + pages].iter().flatten() {
                if self.ranks[owner] == u32::MAX {
                    return Ok(None);
                }
                rank = rank.max(self.ranks[owner]);
                if !seen[owner] {
                    seen[owner] = true;
                    copies += self.copies[owner];
                    tenants += 1;
                    // The position among the objects that can leave.
                    let before = &self.ranks[..owner];
                    age += 1 + before.iter().filter(|&&rank| rank != u32::MAX).count();
                }
            }
            if start < pages && vram - start - pages < pages {
                copies += pages;
            }
            let whole = (start..start + pages + 1 - CHUNK.min(pages + 1))
                .filter(|page| page % CHUNK == 0)
                .count();
            let cost = Cost {
                copies,
                tenants,
                chunks: Reverse(whole),
                age,
                start,
            };
            Ok(Some((rank, cost)))
        }

        fn cheapest(&self, pages: usize, last_start: usize) -> Result<Option<Cost>> {
            let mut best: Option<(u32, Cost)> = None;
            let mut limit = None;
            let Some(last) = self.owners.len().checked_sub(pages) else {
                return Ok(None);
            };
            for start in 0..=last.min(last_start) {
                if let Some((rank, _)) = self.cost(start, pages)? {
                    limit = Some(limit.map_or(rank, |limit: u32| limit.min(rank)));
                }
            }
            for start in 0..=last.min(last_start) {
                match self.cost(start, pages)? {
                    Some((rank, cost)) if Some(rank) <= limit => {
                        if best.is_none_or(|(_, best)| cost < best) {
                            best = Some((rank, cost));
                        }
                    }
                    _ => {}
                }
            }
            Ok(best.map(|(_, cost)| cost))
        }
    }

    #[test]
    fn the_search_agrees_with_its_model() -> Result {
        let mut numbers = Numbers(1);
        for round in 0..60 {
            let pages = 1 + numbers.below(96);
            let count = 1 + numbers.below(12);
            let mut model = Model {
                owners: KVec::from_elem(None, pages, GFP_KERNEL)?,
                ranks: KVec::new(),
                copies: KVec::new(),
            };
            for _ in 0..count {
                let rank = match numbers.below(8) {
                    0 => u32::MAX,
                    1..=3 => 0,
                    _ => u32::try_from(numbers.below(4))?,
                };
                model.ranks.push(rank, GFP_KERNEL)?;
                model.copies.push(numbers.below(20), GFP_KERNEL)?;
            }
            // Runs of pages of one object, with gaps.
            let mut page = 0;
            while page < pages {
                let end = pages.min(page + 1 + numbers.below(1 + round % 16));
                if numbers.below(4) != 0 {
                    let owner = numbers.below(count);
                    model.owners[page..end].fill(Some(owner));
                }
                page = end;
            }
            let mut all = Occupancy::of_pages(pages, count, pages)?;
            for owner in 0..count {
                if model.ranks[owner] == u32::MAX {
                    continue;
                }
                let mut parts = KVec::new();
                let mut page = 0;
                while page < pages {
                    let end = page
                        + model.owners[page..]
                            .iter()
                            .take_while(|&&of| of == Some(owner))
                            .count();
                    if end != page {
                        parts.push(page..end, GFP_KERNEL)?;
                    }
                    page = end.max(page + 1);
                }
                let rank = Rank(model.ranks[owner]);
                all.add_parts(parts.iter().cloned(), rank, model.copies[owner]);
            }
            let used = (0..pages)
                .filter(|&page| model.owners[page].is_some())
                .map(|page| page..page + 1);
            all.seal_with(used)?;
            for _ in 0..4 {
                let len = 1 + numbers.below(pages + 1);
                let last_start = numbers.below(pages + 4);
                let expected = model
                    .cheapest(len, last_start)?
                    .map(|cost| (cost.start..cost.start + len, cost.tenants));
                assert_eq!(cheapest(&mut all, &request(len, last_start)), expected);
            }
        }
        Ok(())
    }
}
