// SPDX-License-Identifier: GPL-2.0

//! The placement record of a GEM object: where its content is.
//!
//! A fault reads the record in an RCU read-side critical section ([`crate::upstream::gem`]). It does
//! not change once it is published.

use crate::{
    units::PageIndex,
    vram::{
        Allocation,
        VramPage, //
    }, //
};

/// The place of an object's content. The record owns the memory.
pub(crate) enum Place {
    /// The content is in VRAM.
    Vram(Allocation),
}

impl Place {
    /// Returns the page of VRAM that backs page `page` of the object; `None` if the object has no
    /// such page.
    ///
    /// The fault path resolves pages of VRAM here and nowhere else.
    #[inline]
    pub(crate) fn vram_page(&self, page: PageIndex) -> Option<VramPage> {
        match self {
            Self::Vram(allocation) => allocation.page(page.0),
        }
    }
}
