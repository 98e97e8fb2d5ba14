// SPDX-License-Identifier: GPL-2.0

//! Mapping pages before they are touched.
//!
//! - Upstream today: `kernel::mm` finds an area, but cannot have a fault served in it. In C there
//!   is no way to map page frames ahead for userspace: `MAP_POPULATE` and `MADV_POPULATE_*` skip
//!   or refuse PFNMAP areas.
//! - The shape it should have: `MmapReadGuard::fault()` over `fixup_user_fault()`.
//! - Why this is sound on 7.3: the areas are looked at with the mmap lock held, and page tables
//!   with [`bindings::follow_pfnmap_start`], which locks them. That an area is a
//!   mapping of an object of type `T` is proved by its `vm_ops`, a `static` that no other type has.
//! - Delete when `kernel::mm` can do this.

use super::{
    gem::{
        MappedObject,
        Object, //
    },
    vma::HUGE_SIZE, //
};
use crate::units::PageIndex;
use core::ops::Range;
use kernel::{
    bindings,
    drm,
    mm::virt::{
        flags,
        VmaRef, //
    },
    page::{
        PAGE_MASK,
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    task::Task, //
};

/// Has the pages in `addresses` of the calling process mapped, as if it touched them.
///
/// For each part that is in one area and one page table and starts with a page that is not mapped,
/// both closures are told the object, the page of it at which the part starts, and the number of
/// pages in it. `before` can prepare for the fault at that page; `step` says how many of the pages
/// the fault has mapped, at least one.
///
/// Unplugging `dev` should not wait for this, and does not have to: a fault once it is gone maps
/// what faults map then.
///
/// Errors: `EINVAL` if `addresses` is empty or not page aligned; `EFAULT` if not all of it is
/// mapped to objects of `dev`, or some of it may not be accessed; `EINTR` on a signal; `ENODEV`
/// once `dev` is being unplugged; what a fault ran into.
pub(crate) fn map_ahead<D, T>(
    dev: &drm::Device<D>,
    addresses: Range<usize>,
    before: impl Fn(&Object<T>, PageIndex, usize),
    step: impl Fn(&Object<T>, PageIndex, usize) -> usize,
) -> Result
where
    D: drm::Driver<Object = Object<T>>,
    T: MappedObject<Driver = D>,
{
    if addresses.is_empty() || (addresses.start | addresses.end) & !PAGE_MASK != 0 {
        return Err(EINVAL);
    }
    let current = kernel::current!();
    let mm = current.mm().ok_or(EFAULT)?;
    let guard = mm.mmap_read_lock();

    let mut address = addresses.start;
    while address < addresses.end {
        if Task::signal_pending(current) {
            return Err(EINTR);
        }
        if is_unplugged(dev) {
            return Err(ENODEV);
        }
        let vma = guard.vma_lookup(address).ok_or(EFAULT)?;
        let (obj, page) = object_of::<T>(vma, address).ok_or(EFAULT)?;
        if !core::ptr::eq::<drm::Device<D>>(obj.dev(), dev) {
            return Err(EFAULT);
        }
        if vma.flags() & (flags::READ | flags::WRITE) == 0 {
            return Err(EFAULT);
        }
        let table_end = (address & !(HUGE_SIZE - 1)).saturating_add(HUGE_SIZE);
        let end = addresses.end.min(vma.end()).min(table_end);
        let pages = (end - address) >> PAGE_SHIFT;
        if let Some(len) = mapped(vma, address) {
            address += len.min(end - address);
            continue;
        }
        before(obj, page, pages);

        let fault_flags = if vma.flags() & flags::WRITE == 0 {
            0
        } else {
            bindings::fault_flag_FAULT_FLAG_WRITE
        };
        // SAFETY: `mm` is the process's own, and its mmap lock is held by `guard`. Without a place
        // for "unlocked" the lock is not dropped.
        kernel::error::to_result(unsafe {
            bindings::fixup_user_fault(mm.as_raw(), address, fault_flags, core::ptr::null_mut())
        })?;

        address += step(obj, page, pages).clamp(1, pages) * PAGE_SIZE;
    }
    Ok(())
}

/// The bytes from `address` on that the entry there maps, at least a page; `None` if there is none.
fn mapped(vma: &VmaRef, address: usize) -> Option<usize> {
    let mut found = bindings::follow_pfnmap_args {
        vma: vma.as_ptr(),
        address,
        ..Default::default()
    };
    // SAFETY: The area is locked as long as there is a reference to it, and `address` is in it.
    if unsafe { bindings::follow_pfnmap_start(&mut found) } != 0 {
        return None;
    }
    let size = !found.addr_mask + 1;
    // SAFETY: It was started just now.
    unsafe { bindings::follow_pfnmap_end(&mut found) };
    Some(size - address % size)
}

/// Whether unplugging `dev` has begun.
fn is_unplugged<D: drm::Driver>(dev: &drm::Device<D>) -> bool {
    let raw = super::raw::drm_device(dev);
    // SAFETY: The device is valid. The flag is a byte that is set once, on another CPU perhaps.
    unsafe { (&raw const (*raw).unplugged).read_volatile() }
}

/// The object that `vma` shows, if it is of type `T`, and the page that is at `address`.
fn object_of<T: MappedObject>(vma: &VmaRef, address: usize) -> Option<(&Object<T>, PageIndex)> {
    // SAFETY: The area is valid and locked as long as there is a reference to it.
    let raw = unsafe { &*vma.as_ptr() };
    if !core::ptr::eq(raw.vm_ops, T::ops().vm_ops()?) {
        return None;
    }
    // SAFETY: These `vm_ops` are only on areas whose private data is the object of this type that
    // they were made for; the area holds a reference to it.
    let obj =
        unsafe { <Object<T> as drm::gem::IntoGEMObject>::from_raw(raw.vm_private_data.cast()) };
    // As in `Fault::page()`.
    let first = raw.vm_pgoff.wrapping_sub(super::gem::fake_offset(obj));
    let page = first.wrapping_add((address - vma.start()) >> PAGE_SHIFT);
    Some((obj, PageIndex(page)))
}
