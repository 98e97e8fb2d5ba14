// SPDX-License-Identifier: GPL-2.0

//! The VRAM manager, which allocates VRAM in whole pages.
//!
//! This is accounting only: the manager accesses neither VRAM nor registers, and also works after
//! the hardware is gone.
//!
//! # Placement
//!
//! A display can scan a picture out only if it is contiguous and starts low enough in VRAM. So the
//! manager places contiguous allocations as low as possible. The exception is an allocation of more
//! than a third of VRAM: if only that leaves room for another one of its size, it lies as high as
//! possible. For all others, the buddy allocator takes the highest free block of each order that it
//! needs.
//!
//! Huge entries can map as much of each allocation as its size allows. The buddy allocator aligns a
//! block to its own size, and serves a size that is no power of two with blocks of falling order. A
//! contiguous allocation starts where it contains as many naturally aligned chunks of a huge
//! entry's size as possible, and at the start of a chunk if that skips only a few pages. An
//! allocation never fails, or takes more than its size, for the sake of huge entries.
//!
//! A blank picture, which blanks the screen of a `bochs-display`, lies as high as possible. Its
//! owner frees it when there is no room for another allocation, so it counts as available.

use super::{
    extents::{
        Extent,
        Extents,
        VramPage, //
    },
    page_map::{
        PageMap,
        RangeRequest, //
    },
    VramOffset,
    VramSize, //
};
use crate::upstream::{
    dmem::Charge,
    shrinker::without_fs_reclaim,
    vma::PAGES_PER_TABLE, //
};
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
    sizes::SZ_64K,
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// The manager of the VRAM of a device. [`Allocation`]s hold a reference to its state.
pub(crate) struct VramManager(Arc<Inner>);

#[pin_data]
struct Inner {
    buddy: GpuBuddy,
    size: VramSize,
    #[pin]
    state: Mutex<State>,
}

/// The state that each allocation changes.
///
/// The manager allocates from the buddy allocator, and frees to it, with the mutex held. So the map
/// and the buddy allocator agree whenever the mutex is not held.
///
/// The shrinker may free an object, and then takes the mutex to free its VRAM. So the manager
/// allocates memory in [`without_fs_reclaim`] while it holds the mutex.
struct State {
    /// The pages that are allocated from the buddy allocator, including those in the cache.
    map: PageMap,
    cache: Cache,
    /// The number of pages of allocations that count as available.
    reclaimable: usize,
}

/// A cache of small freed allocations, which later requests of the same size reuse.
///
/// For a single page, the buddy allocator splits a large block down to that page, and merges the
/// blocks again when the page is freed. The cache avoids that for a program that repeatedly creates
/// and closes small objects. Cached VRAM counts as available, and the manager frees it before an
/// allocation fails with `ENOSPC`. The kernel memory of an entry stays charged to the cgroup that
/// first allocated it.
struct Cache(KVec<Blocks>);

impl Cache {
    /// The maximum number of entries.
    const MAX: usize = 32;
    /// The maximum size of an entry in pages: 64 KiB, so that the cache has at most 2 MiB.
    const MAX_PAGES: usize = SZ_64K / PAGE_SIZE;
}

/// Whether an allocation has to be contiguous.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contiguity {
    /// The allocation may have any number of extents.
    Any,
    /// The allocation has one extent.
    Contiguous,
}

impl VramManager {
    /// Creates a manager of `size` bytes of VRAM, all of which are free.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no kernel memory.
    pub(crate) fn new(size: VramSize) -> Result<Self> {
        let buddy = GpuBuddy::new(GpuBuddyParams {
            base_offset: 0,
            size: u64::try_from(size.bytes())?,
            chunk_size: Alignment::new::<PAGE_SIZE>(),
        })?;
        let state = State {
            map: PageMap::new(size.bytes() >> PAGE_SHIFT)?,
            cache: Cache(KVec::with_capacity(Cache::MAX, GFP_KERNEL)?),
            reclaimable: 0,
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

    /// Returns the size of VRAM.
    pub(crate) fn size(&self) -> VramSize {
        self.0.size
    }

    /// Returns the number of bytes that are not allocated at the time of the call, or that their
    /// owners free if another allocation needs them.
    pub(crate) fn available(&self) -> u64 {
        self.0.state.lock().available()
    }

    /// Returns the parts of VRAM that are in use.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for the lists.
    pub(crate) fn parts(&self) -> Result<VramParts> {
        without_fs_reclaim(|| {
            let state = self.0.state.lock();
            let mut cached = KVec::new();
            for extent in state
                .cache
                .0
                .iter()
                .flat_map(|blocks| blocks.extents.iter())
            {
                cached.push((extent.offset, extent.pages << PAGE_SHIFT), GFP_KERNEL)?;
            }
            Ok(VramParts {
                used: state.used()?,
                cached,
                available: state.available(),
            })
        })
    }

    /// Allocates `size` bytes, a whole number of pages and not 0. Their content is not cleared.
    ///
    /// A contiguous allocation lies low in VRAM, as the head of this file describes.
    ///
    /// # Errors
    ///
    /// - `ENOSPC` if less than `size` bytes are free, or, for a contiguous allocation, if no free
    ///   range is large enough.
    /// - `ENOMEM` if there is no kernel memory for the accounting.
    /// - `EINVAL` if `size` is 0 or not a whole number of pages.
    pub(crate) fn alloc(&self, size: usize, contiguity: Contiguity) -> Result<Allocation> {
        self.alloc_request(&Request {
            pages: Request::pages(size)?,
            contiguity,
            last_start: usize::MAX,
            is_reclaimable: false,
        })
    }

    /// Allocates `size` contiguous bytes, a whole number of pages and not 0, that start at
    /// `last_start` or below: low in VRAM, as the head of this file describes. Their content is not
    /// cleared.
    ///
    /// # Errors
    ///
    /// Those of [`Self::alloc`]; also `ENOSPC` if each free range that is large enough starts above
    /// `last_start`.
    pub(crate) fn alloc_low(&self, size: usize, last_start: VramOffset) -> Result<Allocation> {
        self.alloc_request(&Request {
            pages: Request::pages(size)?,
            contiguity: Contiguity::Contiguous,
            last_start: last_start.0 >> PAGE_SHIFT,
            is_reclaimable: false,
        })
    }

    /// Allocates `size` contiguous bytes, a whole number of pages and not 0, as high as possible,
    /// but so that they start at `last_start` or below. Their content is not cleared.
    ///
    /// The allocation counts as available. So its owner must drop it before the driver fails
    /// another allocation with `ENOSPC`.
    ///
    /// # Errors
    ///
    /// Those of [`Self::alloc_low`].
    pub(crate) fn alloc_reclaimable(
        &self,
        size: usize,
        last_start: VramOffset,
    ) -> Result<Allocation> {
        self.alloc_request(&Request {
            pages: Request::pages(size)?,
            contiguity: Contiguity::Contiguous,
            last_start: last_start.0 >> PAGE_SHIFT,
            is_reclaimable: true,
        })
    }

    fn alloc_request(&self, request: &Request) -> Result<Allocation> {
        let blocks = without_fs_reclaim(|| {
            let mut state = self.0.state.lock();
            if let Some(blocks) = state.take_cached(request) {
                return Ok(blocks);
            }
            match self.0.alloc_blocks(&mut state, request) {
                Err(ENOSPC) if state.free_cache() => self.0.alloc_blocks(&mut state, request),
                result => result,
            }
        })?;
        Ok(Allocation {
            blocks,
            manager: self.0.clone(),
            charge: None,
        })
    }

    /// Frees the cache. Returns the offset and the length in bytes of each allocated part of VRAM,
    /// in ascending order.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for the list.
    pub(super) fn allocated(&self) -> Result<KVVec<(VramOffset, usize)>> {
        without_fs_reclaim(|| {
            let mut state = self.0.state.lock();
            state.free_cache();
            state.used()
        })
    }
}

/// The parts of VRAM that were in use at one moment. A part is an offset and a length in bytes.
pub(crate) struct VramParts {
    /// The parts in use, including those in the cache, in ascending order.
    pub(crate) used: KVVec<(VramOffset, usize)>,
    /// The parts in the cache.
    pub(crate) cached: KVec<(VramOffset, usize)>,
    /// The result of [`VramManager::available`].
    pub(crate) available: u64,
}

/// A request for an allocation.
struct Request {
    /// The size in pages. Not 0.
    pages: usize,
    contiguity: Contiguity,
    /// The highest page of VRAM that a contiguous allocation may start at.
    last_start: usize,
    /// True for a request of [`VramManager::alloc_reclaimable`].
    is_reclaimable: bool,
}

impl Request {
    /// Returns the number of pages in `size` bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `size` is 0 or not a whole number of pages.
    fn pages(size: usize) -> Result<usize> {
        match size {
            0 => Err(EINVAL),
            size if size % PAGE_SIZE != 0 => Err(EINVAL),
            size => Ok(size >> PAGE_SHIFT),
        }
    }
}

impl Inner {
    /// Allocates blocks from the buddy allocator.
    ///
    /// # Errors
    ///
    /// `ENOSPC` and `ENOMEM` as for [`VramManager::alloc`]. VRAM in the cache is not free here.
    fn alloc_blocks(&self, state: &mut State, request: &Request) -> Result<Blocks> {
        if request.pages > state.map.free() {
            return Err(ENOSPC);
        }
        let mode = match request.contiguity {
            Contiguity::Any => GpuBuddyAllocMode::TopDown,
            Contiguity::Contiguous => {
                let start = state.contiguous_start(request).ok_or(ENOSPC)?;
                let bytes = |page: usize| u64::try_from(page << PAGE_SHIFT);
                GpuBuddyAllocMode::Range(bytes(start)?..bytes(start + request.pages)?)
            }
        };
        let blocks = KBox::pin_init(
            self.buddy.alloc_blocks(
                mode,
                u64::try_from(request.pages << PAGE_SHIFT)?,
                Alignment::new::<PAGE_SIZE>(),
                GpuBuddyAllocFlags::default(),
            ),
            GFP_KERNEL_ACCOUNT,
        )
        .map_err(|err| match err {
            // According to the map, enough pages are free, or all pages of the range. So the cause
            // is memory: `gpu_buddy_alloc_blocks()` returns `ENOSPC` also if it cannot split a
            // block.
            ENOSPC => ENOMEM,
            other => other,
        })?;

        let mut extents = Extents::None;
        for block in blocks.iter() {
            extents.push(
                VramOffset(usize::try_from(block.offset())?),
                usize::try_from(block.size())? >> PAGE_SHIFT,
            )?;
        }
        // `gpu_buddy_alloc_blocks()` returns more than was requested if it has no memory to trim a
        // block. No request of this driver needs trimming, but the interface does not guarantee
        // that.
        if !is_complete(&extents, request) {
            return Err(ENOMEM);
        }
        for extent in extents.iter() {
            state.map.mark_used(extent.vram_pages());
        }
        if request.is_reclaimable {
            state.reclaimable += request.pages;
        }
        Ok(Blocks {
            extents,
            contiguity: request.contiguity,
            is_reclaimable: request.is_reclaimable,
            buddy_blocks: Some(blocks),
        })
    }

    /// Puts `blocks` into the cache, or frees them.
    fn release(&self, blocks: Blocks) {
        let mut state = self.state.lock();
        if blocks.is_reclaimable {
            state.reclaimable -= blocks.extents.pages();
            state.free(blocks);
        } else if blocks.extents.is_one()
            && blocks.extents.pages() <= Cache::MAX_PAGES
            && state.cache.0.len() < Cache::MAX
        {
            // Cannot fail: the cache has the capacity for `Cache::MAX` entries.
            let _ = state.cache.0.push_within_capacity(blocks);
        } else {
            state.free(blocks);
        }
    }
}

impl State {
    /// See [`VramManager::available`].
    fn available(&self) -> u64 {
        let cached: usize = self
            .cache
            .0
            .iter()
            .map(|blocks| blocks.extents.pages())
            .sum();
        let pages = self.map.free() + cached + self.reclaimable;
        u64::try_from(pages << PAGE_SHIFT).unwrap_or(0)
    }

    /// Returns the offset and the length in bytes of each part of VRAM in use, in ascending order.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for the list.
    fn used(&self) -> Result<KVVec<(VramOffset, usize)>> {
        let mut used = KVVec::new();
        for pages in self.map.used_ranges() {
            let offset = VramOffset(pages.start << PAGE_SHIFT);
            used.push((offset, pages.len() << PAGE_SHIFT), GFP_KERNEL)?;
        }
        Ok(used)
    }

    /// Returns the lowest page at which a contiguous allocation contains the most chunks for huge
    /// entries and has no short head. If there is none, returns the lowest page at which it
    /// contains the most chunks, the lowest page at which it fits, or `None`.
    fn lowest_start(&self, request: &Request) -> Option<usize> {
        let anywhere = RangeRequest {
            pages: request.pages,
            last_start: request.last_start,
            chunk: PAGES_PER_TABLE,
            slack: PAGES_PER_TABLE - 1,
            min_head: 0,
        };
        let most_chunks = anywhere.with_most_chunks();
        [most_chunks.without_short_head(), most_chunks, anywhere]
            .iter()
            .find_map(|request| self.map.lowest_free_range(request))
    }

    /// Returns the page at which a contiguous allocation starts, or `None` if there is no room for
    /// it.
    ///
    /// Usually this is the lowest page. An allocation of more than a third of VRAM starts at the
    /// highest page instead if only that leaves room for another one of its size, once all others
    /// are freed: the display shows two pictures in turn, and the one that it shows cannot be moved
    /// to an overlapping range.
    fn contiguous_start(&self, request: &Request) -> Option<usize> {
        if request.is_reclaimable {
            return self
                .map
                .highest_free_range(request.pages, request.last_start);
        }
        let lowest = self.lowest_start(request)?;
        if self.map.leaves_room_for_same(lowest, request.pages) {
            return Some(lowest);
        }
        self.map
            .highest_free_range(request.pages, request.last_start)
            .filter(|start| self.map.leaves_room_for_same(*start, request.pages))
            .or(Some(lowest))
    }

    /// Takes the newest entry that suits `request` out of the cache.
    fn take_cached(&mut self, request: &Request) -> Option<Blocks> {
        let cache = &mut self.cache.0;
        let found = cache.iter().rposition(|blocks| blocks.suits(request))?;
        let last = cache.len() - 1;
        cache.swap(found, last);
        cache.pop()
    }

    /// Frees all entries of the cache. Returns true if there was one.
    fn free_cache(&mut self) -> bool {
        let had_some = !self.cache.0.is_empty();
        while let Some(blocks) = self.cache.0.pop() {
            self.free(blocks);
        }
        had_some
    }

    /// Frees `blocks` to the buddy allocator.
    fn free(&mut self, blocks: Blocks) {
        for extent in blocks.extents.iter() {
            self.map.mark_free(extent.vram_pages());
        }
    }
}

/// Blocks of the buddy allocator, as extents. Dropping them frees the blocks.
struct Blocks {
    extents: Extents,
    contiguity: Contiguity,
    /// True for blocks of [`VramManager::alloc_reclaimable`].
    is_reclaimable: bool,
    /// `None` only after [`Self::take`].
    buddy_blocks: Option<Pin<KBox<AllocatedBlocks>>>,
}

impl Blocks {
    /// Returns true if these blocks, which are in the cache, can serve `request`.
    ///
    /// Blocks of a [`Contiguity::Any`] allocation lie high in VRAM, so they do not suit a
    /// contiguous request.
    fn suits(&self, request: &Request) -> bool {
        let is_low_enough = |extent: &Extent| extent.vram_pages().start <= request.last_start;
        !request.is_reclaimable
            && self.extents.pages() == request.pages
            && self.contiguity == request.contiguity
            && (self.contiguity == Contiguity::Any || self.extents.iter().all(is_low_enough))
    }

    /// Moves all blocks out of `self`, and leaves it empty.
    fn take(&mut self) -> Self {
        Self {
            extents: core::mem::replace(&mut self.extents, Extents::None),
            contiguity: self.contiguity,
            is_reclaimable: self.is_reclaimable,
            buddy_blocks: self.buddy_blocks.take(),
        }
    }
}

/// An allocated part of VRAM. Dropping it frees that part, and then ends the charge for it.
///
/// Its pages are numbered from 0: within an extent by ascending offset, and the extents in the
/// order in which the buddy allocator returned their blocks, large ones first.
pub(crate) struct Allocation {
    blocks: Blocks,
    manager: Arc<Inner>,
    /// The charge to a cgroup, for all pages. `None` for an allocation that counts as available,
    /// and in a kernel without the dmem controller.
    charge: Option<Arc<Charge>>,
}

impl Allocation {
    /// Sets the charge, which is for the size of the allocation.
    pub(crate) fn charge_to(self, charge: Option<Arc<Charge>>) -> Self {
        let mut allocation = self;
        allocation.charge = charge;
        allocation
    }

    /// Takes the charge over from `other`, which has the same size.
    pub(crate) fn take_charge(&mut self, other: &mut Self) {
        self.charge = other.charge.take();
    }

    /// Returns the charge, if there is one.
    pub(crate) fn charge(&self) -> Option<&Arc<Charge>> {
        self.charge.as_ref()
    }

    /// Returns page `page` of the allocation, or `None` if there is no such page. Takes no lock.
    #[inline]
    pub(crate) fn page(&self, page: usize) -> Option<VramPage> {
        self.blocks.extents.page(page)
    }

    /// Returns the offset of each extent, and its length in bytes.
    pub(crate) fn extents(&self) -> impl Iterator<Item = (VramOffset, usize)> + '_ {
        self.blocks
            .extents
            .iter()
            .map(|extent| (extent.offset, extent.pages << PAGE_SHIFT))
    }

    /// Returns the pages of VRAM that each extent consists of.
    pub(super) fn vram_pages(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.blocks.extents.iter().map(Extent::vram_pages)
    }

    /// Returns the number of extents, and the number of pages.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let extents = &self.blocks.extents;
        (extents.iter().len(), extents.pages())
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        self.manager.release(self.blocks.take());
    }
}

/// Returns true if `extents` have exactly the requested number of pages, in one extent if the
/// request is contiguous.
fn is_complete(extents: &Extents, request: &Request) -> bool {
    extents.pages() == request.pages && (request.contiguity == Contiguity::Any || extents.is_one())
}

#[kunit_tests(barium_vram_manager)]
mod tests {
    use super::*;

    /// Returns the page of VRAM that backs page `page` of the allocation.
    fn nth_page(allocation: &Allocation, page: usize) -> Result<usize> {
        Ok(allocation.page(page).ok_or(EINVAL)?.offset().0 >> PAGE_SHIFT)
    }

    #[test]
    fn a_manager_gives_each_page_once_and_takes_it_back() -> Result {
        let size = VramSize::new(64 << PAGE_SHIFT).ok_or(EINVAL)?;
        let manager = VramManager::new(size)?;
        let all = manager.available();
        let first = manager.alloc(24 << PAGE_SHIFT, Contiguity::Any)?;
        let second = manager.alloc(40 << PAGE_SHIFT, Contiguity::Any)?;
        assert_eq!(manager.available(), 0);
        let mut seen = [false; 64];
        for (allocation, pages) in [(&first, 24), (&second, 40)] {
            for page in 0..pages {
                let offset = nth_page(allocation, page)?;
                assert!(!seen[offset]);
                seen[offset] = true;
            }
        }
        assert!(seen.iter().all(|&seen| seen));
        drop(first);
        drop(second);
        assert_eq!(manager.available(), all);
        Ok(())
    }

    #[test]
    fn a_contiguous_allocation_has_one_extent_or_fails() -> Result {
        let manager = VramManager::new(VramSize::new(16 << PAGE_SHIFT).ok_or(EINVAL)?)?;
        let odd = manager.alloc(5 << PAGE_SHIFT, Contiguity::Contiguous)?;
        let start = nth_page(&odd, 0)?;
        for page in 0..5 {
            assert_eq!(nth_page(&odd, page)?, start + page);
        }
        drop(odd);

        let mut singles = KVec::new();
        for _ in 0..16 {
            singles.push(manager.alloc(PAGE_SIZE, Contiguity::Any)?, GFP_KERNEL)?;
        }
        singles.retain(|single| nth_page(single, 0).is_ok_and(|page| page % 2 == 1));
        assert_eq!(
            manager.alloc(2 << PAGE_SHIFT, Contiguity::Contiguous).err(),
            Some(ENOSPC)
        );
        assert!(manager.alloc(8 << PAGE_SHIFT, Contiguity::Any).is_ok());
        Ok(())
    }

    #[test]
    fn a_contiguous_allocation_may_have_several_blocks() -> Result {
        let manager = VramManager::new(VramSize::new(16 << PAGE_SHIFT).ok_or(EINVAL)?)?;
        let mut singles = KVec::new();
        for _ in 0..16 {
            singles.push(manager.alloc(PAGE_SIZE, Contiguity::Any)?, GFP_KERNEL)?;
        }
        // This frees blocks of 1, 2 and 4 pages.
        singles.retain(|single| nth_page(single, 0).is_ok_and(|page| !(5..12).contains(&page)));
        let seven = manager.alloc(7 << PAGE_SHIFT, Contiguity::Contiguous)?;
        for page in 0..7 {
            assert_eq!(nth_page(&seven, page)?, 5 + page);
        }
        Ok(())
    }

    #[test]
    fn cached_vram_is_available() -> Result {
        let manager = VramManager::new(VramSize::new(16 << PAGE_SHIFT).ok_or(EINVAL)?)?;
        let all = manager.available();
        let first = manager.alloc(PAGE_SIZE, Contiguity::Any)?;
        let page = nth_page(&first, 0)?;
        drop(first);
        assert_eq!(manager.available(), all);
        let second = manager.alloc(PAGE_SIZE, Contiguity::Any)?;
        assert_eq!(nth_page(&second, 0)?, page);
        assert_eq!(manager.available(), all - u64::try_from(PAGE_SIZE)?);
        drop(second);
        for contiguity in [Contiguity::Contiguous, Contiguity::Any] {
            drop(manager.alloc(PAGE_SIZE, contiguity)?);
            assert!(manager.alloc(16 << PAGE_SHIFT, contiguity).is_ok());
        }
        Ok(())
    }

    #[test]
    fn allocated_parts_are_listed() -> Result {
        let manager = VramManager::new(VramSize::new(16 << PAGE_SHIFT).ok_or(EINVAL)?)?;
        let pages = |pages: usize| pages << PAGE_SHIFT;
        assert!(manager.allocated()?.is_empty());

        let mut singles = KVec::new();
        for _ in 0..16 {
            singles.push(manager.alloc(PAGE_SIZE, Contiguity::Any)?, GFP_KERNEL)?;
        }
        assert_eq!(
            manager.allocated()?.as_slice(),
            [(VramOffset(0), pages(16))].as_slice()
        );
        singles.retain(|single| nth_page(single, 0).is_ok_and(|page| matches!(page, 3..7 | 15)));
        let available = manager.available();
        assert_eq!(
            manager.allocated()?.as_slice(),
            [
                (VramOffset(pages(3)), pages(4)),
                (VramOffset(pages(15)), pages(1))
            ]
            .as_slice()
        );
        assert_eq!(manager.available(), available);
        Ok(())
    }

    #[test]
    fn the_list_of_parts_can_be_longer_than_any_slab() -> Result {
        const PARTS: usize = 300_000;
        let mut state = State {
            map: PageMap::new(2 * PARTS)?,
            cache: Cache(KVec::new()),
            reclaimable: 0,
        };
        for part in 0..PARTS {
            state.map.mark_used(2 * part..2 * part + 1);
        }
        assert_eq!(state.used()?.len(), PARTS);
        Ok(())
    }

    #[test]
    fn a_request_larger_than_vram_fails() -> Result {
        let manager = VramManager::new(VramSize::new(16 << PAGE_SHIFT).ok_or(EINVAL)?)?;
        for contiguity in [Contiguity::Any, Contiguity::Contiguous] {
            assert_eq!(
                manager.alloc(17 << PAGE_SHIFT, contiguity).err(),
                Some(ENOSPC)
            );
            assert!(manager.alloc(16 << PAGE_SHIFT, contiguity).is_ok());
        }
        Ok(())
    }

    /// Creates a manager of `pages` pages.
    fn manager(pages: usize) -> Result<VramManager> {
        VramManager::new(VramSize::new(pages << PAGE_SHIFT).ok_or(EINVAL)?)
    }

    #[test]
    fn contiguous_allocations_lie_low_and_others_high() -> Result {
        let manager = manager(256)?;
        let mut expected = 0;
        let mut all = KVec::new();
        for pages in [5, 1, 16, 40] {
            let low = manager.alloc(pages << PAGE_SHIFT, Contiguity::Contiguous)?;
            assert_eq!(nth_page(&low, 0)?, expected);
            expected += pages;
            all.push(low, GFP_KERNEL)?;
            let high = manager.alloc(pages << PAGE_SHIFT, Contiguity::Any)?;
            for page in 0..pages {
                assert!(nth_page(&high, page)? >= 128);
            }
            all.push(high, GFP_KERNEL)?;
        }
        // The cache has an entry of the right size that lies high.
        all.clear();
        drop(manager.alloc(PAGE_SIZE, Contiguity::Any)?);
        let low = manager.alloc(PAGE_SIZE, Contiguity::Contiguous)?;
        assert!(nth_page(&low, 0)? < 128);
        Ok(())
    }

    #[test]
    fn a_large_allocation_leaves_room_for_another_one() -> Result {
        let manager = manager(64)?;
        let low = |pages: usize, last: usize| {
            manager.alloc_low(pages << PAGE_SHIFT, VramOffset(last << PAGE_SHIFT))
        };
        let console = low(16, 64)?;
        // A third of VRAM leaves room wherever it is.
        assert_eq!(nth_page(&low(21, 64)?, 0)?, 16);
        let first = low(30, 64)?;
        assert_eq!(nth_page(&first, 0)?, 34);
        drop(console);
        let second = low(30, 64)?;
        assert_eq!(nth_page(&second, 0)?, 0);
        drop(first);
        drop(second);
        // With this reach, or with this size, there is no room for another one.
        let console = low(16, 64)?;
        assert_eq!(nth_page(&low(30, 29)?, 0)?, 16);
        assert_eq!(nth_page(&low(33, 64)?, 0)?, 16);
        drop(console);
        Ok(())
    }

    #[test]
    fn a_low_request_fails_above_its_last_start() -> Result {
        let manager = manager(64)?;
        let low = |pages: usize, page: usize| {
            manager.alloc_low(pages << PAGE_SHIFT, VramOffset(page << PAGE_SHIFT))
        };
        let first = low(20, 0)?;
        assert_eq!(low(4, 19).err(), Some(ENOSPC));
        let second = low(4, 20)?;
        assert_eq!(nth_page(&second, 0)?, 20);
        // The cached entry starts too high as well. Without `last_start`, an allocation succeeds.
        drop(manager.alloc(4 << PAGE_SHIFT, Contiguity::Contiguous)?);
        assert_eq!(low(4, 23).err(), Some(ENOSPC));
        assert!(manager
            .alloc(40 << PAGE_SHIFT, Contiguity::Contiguous)
            .is_ok());
        drop(second);
        drop(first);
        assert_eq!(nth_page(&low(64, 0)?, 0)?, 0);
        Ok(())
    }

    #[test]
    fn a_reclaimable_allocation_lies_high_and_is_available() -> Result {
        let manager = manager(64)?;
        let all = manager.available();
        let pages = |pages: usize| pages << PAGE_SHIFT;
        let reclaimable = manager.alloc_reclaimable(pages(4), VramOffset::MAX)?;
        assert_eq!(nth_page(&reclaimable, 0)?, 60);
        let low = manager.alloc_reclaimable(pages(2), VramOffset(pages(20)))?;
        assert_eq!(nth_page(&low, 0)?, 20);
        assert_eq!(manager.available(), all);
        let size = pages(64);
        assert_eq!(manager.alloc(size, Contiguity::Any).err(), Some(ENOSPC));
        drop(reclaimable);
        drop(low);
        assert_eq!(manager.available(), all);
        assert!(manager.alloc(size, Contiguity::Contiguous).is_ok());
        assert_eq!(
            manager.alloc_reclaimable(pages(65), VramOffset::MAX).err(),
            Some(ENOSPC)
        );
        Ok(())
    }

    #[test]
    fn large_contiguous_allocations_have_room_for_huge_entries() -> Result {
        const HUGE: usize = PAGES_PER_TABLE;
        let manager = manager(8 * HUGE)?;
        let odd = manager.alloc(PAGE_SIZE, Contiguity::Contiguous)?;
        let huge = manager.alloc((2 * HUGE) << PAGE_SHIFT, Contiguity::Contiguous)?;
        assert_eq!(nth_page(&huge, 0)?, HUGE);
        let more = manager.alloc((HUGE + HUGE / 2) << PAGE_SHIFT, Contiguity::Contiguous)?;
        assert_eq!(nth_page(&more, 0)?, 3 * HUGE);
        let next = manager.alloc((HUGE + HUGE / 2) << PAGE_SHIFT, Contiguity::Contiguous)?;
        assert_eq!(nth_page(&next, 0)?, 4 * HUGE + HUGE / 2);
        drop(odd);
        drop(huge);
        let rest = manager.alloc((3 * HUGE - 1) << PAGE_SHIFT, Contiguity::Contiguous)?;
        assert_eq!(nth_page(&rest, 0)?, 1);
        Ok(())
    }

    #[test]
    fn an_offset_without_huge_entries_is_better_than_none() -> Result {
        let manager = manager(2 * PAGES_PER_TABLE)?;
        let _first = manager.alloc(PAGE_SIZE, Contiguity::Contiguous)?;
        let _last = manager.alloc(PAGE_SIZE, Contiguity::Any)?;
        let middle = manager.alloc(PAGES_PER_TABLE << PAGE_SHIFT, Contiguity::Contiguous)?;
        assert_eq!(nth_page(&middle, 0)?, 1);
        Ok(())
    }

    #[test]
    fn contiguous_allocations_start_at_a_chunk_if_it_is_near() -> Result {
        const HUGE: usize = PAGES_PER_TABLE;
        let manager = manager(4 * HUGE)?;
        let _first = manager.alloc((HUGE - 4) << PAGE_SHIFT, Contiguity::Contiguous)?;
        let second = manager.alloc((HUGE + 8) << PAGE_SHIFT, Contiguity::Contiguous)?;
        assert_eq!(nth_page(&second, 0)?, HUGE);
        drop(second);
        // This fits nowhere else.
        let rest = manager.alloc((3 * HUGE + 4) << PAGE_SHIFT, Contiguity::Contiguous)?;
        assert_eq!(nth_page(&rest, 0)?, HUGE - 4);
        Ok(())
    }

    #[test]
    fn more_or_less_than_requested_is_not_complete() -> Result {
        let request = |pages, contiguity| Request {
            pages,
            contiguity,
            last_start: usize::MAX,
            is_reclaimable: false,
        };
        // The extent of a block of 8 pages that could not be trimmed to 5.
        let mut extents = Extents::None;
        extents.push(VramOffset(8 << PAGE_SHIFT), 8)?;
        for contiguity in [Contiguity::Any, Contiguity::Contiguous] {
            assert!(is_complete(&extents, &request(8, contiguity)));
            assert!(!is_complete(&extents, &request(5, contiguity)));
            assert!(!is_complete(&extents, &request(9, contiguity)));
        }
        extents.push(VramOffset(2 << PAGE_SHIFT), 1)?;
        assert!(is_complete(&extents, &request(9, Contiguity::Any)));
        assert!(!is_complete(&extents, &request(9, Contiguity::Contiguous)));
        Ok(())
    }
}
