// SPDX-License-Identifier: GPL-2.0

//! Gives system memory back when the kernel is short of it: drops the content of objects if their
//! clients do not need it.
//!
//! The kernel calls the shrinker from allocations, including those of this driver. So the shrinker skips
//! an object whose reservation is locked; see [`crate::upstream::shrinker`]. Objects in VRAM stay there,
//! because moving them out would take system memory.

use super::{
    moves,
    BariumObject, //
};
use crate::{
    device::BariumDevice,
    place::Place,
    upstream::{
        gem::Reserved,
        shrinker::Shrink, //
    },
};
use kernel::sync::aref::ARef;

/// The system memory of the objects of a device.
pub(crate) struct SystemMemory(ARef<BariumDevice>);

impl SystemMemory {
    /// Returns the system memory of the objects of `dev`.
    pub(crate) fn new(dev: ARef<BariumDevice>) -> Self {
        Self(dev)
    }
}

impl Shrink for SystemMemory {
    fn count(&self) -> usize {
        self.0.purgeable().pages()
    }

    fn scan(&self, pages: usize) -> usize {
        let list = self.0.purgeable();
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
            match purge(&obj) {
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
