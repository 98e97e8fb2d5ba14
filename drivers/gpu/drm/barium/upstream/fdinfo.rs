// SPDX-License-Identifier: GPL-2.0

//! The memory that a client uses, and the time that copies for it have taken, in
//! `/proc/PID/fdinfo/FD`.
//!
//! `Documentation/gpu/drm-usage-stats.rst` describes the keys. They call VRAM `vram`, and system
//! memory `memory`. The device has no engine, so the CPU copies what moves between the two: the keys
//! call it the engine `copy`.
//!
//! - Upstream today: the constant `drm_driver` of [`kernel::drm::Driver`] has no `show_fdinfo`. The
//!   helper `drm_show_memory_stats()` counts all objects as system memory.
//! - The shape it should have: a method of `drm::Driver` that gets a printer and an iterator over
//!   the objects of a `drm::File`.
//! - Why this is sound on 7.3: DRM calls `show_fdinfo` for an open file and inside a
//!   `drm_dev_enter()` section. The table of handles is walked under its lock. A handle holds a
//!   reference to its object, so the object is valid as long as the lock is held. The callback is
//!   in the `drm_driver` of devices whose objects all have the driver data `T`.
//! - Delete when `drm::Driver` has the method.
//!
//! C header: [`include/drm/drm_file.h`](srctree/include/drm/drm_file.h)

use super::gem::{
    MappedObject,
    Object,
    Region, //
};
use kernel::{
    bindings,
    drm::{
        self,
        gem::IntoGEMObject, //
    },
    prelude::*, //
};

// Defined in helpers.c.
extern "C" {
    fn barium_print_copy_time(printer: *mut bindings::drm_printer, ns: u64);
}

/// The regions, with their names in the keys.
const REGIONS: [(Region, &CStr); 2] = [(Region::Vram, c"vram"), (Region::System, c"memory")];

/// The statistics to print besides `drm-total` and `drm-shared`. No object is active on an engine: a
/// copy ends before its object can be used again.
const STATUS: bindings::drm_gem_object_status =
    bindings::drm_gem_object_status_DRM_GEM_OBJECT_RESIDENT
        | bindings::drm_gem_object_status_DRM_GEM_OBJECT_PURGEABLE;

/// The `drm_driver.show_fdinfo` callback. Prints, for each region, the total size of the objects to
/// which the client has handles (`drm-total-vram`), the memory that they use (`drm-resident-vram`),
/// the part of that memory whose content the client does not need (`drm-purgeable-vram`), and the
/// size of the objects that have other handles or a dma-buf, too (`drm-shared-vram`). Then prints the
/// time of the copies (`drm-engine-copy`).
///
/// # Safety
///
/// Only DRM may call this, for an open file of a device whose objects have the driver data `T`.
pub(super) unsafe extern "C" fn show_callback<T: MappedObject>(
    printer: *mut bindings::drm_printer,
    client: *mut bindings::drm_file,
) {
    let mut stats = REGIONS.map(|region| (region, bindings::drm_memory_stats::default()));
    let mut next: c_int = 0;
    // SAFETY: `client` is valid while its file is open.
    let lock = unsafe { &raw mut (*client).table_lock };
    // SAFETY: DRM has initialised the lock. No other lock is held that is taken inside it.
    unsafe { bindings::spin_lock(lock) };
    loop {
        // SAFETY: The lock of the table was taken above. `next` is a valid variable.
        let obj = unsafe { bindings::idr_get_next(&raw mut (*client).object_idr, &raw mut next) };
        let obj: *mut bindings::drm_gem_object = obj.cast();
        if obj.is_null() {
            break;
        }
        // SAFETY: The handle holds a reference to the object as long as the lock is held. Its size
        // does not change. Another CPU may change the other fields concurrently: each is read once.
        let (size, handles, dma_buf) = unsafe {
            (
                (*obj).size as u64,
                (&raw const (*obj).handle_count).read_volatile(),
                (&raw const (*obj).dma_buf).read_volatile(),
            )
        };
        // SAFETY: All objects of the device have the driver data `T`, and this one is valid as long
        // as the lock is held.
        let usage = T::usage(unsafe { Object::<T>::from_raw(obj) });
        for ((region, _), stats) in &mut stats {
            if *region != usage.region {
                continue;
            }
            let is_shared = handles > 1 || !dma_buf.is_null();
            if is_shared {
                stats.shared += size;
            } else {
                stats.private += size;
            }
            stats.resident += usage.resident as u64;
            if usage.is_purgeable && !is_shared {
                stats.purgeable += usage.resident as u64;
            }
        }
        let Some(following) = next.checked_add(1) else {
            break;
        };
        next = following;
    }
    // SAFETY: The lock was taken above.
    unsafe { bindings::spin_unlock(lock) };
    for ((_, name), stats) in &stats {
        // SAFETY: DRM passes a valid printer. The statistics are initialised, and the name of the
        // region is null-terminated.
        unsafe {
            bindings::drm_print_memory_stats(
                printer,
                core::ptr::from_ref(stats),
                STATUS,
                name.as_char_ptr(),
            )
        };
    }
    // SAFETY: DRM calls this for an open file of a device with this driver, so `File::open()` has
    // initialised it.
    let file = unsafe { drm::File::<<T::Driver as drm::Driver>::File>::from_raw(client) };
    let ns = T::copy_time(file.inner().get_ref());
    // SAFETY: DRM passes a valid printer.
    unsafe { barium_print_copy_time(printer, ns) };
}
