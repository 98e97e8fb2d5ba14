// SPDX-License-Identifier: GPL-2.0

//! GEM objects that can be mapped by userspace, and by the kernel.
//!
//! - Upstream today: [`drm::gem::Object`] has a private table of functions without `vm_ops`,
//!   without `mmap` and without `vmap`, and gives each object a shmem file, used or not.
//! - The shape it should have: `mmap`, `fault` and `access` as optional methods of
//!   [`drm::gem::DriverObject`], the table made from them; objects without a file
//!   (`drm_gem_private_object_init()`) as a choice of the driver.
//! - Why this is sound on 7.3: [`create`] is the only way to make an object of a [`Mapped`] type,
//!   as the argument that its `new` wants can't be made elsewhere. The object it gets from
//!   upstream has neither handle nor offset, so nobody else knows it, and its table may be
//!   replaced by an extended copy, which is `static`; its file may be dropped. Every object of the
//!   type that others see has the extended table.
//! - Delete when upstream's objects can be mapped.

use super::{
    access::{
        access_callback,
        Access, //
    },
    fault::{
        fault_callback,
        huge_fault_callback,
        map_pages_callback,
        open_callback,
        Fault,
        HugeFault,
        Outcome,
        ZeroPageSlot, //
    },
    prime,
    table::Table,
    vma::{
        NewVma,
        PfnVma, //
    },
    vmap::{
        vmap_callback,
        vunmap_callback,
        KernelView,
        ViewSlot, //
    }, //
};
use core::{
    marker::PhantomData,
    ops::{
        Deref,
        Range, //
    },
};
use kernel::{
    bindings,
    drm::{
        self,
        gem::{
            BaseObject,
            DriverObject,
            IntoGEMObject, //
        },
    },
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::Atomic,
        SetOnce, //
    }, //
};

/// The GEM object with driver data `T`.
pub(crate) type Object<T> = drm::gem::Object<Mapped<T>>;

/// The driver's data of a GEM object that userspace can map, and what the mappings show.
pub(crate) trait MappedObject: Send + Sync + Sized + 'static {
    /// The driver that the objects are of.
    type Driver: drm::Driver<Object = Object<Self>>;

    /// The table of functions that all objects of this type share: a `static` of the driver.
    fn funcs() -> &'static Funcs<Self>;

    /// The place of the object's first page in a space of aligned places (in pages): a mapping's
    /// address is chosen such that huge entries fit.
    fn placement(obj: &Object<Self>) -> usize;

    /// Takes the advice that `pages` of the object will be accessed soon (`MADV_WILLNEED`).
    fn will_need(obj: &Object<Self>, pages: Range<usize>);

    /// Sets up a new mapping, or refuses it.
    ///
    /// Through a dma-buf a mapping may start anywhere in the object: see [`NewVma::pages`].
    fn mmap<'a>(obj: &Object<Self>, vma: NewVma<'a>) -> Result<PfnVma<'a>>;

    /// Serves a fault.
    fn fault(fault: &Fault<'_, Self>) -> Outcome;

    /// Serves a fault with a huge entry, or falls back to [`Self::fault`].
    fn huge_fault(fault: &HugeFault<'_, Self>) -> Outcome;

    /// Serves a debugger's access. Returns the number of bytes transferred.
    fn access(access: Access<'_, Self>) -> Result<usize>;

    /// Shows all of the object to the kernel. `dev` is the object's; it was registered once, and
    /// may be gone.
    fn vmap(obj: &Object<Self>, dev: &drm::Device<Self::Driver, drm::Ioctl>) -> Result<KernelView>;
}

/// Driver data `T`, and what its mappings need with it.
#[pin_data]
pub(crate) struct Mapped<T: MappedObject> {
    data: T,
    pub(super) zero_page: ZeroPageSlot,
    /// Set before the object's first huge entry is inserted, and never cleared.
    pub(super) had_huge_entry: Atomic<bool>,
    #[pin]
    pub(super) view: ViewSlot,
}

impl<T: MappedObject> Deref for Mapped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

/// The argument for making a [`Mapped`]. Only [`create`] can make one.
pub(crate) struct Args<T>(T);

impl<T: MappedObject> DriverObject for Mapped<T> {
    type Driver = T::Driver;
    type Args = Args<T>;

    fn new(
        _dev: &drm::Device<T::Driver>,
        _size: usize,
        args: Args<T>,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            data: args.0,
            zero_page: SetOnce::new(),
            had_huge_entry: Atomic::new(false),
            view <- ViewSlot::new(),
        })
    }
}

/// Makes an object of `size` bytes with driver data `data`.
///
/// `size` must be a whole number of pages and not 0. The object has its fake offset from the
/// start: a mapping of its dma-buf computes pages from that offset, so it may not change later.
///
/// Errors: `EINVAL` for a wrong size; `ENOMEM`.
pub(crate) fn create<T: MappedObject>(
    dev: &drm::Device<T::Driver>,
    size: usize,
    data: T,
) -> Result<ARef<Object<T>>> {
    if size == 0 || size % PAGE_SIZE != 0 {
        return Err(EINVAL);
    }
    let obj = Object::<T>::new(dev, size, Args(data)).map_err(|err| match err {
        // What shmem says if it has no memory for the inode of the file.
        ENOSPC => ENOMEM,
        other => other,
    })?;
    let raw = obj.as_raw();

    // SAFETY: `raw` is a valid object. Nobody else knows it, so its fields can't be in use.
    let upstream = unsafe { (*raw).funcs };
    // SAFETY: Upstream points it to a constant table.
    let funcs = T::funcs().extend(unsafe { &*upstream });
    // SAFETY: As above. The new table has upstream's functions where it had any.
    unsafe { (*raw).funcs = funcs };

    // SAFETY: As above.
    let file = unsafe { core::ptr::replace(&raw mut (*raw).filp, core::ptr::null_mut()) };
    if !file.is_null() {
        // SAFETY: This was the object's reference, and the object has given it up.
        unsafe { bindings::fput(file) };
    }

    obj.create_mmap_offset()?;
    Ok(obj)
}

/// The table of functions of the objects with data `T`, made when the first one is.
pub(crate) struct Funcs<T> {
    funcs: Table<bindings::drm_gem_object_funcs>,
    vm_ops: Table<bindings::vm_operations_struct>,
    _type: PhantomData<fn() -> T>,
}

impl<T: MappedObject> Funcs<T> {
    /// A table that is yet to be made.
    pub(crate) const fn new() -> Self {
        Self {
            funcs: Table::new(),
            vm_ops: Table::new(),
            _type: PhantomData,
        }
    }

    /// The `vm_ops` of the objects' mappings, and of no others; `None` if there is no object yet.
    pub(super) fn vm_ops(&'static self) -> Option<&'static bindings::vm_operations_struct> {
        self.vm_ops.get()
    }

    /// The copy of `upstream` with what mappings need. The first call makes it.
    fn extend(
        &'static self,
        upstream: &bindings::drm_gem_object_funcs,
    ) -> *const bindings::drm_gem_object_funcs {
        let vm_ops = self.vm_ops.get_or_make(|| bindings::vm_operations_struct {
            open: Some(open_callback::<T>),
            close: Some(bindings::drm_gem_vm_close),
            fault: Some(fault_callback::<T>),
            huge_fault: Some(huge_fault_callback::<T>),
            map_pages: Some(map_pages_callback),
            access: Some(access_callback::<T>),
            ..pin_init::zeroed()
        });
        self.funcs.get_or_make(|| bindings::drm_gem_object_funcs {
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
/// To be called by DRM only, with an object of this type and an area that is being set up.
unsafe extern "C" fn mmap_callback<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
    vma: *mut bindings::vm_area_struct,
) -> c_int {
    // SAFETY: The table is only on objects of this type; the caller holds a reference.
    let obj = unsafe { Object::<T>::from_raw(raw) };
    // SAFETY: The area is being set up for this object.
    let vma = unsafe { NewVma::from_raw(vma, fake_offset(obj)) };
    match T::mmap(obj, vma) {
        Ok(_) => 0,
        Err(err) => err.to_errno(),
    }
}

/// The offset, in pages, at which the object is found in its device's file.
pub(super) fn fake_offset<T: MappedObject>(obj: &Object<T>) -> usize {
    // SAFETY: The object is valid, and `create()` set the offset for good.
    let start = unsafe { (*obj.as_raw()).vma_node.vm_node.start };
    // It is a page offset in a file, and those are `unsigned long` in C.
    usize::try_from(start).unwrap_or(usize::MAX)
}

/// The length of the object in pages.
pub(super) fn pages<T: MappedObject>(obj: &Object<T>) -> usize {
    obj.size() >> PAGE_SHIFT
}

/// The device of an object that has been mapped.
pub(super) fn once_registered<T: MappedObject>(
    obj: &Object<T>,
) -> &drm::Device<T::Driver, drm::Ioctl> {
    // SAFETY: The object's device is of `T::Driver`; what refers to the object (a handle, a
    // mapping, a dma-buf) refers to the device too. An object is mapped through a file of the
    // device, by a client of the kernel's, which has a file too, or through its dma-buf, and none
    // of them is there before the device is registered.
    unsafe { drm::Device::from_raw((*obj.as_raw()).dev) }
}
