// SPDX-License-Identifier: GPL-2.0

//! GEM objects that userspace and the kernel's own clients can map.
//!
//! C headers: [`include/drm/drm_gem.h`](srctree/include/drm/drm_gem.h),
//! [`include/linux/mm.h`](srctree/include/linux/mm.h)
//!
//! - Upstream today: [`drm::gem::Object`] has private `drm_gem_object_funcs` without `vm_ops`,
//!   `mmap` and `vmap`, and allocates a shmem file for each object even if the driver does not use
//!   it.
//! - The shape it should have: `mmap`, `fault` and `access` as optional methods of
//!   [`drm::gem::DriverObject`], from which upstream fills in `drm_gem_object_funcs`; objects
//!   without a file (`drm_gem_private_object_init()`) as an option of the driver.
//! - Why this is sound on 7.3: only [`NewObject`] creates objects with [`object::Mapped`] data,
//!   because only this module can construct the argument of its `new`. The object that upstream
//!   returns has neither a handle nor an offset, so no other thread can find it, and [`NewObject`]
//!   may replace its `funcs` by an extended copy, which is `static`, and drop its file. So every
//!   object of the type that another thread can find has the extended `funcs`.
//! - Delete when upstream's objects can be mapped.
//!
//! A driver implements [`MappedObject`]. The callbacks in this file convert C's arguments to the
//! types of the submodules: [`object`] defines the object, [`resv`] its lock, and [`lru`] lists of
//! objects. [`fault`], [`huge_fault`], [`access`] and [`vmap`] implement its mappings, and
//! [`prime`] exports and imports it.

mod access;
pub(crate) mod fault;
pub(crate) mod huge_fault;
mod lru;
mod object;
pub(super) mod prime;
mod resv;
mod vmap;

pub(super) use self::object::pages;
pub(crate) use self::{
    access::{
        Served,
        Transfer, //
    },
    lru::Lru,
    object::{
        fake_offset,
        is_shared,
        users,
        Object,
        ObjectData,
        Objects,
        Region,
        Usage, //
    },
    resv::{
        Batch,
        Reserved,
        Vacated,
        BATCH, //
    },
    vmap::{
        ObjectMap,
        VmapSource, //
    }, //
};

use self::{
    access::Access,
    fault::{
        Fault,
        VmFault, //
    },
    huge_fault::{
        HugeFault,
        HugeVmFault, //
    },
    object::{
        Args,
        RegistrationData, //
    },
    vmap::IoSysMap, //
};
use super::{
    shmem::ShmemPages,
    trace::{
        self,
        Where, //
    },
    vma::{
        self,
        VmaNew,
        VmaPfnMap,
        HUGE_SIZE, //
    },
    vtable::Vtable, //
};
use crate::units::PageIndex;
use core::{
    marker::PhantomData,
    ops::Range,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    drm::{
        self,
        gem::{
            BaseObject,
            IntoGEMObject, //
        },
        Registered, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    }, //
};

/// The operations of GEM objects that can be mapped, implemented for their driver data.
pub(crate) trait MappedObject: ObjectData {
    /// Returns the callbacks that all objects of this type share: a `static` of the driver.
    fn ops() -> &'static Ops<Self>;

    /// Returns the offset of the object's first page in device memory, in pages. `mmap()` chooses
    /// an address with the same offset from a multiple of [`HUGE_SIZE`], so that huge entries can
    /// map the object.
    fn align_hint(obj: &Object<Self>) -> usize;

    /// Called when a program says that it will access `pages` of the object soon (`MADV_WILLNEED`).
    fn will_need(obj: &Object<Self>, pages: Range<usize>);

    /// Sets up a new mapping, or refuses it.
    ///
    /// A mapping of a dma-buf may start and end at any page, even outside the object: see
    /// [`VmaNew::pages`].
    fn mmap<'a>(obj: &Object<Self>, vma: VmaNew<'a>) -> Result<VmaPfnMap<'a>>;

    /// Serves a fault.
    fn fault(fault: Fault<'_, Self>) -> VmFault;

    /// Serves a fault with a huge entry. On [`HugeVmFault::FALLBACK`], the memory manager calls
    /// [`Self::fault`].
    fn huge_fault(fault: &HugeFault<'_, Self>) -> HugeVmFault;

    /// Serves the part of a debugger's access that lies in page `page` of the object and starts at
    /// byte `in_page` of that page. `reg` is `None` if the device is unplugged.
    ///
    /// # Errors
    ///
    /// An error fails the whole access.
    fn access(
        obj: &mut Reserved<'_, Self>,
        reg: Option<&RegistrationData<'_, Self>>,
        page: PageIndex,
        in_page: usize,
        transfer: Transfer<'_>,
    ) -> Result<Served>;

    /// Returns the data of an object that represents a dma-buf of another device. It has no
    /// placement record, and its mappings are those of the exporter.
    fn imported() -> Self;

    /// Brings the whole object to system memory, so that another device can access it, and
    /// allocates all its pages. May sleep.
    ///
    /// # Errors
    ///
    /// An error fails the other device's import.
    fn move_to_devices(obj: &mut Reserved<'_, Self>) -> Result;

    /// Returns the pages of an object in system memory, or `None` if it is elsewhere.
    fn system_memory(place: &Self::Place) -> Option<&ShmemPages>;

    /// Returns the memory that the object uses, for the statistics of a client. Takes no lock.
    fn usage(obj: &Object<Self>) -> Usage;

    /// Returns how long CPUs have copied the content of objects of the client `file`, in
    /// nanoseconds, for its statistics.
    fn copy_time(file: &<Self::Driver as drm::Driver>::File) -> u64;

    /// Returns the memory of the whole object, for the kernel to map. `reg` is `None` if the device
    /// is unplugged.
    ///
    /// # Errors
    ///
    /// DRM's `vmap` call fails with this error. It also fails, with `EINVAL`, if the returned
    /// mapping is shorter than the object.
    fn vmap<'p>(
        obj: &'p mut Reserved<'_, Self>,
        reg: Option<&RegistrationData<'_, Self>>,
    ) -> Result<VmapSource<'p>>;
}

/// Creates an object of `size` bytes with driver data `data` and the placement record `place`.
///
/// # Errors
///
/// `EINVAL` if `size` is 0 or not a multiple of the page size; `ENOMEM`.
pub(crate) fn create<T: MappedObject>(
    dev: &drm::Device<T::Driver, Registered>,
    size: usize,
    data: T,
    place: Option<KBox<T::Place>>,
) -> Result<ARef<Object<T>>> {
    NewObject::new(dev, size, data, place)?.publish()
}

/// An object that is being created.
///
/// # Invariants
///
/// No other thread can find the object: it has neither a handle nor a fake offset.
struct NewObject<T: MappedObject>(ARef<Object<T>>);

impl<T: MappedObject> NewObject<T> {
    /// Creates an object. See [`create`].
    ///
    /// # Errors
    ///
    /// Those of [`create`].
    fn new(
        dev: &drm::Device<T::Driver, Registered>,
        size: usize,
        data: T,
        place: Option<KBox<T::Place>>,
    ) -> Result<Self> {
        if size == 0 || size % PAGE_SIZE != 0 {
            return Err(EINVAL);
        }
        let obj = Object::<T>::new(dev, size, Args { data, place }).map_err(|err| match err {
            // `shmem_file_setup()` returns `ENOSPC` if it cannot allocate the inode.
            ENOSPC => ENOMEM,
            other => other,
        })?;
        let raw = obj.as_raw();

        // SAFETY: `raw` is a valid object. No other thread can find it, so nothing else uses its
        // fields.
        let upstream = unsafe { (*raw).funcs };
        // SAFETY: `drm::gem::Object::new()` has pointed `funcs` to a constant.
        let funcs = T::ops().extend(unsafe { &*upstream });
        // SAFETY: `raw` is a valid object that no other thread can find. The new `funcs` are a copy
        // of upstream's with more callbacks, and live as long as the module.
        unsafe { (*raw).funcs = funcs };

        // SAFETY: `raw` is a valid object that no other thread can find.
        let file = unsafe { core::ptr::replace(&raw mut (*raw).filp, core::ptr::null_mut()) };
        if !file.is_null() {
            // SAFETY: The object owned the reference, and no longer points to the file.
            unsafe { bindings::fput(file) };
        }
        // INVARIANT: The object was created above, and got neither a handle nor a fake offset.
        Ok(Self(obj))
    }

    /// Allocates the fake offset, by which other threads can find the object ([`Objects`]), and
    /// returns the object.
    ///
    /// The offset must not change later: faults in mappings of the object's dma-buf compute the
    /// page from it too.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    fn publish(self) -> Result<ARef<Object<T>>> {
        let obj = self.0;
        let location = location::<T>(obj.place(&rcu::read_lock()));
        obj.create_mmap_offset()?;
        trace::object_create(&*obj, location);
        Ok(obj)
    }
}

/// Returns where an object with the placement record `place` is.
fn location<T: MappedObject>(place: Option<&T::Place>) -> Where {
    match place {
        None => Where::None,
        Some(place) if T::system_memory(place).is_some() => Where::System,
        Some(_) => Where::Vram,
    }
}

/// The vtables of objects with data `T`, initialised when the first object is created.
pub(crate) struct Ops<T> {
    upstream: Vtable<bindings::drm_gem_object_funcs>,
    funcs: Vtable<bindings::drm_gem_object_funcs>,
    vm_ops: Vtable<bindings::vm_operations_struct>,
    _type: PhantomData<fn() -> T>,
}

impl<T: MappedObject> Ops<T> {
    /// Creates vtables that are not initialised.
    pub(crate) const fn new() -> Self {
        Self {
            upstream: Vtable::new(),
            funcs: Vtable::new(),
            vm_ops: Vtable::new(),
            _type: PhantomData,
        }
    }

    /// Returns the `vm_ops` that mappings of these objects have, and no other VMA; `None` if no
    /// object has been created yet.
    pub(super) fn vm_ops(&'static self) -> Option<&'static bindings::vm_operations_struct> {
        self.vm_ops.get()
    }

    /// Returns a copy of `upstream` with the callbacks that mappings need. The first call
    /// initialises it.
    fn extend(
        &'static self,
        upstream: &bindings::drm_gem_object_funcs,
    ) -> *const bindings::drm_gem_object_funcs {
        let vm_ops = self.vm_ops.get_or_init(|| bindings::vm_operations_struct {
            open: Some(open_callback::<T>),
            close: Some(bindings::drm_gem_vm_close),
            mprotect: Some(mprotect_callback),
            fault: Some(fault_callback::<T>),
            huge_fault: Some(huge_fault_callback::<T>),
            map_pages: Some(map_pages_callback),
            access: Some(access_callback::<T>),
            ..pin_init::zeroed()
        });
        self.upstream.get_or_init(|| *upstream);
        self.funcs.get_or_init(|| bindings::drm_gem_object_funcs {
            free: Some(free_callback::<T>),
            export: Some(prime::export_callback),
            pin: Some(prime::pin_callback::<T>),
            unpin: Some(prime::unpin_callback::<T>),
            get_sg_table: Some(prime::sg_table_callback::<T>),
            mmap: Some(mmap_callback::<T>),
            vmap: Some(vmap_callback::<T>),
            vunmap: Some(vunmap_callback::<T>),
            vm_ops,
            ..*upstream
        })
    }
}

/// `drm_gem_object_funcs.free`.
///
/// # Safety
///
/// Only DRM may call it, for an object with these `funcs` without references.
unsafe extern "C" fn free_callback<T: MappedObject>(raw: *mut bindings::drm_gem_object) {
    // SAFETY: Only objects with data `T` have these `funcs`. Nothing else uses this one, so its
    // record is not replaced.
    let place = unsafe { Object::<T>::from_raw(raw).place_reserved() };
    // SAFETY: The object is freed below.
    unsafe { trace::object_free(raw, location::<T>(place)) };
    // SAFETY: By the safety requirements, nothing else uses the object.
    unsafe { prime::detach(raw) };
    if let Some(free) = T::ops().upstream.get().and_then(|funcs| funcs.free) {
        // SAFETY: This is upstream's callback for the object, which has no references.
        unsafe { free(raw) };
    }
}

/// `drm_gem_object_funcs.mmap`.
///
/// # Safety
///
/// Only DRM may call it, for an object with these `funcs`, to which the caller holds a reference,
/// and with a VMA that is being set up and holds another reference.
unsafe extern "C" fn mmap_callback<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
    vma: *mut bindings::vm_area_struct,
) -> c_int {
    // SAFETY: By the safety requirements, the object is valid. The field does not change.
    if let Some(attachment) = NonNull::new(unsafe { (*raw).import_attach }) {
        // SAFETY: The object keeps the attachment until it is freed, and these are the arguments of
        // this callback.
        return unsafe { prime::mmap_imported(raw, attachment, vma) };
    }
    // SAFETY: Only objects with data `T` have these `funcs`, and the caller holds a reference.
    let obj = unsafe { Object::<T>::from_raw(raw) };
    // SAFETY: By the safety requirements, the VMA is being set up, for this object.
    let vma = unsafe { VmaNew::from_raw(vma, fake_offset(obj)) };
    match T::mmap(obj, vma) {
        Ok(_) => 0,
        Err(err) => err.to_errno(),
    }
}

/// `vm_operations_struct.open`: `vma` is a copy, which `fork()`, a split or a move of the original
/// has made.
///
/// # Safety
///
/// Only the memory manager may call it, for a copy of a VMA that `mmap_callback` of the same `T`
/// has set up.
unsafe extern "C" fn open_callback<T: MappedObject>(vma: *mut bindings::vm_area_struct) {
    // SAFETY: `vma` is valid, and its private data is the object of the original. The call takes
    // the reference that the copy must hold.
    unsafe { bindings::drm_gem_vm_open(vma) };
    // SAFETY: `vma` is the argument of this callback, and it now holds a reference to the object.
    unsafe { huge_fault::wipe_on_fork::<T>(vma) };
}

/// `vm_operations_struct.mprotect`.
///
/// # Safety
///
/// Only the memory manager may call it, with the mmap lock held for writing, for a range of a VMA
/// that `mmap_callback` has set up.
unsafe extern "C" fn mprotect_callback(
    vma: *mut bindings::vm_area_struct,
    start: c_ulong,
    end: c_ulong,
    _new_flags: c_ulong,
) -> c_int {
    // SAFETY: These are the arguments of this callback. `mmap_callback` calls
    // `VmaNew::into_pfnmap()`.
    unsafe { vma::prepare_mprotect(vma, start, end) };
    0
}

/// `vm_operations_struct.fault`.
///
/// # Safety
///
/// Only the memory manager may call it, for a VMA that `mmap_callback` of the same `T` has set
/// up.
unsafe extern "C" fn fault_callback<T: MappedObject>(
    vmf: *mut bindings::vm_fault,
) -> bindings::vm_fault_t {
    // SAFETY: `vmf` is the argument of this callback.
    let fault = unsafe { Fault::<'_, T>::from_raw(vmf) };
    T::fault(fault).into_raw()
}

/// `vm_operations_struct.huge_fault`.
///
/// # Safety
///
/// Only the memory manager may call it, for a VMA that `mmap_callback` of the same `T` has set
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

/// `vm_operations_struct.map_pages`. It maps nothing. Because it is set, the memory manager may
/// call `fault` under the VMA lock instead of the mmap lock (`vmf_can_call_fault()`).
///
/// # Safety
///
/// There are no preconditions.
unsafe extern "C" fn map_pages_callback(
    _vmf: *mut bindings::vm_fault,
    _first: c_ulong,
    _last: c_ulong,
) -> bindings::vm_fault_t {
    0
}

/// `vm_operations_struct.access`. Returns the number of bytes transferred.
///
/// # Safety
///
/// Only the memory manager may call it, with the mmap lock held, for a VMA that `mmap_callback` of
/// the same `T` has set up. `address` must be in the VMA, and `buf` valid for `len` bytes.
unsafe extern "C" fn access_callback<T: MappedObject>(
    vma: *mut bindings::vm_area_struct,
    address: c_ulong,
    buf: *mut c_void,
    len: c_int,
    write: c_int,
) -> c_int {
    // The memory manager passes no negative length.
    let len = usize::try_from(len).unwrap_or(0);
    // SAFETY: These are the arguments of this callback. The caller holds the mmap lock, so the VMA
    // does not change, and nothing else uses the buffer during the call.
    let access = unsafe { Access::<'_, T>::from_raw(vma, address, buf, len, write != 0) };
    match access.and_then(|access| access.serve(T::access)) {
        // `done` is at most `len`, which is a `c_int`.
        Ok(done) => done.try_into().unwrap_or(c_int::MAX),
        Err(err) => err.to_errno(),
    }
}

/// `drm_gem_object_funcs.vmap`.
///
/// # Safety
///
/// Only DRM may call it, for an object with these `funcs`, to which the caller holds a reference
/// and whose reservation it has locked, and with a `map` that is valid for writes.
unsafe extern "C" fn vmap_callback<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
    map: *mut bindings::iosys_map,
) -> c_int {
    // SAFETY: By the safety requirements, the object is valid. The field does not change.
    if let Some(attachment) = NonNull::new(unsafe { (*raw).import_attach }) {
        // SAFETY: The object keeps the attachment until it is freed. Only objects with data `T`
        // have these `funcs`. The caller has locked the reservation, and `map` is valid for writes.
        return unsafe { prime::vmap_imported::<T>(raw, attachment, map) };
    }
    // SAFETY: Only objects with data `T` have these `funcs`, and the caller holds a reference.
    let obj = unsafe { Object::<T>::from_raw(raw) };
    // SAFETY: The caller has locked the reservation, and uses no guard of this driver.
    let mut reserved = unsafe { Reserved::held_by_caller(obj) };
    let slot = obj.vmap_slot();
    // With the reservation locked, no other thread adds a mapping to the slot.
    let new = (!slot.is_used()).then(|| make_map(&mut reserved));
    match slot.get(obj.size(), || new.unwrap_or(Err(EINVAL))) {
        Ok(shared) => {
            // SAFETY: By the safety requirements, `map` is valid for writes.
            unsafe { map.write(shared) };
            0
        }
        Err(err) => err.to_errno(),
    }
}

/// Returns a new mapping of the object, which the caller puts into the object's slot.
fn make_map<T: MappedObject>(obj: &mut Reserved<'_, T>) -> Result<IoSysMap> {
    let size = obj.object().size();
    // SAFETY: `T::vmap()` returns memory that it got from the object. The caller puts the mapping
    // into the slot of this object.
    let map = |source: VmapSource<'_>| unsafe { source.map(size) };
    match obj.with_registered(|obj, reg| T::vmap(obj, Some(reg)).and_then(map)) {
        Some(result) => result,
        None => T::vmap(obj, None).and_then(map),
    }
}

/// `drm_gem_object_funcs.vunmap`.
///
/// # Safety
///
/// Only DRM may call it, for an object with these `funcs`, to which the caller holds a reference
/// and whose reservation it has locked, with the `map` of a `vmap` that succeeded, and once for
/// each of them. The caller of that `vmap` must not use the address any more.
unsafe extern "C" fn vunmap_callback<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
    map: *mut bindings::iosys_map,
) {
    // SAFETY: By the safety requirements, the object is valid. The field does not change.
    if let Some(attachment) = NonNull::new(unsafe { (*raw).import_attach }) {
        // SAFETY: The object keeps the attachment until it is freed. Only objects with data `T`
        // have these `funcs`. The caller has locked the reservation, and `vmap_callback()` has
        // filled in `map` for this object.
        return unsafe { prime::vunmap_imported::<T>(raw, attachment, map) };
    }
    // SAFETY: Only objects with data `T` have these `funcs`, and the caller holds a reference.
    unsafe { Object::<T>::from_raw(raw) }.vmap_slot().put();
}
