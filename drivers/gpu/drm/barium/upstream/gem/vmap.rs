// SPDX-License-Identifier: GPL-2.0

//! Kernel mappings of GEM objects. The kernel's own clients (the console on the screen) ask for
//! them, and keep them for as long as they like.
//!
//! C header: [`include/linux/iosys-map.h`](srctree/include/linux/iosys-map.h)
//!
//! - Upstream today: `drm::gem::Object` has neither `vmap` nor `vunmap`.
//! - The shape it should have: `vmap` as an optional method of `drm::gem::DriverObject` that
//!   returns an owned mapping, which upstream keeps until the last `vunmap`.
//! - Why this is sound on 7.3: the object keeps the mapping that callers were given from the first
//!   `vmap` to the last `vunmap`. A mapping of device memory is a [`VMap`]: the BAR is neither
//!   unmapped nor released before the last of those is dropped (see [`super::super::wc_bar`]). A
//!   mapping that is asked for after the device is unplugged is of system memory. So the address
//!   that a caller has is mapped at all times. No mapping is shorter than the object, whose size is
//!   the only one that callers know.
//! - Delete when upstream's objects can be mapped by the kernel.

use super::super::wc_bar::VMap;
use kernel::{
    bindings,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// The memory that a kernel mapping of an object shows.
pub(super) enum IoSysMap {
    /// The object's own, in device memory.
    Device(VMap),
    /// System memory that is zero at first and shown nowhere else: the device is unplugged.
    System(VVec<u8>),
}

impl IoSysMap {
    /// Returns `len` bytes of system memory, for a caller that does not know yet that the device is
    /// unplugged.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn system(len: usize) -> Result<Self> {
        Ok(Self::System(VVec::zeroed(len, GFP_KERNEL)?))
    }

    /// Returns the number of bytes that are mapped.
    fn len(&self) -> usize {
        match self {
            Self::Device(map) => map.len(),
            Self::System(memory) => memory.len(),
        }
    }

    /// Returns the mapping as C takes it.
    fn raw(&mut self) -> bindings::iosys_map {
        let (vaddr, is_iomem) = match self {
            Self::Device(map) => (map.as_ptr(), true),
            Self::System(memory) => (memory.as_mut_ptr().cast(), false),
        };
        bindings::iosys_map {
            // The members of the union are pointers of different address spaces, to C's checkers.
            __bindgen_anon_1: bindings::iosys_map__bindgen_ty_1 { vaddr },
            is_iomem,
        }
    }
}

/// The mapping that callers of `vmap` have been given, and how often.
struct HandedOut {
    map: IoSysMap,
    times: usize,
}

/// The place where an object keeps the mapping that callers have been given. Few objects have one,
/// so it is boxed: without, the allocation of an object would be twice as large.
#[pin_data]
pub(super) struct VMapSlot {
    #[pin]
    handed_out: Mutex<Option<KBox<HandedOut>>>,
}

impl VMapSlot {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            handed_out <- new_mutex!(None),
        })
    }

    /// Returns the mapping that other callers have, or the one that `make` makes. It is valid until
    /// [`Self::put`] has been called as often as this has succeeded.
    ///
    /// # Errors
    ///
    /// That of `make`; `EINVAL` if the mapping has less than `len` bytes; `ENOMEM`.
    pub(super) fn get(
        &self,
        len: usize,
        make: impl FnOnce() -> Result<IoSysMap>,
    ) -> Result<bindings::iosys_map> {
        let mut guard = self.handed_out.lock();
        let slot = &mut *guard;
        let out = match slot.as_mut() {
            Some(out) => out,
            None => {
                let map = make()?;
                if map.len() < len {
                    return Err(EINVAL);
                }
                slot.insert(KBox::new(HandedOut { map, times: 0 }, GFP_KERNEL)?)
            }
        };
        out.times += 1;
        Ok(out.map.raw())
    }

    /// Takes back a mapping that was handed out once.
    pub(super) fn put(&self) {
        let mut guard = self.handed_out.lock();
        let slot = &mut *guard;
        if let Some(out) = slot.as_mut() {
            out.times -= 1;
            if out.times == 0 {
                *slot = None;
            }
        }
    }
}

#[kunit_tests(barium_vmap)]
mod tests {
    use super::*;
    use kernel::page::PAGE_SIZE;

    /// Returns the address that a caller is given.
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
        assert!(slot.handed_out.lock().is_some());
        slot.put();
        assert!(slot.handed_out.lock().is_none());
        Ok(())
    }

    #[test]
    fn a_failed_get_needs_no_put() -> Result {
        let slot = slot()?;
        assert!(slot.get(PAGE_SIZE, || Err(EIO)).is_err());
        assert!(slot.handed_out.lock().is_none());
        slot.put();
        Ok(())
    }

    #[test]
    fn a_mapping_shorter_than_the_object_is_refused() -> Result {
        let slot = slot()?;
        let short = slot.get(2 * PAGE_SIZE, || IoSysMap::system(PAGE_SIZE));
        assert_eq!(short.err(), Some(EINVAL));
        assert!(slot.handed_out.lock().is_none());
        slot.get(2 * PAGE_SIZE, || IoSysMap::system(2 * PAGE_SIZE))?;
        Ok(())
    }
}
