// SPDX-License-Identifier: GPL-2.0

//! Kernel mappings of GEM objects, for DRM's in-kernel clients, such as the fbdev console. A client
//! may keep a mapping for any length of time.
//!
//! C header: [`include/linux/iosys-map.h`](srctree/include/linux/iosys-map.h)
//!
//! - Upstream today: `drm::gem::Object` has neither `vmap` nor `vunmap`.
//! - The shape it should have: `vmap` as an optional method of `drm::gem::DriverObject` that
//!   returns an owned mapping, which upstream keeps until the last `vunmap`.
//! - Why this is sound on 7.3: the object keeps the mapping from the first `vmap` to the last
//!   `vunmap`. A mapping of device memory is a [`VMap`]: the BAR is neither unmapped nor released
//!   before the last [`VMap`] is dropped (see [`super::super::wc_bar`]). A mapping made after the
//!   device is unplugged is of system memory. So the address that a caller holds stays mapped until
//!   its `vunmap`. No mapping is shorter than the object, and callers access no byte past the
//!   object's size. While there is a mapping, `Reserved::vacate()` fails, so the object keeps its
//!   placement record and with it the pages that the mapping shows. DRM calls `vmap` and `vunmap`
//!   with the reservation locked.
//! - Delete when upstream's objects can be mapped by the kernel.

use super::super::{
    shmem::{
        ShmemMap,
        ShmemPages, //
    },
    wc_bar::VMap, //
};
use kernel::{
    bindings,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// The memory of an object, for the kernel to map.
pub(crate) enum VmapSource<'p> {
    /// A mapping of the object's device memory.
    Device(VMap),
    /// The object's system memory, all pages of which are allocated.
    System(&'p ShmemPages),
    /// The content was in device memory, and the device is unplugged.
    ContentGone,
}

impl VmapSource<'_> {
    /// Maps the memory, `len` bytes, in the kernel.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    ///
    /// # Safety
    ///
    /// The caller must put the mapping into the slot of the object that has this memory, whose
    /// reservation is locked.
    pub(super) unsafe fn map(self, len: usize) -> Result<IoSysMap> {
        match self {
            Self::Device(map) => Ok(IoSysMap::Device(map)),
            // SAFETY: While the mapping is in the slot of the object, `Reserved::vacate()` fails, so
            // the object keeps the record with the pages. The slot is dropped before the record.
            Self::System(pages) => unsafe { pages.vmap() }.map(IoSysMap::Pages),
            Self::ContentGone => IoSysMap::system(len),
        }
    }
}

/// A kernel mapping of an object (`struct iosys_map`).
pub(super) enum IoSysMap {
    /// A mapping of the object's device memory.
    Device(VMap),
    /// A mapping of the object's system memory.
    Pages(ShmemMap),
    /// System memory, zero-filled at first, that nothing else maps. It replaces the device memory
    /// after unplug.
    System(VVec<u8>),
}

impl IoSysMap {
    /// Allocates `len` bytes of zero-filled system memory, for a client that calls `vmap` after
    /// unplug.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn system(len: usize) -> Result<Self> {
        Ok(Self::System(VVec::zeroed(len, GFP_KERNEL)?))
    }

    /// Returns the size of the mapping in bytes.
    fn len(&self) -> usize {
        match self {
            Self::Device(map) => map.len(),
            Self::Pages(map) => map.len(),
            Self::System(memory) => memory.len(),
        }
    }

    /// Returns the C struct. The address in it is valid until `self` is dropped.
    fn raw(&mut self) -> bindings::iosys_map {
        let (vaddr, is_iomem) = match self {
            Self::Device(map) => (map.as_ptr(), true),
            Self::Pages(map) => (map.as_ptr(), false),
            Self::System(memory) => (memory.as_mut_ptr().cast(), false),
        };
        bindings::iosys_map {
            // The members of the union are the same pointer without and with `__iomem`.
            __bindgen_anon_1: bindings::iosys_map__bindgen_ty_1 { vaddr },
            is_iomem,
        }
    }
}

/// The mapping that callers of `vmap` share, and the number of `vmap` calls without a `vunmap`.
struct SharedMap {
    map: IoSysMap,
    users: usize,
}

/// The slot in which an object keeps the mapping that callers share. The mapping is boxed because
/// few objects have one, and without the box, the slab allocation of each object would be twice as
/// large.
#[pin_data]
pub(super) struct VMapSlot {
    #[pin]
    shared: Mutex<Option<KBox<SharedMap>>>,
}

impl VMapSlot {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            shared <- new_mutex!(None),
        })
    }

    /// Returns true if there is a shared mapping.
    pub(super) fn is_used(&self) -> bool {
        self.shared.lock().is_some()
    }

    /// Returns the shared mapping, which `make` creates if there is none. It stays valid until
    /// [`Self::put`] has been called once for each successful call.
    ///
    /// # Errors
    ///
    /// The error of `make`; `EINVAL` if the mapping has less than `len` bytes; `ENOMEM`.
    pub(super) fn get(
        &self,
        len: usize,
        make: impl FnOnce() -> Result<IoSysMap>,
    ) -> Result<bindings::iosys_map> {
        let mut guard = self.shared.lock();
        let slot = &mut *guard;
        let shared = match slot.as_mut() {
            Some(shared) => shared,
            None => {
                let map = make()?;
                if map.len() < len {
                    return Err(EINVAL);
                }
                slot.insert(KBox::new(SharedMap { map, users: 0 }, GFP_KERNEL)?)
            }
        };
        shared.users += 1;
        Ok(shared.map.raw())
    }

    /// Undoes one successful [`Self::get`]. The last call drops the mapping.
    pub(super) fn put(&self) {
        let mut guard = self.shared.lock();
        let slot = &mut *guard;
        if let Some(shared) = slot.as_mut() {
            shared.users -= 1;
            if shared.users == 0 {
                *slot = None;
            }
        }
    }
}

#[kunit_tests(barium_vmap)]
mod tests {
    use super::*;
    use kernel::page::PAGE_SIZE;

    /// Returns the address in `map`.
    fn address(map: bindings::iosys_map) -> usize {
        // SAFETY: Both members of the union are pointers; only the address is used.
        unsafe { map.__bindgen_anon_1.vaddr }.addr()
    }

    fn slot() -> Result<Pin<KBox<VMapSlot>>> {
        KBox::pin_init(VMapSlot::new(), GFP_KERNEL)
    }

    #[test]
    fn all_callers_get_one_mapping() -> Result {
        let slot = slot()?;
        let first = slot.get(PAGE_SIZE, || IoSysMap::system(PAGE_SIZE))?;
        let second = slot.get(PAGE_SIZE, || Err(EIO))?;
        assert!(!first.is_iomem);
        assert_eq!(address(first), address(second));
        Ok(())
    }

    #[test]
    fn the_mapping_stays_until_the_last_put() -> Result {
        let slot = slot()?;
        slot.get(PAGE_SIZE, || IoSysMap::system(PAGE_SIZE))?;
        slot.get(PAGE_SIZE, || Err(EIO))?;
        slot.put();
        assert!(slot.shared.lock().is_some());
        slot.put();
        assert!(slot.shared.lock().is_none());
        Ok(())
    }

    #[test]
    fn a_failed_get_needs_no_put() -> Result {
        let slot = slot()?;
        assert!(slot.get(PAGE_SIZE, || Err(EIO)).is_err());
        assert!(slot.shared.lock().is_none());
        slot.put();
        Ok(())
    }

    #[test]
    fn a_mapping_shorter_than_the_object_is_refused() -> Result {
        let slot = slot()?;
        let short = slot.get(2 * PAGE_SIZE, || IoSysMap::system(PAGE_SIZE));
        assert_eq!(short.err(), Some(EINVAL));
        assert!(slot.shared.lock().is_none());
        slot.get(2 * PAGE_SIZE, || IoSysMap::system(2 * PAGE_SIZE))?;
        Ok(())
    }
}
