// SPDX-License-Identifier: GPL-2.0

//! Filling device memory with zeros, in as few and as wide stores as the CPU has.
//!
//! - Upstream today: `memset_io()`, which on x86 is `rep stosb`: a store a byte, as far as the
//!   instruction set goes, and for write-combining memory no promise that a CPU does better.
//! - The shape it should have: `memset_io()` with a variant for write-combining memory, as
//!   `memcpy_toio()` has with `__iowrite64_copy()`.
//! - Why this is sound on 7.3: vector registers are used between `kernel_fpu_begin_mask()` and
//!   `kernel_fpu_end()` only, in code that cannot sleep, if the CPU and the kernel have them.
//! - Delete when there is such a variant.

use kernel::{
    bindings,
    prelude::*, //
};

/// Fills `len` bytes of device memory with zeros. May sleep. A write barrier is the caller's
/// business.
///
/// # Safety
///
/// `start` must be mapped device memory for `len` bytes.
pub(super) unsafe fn zero_io(start: *mut c_void, len: usize) {
    #[cfg(CONFIG_X86_64)]
    if start.addr() % x86::BLOCK == 0 && len % x86::BLOCK == 0 {
        // SAFETY: The caller vouches for the range, and it was just seen to be whole blocks.
        return unsafe { x86::zero(start, len) };
    }
    // SAFETY: The caller vouches for the range.
    unsafe { bindings::memset_io(start, 0, len) };
}

#[cfg(CONFIG_X86_64)]
mod x86 {
    use super::*;

    /// Bytes that are zeroed at a time.
    pub(super) const BLOCK: usize = 512;
    /// From how many bytes on it pays to save the vector registers first.
    const WIDE_MIN: usize = 16 * 1024;
    /// How many bytes are zeroed without a chance to be preempted.
    const WIDE_MAX: usize = 64 * 1024;
    /// `XFEATURE_MASK_SSE | XFEATURE_MASK_YMM` (arch/x86/include/asm/fpu/types.h).
    const AVX_STATE: u64 = 1 << 1 | 1 << 2;
    /// `KFPU_MXCSR` is not needed: nothing is computed.
    const NO_FPU_STATE: c_uint = 0;

    /// # Safety
    ///
    /// `start` must be mapped device memory for `len` bytes, both in whole [`BLOCK`]s.
    pub(super) unsafe fn zero(mut start: *mut c_void, mut len: usize) {
        // SAFETY: A question about the CPU; no name is asked for.
        let has_avx = unsafe { bindings::cpu_has_xfeatures(AVX_STATE, core::ptr::null_mut()) } != 0;
        if has_avx && len >= WIDE_MIN {
            while len != 0 {
                let part = len.min(WIDE_MAX);
                // SAFETY: Process context, ended below.
                unsafe { bindings::kernel_fpu_begin_mask(NO_FPU_STATE) };
                // SAFETY: The part is in the range; AVX is there, and its registers are ours.
                unsafe { zero_avx(start, part) };
                // SAFETY: Begun above.
                unsafe { bindings::kernel_fpu_end() };
                start = start.wrapping_byte_add(part);
                len -= part;
            }
            return;
        }
        // SAFETY: Stores to the range; the direction flag is clear in the kernel.
        unsafe {
            core::arch::asm!(
                "rep stosq",
                inout("rcx") len / size_of::<u64>() => _,
                inout("rdi") start => _,
                in("rax") 0u64,
                options(nostack, preserves_flags),
            );
        }
    }

    /// # Safety
    ///
    /// As for [`zero`], with `len` not 0; and to be called between `kernel_fpu_begin_mask()` and
    /// `kernel_fpu_end()` on a CPU with AVX.
    unsafe fn zero_avx(start: *mut c_void, len: usize) {
        // SAFETY: Stores to the range, one block a round. The kernel is built without vector
        // registers, so the compiler neither uses nor knows `ymm0`.
        unsafe {
            core::arch::asm!(
                "vpxor %xmm0, %xmm0, %xmm0",
                "2:",
                "vmovntdq %ymm0, 0x000({at})",
                "vmovntdq %ymm0, 0x020({at})",
                "vmovntdq %ymm0, 0x040({at})",
                "vmovntdq %ymm0, 0x060({at})",
                "vmovntdq %ymm0, 0x080({at})",
                "vmovntdq %ymm0, 0x0a0({at})",
                "vmovntdq %ymm0, 0x0c0({at})",
                "vmovntdq %ymm0, 0x0e0({at})",
                "vmovntdq %ymm0, 0x100({at})",
                "vmovntdq %ymm0, 0x120({at})",
                "vmovntdq %ymm0, 0x140({at})",
                "vmovntdq %ymm0, 0x160({at})",
                "vmovntdq %ymm0, 0x180({at})",
                "vmovntdq %ymm0, 0x1a0({at})",
                "vmovntdq %ymm0, 0x1c0({at})",
                "vmovntdq %ymm0, 0x1e0({at})",
                "add ${block}, {at}",
                "cmp {end}, {at}",
                "jb 2b",
                "vzeroupper",
                at = inout(reg) start => _,
                end = in(reg) start.wrapping_byte_add(len),
                block = const BLOCK,
                options(att_syntax, nostack),
            );
        }
    }
}
