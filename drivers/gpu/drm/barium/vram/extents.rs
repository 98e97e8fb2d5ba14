// SPDX-License-Identifier: GPL-2.0

//! The extents of an allocation: which pages of VRAM it consists of.
//!
//! This is arithmetic only. [`super::manager`] allocates the pages.

use super::VramOffset;
use core::{
    ops::Range,
    slice, //
};
use kernel::{
    page::PAGE_SHIFT,
    prelude::*, //
};

/// A contiguous part of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) offset: VramOffset,
    /// The length in pages.
    pub(super) pages: usize,
    /// The page of the allocation that is at `offset`.
    first_page: usize,
}

impl Extent {
    /// Returns the offset of the first byte after the extent.
    fn end(&self) -> VramOffset {
        VramOffset(self.offset.0 + (self.pages << PAGE_SHIFT))
    }

    /// Returns the pages of VRAM that the extent consists of.
    pub(super) fn vram_pages(&self) -> Range<usize> {
        let start = self.offset.0 >> PAGE_SHIFT;
        start..start + self.pages
    }
}

/// A page of an allocation, and the extent that contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VramPage {
    /// The offset of the extent.
    pub(crate) extent_offset: VramOffset,
    /// The length of the extent in pages.
    pub(crate) extent_pages: usize,
    /// The number of the page in the extent, counted from 0.
    pub(crate) index: usize,
}

impl VramPage {
    /// Returns the offset of the page.
    pub(crate) fn offset(self) -> VramOffset {
        VramOffset(self.extent_offset.0 + (self.index << PAGE_SHIFT))
    }
}

/// The extents of an allocation, which number its pages from 0.
///
/// Most allocations have one extent, for which no memory is allocated.
///
/// # Invariants
///
/// The first extent starts at page 0, the others follow without a gap, and none is empty.
pub(super) enum Extents {
    None,
    One(Extent),
    Many(KVVec<Extent>),
}

impl Extents {
    /// Returns the extents in the order of their pages.
    #[inline]
    fn as_slice(&self) -> &[Extent] {
        match self {
            Self::None => &[],
            Self::One(extent) => slice::from_ref(extent),
            Self::Many(extents) => extents,
        }
    }

    /// Appends `pages` pages at `offset`: to the last extent if it ends at `offset`, as a new
    /// extent otherwise. `pages` must not be 0.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there is no memory for a new extent.
    pub(super) fn push(&mut self, offset: VramOffset, pages: usize) -> Result {
        let extent = Extent {
            offset,
            pages,
            first_page: self.pages(),
        };
        // INVARIANT: An extent is added, or grows, at the end, and `pages` is not 0.
        match self {
            Self::None => *self = Self::One(extent),
            Self::One(last) if last.end() == offset => last.pages += pages,
            Self::One(first) => {
                let mut extents = KVVec::with_capacity(2, GFP_KERNEL_ACCOUNT)?;
                extents.push(*first, GFP_KERNEL_ACCOUNT)?;
                extents.push(extent, GFP_KERNEL_ACCOUNT)?;
                *self = Self::Many(extents);
            }
            Self::Many(extents) => match extents.last_mut() {
                Some(last) if last.end() == offset => last.pages += pages,
                _ => extents.push(extent, GFP_KERNEL_ACCOUNT)?,
            },
        }
        Ok(())
    }

    /// Returns the extents in the order of their pages.
    pub(super) fn iter(&self) -> slice::Iter<'_, Extent> {
        self.as_slice().iter()
    }

    /// Returns the number of pages of the allocation.
    pub(super) fn pages(&self) -> usize {
        self.as_slice()
            .last()
            .map_or(0, |last| last.first_page + last.pages)
    }

    /// Returns true if the allocation has one extent.
    pub(super) fn is_one(&self) -> bool {
        self.as_slice().len() == 1
    }

    /// Returns page `page` of the allocation. `None` if there is no such page.
    #[inline]
    pub(super) fn page(&self, page: usize) -> Option<VramPage> {
        // By the type invariants, the first extent starts at page 0.
        let (extent, index) = if let Self::One(extent) = self {
            (extent, page)
        } else {
            let extents = self.as_slice();
            let after = extents.partition_point(|extent| extent.first_page <= page);
            // `after` is 0 only if there are no extents, as the first one starts at page 0.
            let extent = extents.get(after.wrapping_sub(1))?;
            (extent, page - extent.first_page)
        };
        (index < extent.pages).then_some(VramPage {
            extent_offset: extent.offset,
            extent_pages: extent.pages,
            index,
        })
    }
}

#[kunit_tests(barium_vram_extents)]
mod tests {
    use super::*;

    /// Creates extents from pairs of the first page of VRAM and the number of pages.
    fn extents(parts: &[(usize, usize)]) -> Result<Extents> {
        let mut extents = Extents::None;
        for &(page, pages) in parts {
            extents.push(VramOffset(page << PAGE_SHIFT), pages)?;
        }
        Ok(extents)
    }

    fn vram_page(extents: &Extents, page: usize) -> Option<usize> {
        extents.page(page).map(|page| page.offset().0 >> PAGE_SHIFT)
    }

    #[test]
    fn one_extent_maps_its_pages_in_order() -> Result {
        let extents = extents(&[(5, 3)])?;
        assert_eq!(vram_page(&extents, 0), Some(5));
        assert_eq!(vram_page(&extents, 1), Some(6));
        assert_eq!(vram_page(&extents, 2), Some(7));
        assert!(extents.is_one());
        Ok(())
    }

    #[test]
    fn a_page_past_the_end_is_nowhere() -> Result {
        let extents = extents(&[(5, 3)])?;
        assert_eq!(vram_page(&extents, 3), None);
        assert_eq!(vram_page(&extents, usize::MAX), None);
        assert_eq!(vram_page(&Extents::None, 0), None);
        Ok(())
    }

    #[test]
    fn pages_go_on_in_the_next_extent() -> Result {
        let extents = extents(&[(16, 4), (2, 2), (8, 1)])?;
        let places = [16, 17, 18, 19, 2, 3, 8];
        for (page, expected) in places.into_iter().enumerate() {
            assert_eq!(vram_page(&extents, page), Some(expected));
        }
        assert_eq!(vram_page(&extents, places.len()), None);
        assert_eq!(extents.pages(), places.len());
        assert!(!extents.is_one());
        Ok(())
    }

    #[test]
    fn neighbours_become_one_extent() -> Result {
        let extents = extents(&[(4, 4), (8, 2), (10, 1), (2, 2)])?;
        assert_eq!(extents.iter().count(), 2);
        assert_eq!(vram_page(&extents, 6), Some(10));
        assert_eq!(vram_page(&extents, 7), Some(2));
        Ok(())
    }

    #[test]
    fn a_gap_starts_an_extent() -> Result {
        let extents = extents(&[(2, 2), (8, 1), (12, 1)])?;
        for (page, expected) in [2, 3, 8, 12].into_iter().enumerate() {
            assert_eq!(vram_page(&extents, page), Some(expected));
        }
        assert_eq!(extents.iter().count(), 3);
        Ok(())
    }

    #[test]
    fn an_allocation_can_have_more_extents_than_any_slab() -> Result {
        const COUNT: usize = 200_000;
        let mut extents = Extents::None;
        for index in 0..COUNT {
            extents.push(VramOffset((2 * index) << PAGE_SHIFT), 1)?;
        }
        assert_eq!(extents.iter().count(), COUNT);
        assert_eq!(vram_page(&extents, COUNT - 1), Some(2 * (COUNT - 1)));
        Ok(())
    }

    #[test]
    fn an_extent_may_start_at_the_start_of_vram() -> Result {
        let extents = extents(&[(0, 2), (2, 1)])?;
        assert_eq!(extents.iter().count(), 1);
        assert_eq!(vram_page(&extents, 2), Some(2));
        assert_eq!(Extents::None.iter().count(), 0);
        Ok(())
    }
}
