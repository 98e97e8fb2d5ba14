// SPDX-License-Identifier: GPL-2.0

//! What a driver can do with the file of its DRM device before `mmap()` and beside it; and the
//! table of functions of a driver that all this goes into.
//!
//! - Upstream today: `drm::UnregisteredDevice` points the device to a constant `drm_driver` with
//!   constant file operations; `get_unmapped_area` and `fadvise` are not among them, nor are dumb
//!   buffers ([`super::dumb`]).
//! - The shape it should have: optional methods of `drm::gem::DriverObject`: where an object wants
//!   to be mapped, and what is advised about it.
//! - Why this is sound on 7.3: [`extend`] runs before the device is registered, so nobody reads
//!   the table that it replaces. The new tables are copies, and `static`. An object that a
//!   callback looks up gets a reference under the lock that keeps it from being freed, and only if
//!   the file may map it.
//! - Delete when upstream has the methods.

use super::{
    dumb::{
        self,
        DumbBuffers, //
    },
    gem::{
        prime,
        MappedObject,
        Object, //
    },
    kms,
    table::Table,
    vma::HUGE_SIZE, //
};
use kernel::{
    bindings,
    drm::{
        self,
        gem::IntoGEMObject, //
    },
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
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

/// Sync objects, which are DRM's own, and what compositors and their clients use to tell each other
/// that a picture is done. The driver has nothing to do with them.
const SYNC_FEATURES: u32 = bindings::drm_driver_feature_DRIVER_SYNCOBJ
    | bindings::drm_driver_feature_DRIVER_SYNCOBJ_TIMELINE;

/// The tables of a driver's devices, made when the first one is: a `static` of the driver.
pub(crate) struct Tables {
    driver: Table<bindings::drm_driver>,
    fops: Table<bindings::file_operations>,
}

impl Tables {
    /// Tables that are yet to be made.
    pub(crate) const fn new() -> Self {
        Self {
            driver: Table::new(),
            fops: Table::new(),
        }
    }
}

/// Gives the files of `dev` what [`MappedObject::align_hint`] and [`MappedObject::will_need`] are
/// for, dumb buffers, and the features of mode setting ([`kms::Setup`]). `tables` must be the same
/// for all devices of the driver, and for no other driver's.
pub(crate) fn extend<D, T>(dev: &drm::UnregisteredDevice<D>, tables: &'static Tables)
where
    D: drm::Driver<Object = Object<T>>,
    D::File: drm::file::DriverFile<Driver = D>,
    T: DumbBuffers<Driver = D>,
{
    let raw = super::raw::drm_device::<D, _>(dev);
    let driver = tables.driver.get_or_make(|| {
        // SAFETY: `raw` is a valid device that is not registered.
        let upstream = unsafe { (*raw).driver };
        // SAFETY: Upstream points it to a constant.
        let upstream = unsafe { &*upstream };
        let fops = tables.fops.get_or_make(|| {
            // SAFETY: As above.
            let fops = unsafe { &*upstream.fops };
            bindings::file_operations {
                get_unmapped_area: Some(get_unmapped_area_callback::<T>),
                fadvise: Some(fadvise_callback::<T>),
                ..*fops
            }
        });
        bindings::drm_driver {
            driver_features: upstream.driver_features | kms::FEATURES | SYNC_FEATURES,
            fbdev_probe: kms::client::FBDEV_PROBE,
            dumb_create: Some(dumb::create_callback::<D, T>),
            gem_prime_import: Some(prime::import_callback::<T>),
            fops,
            ..*upstream
        }
    });
    // SAFETY: The device is not registered, so nobody else reads this now.
    unsafe { (*raw).driver = driver };
}

/// Looks up the object at page `pgoff` of `file`, if the file may map it, and its first page there.
///
/// # Safety
///
/// `file` must be an open file of a device whose objects are all of type `T`.
unsafe fn object_at<T: MappedObject>(
    file: *mut bindings::file,
    pgoff: usize,
) -> Option<(ARef<Object<T>>, usize)> {
    // SAFETY: The private data of a DRM file is its `drm_file`, as long as it is open.
    let client: *mut bindings::drm_file = unsafe { (*file).private_data }.cast();
    // SAFETY: A `drm_file` has a minor, and that a device, as long as it is open.
    let mgr = unsafe { (*(*(*client).minor).dev).vma_offset_manager };

    // SAFETY: The manager lives as long as the device.
    unsafe { barium_vma_offset_lock(mgr) };
    // SAFETY: We hold the lock.
    let node = unsafe { bindings::drm_vma_offset_lookup_locked(mgr, pgoff, 1) };
    let found = if node.is_null() {
        None
    } else {
        // SAFETY: The nodes of a GEM driver's manager are in its objects; one that is found is
        // not freed before the lock is released.
        let obj = unsafe { kernel::container_of!(node, bindings::drm_gem_object, vma_node) };
        // SAFETY: As above.
        unsafe { barium_gem_object_get_unless_zero(obj) }.then_some(obj)
    };
    // SAFETY: We hold the lock.
    unsafe { barium_vma_offset_unlock(mgr) };

    // SAFETY: The object is of type `T` as the caller says.
    let obj = unsafe { Object::<T>::from_raw(found?) };
    // SAFETY: The reference that was just taken is given over.
    let obj = unsafe { ARef::from_raw(core::ptr::NonNull::from(obj)) };
    // SAFETY: Node and client are alive.
    let allowed = unsafe { bindings::drm_vma_node_is_allowed(node, client) };
    let first = super::gem::fake_offset(&obj);
    allowed.then_some((obj, first))
}

/// An address for `len` bytes, less than [`HUGE_SIZE`], such that no more page tables are needed than
/// there have to be; `None` if there is no room for that.
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
    let align = len.next_power_of_two();
    let padding = align - PAGE_SIZE;
    let padded = len + padding;
    // SAFETY: As the caller says; the length is what is asked for.
    let found = unsafe { bindings::mm_get_unmapped_area(file, address, padded, pgoff, flags) };
    // A hint that could be followed, or MAP_FIXED.
    if found == address {
        return Some(found);
    }
    // What is not page aligned is an error.
    (found % PAGE_SIZE == 0).then_some((found + padding) & !(align - 1))
}

/// The `get_unmapped_area` entry: an address at which huge entries fit, or at which what is smaller
/// than a huge entry is in one page table.
///
/// # Safety
///
/// To be called by the memory manager only, for a file of a device whose objects are of type `T`.
unsafe extern "C" fn get_unmapped_area_callback<T: MappedObject>(
    file: *mut bindings::file,
    address: c_ulong,
    len: c_ulong,
    pgoff: c_ulong,
    flags: c_ulong,
) -> c_ulong {
    if len < HUGE_SIZE {
        // SAFETY: These are this callback's arguments.
        if let Some(found) = unsafe { naturally_aligned_area(file, address, len, pgoff, flags) } {
            return found;
        }
    } else {
        #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
        // SAFETY: The file is as `object_at()` wants it.
        if let Some((obj, first)) = unsafe { object_at::<T>(file, pgoff) } {
            let like = T::align_hint(&obj).wrapping_add(pgoff - first);
            // SAFETY: These are this callback's arguments, but for the offset, which only says
            // which address is aligned.
            return unsafe { bindings::thp_get_unmapped_area(file, address, len, like, flags) };
        }
    }
    // SAFETY: These are this callback's arguments.
    unsafe { bindings::mm_get_unmapped_area(file, address, len, pgoff, flags) }
}

/// The `fadvise` entry: this is what `madvise(MADV_WILLNEED)` of a mapping comes to.
///
/// # Safety
///
/// To be called by the VFS only, for a file of a device whose objects are of type `T`.
unsafe extern "C" fn fadvise_callback<T: MappedObject>(
    file: *mut bindings::file,
    offset: bindings::loff_t,
    len: bindings::loff_t,
    advice: c_int,
) -> c_int {
    let will_need = advice == POSIX_FADV_WILLNEED;
    if let (true, Ok(offset), Ok(len)) = (will_need, usize::try_from(offset), usize::try_from(len))
    {
        // SAFETY: The file is as `object_at()` wants it.
        if let Some((obj, first)) = unsafe { object_at::<T>(file, offset >> PAGE_SHIFT) } {
            let start = (offset >> PAGE_SHIFT) - first;
            let end = start.saturating_add(len.div_ceil(PAGE_SIZE));
            T::will_need(&obj, start..end.min(super::gem::pages(&obj)));
        }
    }
    // SAFETY: These are this callback's arguments.
    unsafe { bindings::generic_fadvise(file, offset, len, advice) }
}
