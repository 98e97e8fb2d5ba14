// SPDX-License-Identifier: GPL-2.0

//! Gives system memory back when the kernel is short of it: drops the content of objects if their
//! clients do not need it, and lets the kernel swap other objects out.
//!
//! The kernel calls the shrinker from allocations, including those of this driver. So the shrinker
//! skips an object whose reservation is locked; see [`crate::upstream::shrinker`]. Objects in VRAM
//! stay there, because moving them out would take system memory.

use super::{
    moves,
    BariumObject, //
};
use crate::{
    device::{
        BariumDevice,
        BariumDriver, //
    },
    place::Place,
    upstream::{
        gem::{
            Lru,
            Reserved, //
        },
        shmem,
        shrinker::Shrink, //
    },
};
use kernel::sync::aref::ARef;

/// The system memory of the objects of a device.
pub(crate) struct SystemMemory(ARef<BariumDevice>);

impl Shrink for SystemMemory {
    fn count(&self) -> usize {
        let swappable = if shmem::has_swap() {
            self.0.swappable().pages()
        } else {
            0
        };
        self.0.purgeable().pages() + swappable
    }

    fn scan(&self, pages: usize) -> usize {
        let purged = self.scan_list(self.0.purgeable(), pages, purge);
        if purged < pages && shmem::has_swap() {
            purged + self.scan_list(self.0.swappable(), pages - purged, release)
        } else {
            purged
        }
    }
}

impl SystemMemory {
    /// Returns the system memory of the objects of `dev`.
    pub(crate) fn new(dev: ARef<BariumDevice>) -> Self {
        Self(dev)
    }

    /// Calls `give_back` for the objects of `list`, beginning with the first, until the sum of its
    /// results is at least `pages`. Returns this sum. `give_back` removes the object from the list
    /// and returns the number of pages that it has given back, or returns `None`.
    fn scan_list(
        &self,
        list: &Lru<BariumDriver>,
        pages: usize,
        give_back: impl Fn(&BariumObject) -> Option<usize>,
    ) -> usize {
        let mut freed = 0;
        let mut first_kept = None;
        // An object has at least one page.
        for _ in 0..list.pages() {
            if freed >= pages {
                break;
            }
            let Some(obj) = list.first(&self.0) else {
                break;
            };
            let address: *const BariumObject = &raw const *obj;
            if first_kept == Some(address) {
                break;
            }
            match give_back(&obj) {
                Some(pages) => freed += pages,
                None => {
                    list.move_to_end(&obj);
                    first_kept.get_or_insert(address);
                }
            }
        }
        freed
    }
}

/// Drops the content of `obj`, which is in system memory. Returns the number of its pages that were
/// allocated, or `None` if it could not drop the content.
fn purge(obj: &BariumObject) -> Option<usize> {
    let mut reserved = Reserved::try_lock(obj)?;
    let Some(Place::System(pages)) = reserved.place() else {
        return None;
    };
    let pages = pages.filled();
    moves::purge_or_keep(&mut reserved).ok()?;
    Some(pages)
}

/// Lets the kernel swap `obj` out. Returns the number of its pages that were in memory, or `None`
/// if the object has to stay in memory.
fn release(obj: &BariumObject) -> Option<usize> {
    moves::release(&mut Reserved::try_lock(obj)?).ok()
}
