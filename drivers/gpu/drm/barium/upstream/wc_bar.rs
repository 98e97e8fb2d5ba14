// SPDX-License-Identifier: GPL-2.0

//! A PCI BAR that holds memory, claimed and mapped write-combining.
//!
//! - Upstream today: [`pci::Bar`] maps with `pci_iomap()`, which is UC-. On x86 the first mapping
//!   of a range decides its memory type (PAT), so a BAR mapped that way can never be
//!   write-combined, in user mappings either; and `Bar` has no bulk operations.
//! - The shape it should have: `pci::Bar` with the memory type in its type, from which only a WC
//!   one gives out PFNs for user mappings.
//! - Why this is sound on 7.3: [`WcBar`] claims the region first, so no other driver maps it, and
//!   `ioremap_wc()` registers the memory type for the whole BAR as long as the mapping stands.
//!   Every access is checked against the length. It borrows the bound device, so it is gone before
//!   the device is.
//! - Delete when `pci::Bar` can do this.
//!
//! # Parts that others use
//!
//! A [`KernelMap`] is good for as long as its user keeps it, also while the driver is unbound:
//! dropping the [`WcBar`] waits until the last one is gone. When that happens the DRM device has
//! been unplugged, so nobody gets a new one, and the kernel's own clients have been closed. They
//! keep a map for the time of one update of the screen, under locks that unbinding does not hold.
//! Other drivers get none: see [`super::gem::prime`]. So the wait is short; and were there a user that
//! keeps its map, the driver would stay bound, rather than have that user write to what is not
//! there.

use super::{
    gem::fault::Beside,
    raw,
    zero_io::zero_io, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
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

/// A page frame of device memory and those beside it, good for as long as the BAR is claimed.
///
/// # Invariants
///
/// Frame `pfn`, `beside.before` frames before it and `beside.after` frames after it lie whole
/// within a BAR that a [`WcBar`], alive for `'a`, has claimed.
#[derive(Clone, Copy)]
pub(crate) struct Frames<'a> {
    pfn: usize,
    beside: Beside,
    _bar: PhantomData<&'a WcBar<'a>>,
}

impl Frames<'_> {
    /// The number of the frame, as the kernel's page table functions take it.
    #[inline]
    pub(super) fn pfn(self) -> usize {
        self.pfn
    }

    /// How many frames there are beside it.
    #[inline]
    pub(super) fn beside(self) -> Beside {
        self.beside
    }
}

/// The [`KernelMap`]s of a BAR that there are.
#[pin_data]
struct Users {
    #[pin]
    count: Mutex<usize>,
    #[pin]
    none_left: CondVar,
}

/// A part of a BAR, mapped in the kernel.
///
/// # Invariants
///
/// The part stays mapped and claimed as long as this object, which `users` counts, is there.
pub(crate) struct KernelMap {
    start: *mut c_void,
    users: Arc<Users>,
}

// SAFETY: The mapping belongs to the device, not to a thread.
unsafe impl Send for KernelMap {}

// SAFETY: It does nothing but tell its address.
unsafe impl Sync for KernelMap {}

impl KernelMap {
    /// Where it starts: device memory.
    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.start
    }
}

impl Drop for KernelMap {
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
/// The address is in the mapping of a [`WcBar`] that is alive for `'a`.
pub(crate) struct BarPart<'a>(*mut c_void, PhantomData<&'a WcBar<'a>>);

impl BarPart<'_> {
    /// Where it starts: device memory.
    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.0
    }
}

/// A memory BAR, claimed for this driver and mapped write-combining in the kernel.
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

// SAFETY: The mapping and the region belong to the device, not to a thread.
unsafe impl Send for WcBar<'_> {}

// SAFETY: All methods on a shared reference touch device memory only through the kernel's I/O
// functions, which may run at the same time on several CPUs; what a race leaves in that memory is
// as undefined as for any other memory shared with a device, and no reference to it is ever made.
unsafe impl Sync for WcBar<'_> {}

impl<'a> WcBar<'a> {
    /// Claims BAR `index` of `pdev` under `name` and maps all of it.
    ///
    /// If the BAR cannot be mapped write-combining, it is mapped uncached, and the log says so.
    ///
    /// Errors: `EINVAL` if there is no such BAR; `ENODEV` if it is empty or does not start at a
    /// page; `EBUSY` if it is claimed already; `ENOMEM` if the kernel cannot map it.
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

        // SAFETY: `pci_dev` is a bound device, `index` one of its BARs (checked by
        // `resource_len()`), and `name` is static.
        if unsafe { bindings::pci_request_region(pci_dev, index, name.as_char_ptr()) } != 0 {
            return Err(EBUSY);
        }
        // SAFETY: `ioremap_wc()` wants a range that is not RAM, and a BAR is none. The region was
        // claimed above, so no driver uses the BAR with another memory type. If userspace has
        // mapped it through sysfs before, that mapping decides the memory type, or `ioremap_wc()`
        // fails.
        let base = unsafe { bindings::ioremap_wc(phys.try_into()?, len) };
        let Some(base) = NonNull::new(base) else {
            // SAFETY: The region was claimed above and is not used.
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

    /// Frame `index` of those of the `pages` pages from `offset` bytes into the BAR on; `None` if
    /// there is no such frame among them, `offset` is not page aligned, or they are not all in the
    /// BAR.
    #[inline]
    pub(crate) fn frames(&self, offset: usize, pages: usize, index: usize) -> Option<Frames<'_>> {
        let behind = self.len.saturating_sub(offset) >> PAGE_SHIFT;
        if offset % PAGE_SIZE != 0 || pages > behind || index >= pages {
            return None;
        }
        // INVARIANT: Just checked; the lifetime is that of the borrow of `self`.
        Some(Frames {
            pfn: ((self.phys + offset) >> PAGE_SHIFT) + index,
            beside: Beside {
                before: index,
                after: pages - 1 - index,
            },
            _bar: PhantomData,
        })
    }

    /// The kernel's address for `[offset, offset + len)`; `ERANGE` if that is not in the BAR.
    fn at(&self, offset: usize, len: usize) -> Result<*mut c_void> {
        if offset > self.len || len > self.len - offset {
            return Err(ERANGE);
        }
        Ok(self.base.as_ptr().wrapping_byte_add(offset))
    }

    /// The `len` bytes from `offset` on; `ERANGE` if they are not all in the BAR. Takes no lock.
    pub(crate) fn part(&self, offset: usize, len: usize) -> Result<BarPart<'_>> {
        // INVARIANT: `at()` checked that the range is in the mapping.
        Ok(BarPart(self.at(offset, len)?, PhantomData))
    }

    /// The `len` bytes from `offset` on, for others to use; `ERANGE` if they are not all in the
    /// BAR.
    pub(crate) fn map(&self, offset: usize, len: usize) -> Result<KernelMap> {
        let start = self.at(offset, len)?;
        *self.users.count.lock() += 1;
        // INVARIANT: Counted just now, and `drop()` waits for all that are.
        Ok(KernelMap {
            start,
            users: self.users.clone(),
        })
    }

    /// Fills `len` bytes from `offset` with zeros. They are in the device when it returns.
    pub(crate) fn clear(&self, offset: usize, len: usize) -> Result {
        let start = self.at(offset, len)?;
        // SAFETY: `at()` checked that the range is in the mapping.
        unsafe { zero_io(start, len) };
        flush_write_combining();
        Ok(())
    }

    /// Copies from the BAR, from `offset` on, and fills `buf`.
    pub(crate) fn read(&self, offset: usize, buf: &mut [MaybeUninit<u8>]) -> Result {
        let start = self.at(offset, buf.len())?;
        // SAFETY: `at()` checked the source; the destination is a slice of that length.
        unsafe { bindings::memcpy_fromio(buf.as_mut_ptr().cast(), start, buf.len()) };
        Ok(())
    }

    /// Copies `buf` to the BAR, from `offset` on. It is in the device when this returns.
    pub(crate) fn write(&self, offset: usize, buf: &[u8]) -> Result {
        let start = self.at(offset, buf.len())?;
        // SAFETY: `at()` checked the destination; the source is a slice of that length.
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
        // SAFETY: `base` is our `ioremap_wc()` mapping. No access of our own outlives `self`, and
        // nobody else has a part of it: there are no users, and `map()` needs a `self`.
        unsafe { bindings::iounmap(self.base.as_ptr()) };
        // SAFETY: The region is ours by the type's invariants.
        unsafe { bindings::pci_release_region(raw::pci_dev(self.pdev), self.index) };
    }
}

/// Write-combining buffers belong to a CPU: without this, another CPU could read the memory before
/// they are drained.
fn flush_write_combining() {
    barrier::mb(barrier::Write);
}
