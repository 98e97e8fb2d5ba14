// SPDX-License-Identifier: GPL-2.0

//! The placement record of a GEM object: where its content is.
//!
//! A fault reads the record in an RCU read-side critical section ([`crate::upstream::gem`]). A
//! published record changes only when a page of system memory is allocated.

use crate::{
    units::PageIndex,
    upstream::shmem::ShmemPages,
    vram::{
        Allocation,
        VramPage, //
    }, //
};

/// The place of an object's content. The record owns the memory.
pub(crate) enum Place {
    /// The content is in VRAM.
    Vram(Allocation),
    /// The content is in system memory, or in swap. The pages that have not been allocated read as
    /// zero.
    System(ShmemPages),
}

impl Place {
    /// Returns the page of VRAM that backs page `page` of the object; `None` if the content is not
    /// in VRAM, or if the object has no such page.
    pub(crate) fn vram_page(&self, page: PageIndex) -> Option<VramPage> {
        match self {
            Self::Vram(allocation) => allocation.page(page.0),
            Self::System(_) => None,
        }
    }
}
