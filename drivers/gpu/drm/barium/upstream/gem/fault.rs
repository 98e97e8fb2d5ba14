// SPDX-License-Identifier: GPL-2.0

//! Page faults in user mappings of PFNs (`VM_PFNMAP`). Those that a huge entry could serve are in
//! [`super::huge_fault`].
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)
//!
//! - Upstream today: [`kernel::mm::virt`] supports neither `vm_ops` nor faults.
//! - The shape it should have: a `Fault` that only the callback constructs, with its own result
//!   type; a function of the memory manager that inserts a range of PFNs
//!   (`vmf_insert_pfn_range()`), because drivers should not take the page table lock.
//! - Why this is sound on 7.3: a [`Fault`] exists only within its callback, where the VMA does not
//!   change. A PFN comes from a closure that receives the registration data and the object's
//!   placement record, each for any lifetime. So a [`PfnRange`] borrows from the registration data
//!   and from nothing that is dropped earlier. The closure runs inside the registration guard;
//!   `drm_dev_unplug()` waits for it and then removes the entry, before the registration data is
//!   dropped. If the registration fails, `UnmapOnDrop` removes the entry ([`super::super::kms`]).
//!   Likewise, a [`PageRange`] borrows from the record or from the registration data. The closure
//!   runs inside an RCU read-side critical section; `Reserved::vacate()` waits for it and then
//!   removes the entry, before the record is dropped. Otherwise, the record is dropped with the
//!   object, to which the VMA holds a reference, as it does for the object's zero page.
//!   [`super::super::vma`] sets up VMAs so that no `BUG_ON()` in `vmf_insert_pfn_prot()` triggers.
//! - Delete when `mm::virt` can do this.
//!
//! # Results
//!
//! `fault` returns [`VmFault`] and `huge_fault` returns
//! [`HugeVmFault`](super::huge_fault::HugeVmFault): the memory manager takes `VM_FAULT_FALLBACK`
//! from the latter only. A driver can construct `VM_FAULT_NOPAGE` in neither type. Only the methods
//! of [`Fault`] and of [`PmdRange`](super::huge_fault::PmdRange) return it: a handler that returned
//! it in other cases could let the process fault forever.
//!
//! # Faults that wait
//!
//! A fault whose page has no memory yet needs the object's reservation, which another thread may
//! hold while it waits for memory. [`Fault::serve_reserved`] follows the memory manager's rules for
//! such faults: it waits without the lock of the VMA, and then returns `VM_FAULT_RETRY`. The VMA
//! may be gone by then, so the method takes the [`Fault`] by value.
//!
//! # Page tables
//!
//! If the PMD is empty, the memory manager preallocates a page table (`vmf->prealloc_pte`) before
//! it calls `fault`, and frees it afterwards if it is still unused. `vmf_insert_pfn_prot()` ignores
//! that table and allocates another one. [`Fault::insert_with`] installs the preallocated table
//! first, which saves allocating, clearing and freeing a page.
//!
//! # Neighbours
//!
//! [`Fault::insert_with`] also fills the entries beside the fault's, in the same page table and
//! under its lock, with copies of the entry that `vmf_insert_pfn_prot()` installed, so they have
//! the same memory type. The page table is not freed while the fault is served. The memory manager
//! frees page tables when it unmaps or moves a VMA, which it locks for writing, while a fault locks
//! it for reading. It also frees them for `madvise(MADV_DONTNEED)`, which refuses PFNMAP VMAs.

use super::{
    super::{
        shmem::{
            Effort,
            PageRange, //
        },
        trace::{
            SlowFault,
            Timer,
            Where, //
        },
        vma::{
            system_memory_prot,
            PAGES_PER_TABLE,
            WINDOW_PAGES, //
        },
        wc_bar::PfnRange, //
    },
    object::{
        fake_offset,
        of_area,
        Object,
        ObjectData,
        RegistrationData, //
    },
    resv::Reserved, //
};
use crate::units::{
    Advice,
    PageIndex,
    PageWindow, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    drm::{
        self,
        gem::IntoGEMObject, //
    },
    mm::virt::vm_flags_t,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    }, //
};

// Defined in helpers.c.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_page_to_pfn(page: *mut bindings::page) -> c_ulong;
    fn barium_insert_pfn(
        vmf: *mut bindings::vm_fault,
        pfn: c_ulong,
        prot: bindings::pgprot_t,
    ) -> bindings::vm_fault_t;
    fn barium_is_mapped_beside(vmf: *const bindings::vm_fault, distance: c_long) -> bool;
    fn barium_map_neighbours(
        vmf: *mut bindings::vm_fault,
        pfn: c_ulong,
        before: c_ulong,
        after: c_ulong,
    );
    fn barium_map_neighbour_pages(
        vmf: *mut bindings::vm_fault,
        slot: *const *mut bindings::page,
        before: c_ulong,
        after: c_ulong,
    );
    fn barium_release_fault_lock(vmf: *mut bindings::vm_fault);
}

/// `VM_SEQ_READ` and `VM_RAND_READ`, for which bindgen generates nothing.
const VM_SEQ_READ: vm_flags_t = 1 << bindings::VMA_SEQ_READ_BIT;
const VM_RAND_READ: vm_flags_t = 1 << bindings::VMA_RAND_READ_BIT;

/// The result of a `fault` callback (`vm_fault_t`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct VmFault(bindings::vm_fault_t);

impl VmFault {
    /// The access cannot be served: the process gets `SIGBUS`.
    pub(crate) const SIGBUS: Self = Self(bindings::vm_fault_reason_VM_FAULT_SIGBUS);
    /// An entry is installed, or the process must repeat the access. Only the methods of [`Fault`]
    /// return it.
    const NOPAGE: Self = Self(bindings::vm_fault_reason_VM_FAULT_NOPAGE);
    /// An allocation for the fault failed.
    const OOM: Self = Self(bindings::vm_fault_reason_VM_FAULT_OOM);
    /// The memory manager must repeat the fault. Unless the fault must not wait, the lock of the
    /// VMA has been released.
    const RETRY: Self = Self(bindings::vm_fault_reason_VM_FAULT_RETRY);

    /// `barium_insert_pfn()` has found no page table. No callback returns it.
    const NO_TABLE: Self = Self(0);

    /// Returns the result as a `vm_fault_t`.
    #[inline]
    pub(super) fn into_raw(self) -> bindings::vm_fault_t {
        self.0
    }
}

/// The memory that backs a page of an object, with the memory of the pages beside it.
#[derive(Clone, Copy)]
pub(crate) enum Backing<'r, 'p> {
    /// Device memory.
    Device(PfnRange<'r>),
    /// System memory.
    System(PageRange<'p>),
}

/// A page fault in a mapping of an object with data `T`.
///
/// # Invariants
///
/// For `'a`, `vmf` is the argument of a `fault` or `huge_fault` callback that has not returned.
/// `VmaNew::into_pfnmap()` has set up its VMA for `obj`. The VMA holds a reference to `obj`, and
/// the device of `obj` has been registered.
pub(crate) struct Fault<'a, T: ObjectData> {
    pub(super) vmf: *mut bindings::vm_fault,
    pub(super) obj: &'a Object<T>,
}

impl<'a, T: ObjectData> Fault<'a, T> {
    /// # Safety
    ///
    /// For `'a`, `vmf` must be the argument of a `fault` or `huge_fault` callback, in a VMA that
    /// `mmap_callback` of the same `T` has set up.
    #[inline]
    pub(super) unsafe fn from_raw(vmf: *mut bindings::vm_fault) -> Self {
        // SAFETY: By the safety requirements, `vmf` is the argument of a callback, so its `vma` is
        // set.
        let vma = unsafe { (*vmf).__bindgen_anon_1.vma };
        // INVARIANT: By the safety requirements, `mmap_callback` has set up the VMA. It succeeds
        // only if `into_pfnmap()` does, and a device has no mappings before it is registered.
        Self {
            vmf,
            // SAFETY: By the safety requirements, `mmap_callback` of this `T` has set up the VMA,
            // which is valid while the fault is served.
            obj: unsafe { of_area(vma) },
        }
    }

    /// Returns the object that is mapped.
    #[inline]
    pub(crate) fn object(&self) -> &Object<T> {
        self.obj
    }

    /// Returns the VMA.
    #[inline]
    fn vma(&self) -> *mut bindings::vm_area_struct {
        // SAFETY: By the type invariants, `vmf` is valid; this field does not change.
        unsafe { (*self.vmf).__bindgen_anon_1.vma }
    }

    /// Returns the address of the page that was accessed.
    #[inline]
    pub(super) fn address(&self) -> usize {
        // SAFETY: By the type invariants, `vmf` is valid; this field does not change.
        unsafe { (*self.vmf).__bindgen_anon_1.address }
    }

    /// Returns the VMA's start and end addresses.
    #[inline]
    pub(super) fn span(&self) -> (usize, usize) {
        // SAFETY: By the type invariants, a fault is served in the VMA, so it is valid and locked
        // against changes. The other member of the union is for freed VMAs only.
        let span = unsafe { (*self.vma()).__bindgen_anon_1.__bindgen_anon_1 };
        (span.vm_start, span.vm_end)
    }

    /// Returns the page of the object that was accessed.
    ///
    /// It is computed from the file offset, which remains correct when the VMA is split or moved.
    #[inline]
    pub(crate) fn page(&self) -> PageIndex {
        // SAFETY: By the type invariants, `vmf` is valid; this field does not change.
        let pgoff = unsafe { (*self.vmf).__bindgen_anon_1.pgoff };
        // If the VMA started before the object, this would wrap to a page far behind the object's
        // last one.
        PageIndex(pgoff.wrapping_sub(fake_offset(self.obj)))
    }

    /// Returns the program's `madvise()` advice for the VMA.
    #[inline]
    pub(crate) fn advice(&self) -> Advice {
        // SAFETY: By the type invariants, a fault is served in the VMA, so it is valid and locked
        // against changes. Both members of the union are the flags.
        let vm_flags = unsafe { (*self.vma()).__bindgen_anon_2.vm_flags };
        if vm_flags & (VM_SEQ_READ | VM_RAND_READ) == 0 {
            Advice::Normal
        } else if vm_flags & VM_SEQ_READ != 0 {
            Advice::Sequential
        } else {
            Advice::Random
        }
    }

    /// Returns the largest window that lies in both the VMA and the naturally aligned block of
    /// `pages` pages around the fault.
    #[inline(always)]
    pub(super) fn window_in_block(&self, pages: usize) -> PageWindow {
        let address = self.address();
        let (start, end) = self.span();
        let in_block = (address >> PAGE_SHIFT) % pages;
        PageWindow {
            before: in_block.min((address - start) >> PAGE_SHIFT),
            after: (pages - 1 - in_block).min((end - 1 - address) >> PAGE_SHIFT),
        }
    }

    /// Returns the largest window that one fault may insert: it lies in both the VMA and the
    /// naturally aligned block of [`WINDOW_PAGES`] around the fault, which is in one page table.
    #[inline]
    pub(crate) fn max_window(&self) -> PageWindow {
        self.window_in_block(WINDOW_PAGES)
    }

    /// Returns whether the fault is for the first page of the VMA, and whether it is for the last
    /// one.
    #[inline]
    pub(crate) fn is_at_edge(&self) -> (bool, bool) {
        let address = self.address();
        let (start, end) = self.span();
        (address - start < PAGE_SIZE, end - address <= PAGE_SIZE)
    }

    /// Inserts the memory that backs the page of the fault, and neighbouring pages beside it.
    ///
    /// `backing` gets the registration data, or `None` if the device is unplugged, and the object's
    /// placement record, if it has one. It returns the range whose PFN backs [`Self::page`]; its
    /// error becomes that of this function. Once the page is mapped, `window` returns the
    /// neighbours to insert; pages outside the range, the VMA or the page table, and pages that are
    /// already mapped, are left out.
    ///
    /// Device memory gets the protection of the VMA. System memory is mapped cached.
    ///
    /// Both closures run inside the registration guard, so unplugging waits for them and then
    /// removes the entries. They also run inside the RCU read-side critical section in which the
    /// record was read, so they must not sleep.
    ///
    /// # Examples
    ///
    /// A handler that maps one page at a time:
    ///
    /// ```
    /// # use crate::{
    /// #     units::PageWindow,
    /// #     upstream::{gem::{fault::{Backing, Fault, VmFault}, ObjectData}, wc_bar::WcBar},
    /// # };
    /// # use kernel::drm;
    /// # const PAGES: usize = 16;
    /// # fn fault<T>(fault: Fault<'_, T>) -> VmFault
    /// # where
    /// #     T: ObjectData,
    /// #     T::Driver: for<'a> drm::Driver<RegistrationData<'a> = WcBar<'a>>,
    /// # {
    /// fault
    ///     .insert_with(
    ///         |bar, _| {
    ///             bar.and_then(|bar| bar.pfn_range(0, PAGES, fault.page().0))
    ///                 .map(Backing::Device)
    ///                 .ok_or(())
    ///         },
    ///         |_| PageWindow::NONE,
    ///     )
    ///     .unwrap_or_else(|()| fault.insert_zero_page())
    /// # }
    /// ```
    // Not inlined, the closures pass their results through memory, which costs 1% per fault.
    #[inline(always)]
    pub(crate) fn insert_with<E>(
        &self,
        backing: impl for<'r, 'p> FnOnce(
            Option<&'r RegistrationData<'r, T>>,
            Option<&'p T::Place>,
        ) -> Result<Backing<'r, 'p>, E>,
        window: impl FnOnce(&MappedFault<'_, 'a, T>) -> PageWindow,
    ) -> Result<VmFault, E> {
        // SAFETY: By the type invariants, the device has been registered. For `insert()`: the
        // closure runs inside the registration guard and the critical section. It must accept any
        // lifetimes of the registration data and of the record, so the ranges borrow from these.
        unsafe {
            with_place(self.obj, |reg, place| {
                Ok(self.insert(backing(reg, place)?, window))
            })
        }
    }

    /// See [`Self::insert_with`].
    ///
    /// # Safety
    ///
    /// The caller must be inside an RCU read-side critical section, and `backing` must borrow from
    /// the placement record of the object, which was read in it, or from the registration data. In
    /// the latter case, the registration guard of the object's device must be held.
    #[inline(always)]
    unsafe fn insert(
        &self,
        backing: Backing<'_, '_>,
        window: impl FnOnce(&MappedFault<'_, 'a, T>) -> PageWindow,
    ) -> VmFault {
        let (pfn, prot) = match backing {
            // SAFETY: By the type invariants, a fault is served in the VMA, so it is valid and
            // locked against changes.
            Backing::Device(range) => (range.pfn(), unsafe { (*self.vma()).vm_page_prot }),
            // SAFETY: By the type invariants, `into_pfnmap()` has set up the VMA. The memory
            // manager holds its lock while the fault is served.
            Backing::System(range) => (range.pfn(), unsafe { system_memory_prot(self.vma()) }),
        };
        // SAFETY: The data from which `backing` borrows is dropped only after all entries have been
        // removed. `drm_dev_unplug()` or `UnmapOnDrop` removes them before the registration data is
        // dropped, as the registration guard is held. `Reserved::vacate()` removes them before the
        // record is dropped, as this is inside the critical section in which the record was read. A
        // record that is dropped with the object has no mappings any more.
        let mapped = match unsafe { self.insert_pfn(pfn, prot) } {
            Ok(mapped) => mapped,
            Err(result) => return result,
        };
        let window = window(&mapped);
        if window != PageWindow::NONE {
            // SAFETY: The safety requirements of this function apply to all PFNs of `backing`. The
            // page of the fault was mapped above.
            unsafe { mapped.insert_neighbours(backing, window) };
        }
        VmFault::NOPAGE
    }

    /// Serves a fault whose page has no memory yet.
    ///
    /// `populate` gets the reserved object, the page, and the number of pages after it that are in
    /// the VMA and in the page table of the fault. It allocates memory for the page, and may do so
    /// for the pages after it. It returns where the object is. `insert` then inserts the page; the
    /// reservation is still locked.
    ///
    /// If another thread has locked the reservation, or if memory is short, the function releases
    /// the lock of the VMA, waits, and lets the memory manager repeat the fault. It does so at most
    /// once for each of the two kinds of lock that the memory manager takes; then it waits with the
    /// mmap lock held. A signal ends the wait of a fault from user mode.
    #[inline(never)]
    pub(crate) fn serve_reserved(
        self,
        populate: impl Fn(&mut Reserved<'_, T>, PageIndex, usize, Effort) -> Result<Where>,
        insert: impl FnOnce(&Self) -> VmFault,
    ) -> VmFault {
        // SAFETY: By the type invariants, `vmf` is valid; this field does not change.
        let flags = unsafe { (*self.vmf).flags };
        let has = |flag| flags & flag != 0;
        let may_retry = has(bindings::fault_flag_FAULT_FLAG_ALLOW_RETRY)
            && !has(bindings::fault_flag_FAULT_FLAG_TRIED);
        let must_not_wait = has(bindings::fault_flag_FAULT_FLAG_RETRY_NOWAIT);
        let is_user = has(bindings::fault_flag_FAULT_FLAG_USER);
        let (page, after) = (self.page(), self.max_window().after);
        let effort = if may_retry {
            Effort::MayFail
        } else {
            Effort::OomKill
        };

        let timer = Timer::<SlowFault>::start();
        let reserved = match Reserved::try_lock(self.obj) {
            Some(reserved) => Some(reserved),
            None if may_retry => None,
            None if is_user => match Reserved::lock_interruptible(self.obj) {
                Ok(reserved) => Some(reserved),
                // The process handles the signal, and repeats the access.
                Err(_) => return VmFault::NOPAGE,
            },
            None => Some(Reserved::lock(self.obj)),
        };
        if let Some(mut reserved) = reserved {
            match populate(&mut reserved, page, after, effort) {
                Ok(place) => {
                    timer.end(self.obj, place, page.0);
                    return insert(&self);
                }
                Err(ENOMEM) if may_retry => {}
                Err(ENOMEM) => return VmFault::OOM,
                Err(_) => return VmFault::SIGBUS,
            }
        }
        if must_not_wait {
            return VmFault::RETRY;
        }

        let obj = ARef::from(self.obj);
        // SAFETY: By the type invariants, the fault is being served. In a fault that the memory
        // manager may repeat, a handler may release the lock if it returns `VM_FAULT_RETRY`. The
        // callback has the only `Fault` for it, which this method owns, and does not use from here
        // on.
        unsafe { barium_release_fault_lock(self.vmf) };
        let reserved = if is_user {
            Reserved::lock_interruptible(&obj)
        } else {
            Ok(Reserved::lock(&obj))
        };
        if let Ok(mut reserved) = reserved {
            // If this fails, the repeated fault tries again.
            if let Ok(place) = populate(&mut reserved, page, after, effort) {
                timer.end(&*obj, place, page.0);
            }
        }
        VmFault::RETRY
    }

    /// Inserts the object's zero page, which is system memory, at the page of the fault.
    ///
    /// All pages of all mappings of the object map this one page after unplug.
    pub(crate) fn insert_zero_page(&self) -> VmFault {
        let Ok(page) = self.obj.zero_page() else {
            return VmFault::OOM;
        };
        // SAFETY: `page` is a page of system memory.
        let pfn = unsafe { barium_page_to_pfn(page.as_ptr()) };
        // SAFETY: By the type invariants, `into_pfnmap()` has set up the VMA. The memory manager
        // holds its lock while the fault is served.
        let prot = unsafe { system_memory_prot(self.vma()) };
        // SAFETY: The VMA holds a reference to the object, which keeps the page until it is freed.
        unsafe { self.insert_pfn(pfn, prot) }
            .err()
            .unwrap_or(VmFault::NOPAGE)
    }

    /// Inserts `pfn` at the page of the fault. On `Err`, the handler returns the contained result.
    ///
    /// # Safety
    ///
    /// `pfn` must stay valid for accesses by userspace until the VMA is unmapped, or until an
    /// `unmap_mapping_range()` of the whole file returns that started after the current
    /// registration guard was dropped.
    #[inline]
    unsafe fn insert_pfn(
        &self,
        pfn: usize,
        prot: bindings::pgprot_t,
    ) -> Result<MappedFault<'_, 'a, T>, VmFault> {
        // SAFETY: By the type invariants, the fault is being served, so a page table in
        // `vmf->prealloc_pte` is not in use; the VMA is PFNMAP and not copy-on-write. By the safety
        // requirements, `pfn` stays valid as long as the entry exists.
        match VmFault(unsafe { barium_insert_pfn(self.vmf, pfn, prot) }) {
            // INVARIANT: The entry is in a page table, which is not freed while the fault is served
            // (see the head of this file).
            VmFault::NOPAGE => Ok(MappedFault(self)),
            // Either a huge entry maps the page. If it does not allow the access, the next fault
            // calls `huge_fault`. Or the PMD is empty, and the memory manager preallocates a page
            // table for the next fault.
            VmFault::NO_TABLE => Err(VmFault::NOPAGE),
            other => Err(other),
        }
    }
}

/// Calls `with` with the registration data of the object's device, or `None` if the device is
/// unplugged, and with the object's placement record, if it has one. Returns the result of `with`.
///
/// `with` runs inside an RCU read-side critical section. `drm_dev_unplug()` waits until it returns,
/// if it gets the registration data.
///
/// # Safety
///
/// The device must have been registered before.
#[inline(always)]
pub(super) unsafe fn with_place<T: ObjectData, R>(
    obj: &Object<T>,
    with: impl for<'r, 'p> FnOnce(Option<&'r RegistrationData<'r, T>>, Option<&'p T::Place>) -> R,
) -> R {
    // SAFETY: `dev` points to the object's device, which is one of `T::Driver` and outlives the
    // object. By the safety requirements, it has been registered.
    let dev = unsafe { drm::Device::<T::Driver, drm::Ioctl>::from_raw((*obj.as_raw()).dev) };
    let registered = dev.registration_guard();
    let reg = registered.as_ref().map(|registered| {
        registered
            .registration_data_with(|reg| NonNull::from(reg).cast::<RegistrationData<'_, T>>())
    });
    let guard = rcu::read_lock();
    // With a call for each case, the compiler does not inline `with`, which costs 2% per fault.
    //
    // SAFETY: The pointer is to the registration data, which is valid until `registered` is
    // dropped, at the end of this function. `with` must accept any lifetime, so it keeps no
    // reference.
    with(reg.map(|reg| unsafe { reg.as_ref() }), obj.place(&guard))
}

/// A fault whose page has been mapped.
///
/// # Invariants
///
/// A page table exists, has an entry for the page of the fault, and is not freed while the fault is
/// served.
pub(crate) struct MappedFault<'f, 'a, T: ObjectData>(&'f Fault<'a, T>);

impl<T: ObjectData> MappedFault<'_, '_, T> {
    /// Estimates how many consecutive pages are mapped right before and right after the page of the
    /// fault, up to [`PAGES_PER_TABLE`] on either side.
    ///
    /// The scan looks at the pages at a distance of 1, 2, 4, ... only, and ends at the first one
    /// that is not mapped. It takes no lock, so the result may be out of date.
    #[inline]
    pub(crate) fn scan_neighbours(&self) -> PageWindow {
        let address = self.0.address();
        let (start, end) = self.0.span();
        let before = (address - start) >> PAGE_SHIFT;
        let after = (end - 1 - address) >> PAGE_SHIFT;
        // SAFETY: By the type invariants, the fault is being served and its page table exists.
        // `scan()` passes distances to pages in the VMA only.
        let is_mapped = |distance| unsafe { barium_is_mapped_beside(self.0.vmf, distance) };
        PageWindow {
            before: scan(before, -1, is_mapped),
            after: scan(after, 1, is_mapped),
        }
    }

    /// Inserts the PFNs beside the PFN of `backing` at the pages beside the fault's, as far as
    /// `window`, `backing` and [`Fault::max_window`] extend, where no page is mapped yet. Leaves
    /// out pages that have no memory.
    ///
    /// # Safety
    ///
    /// All PFNs of `backing` must meet the requirement of [`Fault::insert_pfn`], and the page of
    /// the fault must be mapped to the PFN of `backing`.
    #[inline(always)]
    unsafe fn insert_neighbours(&self, backing: Backing<'_, '_>, window: PageWindow) {
        let window = window.min(self.0.max_window());
        let vmf = self.0.vmf;
        match backing {
            Backing::Device(range) => {
                let window = window.min(range.window());
                // SAFETY: By the type invariants, the fault is being served and its page table
                // exists. The window lies in the VMA and in that page table. Its PFNs are all in
                // `range`, and valid by the safety requirements.
                unsafe { barium_map_neighbours(vmf, range.pfn(), window.before, window.after) };
            }
            Backing::System(range) => {
                let (slot, available) = range.slot();
                let window = window.min(available);
                // SAFETY: By the type invariants, the fault is being served and its page table
                // exists. The window lies in the VMA, in that page table and in the slots. The
                // pages in the slots are valid by the safety requirements.
                unsafe { barium_map_neighbour_pages(vmf, slot, window.before, window.after) };
            }
        }
    }
}

/// Estimates how many consecutive pages are mapped in the direction `step`, which is 1 or -1, up to
/// `max` and to [`PAGES_PER_TABLE`].
///
/// Calls `is_mapped` with the distances 1, 2, 4, ... until it returns false.
#[inline(always)]
pub(super) fn scan(max: usize, step: isize, is_mapped: impl Fn(isize) -> bool) -> usize {
    let max = max.min(PAGES_PER_TABLE);
    let mut mapped = 0;
    let mut distance = 1;
    let mut offset = step;
    while distance <= max {
        if !is_mapped(offset) {
            break;
        }
        mapped = distance;
        distance *= 2;
        offset *= 2;
    }
    mapped
}

#[cfg(CONFIG_X86_64)]
#[kunit_tests(barium_fault)]
mod tests {
    use super::*;

    // Defined in helpers.c.
    #[expect(
        improper_ctypes,
        reason = "C's own types, some of them empty in this configuration"
    )]
    extern "C" {
        fn barium_has_table(vmf: *const bindings::vm_fault) -> bool;
    }

    /// Returns the result of `barium_has_table()` for a fault whose PMD is `pmd`.
    fn has_table(pmd: usize) -> bool {
        let mut pmd = bindings::pmd_t { pmd };
        let mut vmf: bindings::vm_fault = pin_init::zeroed();
        vmf.pmd = &raw mut pmd;
        // SAFETY: The function reads `*vmf->pmd` only, which is valid.
        unsafe { barium_has_table(&raw const vmf) }
    }

    #[test]
    fn a_small_entry_needs_a_page_table() {
        // arch/x86/include/asm/pgtable_types.h: _PAGE_TABLE and _PAGE_PSE.
        const TABLE: usize = 0x67;
        const LEAF: usize = 0x80;
        assert!(has_table(0x1000 | TABLE));
        assert!(!has_table(0x20_0000 | TABLE | LEAF));
        assert!(!has_table(0));
    }
}
