// SPDX-License-Identifier: GPL-2.0

//! Faults in user mappings of page frames.
//!
//! - Upstream today: [`kernel::mm::virt`] knows no `vm_ops` and no fault.
//! - The shape it should have: a `Fault` and a `HugeFault` that only the callbacks hand out, with
//!   an outcome type; a call of the memory manager's own for mapping neighbours of a page, as
//!   `set_ptes()` and the page table lock are for its files only.
//! - Why this is sound on 7.3: [`Fault`] exists only within the `fault` callback, where the area
//!   cannot change. A frame gets in only out of [`Frames`], or as the page that the object itself
//!   owns, so it stays valid as long as the area, which holds the object. The rules whose breach is
//!   a `BUG()` in `vmf_insert_pfn_prot()` are kept where areas are made ([`super::vma`]).
//! - Delete when `mm::virt` can do this.
//!
//! # Page tables
//!
//! The memory manager allocates a page table before it calls `fault`, where there is none, and
//! frees it afterwards if it was not used. `vmf_insert_pfn_prot()` does not know of it and allocates
//! another. Here it is put in place first, which saves allocating, clearing and freeing a page.
//!
//! # Neighbours
//!
//! [`Fault::insert_neighbours`] fills the page table that the fault's page is in, under its lock,
//! with copies of the entry that `vmf_insert_pfn_prot()` made, so they have its cache mode. The
//! table stays while it does: page tables are freed when an area is unmapped or moved, with the
//! area locked for writing, while a fault has it locked for reading; and by
//! `madvise(MADV_DONTNEED)`, which a PFNMAP area refuses.
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
//! [`open_callback`] closes that window: in a child, it sets `VM_WIPEONFORK` on an area whose
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
    gem::{
        MappedObject,
        Object, //
    },
    wc_bar::Frames, //
};
use kernel::{
    bindings,
    drm,
    page::{
        Page,
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        atomic::Relaxed,
        SetOnce, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
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
    fn barium_look_around(vmf: *const bindings::vm_fault, around: *mut RawAround);
    fn barium_map_neighbours(
        vmf: *mut bindings::vm_fault,
        pfn: c_ulong,
        before: c_ulong,
        after: c_ulong,
    );
}

/// Pages that one page table holds entries for.
pub(crate) const PAGES_PER_TABLE: usize = bindings::PTRS_PER_PTE as usize;
/// Bytes that one page table maps, and one huge entry in its place.
pub(crate) const HUGE_SIZE: usize = PAGES_PER_TABLE * PAGE_SIZE;

/// Whether this kernel can map [`HUGE_SIZE`] bytes of page frames with one entry.
pub(crate) const HUGE_SUPPORTED: bool = cfg!(all(
    CONFIG_TRANSPARENT_HUGEPAGE,
    CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
));

/// The number of a page within an object, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PageIndex(pub(crate) usize);

/// Numbers of pages beside a page: right before it, and right after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    pub(crate) before: usize,
    pub(crate) after: usize,
}

impl Beside {
    /// As many as there are, on both sides.
    pub(crate) const ALL: Self = Self {
        before: usize::MAX,
        after: usize::MAX,
    };
    /// None.
    pub(crate) const NONE: Self = Self {
        before: 0,
        after: 0,
    };

    /// The smaller number on either side.
    pub(crate) fn min(self, other: Self) -> Self {
        Self {
            before: self.before.min(other.before),
            after: self.after.min(other.after),
        }
    }
}

/// What the program said of its accesses to the area (`madvise()`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Nothing.
    Normal,
    /// `MADV_SEQUENTIAL`.
    Sequential,
    /// `MADV_RANDOM`.
    Random,
}

/// What there is around the page of a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around {
    /// The pages right beside it that are mapped: at least as many as said, where a doubling
    /// distance each time was mapped; at most [`PAGES_PER_TABLE`].
    pub(crate) mapped: Beside,
    /// What the program said.
    pub(crate) advice: Advice,
}

/// `struct barium_around` of helpers.c.
#[repr(C)]
#[derive(Default)]
struct RawAround {
    before: c_ulong,
    after: c_ulong,
    advice: c_ulong,
}

/// What a `fault` callback answers to the kernel (`vm_fault_t`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome(bindings::vm_fault_t);

impl Outcome {
    /// The access cannot be served: the process gets `SIGBUS`.
    pub(crate) const SIGBUS: Self = Self(bindings::vm_fault_reason_VM_FAULT_SIGBUS);
    /// No huge entry: the kernel asks for a page.
    pub(crate) const FALLBACK: Self = Self(bindings::vm_fault_reason_VM_FAULT_FALLBACK);
    /// An entry is in place, or the access is to be tried again.
    pub(crate) const DONE: Self = Self(bindings::vm_fault_reason_VM_FAULT_NOPAGE);
    /// Memory for the answer could not be had.
    const OOM: Self = Self(bindings::vm_fault_reason_VM_FAULT_OOM);
}

/// A page fault in a mapping of an object of type `T`.
///
/// # Invariants
///
/// `vmf` is the argument of a `fault` or `huge_fault` callback that has not returned; its area is
/// one that `NewVma::into_pfnmap()` has made, and holds a reference to `obj`.
pub(crate) struct Fault<'a, T: MappedObject> {
    vmf: *mut bindings::vm_fault,
    obj: &'a Object<T>,
}

impl<'a, T: MappedObject> Fault<'a, T> {
    /// # Safety
    ///
    /// `vmf` must be the argument of a `fault` or `huge_fault` callback, for `'a`, in an area that
    /// `mmap_callback` of the same `T` has set up.
    unsafe fn from_raw(vmf: *mut bindings::vm_fault) -> Self {
        // SAFETY: `vmf` is valid, and so is its area while the fault is served.
        let private = unsafe { (*(*vmf).__bindgen_anon_1.vma).vm_private_data };
        // INVARIANT: As the caller promises; `mmap_callback` fails where `into_pfnmap()` did not
        // make the area.
        Self {
            vmf,
            // SAFETY: The private data of the area is the object of this type that it was made
            // for, and the area holds a reference to it.
            obj: unsafe { <Object<T> as drm::gem::IntoGEMObject>::from_raw(private.cast()) },
        }
    }

    /// The object that the mapping shows.
    #[inline]
    pub(crate) fn object(&self) -> &'a Object<T> {
        self.obj
    }

    /// The device that the object is of. It was registered once, and may be gone.
    #[inline]
    pub(crate) fn device(&self) -> &'a drm::Device<T::Driver, drm::Ioctl> {
        super::gem::once_registered(self.obj)
    }

    #[inline]
    fn at(&self) -> &bindings::vm_fault__bindgen_ty_1 {
        // SAFETY: `vmf` is valid, and nobody writes to these fields while the fault is served.
        unsafe { &(*self.vmf).__bindgen_anon_1 }
    }

    #[inline]
    fn vma(&self) -> &bindings::vm_area_struct {
        // SAFETY: The area is valid, and locked against changes, as long as the fault is being
        // served.
        unsafe { &*self.at().vma }
    }

    /// First byte of the area, and the first one past it.
    #[inline]
    fn span(&self) -> (usize, usize) {
        // SAFETY: This half of the union is in use for an area that exists.
        let span = unsafe { self.vma().__bindgen_anon_1.__bindgen_anon_1 };
        (span.vm_start, span.vm_end)
    }

    /// The page of the object that the fault is for.
    ///
    /// It comes from the offset in the file, which stays right when an area is split or moved.
    #[inline]
    pub(crate) fn page(&self) -> PageIndex {
        // Before the object's first page there are no areas of its; should there be one, its pages
        // would be far behind the last.
        PageIndex(
            self.at()
                .pgoff
                .wrapping_sub(super::gem::fake_offset(self.obj)),
        )
    }

    /// Maps the frame that `frames` is about at the page of the fault, with the mapping's own
    /// protection. If that cannot be, or need not be, returns what to answer.
    ///
    /// Call it with the frame that [`Self::page`] is backed by, while the device is held
    /// registered, so that unplugging the device finds the entry.
    #[inline]
    pub(crate) fn insert(&self, frames: Frames<'_>) -> Result<InTable<'_, 'a, T>, Outcome> {
        self.insert_pfn(frames.pfn(), self.vma().vm_page_prot)
    }

    /// Maps the object's page of zeros, which is system memory, at the page of the fault.
    ///
    /// The object gets it at the first call and has it until it is freed. All pages of all
    /// mappings of the object show this one page.
    pub(crate) fn insert_zero_page(&self) -> Outcome {
        let Ok(page) = zero_page(self.obj) else {
            return Outcome::OOM;
        };
        // SAFETY: The union's halves are the same integer.
        let flags = unsafe { self.vma().__bindgen_anon_2.vm_flags };
        // SAFETY: `page` is a page of system memory.
        let pfn = unsafe { barium_page_to_pfn(page.as_ptr()) };
        // SAFETY: A pure function. System memory is mapped cached, as the kernel maps it.
        let prot = unsafe { bindings::vm_get_page_prot(flags) };
        self.insert_pfn(pfn, prot).err().unwrap_or(Outcome::DONE)
    }

    /// `pfn` must be out of [`Frames`] that are alive, or the object's page of zeros.
    #[inline]
    fn insert_pfn(
        &self,
        pfn: usize,
        prot: bindings::pgprot_t,
    ) -> Result<InTable<'_, 'a, T>, Outcome> {
        // SAFETY: `vmf` is being served; a page table that it has is in use nowhere.
        if !unsafe { barium_prepare_table(self.vmf) } {
            // It is mapped, with its neighbours. If that is not as the access wants it, the next
            // fault says so.
            return Err(Outcome::DONE);
        }
        let at = self.at();
        // SAFETY: By the type's invariants the area is PFNMAP and not copy-on-write, and this is
        // its fault. The frame is device memory that is zapped before it is given up (`Frames`),
        // or the object's own page, freed with the object, which the area holds.
        match Outcome(unsafe { bindings::vmf_insert_pfn_prot(at.vma, at.address, pfn, prot) }) {
            // INVARIANT: The entry is in a page table, which stays (see the head of this file).
            Outcome::DONE => Ok(InTable(self)),
            other => Err(other),
        }
    }

    /// The pages beside the fault's that are in the area and in the same page table.
    #[inline]
    pub(crate) fn room(&self) -> Beside {
        let address = self.at().address;
        let (start, end) = self.span();
        let in_table = (address >> PAGE_SHIFT) % PAGES_PER_TABLE;
        Beside {
            before: in_table.min((address - start) >> PAGE_SHIFT),
            after: (PAGES_PER_TABLE - 1 - in_table).min((end - 1 - address) >> PAGE_SHIFT),
        }
    }

    /// Whether the fault is for the first page of the area, and whether for the last.
    #[inline]
    pub(crate) fn is_at_edge(&self) -> (bool, bool) {
        let address = self.at().address;
        let (start, end) = self.span();
        (address - start < PAGE_SIZE, end - address <= PAGE_SIZE)
    }
}

/// A fault whose page has been mapped.
///
/// # Invariants
///
/// There is a page table, in which the fault's page has been mapped, and it stays while the fault is
/// served.
pub(crate) struct InTable<'f, 'a, T: MappedObject>(&'f Fault<'a, T>);

impl<T: MappedObject> InTable<'_, '_, T> {
    /// What there is around the fault's page.
    #[inline]
    pub(crate) fn look_around(&self) -> Around {
        let mut raw = RawAround::default();
        // SAFETY: `vmf` is being served, and its page table is there by the type's invariants.
        unsafe { barium_look_around(self.0.vmf, &mut raw) };
        Around {
            mapped: Beside {
                before: raw.before,
                after: raw.after,
            },
            advice: match raw.advice {
                1 => Advice::Sequential,
                2 => Advice::Random,
                _ => Advice::Normal,
            },
        }
    }

    /// Maps the frames beside the one that [`Fault::insert`] has just mapped at the pages beside the
    /// fault's: `wanted` of them, as far as `frames` and [`Fault::room`] go, where nothing is mapped
    /// yet.
    #[inline]
    pub(crate) fn insert_neighbours(&self, frames: Frames<'_>, wanted: Beside) {
        let window = wanted.min(frames.beside()).min(self.0.room());
        // SAFETY: `vmf` is being served. The window is in the area and in the page table of the
        // fault, which is there by the type's invariants, and all its frames are in `frames`.
        unsafe { barium_map_neighbours(self.0.vmf, frames.pfn(), window.before, window.after) };
    }
}

/// A fault where a whole page table could be replaced by one huge entry.
pub(crate) struct HugeFault<'a, T: MappedObject>(Fault<'a, T>);

impl<'a, T: MappedObject> HugeFault<'a, T> {
    /// The object that the mapping shows.
    pub(crate) fn object(&self) -> &'a Object<T> {
        self.0.object()
    }

    /// The device that the object is of. It was registered once, and may be gone.
    pub(crate) fn device(&self) -> &'a drm::Device<T::Driver, drm::Ioctl> {
        self.0.device()
    }

    /// The page of the object at the start of the [`HUGE_SIZE`] bytes around the fault, aligned in
    /// the address space; `None` if those bytes are not all in the area.
    pub(crate) fn first_page(&self) -> Option<PageIndex> {
        let room = self.0.room();
        let PageIndex(page) = self.0.page();
        (room.before + 1 + room.after == PAGES_PER_TABLE)
            .then_some(PageIndex(page.wrapping_sub(room.before)))
    }

    /// Whether the fault is for a write to what is mapped with a huge entry that does not allow it.
    ///
    /// That is so where somebody watches which pages are written to (`/proc/pid/clear_refs`). To
    /// fall back makes the memory manager remove the entry, and what takes its place is made
    /// writable, page by page, by the memory manager itself.
    fn is_mapped(&self) -> bool {
        // SAFETY: `vmf` is being served. This is 0 if it is for what was not mapped.
        unsafe { (*self.0.vmf).__bindgen_anon_2.orig_pmd.pmd != 0 }
    }

    /// Maps [`HUGE_SIZE`] bytes from the frame that `frames` is about on with one entry; falls back
    /// if they are not all there, or not aligned, or if there is such an entry already.
    ///
    /// Call it with the frame that [`Self::first_page`] is backed by, while the device is held
    /// registered.
    #[cfg(all(CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_ARCH_SUPPORTS_PMD_PFNMAP))]
    pub(crate) fn insert(&self, frames: Frames<'_>) -> Outcome {
        let pfn = frames.pfn();
        if pfn % PAGES_PER_TABLE != 0 || frames.beside().after < PAGES_PER_TABLE - 1 {
            return Outcome::FALLBACK;
        }
        if self.is_mapped() {
            return Outcome::FALLBACK;
        }
        self.0.obj.had_huge_entry.store(true, Relaxed);
        // Not as a write: the entry is as writable as the area's protection is. As a write, it
        // would warn if it lost a race against a page being mapped, and after the device is
        // unplugged, pages are mapped here.
        //
        // SAFETY: As in `Fault::insert_pfn()`; `first_page()` gives no page unless the area spans
        // the whole entry.
        Outcome(unsafe { bindings::vmf_insert_pfn_pmd(self.0.vmf, pfn, false) })
    }

    /// This kernel has no huge entries of page frames.
    #[cfg(not(all(CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_ARCH_SUPPORTS_PMD_PFNMAP)))]
    pub(crate) fn insert(&self, _frames: Frames<'_>) -> Outcome {
        Outcome::FALLBACK
    }
}

/// Where an object keeps its page of zeros.
pub(super) type ZeroPageSlot = SetOnce<Page>;

/// The object's page of zeros, which it gets at the first call. May sleep. Errors: `ENOMEM`.
pub(super) fn zero_page<T: MappedObject>(obj: &Object<T>) -> Result<&Page> {
    let slot = &obj.zero_page;
    loop {
        if let Some(page) = slot.as_ref() {
            return Ok(page);
        }
        // A loser of the race frees its page.
        if !slot.populate(Page::alloc_page(GFP_KERNEL | __GFP_ZERO)?) {
            // Another thread is between the two steps of `populate()`.
            fsleep(Delta::from_micros(1));
        }
    }
}

/// The `open` entry of the area's `vm_ops`: called for a copy of an area, at `fork()`, and when an
/// area is split or moved.
///
/// # Safety
///
/// To be called by the memory manager only, for a copy of an area that `mmap_callback` of the same
/// `T` has set up. The copy must be locked for writing, or not be in use yet.
pub(super) unsafe extern "C" fn open_callback<T: MappedObject>(vma: *mut bindings::vm_area_struct) {
    // SAFETY: `vma` is valid, and its private data is the object that the original refers to. This
    // takes the reference that the copy has to hold.
    unsafe { bindings::drm_gem_vm_open(vma) };
    // SAFETY: The private data is an object of this type, and the area now holds a reference to
    // it.
    let obj =
        unsafe { <Object<T> as drm::gem::IntoGEMObject>::from_raw((*vma).vm_private_data.cast()) };
    // SAFETY: `vma` is valid.
    let mm = unsafe { (*vma).vm_mm };
    let is_own = kernel::current!()
        .mm()
        .is_some_and(|own| core::ptr::eq(own.as_raw(), mm));
    if !is_own && obj.had_huge_entry.load(Relaxed) {
        // SAFETY: The area is locked for writing, or nobody else can reach it.
        unsafe { barium_wipe_on_fork(vma) };
    }
}

/// The `fault` entry of the area's `vm_ops`.
///
/// # Safety
///
/// To be called by the memory manager only, for an area that `mmap_callback` of the same `T` has
/// set up.
pub(super) unsafe extern "C" fn fault_callback<T: MappedObject>(
    vmf: *mut bindings::vm_fault,
) -> bindings::vm_fault_t {
    // SAFETY: `vmf` is this callback's argument.
    let fault = unsafe { Fault::<'_, T>::from_raw(vmf) };
    T::fault(&fault).0
}

/// The `huge_fault` entry of the area's `vm_ops`.
///
/// # Safety
///
/// As for [`fault_callback`].
pub(super) unsafe extern "C" fn huge_fault_callback<T: MappedObject>(
    vmf: *mut bindings::vm_fault,
    order: c_uint,
) -> bindings::vm_fault_t {
    if HUGE_SIZE != PAGE_SIZE << order {
        return Outcome::FALLBACK.0;
    }
    // SAFETY: `vmf` is this callback's argument.
    let fault = HugeFault(unsafe { Fault::<'_, T>::from_raw(vmf) });
    T::huge_fault(&fault).0
}

/// The `map_pages` entry of the area's `vm_ops`. It maps nothing: that there is one is what makes
/// the memory manager call `fault` with the lock of one area instead of that of all memory.
///
/// # Safety
///
/// As for [`fault_callback`].
pub(super) unsafe extern "C" fn map_pages_callback(
    _vmf: *mut bindings::vm_fault,
    _first: c_ulong,
    _last: c_ulong,
) -> bindings::vm_fault_t {
    0
}
