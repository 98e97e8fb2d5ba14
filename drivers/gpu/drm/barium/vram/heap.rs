// SPDX-License-Identifier: GPL-2.0

//! The heap: who has which part of VRAM.
//!
//! It hands out [`Allocation`]s in whole pages. It keeps books only: it neither touches VRAM nor
//! cares whether the hardware is still there.
//!
//! # Where an allocation is placed
//!
//! A display can show a picture only if it starts low enough in VRAM. So contiguous allocations,
//! which are what can be shown, are placed as low as possible, and all others as high as the buddy
//! allocator finds blocks of the sizes that it wants.
//!
//! Huge entries fit on as much of each allocation as its size allows: the buddy allocator aligns a
//! block to its own size and serves a size that is no power of two with blocks of falling size, and
//! a contiguous allocation starts where it contains the most multiples of a huge entry's size. An
//! allocation never fails, or takes more than its size, for the sake of huge entries.

use super::{
    page_map::{
        PageMap,
        RangeRequest, //
    },
    VramOffset,
    VramSize, //
};
use crate::upstream::vma::PAGES_PER_TABLE;
use core::ops::Range;
use kernel::{
    gpu::buddy::{
        AllocatedBlocks,
        GpuBuddy,
        GpuBuddyAllocFlags,
        GpuBuddyAllocMode,
        GpuBuddyParams, //
    },
    new_mutex,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    ptr::Alignment,
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// All of VRAM, and what of it is taken.
pub(crate) struct Heap(Arc<Inner>);

#[pin_data]
struct Inner {
    buddy: GpuBuddy,
    size: VramSize,
    #[pin]
    state: Mutex<State>,
}

/// What changes with each allocation.
///
/// Blocks are allocated from the buddy allocator and freed to it with the mutex held, so that the
/// map and the buddy allocator agree whenever the mutex is free.
struct State {
    /// The pages that are in use as far as the buddy allocator knows: those of the cache as well.
    map: PageMap,
    spare: Spare,
}

/// Small allocations that were given back, kept for the next ones of the same size.
///
/// The buddy allocator splits a block down from the largest for a single page, and merges it up
/// again when the page is given back. A program that makes and drops small objects pays for that
/// each time, unless some are kept. They count as available, and go back to the buddy allocator
/// before anything is refused for want of space. Their kernel memory stays charged to the cgroup of
/// the program that made them first.
struct Spare(KVec<Piece>);

impl Spare {
    /// How many are kept.
    const MAX: usize = 32;
    /// The size in pages of the largest that is kept: all of them are at most 2 MiB.
    const MAX_PAGES: usize = 16;
}

/// What an allocation asks of its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Anywhere, in as many pieces as it takes.
    Anywhere,
    /// In one piece.
    Contiguous,
}

impl Heap {
    /// A heap of all of VRAM, with nothing taken. Errors: `ENOMEM`.
    pub(crate) fn new(size: VramSize) -> Result<Self> {
        let buddy = GpuBuddy::new(GpuBuddyParams {
            base_offset: 0,
            size: u64::try_from(size.bytes())?,
            chunk_size: Alignment::new::<PAGE_SIZE>(),
        })?;
        let state = State {
            map: PageMap::new(size.bytes() >> PAGE_SHIFT)?,
            spare: Spare(KVec::with_capacity(Spare::MAX, GFP_KERNEL)?),
        };
        Arc::pin_init(
            pin_init!(Inner {
                buddy,
                size,
                state <- new_mutex!(state),
            }),
            GFP_KERNEL,
        )
        .map(Self)
    }

    /// All bytes, taken or not.
    pub(crate) fn size(&self) -> VramSize {
        self.0.size
    }

    /// The bytes that are not taken now.
    pub(crate) fn available(&self) -> u64 {
        let state = self.0.state.lock();
        let kept: usize = state.spare.0.iter().map(|piece| piece.pages).sum();
        u64::try_from((state.map.free() + kept) << PAGE_SHIFT).unwrap_or(0)
    }

    /// Takes `size` bytes, a whole number of pages and not 0. What they contain is not cleared.
    ///
    /// A contiguous allocation starts as low as possible.
    ///
    /// Errors: `ENOSPC` if there is not that much, or not in one piece; `ENOMEM` if the kernel
    /// has no memory for the books; `EINVAL` for a wrong size.
    pub(crate) fn alloc(&self, size: usize, placement: Placement) -> Result<Allocation> {
        self.alloc_wanted(&Wanted {
            pages: Wanted::pages(size)?,
            placement,
            last_start: usize::MAX,
        })
    }

    /// Takes `size` bytes in one piece, which starts as low as possible, and not above `last_start`.
    ///
    /// Errors: as for [`Self::alloc`]; `ENOSPC` also if there is room only above.
    pub(crate) fn alloc_low(&self, size: usize, last_start: VramOffset) -> Result<Allocation> {
        self.alloc_wanted(&Wanted {
            pages: Wanted::pages(size)?,
            placement: Placement::Contiguous,
            last_start: last_start.0 >> PAGE_SHIFT,
        })
    }

    fn alloc_wanted(&self, wanted: &Wanted) -> Result<Allocation> {
        let mut state = self.0.state.lock();
        let piece = match state.take_spare(wanted) {
            Some(piece) => piece,
            None => match self.0.take(&mut state, wanted) {
                Err(ENOSPC) if state.give_back_spare() => self.0.take(&mut state, wanted)?,
                taken => taken?,
            },
        };
        drop(state);
        Ok(Allocation {
            piece,
            heap: self.0.clone(),
        })
    }
}

impl Heap {
    /// Returns the parts of VRAM that are allocated, in ascending order, each with its length in
    /// bytes.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for the list.
    pub(super) fn allocated(&self) -> Result<KVec<(VramOffset, usize)>> {
        let mut state = self.0.state.lock();
        state.give_back_spare();
        let mut allocated = KVec::new();
        for pages in state.map.used_ranges() {
            let offset = VramOffset(pages.start << PAGE_SHIFT);
            allocated.push((offset, pages.len() << PAGE_SHIFT), GFP_KERNEL)?;
        }
        Ok(allocated)
    }
}

/// What is asked of an allocation, in pages.
struct Wanted {
    pages: usize,
    placement: Placement,
    /// The page that a contiguous one may start at, at most.
    last_start: usize,
}

impl Wanted {
    /// The pages of `size` bytes. Errors: `EINVAL` if that is 0, or not a whole number.
    fn pages(size: usize) -> Result<usize> {
        match size {
            0 => Err(EINVAL),
            size if size % PAGE_SIZE != 0 => Err(EINVAL),
            size => Ok(size >> PAGE_SHIFT),
        }
    }
}

impl Inner {
    /// Takes blocks of the buddy allocator.
    fn take(&self, state: &mut State, wanted: &Wanted) -> Result<Piece> {
        if wanted.pages > state.map.free() {
            return Err(ENOSPC);
        }
        let mode = match wanted.placement {
            Placement::Anywhere => GpuBuddyAllocMode::TopDown,
            Placement::Contiguous => {
                let start = state.lowest(wanted).ok_or(ENOSPC)?;
                let bytes = |page: usize| u64::try_from(page << PAGE_SHIFT);
                GpuBuddyAllocMode::Range(bytes(start)?..bytes(start + wanted.pages)?)
            }
        };
        let blocks = KBox::pin_init(
            self.buddy.alloc_blocks(
                mode,
                u64::try_from(wanted.pages << PAGE_SHIFT)?,
                Alignment::new::<PAGE_SIZE>(),
                GpuBuddyAllocFlags::default(),
            ),
            GFP_KERNEL_ACCOUNT,
        )
        .map_err(|err| match err {
            // There are as many free pages, and any of them will do, or the range is free. But
            // `gpu_buddy_alloc_blocks()` returns `ENOSPC` also if it has no memory to split a block.
            ENOSPC => ENOMEM,
            other => other,
        })?;

        let mut extents = KVec::new();
        for block in blocks.iter() {
            append(
                &mut extents,
                VramOffset(usize::try_from(block.offset())?),
                usize::try_from(block.size())? >> PAGE_SHIFT,
            )?;
        }
        // `gpu_buddy_alloc_blocks()` ignores that it has no memory to trim a block, and returns more
        // than was requested. Nothing that is requested here needs trimming; see that it stays so.
        if !is_complete(&extents, wanted) {
            return Err(ENOMEM);
        }
        for extent in &extents {
            state.map.mark_used(extent.vram_pages());
        }
        // INVARIANT: `append()` numbers the pages without a gap, and they are as many as requested.
        Ok(Piece {
            extents,
            pages: wanted.pages,
            placement: wanted.placement,
            blocks: Some(blocks),
        })
    }

    /// Keeps `piece`, or gives it back to the buddy allocator.
    fn put(&self, piece: Piece) {
        let mut state = self.state.lock();
        if piece.extents.len() == 1
            && piece.pages <= Spare::MAX_PAGES
            && state.spare.0.len() < Spare::MAX
        {
            // There is room, so this allocates nothing and cannot fail.
            let _ = state.spare.0.push_within_capacity(piece);
        } else {
            state.give_back(piece);
        }
    }
}

impl State {
    /// The page that a contiguous allocation is to start at: the lowest that leaves nothing to be
    /// desired for huge entries, or else the lowest there is.
    fn lowest(&self, wanted: &Wanted) -> Option<usize> {
        let anywhere = RangeRequest {
            pages: wanted.pages,
            last_start: wanted.last_start,
            chunk: PAGES_PER_TABLE,
            slack: PAGES_PER_TABLE - 1,
        };
        self.map
            .lowest_free_range(&anywhere.with_most_chunks())
            .or_else(|| self.map.lowest_free_range(&anywhere))
    }

    /// Takes what is kept, if there is something like that.
    fn take_spare(&mut self, wanted: &Wanted) -> Option<Piece> {
        let spare = &mut self.spare.0;
        let last = spare.iter().rposition(|piece| piece.is(wanted))?;
        let end = spare.len() - 1;
        spare.swap(last, end);
        spare.pop()
    }

    /// Gives all that is kept back to the buddy allocator. Returns whether there was anything.
    fn give_back_spare(&mut self) -> bool {
        let had_some = !self.spare.0.is_empty();
        while let Some(piece) = self.spare.0.pop() {
            self.give_back(piece);
        }
        had_some
    }

    /// Gives `piece` back to the buddy allocator.
    fn give_back(&mut self, piece: Piece) {
        for extent in &piece.extents {
            self.map.mark_free(extent.vram_pages());
        }
    }
}

/// A run of pages in VRAM, and which pages of the allocation they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    offset: VramOffset,
    /// The length in pages.
    pages: usize,
    /// The page of the allocation that is at `offset`.
    first_page: usize,
}

impl Extent {
    /// The place right behind it.
    fn end(&self) -> VramOffset {
        VramOffset(self.offset.0 + (self.pages << PAGE_SHIFT))
    }

    /// The pages of VRAM that it is.
    fn vram_pages(&self) -> Range<usize> {
        let start = self.offset.0 >> PAGE_SHIFT;
        start..start + self.pages
    }
}

/// Pages of an allocation that lie one after the other in VRAM, and one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where the run starts.
    pub(crate) offset: VramOffset,
    /// The length of the run in pages.
    pub(crate) pages: usize,
    /// Which page of the run it is.
    pub(crate) index: usize,
}

impl Run {
    /// Where the page is.
    pub(crate) fn place(self) -> VramOffset {
        VramOffset(self.offset.0 + (self.index << PAGE_SHIFT))
    }
}

/// Blocks of the buddy allocator, which go back to it when this is dropped.
///
/// # Invariants
///
/// `extents` is ordered by `first_page`, starts at page 0, has no gap, and ends with page
/// `pages - 1`.
struct Piece {
    extents: KVec<Extent>,
    pages: usize,
    placement: Placement,
    /// `None` only in what is left of an allocation that is being dropped.
    blocks: Option<Pin<KBox<AllocatedBlocks>>>,
}

impl Piece {
    /// Whether it can be had instead of what is wanted.
    ///
    /// One that may lie anywhere is not had for a contiguous one, which is to lie low.
    fn is(&self, wanted: &Wanted) -> bool {
        self.pages == wanted.pages
            && self.placement == wanted.placement
            && (self.placement == Placement::Anywhere
                || self
                    .extents
                    .iter()
                    .all(|extent| extent.vram_pages().start <= wanted.last_start))
    }

    /// All that it has; it has nothing then.
    fn take(&mut self) -> Self {
        Self {
            extents: core::mem::replace(&mut self.extents, KVec::new()),
            pages: core::mem::replace(&mut self.pages, 0),
            placement: self.placement,
            blocks: self.blocks.take(),
        }
    }
}

/// A part of VRAM that is taken, until this is dropped.
///
/// Its pages are numbered from 0: within a run in the order in which they lie in VRAM, and from
/// run to run in the order in which the buddy allocator gave them, large ones first.
pub(crate) struct Allocation {
    piece: Piece,
    heap: Arc<Inner>,
}

impl Allocation {
    /// The run that page `page` is in; `None` if there is no such page. Takes no lock.
    #[inline]
    pub(crate) fn run(&self, page: usize) -> Option<Run> {
        find_run(&self.piece.extents, page)
    }

    /// The runs that it is in, each with its length in bytes.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (VramOffset, usize)> + '_ {
        self.piece
            .extents
            .iter()
            .map(|extent| (extent.offset, extent.pages << PAGE_SHIFT))
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        self.heap.put(self.piece.take());
    }
}

/// Appends `pages` pages at `offset` in VRAM, to the last extent if they follow it there.
fn append(extents: &mut KVec<Extent>, offset: VramOffset, pages: usize) -> Result {
    let first_page = match extents.last_mut() {
        Some(last) if last.end() == offset => {
            last.pages += pages;
            return Ok(());
        }
        Some(last) => last.first_page + last.pages,
        None => 0,
    };
    Ok(extents.push(
        Extent {
            offset,
            pages,
            first_page,
        },
        GFP_KERNEL_ACCOUNT,
    )?)
}

/// Whether `extents` are what is wanted: exactly so many pages, in one extent if contiguous.
fn is_complete(extents: &[Extent], wanted: &Wanted) -> bool {
    let pages: usize = extents.iter().map(|extent| extent.pages).sum();
    pages == wanted.pages && (wanted.placement == Placement::Anywhere || extents.len() == 1)
}

/// The run that page `page` is in, by binary search in numbered extents.
#[inline]
fn find_run(extents: &[Extent], page: usize) -> Option<Run> {
    let after = extents.partition_point(|extent| extent.first_page <= page);
    // `after` is 0 only without extents: the first one starts at page 0.
    let extent = extents.get(after.wrapping_sub(1))?;
    let index = page - extent.first_page;
    (index < extent.pages).then_some(Run {
        offset: extent.offset,
        pages: extent.pages,
        index,
    })
}

#[kunit_tests(barium_vram_heap)]
mod tests {
    use super::*;

    /// Extents of `(page of VRAM, pages)`.
    fn extents(runs: &[(usize, usize)]) -> Result<KVec<Extent>> {
        let mut extents = KVec::new();
        for &(page, pages) in runs {
            append(&mut extents, VramOffset(page << PAGE_SHIFT), pages)?;
        }
        Ok(extents)
    }

    /// Where page `page` is.
    fn place(allocation: &Allocation, page: usize) -> Result<usize> {
        Ok(allocation.run(page).ok_or(EINVAL)?.place().0 >> PAGE_SHIFT)
    }

    fn vram_page(extents: &[Extent], page: usize) -> Option<usize> {
        find_run(extents, page).map(|run| run.place().0 >> PAGE_SHIFT)
    }

    #[test]
    fn one_extent_maps_its_pages_in_order() -> Result {
        let extents = extents(&[(5, 3)])?;
        assert_eq!(vram_page(&extents, 0), Some(5));
        assert_eq!(vram_page(&extents, 1), Some(6));
        assert_eq!(vram_page(&extents, 2), Some(7));
        Ok(())
    }

    #[test]
    fn a_page_past_the_end_is_nowhere() -> Result {
        let extents = extents(&[(5, 3)])?;
        assert_eq!(vram_page(&extents, 3), None);
        assert_eq!(vram_page(&extents, usize::MAX), None);
        assert_eq!(vram_page(&[], 0), None);
        Ok(())
    }

    #[test]
    fn pages_go_on_in_the_next_extent() -> Result {
        let extents = extents(&[(16, 4), (2, 2), (8, 1)])?;
        let places = [16, 17, 18, 19, 2, 3, 8];
        for (page, place) in places.into_iter().enumerate() {
            assert_eq!(vram_page(&extents, page), Some(place));
        }
        assert_eq!(vram_page(&extents, places.len()), None);
        Ok(())
    }

    #[test]
    fn neighbours_become_one_extent() -> Result {
        let extents = extents(&[(4, 4), (8, 2), (10, 1), (2, 2)])?;
        assert_eq!(extents.len(), 2);
        assert_eq!(vram_page(&extents, 6), Some(10));
        assert_eq!(vram_page(&extents, 7), Some(2));
        Ok(())
    }

    #[test]
    fn a_heap_gives_each_page_once_and_takes_it_back() -> Result {
        let size = VramSize::new(64 << PAGE_SHIFT).ok_or(EINVAL)?;
        let heap = Heap::new(size)?;
        let all = heap.available();
        let first = heap.alloc(24 << PAGE_SHIFT, Placement::Anywhere)?;
        let second = heap.alloc(40 << PAGE_SHIFT, Placement::Anywhere)?;
        assert_eq!(heap.available(), 0);
        let mut seen = [false; 64];
        for (allocation, pages) in [(&first, 24), (&second, 40)] {
            for page in 0..pages {
                let place = place(allocation, page)?;
                assert!(!seen[place]);
                seen[place] = true;
            }
        }
        assert!(seen.iter().all(|&seen| seen));
        drop(first);
        drop(second);
        assert_eq!(heap.available(), all);
        Ok(())
    }

    #[test]
    fn contiguous_is_in_one_piece_or_not_at_all() -> Result {
        let heap = Heap::new(VramSize::new(16 << PAGE_SHIFT).ok_or(EINVAL)?)?;
        let odd = heap.alloc(5 << PAGE_SHIFT, Placement::Contiguous)?;
        let start = place(&odd, 0)?;
        for page in 0..5 {
            assert_eq!(place(&odd, page)?, start + page);
        }
        drop(odd);

        let mut singles = KVec::new();
        for _ in 0..16 {
            singles.push(heap.alloc(PAGE_SIZE, Placement::Anywhere)?, GFP_KERNEL)?;
        }
        singles.retain(|single| place(single, 0).is_ok_and(|page| page % 2 == 1));
        assert_eq!(
            heap.alloc(2 << PAGE_SHIFT, Placement::Contiguous).err(),
            Some(ENOSPC)
        );
        assert!(heap.alloc(8 << PAGE_SHIFT, Placement::Anywhere).is_ok());
        Ok(())
    }

    #[test]
    fn contiguous_may_be_of_several_blocks() -> Result {
        let heap = Heap::new(VramSize::new(16 << PAGE_SHIFT).ok_or(EINVAL)?)?;
        let mut singles = KVec::new();
        for _ in 0..16 {
            singles.push(heap.alloc(PAGE_SIZE, Placement::Anywhere)?, GFP_KERNEL)?;
        }
        // What is free then are blocks of 1, 2 and 4 pages.
        singles.retain(|single| place(single, 0).is_ok_and(|page| !(5..12).contains(&page)));
        let seven = heap.alloc(7 << PAGE_SHIFT, Placement::Contiguous)?;
        for page in 0..7 {
            assert_eq!(place(&seven, page)?, 5 + page);
        }
        Ok(())
    }

    #[test]
    fn what_is_kept_is_available() -> Result {
        let heap = Heap::new(VramSize::new(16 << PAGE_SHIFT).ok_or(EINVAL)?)?;
        let all = heap.available();
        let first = heap.alloc(PAGE_SIZE, Placement::Anywhere)?;
        let page = place(&first, 0)?;
        drop(first);
        assert_eq!(heap.available(), all);
        let second = heap.alloc(PAGE_SIZE, Placement::Anywhere)?;
        assert_eq!(place(&second, 0)?, page);
        assert_eq!(heap.available(), all - u64::try_from(PAGE_SIZE)?);
        drop(second);
        for placement in [Placement::Contiguous, Placement::Anywhere] {
            drop(heap.alloc(PAGE_SIZE, placement)?);
            assert!(heap.alloc(16 << PAGE_SHIFT, placement).is_ok());
        }
        Ok(())
    }

    #[test]
    fn what_is_allocated_is_told() -> Result {
        let heap = Heap::new(VramSize::new(16 << PAGE_SHIFT).ok_or(EINVAL)?)?;
        let pages = |pages: usize| pages << PAGE_SHIFT;
        assert!(heap.allocated()?.is_empty());

        let mut singles = KVec::new();
        for _ in 0..16 {
            singles.push(heap.alloc(PAGE_SIZE, Placement::Anywhere)?, GFP_KERNEL)?;
        }
        assert_eq!(
            heap.allocated()?.as_slice(),
            [(VramOffset(0), pages(16))].as_slice()
        );
        singles.retain(|single| place(single, 0).is_ok_and(|page| matches!(page, 3..7 | 15)));
        let available = heap.available();
        assert_eq!(
            heap.allocated()?.as_slice(),
            [
                (VramOffset(pages(3)), pages(4)),
                (VramOffset(pages(15)), pages(1))
            ]
            .as_slice()
        );
        assert_eq!(heap.available(), available);
        Ok(())
    }

    #[test]
    fn more_than_there_is_does_not_fit() -> Result {
        let heap = Heap::new(VramSize::new(16 << PAGE_SHIFT).ok_or(EINVAL)?)?;
        for placement in [Placement::Anywhere, Placement::Contiguous] {
            assert_eq!(heap.alloc(17 << PAGE_SHIFT, placement).err(), Some(ENOSPC));
            assert!(heap.alloc(16 << PAGE_SHIFT, placement).is_ok());
        }
        Ok(())
    }
    /// A heap of `pages` pages.
    fn heap(pages: usize) -> Result<Heap> {
        Heap::new(VramSize::new(pages << PAGE_SHIFT).ok_or(EINVAL)?)
    }

    #[test]
    fn contiguous_is_at_the_start_and_the_rest_at_the_end() -> Result {
        let heap = heap(256)?;
        let mut expected = 0;
        let mut all = KVec::new();
        for pages in [5, 1, 16, 40] {
            let low = heap.alloc(pages << PAGE_SHIFT, Placement::Contiguous)?;
            assert_eq!(place(&low, 0)?, expected);
            expected += pages;
            all.push(low, GFP_KERNEL)?;
            let high = heap.alloc(pages << PAGE_SHIFT, Placement::Anywhere)?;
            for page in 0..pages {
                assert!(place(&high, page)? >= 128);
            }
            all.push(high, GFP_KERNEL)?;
        }
        // Also if there is something in the cache that lies high.
        all.clear();
        drop(heap.alloc(PAGE_SIZE, Placement::Anywhere)?);
        assert_eq!(place(&heap.alloc(PAGE_SIZE, Placement::Contiguous)?, 0)?, 0);
        Ok(())
    }

    #[test]
    fn what_must_lie_low_is_refused_elsewhere() -> Result {
        let heap = heap(64)?;
        let low = |pages: usize, page: usize| {
            heap.alloc_low(pages << PAGE_SHIFT, VramOffset(page << PAGE_SHIFT))
        };
        let first = low(20, 0)?;
        assert_eq!(low(4, 19).err(), Some(ENOSPC));
        let second = low(4, 20)?;
        assert_eq!(place(&second, 0)?, 20);
        // Whatever is in the cache. What does not have to lie low can still be had.
        drop(heap.alloc(4 << PAGE_SHIFT, Placement::Contiguous)?);
        assert_eq!(low(4, 23).err(), Some(ENOSPC));
        assert!(heap.alloc(40 << PAGE_SHIFT, Placement::Contiguous).is_ok());
        drop(second);
        drop(first);
        assert_eq!(place(&low(64, 0)?, 0)?, 0);
        Ok(())
    }

    #[test]
    fn large_contiguous_ones_have_room_for_huge_entries() -> Result {
        const HUGE: usize = PAGES_PER_TABLE;
        let heap = heap(8 * HUGE)?;
        let odd = heap.alloc(PAGE_SIZE, Placement::Contiguous)?;
        let huge = heap.alloc((2 * HUGE) << PAGE_SHIFT, Placement::Contiguous)?;
        assert_eq!(place(&huge, 0)?, HUGE);
        let more = heap.alloc((HUGE + HUGE / 2) << PAGE_SHIFT, Placement::Contiguous)?;
        assert_eq!(place(&more, 0)?, 3 * HUGE);
        let next = heap.alloc((HUGE + HUGE / 2) << PAGE_SHIFT, Placement::Contiguous)?;
        assert_eq!(place(&next, 0)?, 4 * HUGE + HUGE / 2);
        drop(odd);
        drop(huge);
        let rest = heap.alloc((3 * HUGE - 1) << PAGE_SHIFT, Placement::Contiguous)?;
        assert_eq!(place(&rest, 0)?, 1);
        Ok(())
    }
    #[test]
    fn a_place_without_huge_entries_is_better_than_none() -> Result {
        let heap = heap(2 * PAGES_PER_TABLE)?;
        let _first = heap.alloc(PAGE_SIZE, Placement::Contiguous)?;
        let _last = heap.alloc(PAGE_SIZE, Placement::Anywhere)?;
        let middle = heap.alloc(PAGES_PER_TABLE << PAGE_SHIFT, Placement::Contiguous)?;
        assert_eq!(place(&middle, 0)?, 1);
        Ok(())
    }
    #[test]
    fn more_or_less_than_requested_is_not_complete() -> Result {
        let wanted = |pages, placement| Wanted {
            pages,
            placement,
            last_start: usize::MAX,
        };
        // What is left if a block of 8 pages cannot be trimmed to 5.
        let untrimmed = extents(&[(8, 8)])?;
        for placement in [Placement::Anywhere, Placement::Contiguous] {
            assert!(is_complete(&untrimmed, &wanted(8, placement)));
            assert!(!is_complete(&untrimmed, &wanted(5, placement)));
            assert!(!is_complete(&untrimmed, &wanted(9, placement)));
        }
        let apart = extents(&[(8, 4), (2, 1)])?;
        assert!(is_complete(&apart, &wanted(5, Placement::Anywhere)));
        assert!(!is_complete(&apart, &wanted(5, Placement::Contiguous)));
        Ok(())
    }
}
