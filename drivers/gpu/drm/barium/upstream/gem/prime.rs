// SPDX-License-Identifier: GPL-2.0

//! Dma-bufs of GEM objects: those that the driver exports, which programs can pass on and map, and
//! to which other devices can attach, and those of other devices that the driver imports.
//!
//! C headers: [`include/drm/drm_prime.h`](srctree/include/drm/drm_prime.h),
//! [`include/linux/dma-buf.h`](srctree/include/linux/dma-buf.h)
//!
//! - Upstream today: `drm::gem::Object` exports with DRM's own `dma_buf_ops`, which have `vmap`:
//!   every driver that gets such a dma-buf can map it in the kernel. It has neither `pin` nor
//!   `get_sg_table`, and does not import.
//! - The shape it should have: an optional method of `drm::gem::DriverObject` by which a driver
//!   chooses the operations of its dma-bufs, independent of `vmap` for the kernel's own clients;
//!   `pin` and `get_sg_table` as optional methods too; a type for an attachment.
//! - Why this is sound on 7.3: the operations are DRM's own, which require that `priv` of the
//!   dma-buf is a GEM object, as it is here. `vmap`, which [`OPS`] does not have, is optional in
//!   `dma_buf_ops`. Only [`export_callback`] creates dma-bufs with [`OPS`], so their `priv` is an
//!   object of the driver. DRM calls [`pin_callback`] when a device attaches, and
//!   [`unpin_callback`] when it detaches; in between, [`Reserved::vacate`] fails, so the pages that
//!   the device accesses stay those of the object. An imported object owns its attachment and a
//!   reference to the dma-buf, and uses the reservation of the dma-buf; [`detach`] releases both
//!   before the object is freed.
//! - Delete when upstream's objects can be exported and imported like this.
//!
//! # Imported objects
//!
//! An object that represents a dma-buf of another device has no memory of its own and no placement
//! record. `mmap()` hands its mappings over to the exporter, so none of them has the `vm_ops` of
//! this driver. DRM never exports such an object: it returns the original dma-buf. The driver does
//! not map it for DMA, as the device does no DMA; the attachment makes the exporter keep the memory
//! where devices can access it. The exporter maps it for the kernel as well. If that is another
//! device of this driver, whose dma-bufs have no `vmap`, the driver maps the other device's object:
//! the attachment keeps it in system memory.
//!
//! # Why there is no `vmap`
//!
//! V4L2 drivers whose queues use vmalloc (`videobuf2-vmalloc`) map a dma-buf in the kernel without
//! attaching to it first, and keep the mapping for as long as a program likes. With `vmap`, every
//! user who may open a camera could block unbind indefinitely. Such a user could also trigger a
//! WARN: `dma_buf_vmap()` warns if `vmap` fails, as it must for an object that is not contiguous.
//! Without `vmap`, `dma_buf_vmap()` returns `EINVAL`.

use super::{
    object::{
        Object,
        ObjectData, //
    },
    MappedObject,
    NewObject,
    Reserved, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    drm::{
        self,
        gem::IntoGEMObject, //
    },
    error::{
        from_err_ptr,
        to_result, //
    },
    mm::virt::flags,
    page::page_align,
    prelude::*,
    sync::aref::ARef, //
};

static OPS: bindings::dma_buf_ops = bindings::dma_buf_ops {
    attach: Some(bindings::drm_gem_map_attach),
    detach: Some(bindings::drm_gem_map_detach),
    map_dma_buf: Some(bindings::drm_gem_map_dma_buf),
    unmap_dma_buf: Some(bindings::drm_gem_unmap_dma_buf),
    mmap: Some(bindings::drm_gem_dmabuf_mmap),
    release: Some(bindings::drm_gem_dmabuf_release),
    ..pin_init::zeroed()
};

/// `drm_gem_object_funcs.export`. Returns an error pointer on failure (`ENOMEM`).
///
/// # Safety
///
/// Only DRM may call it, for an object to which the caller holds a reference.
pub(super) unsafe extern "C" fn export_callback(
    raw: *mut bindings::drm_gem_object,
    flags: c_int,
) -> *mut bindings::dma_buf {
    // SAFETY: The caller holds a reference to the object. These fields do not change.
    let (dev, size, resv) = unsafe { ((*raw).dev, (*raw).size, (*raw).resv) };
    // SAFETY: The caller has a handle of the object, and so an open file of the device, which holds
    // a reference to the device. `driver` does not change once the device is registered.
    let driver = unsafe { (*dev).driver };
    // SAFETY: A `drm_driver` and its `fops` are constants.
    let (exp_name, owner) = unsafe { ((*driver).name, (*(*driver).fops).owner) };
    let mut info = bindings::dma_buf_export_info {
        exp_name,
        owner,
        ops: &raw const OPS,
        size,
        flags,
        resv,
        priv_: raw.cast(),
    };
    // SAFETY: `dev` and `info` are valid, and `priv_` is an object of `dev`, as the functions of
    // `OPS` require. The call takes a reference to the object and one to the device, which
    // `drm_gem_dmabuf_release()` puts.
    unsafe { bindings::drm_gem_dmabuf_export(dev, &mut info) }
}

/// Calls `with` with the object of a callback whose caller holds the object's reservation.
///
/// # Safety
///
/// `raw` must be a valid object with data `T`. The calling thread must hold its reservation until
/// this function returns, and there must be no other [`Reserved`] for it.
unsafe fn with_reserved<T: ObjectData, R>(
    raw: *mut bindings::drm_gem_object,
    with: impl FnOnce(&mut Reserved<'_, T>) -> R,
) -> R {
    // SAFETY: By the safety requirements, this is a valid object with data `T`.
    let obj = unsafe { Object::<T>::from_raw(raw) };
    // SAFETY: By the safety requirements, this thread holds the reservation for the duration of the
    // call, and there is no other guard for it.
    let mut reserved = unsafe { Reserved::held_by_caller(obj) };
    with(&mut reserved)
}

/// `drm_gem_object_funcs.pin`: a device attaches to the object's dma-buf.
///
/// # Safety
///
/// Only DRM may call it, for an object with data `T` whose reservation the caller holds.
pub(super) unsafe extern "C" fn pin_callback<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
) -> c_int {
    let pin = |obj: &mut Reserved<'_, T>| {
        T::move_to_devices(obj)?;
        obj.pin()
    };
    // SAFETY: By the safety requirements, `raw` is an object with data `T`, whose reservation DRM has locked, without a `Reserved`.
    match unsafe { with_reserved(raw, pin) } {
        Ok(()) => 0,
        Err(err) => err.to_errno(),
    }
}

/// `drm_gem_object_funcs.unpin`: a device has detached from the object's dma-buf.
///
/// # Safety
///
/// Only DRM may call it, for an object with data `T` whose reservation the caller holds, once for
/// each call of [`pin_callback`] that succeeded.
pub(super) unsafe extern "C" fn unpin_callback<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
) {
    // SAFETY: By the safety requirements, `raw` is an object with data `T`, whose reservation DRM has locked, without a `Reserved`.
    unsafe { with_reserved(raw, |obj: &mut Reserved<'_, T>| obj.unpin()) };
}

/// `drm_gem_object_funcs.get_sg_table`: a device maps the object's dma-buf. Returns a list that the
/// caller owns, or an error pointer (`ENOMEM`).
///
/// # Safety
///
/// Only DRM may call it, for an object with data `T` that is pinned and whose reservation the
/// caller holds. The caller must not use the list once the object is no longer pinned.
pub(super) unsafe extern "C" fn sg_table_callback<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
) -> *mut bindings::sg_table {
    let list = |obj: &mut Reserved<'_, T>| {
        let pages = obj.place().and_then(T::system_memory).ok_or(ENOENT)?;
        // SAFETY: The object is valid, and its device outlives it. The field does not change.
        unsafe { pages.sg_table((*raw).dev) }
    };
    // SAFETY: By the safety requirements, `raw` is an object with data `T`, whose reservation DRM has locked, without a `Reserved`.
    match unsafe { with_reserved(raw, list) } {
        Ok(list) => list.as_ptr(),
        Err(err) => err.to_ptr(),
    }
}

/// `drm_driver.gem_prime_import`. Returns an object with a new reference: for a dma-buf that the
/// same device has exported, the object itself, otherwise a new one. Returns an error pointer on
/// failure: the exporter's error, or `ENOMEM`.
///
/// # Safety
///
/// Only DRM may call it, for a registered device all of whose objects have data `T`, and with a
/// dma-buf to which the caller holds a reference.
pub(in crate::upstream) unsafe extern "C" fn import_callback<T: MappedObject>(
    dev: *mut bindings::drm_device,
    dma_buf: *mut bindings::dma_buf,
) -> *mut bindings::drm_gem_object {
    // SAFETY: The caller holds a reference to the dma-buf. These fields do not change.
    let (ops, exported) = unsafe { ((*dma_buf).ops, (*dma_buf).priv_) };
    let exported = exported.cast::<bindings::drm_gem_object>();
    // SAFETY: Only `export_callback()` creates dma-bufs with `OPS`. Their private data is a GEM
    // object, to which the dma-buf holds a reference. The field does not change.
    let obj = if core::ptr::eq(ops, &OPS) && unsafe { (*exported).dev } == dev {
        // SAFETY: The dma-buf holds a reference to the object, and all objects of `dev` have data
        // `T`.
        Ok(ARef::from(unsafe { Object::<T>::from_raw(exported) }))
    } else {
        // SAFETY: By the safety requirements, `dev` is a registered device all of whose objects
        // have data `T`, and the caller holds a reference to the dma-buf.
        unsafe { import::<T>(dev, dma_buf) }
    };
    match obj {
        Ok(obj) => {
            let raw = obj.as_raw();
            // The caller gets the reference.
            ARef::into_raw(obj);
            raw
        }
        Err(err) => err.to_ptr(),
    }
}

/// Creates an object that represents a dma-buf of another device.
///
/// # Safety
///
/// `dev` must be a registered device all of whose objects have data `T`, and `dma_buf` a dma-buf to
/// which the caller holds a reference.
unsafe fn import<T: MappedObject>(
    dev: *mut bindings::drm_device,
    dma_buf: *mut bindings::dma_buf,
) -> Result<ARef<Object<T>>> {
    // SAFETY: By the safety requirements, both are valid. These fields do not change.
    let (parent, size, resv) = unsafe { ((*dev).dev, (*dma_buf).size, (*dma_buf).resv) };
    // SAFETY: By the safety requirements, `dev` is a registered device with this driver.
    let drm = unsafe { drm::Device::<T::Driver, drm::Registered>::from_raw(dev) };
    let new = NewObject::<T>::new(drm, page_align(size).ok_or(EINVAL)?, T::imported(), None)?;
    // SAFETY: By the safety requirements, both are valid. The device outlives its objects.
    let attachment = from_err_ptr(unsafe { bindings::dma_buf_attach(dma_buf, parent) })?;
    let raw = new.0.as_raw();
    // SAFETY: The caller holds a reference to the dma-buf and so to its file. The object takes over
    // the new one, and `detach()` puts it.
    unsafe { bindings::get_file((*dma_buf).file) };
    // SAFETY: By the invariants of `NewObject`, no other thread can find the object. The
    // reservation of the dma-buf is valid as long as the dma-buf.
    unsafe {
        (*raw).import_attach = attachment;
        (*raw).resv = resv;
    }
    new.publish()
}

/// Returns the object that the dma-buf of `raw`, an imported object, represents, if another device
/// of this driver has exported it.
///
/// # Safety
///
/// `raw` must be a valid object, and `dma_buf` the dma-buf that it represents.
unsafe fn exported_by_driver(
    raw: *mut bindings::drm_gem_object,
    dma_buf: *mut bindings::dma_buf,
) -> Option<NonNull<bindings::drm_gem_object>> {
    // SAFETY: The object holds a reference to the dma-buf. These fields do not change.
    let (ops, exported) = unsafe { ((*dma_buf).ops, (*dma_buf).priv_) };
    if !core::ptr::eq(ops, &OPS) {
        return None;
    }
    let exported = NonNull::new(exported.cast::<bindings::drm_gem_object>())?;
    // SAFETY: Only `export_callback()` creates dma-bufs with `OPS`. Their private data is a GEM
    // object, to which the dma-buf holds a reference. By the safety requirements, `raw` is valid.
    // `funcs` does not change.
    let is_same_type = unsafe { core::ptr::eq((*exported.as_ptr()).funcs, (*raw).funcs) };
    is_same_type.then_some(exported)
}

/// Returns true if the kernel can map the memory of an imported object.
///
/// # Safety
///
/// `raw` must be a valid object, and `attachment` its attachment.
pub(super) unsafe fn can_vmap(
    raw: *mut bindings::drm_gem_object,
    attachment: NonNull<bindings::dma_buf_attachment>,
) -> bool {
    // SAFETY: By the safety requirements, the attachment is valid. The field does not change.
    let dma_buf = unsafe { (*attachment.as_ptr()).dmabuf };
    // SAFETY: The object holds a reference to the dma-buf, whose operations are a constant.
    let has_vmap = unsafe { (*(*dma_buf).ops).vmap.is_some() };
    // SAFETY: By the safety requirements, `raw` is valid; it represents `dma_buf`.
    has_vmap || unsafe { exported_by_driver(raw, dma_buf) }.is_some()
}

/// Maps the memory of an imported object in the kernel. Returns 0 or a negative error code:
/// `EINVAL` if [`can_vmap`] returns false, or the exporter's error.
///
/// # Safety
///
/// `raw` must be a valid object with data `T`, whose reservation the caller has locked, and
/// `attachment` its attachment. `map` must be valid for writes.
pub(super) unsafe fn vmap_imported<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
    attachment: NonNull<bindings::dma_buf_attachment>,
    map: *mut bindings::iosys_map,
) -> c_int {
    // SAFETY: By the safety requirements, the attachment is valid. The field does not change.
    let dma_buf = unsafe { (*attachment.as_ptr()).dmabuf };
    // SAFETY: By the safety requirements, `raw` is valid; it represents `dma_buf`.
    match unsafe { exported_by_driver(raw, dma_buf) } {
        // SAFETY: The object has the `funcs` of `raw`, so its data is a `T` too. Its reservation is
        // that of the dma-buf and so that of `raw`.
        Some(exported) => unsafe { super::vmap_callback::<T>(exported.as_ptr(), map) },
        // SAFETY: The caller has locked the reservation, which is that of the dma-buf.
        None => unsafe { bindings::dma_buf_vmap(dma_buf, map) },
    }
}

/// Unmaps memory that [`vmap_imported`] has mapped.
///
/// # Safety
///
/// The requirements of [`vmap_imported`] apply, and that function must have filled in `map` for
/// this object.
pub(super) unsafe fn vunmap_imported<T: MappedObject>(
    raw: *mut bindings::drm_gem_object,
    attachment: NonNull<bindings::dma_buf_attachment>,
    map: *mut bindings::iosys_map,
) {
    // SAFETY: By the safety requirements, the attachment is valid. The field does not change.
    let dma_buf = unsafe { (*attachment.as_ptr()).dmabuf };
    // SAFETY: By the safety requirements, `raw` is valid; it represents `dma_buf`.
    match unsafe { exported_by_driver(raw, dma_buf) } {
        // SAFETY: `vmap_imported()` has mapped this object, whose data is a `T`.
        Some(exported) => unsafe { super::vunmap_callback::<T>(exported.as_ptr(), map) },
        // SAFETY: `dma_buf_vmap()` has filled in the map, and the caller has locked the
        // reservation.
        None => unsafe { bindings::dma_buf_vunmap(dma_buf, map) },
    }
}

/// Calls `with`, which reads the memory of an object through a kernel mapping. If the object was
/// imported, the exporter first makes the memory coherent for the CPU, and `with` gets its result.
///
/// # Safety
///
/// `raw` must be a valid object.
pub(super) unsafe fn with_cpu_access<R>(
    raw: *mut bindings::drm_gem_object,
    with: impl FnOnce(Result) -> R,
) -> R {
    const DIRECTION: bindings::dma_data_direction = bindings::dma_data_direction::DMA_FROM_DEVICE;
    // SAFETY: By the safety requirements, the object is valid. The field does not change.
    let Some(attachment) = NonNull::new(unsafe { (*raw).import_attach }) else {
        return with(Ok(()));
    };
    // SAFETY: An object keeps its attachment until it is freed. The field does not change.
    let dma_buf = unsafe { (*attachment.as_ptr()).dmabuf };
    // SAFETY: The object holds a reference to the dma-buf.
    let begun = to_result(unsafe { bindings::dma_buf_begin_cpu_access(dma_buf, DIRECTION) });
    let result = with(begun);
    if begun.is_ok() {
        // SAFETY: The object holds a reference to the dma-buf, and the access was begun above.
        unsafe { bindings::dma_buf_end_cpu_access(dma_buf, DIRECTION) };
    }
    result
}

/// If the object represents a dma-buf of another device, detaches from it.
///
/// # Safety
///
/// `raw` must be an object that is about to be freed, and that nothing else uses.
pub(super) unsafe fn detach(raw: *mut bindings::drm_gem_object) {
    // SAFETY: By the safety requirements, the object is valid.
    if !unsafe { (*raw).import_attach }.is_null() {
        // SAFETY: `import()` has set the attachment, and has taken a reference to the dma-buf,
        // which this call puts. There is no scatter-gather list.
        unsafe { bindings::drm_prime_gem_destroy(raw, core::ptr::null_mut()) };
    }
}

/// Lets the exporter set up a mapping of an imported object. Returns 0 or a negative error code:
/// `EINVAL` for a copy-on-write mapping, or the exporter's error.
///
/// # Safety
///
/// `raw` must be a valid object, `attachment` its attachment, and `vma` undergoing setup for it in
/// an `mmap` callback. `vma` must hold a reference to the object.
pub(super) unsafe fn mmap_imported(
    raw: *mut bindings::drm_gem_object,
    attachment: NonNull<bindings::dma_buf_attachment>,
    vma: *mut bindings::vm_area_struct,
) -> c_int {
    // SAFETY: By the safety requirements, `vma` is undergoing setup. Both members of the union are
    // the flags.
    let vm_flags = unsafe { (*vma).__bindgen_anon_2.vm_flags };
    if vm_flags & (flags::SHARED | flags::MAYWRITE) == flags::MAYWRITE {
        return EINVAL.to_errno();
    }
    // If the exporter does not set these fields, they must not keep the values of this driver.
    //
    // SAFETY: No other thread can reach the VMA.
    unsafe {
        (*vma).vm_ops = core::ptr::null();
        (*vma).vm_private_data = core::ptr::null_mut();
        (*vma).__bindgen_anon_2.vm_flags = vm_flags | flags::DONTEXPAND;
    }
    // SAFETY: The attachment is valid as long as the object, and so is its dma-buf. DRM lets a
    // mapping start at the first page of the object only.
    let ret = unsafe { bindings::dma_buf_mmap((*attachment.as_ptr()).dmabuf, vma, 0) };
    if ret == 0 {
        // SAFETY: The VMA holds a reference to the object, but now belongs to the file of the
        // dma-buf.
        unsafe { bindings::drm_gem_object_put(raw) };
    }
    ret
}
