// SPDX-License-Identifier: GPL-2.0

//! Setting up a user mapping of page frames.
//!
//! - Upstream today: [`kernel::mm::virt`] knows no `VM_PFNMAP`, and no page protection.
//! - The shape it should have: `VmaNew::into_pfnmap()` as the one place that sets flags and
//!   protection together.
//! - Why this is sound on 7.3: [`NewVma`] exists only within the `mmap` callback, where the area
//!   is not shared yet. The rules whose breach is a `BUG()` in `vmf_insert_pfn_prot()` (PFNMAP
//!   set, not copy-on-write) are kept by [`NewVma::into_pfnmap`], and [`PfnVma`] proves that it
//!   was called.
//! - Delete when `mm::virt` can do this.

use core::{
    marker::PhantomData,
    ops::Range, //
};
use kernel::{
    bindings,
    mm::virt::flags,
    page::PAGE_SHIFT,
    prelude::*, //
};

// Defined in helpers.c.
extern "C" {
    fn barium_pgprot_device_wc(prot: bindings::pgprot_t) -> bindings::pgprot_t;
}

/// The protection of device memory in an area with flags `vm_flags`: write-combining.
fn device_prot(vm_flags: bindings::vm_flags_t) -> bindings::pgprot_t {
    // SAFETY: `vm_get_page_prot()` has no preconditions.
    let prot = unsafe { bindings::vm_get_page_prot(vm_flags) };
    // SAFETY: `barium_pgprot_device_wc()` has no preconditions.
    unsafe { barium_pgprot_device_wc(prot) }
}

/// The protection of system memory in a mapping of page frames: the memory type is cached, as in
/// the kernel's own mapping of that memory, and the rights are those of the area's `vm_page_prot`.
///
/// `vm_page_prot` has all rights that the area's flags give, or those of a private area, which does
/// not allow writes, if the memory manager wants to be told of writes (`vma_set_page_prot()`). So
/// it is for soft-dirty tracking (`/proc/pid/clear_refs`).
///
/// # Safety
///
/// `vma` must be an area that went through [`NewVma::into_pfnmap`], and be locked against changes.
pub(super) unsafe fn system_memory_prot(
    vma: *const bindings::vm_area_struct,
) -> bindings::pgprot_t {
    // SAFETY: By the requirements of this function, `vma` is valid and does not change. Both
    // members of the union are the same integer.
    let (vm_flags, prot) = unsafe { ((*vma).__bindgen_anon_2.vm_flags, (*vma).vm_page_prot) };
    let vm_flags = if prot.pgprot == device_prot(vm_flags).pgprot {
        vm_flags
    } else {
        vm_flags & !flags::SHARED
    };
    // SAFETY: `vm_get_page_prot()` has no preconditions.
    unsafe { bindings::vm_get_page_prot(vm_flags) }
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

    /// The object's pages that the mapping spans. Those of one that starts before the object, or is
    /// longer than any, are far behind the last.
    pub(crate) fn pages(&self) -> Range<usize> {
        // SAFETY: The area is valid and not shared by the type's invariants.
        let vma = unsafe { &*self.vma };
        // SAFETY: This half of the union is in use for an area that exists.
        let span = unsafe { vma.__bindgen_anon_1.__bindgen_anon_1 };
        let first = vma.vm_pgoff.wrapping_sub(self.start);
        let pages = (span.vm_end - span.vm_start) >> PAGE_SHIFT;
        first..first.saturating_add(pages)
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
        vma.vm_page_prot = device_prot(new);
        Ok(PfnVma(PhantomData))
    }
}
