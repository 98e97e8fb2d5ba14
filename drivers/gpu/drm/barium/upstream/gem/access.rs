// SPDX-License-Identifier: GPL-2.0

//! A debugger's access to a PFN mapping of a GEM object (`ptrace`, `/proc/pid/mem`).
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)
//!
//! - Upstream today: [`kernel::mm::virt`] does not support `vm_ops`.
//! - The shape it should have: `access` as an optional method beside `fault`, which transfers the
//!   bytes of one page and returns no count.
//! - Why this is sound on 7.3: the callback runs with the mmap lock held, so the VMA and its object
//!   stay valid. [`Access`] ends within both. The driver does not choose the byte count that the
//!   callback returns: [`Access`] counts the bytes. The kernel copies that many bytes to the
//!   debugger, so [`Access`] zeroes the buffer before the driver fills it.
//! - Delete when `mm::virt` can do this.

use super::{
    object::{
        fake_offset,
        of_area,
        pages,
        with_registered,
        Object,
        ObjectData,
        RegistrationData, //
    },
    resv::Reserved, //
};
use crate::units::PageIndex;
use core::ops::Range;
use kernel::{
    bindings,
    mm::virt::flags,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// The debugger's end of a transfer. The direction is that of the debugger's access.
pub(crate) enum Transfer<'a> {
    /// The debugger reads: bytes go from the mapping to this buffer. Bytes that are not written
    /// read as zero.
    Read(&'a mut [u8]),
    /// The debugger writes: bytes go from this buffer to the mapping.
    Write(&'a [u8]),
}

impl Transfer<'_> {
    /// Returns the number of bytes to transfer.
    fn len(&self) -> usize {
        match self {
            Self::Read(buf) => buf.len(),
            Self::Write(buf) => buf.len(),
        }
    }

    /// Returns the part of the transfer in `range`, in bytes from its start.
    ///
    /// Panics if `range` is not within the buffer.
    fn part(&mut self, range: Range<usize>) -> Transfer<'_> {
        match self {
            Self::Read(buf) => Transfer::Read(&mut buf[range]),
            Self::Write(buf) => Transfer::Write(&buf[range]),
        }
    }
}

/// How a part of an access was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// The bytes were transferred.
    Done,
    /// The content was in device memory, and the device is unplugged. No byte was transferred.
    ContentGone,
}

/// An access to a mapping of an object with data `T`.
///
/// # Invariants
///
/// The access starts at byte `offset` of `obj` and ends within both `obj` and the mapping. The
/// mapping holds a reference to `obj`, and the device of `obj` has been registered.
pub(super) struct Access<'a, T: ObjectData> {
    obj: &'a Object<T>,
    offset: usize,
    transfer: Transfer<'a>,
}

impl<'a, T: ObjectData> Access<'a, T> {
    /// Creates an access from the arguments of an `access` callback.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a write if the VMA does not have `VM_WRITE`.
    ///
    /// # Safety
    ///
    /// For `'a`, the arguments must be those of an `access` callback that has not returned: `vma`
    /// is a VMA that `mmap_callback` of the same `T` has set up, locked against changes, and
    /// `address` is in it. `buf` is valid for `len` bytes: for a write, they are initialised, and
    /// otherwise the callback may write to them and nothing else uses them.
    pub(super) unsafe fn from_raw(
        vma: *const bindings::vm_area_struct,
        address: usize,
        buf: *mut c_void,
        len: usize,
        write: bool,
    ) -> Result<Self> {
        // SAFETY: By the safety requirements, `vma` is valid and does not change. The other member
        // of the first union is for freed VMAs only; both members of the second one are the flags.
        let (span, vm_flags, pgoff) = unsafe {
            (
                (*vma).__bindgen_anon_1.__bindgen_anon_1,
                (*vma).__bindgen_anon_2.vm_flags,
                (*vma).vm_pgoff,
            )
        };
        if write && vm_flags & flags::WRITE == 0 {
            return Err(EINVAL);
        }
        // SAFETY: By the safety requirements, `vma` is a valid VMA that `mmap_callback` of this `T`
        // has set up.
        let obj = unsafe { of_area(vma) };

        // If the VMA started before the object, `offset` would wrap for the pages before it, and
        // `left_in_obj` would be 0.
        let page = pgoff.wrapping_sub(fake_offset(obj));
        let offset = (page << PAGE_SHIFT).wrapping_add(address - span.vm_start);
        let left_in_vma = span.vm_end - address;
        let left_in_obj = (pages(obj) << PAGE_SHIFT).saturating_sub(offset);
        let len = len.min(left_in_vma).min(left_in_obj);

        let transfer = if write {
            // SAFETY: By the safety requirements, at least `len` bytes from `buf` on are valid and
            // initialised for `'a`.
            Transfer::Write(unsafe { core::slice::from_raw_parts(buf.cast(), len) })
        } else {
            let buf = buf.cast::<u8>();
            // SAFETY: By the safety requirements, at least `len` bytes may be written from `buf`
            // on.
            unsafe { buf.write_bytes(0, len) };
            // SAFETY: The bytes were initialised above. By the safety requirements, nothing else
            // uses them for `'a`.
            Transfer::Read(unsafe { core::slice::from_raw_parts_mut(buf, len) })
        };
        // INVARIANT: `len` exceeds neither the rest of the VMA nor that of the object. The VMA
        // holds a reference to the object, and a device has no mappings before it is registered.
        Ok(Self {
            obj,
            offset,
            transfer,
        })
    }

    /// Serves the access: locks the object's reservation, and calls `copy` for the part of the
    /// transfer in each page, with the page and the first byte in it. While the device is not
    /// unplugged, this happens inside the registration guard. If `copy` says that the content is
    /// gone, it accesses the object's zero page instead of every page, as a process does through
    /// the mapping.
    ///
    /// Returns the number of bytes transferred, which is at most that of the request.
    ///
    /// # Errors
    ///
    /// The error of the first `copy` that fails; `EINTR` on a signal; `ENOMEM` if the zero page
    /// cannot be allocated.
    pub(super) fn serve<C>(mut self, copy: C) -> Result<usize>
    where
        C: Fn(
            &mut Reserved<'_, T>,
            Option<&RegistrationData<'_, T>>,
            PageIndex,
            usize,
            Transfer<'_>,
        ) -> Result<Served>,
    {
        let obj = self.obj;
        let mut reserved = Reserved::lock_interruptible(obj)?;
        // SAFETY: By the type invariants, the device has been registered.
        let served = unsafe {
            with_registered(obj, |reg| {
                self.for_each_page(|page, in_page, part| {
                    copy(&mut reserved, Some(reg), page, in_page, part)
                })
            })
        };
        let served = match served {
            Some(served) => served?,
            None => self.for_each_page(|page, in_page, part| {
                copy(&mut reserved, None, page, in_page, part)
            })?,
        };
        drop(reserved);
        match served {
            Some(done) => Ok(done),
            None => self.with_zero_page(),
        }
    }

    /// Calls `copy` for the part in each page. Returns the total number of bytes, or `None` if the
    /// content is gone.
    fn for_each_page(
        &mut self,
        mut copy: impl FnMut(PageIndex, usize, Transfer<'_>) -> Result<Served>,
    ) -> Result<Option<usize>> {
        let len = self.transfer.len();
        let mut done = 0;
        while done < len {
            let offset = self.offset + done;
            let in_page = offset % PAGE_SIZE;
            let end = len.min(done + PAGE_SIZE - in_page);
            let part = self.transfer.part(done..end);
            match copy(PageIndex(offset >> PAGE_SHIFT), in_page, part)? {
                Served::Done => done = end,
                Served::ContentGone => return Ok(None),
            }
        }
        Ok(Some(done))
    }

    /// Serves the access with the object's zero page.
    fn with_zero_page(&mut self) -> Result<usize> {
        let page = self.obj.zero_page()?;
        let done = self.for_each_page(|_, in_page, transfer| {
            match transfer {
                // SAFETY: `buf` is valid for its length. If the process writes to the page
                // concurrently, each byte is the old or the new one, and both are valid.
                Transfer::Read(buf) => unsafe {
                    page.read_raw(buf.as_mut_ptr(), in_page, buf.len())
                },
                // SAFETY: `buf` is valid for its length. If the process accesses the page
                // concurrently, it reads the old or the new byte, and both are valid.
                Transfer::Write(buf) => unsafe { page.write_raw(buf.as_ptr(), in_page, buf.len()) },
            }?;
            Ok(Served::Done)
        })?;
        done.ok_or(EFAULT)
    }
}
