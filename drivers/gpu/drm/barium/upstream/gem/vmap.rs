// SPDX-License-Identifier: GPL-2.0

//! Kernel mappings of GEM objects: the kernel's own clients (the console on the screen) ask for
//! them, and use them for as long as they like.
//!
//! - Upstream today: `drm::gem::Object` has neither `vmap` nor `vunmap`.
//! - The shape it should have: `vmap` as an optional method of `drm::gem::DriverObject` that
//!   returns an owned mapping, which upstream keeps until the last `vunmap`.
//! - Why this is sound on 7.3: the mapping that a caller has been told of is kept in the object
//!   from the first `vmap` to the last `vunmap`. If it is of device memory, it is a
//!   [`KernelMap`]: the BAR is not unmapped, nor given up, before the last of those is dropped
//!   (see [`super::super::wc_bar`]). A mapping that is asked for after the device has gone is of plain
//!   memory. So there is no moment at which a caller's address is not mapped.
//! - Delete when upstream's objects can be mapped by the kernel.

use super::{
    super::wc_bar::KernelMap,
    once_registered,
    MappedObject,
    Object, //
};
use kernel::{
    bindings,
    drm::gem::IntoGEMObject,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// What the kernel sees of an object.
pub(crate) enum KernelView {
    /// Its place in device memory.
    Device(KernelMap),
    /// Memory that reads as zero at first and is shown nowhere: the device has gone.
    Nothing(VVec<u8>),
}

impl KernelView {
    /// `len` bytes for a caller that does not know yet that the device has gone.
    pub(crate) fn nothing(len: usize) -> Result<Self> {
        Ok(Self::Nothing(VVec::zeroed(len, GFP_KERNEL)?))
    }

    /// The same as callers of `vmap` take it.
    fn raw(&mut self) -> bindings::iosys_map {
        let (vaddr, is_iomem) = match self {
            Self::Device(map) => (map.as_ptr(), true),
            Self::Nothing(memory) => (memory.as_mut_ptr().cast(), false),
        };
        bindings::iosys_map {
            // The union's halves are pointers of different address spaces, to C's checkers.
            __bindgen_anon_1: bindings::iosys_map__bindgen_ty_1 { vaddr },
            is_iomem,
        }
    }
}

/// The view that an object's callers of `vmap` have, and how often it was handed out.
struct HandedOut {
    view: KernelView,
    times: usize,
}

/// Where an object keeps the view that is handed out.
#[pin_data]
pub(super) struct ViewSlot {
    #[pin]
    handed_out: Mutex<Option<HandedOut>>,
}

impl ViewSlot {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            handed_out <- new_mutex!(None),
        })
    }

    /// Hands out the view that is there, or that `make` makes.
    fn get(&self, make: impl FnOnce() -> Result<KernelView>) -> Result<bindings::iosys_map> {
        let mut guard = self.handed_out.lock();
        let slot = &mut *guard;
        let out = match slot.as_mut() {
            Some(out) => out,
            None => slot.insert(HandedOut {
                view: make()?,
                times: 0,
            }),
        };
        out.times += 1;
        Ok(out.view.raw())
    }

    /// Takes back what was handed out once.
    fn put(&self) {
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

/// The `vmap` entry of an object's table.
///
/// # Safety
///
/// To be called by DRM only, with an object of this type.
pub(super) unsafe extern "C" fn vmap_callback<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
    map: *mut bindings::iosys_map,
) -> c_int {
    // SAFETY: The table is only on objects of this type; the caller holds a reference.
    let obj = unsafe { Object::<T>::from_raw(raw) };
    match obj.view.get(|| T::vmap(obj, once_registered(obj))) {
        Ok(view) => {
            // SAFETY: The caller's own, to be filled in.
            unsafe { map.write(view) };
            0
        }
        Err(err) => err.to_errno(),
    }
}

/// The `vunmap` entry of an object's table.
///
/// # Safety
///
/// To be called by DRM only, with an object of this type, once for each `vmap` that succeeded, when
/// its caller will not use the address again.
pub(super) unsafe extern "C" fn vunmap_callback<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
    _map: *mut bindings::iosys_map,
) {
    // SAFETY: The table is only on objects of this type; the caller holds a reference.
    let obj = unsafe { Object::<T>::from_raw(raw) };
    obj.view.put();
}

#[kunit_tests(barium_vmap)]
mod tests {
    use super::*;
    use kernel::page::PAGE_SIZE;

    /// Where a view is.
    fn address(view: bindings::iosys_map) -> usize {
        // SAFETY: The union's halves are pointers, whose addresses are what is wanted.
        unsafe { view.__bindgen_anon_1.vaddr }.addr()
    }

    fn slot() -> Result<Pin<KBox<ViewSlot>>> {
        KBox::pin_init(ViewSlot::new(), GFP_KERNEL)
    }

    #[test]
    fn all_users_have_one_view() -> Result {
        let slot = slot()?;
        let first = slot.get(|| KernelView::nothing(PAGE_SIZE))?;
        let second = slot.get(|| Err(EIO))?;
        assert!(!first.is_iomem);
        assert_eq!(address(first), address(second));
        Ok(())
    }

    #[test]
    fn the_view_stays_until_its_last_user_is_gone() -> Result {
        let slot = slot()?;
        slot.get(|| KernelView::nothing(PAGE_SIZE))?;
        slot.get(|| Err(EIO))?;
        slot.put();
        assert!(slot.handed_out.lock().is_some());
        slot.put();
        assert!(slot.handed_out.lock().is_none());
        Ok(())
    }

    #[test]
    fn who_gets_no_view_is_no_user() -> Result {
        let slot = slot()?;
        assert!(slot.get(|| Err(EIO)).is_err());
        assert!(slot.handed_out.lock().is_none());
        slot.put();
        Ok(())
    }
}
