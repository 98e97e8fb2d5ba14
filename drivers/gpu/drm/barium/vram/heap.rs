// SPDX-License-Identifier: GPL-2.0

//! The heap: who has which part of VRAM.
//!
//! It hands out [`Allocation`]s in whole pages. It keeps books only: it neither touches VRAM nor
//! cares whether the hardware is still there.

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
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    ptr::Alignment, //
};

/// All of VRAM, and what of it is taken.
pub(crate) struct Heap {
    buddy: GpuBuddy,
    size: VramSize,
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
        Ok(Self { buddy, size })
    }

    /// All bytes, taken or not.
    pub(crate) fn size(&self) -> VramSize {
        self.size
    }

    /// The bytes that are not taken now.
    pub(crate) fn available(&self) -> u64 {
        self.buddy.avail()
    }

    /// Takes `size` bytes, a whole number of pages and not 0. What they contain is not cleared.
    ///
    /// Errors: `ENOSPC` if there is not that much, or not in one piece; `ENOMEM` if the kernel
    /// has no memory for the books; `EINVAL` for a wrong size.
    pub(crate) fn alloc(&self, size: usize, placement: Placement) -> Result<Allocation> {
        if size > self.size.bytes() {
            return Err(ENOSPC);
        }
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
        if placement == Placement::Contiguous {
            let whole = one_piece(&extents).ok_or(ENOSPC)?;
            extents.clear();
            extents.push(whole, GFP_KERNEL)?;
        }

        Ok(Allocation {
            extents,
            _blocks: blocks,
        })
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

/// A part of VRAM that is taken, until this is dropped.
///
/// Its pages are numbered from 0: within a piece in the order in which they lie in VRAM, and from
/// piece to piece in the order in which the buddy allocator gave them, large ones first.
///
/// # Invariants
///
/// `extents` is ordered by `first_page`, starts at page 0 and has no gap.
pub(crate) struct Allocation {
    extents: KVec<Extent>,
    _blocks: Pin<KBox<AllocatedBlocks>>,
}

impl Allocation {
    /// Where page `page` is; `None` if there is no such page. Takes no lock.
    pub(crate) fn page(&self, page: usize) -> Option<VramOffset> {
        find_page(&self.extents, page)
    }

    /// The pieces that it is in, each with its length in bytes.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (VramOffset, usize)> + '_ {
        self.extents
            .iter()
            .map(|extent| (extent.offset, extent.pages << PAGE_SHIFT))
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

/// The one extent that all of `extents` are together, in whatever order the buddy allocator gave
/// its blocks; `None` if there is a gap between them.
fn one_piece(extents: &[Extent]) -> Option<Extent> {
    let offset = extents.iter().map(|extent| extent.offset).min()?;
    let end = extents.iter().map(Extent::end).max()?;
    let pages = extents.iter().map(|extent| extent.pages).sum();
    let whole = Extent {
        offset,
        pages,
        first_page: 0,
    };
    (whole.end() == end).then_some(whole)
}

/// Where page `page` is, by binary search in numbered extents.
fn find_page(extents: &[Extent], page: usize) -> Option<VramOffset> {
    let after = extents.partition_point(|extent| extent.first_page <= page);
    let extent = extents.get(after.checked_sub(1)?)?;
    let in_extent = page - extent.first_page;
    if in_extent >= extent.pages {
        return None;
    }
    Some(VramOffset(extent.offset.0 + (in_extent << PAGE_SHIFT)))
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

    fn vram_page(extents: &[Extent], page: usize) -> Option<usize> {
        find_page(extents, page).map(|offset| offset.0 >> PAGE_SHIFT)
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
    fn one_piece_has_no_gap() -> Result {
        let whole = one_piece(&extents(&[(8, 2), (10, 1), (4, 4)])?).ok_or(EINVAL)?;
        assert_eq!(whole.offset.0 >> PAGE_SHIFT, 4);
        assert_eq!(whole.pages, 7);
        assert_eq!(one_piece(&extents(&[(8, 2), (11, 1)])?), None);
        assert_eq!(one_piece(&[]), None);
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
                let place = allocation.page(page).ok_or(EINVAL)?.0 >> PAGE_SHIFT;
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
        let start = odd.page(0).ok_or(EINVAL)?.0;
        for page in 0..5 {
            assert_eq!(
                odd.page(page),
                Some(VramOffset(start + (page << PAGE_SHIFT)))
            );
        }
        drop(odd);

        let mut singles = KVec::new();
        for _ in 0..16 {
            singles.push(heap.alloc(PAGE_SIZE, Placement::Anywhere)?, GFP_KERNEL)?;
        }
        singles.retain(|single| {
            single
                .page(0)
                .is_some_and(|offset| (offset.0 >> PAGE_SHIFT) % 2 == 1)
        });
        assert_eq!(
            heap.alloc(2 << PAGE_SHIFT, Placement::Contiguous).err(),
            Some(ENOSPC)
        );
        assert!(heap.alloc(8 << PAGE_SHIFT, Placement::Anywhere).is_ok());
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
