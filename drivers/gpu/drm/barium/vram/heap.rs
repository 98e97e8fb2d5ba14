// SPDX-License-Identifier: GPL-2.0

//! The heap: who has which part of VRAM.
//!
//! It hands out [`Allocation`]s in whole pages. It keeps books only: it neither touches VRAM nor
//! cares whether the hardware is still there.
//!
//! # Where an allocation is placed
//!
//! The buddy allocator aligns a block to its own size, and serves a size that is no power of two with
//! blocks of falling size. So whatever has 2 MiB or more starts with blocks that huge entries fit on,
//! for which nothing is left unused, and small allocations do not break up large free blocks as long
//! as smaller ones are free. That is all the preference there is: an allocation never fails, or
//! takes more than its size, for the sake of huge entries.

use super::{
    VramOffset,
    VramSize, //
};
use kernel::{
    gpu::buddy::{
        AllocatedBlocks,
        GpuBuddy,
        GpuBuddyAllocFlag,
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
    spare: Mutex<Spare>,
}

/// Small allocations that were given back, kept for the next ones of the same size.
///
/// The buddy allocator splits a block down from the largest for a single page, and merges it up
/// again when the page is given back. A program that makes and drops small objects pays for that
/// each time, unless some are kept. They count as available, and go back to the buddy allocator
/// before anything is refused for want of space.
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
        let spare = Spare(KVec::with_capacity(Spare::MAX, GFP_KERNEL)?);
        Arc::pin_init(
            pin_init!(Inner {
                buddy,
                size,
                spare <- new_mutex!(spare),
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
        let spare = self.0.spare.lock();
        let kept: usize = spare.0.iter().map(|piece| piece.pages << PAGE_SHIFT).sum();
        self.0.buddy.avail() + u64::try_from(kept).unwrap_or(0)
    }

    /// Takes `size` bytes, a whole number of pages and not 0. What they contain is not cleared.
    ///
    /// Errors: `ENOSPC` if there is not that much, or not in one piece; `ENOMEM` if the kernel
    /// has no memory for the books; `EINVAL` for a wrong size.
    pub(crate) fn alloc(&self, size: usize, placement: Placement) -> Result<Allocation> {
        if size > self.0.size.bytes() {
            return Err(ENOSPC);
        }
        let piece = match self.0.take_spare(size >> PAGE_SHIFT) {
            Some(piece) => piece,
            None => match self.0.take(size, placement) {
                // Also if nothing was kept: somebody else may have given it back just now.
                Err(ENOSPC) => {
                    self.0.give_back_spare();
                    self.0.take(size, placement)?
                }
                taken => taken?,
            },
        };
        Ok(Allocation {
            piece,
            heap: self.0.clone(),
        })
    }
}

impl Heap {
    /// Returns the parts of VRAM that are allocated, in ascending order, each with its length in
    /// bytes; or all of VRAM, if the buddy allocator does not allocate the rest.
    ///
    /// The buddy allocator does not tell what is allocated. So this allocates all that is free and
    /// returns what is in between. Allocations wait meanwhile; what is freed meanwhile is returned.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn allocated(&self) -> Result<KVec<(VramOffset, usize)>> {
        // An allocation that finds no space takes this lock before it gives up.
        let mut spare = self.0.spare.lock();
        spare.0.clear();
        let free = match usize::try_from(self.0.buddy.avail())? {
            0 => None,
            size => match self.0.take(size, Placement::Anywhere) {
                Err(ENOMEM) => return Err(ENOMEM),
                free => free.ok(),
            },
        };
        let mut free_extents = KVec::new();
        for extent in free.iter().flat_map(|piece| piece.extents.iter()) {
            free_extents.push((extent.offset, extent.end()), GFP_KERNEL)?;
        }
        let end = VramOffset(self.0.size.bytes());
        free_extents.push((end, end), GFP_KERNEL)?;
        free_extents.sort_unstable();

        let mut allocated = KVec::new();
        let mut start = VramOffset(0);
        for &(free_start, free_end) in &free_extents {
            if free_start > start {
                allocated.push((start, free_start.0 - start.0), GFP_KERNEL)?;
            }
            start = free_end;
        }
        Ok(allocated)
    }
}

impl Inner {
    fn take(&self, size: usize, placement: Placement) -> Result<Piece> {
        let flags = match placement {
            Placement::Anywhere => GpuBuddyAllocFlags::default(),
            Placement::Contiguous => GpuBuddyAllocFlag::Contiguous.into(),
        };
        let blocks = KBox::pin_init(
            self.buddy.alloc_blocks(
                GpuBuddyAllocMode::Simple,
                u64::try_from(size)?,
                Alignment::new::<PAGE_SIZE>(),
                flags,
            ),
            GFP_KERNEL,
        )?;

        let mut extents = KVec::new();
        for block in blocks.iter() {
            append(
                &mut extents,
                VramOffset(usize::try_from(block.offset())?),
                usize::try_from(block.size())? >> PAGE_SHIFT,
            )?;
        }
        // The blocks of one that is contiguous come in the order in which they lie.
        if placement == Placement::Contiguous && extents.len() != 1 {
            return Err(ENOSPC);
        }
        Ok(Piece {
            extents,
            pages: size >> PAGE_SHIFT,
            blocks: Some(blocks),
        })
    }

    /// Takes what is kept, if there is something of `pages` pages. It is in one piece.
    fn take_spare(&self, pages: usize) -> Option<Piece> {
        if pages > Spare::MAX_PAGES {
            return None;
        }
        let mut spare = self.spare.lock();
        let last = spare.0.iter().rposition(|piece| piece.pages == pages)?;
        let end = spare.0.len() - 1;
        spare.0.swap(last, end);
        spare.0.pop()
    }

    /// Keeps `piece`, or gives it back to the buddy allocator.
    fn put(&self, piece: Piece) {
        if piece.extents.len() == 1 && piece.pages <= Spare::MAX_PAGES {
            let mut spare = self.spare.lock();
            if spare.0.len() < Spare::MAX {
                // There is room, so this allocates nothing and cannot fail.
                let _ = spare.0.push_within_capacity(piece);
            }
        }
    }

    /// Gives all that is kept back to the buddy allocator. When it returns, that has it, whoever it
    /// was that gave it back.
    fn give_back_spare(&self) {
        // With the lock held, so that who finds nothing here finds it there.
        self.spare.lock().0.clear();
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
    /// `None` only in what is left of an allocation that is being dropped.
    blocks: Option<Pin<KBox<AllocatedBlocks>>>,
}

impl Piece {
    /// All that it has; it has nothing then.
    fn take(&mut self) -> Self {
        Self {
            extents: core::mem::replace(&mut self.extents, KVec::new()),
            pages: core::mem::replace(&mut self.pages, 0),
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
        GFP_KERNEL,
    )?)
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
        let second = heap.alloc(PAGE_SIZE, Placement::Contiguous)?;
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
}
