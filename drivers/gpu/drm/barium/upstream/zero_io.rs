// SPDX-License-Identifier: GPL-2.0

//! Fills device memory with zeros, with the widest stores that the CPU supports.
//!
//! C header: [`arch/x86/include/asm/fpu/api.h`](srctree/arch/x86/include/asm/fpu/api.h)
//!
//! - Upstream today: `memset_io()`, which on x86 is `rep stosb`. Architecturally, that is one store
//!   per byte, and no CPU guarantees wider stores to write-combining memory. On other architectures
//!   (lib/iomem_copy.c), a store has 8 bytes and a loop of its own.
//! - The shape it should have: a variant of `memset_io()` for write-combining memory, as
//!   `__iowrite64_copy()` is a variant of `memcpy_toio()`.
//! - Why this is sound on 7.3: vector registers are used only between `kernel_fpu_begin_mask()` and
//!   `kernel_fpu_end()`, in code that does not sleep, and only if the CPU has them, the kernel
//!   saves them, and the context may use them (`irq_fpu_usable()`).
//! - Delete when the kernel has such a variant.

use kernel::{
    bindings,
    prelude::*, //
};

/// Fills the `len` bytes of device memory from `start` on with zeros. May be called in any context.
/// The caller issues the write barrier if it needs one.
///
/// # Safety
///
/// The `len` bytes from `start` on must be mapped device memory.
pub(super) unsafe fn zero_io(start: *mut c_void, len: usize) {
    #[cfg(any(CONFIG_X86_64, CONFIG_ARM64))]
    if start.addr() % wide::BLOCK == 0 && len % wide::BLOCK == 0 {
        // SAFETY: By the safety requirements, the range is mapped device memory. It consists of
        // whole blocks, as was checked above.
        return unsafe { wide::zero(start, len) };
    }
    // SAFETY: By the safety requirements, the range is mapped device memory.
    unsafe { bindings::memset_io(start, 0, len) };
}

#[cfg(CONFIG_ARM64)]
mod wide {
    use super::*;

    /// The number of bytes that one round of the loop zeroes.
    pub(super) const BLOCK: usize = 128;

    /// Fills the `len` bytes from `start` on with zeros, by stores of 16 bytes. (`dc zva` zeroes more
    /// at once, but faults on memory of the types that arm64 calls Device.)
    ///
    /// # Safety
    ///
    /// The `len` bytes from `start` on must be mapped device memory. Both must be multiples of
    /// [`BLOCK`].
    pub(super) unsafe fn zero(start: *mut c_void, len: usize) {
        if len == 0 {
            return;
        }
        // SAFETY: By the safety requirements, the range is mapped device memory in whole blocks,
        // one of which each round stores to. There is at least one.
        unsafe {
            core::arch::asm!(
                "2:",
                "stp xzr, xzr, [{at}]",
                "stp xzr, xzr, [{at}, #0x10]",
                "stp xzr, xzr, [{at}, #0x20]",
                "stp xzr, xzr, [{at}, #0x30]",
                "stp xzr, xzr, [{at}, #0x40]",
                "stp xzr, xzr, [{at}, #0x50]",
                "stp xzr, xzr, [{at}, #0x60]",
                "stp xzr, xzr, [{at}, #0x70]",
                "add {at}, {at}, #{block}",
                "cmp {at}, {end}",
                "b.lo 2b",
                at = inout(reg) start => _,
                end = in(reg) start.wrapping_byte_add(len),
                block = const BLOCK,
                options(nostack),
            );
        }
    }
}

#[cfg(CONFIG_X86_64)]
mod wide {
    use super::*;

    /// The number of bytes that one round of the loop zeroes.
    pub(super) const BLOCK: usize = 512;
    /// The minimum number of bytes for which saving the vector registers pays off.
    const WIDE_MIN: usize = 16 * 1024;
    /// The maximum number of bytes to zero with preemption disabled.
    const WIDE_MAX: usize = 64 * 1024;
    /// `XFEATURE_MASK_SSE | XFEATURE_MASK_YMM` (arch/x86/include/asm/fpu/types.h).
    const AVX_STATE: u64 = 1 << 1 | 1 << 2;
    /// Without `KFPU_MXCSR`, because the section does no floating-point arithmetic.
    const NO_FPU_STATE: c_uint = 0;

    /// Fills the `len` bytes from `start` on with zeros.
    ///
    /// # Safety
    ///
    /// The `len` bytes from `start` on must be mapped device memory. Both must be multiples of
    /// [`BLOCK`].
    pub(super) unsafe fn zero(mut start: *mut c_void, mut len: usize) {
        if len >= WIDE_MIN && may_use_avx() {
            while len != 0 {
                let part = len.min(WIDE_MAX);
                // SAFETY: `may_use_avx()` returned true, so this context may use vector registers.
                // The section ends below, and does not sleep.
                unsafe { bindings::kernel_fpu_begin_mask(NO_FPU_STATE) };
                // SAFETY: The part is in the range, and not empty. The CPU has AVX, and the section
                // began above.
                unsafe { zero_avx(start, part) };
                // SAFETY: The section began above.
                unsafe { bindings::kernel_fpu_end() };
                start = start.wrapping_byte_add(part);
                len -= part;
            }
            return;
        }
        // SAFETY: By the safety requirements, the range is mapped device memory, and consists of
        // whole words. The direction flag is clear in the kernel.
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

    /// Returns true if the CPU has AVX, the kernel saves its registers, and this context may use
    /// them. An interrupt handler that interrupts another section may not.
    fn may_use_avx() -> bool {
        // SAFETY: `cpu_has_xfeatures()` ignores a null name.
        let has_avx = unsafe { bindings::cpu_has_xfeatures(AVX_STATE, core::ptr::null_mut()) } != 0;
        // SAFETY: `irq_fpu_usable()` has no preconditions.
        has_avx && unsafe { bindings::irq_fpu_usable() }
    }

    /// Fills the `len` bytes from `start` on with zeros by non-temporal stores of 32 bytes.
    ///
    /// # Safety
    ///
    /// The preconditions are those of [`zero`], and `len` must not be 0. The CPU must have AVX, and
    /// the call must be between `kernel_fpu_begin_mask()` and `kernel_fpu_end()`.
    unsafe fn zero_avx(start: *mut c_void, len: usize) {
        // SAFETY: By the safety requirements, the range is mapped device memory in whole blocks,
        // one of which each round stores to. The compiler does not use `ymm0`, as the kernel is
        // built without vector registers, and `kernel_fpu_begin_mask()` has saved userspace's
        // `ymm0`.
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
