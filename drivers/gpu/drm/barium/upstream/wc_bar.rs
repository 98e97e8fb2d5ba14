// SPDX-License-Identifier: GPL-2.0

//! A PCI BAR that holds memory, claimed and mapped write-combining.
//!
//! C headers: [`include/linux/pci.h`](srctree/include/linux/pci.h),
//! [`include/linux/io.h`](srctree/include/linux/io.h)
//!
//! - Upstream today: [`pci::Bar`] maps with `pci_iomap()`, which is UC-. On x86 the first mapping
//!   of a range decides its memory type (PAT), so a BAR that is mapped this way cannot be mapped
//!   write-combining later, neither in the kernel nor for users.
//! - The shape it should have: `pci::Bar` with the memory type in its type, where only a WC bar
//!   returns PFNs for user mappings.
//! - Why this is sound on 7.3: [`WcBar`] claims the region first, so no other driver maps it, and
//!   `ioremap_wc()` registers the memory type of the whole BAR for as long as the mapping exists.
//!   Every access is checked against the length. A [`WcBar`] borrows the bound device, so it is
//!   dropped before the device is unbound. What it hands out borrows the [`WcBar`], except for a
//!   [`VMap`], for which dropping the [`WcBar`] waits.
//! - Delete when `pci::Bar` can do this.
//!
//! # Mappings that outlive the borrow
//!
//! A [`VMap`] stays valid until dropped, even during unbind: dropping the [`WcBar`] waits for the
//! last one. By then the DRM device has been unplugged, so nobody gets a new one: a client of the
//! kernel that lives on, as fbdev does while `/dev/fb0` is open, gets system memory. Clients keep a
//! [`VMap`] for one update of the screen, under locks that unbinding does not hold, and other
//! drivers get none (gem/prime.rs). So the wait is short. If a user did keep its map, the driver
//! would stay bound, instead of that user writing to an address that is not mapped.

use super::{
    raw,
    zero_io::zero_io, //
};
use crate::units::PageWindow;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    device::Bound,
    new_condvar,
    new_mutex,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    pci,
    prelude::*,
    sync::{
        barrier,
        Arc,
        CondVar,
        Mutex, //
    }, //
};

// Defined in helpers.c.
extern "C" {
    fn barium_is_write_combining(base: *mut c_void) -> bool;
}

/// Contiguous PFNs of device memory, seen from one of them, the first to be inserted.
///
/// # Invariants
///
/// `pfn`, the `window.before` PFNs before it and the `window.after` PFNs after it are those of
/// whole pages of a BAR that a [`WcBar`], alive for `'a`, has claimed.
#[derive(Clone, Copy)]
pub(crate) struct PfnRange<'a> {
    pfn: usize,
    window: PageWindow,
    _bar: PhantomData<&'a WcBar<'a>>,
}

impl PfnRange<'_> {
    /// Returns the PFN from which the range is seen.
    #[inline]
    pub(super) fn pfn(self) -> usize {
        self.pfn
    }

    /// Returns how many PFNs the range has before and after that one.
    #[inline]
    pub(super) fn window(self) -> PageWindow {
        self.window
    }
}

/// The number of [`VMap`]s of a BAR.
#[pin_data]
struct Users {
    #[pin]
    count: Mutex<usize>,
    #[pin]
    none_left: CondVar,
}

/// A part of a BAR, mapped in the kernel, which stays valid until dropped.
///
/// # Invariants
///
/// The `len` bytes from `start` on stay mapped and claimed as long as this object exists: `users`
/// counts it.
pub(crate) struct VMap {
    start: *mut c_void,
    len: usize,
    users: Arc<Users>,
}

// SAFETY: A kernel mapping is the same for all threads.
unsafe impl Send for VMap {}

// SAFETY: The methods on a shared reference only return the address and the length.
unsafe impl Sync for VMap {}

impl VMap {
    /// Returns the address of the first byte. It is device memory.
    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.start
    }

    /// Returns the number of bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for VMap {
    fn drop(&mut self) {
        let mut count = self.users.count.lock();
        *count -= 1;
        if *count == 0 {
            self.users.none_left.notify_all();
        }
    }
}

/// A part of a BAR, mapped in the kernel for as long as the BAR is claimed.
///
/// # Invariants
///
/// The `len` bytes from `start` on are in the mapping of a [`WcBar`] that is alive for `'a`.
pub(crate) struct BarPart<'a> {
    start: *mut c_void,
    len: usize,
    _bar: PhantomData<&'a WcBar<'a>>,
}

impl BarPart<'_> {
    /// Returns the address of the first byte. It is device memory.
    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.start
    }

    /// Returns the number of bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

/// A memory BAR, claimed for this driver and mapped write-combining in the kernel.
///
/// # Examples
///
/// ```
/// # use crate::upstream::wc_bar::WcBar;
/// # use kernel::{device::Bound, page::PAGE_SIZE, pci, prelude::*};
/// # fn probe(pdev: &pci::Device<Bound>) -> Result {
/// let bar = WcBar::new(pdev, 0, c"vram")?;
/// bar.clear(0, PAGE_SIZE)?;
/// bar.write(16, b"hello")?;
/// # Ok(())
/// # }
/// ```
///
/// # Invariants
///
/// - BAR `index` of `pdev` is requested by this object alone, starts at physical address `phys`
///   and has `len` bytes; `phys` is page aligned.
/// - `base` is its `ioremap_wc()` mapping, for all `len` bytes, until this object is dropped.
pub(crate) struct WcBar<'a> {
    pdev: &'a pci::Device<Bound>,
    index: i32,
    phys: usize,
    len: usize,
    base: NonNull<c_void>,
    users: Arc<Users>,
}

// SAFETY: A kernel mapping and a claimed region are the same for all threads.
unsafe impl Send for WcBar<'_> {}

// SAFETY: The methods on a shared reference access device memory only through the kernel's I/O
// functions and through stores in assembly, which may run on several CPUs at the same time. Racing
// stores leave any of the values in that memory, to which no Rust reference is ever made.
unsafe impl Sync for WcBar<'_> {}

impl<'a> WcBar<'a> {
    /// Claims BAR `index` of `pdev` under `name` and maps all of it.
    ///
    /// If the BAR cannot be mapped write-combining, it is mapped uncached, and the log says so.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there is no such BAR; `ENODEV` if it is empty or does not start at a page;
    /// `EBUSY` if it is claimed already; `ENOMEM` if the kernel cannot map it.
    pub(crate) fn new(
        pdev: &'a pci::Device<Bound>,
        index: u32,
        name: &'static CStr,
    ) -> Result<Self> {
        let phys = usize::try_from(pdev.resource_start(index)?)?;
        let len = usize::try_from(pdev.resource_len(index)?)?;
        if len == 0 || phys % PAGE_SIZE != 0 {
            return Err(ENODEV);
        }
        let index = i32::try_from(index)?;
        let pci_dev = raw::pci_dev(pdev);
        let users = Arc::pin_init(
            pin_init!(Users {
                count <- new_mutex!(0),
                none_left <- new_condvar!(),
            }),
            GFP_KERNEL,
        )?;

        // SAFETY: `pci_dev` is a bound device, `resource_len()` has checked that `index` is one of
        // its BARs, and `name` is static.
        if unsafe { bindings::pci_request_region(pci_dev, index, name.as_char_ptr()) } != 0 {
            return Err(EBUSY);
        }
        // SAFETY: `ioremap_wc()` wants a range that is not RAM, and a BAR is none. The region was
        // claimed above, so no driver uses the BAR with another memory type. If userspace has
        // mapped it through sysfs before, that mapping decides the memory type, or `ioremap_wc()`
        // fails.
        let base = unsafe { bindings::ioremap_wc(phys.try_into()?, len) };
        let Some(base) = NonNull::new(base) else {
            // SAFETY: The region was claimed above, and nothing uses it.
            unsafe { bindings::pci_release_region(pci_dev, index) };
            return Err(ENOMEM);
        };

        // SAFETY: `base` is what `ioremap_wc()` has just returned.
        if !unsafe { barium_is_write_combining(base.as_ptr()) } {
            dev_notice!(
                pdev,
                "BAR {index} is not write-combining, because it is mapped otherwise already or \
                 the CPU has no PAT: drawing will be slow\n"
            );
        }

        // INVARIANT: Claimed and mapped just now; undone in `drop()` only.
        Ok(Self {
            pdev,
            index,
            phys,
            len,
            base,
            users,
        })
    }

    /// Returns the PFNs of the `pages` pages from byte `offset` of the BAR on, seen from page
    /// `index` of them; `None` if there is no such page, `offset` is not page aligned, or not all
    /// the pages are in the BAR.
    #[inline]
    pub(crate) fn pfn_range(
        &self,
        offset: usize,
        pages: usize,
        index: usize,
    ) -> Option<PfnRange<'_>> {
        let behind = self.len.saturating_sub(offset) >> PAGE_SHIFT;
        if offset % PAGE_SIZE != 0 || pages > behind || index >= pages {
            return None;
        }
        // INVARIANT: It was just checked that the pages are in the BAR. The range borrows `self`.
        Some(PfnRange {
            pfn: ((self.phys + offset) >> PAGE_SHIFT) + index,
            window: PageWindow {
                before: index,
                after: pages - 1 - index,
            },
            _bar: PhantomData,
        })
    }

    /// Returns the kernel's address for `[offset, offset + len)`.
    ///
    /// # Errors
    ///
    /// `ERANGE` if not all of it is in the BAR.
    fn at(&self, offset: usize, len: usize) -> Result<*mut c_void> {
        if offset > self.len || len > self.len - offset {
            return Err(ERANGE);
        }
        Ok(self.base.as_ptr().wrapping_byte_add(offset))
    }

    /// Returns the `len` bytes from `offset` on. Takes no lock.
    ///
    /// # Errors
    ///
    /// `ERANGE` if not all of them are in the BAR.
    pub(crate) fn part(&self, offset: usize, len: usize) -> Result<BarPart<'_>> {
        // INVARIANT: `at()` checks that the range is in the mapping. The part borrows `self`.
        Ok(BarPart {
            start: self.at(offset, len)?,
            len,
            _bar: PhantomData,
        })
    }

    /// Returns the `len` bytes from `offset` on, for a user that may keep them for longer than the
    /// borrow.
    ///
    /// # Errors
    ///
    /// `ERANGE` if not all of them are in the BAR.
    pub(crate) fn vmap(&self, offset: usize, len: usize) -> Result<VMap> {
        let start = self.at(offset, len)?;
        *self.users.count.lock() += 1;
        // INVARIANT: `at()` checks that the range is in the mapping. The map was just counted, and
        // `drop()` waits for all that are.
        Ok(VMap {
            start,
            len,
            users: self.users.clone(),
        })
    }

    /// Fills the `len` bytes from `offset` on with zeros. They are in the device when this returns.
    ///
    /// # Errors
    ///
    /// `ERANGE` if not all of them are in the BAR.
    pub(crate) fn clear(&self, offset: usize, len: usize) -> Result {
        let start = self.at(offset, len)?;
        // SAFETY: `at()` checks that the range is in the mapping.
        unsafe { zero_io(start, len) };
        flush_write_combining();
        Ok(())
    }

    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// `ERANGE` if not all of them are in the BAR.
    pub(crate) fn read(&self, offset: usize, buf: &mut [u8]) -> Result {
        let start = self.at(offset, buf.len())?;
        // SAFETY: `at()` checks that the source is in the mapping, and the destination is a slice
        // of the same length.
        unsafe { bindings::memcpy_fromio(buf.as_mut_ptr().cast(), start, buf.len()) };
        Ok(())
    }

    /// Writes `buf` to the bytes from `offset` on. They are in the device when this returns.
    ///
    /// # Errors
    ///
    /// `ERANGE` if not all of them are in the BAR.
    pub(crate) fn write(&self, offset: usize, buf: &[u8]) -> Result {
        let start = self.at(offset, buf.len())?;
        // SAFETY: `at()` checks that the destination is in the mapping, and the source is a slice
        // of the same length.
        unsafe { bindings::memcpy_toio(start, buf.as_ptr().cast(), buf.len()) };
        flush_write_combining();
        Ok(())
    }
}

impl Drop for WcBar<'_> {
    fn drop(&mut self) {
        let mut count = self.users.count.lock();
        if *count != 0 {
            dev_info!(
                self.pdev,
                "waiting for the last of {} kernel mappings of BAR {}\n",
                *count,
                self.index
            );
        }
        while *count != 0 {
            self.users.none_left.wait(&mut count);
        }
        drop(count);
        // SAFETY: By the type invariants, `base` is the `ioremap_wc()` mapping of this object.
        // Whatever uses it either borrows `self`, or is a `VMap`, of which there is none left;
        // `vmap()`, which makes them, borrows `self`.
        unsafe { bindings::iounmap(self.base.as_ptr()) };
        // SAFETY: By the type invariants, this object has claimed the region.
        unsafe { bindings::pci_release_region(raw::pci_dev(self.pdev), self.index) };
    }
}

/// Drains the write-combining buffers of this CPU. Without this, another CPU could read the memory
/// before the stores have reached it.
fn flush_write_combining() {
    barrier::mb(barrier::Write);
}
