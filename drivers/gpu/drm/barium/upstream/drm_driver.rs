// SPDX-License-Identifier: GPL-2.0

//! Allocates DRM devices with callbacks that upstream's `drm_driver` and its file operations lack:
//! `get_unmapped_area`, `fadvise`, dumb buffers ([`super::dumb`]), mode setting ([`super::kms`]),
//! usage statistics ([`super::fdinfo`]).
//!
//! - Upstream today: `drm::UnregisteredDevice` points the device to a constant `drm_driver` with
//!   constant file operations, without these callbacks.
//! - The shape it should have: optional methods of `drm::gem::DriverObject`, for the alignment of
//!   an object's mappings and for advice about its pages.
//! - Why this is sound on 7.3: [`alloc`] replaces the `drm_driver` of a device before any other
//!   code has a reference to the device. The new structs are copies in a `static` whose type names
//!   the driver, so only devices of that driver use them. A callback that looks up an object takes
//!   a reference under the offset manager's lock, which DRM takes to remove an object before it
//!   frees the object. The callback uses the object only if the file may map it.
//! - Delete when upstream has the methods.
//!
//! C headers: [`include/drm/drm_drv.h`](srctree/include/drm/drm_drv.h),
//! [`include/drm/drm_vma_manager.h`](srctree/include/drm/drm_vma_manager.h)

use super::{
    dumb::{
        self,
        DumbBuffers, //
    },
    fdinfo,
    gem::{
        prime,
        MappedObject,
        Object, //
    },
    kms,
    vma::HUGE_SIZE, //
    vtable::Vtable,
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    device::Bound,
    drm::{
        self,
        gem::IntoGEMObject, //
    },
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sizes::SZ_2M,
    sync::aref::ARef, //
};

// Defined in helpers.c.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_vma_offset_lock(mgr: *mut bindings::drm_vma_offset_manager);
    fn barium_vma_offset_unlock(mgr: *mut bindings::drm_vma_offset_manager);
    fn barium_gem_object_get_unless_zero(obj: *mut bindings::drm_gem_object) -> bool;
}

/// `include/uapi/linux/fadvise.h`: the same on all architectures.
const POSIX_FADV_WILLNEED: c_int = 3;

/// `include/uapi/asm-generic/mman-common.h`: the same on all architectures that this driver
/// supports. `mmap()` sets it for `MAP_FIXED_NOREPLACE`, too.
const MAP_FIXED: c_ulong = 0x10;

/// The `driver_features` of sync objects. DRM implements them without code of the driver.
/// Compositors and their clients use them for explicit synchronisation.
const SYNC_FEATURES: u32 = bindings::drm_driver_feature_DRIVER_SYNCOBJ
    | bindings::drm_driver_feature_DRIVER_SYNCOBJ_TIMELINE;

/// The `drm_driver` and the `file_operations` that the devices of driver `D` share. The driver has
/// a `static` of this type; the first device initialises it.
pub(crate) struct DriverOps<D> {
    driver: Vtable<bindings::drm_driver>,
    fops: Vtable<bindings::file_operations>,
    _driver: PhantomData<fn() -> D>,
}

impl<D: drm::Driver> DriverOps<D> {
    /// Creates an uninitialised pair.
    pub(crate) const fn new() -> Self {
        Self {
            driver: Vtable::new(),
            fops: Vtable::new(),
            _driver: PhantomData,
        }
    }
}

/// The device nodes that a device gets when it is registered. `drm::Driver::FEAT_RENDER` is a
/// constant of the driver; this is a choice for each device.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nodes {
    /// The primary node only.
    Primary,
    /// The primary node and a render node.
    PrimaryAndRender,
}

/// Allocates a device of driver `D` with private data `data`. Its `nodes` may include a render node
/// only if `D` has `FEAT_RENDER`.
///
/// The file operations of the device call [`MappedObject::align_hint`] and
/// [`MappedObject::will_need`]. The device has dumb buffers and the features that
/// [`kms::UnregisteredKmsDevice`] requires.
///
/// # Errors
///
/// `ENOMEM`; the errors of `data`.
pub(crate) fn alloc<D, T>(
    parent: &D::ParentDevice<Bound>,
    data: impl PinInit<D::Data, Error>,
    nodes: Nodes,
    ops: &'static DriverOps<D>,
) -> Result<drm::UnregisteredDevice<D>>
where
    D: drm::Driver<Object = Object<T>>,
    D::File: drm::file::DriverFile<Driver = D>,
    T: DumbBuffers<Driver = D>,
{
    let dev = drm::UnregisteredDevice::<D>::new(parent, data)?;
    let raw = super::raw::drm_device::<D, _>(&dev);
    let driver = ops.driver.get_or_init(|| {
        // SAFETY: `raw` is a valid device that is not registered.
        let upstream = unsafe { (*raw).driver };
        // SAFETY: `UnregisteredDevice::new()` has set `driver` to the address of a constant.
        let upstream = unsafe { &*upstream };
        let fops = ops.fops.get_or_init(|| {
            // SAFETY: The constant `drm_driver` points to constant file operations.
            let fops = unsafe { &*upstream.fops };
            bindings::file_operations {
                get_unmapped_area: Some(get_unmapped_area_callback::<T>),
                fadvise: Some(fadvise_callback::<T>),
                show_fdinfo: Some(bindings::drm_show_fdinfo),
                ..*fops
            }
        });
        bindings::drm_driver {
            driver_features: upstream.driver_features | kms::FEATURES | SYNC_FEATURES,
            fbdev_probe: kms::client::FBDEV_PROBE,
            dumb_create: Some(dumb::create_callback::<D, T>),
            show_fdinfo: Some(fdinfo::show_callback::<T>),
            gem_prime_import: Some(prime::import_callback::<T>),
            fops,
            ..*upstream
        }
    });
    // SAFETY: The device was allocated above, and this function has the only reference to it, so no
    // other thread reads the field.
    unsafe { (*raw).driver = driver };
    if nodes == Nodes::Primary {
        // SAFETY: This function has the only reference to the device, so no other thread reads
        // these fields. `drm_minor_register()` creates no node where the device has no minor. The
        // minor itself belongs to a managed action of the device, which frees it without reading
        // `render`.
        unsafe {
            (*raw).render = core::ptr::null_mut();
            (*raw).driver_features &= !bindings::drm_driver_feature_DRIVER_RENDER;
        }
    }
    Ok(dev)
}

/// Looks up the object at page offset `pgoff` of `file`. Returns the object and its fake offset in
/// pages, or `None` if there is no such object or if the file may not map it.
///
/// # Safety
///
/// `file` must be an open file of a device whose objects are all of type `T`.
unsafe fn object_at<T: MappedObject>(
    file: *mut bindings::file,
    pgoff: usize,
) -> Option<(ARef<Object<T>>, usize)> {
    // SAFETY: The private data of an open DRM file is its `drm_file`.
    let client: *mut bindings::drm_file = unsafe { (*file).private_data }.cast();
    // SAFETY: An open `drm_file` has a minor, which has a device.
    let mgr = unsafe { (*(*(*client).minor).dev).vma_offset_manager };

    // SAFETY: The manager lives as long as the device.
    unsafe { barium_vma_offset_lock(mgr) };
    // SAFETY: The lock of the manager was taken above.
    let node = unsafe { bindings::drm_vma_offset_lookup_locked(mgr, pgoff, 1) };
    let found = if node.is_null() {
        None
    } else {
        // SAFETY: The nodes of a GEM driver's manager are members of its objects. DRM removes the
        // node under the lock before it frees the object.
        let obj = unsafe { kernel::container_of!(node, bindings::drm_gem_object, vma_node) };
        // SAFETY: `obj` is a valid object until the lock is released.
        unsafe { barium_gem_object_get_unless_zero(obj) }.then_some(obj)
    };
    // SAFETY: The lock of the manager was taken above.
    unsafe { barium_vma_offset_unlock(mgr) };

    // SAFETY: All objects of the device are of type `T` by this function's requirements, and the
    // reference that was taken above keeps this one valid.
    let obj = unsafe { Object::<T>::from_raw(found?) };
    // SAFETY: `ARef` takes over the reference that was taken above.
    let obj = unsafe { ARef::from_raw(core::ptr::NonNull::from(obj)) };
    // SAFETY: `node` is a member of `obj`, which is valid, and `client` is valid as its file is
    // open.
    let allowed = unsafe { bindings::drm_vma_node_is_allowed(node, client) };
    let first = super::gem::fake_offset(&obj);
    allowed.then_some((obj, first))
}

/// The largest natural alignment of areas that are too small for a huge entry. If a page table maps
/// more than this, a larger alignment could save a page table, but would use up address space.
const MAX_ALIGN: usize = SZ_2M;

/// Returns an address at which an area of `len` bytes (less than [`HUGE_SIZE`]) needs the fewest
/// page tables, or is aligned to [`MAX_ALIGN`]; `None` if the address space has no such free area.
///
/// # Safety
///
/// The arguments must be those of a `get_unmapped_area` callback.
unsafe fn naturally_aligned_area(
    file: *mut bindings::file,
    address: c_ulong,
    len: c_ulong,
    pgoff: c_ulong,
    flags: c_ulong,
) -> Option<c_ulong> {
    let align = len.next_power_of_two().min(MAX_ALIGN);
    let padding = align - PAGE_SIZE;
    let padded = len + padding;
    // SAFETY: The arguments are those of the callback by this function's requirements, except for
    // the length, which may have any value.
    let found = unsafe { bindings::mm_get_unmapped_area(file, address, padded, pgoff, flags) };
    // An error code is not page aligned.
    (found % PAGE_SIZE == 0).then_some((found + padding) & !(align - 1))
}

/// The `get_unmapped_area` entry. It returns the address that the caller of `mmap()` asks for, if
/// the area fits there. Otherwise it returns an address that is aligned for huge entries. An area
/// smaller than a huge entry gets an address at which it needs one page table only.
///
/// # Safety
///
/// Only the memory manager may call this, for a file of a device whose objects are of type `T`.
unsafe extern "C" fn get_unmapped_area_callback<T: MappedObject>(
    file: *mut bindings::file,
    address: c_ulong,
    len: c_ulong,
    pgoff: c_ulong,
    flags: c_ulong,
) -> c_ulong {
    if address != 0 || flags & MAP_FIXED != 0 {
        // Without padding for alignment: a search with padding could reject an area that fits.
        //
        // SAFETY: The arguments are those of the callback by this function's requirements.
        let found = unsafe { bindings::mm_get_unmapped_area(file, address, len, pgoff, flags) };
        if found == address || flags & MAP_FIXED != 0 {
            return found;
        }
    }
    if len < HUGE_SIZE {
        // SAFETY: The arguments are those of the callback by this function's requirements.
        if let Some(found) = unsafe { naturally_aligned_area(file, address, len, pgoff, flags) } {
            return found;
        }
    } else {
        #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
        // SAFETY: `file` is an open file of a device whose objects are of type `T`, by this
        // function's requirements.
        if let Some((obj, first)) = unsafe { object_at::<T>(file, pgoff) } {
            let hint = T::align_hint(&obj).wrapping_add(pgoff - first);
            // SAFETY: The arguments are those of the callback by this function's requirements,
            // except for the offset, which may have any value: it only affects the alignment.
            return unsafe { bindings::thp_get_unmapped_area(file, address, len, hint, flags) };
        }
    }
    // SAFETY: The arguments are those of the callback by this function's requirements.
    unsafe { bindings::mm_get_unmapped_area(file, address, len, pgoff, flags) }
}

/// The `fadvise` entry. `madvise(MADV_WILLNEED)` of a mapping calls it, too.
///
/// # Safety
///
/// Only the VFS may call this, for a file of a device whose objects are of type `T`.
unsafe extern "C" fn fadvise_callback<T: MappedObject>(
    file: *mut bindings::file,
    offset: bindings::loff_t,
    len: bindings::loff_t,
    advice: c_int,
) -> c_int {
    let will_need = advice == POSIX_FADV_WILLNEED;
    if let (true, Ok(offset), Ok(len)) = (will_need, usize::try_from(offset), usize::try_from(len))
    {
        // SAFETY: `file` is an open file of a device whose objects are of type `T`, by this
        // function's requirements.
        if let Some((obj, first)) = unsafe { object_at::<T>(file, offset >> PAGE_SHIFT) } {
            let start = (offset >> PAGE_SHIFT) - first;
            let end = start.saturating_add(len.div_ceil(PAGE_SIZE));
            T::will_need(&obj, start..end.min(super::gem::pages(&obj)));
        }
    }
    // SAFETY: The arguments are those of the callback by this function's requirements.
    unsafe { bindings::generic_fadvise(file, offset, len, advice) }
}
