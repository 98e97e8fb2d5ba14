// SPDX-License-Identifier: GPL-2.0

//! Page faults in user mappings of PFNs that a huge entry (PMD) could serve, and forks of processes
//! that have such entries.
//!
//! C header: [`include/linux/huge_mm.h`](srctree/include/linux/huge_mm.h)
//!
//! - Upstream today: [`kernel::mm::virt`] supports neither `vm_ops` nor faults.
//! - The shape it should have: a `HugeFault` that only the callback constructs, with its own result
//!   type; a function of the memory manager that inserts a range of huge PFNs.
//! - Why this is sound on 7.3: for the same reasons as [`super::fault`].
//! - Delete when `mm::virt` can do this.
//!
//! # Neighbours
//!
//! [`PmdRange::insert_with`] fills the PMDs beside the fault's, in the same PMD table, with copies
//! of the huge entry that `vmf_insert_pfn_pmd()` installed. The VMA keeps the PMD table for the
//! same reason as a page table ([`super::fault`]). A [`PageWindow`] counts huge pages here.
//!
//! # fork()
//!
//! `dup_mmap()` copies the entries of a PFNMAP VMA into the child. Before that, it adds the child's
//! VMA to the file's `i_mmap` tree, after its parent's. It copies small entries with both page
//! table locks held, so a concurrent `unmap_mapping_range()` removes the copies too. But
//! `copy_huge_pmd()` (mm/huge_memory.c) reads a special PMD before it takes the locks, and installs
//! that value. If the device is unplugged in between, the child keeps an entry for VRAM that the
//! next driver allocates to another client.
//!
//! [`wipe_on_fork`] closes that window: in a child, it sets `VM_WIPEONFORK` on a VMA whose object
//! ever had a huge entry. `dup_mmap()` reads the flag after it calls `open`, and then copies no
//! entries. `fault` and `huge_fault` install the child's entries instead; `drm_dev_unplug()` waits
//! for both before it removes entries.
//!
//! Until `dup_mmap()` returns, it holds the parent's mmap lock and the lock of the parent's VMA for
//! writing. So no huge fault is served in that VMA between the check of `had_huge_entry()` and the
//! copy, and an earlier insertion of a huge entry has called `set_had_huge_entry()`. Nothing else
//! in the kernel acts on the flag in a PFNMAP VMA. `MADV_KEEPONFORK` removes it from the child's
//! VMA, and the next fork sets it again in the grandchild's. `open` also sets it when another
//! process splits the VMA, where it has no effect.
//!
//! The alternative, to call `unmap_mapping_range()` for the VMA's range from `open`, costs more: it
//! also removes the entries of the parent and of all other processes that map the object, which
//! must fault again. An object that never had a huge entry needs neither. Its small entries are
//! copied, because copying an entry costs a tenth of a fault.

use super::{
    super::{
        vma::{
            HUGE_SIZE,
            PAGES_PER_TABLE,
            PMDS_PER_TABLE, //
        },
        wc_bar::PfnRange, //
    },
    fault::{
        scan,
        with_place,
        Fault, //
    },
    object::{
        of_area,
        Object,
        ObjectData,
        RegistrationData, //
    },
};
use crate::units::{
    Advice,
    PageIndex,
    PageWindow, //
};
use kernel::{
    bindings,
    prelude::*, //
};

// Defined in helpers.c.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_wipe_on_fork(vma: *mut bindings::vm_area_struct);
    fn barium_is_mapped(vmf: *const bindings::vm_fault, address: c_ulong) -> bool;
    #[cfg(all(CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_ARCH_SUPPORTS_PMD_PFNMAP))]
    fn barium_map_huge_neighbours(
        vmf: *mut bindings::vm_fault,
        pfn: c_ulong,
        before: c_ulong,
        after: c_ulong,
    );
}

/// The result of a `huge_fault` callback (`vm_fault_t`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct HugeVmFault(bindings::vm_fault_t);

impl HugeVmFault {
    /// No huge entry can be inserted: the memory manager calls `fault`.
    pub(crate) const FALLBACK: Self = Self(bindings::vm_fault_reason_VM_FAULT_FALLBACK);

    /// Returns the result as a `vm_fault_t`.
    #[inline]
    pub(super) fn into_raw(self) -> bindings::vm_fault_t {
        self.0
    }
}

/// A fault that a huge entry (PMD) could serve.
pub(crate) struct HugeFault<'a, T: ObjectData>(Fault<'a, T>);

impl<'a, T: ObjectData> HugeFault<'a, T> {
    /// # Safety
    ///
    /// The requirements of [`Fault::from_raw`] apply, and the callback must be `huge_fault`, called
    /// with the order of a PMD.
    #[inline]
    pub(super) unsafe fn from_raw(vmf: *mut bindings::vm_fault) -> Self {
        // SAFETY: The safety requirements include those of `Fault::from_raw()`.
        Self(unsafe { Fault::from_raw(vmf) })
    }

    /// Returns the object that is mapped.
    #[inline]
    pub(crate) fn object(&self) -> &Object<T> {
        self.0.object()
    }

    /// Returns the page of the object that was accessed; see [`Fault::page`].
    #[inline]
    pub(crate) fn page(&self) -> PageIndex {
        self.0.page()
    }

    /// Returns the program's `madvise()` advice for the VMA.
    #[inline]
    pub(crate) fn advice(&self) -> Advice {
        self.0.advice()
    }

    /// Returns the aligned range of `HUGE_SIZE` bytes around the fault; `None` if the VMA does
    /// not contain all of it.
    #[inline]
    pub(crate) fn pmd_range(&self) -> Option<PmdRange<'_, 'a, T>> {
        let window = self.0.window_in_block(PAGES_PER_TABLE);
        // INVARIANT: The window is in the VMA, and together with the page of the fault it fills a
        // page table.
        (window.before + 1 + window.after == PAGES_PER_TABLE).then_some(PmdRange {
            fault: &self.0,
            before: window.before,
        })
    }
}

/// The address range that a huge entry for a fault maps.
///
/// # Invariants
///
/// The range lies in the VMA of `fault`, and starts `before` pages before the page of the fault.
pub(crate) struct PmdRange<'f, 'a, T: ObjectData> {
    fault: &'f Fault<'a, T>,
    before: usize,
}

impl<T: ObjectData> PmdRange<'_, '_, T> {
    /// Returns the page of the object that belongs at the start of the range.
    #[inline]
    pub(crate) fn first_page(&self) -> PageIndex {
        PageIndex(self.fault.page().0.wrapping_sub(self.before))
    }

    /// Returns the largest window, in huge pages, that lies in both the VMA and the PMD table of
    /// the fault.
    #[inline]
    fn max_window(&self) -> PageWindow {
        let first = self.fault.address() & !(HUGE_SIZE - 1);
        let (start, end) = self.fault.span();
        let in_table = (first / HUGE_SIZE) % PMDS_PER_TABLE;
        PageWindow {
            before: in_table.min((first - start) / HUGE_SIZE),
            after: (PMDS_PER_TABLE - 1 - in_table).min((end - first) / HUGE_SIZE - 1),
        }
    }

    /// Returns whether the range is the first one in the VMA that a huge entry could map, and
    /// whether it is the last one.
    #[inline]
    pub(crate) fn is_at_edge(&self) -> (bool, bool) {
        let first = self.fault.address() & !(HUGE_SIZE - 1);
        let (start, end) = self.fault.span();
        (first - start < HUGE_SIZE, end - first < 2 * HUGE_SIZE)
    }

    /// Estimates how many consecutive huge pages are mapped right before and right after the range,
    /// in the same PMD table.
    ///
    /// A huge page counts as mapped if its page at the same offset as the page of the fault is
    /// mapped, by a huge or a small entry. Otherwise, this works like
    /// [`MappedFault::scan_neighbours`](super::fault::MappedFault::scan_neighbours).
    #[inline]
    pub(crate) fn scan_neighbours(&self) -> PageWindow {
        let max = self.max_window();
        let is_mapped = |distance: isize| {
            let address = self
                .fault
                .address()
                .wrapping_add_signed(distance * HUGE_SIZE as isize);
            // SAFETY: By the type invariants, the fault is being served. `scan()` passes distances
            // to addresses in the VMA only.
            unsafe { barium_is_mapped(self.fault.vmf, address) }
        };
        PageWindow {
            before: scan(max.before, -1, is_mapped),
            after: scan(max.after, 1, is_mapped),
        }
    }

    /// Inserts one huge entry for all of the range, and huge entries beside it.
    ///
    /// `pfns` gets the registration data and the object's placement record, and returns the range
    /// whose PFN backs [`Self::first_page`]. `window` returns the huge pages beside the range to
    /// map as well. The function leaves out those outside the PFN range, the VMA or the PMD table,
    /// and those of which a page is mapped already. Both closures run inside the registration guard
    /// and an RCU read-side critical section, as in [`Fault::insert_with`].
    ///
    /// Returns [`HugeVmFault::FALLBACK`] if the device is unplugged, if `pfns` returns `None`, or
    /// if the PFN range is too short or not aligned. Also returns it for a write fault on a
    /// read-only huge entry, which soft-dirty tracking (`/proc/pid/clear_refs`) causes: the memory
    /// manager then removes that entry, and makes the small entries that replace it writable.
    #[inline(always)]
    pub(crate) fn insert_with(
        &self,
        pfns: impl for<'r, 'p> FnOnce(
            &'r RegistrationData<'r, T>,
            Option<&'p T::Place>,
        ) -> Option<PfnRange<'r>>,
        window: impl FnOnce() -> PageWindow,
    ) -> HugeVmFault {
        // SAFETY: By the invariants of `Fault`, the device has been registered. For `insert()`: the
        // closure runs inside the registration guard. It must accept any lifetime of the
        // registration data, so the range borrows from that data.
        unsafe {
            with_place(self.fault.obj, |reg, place| {
                self.insert(pfns(reg?, place)?, window)
            })
        }
        .unwrap_or(HugeVmFault::FALLBACK)
    }

    /// Returns true for a write fault on a read-only huge entry.
    #[cfg(all(CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_ARCH_SUPPORTS_PMD_PFNMAP))]
    fn is_mapped(&self) -> bool {
        // SAFETY: By the invariants of `Fault`, `vmf` is valid. The memory manager initialises the
        // union to 0, and sets `orig_pmd` for a fault on a huge entry.
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
    unsafe fn insert(
        &self,
        range: PfnRange<'_>,
        window: impl FnOnce() -> PageWindow,
    ) -> Option<HugeVmFault> {
        let pfn = range.pfn();
        if pfn % PAGES_PER_TABLE != 0 || range.window().after < PAGES_PER_TABLE - 1 {
            return None;
        }
        if self.is_mapped() {
            return None;
        }
        self.fault.obj.set_had_huge_entry();
        // `write` is false: `vm_page_prot` decides whether the entry is writable. With `write`,
        // `vmf_insert_pfn_pmd()` warns if another thread has installed a page table concurrently,
        // as a fault does once unplug has begun.
        //
        // SAFETY: By the invariants of `Fault`, the VMA is PFNMAP and not copy-on-write, and the
        // fault is served in it. By the type invariants, the whole entry lies in the VMA. The
        // caller holds the registration guard, so all entries are removed later, by
        // `drm_dev_unplug()` or `UnmapOnDrop`, and the registration data, from which `range`
        // borrows, is dropped only after that.
        let result = unsafe { bindings::vmf_insert_pfn_pmd(self.fault.vmf, pfn, false) };
        let window = window();
        if window != PageWindow::NONE {
            let available = PageWindow {
                before: range.window().before / PAGES_PER_TABLE,
                after: (range.window().after + 1) / PAGES_PER_TABLE - 1,
            };
            let window = window.min(available).min(self.max_window());
            // SAFETY: By the invariants of `Fault`, the fault is being served. `max_window()`
            // limits the window to the VMA and the PMD table, and `available` limits it to `range`,
            // which meets the safety requirements of this function.
            unsafe { barium_map_huge_neighbours(self.fault.vmf, pfn, window.before, window.after) };
        }
        Some(HugeVmFault(result))
    }

    /// This kernel does not support huge entries for PFNs. Returns `None`.
    ///
    /// # Safety
    ///
    /// There are no preconditions.
    #[cfg(not(all(CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_ARCH_SUPPORTS_PMD_PFNMAP)))]
    unsafe fn insert(
        &self,
        _range: PfnRange<'_>,
        _window: impl FnOnce() -> PageWindow,
    ) -> Option<HugeVmFault> {
        None
    }
}

/// Keeps `fork()` from copying entries to `vma`, the child's VMA, if the object ever had a huge
/// entry (see the head of this file).
///
/// # Safety
///
/// The caller must be the `open` callback, and `vma` its argument, whose private data is an object
/// with data `T`.
pub(super) unsafe fn wipe_on_fork<T: ObjectData>(vma: *mut bindings::vm_area_struct) {
    // SAFETY: By the safety requirements, `vma` is valid and maps an object with data `T`.
    let (mm, obj) = unsafe { ((*vma).vm_mm, of_area::<T>(vma)) };
    let is_own = kernel::current!()
        .mm()
        .is_some_and(|own| core::ptr::eq(own.as_raw(), mm));
    if !is_own && obj.had_huge_entry() {
        // SAFETY: In `fork()`, `dup_mmap()` has locked the child's VMA for writing. When a VMA is
        // split or moved, the caller of `open` holds the mmap lock for writing.
        unsafe { barium_wipe_on_fork(vma) };
    }
}
