// SPDX-License-Identifier: GPL-2.0

//! A debugger's access to a mapping of page frames.
//!
//! - Upstream today: [`kernel::mm::virt`] knows no `vm_ops`.
//! - The shape it should have: `access` as an optional method beside `fault`, with a buffer type
//!   that says which way the bytes go.
//! - Why this is sound on 7.3: the callback runs with the mmap lock held, so neither the area nor
//!   its object goes away; [`Access`] is cut to what both the area and the object have.
//! - Delete when `mm::virt` can do this.

use super::{
    fault::{
        zero_page,
        PageIndex, //
    },
    MappedObject,
    Object, //
};
use core::{
    mem::MaybeUninit,
    ops::Range, //
};
use kernel::{
    bindings,
    drm,
    mm::virt::flags,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// The kernel's end of a debugger's transfer.
pub(crate) enum Transfer<'a> {
    /// Bytes go from the mapping to this buffer.
    Peek(&'a mut [MaybeUninit<u8>]),
    /// Bytes go from this buffer to the mapping.
    Poke(&'a [u8]),
}

impl Transfer<'_> {
    /// The bytes to transfer.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Peek(buf) => buf.len(),
            Self::Poke(buf) => buf.len(),
        }
    }

    /// The part of the transfer that is `range` (bytes from its start).
    ///
    /// Panics if that is not in the buffer.
    pub(crate) fn part(&mut self, range: Range<usize>) -> Transfer<'_> {
        match self {
            Self::Peek(buf) => Transfer::Peek(&mut buf[range]),
            Self::Poke(buf) => Transfer::Poke(&buf[range]),
        }
    }
}

/// An access of a debugger (`ptrace`, `/proc/pid/mem`) to a mapping of an object of type `T`.
///
/// It starts at byte `offset` of the object, and ends within both the object and the mapping.
pub(crate) struct Access<'a, T: MappedObject> {
    obj: &'a Object<T>,
    offset: usize,
    transfer: Transfer<'a>,
}

impl<'a, T: MappedObject> Access<'a, T> {
    /// Makes an access out of the arguments of an `access` callback.
    ///
    /// Errors: `EINVAL` for a write to what the process itself could not write.
    ///
    /// # Safety
    ///
    /// The arguments must be those of an `access` callback, for `'a`: `vma` valid, a mapping of
    /// `obj` that `address` is in, and `buf` good for `len` bytes, to be written to, or for `write`
    /// initialised.
    pub(super) unsafe fn from_raw(
        vma: *mut bindings::vm_area_struct,
        obj: &'a Object<T>,
        address: usize,
        buf: *mut c_void,
        len: usize,
        write: bool,
    ) -> Result<Self> {
        // SAFETY: Valid by this function's requirements, and under the mmap lock.
        let vma = unsafe { &*vma };
        // SAFETY: This half of the union is in use for an area that exists.
        let span = unsafe { vma.__bindgen_anon_1.__bindgen_anon_1 };
        // SAFETY: The union's halves are the same integer.
        let vm_flags = unsafe { vma.__bindgen_anon_2.vm_flags };
        if write && vm_flags & flags::WRITE == 0 {
            return Err(EINVAL);
        }

        // As in `Fault::page()`: where there is no such page, nothing is left of the object.
        let page = vma.vm_pgoff.wrapping_sub(super::fake_offset(obj));
        let offset = (page << PAGE_SHIFT).wrapping_add(address - span.vm_start);
        let left_in_vma = span.vm_end - address;
        let left_in_obj = (super::pages(obj) << PAGE_SHIFT).saturating_sub(offset);
        let len = len.min(left_in_vma).min(left_in_obj);

        let transfer = if write {
            // SAFETY: Initialised and good for at least `len` bytes by the requirements.
            Transfer::Poke(unsafe { core::slice::from_raw_parts(buf.cast(), len) })
        } else {
            // SAFETY: Good for at least `len` bytes by the requirements; nobody else refers to
            // it while the callback runs.
            Transfer::Peek(unsafe { core::slice::from_raw_parts_mut(buf.cast(), len) })
        };
        Ok(Self {
            obj,
            offset,
            transfer,
        })
    }

    /// The object that is accessed.
    pub(crate) fn object(&self) -> &'a Object<T> {
        self.obj
    }

    /// The device that the object is of. It was registered once, and may be gone.
    pub(crate) fn device(&self) -> &'a drm::Device<T::Driver, drm::Ioctl> {
        super::once_registered(self.obj)
    }

    /// Calls `copy` for the part in each page, with the page, the first byte in it, and the
    /// transfer. Returns the bytes of all parts. Errors: that of the first call that fails.
    pub(crate) fn for_each_page(
        mut self,
        mut copy: impl FnMut(PageIndex, usize, Transfer<'_>) -> Result,
    ) -> Result<usize> {
        let len = self.transfer.len();
        let mut done = 0;
        while done < len {
            let offset = self.offset + done;
            let in_page = offset % PAGE_SIZE;
            let end = len.min(done + PAGE_SIZE - in_page);
            let part = self.transfer.part(done..end);
            copy(PageIndex(offset >> PAGE_SHIFT), in_page, part)?;
            done = end;
        }
        Ok(done)
    }

    /// Does the transfer with the object's page of zeros, as a process does that touches the
    /// mapping after [`Fault::insert_zero_page`].
    pub(crate) fn with_zero_page(self) -> Result<usize> {
        let page = zero_page(self.obj)?;
        self.for_each_page(|_, offset, transfer| match transfer {
            // SAFETY: The buffer is a slice of that length. That the process may write to the
            // page at the same time is the debugger's business: bytes are copied, none is
            // interpreted.
            Transfer::Peek(buf) => unsafe {
                page.read_raw(buf.as_mut_ptr().cast(), offset, buf.len())
            },
            // SAFETY: As above.
            Transfer::Poke(buf) => unsafe { page.write_raw(buf.as_ptr(), offset, buf.len()) },
        })
    }
}

/// The `access` entry of the area's `vm_ops`.
///
/// # Safety
///
/// As for [`fault_callback`].
pub(super) unsafe extern "C" fn access_callback<T: MappedObject>(
    vma: *mut bindings::vm_area_struct,
    address: c_ulong,
    buf: *mut c_void,
    len: c_int,
    write: c_int,
) -> c_int {
    // It is not negative.
    let len = usize::try_from(len).unwrap_or(0);
    // SAFETY: `vma` is valid during the call.
    let private = unsafe { (*vma).vm_private_data };
    // SAFETY: As in `fault_callback()`.
    let obj = unsafe { <Object<T> as drm::gem::IntoGEMObject>::from_raw(private.cast()) };
    // SAFETY: These are this callback's arguments.
    let access = unsafe { Access::<'_, T>::from_raw(vma, obj, address, buf, len, write != 0) };
    match access.and_then(T::access) {
        Ok(done) => done.try_into().unwrap_or(c_int::MAX),
        Err(err) => err.to_errno(),
    }
}
