// SPDX-License-Identifier: GPL-2.0

//! GEM objects that userspace can map, and the kernel's own clients too.
//!
//! C headers: [`include/drm/drm_gem.h`](srctree/include/drm/drm_gem.h),
//! [`include/linux/mm.h`](srctree/include/linux/mm.h)
//!
//! - Upstream today: [`drm::gem::Object`] has a private table of functions without `vm_ops`,
//!   without `mmap` and without `vmap`, and gives each object a shmem file, used or not.
//! - The shape it should have: `mmap`, `fault` and `access` as optional methods of
//!   [`drm::gem::DriverObject`], the table made from them; objects without a file
//!   (`drm_gem_private_object_init()`) as a choice of the driver.
//! - Why this is sound on 7.3: [`create`] is the only way to make an object of a [`object::Mapped`]
//!   type, as the argument that its `new` wants cannot be made elsewhere. The object that
//!   [`create`] gets from upstream has neither a handle nor an offset, so no other thread can find
//!   it, and its table may be replaced by an extended copy, which is `static`; its file may be
//!   dropped. Every object of the type that others see has the extended table.
//! - Delete when upstream's objects can be mapped.
//!
//! [`MappedObject`] is what a driver implements. The callbacks here turn C's arguments into the
//! types of the files beside: [`object`] is the object, [`fault`], [`access`] and [`vmap`] are what
//! its mappings do, [`prime`] is how it is exported.

mod access;
pub(crate) mod fault;
mod object;
pub(super) mod prime;
mod vmap;

pub(super) use self::object::{
    fake_offset,
    pages, //
};
pub(crate) use self::{
    access::Transfer,
    object::{
        Object,
        ObjectData, //
    }, //
};

use self::{
    access::Access,
    fault::{
        Fault,
        HugeFault,
        HugeVmFault,
        VmFault, //
    },
    object::{
        with_registered,
        Args,
        RegistrationData, //
    },
    vmap::IoSysMap, //
};
use super::{
    vma::{
        VmaNew,
        VmaPfnMap,
        HUGE_SIZE, //
    },
    vtable::Vtable,
    wc_bar::VMap, //
};
use crate::units::PageIndex;
use core::{
    marker::PhantomData,
    ops::Range, //
};
use kernel::{
    bindings,
    drm::{
        self,
        gem::{
            BaseObject,
            IntoGEMObject, //
        },
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef, //
};

/// What mappings of objects with this driver data show.
pub(crate) trait MappedObject: ObjectData {
    /// Returns the callbacks that all objects of this type share: a `static` of the driver.
    fn ops() -> &'static Ops<Self>;

    /// Returns the place of the object's first page, in pages, in a space where every aligned place
    /// can have a huge entry. The address of a mapping is chosen to be aligned alike.
    fn align_hint(obj: &Object<Self>) -> usize;

    /// Takes the advice that `pages` of the object will be accessed soon (`MADV_WILLNEED`).
    fn will_need(obj: &Object<Self>, pages: Range<usize>);

    /// Sets up a new mapping, or refuses it.
    ///
    /// A mapping of a dma-buf may start anywhere in the object, and end anywhere: see
    /// [`VmaNew::pages`].
    fn mmap<'a>(obj: &Object<Self>, vma: VmaNew<'a>) -> Result<VmaPfnMap<'a>>;

    /// Serves a fault.
    fn fault(fault: &Fault<'_, Self>) -> VmFault;

    /// Serves a fault with a huge entry, or falls back to [`Self::fault`].
    fn huge_fault(fault: &HugeFault<'_, Self>) -> HugeVmFault;

    /// Serves the part of a debugger's access that is in page `page` of the object, from byte
    /// `in_page` of it on.
    ///
    /// # Errors
    ///
    /// An error fails the whole access.
    fn access(
        obj: &Object<Self>,
        reg: &RegistrationData<'_, Self>,
        page: PageIndex,
        in_page: usize,
        transfer: Transfer<'_>,
    ) -> Result;

    /// Maps all of the object for the kernel.
    ///
    /// # Errors
    ///
    /// An error refuses the mapping. It is refused with `EINVAL` if it is shorter than the object.
    fn vmap(obj: &Object<Self>, reg: &RegistrationData<'_, Self>) -> Result<VMap>;
}

/// Makes an object of `size` bytes with driver data `data`.
///
/// `size` must be a whole number of pages and not 0. The object has its fake offset from the
/// start: mappings of its dma-buf compute pages from that offset, so it may not change later.
///
/// # Errors
///
/// `EINVAL` for a wrong size; `ENOMEM`.
pub(crate) fn create<T: MappedObject>(
    dev: &drm::Device<T::Driver>,
    size: usize,
    data: T,
) -> Result<ARef<Object<T>>> {
    if size == 0 || size % PAGE_SIZE != 0 {
        return Err(EINVAL);
    }
    let obj = Object::<T>::new(dev, size, Args(data)).map_err(|err| match err {
        // shmem returns this if there is no memory for the inode of the file.
        ENOSPC => ENOMEM,
        other => other,
    })?;
    let raw = obj.as_raw();

    // SAFETY: `raw` is a valid object. No other thread can find it, so nothing else uses its
    // fields.
    let upstream = unsafe { (*raw).funcs };
    // SAFETY: `drm::gem::Object::new()` has set `funcs` to a constant table.
    let funcs = T::ops().extend(unsafe { &*upstream });
    // SAFETY: `raw` is a valid object that no other thread can find. The new table has upstream's
    // functions where it had any, and lives as long as the module.
    unsafe { (*raw).funcs = funcs };

    // SAFETY: `raw` is a valid object that no other thread can find.
    let file = unsafe { core::ptr::replace(&raw mut (*raw).filp, core::ptr::null_mut()) };
    if !file.is_null() {
        // SAFETY: The reference was the object's, which has just lost it.
        unsafe { bindings::fput(file) };
    }

    obj.create_mmap_offset()?;
    Ok(obj)
}

/// The callbacks of the objects with data `T`, made when the first object is.
pub(crate) struct Ops<T> {
    funcs: Vtable<bindings::drm_gem_object_funcs>,
    vm_ops: Vtable<bindings::vm_operations_struct>,
    _type: PhantomData<fn() -> T>,
}

impl<T: MappedObject> Ops<T> {
    /// Makes callbacks that no object has yet.
    pub(crate) const fn new() -> Self {
        Self {
            funcs: Vtable::new(),
            vm_ops: Vtable::new(),
            _type: PhantomData,
        }
    }

    /// Returns the `vm_ops` that the objects' mappings have, and no others; `None` if there is no
    /// object yet.
    pub(super) fn vm_ops(&'static self) -> Option<&'static bindings::vm_operations_struct> {
        self.vm_ops.get()
    }

    /// Returns a copy of `upstream` with the callbacks that mappings need. The first call makes it.
    fn extend(
        &'static self,
        upstream: &bindings::drm_gem_object_funcs,
    ) -> *const bindings::drm_gem_object_funcs {
        let vm_ops = self.vm_ops.get_or_init(|| bindings::vm_operations_struct {
            open: Some(open_callback::<T>),
            close: Some(bindings::drm_gem_vm_close),
            fault: Some(fault_callback::<T>),
            huge_fault: Some(huge_fault_callback::<T>),
            map_pages: Some(map_pages_callback),
            access: Some(access_callback::<T>),
            ..pin_init::zeroed()
        });
        self.funcs.get_or_init(|| bindings::drm_gem_object_funcs {
            export: Some(prime::export_callback),
            mmap: Some(mmap_callback::<T>),
            vmap: Some(vmap_callback::<T>),
            vunmap: Some(vunmap_callback::<T>),
            vm_ops,
            ..*upstream
        })
    }
}

/// The `mmap` entry of an object's table.
///
/// # Safety
///
/// Only DRM may call it, with an object that has this table, a reference to it, and an area that is
/// being set up.
unsafe extern "C" fn mmap_callback<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
    vma: *mut bindings::vm_area_struct,
) -> c_int {
    // SAFETY: Only objects of this type have the table, and the caller holds a reference.
    let obj = unsafe { Object::<T>::from_raw(raw) };
    // SAFETY: The caller is setting up the area, for this object.
    let vma = unsafe { VmaNew::from_raw(vma, fake_offset(obj)) };
    match T::mmap(obj, vma) {
        Ok(_) => 0,
        Err(err) => err.to_errno(),
    }
}

/// The `open` entry of the area's `vm_ops`: the area is a copy, made by `fork()`, or because an
/// area is split or moved.
///
/// # Safety
///
/// Only the memory manager may call it, for a copy of an area that `mmap_callback` of the same `T`
/// has set up.
unsafe extern "C" fn open_callback<T: MappedObject>(vma: *mut bindings::vm_area_struct) {
    // SAFETY: `vma` is valid, and its private data is the object of the original. This takes the
    // reference that the copy has to hold.
    unsafe { bindings::drm_gem_vm_open(vma) };
    // SAFETY: `vma` is the argument of this callback, and it now holds a reference to the object.
    unsafe { fault::wipe_on_fork::<T>(vma) };
}

/// The `fault` entry of the area's `vm_ops`.
///
/// # Safety
///
/// Only the memory manager may call it, for an area that `mmap_callback` of the same `T` has set
/// up.
unsafe extern "C" fn fault_callback<T: MappedObject>(
    vmf: *mut bindings::vm_fault,
) -> bindings::vm_fault_t {
    // SAFETY: `vmf` is the argument of this callback.
    let fault = unsafe { Fault::<'_, T>::from_raw(vmf) };
    T::fault(&fault).into_raw()
}

/// The `huge_fault` entry of the area's `vm_ops`.
///
/// # Safety
///
/// Only the memory manager may call it, for an area that `mmap_callback` of the same `T` has set
/// up.
unsafe extern "C" fn huge_fault_callback<T: MappedObject>(
    vmf: *mut bindings::vm_fault,
    order: c_uint,
) -> bindings::vm_fault_t {
    if HUGE_SIZE != PAGE_SIZE << order {
        return HugeVmFault::FALLBACK.into_raw();
    }
    // SAFETY: `vmf` is the argument of this callback, whose order was just checked.
    let fault = unsafe { HugeFault::<'_, T>::from_raw(vmf) };
    T::huge_fault(&fault).into_raw()
}

/// The `map_pages` entry of the area's `vm_ops`. It maps nothing: because it exists, the memory
/// manager calls `fault` with the lock of one area held, and not that of the whole address space
/// (`vmf_can_call_fault()`).
///
/// # Safety
///
/// None; only the memory manager calls it.
unsafe extern "C" fn map_pages_callback(
    _vmf: *mut bindings::vm_fault,
    _first: c_ulong,
    _last: c_ulong,
) -> bindings::vm_fault_t {
    0
}

/// The `access` entry of the area's `vm_ops`.
///
/// # Safety
///
/// Only the memory manager may call it, with the mmap lock held, for an area that `mmap_callback`
/// of the same `T` has set up. `address` must be in the area, and `buf` valid for `len` bytes.
unsafe extern "C" fn access_callback<T: MappedObject>(
    vma: *mut bindings::vm_area_struct,
    address: c_ulong,
    buf: *mut c_void,
    len: c_int,
    write: c_int,
) -> c_int {
    // The memory manager passes no negative length.
    let len = usize::try_from(len).unwrap_or(0);
    // SAFETY: These are the arguments of this callback. The mmap lock keeps the area as it is, and
    // the caller lends the buffer to this call alone.
    let access = unsafe { Access::<'_, T>::from_raw(vma, address, buf, len, write != 0) };
    match access.and_then(|access| access.serve(T::access)) {
        // It is at most `len`.
        Ok(done) => done.try_into().unwrap_or(c_int::MAX),
        Err(err) => err.to_errno(),
    }
}

/// The `vmap` entry of an object's table.
///
/// # Safety
///
/// Only DRM may call it, with an object that has this table, a reference to it, and a `map` that it
/// may write to. The object's device must have been registered.
unsafe extern "C" fn vmap_callback<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
    map: *mut bindings::iosys_map,
) -> c_int {
    // SAFETY: Only objects of this type have the table, and the caller holds a reference.
    let obj = unsafe { Object::<T>::from_raw(raw) };
    let make = || {
        // SAFETY: DRM calls this for clients, which it starts after the device is registered.
        match unsafe { with_registered(obj, |reg| T::vmap(obj, reg)) } {
            Some(map) => map.map(IoSysMap::Device),
            None => IoSysMap::system(obj.size()),
        }
    };
    match obj.vmap_slot().get(obj.size(), make) {
        Ok(shared) => {
            // SAFETY: The caller wants this to be filled in.
            unsafe { map.write(shared) };
            0
        }
        Err(err) => err.to_errno(),
    }
}

/// The `vunmap` entry of an object's table.
///
/// # Safety
///
/// Only DRM may call it, with an object that has this table and a reference to it, once for each
/// `vmap` that succeeded. The caller of that `vmap` may not use the address any more.
unsafe extern "C" fn vunmap_callback<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
    _map: *mut bindings::iosys_map,
) {
    // SAFETY: Only objects of this type have the table, and the caller holds a reference.
    unsafe { Object::<T>::from_raw(raw) }.vmap_slot().put();
}
