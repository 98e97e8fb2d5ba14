// SPDX-License-Identifier: GPL-2.0

//! Dma-bufs of GEM objects. Programs can pass them on and map them; other drivers cannot use them.
//!
//! C headers: [`include/drm/drm_prime.h`](srctree/include/drm/drm_prime.h),
//! [`include/linux/dma-buf.h`](srctree/include/linux/dma-buf.h)
//!
//! - Upstream today: `drm::gem::Object` leaves exporting to DRM's own functions, whose dma-bufs
//!   anyone who has one can map in the kernel.
//! - The shape it should have: an optional method of `drm::gem::DriverObject` by which a driver
//!   chooses what its dma-bufs can do; the `vmap` for the kernel's own clients is separate from it.
//! - Why this is sound on 7.3: the operations are DRM's own, made for dma-bufs whose `priv` is a
//!   GEM object, as it is here; one operation is left out, which DMA-BUF allows. Only
//!   [`export_callback`] makes dma-bufs with this table, so a dma-buf that has it is of an object
//!   of the driver.
//! - Delete when upstream's objects can be exported like this.
//!
//! # Why there is no `vmap`
//!
//! One kind of driver maps a dma-buf in the kernel without attaching to it first (video4linux
//! queues that work by CPU, `vb2_vmalloc`), and keeps the mapping for as long as a program likes.
//! With `vmap`, everyone who may open a camera could delay unbinding for ever. They could also have
//! the kernel warn: `dma_buf_vmap()` does so if `vmap` fails, as it must for objects that are not
//! contiguous. Without it, such a driver is refused, as drivers that attach are.

use super::object::{
    Object,
    ObjectData, //
};
use kernel::{
    bindings,
    drm::gem::IntoGEMObject,
    prelude::*,
    sync::aref::ARef, //
};

static OPS: bindings::dma_buf_ops = bindings::dma_buf_ops {
    // This refuses, as the objects have no `get_sg_table`. So the next three are never called;
    // `dma_buf_export()` checks that they exist.
    attach: Some(bindings::drm_gem_map_attach),
    detach: Some(bindings::drm_gem_map_detach),
    map_dma_buf: Some(bindings::drm_gem_map_dma_buf),
    unmap_dma_buf: Some(bindings::drm_gem_unmap_dma_buf),
    mmap: Some(bindings::drm_gem_dmabuf_mmap),
    release: Some(bindings::drm_gem_dmabuf_release),
    ..pin_init::zeroed()
};

/// The `export` entry of an object's table. Returns an error pointer for `ENOMEM`.
///
/// # Safety
///
/// Only DRM may call it, with an object to which it holds a reference.
pub(super) unsafe extern "C" fn export_callback(
    raw: *mut bindings::drm_gem_object,
    flags: c_int,
) -> *mut bindings::dma_buf {
    // SAFETY: The caller holds a reference to the object. These fields do not change.
    let (dev, size, resv) = unsafe { ((*raw).dev, (*raw).size, (*raw).resv) };
    // SAFETY: The caller has a handle of the object, and with it a file of the device, which keeps
    // the device. Its table does not change once it is registered.
    let driver = unsafe { (*dev).driver };
    // SAFETY: The tables of a device are constants, and a driver's table points to its file
    // operations.
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
    // `OPS` want it. The dma-buf gets a reference to the object and one to the device, which
    // `drm_gem_dmabuf_release()` gives back.
    unsafe { bindings::drm_gem_dmabuf_export(dev, &mut info) }
}

/// The `gem_prime_import` entry of a driver. A dma-buf that the same device has exported is the
/// object itself. Returns an error pointer for `EINVAL` for all others.
///
/// # Safety
///
/// Only DRM may call it, with a device all of whose objects have data `T`, and with a dma-buf to
/// which it holds a reference.
pub(in crate::upstream) unsafe extern "C" fn import_callback<T: ObjectData>(
    dev: *mut bindings::drm_device,
    dma_buf: *mut bindings::dma_buf,
) -> *mut bindings::drm_gem_object {
    // SAFETY: The caller holds a reference to the dma-buf. These fields do not change.
    let (ops, raw) = unsafe { ((*dma_buf).ops, (*dma_buf).priv_) };
    if !core::ptr::eq(ops, &OPS) {
        return Error::to_ptr(EINVAL);
    }
    let raw = raw.cast::<bindings::drm_gem_object>();
    // SAFETY: Only `export_callback()` makes dma-bufs with this table. Their private data is a GEM
    // object, to which the dma-buf holds a reference. The field does not change.
    if unsafe { (*raw).dev } != dev {
        return Error::to_ptr(EINVAL);
    }
    // SAFETY: The dma-buf holds a reference to the object, and all objects of `dev` have data `T`.
    let obj = ARef::from(unsafe { Object::<T>::from_raw(raw) });
    // The caller gets the reference.
    ARef::into_raw(obj);
    raw
}
