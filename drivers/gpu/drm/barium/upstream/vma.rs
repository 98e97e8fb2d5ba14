// SPDX-License-Identifier: GPL-2.0

//! User mappings of page frames: setting one up, and serving its faults.
//!
//! - Upstream today: [`kernel::mm::virt`] knows no `VM_PFNMAP`, no page protection, no `vm_ops`
//!   and no fault.
//! - The shape it should have: `VmaNew::into_pfnmap()` as the one place that sets flags and
//!   protection together; a `Fault` that only a `fault` callback hands out; an outcome type.
//! - Why this is sound on 7.3: [`NewVma`] exists only within the `mmap` callback, where the area
//!   is not shared yet; [`Fault`] only within the `fault` callback, where it cannot change. A
//!   frame gets in only as a [`Pfn`] or as the page that the object itself owns, so it stays
//!   valid as long as the area, which holds the object. The rules whose breach is a `BUG()` in
//!   `vmf_insert_pfn_prot()` (PFNMAP set, not copy-on-write) are set once, in
//!   [`NewVma::into_pfnmap`].
//! - Delete when `mm::virt` can do this.

use super::{
    gem::{
        MappedObject,
        Object, //
    },
    wc_bar::Pfn, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ops::Range, //
};
use kernel::{
    bindings,
    drm,
    mm::virt::flags,
    page::{
        Page,
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
    fn barium_pgprot_device_wc(prot: bindings::pgprot_t) -> bindings::pgprot_t;
    fn barium_page_to_pfn(page: *mut bindings::page) -> c_ulong;
}

/// The number of a page within an object, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PageIndex(pub(crate) usize);

/// What a `fault` callback answers to the kernel (`vm_fault_t`).
#[derive(Clone, Copy)]
pub(crate) struct Outcome(bindings::vm_fault_t);

impl Outcome {
    /// The access cannot be served: the process gets `SIGBUS`.
    pub(crate) const SIGBUS: Self = Self(bindings::vm_fault_reason_VM_FAULT_SIGBUS);
    /// The access is to be tried again; it may or may not fault again.
    const RETRY_ACCESS: Self = Self(bindings::vm_fault_reason_VM_FAULT_NOPAGE);
    /// Memory for the answer could not be had.
    const OOM: Self = Self(bindings::vm_fault_reason_VM_FAULT_OOM);

    pub(super) fn into_raw(self) -> bindings::vm_fault_t {
        self.0
    }
}

/// A mapping of an object that is being set up by `mmap()`.
///
/// # Invariants
///
/// `vma` is undergoing setup, so it is neither shared nor used for faults, for `'a`; `start` is
/// the object's fake offset in pages.
pub(crate) struct NewVma<'a> {
    vma: *mut bindings::vm_area_struct,
    start: usize,
    _setup: PhantomData<&'a ()>,
}

/// Proof that a mapping went through [`NewVma::into_pfnmap`].
pub(crate) struct PfnVma<'a>(PhantomData<&'a ()>);

impl<'a> NewVma<'a> {
    /// # Safety
    ///
    /// `vma` must be undergoing setup in an `mmap` callback, for `'a`, for the object whose fake
    /// offset (pages) is `start`.
    pub(super) unsafe fn from_raw(vma: *mut bindings::vm_area_struct, start: usize) -> Self {
        // INVARIANT: As the caller promises.
        Self {
            vma,
            start,
            _setup: PhantomData,
        }
    }

    /// The object's pages that the mapping spans; `EINVAL` if it starts before the object.
    pub(crate) fn pages(&self) -> Result<Range<usize>> {
        // SAFETY: The area is valid and not shared by the type's invariants.
        let vma = unsafe { &*self.vma };
        // SAFETY: This half of the union is in use for an area that exists.
        let span = unsafe { vma.__bindgen_anon_1.__bindgen_anon_1 };
        let first = vma.vm_pgoff.checked_sub(self.start).ok_or(EINVAL)?;
        let pages = (span.vm_end - span.vm_start) >> PAGE_SHIFT;
        Ok(first..first.checked_add(pages).ok_or(EINVAL)?)
    }

    /// Makes this a shared mapping of page frames: `VM_PFNMAP | VM_IO | VM_DONTEXPAND |
    /// VM_DONTDUMP`, write-combining.
    ///
    /// Errors: `EINVAL` for a copy-on-write mapping, which can hold no bare page frames. That is
    /// any private mapping that is or could be made writable.
    pub(crate) fn into_pfnmap(self) -> Result<PfnVma<'a>> {
        // SAFETY: The area is valid by the type's invariants. Nobody else refers to it.
        let vma = unsafe { &mut *self.vma };
        // SAFETY: Both halves of the union are this integer.
        let old = unsafe { vma.__bindgen_anon_2.vm_flags };
        if old & (flags::SHARED | flags::MAYWRITE) == flags::MAYWRITE {
            return Err(EINVAL);
        }

        let new = old | flags::PFNMAP | flags::IO | flags::DONTEXPAND | flags::DONTDUMP;
        vma.__bindgen_anon_2.vm_flags = new;
        // SAFETY: A pure function of the flags.
        let prot = unsafe { bindings::vm_get_page_prot(new) };
        // SAFETY: A pure function of the protection.
        vma.vm_page_prot = unsafe { barium_pgprot_device_wc(prot) };
        Ok(PfnVma(PhantomData))
    }
}

/// A page fault in a mapping of an object of type `T`.
///
/// # Invariants
///
/// `vmf` is the argument of a `fault` callback that has not returned; its area is one that
/// [`NewVma::into_pfnmap`] has made, and holds a reference to `obj`.
pub(crate) struct Fault<'a, T: MappedObject> {
    vmf: &'a bindings::vm_fault,
    obj: &'a Object<T>,
}

impl<'a, T: MappedObject> Fault<'a, T> {
    /// # Safety
    ///
    /// `vmf` must be the argument of a `fault` callback, for `'a`, and `obj` the object that its
    /// area was made for by [`NewVma::into_pfnmap`].
    pub(super) unsafe fn from_raw(vmf: *mut bindings::vm_fault, obj: &'a Object<T>) -> Self {
        // INVARIANT: As the caller promises.
        Self {
            // SAFETY: The argument of a `fault` callback is valid, and nothing changes the
            // fields that are read here, while the callback runs.
            vmf: unsafe { &*vmf },
            obj,
        }
    }

    /// The object that the mapping shows.
    pub(crate) fn object(&self) -> &'a Object<T> {
        self.obj
    }

    /// The device that the object is of. It was registered once, and may be gone.
    pub(crate) fn device(&self) -> &'a drm::Device<T::Driver, drm::Ioctl> {
        super::gem::once_registered(self.obj)
    }

    fn vma(&self) -> &bindings::vm_area_struct {
        // SAFETY: The area is valid, and locked against changes, as long as the fault is being
        // served.
        unsafe { &*self.vmf.__bindgen_anon_1.vma }
    }

    /// The page of the object that the fault is for; `None` if there is no such page.
    ///
    /// It comes from the offset in the file, which stays right when an area is split or moved.
    pub(crate) fn page(&self) -> Option<PageIndex> {
        self.vmf
            .__bindgen_anon_1
            .pgoff
            .checked_sub(super::gem::fake_offset(self.obj))
            .filter(|&page| page < super::gem::pages(self.obj))
            .map(PageIndex)
    }

    /// Maps `pfn` at the page of the fault, with the mapping's own protection.
    ///
    /// Call it with the frame that [`Self::page`] is backed by, while the device is held
    /// registered, so that unplugging the device finds the entry.
    pub(crate) fn insert_pfn(&self, pfn: Pfn<'_>) -> Outcome {
        self.insert(pfn.as_raw(), self.vma().vm_page_prot)
    }

    /// Maps the object's page of zeros, which is system memory, at the page of the fault.
    ///
    /// The object gets it at the first call and has it until it is freed. All pages of all
    /// mappings of the object show this one page.
    pub(crate) fn insert_zero_page(&self) -> Outcome {
        let page = match zero_page(self.obj) {
            Ok(Some(page)) => page,
            Ok(None) => return Outcome::RETRY_ACCESS,
            Err(_) => return Outcome::OOM,
        };
        // SAFETY: The union's halves are the same integer.
        let flags = unsafe { self.vma().__bindgen_anon_2.vm_flags };
        // SAFETY: `page` is a page of system memory.
        let pfn = unsafe { barium_page_to_pfn(page.as_ptr()) };
        // SAFETY: A pure function. System memory is mapped cached, as the kernel maps it.
        let prot = unsafe { bindings::vm_get_page_prot(flags) };
        self.insert(pfn, prot)
    }

    fn insert(&self, pfn: usize, prot: bindings::pgprot_t) -> Outcome {
        let at = &self.vmf.__bindgen_anon_1;
        // SAFETY: By the type's invariants the area is PFNMAP and not copy-on-write, and this is
        // its fault. The frame is device memory that is zapped before it is given up (`Pfn`), or
        // the object's own page, freed with the object, which the area holds.
        Outcome(unsafe { bindings::vmf_insert_pfn_prot(at.vma, at.address, pfn, prot) })
    }
}

/// The object's page of zeros. `None`: another thread is setting it right now.
fn zero_page<T: MappedObject>(obj: &Object<T>) -> Result<Option<&Page>> {
    let slot = &obj.zero_page;
    if slot.as_ref().is_none() {
        // A loser of the race frees its page.
        slot.populate(Page::alloc_page(GFP_KERNEL | __GFP_ZERO)?);
    }
    Ok(slot.as_ref())
}

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
    /// Errors: `EINVAL` if the address is not one of the mapping's and the object's, or for a
    /// write to what the process itself could not write.
    ///
    /// # Safety
    ///
    /// The arguments must be those of an `access` callback, for `'a`: `vma` valid, a mapping of
    /// `obj`, and `buf` good for `len` bytes, to be written to, or for `write` initialised.
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

        let page = vma
            .vm_pgoff
            .checked_sub(super::gem::fake_offset(obj))
            .ok_or(EINVAL)?;
        let offset = address
            .checked_sub(span.vm_start)
            .and_then(|distance| distance.checked_add(page << PAGE_SHIFT))
            .ok_or(EINVAL)?;
        let left_in_vma = span.vm_end.checked_sub(address).ok_or(EINVAL)?;
        let left_in_obj = (super::gem::pages(obj) << PAGE_SHIFT)
            .checked_sub(offset)
            .ok_or(EINVAL)?;
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
        super::gem::once_registered(self.obj)
    }

    /// Calls `copy` for the part in each page, with the page, the first byte in it, and the
    /// transfer. Returns the bytes of the parts before the first one that failed.
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
            match copy(PageIndex(offset >> PAGE_SHIFT), in_page, part) {
                Err(err) if done == 0 => return Err(err),
                Err(_) => break,
                Ok(()) => done = end,
            }
        }
        Ok(done)
    }

    /// Does the transfer with the object's page of zeros, as a process does that touches the
    /// mapping after [`Fault::insert_zero_page`].
    pub(crate) fn with_zero_page(self) -> Result<usize> {
        let page = zero_page(self.obj)?.ok_or(EAGAIN)?;
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

/// The `fault` entry of the area's `vm_ops`.
///
/// # Safety
///
/// To be called by the memory manager only, for an area that `mmap_callback` of the same `T` has
/// set up.
pub(super) unsafe extern "C" fn fault_callback<T: MappedObject>(
    vmf: *mut bindings::vm_fault,
) -> bindings::vm_fault_t {
    // SAFETY: `vmf` is valid, and so is its area while the fault is served.
    let private = unsafe { (*(*vmf).__bindgen_anon_1.vma).vm_private_data };
    // SAFETY: These `vm_ops` are only on areas whose private data is the object of this type that
    // they were made for. The area holds a reference to it.
    let obj = unsafe { <Object<T> as drm::gem::IntoGEMObject>::from_raw(private.cast()) };
    // SAFETY: `vmf` is this callback's argument, `obj` its area's object. `MappedObject::mmap()`
    // proved that `into_pfnmap()` has made the area.
    let fault = unsafe { Fault::<'_, T>::from_raw(vmf, obj) };
    T::fault(&fault).into_raw()
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
    let Ok(len) = usize::try_from(len) else {
        return EINVAL.to_errno();
    };
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

/// The part of an object that belongs to its mappings, whatever the driver's data is.
pub(super) type ZeroPageSlot = kernel::sync::SetOnce<Page>;
