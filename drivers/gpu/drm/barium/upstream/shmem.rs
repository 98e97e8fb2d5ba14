// SPDX-License-Identifier: GPL-2.0

//! System memory of an object: the pages of a shmem file, which are allocated one at a time, or all
//! at once in folios ([`ShmemPages::alloc_uninit`]).
//!
//! C header: [`include/linux/shmem_fs.h`](srctree/include/linux/shmem_fs.h)
//!
//! - Upstream today: `drm::gem::shmem` has objects that allocate all pages at the first mapping,
//!   and that cannot also be in VRAM. Nothing else in the kernel crate has shmem files.
//! - The shape it should have: a type for the file, with a method that returns a reference to a
//!   page.
//! - Why this is sound on 7.3: [`ShmemPages`] owns the file. A page enters a slot together with a
//!   reference, and leaves it only while the [`ShmemPages`] is borrowed exclusively or dropped, so
//!   the page is valid as long as the [`ShmemPages`] is borrowed. Only page table entries outlive
//!   the borrow; see [`super::gem::fault`].
//! - Delete when upstream has such a type.
//!
//! The pages are page cache of a file that no program can open. They are charged to the memory
//! cgroup of the task that allocates them. The references and an unevictable mapping keep them in
//! memory until the [`ShmemPages`] is dropped, [`ShmemPages::discard`] frees them, or
//! [`ShmemPages::release`] lets the kernel swap them out.

use super::tmpfs::TmpfsMount;
use crate::units::PageWindow;
use core::{
    mem::MaybeUninit,
    ptr::{
        self,
        NonNull, //
    },
    slice, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    page::{
        BorrowedPage,
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Full,
        Relaxed, //
    }, //
};

// Defined in helpers.c.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_page_to_pfn(page: *mut bindings::page) -> c_ulong;
    fn barium_put_page(page: *mut bindings::page);
    fn barium_shmem_file(
        mnt: *mut bindings::vfsmount,
        size: bindings::loff_t,
    ) -> *mut bindings::file;
    fn barium_shmem_page(
        file: *mut bindings::file,
        index: c_ulong,
        may_fail: bool,
    ) -> *mut bindings::page;
    fn barium_shmem_new_pages(
        file: *mut bindings::file,
        index: c_ulong,
        max: c_ulong,
        count: *mut c_ulong,
    ) -> *mut bindings::page;
    fn barium_shmem_page_written(page: *mut bindings::page);
    fn barium_put_dirty_page(page: *mut bindings::page);
    fn barium_shmem_make_evictable(file: *mut bindings::file);
    fn barium_has_swap() -> bool;
    fn barium_shmem_discard(file: *mut bindings::file);
    fn barium_kmap_page(page: *mut bindings::page) -> *mut c_void;
    fn barium_kunmap_page(address: *mut c_void);
    fn barium_vmap_pages(pages: *const *mut bindings::page, count: c_uint) -> *mut c_void;
    fn barium_vunmap(address: *const c_void);
}

/// The effort to make to allocate a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Reclaim memory, and fail if that is not enough.
    MayFail,
    /// Also invoke the OOM killer.
    OomKill,
}

/// A slot for a page. A filled slot does not change while the slots are shared.
type Slot = Atomic<*mut bindings::page>;

/// The pages of a shmem file, as many as the file has been created for.
///
/// # Invariants
///
/// - `file` is a shmem file to which this object holds a reference. It has one page for each slot.
/// - A slot is null, or points to the page of the file with the slot's index, to which this object
///   holds a reference.
/// - `filled` is the number of slots that are not null.
/// - The bytes of the pages are initialised, except for the [`ShmemPages`] in an [`UninitPages`].
pub(crate) struct ShmemPages {
    file: NonNull<bindings::file>,
    slots: KVVec<Slot>,
    filled: Atomic<usize>,
    /// True if a page may have content although its slot is empty: in the file's page cache or in
    /// swap.
    may_be_swapped: bool,
}

// SAFETY: Files and pages may be used and released by any thread.
unsafe impl Send for ShmemPages {}

// SAFETY: The methods on a shared reference change the slots atomically, and the functions of the
// file may be called by several threads at once.
unsafe impl Sync for ShmemPages {}

impl ShmemPages {
    /// Creates a file of `pages` pages, and allocates none of them. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(pages: usize) -> Result<Self> {
        Self::with_mount(None, pages)
    }

    /// Creates a file of `pages` pages on `mount`, or on the kernel's own mount of tmpfs if that is
    /// `None`, and allocates none of them. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn with_mount(mount: Option<&TmpfsMount>, pages: usize) -> Result<Self> {
        let mut slots = KVVec::with_capacity(pages, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..pages {
            slots.push(Slot::new(ptr::null_mut()), GFP_KERNEL_ACCOUNT)?;
        }
        let size = bindings::loff_t::try_from(pages << PAGE_SHIFT)?;
        let mount = mount.map_or(ptr::null_mut(), TmpfsMount::as_ptr);
        // SAFETY: `mount` is null, or a mount of tmpfs that is valid because it is borrowed. The
        // file takes a reference to it: the mount need not outlive the file.
        let file = from_err_ptr(unsafe { barium_shmem_file(mount, size) }).map_err(|err| {
            match err {
                // `shmem_file_setup()` returns `ENOSPC` if it cannot allocate the inode, and
                // `ENFILE` if the system has too many files. A later attempt may succeed in either
                // case.
                ENOSPC | ENFILE => ENOMEM,
                other => other,
            }
        })?;
        // INVARIANT: The file was created above, with a page for each slot. All slots are null.
        Ok(Self {
            file: NonNull::new(file).ok_or(ENOMEM)?,
            slots,
            filled: Atomic::new(0),
            may_be_swapped: false,
        })
    }

    /// Allocates all pages of a new file without clearing them, in folios as large as the mount
    /// permits and memory has. May sleep.
    ///
    /// # Errors
    ///
    /// - `EINVAL` if the file has had pages before.
    /// - `ENOMEM` if there is no memory: the function does not invoke the OOM killer.
    /// - `ENOSPC` if the system's limit for committed memory is reached.
    pub(crate) fn alloc_uninit(mut self) -> Result<UninitPages> {
        if self.filled() != 0 || self.may_be_swapped {
            return Err(EINVAL);
        }
        if let Err(err) = self.fill_uninit() {
            // Dropping `self` would free them, and their charge, only in the background.
            self.discard();
            return Err(err);
        }
        // INVARIANT: All slots were filled above. `self` has not been shared.
        Ok(UninitPages(self))
    }

    /// Fills the slots, which are all empty, as [`Self::alloc_uninit`] does. On an error, some stay
    /// empty.
    fn fill_uninit(&mut self) -> Result {
        let mut index = 0;
        while index < self.slots.len() {
            let max = self.slots.len() - index;
            let mut count = 0;
            // SAFETY: By the type invariants, `file` is a valid shmem file. The function stores the
            // number of pages, at least 1 and at most `max`.
            let first = from_err_ptr(unsafe {
                barium_shmem_new_pages(self.file.as_ptr(), index, max, &mut count)
            })?;
            for (page, slot) in self.slots.iter_mut().skip(index).take(count).enumerate() {
                // INVARIANT: The pages of a folio are consecutive in the file and in the memory
                // map, so this is the page of the file with the index of the slot. The slot takes
                // over one of the `count` references to the folio. The count grows with the number
                // of filled slots.
                *slot.get_mut() = first.wrapping_add(page);
                *self.filled.get_mut() += 1;
            }
            index += count;
        }
        Ok(())
    }

    /// Returns the number of pages that are in memory.
    pub(crate) fn filled(&self) -> usize {
        self.filled.load(Relaxed)
    }

    /// Returns the page in slot `index`; `None` if there is no such slot or if it is empty.
    #[inline]
    fn page(&self, index: usize) -> Option<NonNull<bindings::page>> {
        // An address dependency orders this load before accesses to the page. `Atomic::load()`
        // calls a helper.
        //
        // SAFETY: The pointer of the slot is valid, and `fill()` replaces it atomically.
        NonNull::new(unsafe { self.slots.get(index)?.as_ptr().read_volatile() })
    }

    /// Returns page `index`, with the slots of the other pages; `None` if the page is not allocated
    /// or if there is no such page. Takes no lock.
    #[inline]
    pub(crate) fn range(&self, index: usize) -> Option<PageRange<'_>> {
        let page = self.page(index)?;
        // INVARIANT: Slot `index` contains `page`, and is filled.
        Some(PageRange {
            slots: &self.slots,
            index,
            page,
        })
    }

    /// Allocates page `index`, filled with zeros, or reads it from swap, unless it is in memory.
    /// May sleep.
    ///
    /// # Errors
    ///
    /// - `EINVAL` if there is no such page.
    /// - `EIO` if the kernel cannot read it from swap.
    /// - `ENOMEM` if there is no memory.
    /// - `ENOSPC` if the system's limit for committed memory is reached.
    pub(crate) fn fill(&self, index: usize, effort: Effort) -> Result {
        let slot = self.slots.get(index).ok_or(EINVAL)?;
        if self.page(index).is_some() {
            return Ok(());
        }
        // SAFETY: By the type invariants, `file` is a valid shmem file.
        let page = from_err_ptr(unsafe {
            barium_shmem_page(self.file.as_ptr(), index, effort == Effort::MayFail)
        })?;
        // INVARIANT: The page is the one of the file with this index. The slot takes over the
        // reference. The count grows with the number of filled slots.
        if slot.cmpxchg(ptr::null_mut(), page, Full).is_ok() {
            self.filled.add(1, Relaxed);
        } else {
            // SAFETY: `barium_shmem_page()` returned this reference. The slot has another one.
            unsafe { barium_put_page(page) };
        }
        Ok(())
    }

    /// Frees all pages. May sleep.
    ///
    /// Dropping the [`ShmemPages`] also frees them, but only when the kernel closes the file, which
    /// it does in the background.
    pub(crate) fn discard(&mut self) {
        self.put_pages(barium_put_page);
        self.may_be_swapped = false;
        // SAFETY: By the type invariants, `file` is a valid shmem file.
        unsafe { barium_shmem_discard(self.file.as_ptr()) };
    }

    /// Lets the kernel swap all pages out. Returns the number of pages that were in memory. May
    /// sleep.
    ///
    /// [`Self::fill`] reads a page back.
    pub(crate) fn release(&mut self) -> usize {
        let released = self.filled();
        self.put_pages(barium_put_dirty_page);
        self.may_be_swapped = true;
        // SAFETY: By the type invariants, `file` is a valid shmem file.
        unsafe { barium_shmem_make_evictable(self.file.as_ptr()) };
        released
    }

    /// Returns true if a page whose slot is empty may have other content than zeros.
    pub(crate) fn may_be_swapped(&self) -> bool {
        self.may_be_swapped
    }

    /// Calls `put`, which puts a reference, for each page, and empties the slots.
    fn put_pages(&mut self, put: unsafe extern "C" fn(*mut bindings::page)) {
        for slot in &mut self.slots {
            // INVARIANT: The slot becomes null. At the end of the loop, all slots are null.
            let page = core::mem::replace(slot.get_mut(), ptr::null_mut());
            if !page.is_null() {
                // SAFETY: By the type invariants, the slot owned a reference to the page.
                unsafe { put(page) };
            }
        }
        *self.filled.get_mut() = 0;
    }

    /// Returns a scatter-gather list of all pages, for a device that `dev` shares them with. The
    /// caller owns the list, and must not use it any more once the [`ShmemPages`] is dropped. May
    /// sleep.
    ///
    /// # Errors
    ///
    /// `ENOENT` if not all pages are allocated; `ENOMEM`.
    ///
    /// # Safety
    ///
    /// `dev` must be a valid device.
    pub(super) unsafe fn sg_table(
        &self,
        dev: *mut bindings::drm_device,
    ) -> Result<NonNull<bindings::sg_table>> {
        if self.filled() != self.slots.len() {
            return Err(ENOENT);
        }
        let pages = self.slots.as_ptr().cast_mut().cast::<*mut bindings::page>();
        // SAFETY: By the safety requirements, `dev` is valid. By the type invariants, no slot is
        // null, so no slot changes any more, and `Atomic` has the layout of the pointer in it. The
        // function only reads the slots.
        let list = from_err_ptr(unsafe {
            bindings::drm_prime_pages_to_sg(dev, pages, self.slots.len().try_into()?)
        })?;
        NonNull::new(list).ok_or(ENOMEM)
    }

    /// Allocates all pages, as [`Self::fill`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Self::fill`].
    pub(crate) fn fill_all(&self, effort: Effort) -> Result {
        (0..self.slots.len()).try_for_each(|index| self.fill(index, effort))
    }

    /// Calls `with` with the bytes of page `index`; returns `None` if it is not allocated.
    ///
    /// The pages of a placement record are mapped only while the record is published, when there is
    /// no exclusive reference to it.
    pub(crate) fn with_page<R>(
        &mut self,
        index: usize,
        with: impl FnOnce(&mut [u8; PAGE_SIZE]) -> R,
    ) -> Option<R> {
        let page = self.page(index)?;
        // SAFETY: By the type invariants, the slot holds a reference to the page.
        let address = unsafe { barium_kmap_page(page.as_ptr()) };
        // SAFETY: The page is mapped until `barium_kunmap_page()`. Its bytes are initialised, and
        // nothing else accesses them, as this object is borrowed exclusively.
        let result = with(unsafe { &mut *address.cast() });
        // SAFETY: `barium_kmap_page()` returned the address. It is the last page that this thread
        // has mapped, unless `with` has mapped others, which it has unmapped.
        unsafe { barium_kunmap_page(address) };
        Some(result)
    }

    /// Maps all pages in the kernel, one after the other.
    ///
    /// # Errors
    ///
    /// `EINVAL` if a page is not allocated; `ENOMEM`.
    ///
    /// # Safety
    ///
    /// The caller must drop the mapping before this object is dropped.
    pub(super) unsafe fn vmap(&self) -> Result<ShmemMap> {
        if self.filled() != self.slots.len() {
            return Err(EINVAL);
        }
        let slots = self.slots.as_ptr().cast::<*mut bindings::page>();
        // SAFETY: `Atomic` is transparent. By the type invariants, no slot is null, so none
        // changes.
        let start = unsafe { barium_vmap_pages(slots, c_uint::try_from(self.slots.len())?) };
        // INVARIANT: The pages were mapped above.
        Ok(ShmemMap {
            start: NonNull::new(start).ok_or(ENOMEM)?,
            len: self.slots.len() << PAGE_SHIFT,
        })
    }

    /// Fills `buf` with the bytes from byte `in_page` of page `index` on. The bytes of a page that
    /// is not in memory are zeros; see [`Self::may_be_swapped`].
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range does not lie in the page.
    pub(crate) fn read(&self, index: usize, in_page: usize, buf: &mut [u8]) -> Result {
        match self.page(index) {
            // SAFETY: `buf` is valid for its length. If a process writes to the page concurrently,
            // each byte is the old or the new one, and both are valid.
            Some(page) => unsafe { borrowed(&page).read_raw(buf.as_mut_ptr(), in_page, buf.len()) },
            None => {
                buf.fill(0);
                Ok(())
            }
        }
    }

    /// Writes `buf` to the bytes from byte `in_page` of page `index` on.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the range does not lie in the page; `ENOENT` if the page is not allocated.
    pub(crate) fn write(&self, index: usize, in_page: usize, buf: &[u8]) -> Result {
        let page = self.page(index).ok_or(ENOENT)?;
        // SAFETY: `buf` is valid for its length. If a process accesses the page concurrently, it
        // reads the old or the new byte, and both are valid.
        unsafe { borrowed(&page).write_raw(buf.as_ptr(), in_page, buf.len()) }
    }
}

/// The pages of a new file, all of which are allocated. Their bytes are those that the memory had
/// before it was freed.
///
/// # Invariants
///
/// No slot is empty. Nothing else has access to the pages.
pub(crate) struct UninitPages(ShmemPages);

impl UninitPages {
    /// Calls `init` with the number and the bytes of each page, in ascending order. `init` returns
    /// these bytes once it has initialised all of them.
    ///
    /// # Errors
    ///
    /// The error of `init`; `EINVAL` if it returns other bytes.
    pub(crate) fn init(
        self,
        mut init: impl for<'p> FnMut(usize, &'p mut [MaybeUninit<u8>]) -> Result<&'p mut [u8]>,
    ) -> Result<ShmemPages> {
        let pages = self.0;
        for index in 0..pages.slots.len() {
            let page = pages.page(index).ok_or(EINVAL)?;
            // SAFETY: By the type invariants, the slot holds a reference to the page.
            let address = unsafe { barium_kmap_page(page.as_ptr()) };
            let start = address.cast::<MaybeUninit<u8>>();
            // SAFETY: The page is mapped until `barium_kunmap_page()`. By the type invariants,
            // nothing else accesses it. Its bytes need not be initialised.
            let bytes = unsafe { slice::from_raw_parts_mut(start, PAGE_SIZE) };
            let initialised = init(index, bytes).map(|bytes| (bytes.as_ptr(), bytes.len()));
            // SAFETY: `barium_kmap_page()` returned the address. It is the last page that this
            // thread has mapped, unless `init` has mapped others, which it has unmapped.
            unsafe { barium_kunmap_page(address) };
            // Bytes of this length at this address are those of the page.
            if initialised? != (address.cast_const().cast(), PAGE_SIZE) {
                return Err(EINVAL);
            }
        }
        for index in 0..pages.slots.len() {
            let page = pages.page(index).ok_or(EINVAL)?;
            // SAFETY: By the type invariants, the slot holds a reference to the page.
            unsafe { barium_shmem_page_written(page.as_ptr()) };
        }
        // INVARIANT: All bytes of all pages were initialised above.
        Ok(pages)
    }
}

/// A mapping of all pages in the kernel.
///
/// # Invariants
///
/// `barium_vmap_pages()` has returned `start`, for `len` bytes.
pub(super) struct ShmemMap {
    start: NonNull<c_void>,
    len: usize,
}

// SAFETY: Any thread may use and unmap the mapping.
unsafe impl Send for ShmemMap {}

// SAFETY: The methods on a shared reference do not access the memory.
unsafe impl Sync for ShmemMap {}

impl ShmemMap {
    /// Returns the address of the first byte.
    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.start.as_ptr()
    }

    /// Returns the size of the mapping in bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for ShmemMap {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this object owns the mapping.
        unsafe { barium_vunmap(self.start.as_ptr()) };
    }
}

/// Returns `page`, which is in a slot, as the kernel crate's type.
fn borrowed(page: &NonNull<bindings::page>) -> BorrowedPage<'_> {
    // SAFETY: The callers got the page from a slot of a `ShmemPages` that they borrow. By the type
    // invariants, that object holds a reference to the page.
    unsafe { BorrowedPage::from_raw(*page) }
}

/// Returns true if the kernel has swap to which it could write pages.
pub(crate) fn has_swap() -> bool {
    // SAFETY: The function has no preconditions.
    unsafe { barium_has_swap() }
}

impl Drop for ShmemPages {
    fn drop(&mut self) {
        self.put_pages(barium_put_page);
        // SAFETY: By the type invariants, this object owns a reference to the file.
        unsafe { bindings::fput(self.file.as_ptr()) };
    }
}

/// A page of system memory, with the slots of the pages before and after it.
///
/// # Invariants
///
/// `slots` are those of a [`ShmemPages`] that is alive for `'a`. Slot `index` contains `page`.
#[derive(Clone, Copy)]
pub(crate) struct PageRange<'a> {
    slots: &'a [Slot],
    index: usize,
    page: NonNull<bindings::page>,
}

impl PageRange<'_> {
    /// Returns the PFN of the page.
    #[inline]
    pub(super) fn pfn(self) -> usize {
        // SAFETY: By the type invariants, `page` is a page to which a slot holds a reference.
        unsafe { barium_page_to_pfn(self.page.as_ptr()) }
    }

    /// Returns the slot of the page, and the numbers of slots before and after it.
    #[inline]
    pub(super) fn slot(self) -> (*const *mut bindings::page, PageWindow) {
        let window = PageWindow {
            before: self.index,
            after: self.slots.len() - 1 - self.index,
        };
        (self.slots[self.index].as_ptr(), window)
    }
}

#[kunit_tests(barium_shmem)]
mod tests {
    use super::*;
    use kernel::sizes::SZ_2M;

    #[test]
    fn pages_are_allocated_one_at_a_time() -> Result {
        let pages = ShmemPages::new(3)?;
        assert_eq!(pages.filled(), 0);
        assert!(pages.range(1).is_none());
        pages.fill(1, Effort::OomKill)?;
        pages.fill(1, Effort::MayFail)?;
        assert_eq!(pages.filled(), 1);
        assert!(pages.range(0).is_none());
        assert!(pages.range(1).is_some());
        assert!(pages.range(2).is_none());
        Ok(())
    }

    /// Initialises `bytes` with `byte`, and returns them.
    fn filled(bytes: &mut [MaybeUninit<u8>], byte: u8) -> &mut [u8] {
        bytes.fill(MaybeUninit::new(byte));
        // SAFETY: All bytes were initialised above.
        unsafe { slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len()) }
    }

    #[test]
    fn new_pages_have_the_bytes_that_init_writes() -> Result {
        let mut next = 0;
        let pages = ShmemPages::new(3)?.alloc_uninit()?.init(|index, bytes| {
            assert_eq!(index, next);
            next += 1;
            Ok(filled(bytes, u8::try_from(index)?))
        })?;
        assert_eq!(pages.filled(), 3);
        for index in 0..3 {
            let mut bytes = [9; 2];
            pages.read(index, PAGE_SIZE - 2, &mut bytes)?;
            assert_eq!(bytes, [u8::try_from(index)?; 2]);
        }
        Ok(())
    }

    #[test]
    fn pages_of_folios_outlive_the_mount() -> Result {
        let mount = match TmpfsMount::with_huge_pages() {
            Err(EOPNOTSUPP) => return Ok(()),
            mount => mount?,
        };
        let count = SZ_2M / PAGE_SIZE + 3;
        let byte = |index| u8::try_from(index % 251);
        let mut pages = ShmemPages::with_mount(Some(&mount), count)?
            .alloc_uninit()?
            .init(|index, bytes| Ok(filled(bytes, byte(index)?)))?;
        drop(mount);
        assert_eq!(pages.filled(), count);
        let mut buf = [0; 1];
        for index in 0..count {
            pages.read(index, PAGE_SIZE - 1, &mut buf)?;
            assert_eq!(buf, [byte(index)?]);
        }
        pages.discard();
        assert_eq!(pages.filled(), 0);
        pages.fill(count - 1, Effort::OomKill)?;
        pages.read(count - 1, 0, &mut buf)?;
        assert_eq!(buf, [0]);
        Ok(())
    }

    #[test]
    fn init_must_return_all_bytes_of_the_page() -> Result {
        let part = ShmemPages::new(1)?.alloc_uninit()?.init(|_, bytes| {
            let (first, _) = bytes.split_at_mut(PAGE_SIZE - 1);
            Ok(filled(first, 1))
        });
        assert_eq!(part.err(), Some(EINVAL));
        let failed = ShmemPages::new(1)?.alloc_uninit()?.init(|_, _| Err(ERANGE));
        assert_eq!(failed.err(), Some(ERANGE));
        Ok(())
    }

    #[test]
    fn only_a_new_file_gets_uninitialised_pages() -> Result {
        let pages = ShmemPages::new(2)?;
        pages.fill(1, Effort::OomKill)?;
        assert_eq!(pages.alloc_uninit().err(), Some(EINVAL));
        let mut pages = ShmemPages::new(2)?;
        pages.fill(1, Effort::OomKill)?;
        pages.release();
        assert_eq!(pages.alloc_uninit().err(), Some(EINVAL));
        Ok(())
    }

    #[test]
    fn discarded_pages_are_zeros_again() -> Result {
        let mut pages = ShmemPages::new(2)?;
        pages.fill_all(Effort::OomKill)?;
        pages.write(1, 0, &[7])?;
        pages.discard();
        assert_eq!(pages.filled(), 0);
        assert!(pages.range(1).is_none());
        let mut byte = [1];
        pages.fill(1, Effort::OomKill)?;
        pages.read(1, 0, &mut byte)?;
        assert_eq!(byte, [0]);
        Ok(())
    }

    #[test]
    fn released_pages_keep_their_content() -> Result {
        let mut pages = ShmemPages::new(2)?;
        pages.fill(1, Effort::OomKill)?;
        pages.write(1, 0, &[7])?;
        assert!(!pages.may_be_swapped());
        assert_eq!(pages.release(), 1);
        assert_eq!(pages.filled(), 0);
        assert!(pages.range(1).is_none());
        assert!(pages.may_be_swapped());
        let mut byte = [0];
        pages.fill(1, Effort::OomKill)?;
        pages.read(1, 0, &mut byte)?;
        assert_eq!(byte, [7]);
        pages.release();
        pages.discard();
        pages.fill(1, Effort::OomKill)?;
        pages.read(1, 0, &mut byte)?;
        assert_eq!(byte, [0]);
        Ok(())
    }

    #[test]
    fn there_is_no_page_past_the_end() -> Result {
        let pages = ShmemPages::new(3)?;
        assert_eq!(pages.fill(3, Effort::OomKill).err(), Some(EINVAL));
        assert_eq!(pages.fill(usize::MAX, Effort::OomKill).err(), Some(EINVAL));
        assert!(pages.range(3).is_none());
        assert_eq!(pages.filled(), 0);
        Ok(())
    }

    #[test]
    fn all_pages_are_mapped_in_order() -> Result {
        let mut pages = ShmemPages::new(3)?;
        // SAFETY: The mapping is dropped below, if there is one.
        assert!(unsafe { pages.vmap() }.is_err());
        pages.fill_all(Effort::OomKill)?;
        for index in 0..3 {
            let byte = u8::try_from(index)?;
            assert!(pages.with_page(index, |bytes| bytes.fill(byte)).is_some());
        }
        assert!(pages.with_page(3, |_| ()).is_none());
        // SAFETY: The mapping is dropped before the pages.
        let map = unsafe { pages.vmap() }?;
        assert_eq!(map.len(), 3 * PAGE_SIZE);
        for index in 0..3 {
            let at = map
                .as_ptr()
                .cast::<u8>()
                .wrapping_add(index * PAGE_SIZE + 5);
            // SAFETY: The mapping has three pages.
            assert_eq!(usize::from(unsafe { at.read() }), index);
        }
        drop(map);
        Ok(())
    }

    #[test]
    fn a_range_counts_the_pages_beside_it() -> Result {
        let pages = ShmemPages::new(5)?;
        pages.fill(3, Effort::OomKill)?;
        let (_, window) = pages.range(3).ok_or(EINVAL)?.slot();
        assert_eq!((window.before, window.after), (3, 1));
        Ok(())
    }

    #[test]
    fn bytes_are_zero_until_written() -> Result {
        let pages = ShmemPages::new(2)?;
        let mut buf = [1; 8];
        pages.read(1, PAGE_SIZE - 8, &mut buf)?;
        assert_eq!(buf, [0; 8]);
        assert_eq!(pages.write(1, 0, &buf).err(), Some(ENOENT));
        pages.fill(1, Effort::OomKill)?;
        buf = [1; 8];
        pages.read(1, PAGE_SIZE - 8, &mut buf)?;
        assert_eq!(buf, [0; 8]);
        pages.write(1, 16, b"barium!!")?;
        pages.read(1, 16, &mut buf)?;
        assert_eq!(&buf, b"barium!!");
        Ok(())
    }

    /// Returns the PFNs of the pages in `list`.
    ///
    /// # Safety
    ///
    /// `list` must be a valid list of whole pages, short enough for one array.
    unsafe fn pfns(list: NonNull<bindings::sg_table>) -> Result<KVec<usize>> {
        let mut pfns = KVec::new();
        // SAFETY: By the safety requirements, the list is valid.
        let (entries, count) = unsafe { (list.as_ref().sgl, list.as_ref().orig_nents) };
        for i in 0..usize::try_from(count)? {
            // SAFETY: The array has `orig_nents` entries.
            let entry = unsafe { &*entries.add(i) };
            // The lowest bits of the link are flags.
            let page = (entry.page_link & !3) as *mut bindings::page;
            // SAFETY: The entry points to a page.
            let first = unsafe { barium_page_to_pfn(page) };
            for page in 0..usize::try_from(entry.length)? >> PAGE_SHIFT {
                pfns.push(first + page, GFP_KERNEL)?;
            }
        }
        Ok(pfns)
    }

    #[test]
    fn a_list_has_all_pages_in_order() -> Result {
        let pages = ShmemPages::new(9)?;
        for index in [3, 0, 8, 1, 2, 7, 5, 4] {
            pages.fill(index, Effort::OomKill)?;
        }
        // SAFETY: The list is not created, so the device is not used.
        let incomplete = unsafe { pages.sg_table(ptr::null_mut()) };
        assert_eq!(incomplete.err(), Some(ENOENT));
        pages.fill(6, Effort::OomKill)?;
        // SAFETY: Without a device, `drm_prime_pages_to_sg()` does not limit the size of an entry.
        let list = unsafe { pages.sg_table(ptr::null_mut())? };
        // SAFETY: The list is valid, and at most as long as the object has pages.
        let pfns = unsafe { pfns(list) };
        // SAFETY: `sg_table()` returned the list, and nothing else uses it.
        unsafe {
            bindings::sg_free_table(list.as_ptr());
            bindings::kfree(list.as_ptr().cast());
        }
        let pfns = pfns?;
        assert_eq!(pfns.len(), 9);
        for (index, pfn) in pfns.iter().enumerate() {
            assert_eq!(pages.range(index).map(PageRange::pfn), Some(*pfn));
        }
        Ok(())
    }
}
