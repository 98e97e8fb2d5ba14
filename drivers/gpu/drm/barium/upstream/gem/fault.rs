// SPDX-License-Identifier: GPL-2.0

//! Page faults in user mappings of page frames.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/huge_mm.h`](srctree/include/linux/huge_mm.h)
//!
//! - Upstream today: [`kernel::mm::virt`] knows no `vm_ops` and no fault.
//! - The shape it should have: a `Fault` and a `HugeFault` that only the callbacks hand out, with a
//!   type for the result of each; a function of the memory manager that inserts a range of PFNs,
//!   since the page table lock is not for drivers to take (`vmf_insert_pfn_range()`).
//! - Why this is sound on 7.3: a [`Fault`] exists only within its callback, where the area does not
//!   change. A PFN comes from a closure that runs inside the registration guard and gets the
//!   registration data for any lifetime, so the [`PfnRange`] borrows from that data and from
//!   nothing that is dropped earlier. `drm_dev_unplug()` waits for the guard and then removes the
//!   entry, before the registration data is dropped. The only other page is one that the object
//!   owns, which the area keeps alive. The conditions without which `vmf_insert_pfn_prot()` runs
//!   into `BUG()` are met where areas are made ([`super::super::vma`]).
//! - Delete when `mm::virt` can do this.
//!
//! # Results
//!
//! `fault` returns [`VmFault`] and `huge_fault` returns [`HugeVmFault`]: the memory manager takes
//! `VM_FAULT_FALLBACK` from the latter only. Neither type lets a driver make `VM_FAULT_NOPAGE`,
//! which says that an entry is in place; only an insertion returns it.
//!
//! # Page tables
//!
//! The memory manager allocates a page table before it calls `fault`, where there is none, and
//! frees it afterwards if it was not used. `vmf_insert_pfn_prot()` does not know of it and
//! allocates another one. [`Fault::insert_with`] installs the first one before, which saves
//! allocating, clearing and freeing a page.
//!
//! # Neighbours
//!
//! [`Fault::insert_with`] also fills the entries beside the fault's, in the same page table and
//! under its lock, with copies of the entry that `vmf_insert_pfn_prot()` made, so they have its
//! memory type. The page table stays while the fault is served: the memory manager frees page
//! tables only when an area is unmapped or moved, with the area locked for writing, while a fault
//! has it locked for reading, and for `madvise(MADV_DONTNEED)`, which refuses PFNMAP areas.
//!
//! # fork()
//!
//! `dup_mmap()` copies the entries of a PFNMAP area into the child. It copies small entries with
//! both page table locks held, and the child's area is in the file's tree of areas, behind its
//! parent's, before it starts. So a concurrent `unmap_mapping_range()` removes the copies too.
//! `copy_huge_pmd()` (mm/huge_memory.c) instead reads a special PMD before it takes the locks, and
//! installs what it read. If the device is unplugged in between, the child keeps an entry for VRAM
//! that the next driver gives to somebody else.
//!
//! [`wipe_on_fork`] closes that window: in a child, it sets `VM_WIPEONFORK` on an area whose
//! object ever had a huge entry. `dup_mmap()` reads the flag after it calls `open`, and does not
//! copy the area's entries then. The child gets its entries from `fault` and `huge_fault`, which
//! `drm_dev_unplug()` waits for before it removes entries. Until `dup_mmap()` returns, it holds
//! the mmap lock of the parent, and has locked the parent's area, for writing. So no huge fault can
//! be served in that area between the test and the copy, and a huge entry that was inserted there
//! before has set the mark. Nothing else in the kernel acts on the flag in an area of page frames
//! (`MADV_KEEPONFORK` removes it from the child's area, and the next fork sets it again in the
//! grandchild's), and a driver may set it in a remote split as well, where it has no effect.
//!
//! The other way is to call `unmap_mapping_range()` over the area from `open`. It costs more: it
//! takes the entries away from the parent, and from all other processes that map the object, and
//! they have to fault again, as the child has to. An object that never had a huge entry needs
//! neither, and its small entries are copied as before: to copy one is ten times cheaper than to
//! fault.

use super::{
    super::{
        vma::{
            system_memory_prot,
            PAGES_PER_TABLE, //
        },
        wc_bar::PfnRange, //
    },
    object::{
        fake_offset,
        of_area,
        with_registered,
        Object,
        ObjectData,
        RegistrationData, //
    }, //
};
use crate::units::{
    Advice,
    PageIndex,
    PageWindow, //
};
use kernel::{
    bindings,
    mm::virt::vm_flags_t,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*, //
};

// Defined in helpers.c.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_page_to_pfn(page: *mut bindings::page) -> c_ulong;
    fn barium_wipe_on_fork(vma: *mut bindings::vm_area_struct);
    fn barium_prepare_table(vmf: *mut bindings::vm_fault) -> bool;
    fn barium_is_mapped_beside(vmf: *const bindings::vm_fault, distance: c_long) -> bool;
    fn barium_map_neighbours(
        vmf: *mut bindings::vm_fault,
        pfn: c_ulong,
        before: c_ulong,
        after: c_ulong,
    );
}

/// `VM_SEQ_READ` and `VM_RAND_READ`, which bindgen does not see.
const VM_SEQ_READ: vm_flags_t = 1 << bindings::VMA_SEQ_READ_BIT;
const VM_RAND_READ: vm_flags_t = 1 << bindings::VMA_RAND_READ_BIT;

/// The result of a `fault` callback (`vm_fault_t`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct VmFault(bindings::vm_fault_t);

impl VmFault {
    /// The access cannot be served: the process gets `SIGBUS`.
    pub(crate) const SIGBUS: Self = Self(bindings::vm_fault_reason_VM_FAULT_SIGBUS);
    /// An entry is in place, or the access has to be tried again. Only an insertion returns it.
    const NOPAGE: Self = Self(bindings::vm_fault_reason_VM_FAULT_NOPAGE);
    /// There is no memory to serve the fault.
    const OOM: Self = Self(bindings::vm_fault_reason_VM_FAULT_OOM);

    /// Returns the result as C takes it.
    #[inline]
    pub(super) fn into_raw(self) -> bindings::vm_fault_t {
        self.0
    }
}

/// The result of a `huge_fault` callback (`vm_fault_t`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct HugeVmFault(bindings::vm_fault_t);

impl HugeVmFault {
    /// No huge entry can be inserted: the memory manager calls `fault`.
    pub(crate) const FALLBACK: Self = Self(bindings::vm_fault_reason_VM_FAULT_FALLBACK);

    /// Returns the result as C takes it.
    #[inline]
    pub(super) fn into_raw(self) -> bindings::vm_fault_t {
        self.0
    }
}

/// A page fault in a mapping of an object with data `T`.
///
/// # Invariants
///
/// For `'a`, `vmf` is the argument of a `fault` or `huge_fault` callback that has not returned. Its
/// area is one that `VmaNew::into_pfnmap()` has set up for `obj`. The area holds a reference to
/// `obj`, and the device of `obj` has been registered.
pub(crate) struct Fault<'a, T: ObjectData> {
    vmf: *mut bindings::vm_fault,
    obj: &'a Object<T>,
}

impl<'a, T: ObjectData> Fault<'a, T> {
    /// # Safety
    ///
    /// For `'a`, `vmf` must be the argument of a `fault` or `huge_fault` callback, in an area that
    /// `mmap_callback` of the same `T` has set up.
    #[inline]
    pub(super) unsafe fn from_raw(vmf: *mut bindings::vm_fault) -> Self {
        // SAFETY: The caller promises that `vmf` is the argument of a callback, which has an area.
        let vma = unsafe { (*vmf).__bindgen_anon_1.vma };
        // INVARIANT: The caller promises that `mmap_callback` has set up the area. It fails where
        // `into_pfnmap()` does, and a device has no mappings before it is registered.
        Self {
            vmf,
            // SAFETY: The caller promises that `mmap_callback` of this `T` has set up the area,
            // which is valid while the fault is served.
            obj: unsafe { of_area(vma) },
        }
    }

    /// Returns the object that the mapping shows.
    #[inline]
    pub(crate) fn object(&self) -> &'a Object<T> {
        self.obj
    }

    /// Returns the area.
    #[inline]
    fn vma(&self) -> *mut bindings::vm_area_struct {
        // SAFETY: By the type invariants, `vmf` is valid; this field does not change.
        unsafe { (*self.vmf).__bindgen_anon_1.vma }
    }

    /// Returns the first byte of the page that was accessed.
    #[inline]
    fn address(&self) -> usize {
        // SAFETY: By the type invariants, `vmf` is valid; this field does not change.
        unsafe { (*self.vmf).__bindgen_anon_1.address }
    }

    /// Returns the first byte of the area, and the first one past it.
    #[inline]
    fn span(&self) -> (usize, usize) {
        // SAFETY: By the type invariants, a fault is served in the area, so it is valid and locked
        // against changes. This member of the union is in use in an area that exists.
        let span = unsafe { (*self.vma()).__bindgen_anon_1.__bindgen_anon_1 };
        (span.vm_start, span.vm_end)
    }

    /// Returns the page of the object that was accessed.
    ///
    /// The page follows from the offset in the file, which stays right when an area is split or
    /// moved.
    #[inline]
    pub(crate) fn page(&self) -> PageIndex {
        // SAFETY: By the type invariants, `vmf` is valid; this field does not change.
        let pgoff = unsafe { (*self.vmf).__bindgen_anon_1.pgoff };
        // An area starts at the object's first page or later. If one did not, its pages would be
        // far behind the object's last page.
        PageIndex(pgoff.wrapping_sub(fake_offset(self.obj)))
    }

    /// Returns what the program has said about its accesses to the area.
    #[inline]
    pub(crate) fn advice(&self) -> Advice {
        // SAFETY: By the type invariants, a fault is served in the area, so it is valid and locked
        // against changes. Both members of the union are the same integer.
        let vm_flags = unsafe { (*self.vma()).__bindgen_anon_2.vm_flags };
        if vm_flags & (VM_SEQ_READ | VM_RAND_READ) == 0 {
            Advice::Normal
        } else if vm_flags & VM_SEQ_READ != 0 {
            Advice::Sequential
        } else {
            Advice::Random
        }
    }

    /// Returns the largest window that lies in both the area and the page table of the fault.
    #[inline]
    pub(crate) fn max_window(&self) -> PageWindow {
        let address = self.address();
        let (start, end) = self.span();
        let in_table = (address >> PAGE_SHIFT) % PAGES_PER_TABLE;
        PageWindow {
            before: in_table.min((address - start) >> PAGE_SHIFT),
            after: (PAGES_PER_TABLE - 1 - in_table).min((end - 1 - address) >> PAGE_SHIFT),
        }
    }

    /// Returns whether the fault is for the first page of the area, and whether for the last one.
    #[inline]
    pub(crate) fn is_at_edge(&self) -> (bool, bool) {
        let address = self.address();
        let (start, end) = self.span();
        (address - start < PAGE_SIZE, end - address <= PAGE_SIZE)
    }

    /// Inserts the first PFN of a range at the page of the fault, with the protection of the area,
    /// and its neighbours beside it.
    ///
    /// `pfns` returns the range whose PFN backs [`Self::page`]; on `None`, the result is `SIGBUS`.
    /// Once the page is mapped, `window` returns the neighbours to insert; those that the range,
    /// the area or the page table does not have, and those that are mapped already, are left out.
    ///
    /// Returns `None` if the device is unplugged. Both closures run inside the registration guard,
    /// so unplugging waits for them and then removes the entries.
    ///
    /// # Examples
    ///
    /// A handler that maps one page at a time:
    ///
    /// ```
    /// # use crate::{
    /// #     units::PageWindow,
    /// #     upstream::{gem::{fault::{Fault, VmFault}, ObjectData}, wc_bar::WcBar},
    /// # };
    /// # use kernel::drm;
    /// # const PAGES: usize = 16;
    /// # fn fault<T>(fault: &Fault<'_, T>) -> VmFault
    /// # where
    /// #     T: ObjectData,
    /// #     T::Driver: for<'a> drm::Driver<RegistrationData<'a> = WcBar<'a>>,
    /// # {
    /// fault
    ///     .insert_with(
    ///         |bar| bar.pfn_range(0, PAGES, fault.page().0),
    ///         |_| PageWindow::NONE,
    ///     )
    ///     .unwrap_or_else(|| fault.insert_zero_page())
    /// # }
    /// ```
    // Not inlined, the closures pass their results through memory, which costs 1% per fault.
    #[inline(always)]
    pub(crate) fn insert_with(
        &self,
        pfns: impl for<'r> FnOnce(&'r RegistrationData<'r, T>) -> Option<PfnRange<'r>>,
        window: impl FnOnce(&MappedFault<'_, 'a, T>) -> PageWindow,
    ) -> Option<VmFault> {
        // SAFETY: By the type invariants, the device has been registered. For `insert()`: the
        // closure runs inside the registration guard, and as it has to work for any lifetime of the
        // registration data, the range borrows from that data.
        unsafe { with_registered(self.obj, |reg| self.insert(pfns(reg), window)) }
    }

    /// See [`Self::insert_with`].
    ///
    /// # Safety
    ///
    /// The registration guard of the object's device must be held, and `range` must borrow from the
    /// registration data.
    #[inline(always)]
    unsafe fn insert(
        &self,
        range: Option<PfnRange<'_>>,
        window: impl FnOnce(&MappedFault<'_, 'a, T>) -> PageWindow,
    ) -> VmFault {
        let Some(range) = range else {
            return VmFault::SIGBUS;
        };
        // SAFETY: By the type invariants, a fault is served in the area, so it is valid and locked
        // against changes.
        let prot = unsafe { (*self.vma()).vm_page_prot };
        // SAFETY: The caller holds the registration guard, so `drm_dev_unplug()` has yet to remove
        // all entries, and will do so before it drops the registration data, which `range` borrows
        // from.
        let mapped = match unsafe { self.insert_pfn(range.pfn(), prot) } {
            Ok(mapped) => mapped,
            Err(result) => return result,
        };
        let window = window(&mapped);
        if window != PageWindow::NONE {
            // SAFETY: The caller promises of `range` what it promises of all its PFNs.
            unsafe { mapped.insert_neighbours(range, window) };
        }
        VmFault::NOPAGE
    }

    /// Inserts the object's page of zeros, which is system memory, at the page of the fault.
    ///
    /// The object gets that page at the first call and keeps it until it is freed. All pages of all
    /// mappings of the object show this one page.
    pub(crate) fn insert_zero_page(&self) -> VmFault {
        let Ok(page) = self.obj.zero_page() else {
            return VmFault::OOM;
        };
        // SAFETY: `page` is a page of system memory.
        let pfn = unsafe { barium_page_to_pfn(page.as_ptr()) };
        // SAFETY: By the type invariants, `into_pfnmap()` has set up the area. The memory manager
        // keeps it locked while the fault is served.
        let prot = unsafe { system_memory_prot(self.vma()) };
        // SAFETY: The area holds a reference to the object, which keeps the page until it is freed.
        unsafe { self.insert_pfn(pfn, prot) }
            .err()
            .unwrap_or(VmFault::NOPAGE)
    }

    /// Inserts `pfn` at the page of the fault. On `Err`, the handler returns the contained result.
    ///
    /// # Safety
    ///
    /// `pfn` must be valid for the area to show until either the area is unmapped, or an
    /// `unmap_mapping_range()` over the whole file that starts after the current registration guard
    /// is dropped has returned.
    #[inline]
    unsafe fn insert_pfn(
        &self,
        pfn: usize,
        prot: bindings::pgprot_t,
    ) -> Result<MappedFault<'_, 'a, T>, VmFault> {
        // SAFETY: By the type invariants, the fault is being served, so the page table that `vmf`
        // may have is in no use.
        if !unsafe { barium_prepare_table(self.vmf) } {
            // Either a huge entry maps the page, and if that does not allow the access, the next
            // fault is for that. Or there is neither entry nor table, and the memory manager brings
            // a table with the next fault.
            return Err(VmFault::NOPAGE);
        }
        // SAFETY: By the type invariants, the area is PFNMAP and not copy-on-write, and the fault
        // is served in it. The caller promises that the PFN stays valid as long as the entry.
        match VmFault(unsafe {
            bindings::vmf_insert_pfn_prot(self.vma(), self.address(), pfn, prot)
        }) {
            // INVARIANT: The entry is in a page table, which stays (see the head of this file).
            VmFault::NOPAGE => Ok(MappedFault(self)),
            other => Err(other),
        }
    }
}

/// A fault whose page has been mapped.
///
/// # Invariants
///
/// A page table exists, it has an entry for the page of the fault, and it stays while the fault is
/// served.
pub(crate) struct MappedFault<'f, 'a, T: ObjectData>(&'f Fault<'a, T>);

impl<T: ObjectData> MappedFault<'_, '_, T> {
    /// Returns the pages right beside the fault's that are mapped, up to one page table's worth
    /// ([`PAGES_PER_TABLE`]) on either side.
    ///
    /// Only pages at a distance of 1, 2, 4, ... are looked at, and the scan ends at the first one
    /// that is not mapped. It takes no lock, so the answer may be out of date.
    #[inline]
    pub(crate) fn scan_neighbours(&self) -> PageWindow {
        let address = self.0.address();
        let (start, end) = self.0.span();
        let before = (address - start) >> PAGE_SHIFT;
        let after = (end - 1 - address) >> PAGE_SHIFT;
        PageWindow {
            before: self.scan(before, -1),
            after: self.scan(after, 1),
        }
    }

    /// Scans at most `max` pages in the direction `step`, which is 1 or -1.
    #[inline]
    fn scan(&self, max: usize, step: isize) -> usize {
        let max = max.min(PAGES_PER_TABLE);
        let mut mapped = 0;
        let mut distance = 1;
        let mut offset = step;
        while distance <= max {
            // SAFETY: By the type invariants, the fault is being served and its page table exists.
            // The page is in the area, as `max` pages in this direction are.
            if !unsafe { barium_is_mapped_beside(self.0.vmf, offset) } {
                break;
            }
            mapped = distance;
            distance *= 2;
            offset *= 2;
        }
        mapped
    }

    /// Inserts the neighbours of the first PFN of `range` beside the fault's page: those in
    /// `window`, as far as `range` and [`Fault::max_window`] go, where nothing is mapped yet.
    ///
    /// # Safety
    ///
    /// All PFNs of `range` must be valid to insert, as [`Fault::insert_pfn`] has it, and its first
    /// one is what the fault's page has been mapped to.
    #[inline]
    unsafe fn insert_neighbours(&self, range: PfnRange<'_>, window: PageWindow) {
        let window = window.min(range.window()).min(self.0.max_window());
        // SAFETY: By the type invariants, the fault is being served and its page table exists. The
        // window lies in the area and in that page table, and the caller promises that its PFNs,
        // which are all in `range`, are valid.
        unsafe { barium_map_neighbours(self.0.vmf, range.pfn(), window.before, window.after) };
    }
}

/// A fault where one huge entry (PMD) could take the place of a page table.
pub(crate) struct HugeFault<'a, T: ObjectData>(Fault<'a, T>);

impl<'a, T: ObjectData> HugeFault<'a, T> {
    /// # Safety
    ///
    /// As for [`Fault::from_raw`], and the callback must be `huge_fault`, for the order of a PMD.
    #[inline]
    pub(super) unsafe fn from_raw(vmf: *mut bindings::vm_fault) -> Self {
        // SAFETY: The caller promises what `Fault::from_raw()` wants.
        Self(unsafe { Fault::from_raw(vmf) })
    }

    /// Returns the object that the mapping shows.
    #[inline]
    pub(crate) fn object(&self) -> &'a Object<T> {
        self.0.object()
    }

    /// Returns the bytes around the fault that one huge entry maps, aligned in the address space;
    /// `None` if they are not all in the area.
    #[inline]
    pub(crate) fn pmd_range(&self) -> Option<PmdRange<'_, 'a, T>> {
        let window = self.0.max_window();
        // INVARIANT: The window and the page of the fault fill a page table, and the window is in
        // the area.
        (window.before + 1 + window.after == PAGES_PER_TABLE).then_some(PmdRange {
            fault: &self.0,
            before: window.before,
        })
    }
}

/// The bytes that a huge entry for a fault would map.
///
/// # Invariants
///
/// They all lie in the area of `fault`. They start `before` pages before the page of the fault.
pub(crate) struct PmdRange<'f, 'a, T: ObjectData> {
    fault: &'f Fault<'a, T>,
    before: usize,
}

impl<T: ObjectData> PmdRange<'_, '_, T> {
    /// Returns the page of the object that is mapped at the first byte.
    #[inline]
    pub(crate) fn first_page(&self) -> PageIndex {
        PageIndex(self.fault.page().0.wrapping_sub(self.before))
    }

    /// Inserts one huge entry for all of the range.
    ///
    /// `pfns` returns the range whose PFN backs [`Self::first_page`]. It runs inside the
    /// registration guard, as in [`Fault::insert_with`].
    ///
    /// Falls back if the device is unplugged, if `pfns` returns `None`, and if the range is too
    /// short or not aligned. It also falls back for a write to a huge entry that does not allow it,
    /// as with soft-dirty tracking (`/proc/pid/clear_refs`): the memory manager then removes that
    /// entry, and makes the small ones that take its place writable.
    #[inline(always)]
    pub(crate) fn insert_with(
        &self,
        pfns: impl for<'r> FnOnce(&'r RegistrationData<'r, T>) -> Option<PfnRange<'r>>,
    ) -> HugeVmFault {
        // SAFETY: By the invariants of `Fault`, the device has been registered. For `insert()`: the
        // closure runs inside the registration guard, and as it has to work for any lifetime of the
        // registration data, the range borrows from that data.
        unsafe { with_registered(self.fault.obj, |reg| self.insert(pfns(reg)?)) }
            .flatten()
            .unwrap_or(HugeVmFault::FALLBACK)
    }

    /// Returns true for a write fault on a read-only huge entry.
    #[cfg(all(CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_ARCH_SUPPORTS_PMD_PFNMAP))]
    fn is_mapped(&self) -> bool {
        // SAFETY: By the invariants of `Fault`, `vmf` is valid. The memory manager sets this member
        // of the union for a fault on an entry, and it is 0 otherwise.
        unsafe { (*self.fault.vmf).__bindgen_anon_2.orig_pmd.pmd != 0 }
    }

    /// See [`Self::insert_with`]. Returns `None` to fall back.
    ///
    /// # Safety
    ///
    /// The registration guard of the object's device must be held, and `range` must borrow from the
    /// registration data.
    #[cfg(all(CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_ARCH_SUPPORTS_PMD_PFNMAP))]
    #[inline]
    unsafe fn insert(&self, range: PfnRange<'_>) -> Option<HugeVmFault> {
        let pfn = range.pfn();
        if pfn % PAGES_PER_TABLE != 0 || range.window().after < PAGES_PER_TABLE - 1 {
            return None;
        }
        if self.is_mapped() {
            return None;
        }
        self.fault.obj.set_had_huge_entry();
        // Not as a write: the entry is as writable as the protection of the area. As a write,
        // `vmf_insert_pfn_pmd()` would warn if it lost a race against a page being mapped, and
        // after the device is unplugged, pages are mapped here.
        //
        // SAFETY: By the invariants of `Fault`, the area is PFNMAP and not copy-on-write, and the
        // fault is served in it. By the type invariants, the whole entry lies in the area. The
        // caller holds the registration guard, so `drm_dev_unplug()` has yet to remove all entries,
        // and will do so before it drops the registration data, which `range` borrows from.
        Some(HugeVmFault(unsafe {
            bindings::vmf_insert_pfn_pmd(self.fault.vmf, pfn, false)
        }))
    }

    /// This kernel has no huge entries for page frames.
    ///
    /// # Safety
    ///
    /// None.
    #[cfg(not(all(CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_ARCH_SUPPORTS_PMD_PFNMAP)))]
    unsafe fn insert(&self, _range: PfnRange<'_>) -> Option<HugeVmFault> {
        None
    }
}

/// Keeps `fork()` from copying the entries of `vma`, the child's area, if the kernel could copy a
/// huge entry that is gone by then (see the head of this file).
///
/// # Safety
///
/// The caller must be the `open` callback, and `vma` its argument, whose private data is an object
/// with data `T`.
pub(super) unsafe fn wipe_on_fork<T: ObjectData>(vma: *mut bindings::vm_area_struct) {
    // SAFETY: The caller promises that `vma` is valid and shows an object of this type.
    let (mm, obj) = unsafe { ((*vma).vm_mm, of_area::<T>(vma)) };
    let is_own = kernel::current!()
        .mm()
        .is_some_and(|own| core::ptr::eq(own.as_raw(), mm));
    if !is_own && obj.had_huge_entry() {
        // SAFETY: In a child, `dup_mmap()` has locked the area for writing, and no other thread can
        // reach it; when an area is split, the caller of `open` holds the mmap lock for writing.
        unsafe { barium_wipe_on_fork(vma) };
    }
}
