// SPDX-License-Identifier: GPL-2.0

//! Dma-bufs of GEM objects, for programs to pass on and map, and for nobody else.
//!
//! - Upstream today: `drm::gem::Object` leaves exporting to DRM's own functions, whose dma-bufs
//!   let whoever has one map it in the kernel.
//! - The shape it should have: a choice of the driver's, in `drm::gem::DriverObject`, of what can
//!   be done with its dma-bufs; `vmap` for the kernel's own clients is another question.
//! - Why this is sound on 7.3: the operations are DRM's own, made for dma-bufs whose `priv` is a
//!   GEM object, which these are; one of them is left out, which is for drivers to choose. Only
//!   [`export_callback`] makes dma-bufs with this table, so that one with it is of an object of
//!   the driver.
//! - Delete when upstream's objects can be exported like this.
//!
//! # Why there is no `vmap`
//!
//! There is one kind of driver that maps a dma-buf in the kernel without attaching to it first
//! (queues of Video4Linux that work by CPU), and it keeps the mapping for as long as a program
//! likes. With it, whoever may open a camera could hold up unbinding for ever, and have the kernel
//! warn: `dma_buf_vmap()` does that if `vmap` fails, as it must for objects in pieces. Without it,
//! such a driver is refused as those are that attach.

use super::{
    MappedObject,
    Object, //
};
use kernel::{
    bindings,
    drm::gem::IntoGEMObject,
    prelude::*,
    sync::aref::ARef, //
};

static OPS: bindings::dma_buf_ops = bindings::dma_buf_ops {
    // Refuses: the objects have no `get_sg_table`. So the next three are never called; DMA-BUF
    // wants them to be there.
    attach: Some(bindings::drm_gem_map_attach),
    detach: Some(bindings::drm_gem_map_detach),
    map_dma_buf: Some(bindings::drm_gem_map_dma_buf),
    unmap_dma_buf: Some(bindings::drm_gem_unmap_dma_buf),
    mmap: Some(bindings::drm_gem_dmabuf_mmap),
    release: Some(bindings::drm_gem_dmabuf_release),
    ..pin_init::zeroed()
};

/// The `export` entry of an object's table. Errors: `ENOMEM`.
///
/// # Safety
///
/// To be called by DRM only, with an object that has a handle.
pub(super) unsafe extern "C" fn export_callback(
    raw: *mut bindings::drm_gem_object,
    flags: c_int,
) -> *mut bindings::dma_buf {
    // SAFETY: The caller holds a reference to the object, and that one to its device.
    let obj = unsafe { &*raw };
    // SAFETY: As above; a device has a driver, and that its file operations.
    let (driver, fops) = unsafe {
        let driver = &*(*obj.dev).driver;
        (driver, &*driver.fops)
    };
    let mut info = bindings::dma_buf_export_info {
        exp_name: driver.name,
        owner: fops.owner,
        ops: &raw const OPS,
        size: obj.size,
        flags,
        resv: obj.resv,
        priv_: raw.cast(),
    };
    // SAFETY: The dma-buf is of the object that its table's functions want. It gets references to
    // object and device, which `drm_gem_dmabuf_release()` gives back.
    unsafe { bindings::drm_gem_dmabuf_export(obj.dev, &mut info) }
}

/// The `gem_prime_import` entry of a driver: what it has exported is the object itself, on the
/// device that this is of. Errors: `EINVAL` for all else.
///
/// # Safety
///
/// To be called by DRM only, with a device whose objects are all of type `T`.
pub(in crate::upstream) unsafe extern "C" fn import_callback<T: MappedObject>(
    dev: *mut bindings::drm_device,
    dma_buf: *mut bindings::dma_buf,
) -> *mut bindings::drm_gem_object {
    // SAFETY: The caller holds a reference to the dma-buf.
    let (ops, raw) = unsafe { ((*dma_buf).ops, (*dma_buf).priv_) };
    let raw = raw.cast::<bindings::drm_gem_object>();
    // SAFETY: With this table it is an object, which the dma-buf holds a reference to.
    if !core::ptr::eq(ops, &OPS) || unsafe { (*raw).dev } != dev {
        return Error::to_ptr(EINVAL);
    }
    // SAFETY: As above, and the device's objects are of this type.
    let obj = ARef::from(unsafe { Object::<T>::from_raw(raw) });
    // The reference is the caller's now.
    ARef::into_raw(obj);
    raw
}
