// SPDX-License-Identifier: GPL-2.0

//! A PCI BAR that holds memory, claimed and mapped write-combining.
//!
//! C headers: [`include/linux/pci.h`](srctree/include/linux/pci.h),
//! [`include/linux/io.h`](srctree/include/linux/io.h)
//!
//! - Upstream today: [`pci::Bar`] maps with `pci_iomap()`, which is UC-. On x86 the first mapping
//!   of a range decides its memory type (PAT), so a BAR that is mapped this way cannot be mapped
//!   write-combining later, neither in the kernel nor by userspace.
//! - The shape it should have: `pci::Bar` with the memory type as a type parameter, so that only a
//!   write-combining BAR returns PFNs for user mappings.
//! - Why this is sound on 7.3: a [`WcBar`] exists only while its device is bound to this driver, so
//!   no other PCI driver uses the BAR, and `ioremap_wc()` reserves the memory type of the whole BAR
//!   for as long as the mapping exists. If the BAR is mapped uncached before, by userspace through
//!   sysfs or by a driver of the firmware's framebuffer, it stays uncached, and [`WcBar::new`] logs
//!   that. Each access is checked against the length of the BAR. A [`WcBar`] borrows the bound
//!   device, so it is dropped before the device is unbound. [`PfnRange`] and [`BarPart`] borrow the
//!   [`WcBar`]; dropping the [`WcBar`] waits until each [`VMap`] is dropped.
//! - Delete when `pci::Bar` can do this.
//!
//! # Mappings that outlive the borrow
//!
//! A [`VMap`] stays valid until dropped, even during unbind: dropping the [`WcBar`] waits for the
//! last one. By then the DRM device has been unplugged, so no new [`VMap`] is created: an in-kernel
//! client that still exists, such as fbdev while `/dev/fb0` is open, gets system memory. Clients
//! hold a [`VMap`] for one update of the screen, under locks that unbind does not hold, and other
//! drivers get none (gem/prime.rs). So the wait is short. If a client never dropped its [`VMap`],
//! unbind would hang, but the client would not access an unmapped address.

use super::{
    raw,
    shared_bytes::SharedBytes,
    zero_io::zero_io, //
};
use crate::units::PageWindow;
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr::NonNull,
    slice, //
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
    fn barium_ioremap_wc(phys: bindings::phys_addr_t, len: usize) -> *mut c_void;
    fn barium_is_write_combining(base: *mut c_void) -> bool;
}

/// A PFN of device memory, with the numbers of contiguous PFNs before and after it.
///
/// # Invariants
///
/// `pfn`, the `window.before` PFNs before it and the `window.after` PFNs after it are whole pages
/// of a BAR that a [`WcBar`] keeps mapped for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct PfnRange<'a> {
    pfn: usize,
    window: PageWindow,
    _bar: PhantomData<&'a WcBar<'a>>,
}

impl PfnRange<'_> {
    /// Returns the PFN.
    #[inline]
    pub(super) fn pfn(self) -> usize {
        self.pfn
    }

    /// Returns the numbers of PFNs before and after [`Self::pfn`].
    #[inline]
    pub(super) fn window(self) -> PageWindow {
        self.window
    }
}

/// The number of [`VMap`]s of a BAR that exist.
#[pin_data]
struct Users {
    #[pin]
    count: Mutex<usize>,
    #[pin]
    none_left: CondVar,
}

/// A kernel mapping of a part of a BAR, which stays valid until dropped.
///
/// # Invariants
///
/// The `len` bytes from `start` on stay mapped and claimed as long as this object exists, because
/// `users.count` includes it.
pub(crate) struct VMap {
    start: *mut c_void,
    len: usize,
    users: Arc<Users>,
}

// SAFETY: A kernel mapping is valid in all threads, and any thread may drop it.
unsafe impl Send for VMap {}

// SAFETY: The methods on a shared reference only return the address and the length.
unsafe impl Sync for VMap {}

impl VMap {
    /// Returns the address of the first byte, which is in device memory.
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

/// A kernel mapping of a part of a BAR, which borrows the [`WcBar`].
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
    /// Returns the address of the first byte, which is in device memory.
    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.start
    }

    /// Returns the number of bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}

/// A memory BAR, mapped write-combining in the kernel, and claimed for this driver.
///
/// A driver of the firmware's framebuffer that has lost the device keeps a claim on a part of the
/// BAR until the last process has closed `/dev/fb0`. Then the BAR is used without a claim, as the C
/// drivers of such devices use it, and the log says so.
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
/// - BAR `index` of `pdev`, which is bound to the driver of this object, has `len` bytes and is page
///   aligned; its first PFN is `first_pfn`.
/// - If `claimed` is set, this object has claimed the BAR.
/// - `base` is its `ioremap_wc()` mapping, for all `len` bytes, until this object is dropped.
pub(crate) struct WcBar<'a> {
    pdev: &'a pci::Device<Bound>,
    index: i32,
    claimed: bool,
    first_pfn: usize,
    len: usize,
    base: NonNull<c_void>,
    users: Arc<Users>,
}

// SAFETY: A kernel mapping is valid in all threads, and any thread may unmap it and release the
// region.
unsafe impl Send for WcBar<'_> {}

// SAFETY: The methods on a shared reference access device memory only through the kernel's I/O
// functions and through stores in assembly, which may run on several CPUs at the same time.
// Concurrent stores to a byte leave one of their values in it, and no Rust reference to that memory
// exists.
unsafe impl Sync for WcBar<'_> {}

impl<'a> WcBar<'a> {
    /// Claims BAR `index` of `pdev` under `name` and maps all of it.
    ///
    /// If the BAR cannot be mapped write-combining, it is mapped uncached, and the log says so.
    ///
    /// # Errors
    ///
    /// `EINVAL` if `index` is not that of a BAR; `ENODEV` if the BAR is empty or not page aligned;
    /// `ENOMEM` if the kernel cannot map it.
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
        let busy = unsafe { bindings::pci_request_region(pci_dev, index, name.as_char_ptr()) };
        let claimed = busy == 0;
        if !claimed {
            dev_warn!(
                pdev,
                "BAR {index} is still claimed (see /proc/iomem), probably because a process has the \
                 firmware's framebuffer open: that process can access all of VRAM until it ends\n"
            );
        }
        // SAFETY: `ioremap_wc()` requires that the range is not RAM, and a PCI BAR is not. If the
        // BAR is mapped already, `ioremap_wc()` uses the memory type of that mapping, or fails.
        let base = unsafe { barium_ioremap_wc(phys.try_into()?, len) };
        let Some(base) = NonNull::new(base) else {
            if claimed {
                // SAFETY: The region was claimed above, and is not mapped.
                unsafe { bindings::pci_release_region(pci_dev, index) };
            }
            return Err(ENOMEM);
        };

        // SAFETY: `ioremap_wc()` has just returned `base`.
        if !unsafe { barium_is_write_combining(base.as_ptr()) } {
            dev_notice!(
                pdev,
                "BAR {index} is not write-combining, because it is mapped otherwise already or \
                 the CPU has no PAT: drawing will be slow\n"
            );
        }

        // INVARIANT: The BAR was mapped above, and claimed if `claimed` is set; only `drop()`
        // undoes that. `pdev` is bound to the driver that calls this function.
        Ok(Self {
            pdev,
            index,
            claimed,
            first_pfn: phys >> PAGE_SHIFT,
            len,
            base,
            users,
        })
    }

    /// Returns the PFN of page `index` of the `pages` pages from page `first` of the BAR on,
    /// together with the other pages. Returns `None` if `index` is not less than `pages`, or if the
    /// BAR does not contain all the pages.
    // A fault calls this. The PFNs of a BAR do not overflow, and a check for it would cost two
    // instructions.
    #[inline]
    pub(crate) fn pfn_range(
        &self,
        first: usize,
        pages: usize,
        index: usize,
    ) -> Option<PfnRange<'_>> {
        let behind = (self.len >> PAGE_SHIFT).checked_sub(first)?;
        if pages > behind || index >= pages {
            return None;
        }
        // INVARIANT: The BAR contains the pages, as was checked above. The range borrows `self`.
        Some(PfnRange {
            pfn: self.first_pfn.wrapping_add(first).wrapping_add(index),
            window: PageWindow {
                before: index,
                after: pages - index - 1,
            },
            _bar: PhantomData,
        })
    }

    /// Returns the kernel address of the `len` bytes from byte `offset` of the BAR on.
    ///
    /// # Errors
    ///
    /// `ERANGE` if the BAR does not contain all of them.
    fn at(&self, offset: usize, len: usize) -> Result<*mut c_void> {
        if offset > self.len || len > self.len - offset {
            return Err(ERANGE);
        }
        Ok(self.base.as_ptr().wrapping_byte_add(offset))
    }

    /// Returns the kernel mapping of the `len` bytes from byte `offset` of the BAR on. Takes no
    /// lock.
    ///
    /// # Errors
    ///
    /// `ERANGE` if the BAR does not contain all of them.
    pub(crate) fn part(&self, offset: usize, len: usize) -> Result<BarPart<'_>> {
        // INVARIANT: `at()` checks that the range is in the mapping. The part borrows `self`.
        Ok(BarPart {
            start: self.at(offset, len)?,
            len,
            _bar: PhantomData,
        })
    }

    /// Returns the kernel mapping of the `len` bytes from byte `offset` of the BAR on, as an object
    /// that may outlive the borrow of `self`.
    ///
    /// # Errors
    ///
    /// `ERANGE` if the BAR does not contain all of them.
    pub(crate) fn vmap(&self, offset: usize, len: usize) -> Result<VMap> {
        let start = self.at(offset, len)?;
        *self.users.count.lock() += 1;
        // INVARIANT: `at()` checks that the range is in the mapping. The map was counted above, and
        // `drop()` waits until the count is 0.
        Ok(VMap {
            start,
            len,
            users: self.users.clone(),
        })
    }

    /// Fills the `len` bytes from byte `offset` of the BAR on with zeros. The stores have reached
    /// the device when the function returns.
    ///
    /// # Errors
    ///
    /// `ERANGE` if the BAR does not contain all of them.
    pub(crate) fn clear(&self, offset: usize, len: usize) -> Result {
        let start = self.at(offset, len)?;
        // SAFETY: `at()` checks that the range is in the mapping.
        unsafe { zero_io(start, len) };
        flush_write_combining();
        Ok(())
    }

    /// Fills `buf` with the bytes from byte `offset` of the BAR on.
    ///
    /// # Errors
    ///
    /// `ERANGE` if the BAR does not contain all of them.
    pub(crate) fn read(&self, offset: usize, buf: &mut [u8]) -> Result {
        let start = self.at(offset, buf.len())?;
        // SAFETY: `at()` checks that the source is in the mapping, and the destination is a slice
        // of the same length.
        unsafe { bindings::memcpy_fromio(buf.as_mut_ptr().cast(), start, buf.len()) };
        Ok(())
    }

    /// Initialises `buf` with the bytes from byte `offset` of the BAR on, and returns it.
    ///
    /// # Errors
    ///
    /// `ERANGE` if the BAR does not contain all of them.
    pub(crate) fn read_uninit<'b>(
        &self,
        offset: usize,
        buf: &'b mut [MaybeUninit<u8>],
    ) -> Result<&'b mut [u8]> {
        let start = self.at(offset, buf.len())?;
        // SAFETY: `at()` checks that the source is in the mapping, and the destination is a slice
        // of the same length.
        unsafe { bindings::memcpy_fromio(buf.as_mut_ptr().cast(), start, buf.len()) };
        // SAFETY: All bytes were initialised above.
        Ok(unsafe { slice::from_raw_parts_mut(buf.as_mut_ptr().cast(), buf.len()) })
    }

    /// Writes `buf` to the bytes from byte `offset` of the BAR on. The stores have reached the
    /// device when the function returns.
    ///
    /// # Errors
    ///
    /// `ERANGE` if the BAR does not contain all of them.
    pub(crate) fn write(&self, offset: usize, buf: &[u8]) -> Result {
        let start = self.at(offset, buf.len())?;
        // SAFETY: `at()` checks that the destination is in the mapping, and the source is a slice
        // of the same length.
        unsafe { bindings::memcpy_toio(start, buf.as_ptr().cast(), buf.len()) };
        flush_write_combining();
        Ok(())
    }
}

/// Lines of equal length to copy, such as those of a rectangle. All sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    /// The offset of the first line in the source.
    pub(crate) from: usize,
    /// The distance between the starts of two lines of the source.
    pub(crate) from_pitch: usize,
    /// The offset of the first line in the destination.
    pub(crate) to: usize,
    /// The distance between the starts of two lines of the destination.
    pub(crate) to_pitch: usize,
    /// The length of a line.
    pub(crate) len: usize,
    /// The number of lines.
    pub(crate) count: usize,
}

impl WcBar<'_> {
    /// Copies `lines` of `source` to the BAR. The stores have reached the device when the function
    /// returns.
    ///
    /// # Errors
    ///
    /// `ERANGE` if `source` or the BAR does not contain all of the lines.
    pub(crate) fn copy_lines(&self, source: SharedBytes<'_>, lines: &Lines) -> Result {
        for line in 0..lines.count {
            let offset = |first: usize, pitch: usize| {
                let offset = line.checked_mul(pitch).ok_or(ERANGE)?;
                first.checked_add(offset).ok_or(ERANGE)
            };
            let from = source.at(offset(lines.from, lines.from_pitch)?, lines.len)?;
            let to = self.at(offset(lines.to, lines.to_pitch)?, lines.len)?;
            // SAFETY: `at()` checks that the source is readable memory, and that the destination is
            // in the mapping.
            unsafe { bindings::memcpy_toio(to, from.cast(), lines.len) };
        }
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
        // SAFETY: By the type invariants, `base` is the `ioremap_wc()` mapping of this object. All
        // its users either borrow `self`, or are `VMap`s, of which none is left. None can be
        // created, as `vmap()` borrows `self`.
        unsafe { bindings::iounmap(self.base.as_ptr()) };
        if self.claimed {
            // SAFETY: By the type invariants, this object has claimed the region.
            unsafe { bindings::pci_release_region(raw::pci_dev(self.pdev), self.index) };
        }
    }
}

/// Flushes the write-combining buffers of this CPU. Otherwise, another CPU could read the memory
/// before the stores reach it.
fn flush_write_combining() {
    barrier::mb(barrier::Write);
}
