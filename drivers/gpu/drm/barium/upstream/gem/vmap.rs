// SPDX-License-Identifier: GPL-2.0

//! Kernel mappings of GEM objects: for DRM's in-kernel clients, such as the fbdev console, and for
//! the driver itself ([`ObjectMap`]). A client may keep a mapping for any length of time.
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
//!   with the reservation locked. The mapping of an imported object is the exporter's, which keeps
//!   it until `dma_buf_vunmap()`.
//! - Delete when upstream's objects can be mapped by the kernel.

use super::{
    super::{
        shared_bytes::SharedBytes,
        shmem::{
            ShmemMap,
            ShmemPages, //
        },
        wc_bar::VMap, //
    },
    object::{
        Object,
        ObjectData, //
    },
    prime, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    drm::gem::{
        BaseObject,
        IntoGEMObject, //
    },
    error::to_result,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Mutex, //
    }, //
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
            // SAFETY: While the mapping is in the slot of the object, `Reserved::vacate()` fails,
            // so the object keeps the record with the pages. The slot is dropped before the record.
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

    /// Returns true if there is a shared mapping, or if another thread has locked the slot. Does
    /// not wait for that thread: it may allocate memory, and the shrinker calls this function.
    pub(super) fn is_used(&self) -> bool {
        self.shared.try_lock().is_none_or(|slot| slot.is_some())
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

/// A kernel mapping of a whole object in system memory. The object stays where it is until the
/// mapping is dropped.
///
/// # Invariants
///
/// `drm_gem_vmap()` has filled in `map` for `obj`, whose mapping this object owns. It is a mapping
/// of system memory.
pub(crate) struct ObjectMap<T: ObjectData> {
    obj: ARef<Object<T>>,
    map: bindings::iosys_map,
}

// SAFETY: A kernel mapping is valid in all threads, and any thread may end it. The object is
// `Send`.
unsafe impl<T: ObjectData> Send for ObjectMap<T> {}

// SAFETY: The methods on a shared reference return the address as `SharedBytes`. The object is
// `Sync`.
unsafe impl<T: ObjectData> Sync for ObjectMap<T> {}

impl<T: ObjectData> ObjectMap<T> {
    /// Returns true if the kernel can map `obj`: unless it represents a dma-buf that has no `vmap`,
    /// and that no device of this driver has exported.
    pub(crate) fn is_possible(obj: &Object<T>) -> bool {
        let raw = obj.as_raw();
        // SAFETY: The object is valid. The field does not change once a client has a handle.
        match NonNull::new(unsafe { (*raw).import_attach }) {
            // SAFETY: The object is valid, and keeps its attachment until it is freed.
            Some(attachment) => unsafe { prime::can_vmap(raw, attachment) },
            None => true,
        }
    }

    /// Maps `obj`. Locks its reservation; may sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the object is in device memory; the exporter's error if it was imported;
    /// `ENOMEM`; `EIO` if the kernel cannot read the object from swap.
    pub(crate) fn new(obj: &Object<T>) -> Result<Self> {
        let mut map = pin_init::zeroed();
        // SAFETY: The object is valid, and `map` is valid for writes.
        to_result(unsafe { bindings::drm_gem_vmap(obj.as_raw(), &raw mut map) })?;
        let is_device_memory = map.is_iomem;
        // INVARIANT: The object was mapped above. If this is a mapping of device memory, the value
        // is dropped below.
        let mapped = Self {
            obj: obj.into(),
            map,
        };
        match is_device_memory {
            true => Err(EBUSY),
            false => Ok(mapped),
        }
    }

    /// Calls `read` with the bytes of the object. If the object was imported, the exporter makes
    /// them coherent for the CPU first, and `read` also gets its error: `EINTR` if a signal has
    /// ended the wait for a device that writes to the object. The bytes can then be old ones.
    ///
    /// Like DRM's helpers for shadow planes, this may be called in a commit. It can then deadlock
    /// with an exporter whose `begin_cpu_access` allocates memory.
    pub(crate) fn read<R>(&self, read: impl FnOnce(SharedBytes<'_>, Result) -> R) -> R {
        // SAFETY: Both members of the union are pointers. By the type invariants, this is system
        // memory.
        let start = unsafe { self.map.__bindgen_anon_1.vaddr };
        // SAFETY: By the type invariants, the whole object is mapped until `self` is dropped.
        let bytes = unsafe { SharedBytes::new(start.cast(), self.obj.size()) };
        // SAFETY: `obj` holds a reference to the object.
        unsafe { prime::with_cpu_access(self.obj.as_raw(), |begun| read(bytes, begun)) }
    }
}

impl<T: ObjectData> Drop for ObjectMap<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this object owns the mapping.
        unsafe { bindings::drm_gem_vunmap(self.obj.as_raw(), &raw mut self.map) };
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
