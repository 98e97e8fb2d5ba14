// SPDX-License-Identifier: GPL-2.0

//! Dma-bufs of GEM objects. Programs can pass them on and map them. Other drivers can neither
//! attach to them nor map them.
//!
//! C headers: [`include/drm/drm_prime.h`](srctree/include/drm/drm_prime.h),
//! [`include/linux/dma-buf.h`](srctree/include/linux/dma-buf.h)
//!
//! - Upstream today: `drm::gem::Object` exports with DRM's own `dma_buf_ops`, which have `vmap`:
//!   every driver that gets such a dma-buf can map it in the kernel.
//! - The shape it should have: an optional method of `drm::gem::DriverObject` by which a driver
//!   chooses the operations of its dma-bufs, independent of `vmap` for the kernel's own clients.
//! - Why this is sound on 7.3: the operations are DRM's own, which require that `priv` of the
//!   dma-buf is a GEM object, as it is here. `vmap`, which [`OPS`] does not have, is optional in
//!   `dma_buf_ops`. Only [`export_callback`] creates dma-bufs with [`OPS`], so their `priv` is an
//!   object of the driver.
//! - Delete when upstream's objects can be exported like this.
//!
//! # Why there is no `vmap`
//!
//! V4L2 drivers whose queues use vmalloc (`videobuf2-vmalloc`) map a dma-buf in the kernel without
//! attaching to it first, and keep the mapping for as long as a program likes. With `vmap`, every
//! user who may open a camera could block unbind indefinitely. Such a user could also trigger a
//! WARN: `dma_buf_vmap()` warns if `vmap` fails, as it must for an object that is not contiguous.
//! Without `vmap`, `dma_buf_vmap()` returns `EINVAL`.

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
    // `drm_gem_map_attach()` returns `ENOSYS`, because the objects have no `get_sg_table`, so the
    // next three are never called. `dma_buf_export()` requires `map_dma_buf` and `unmap_dma_buf`.
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

/// `drm_driver.gem_prime_import`. For a dma-buf that the same device has exported, returns the
/// object with a new reference. For any other, returns an error pointer (`EINVAL`).
///
/// # Safety
///
/// Only DRM may call it, for a device all of whose objects have data `T`, and with a dma-buf to
/// which the caller holds a reference.
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
    // SAFETY: Only `export_callback()` creates dma-bufs with `OPS`. Their private data is a GEM
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
