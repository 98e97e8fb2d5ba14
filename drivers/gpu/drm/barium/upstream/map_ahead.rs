// SPDX-License-Identifier: GPL-2.0

//! Maps pages before they are accessed.
//!
//! - Upstream today: `kernel::mm` finds a VMA, but cannot handle a fault in it, and takes the mmap
//!   lock uninterruptibly only. Linux has no interface that populates a PFN mapping: `MAP_POPULATE`
//!   skips `VM_PFNMAP` VMAs, and `MADV_POPULATE_*` refuses them.
//! - The shape it should have: `MmWithUser::mmap_read_lock_killable()`, and
//!   `MmapReadGuard::fault()` over `fixup_user_fault()`.
//! - Why this is sound on 7.3: VMAs are used with the mmap lock held. They borrow its guard, and a
//!   fault, which may release the lock, needs the guard exclusively. Page tables are used between
//!   [`bindings::follow_pfnmap_start`] and [`bindings::follow_pfnmap_end`], which lock them. Only
//!   VMAs that map an object of type `T` have the `vm_ops` of `T`, so comparing `vm_ops` proves the
//!   type.
//! - Delete when `kernel::mm` can do this.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/mmap_lock.h`](srctree/include/linux/mmap_lock.h)

use super::{
    gem::{
        MappedObject,
        Object, //
    },
    vma::WINDOW_SIZE, //
};
use crate::units::PageIndex;
use core::ops::Range;
use kernel::{
    bindings,
    drm,
    mm::{
        virt::{
            flags,
            VmaRef, //
        },
        MmWithUser, //
    },
    page::{
        PAGE_MASK,
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    task::Task,
    types::NotThreadSafe, //
};

// Defined in helpers.c.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_mmap_read_lock_killable(mm: *mut bindings::mm_struct) -> c_int;
    fn barium_mmap_lock_is_contended(mm: *mut bindings::mm_struct) -> bool;
    fn barium_count_mapped(found: *const bindings::follow_pfnmap_args, max: c_ulong) -> c_ulong;
}

/// Maps the pages in `addresses` of the calling process, as if the process accessed them.
///
/// The range is divided into parts. A part lies in one VMA and in one window of [`WINDOW_SIZE`],
/// and its first page is not mapped. For each part, `prepare` gets the object, the object's page at
/// which the part starts, and the number of pages in the part. It may prepare for the fault at that
/// page, and returns how many pages, at least one, the fault is going to map.
///
/// The function holds the mmap lock for reading for at most one page table while another task waits
/// for the lock.
///
/// Unplugging `dev` does not wait for this function. If the device is unplugged meanwhile, a fault
/// is served like any other fault on an unplugged device.
///
/// # Errors
///
/// `EINVAL` if `addresses` is empty or not page aligned; `EFAULT` if a part of the range does not
/// map an object of `dev`, or may not be accessed; `EINTR` on a signal; `ENODEV` once `dev` is
/// unplugged; the errors of the fault handler.
pub(crate) fn map_ahead<D, T>(
    dev: &drm::Device<D>,
    addresses: Range<usize>,
    prepare: impl Fn(&Object<T>, PageIndex, usize) -> usize,
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
    let mut guard = KillableMmapReadGuard::new(mm)?;

    let mut address = addresses.start;
    while address < addresses.end {
        if Task::signal_pending(current) {
            return Err(EINTR);
        }
        if is_unplugged(dev) {
            return Err(ENODEV);
        }
        if guard.is_contended() {
            drop(guard);
            guard = KillableMmapReadGuard::new(mm)?;
        }
        let vma = guard.vma_lookup(address).ok_or(EFAULT)?;
        let (obj, page) = object_of::<T>(vma, address).ok_or(EFAULT)?;
        if !core::ptr::eq::<drm::Device<D>>(obj.dev(), dev) {
            return Err(EFAULT);
        }
        if vma.flags() & (flags::READ | flags::WRITE) == 0 {
            return Err(EFAULT);
        }
        let window_end = (address & !(WINDOW_SIZE - 1)).saturating_add(WINDOW_SIZE);
        let end = addresses.end.min(vma.end()).min(window_end);
        let pages = (end - address) >> PAGE_SHIFT;
        if let Some(len) = mapped(vma, address..end) {
            address += len;
            continue;
        }
        let mapped = prepare(obj, page, pages).clamp(1, pages);

        let fault_flags = if vma.flags() & flags::WRITE == 0 {
            0
        } else {
            bindings::fault_flag_FAULT_FLAG_WRITE
        };
        if guard.fault(address, fault_flags)? {
            address += mapped * PAGE_SIZE;
        }
    }
    Ok(())
}

/// A guard for the mmap lock, taken for reading. A fatal signal ends the wait for the lock.
///
/// # Invariants
///
/// The guard owns the mmap lock of `mm` for reading.
struct KillableMmapReadGuard<'a> {
    mm: &'a MmWithUser,
    // The thread that takes the lock has to release it.
    _nts: NotThreadSafe,
}

impl<'a> KillableMmapReadGuard<'a> {
    /// Takes the lock. May sleep.
    ///
    /// # Errors
    ///
    /// `EINTR` on a fatal signal.
    fn new(mm: &'a MmWithUser) -> Result<Self> {
        // SAFETY: A reference to an `MmWithUser` is a valid `mm_struct`.
        kernel::error::to_result(unsafe { barium_mmap_read_lock_killable(mm.as_raw()) })?;
        // INVARIANT: The lock was taken above.
        Ok(Self {
            mm,
            _nts: NotThreadSafe,
        })
    }

    /// Returns true if another task waits for the lock.
    fn is_contended(&self) -> bool {
        // SAFETY: A reference to an `MmWithUser` is a valid `mm_struct`.
        unsafe { barium_mmap_lock_is_contended(self.mm.as_raw()) }
    }

    /// Handles a fault at `address`, as if the process accessed it. Returns false if the fault has
    /// released the lock for some time, so that the address may map something else now.
    ///
    /// # Errors
    ///
    /// The errors of `fixup_user_fault()`.
    fn fault(&mut self, address: usize, fault_flags: c_uint) -> Result<bool> {
        let mut unlocked = false;
        // SAFETY: `mm` is the address space of the calling process, and by the type invariants its
        // mmap lock is held. The function may release the lock, and takes it again. No VMA is
        // borrowed, as `self` is borrowed exclusively.
        kernel::error::to_result(unsafe {
            bindings::fixup_user_fault(self.mm.as_raw(), address, fault_flags, &raw mut unlocked)
        })?;
        Ok(!unlocked)
    }

    /// Looks up the VMA that contains `address`.
    fn vma_lookup(&self, address: usize) -> Option<&VmaRef> {
        // SAFETY: By the type invariants the mmap lock is held. Any address may be looked up.
        let vma = unsafe { bindings::vma_lookup(self.mm.as_raw(), address) };
        // SAFETY: `vma` is a valid VMA, and stays valid while the lock is held. The returned
        // reference borrows `self`, which holds the lock.
        (!vma.is_null()).then(|| unsafe { VmaRef::from_raw(vma) })
    }
}

impl Drop for KillableMmapReadGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the guard owns the lock.
        unsafe { bindings::mmap_read_unlock(self.mm.as_raw()) };
    }
}

/// Returns the number of bytes from the start of `addresses` on that are mapped without a gap, or
/// `None` if the first page is not mapped.
///
/// `addresses` must be in `vma` and in the range of one page table, whose lock is taken once.
fn mapped(vma: &VmaRef, addresses: Range<usize>) -> Option<usize> {
    let max = addresses.len() >> PAGE_SHIFT;
    let mut found = bindings::follow_pfnmap_args {
        vma: vma.as_ptr(),
        address: addresses.start,
        ..Default::default()
    };
    // SAFETY: The VMA is valid and locked while there is a reference to it.
    if unsafe { bindings::follow_pfnmap_start(&mut found) } != 0 {
        return None;
    }
    // SAFETY: `follow_pfnmap_start()` filled in `found` and holds the lock. The entries of `max`
    // pages are in one page table.
    let pages = unsafe { barium_count_mapped(&found, max) };
    // SAFETY: `follow_pfnmap_start()` succeeded above.
    unsafe { bindings::follow_pfnmap_end(&mut found) };
    Some(pages << PAGE_SHIFT)
}

/// Returns true once unplugging of `dev` has begun.
fn is_unplugged<D: drm::Driver>(dev: &drm::Device<D>) -> bool {
    let raw = super::raw::drm_device(dev);
    // SAFETY: The device is valid. The flag is one byte, which another CPU may set concurrently.
    unsafe { (&raw const (*raw).unplugged).read_volatile() }
}

/// Returns the object that `vma` maps, if it is of type `T`, and the object's page at `address`.
fn object_of<T: MappedObject>(vma: &VmaRef, address: usize) -> Option<(&Object<T>, PageIndex)> {
    // Use a raw pointer: other tasks change the reference count of a VMA at any time, so no Rust
    // reference to the whole C struct may exist.
    let raw = vma.as_ptr();
    // SAFETY: The VMA is valid and locked while there is a reference to it, so that nobody writes
    // to these fields.
    let (vm_ops, private, vm_pgoff) =
        unsafe { ((*raw).vm_ops, (*raw).vm_private_data, (*raw).vm_pgoff) };
    if !core::ptr::eq(vm_ops, T::ops().vm_ops()?) {
        return None;
    }
    // SAFETY: Only VMAs whose private data is an object of type `T` have these `vm_ops`. The VMA
    // holds a reference to it.
    let obj = unsafe { <Object<T> as drm::gem::IntoGEMObject>::from_raw(private.cast()) };
    // If the VMA started before the object, `page` would wrap to a page far behind the object's
    // last one.
    let first = vm_pgoff.wrapping_sub(super::gem::fake_offset(obj));
    let page = first.wrapping_add((address - vma.start()) >> PAGE_SHIFT);
    Some((obj, PageIndex(page)))
}
