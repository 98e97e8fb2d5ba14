// SPDX-License-Identifier: GPL-2.0

//! User mappings of PFNs (`VM_PFNMAP`).
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)
//!
//! - Upstream today: [`kernel::mm::virt`] supports neither `VM_PFNMAP` nor `vm_page_prot`.
//! - The shape it should have: `VmaNew::into_pfnmap()`, beside `VmaNew::set_mixedmap()`, as the one
//!   place that sets flags and protection together.
//! - Why this is sound on 7.3: [`VmaNew`] exists only within the `mmap` callback, where the VMA is
//!   not shared yet. [`VmaNew::into_pfnmap`] establishes the two conditions that
//!   `vmf_insert_pfn_prot()` checks with `BUG_ON()`: `VM_PFNMAP` is set, and the VMA is not
//!   copy-on-write. [`VmaPfnMap`] proves that it was called.
//! - Delete when `mm::virt` can do this.

use core::{
    marker::PhantomData,
    ops::Range, //
};
use kernel::{
    bindings,
    mm::virt::{
        flags,
        vm_flags_t, //
    },
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sizes::SZ_2M, //
};

// Defined in helpers.c.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_pgprot_device_wc(prot: bindings::pgprot_t) -> bindings::pgprot_t;
    fn barium_mprotect_changes_type(from: bindings::pgprot_t, to: bindings::pgprot_t) -> bool;
    fn barium_zap_until_unlock(vma: *mut bindings::vm_area_struct, start: c_ulong, end: c_ulong);
}

/// The number of pages that one page table has entries for (`PTRS_PER_PTE`; bindgen cannot evaluate
/// the macro of every architecture). helpers.c asserts that a table fills a page.
pub(crate) const PAGES_PER_TABLE: usize = PAGE_SIZE / size_of::<bindings::pte_t>();

/// The number of PMDs in one PMD table (`PTRS_PER_PMD`).
pub(crate) const PMDS_PER_TABLE: usize = PAGE_SIZE / size_of::<bindings::pmd_t>();

/// The number of bytes that one page table maps, or one huge entry (PMD) instead of it.
pub(crate) const HUGE_SIZE: usize = PAGES_PER_TABLE * PAGE_SIZE;

/// The maximum number of pages for which one fault inserts entries: 2 MiB, in one page table. A
/// page table may map much more; to insert all its entries, a fault would hold the page table lock
/// for long.
pub(crate) const WINDOW_PAGES: usize = if HUGE_SIZE < SZ_2M {
    PAGES_PER_TABLE
} else {
    SZ_2M / PAGE_SIZE
};

/// The size of [`WINDOW_PAGES`] pages in bytes.
pub(crate) const WINDOW_SIZE: usize = WINDOW_PAGES * PAGE_SIZE;

/// True if this kernel can map [`HUGE_SIZE`] bytes of PFNs with one entry.
pub(crate) const HUGE_SUPPORTED: bool = cfg!(all(
    CONFIG_TRANSPARENT_HUGEPAGE,
    CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
));

/// A mapping of an object that `mmap()` is setting up.
///
/// # Invariants
///
/// For `'a`, `vma` is valid and undergoing setup: no other thread can reach it, and it takes no
/// faults. `start` is the object's fake offset in pages.
pub(crate) struct VmaNew<'a> {
    vma: *mut bindings::vm_area_struct,
    start: usize,
    _setup: PhantomData<&'a ()>,
}

/// Proof that a mapping went through [`VmaNew::into_pfnmap`].
pub(crate) struct VmaPfnMap<'a>(PhantomData<&'a ()>);

impl<'a> VmaNew<'a> {
    /// # Safety
    ///
    /// For `'a`, `vma` must be undergoing setup in an `mmap` callback, for the object whose fake
    /// offset is `start` pages.
    pub(super) unsafe fn from_raw(vma: *mut bindings::vm_area_struct, start: usize) -> Self {
        // INVARIANT: The safety requirements are the type invariants.
        Self {
            vma,
            start,
            _setup: PhantomData,
        }
    }

    /// Returns the object's pages that the mapping spans.
    ///
    /// If the mapping starts before the object, or is longer than any object can be, the returned
    /// range ends far behind the last page of the object.
    pub(crate) fn pages(&self) -> Range<usize> {
        // SAFETY: By the type invariants, `vma` is valid and nothing else writes to it. The other
        // member of the union is for freed VMAs only.
        let (pgoff, span) = unsafe {
            (
                (*self.vma).vm_pgoff,
                (*self.vma).__bindgen_anon_1.__bindgen_anon_1,
            )
        };
        let first = pgoff.wrapping_sub(self.start);
        let pages = (span.vm_end - span.vm_start) >> PAGE_SHIFT;
        first..first.saturating_add(pages)
    }

    /// Makes this a write-combining PFN mapping: sets `VM_PFNMAP | VM_IO | VM_DONTEXPAND |
    /// VM_DONTDUMP` and the page protection.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a copy-on-write mapping, into which `vmf_insert_pfn_prot()` does not insert
    /// PFNs: a private mapping that is writable or can be made writable (`vma_is_cow_mapping()`).
    pub(crate) fn into_pfnmap(self) -> Result<VmaPfnMap<'a>> {
        // SAFETY: By the type invariants, `vma` is valid and nothing else writes to it. Both
        // members of the union are the flags.
        let old = unsafe { (*self.vma).__bindgen_anon_2.vm_flags };
        if old & (flags::SHARED | flags::MAYWRITE) == flags::MAYWRITE {
            return Err(EINVAL);
        }

        let new = old | flags::PFNMAP | flags::IO | flags::DONTEXPAND | flags::DONTDUMP;
        // SAFETY: By the type invariants, `vma` is valid and no other thread can reach it.
        unsafe { (*self.vma).__bindgen_anon_2.vm_flags = new };
        // SAFETY: By the type invariants, `vma` is valid and no other thread can reach it.
        unsafe { (*self.vma).vm_page_prot = device_prot(new) };
        Ok(VmaPfnMap(PhantomData))
    }
}

/// Returns the page protection of device memory in a VMA with flags `vm_flags`: write-combining.
fn device_prot(vm_flags: vm_flags_t) -> bindings::pgprot_t {
    // SAFETY: `vm_get_page_prot()` has no preconditions.
    let prot = unsafe { bindings::vm_get_page_prot(vm_flags) };
    // SAFETY: `barium_pgprot_device_wc()` has no preconditions.
    unsafe { barium_pgprot_device_wc(prot) }
}

/// Returns the page protection of system memory in a PFN mapping: cached, like the kernel's linear
/// mapping of that memory, with the access rights of the VMA's `vm_page_prot`.
///
/// Normally, these are the rights of the VMA's flags. If the memory manager tracks writes, as it
/// does for soft-dirty tracking (`/proc/pid/clear_refs`), `vma_set_page_prot()` leaves out
/// `VM_SHARED`, which makes the entries read-only.
///
/// # Safety
///
/// `vma` must be a VMA that [`VmaNew::into_pfnmap`] has set up, and be locked against changes.
pub(super) unsafe fn system_memory_prot(
    vma: *const bindings::vm_area_struct,
) -> bindings::pgprot_t {
    // SAFETY: By the safety requirements, `vma` is valid and does not change. Both members of the
    // union are the flags.
    let (vm_flags, prot) = unsafe { ((*vma).__bindgen_anon_2.vm_flags, (*vma).vm_page_prot) };
    let vm_flags = if prot.pgprot == device_prot(vm_flags).pgprot {
        vm_flags
    } else {
        vm_flags & !flags::SHARED
    };
    // SAFETY: `vm_get_page_prot()` has no preconditions.
    unsafe { bindings::vm_get_page_prot(vm_flags) }
}

/// Prepares the range from `start` to `end` of `vma` for a change of its access rights.
///
/// `mprotect()` gives all entries in the range the protection of the VMA. On arm64 and riscv, that
/// includes the memory type: system memory, which [`system_memory_prot`] maps cached, would become
/// non-cacheable, and the CPU would see other content than through the kernel's cached mapping. So
/// this function removes the entries there. Faults insert them again after the change.
///
/// # Safety
///
/// `vma` must be a VMA that [`VmaNew::into_pfnmap`] has set up, and contain the range. The caller
/// must hold the mmap lock for writing.
pub(super) unsafe fn prepare_mprotect(
    vma: *mut bindings::vm_area_struct,
    start: c_ulong,
    end: c_ulong,
) {
    // SAFETY: By the safety requirements, `vma` is valid and does not change. Both members of the
    // union are the flags.
    let vm_flags = unsafe { (*vma).__bindgen_anon_2.vm_flags };
    // SAFETY: `vm_get_page_prot()` has no preconditions.
    let cached = unsafe { bindings::vm_get_page_prot(vm_flags) };
    // SAFETY: `barium_mprotect_changes_type()` has no preconditions.
    if unsafe { barium_mprotect_changes_type(cached, device_prot(vm_flags)) } {
        // SAFETY: By the safety requirements, `vma` is a PFN mapping that contains the range, and
        // the caller holds the mmap lock for writing.
        unsafe { barium_zap_until_unlock(vma, start, end) };
    }
}
