// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The part of version 7 of QEMU's plugin interface that the profiler uses, which is that of QEMU 11.
//! Debian's QEMU supports plugins, but no Debian package has `qemu-plugin.h`.

use std::ffi::{c_int, c_uint, c_void};

/// The callback does not access registers.
pub const NO_REGISTERS: c_int = 0;
/// The callback is for memory reads and writes.
pub const READS_AND_WRITES: c_int = 3;

/// A translation block during its translation.
#[repr(C)]
pub struct Block {
    _opaque: [u8; 0],
}

/// An instruction of a translation block.
#[repr(C)]
pub struct Instruction {
    _opaque: [u8; 0],
}

/// The physical address of an access, valid in the access's callback.
#[repr(C)]
pub struct HardwareAddress {
    _opaque: [u8; 0],
}

/// A memory access.
pub type Access = u32;

/// Callback for the translation of a block.
pub type OnTranslation = extern "C" fn(*mut Block, *mut c_void);
/// Callback for the execution of an instruction.
pub type OnInstruction = extern "C" fn(c_uint, *mut c_void);
/// Callback after a memory access: CPU, access, virtual address.
pub type OnAccess = extern "C" fn(c_uint, Access, u64, *mut c_void);

extern "C" {
    pub fn qemu_plugin_register_vcpu_tb_trans_cb(
        id: u64,
        callback: OnTranslation,
        data: *mut c_void,
    );
    pub fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    pub fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    pub fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    pub fn qemu_plugin_insn_data(
        instruction: *const Instruction,
        to: *mut c_void,
        len: usize,
    ) -> usize;
    pub fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: OnInstruction,
        flags: c_int,
        data: *mut c_void,
    );
    pub fn qemu_plugin_register_vcpu_mem_cb(
        instruction: *mut Instruction,
        callback: OnAccess,
        flags: c_int,
        direction: c_int,
        data: *mut c_void,
    );
    pub fn qemu_plugin_mem_size_shift(access: Access) -> c_uint;
    pub fn qemu_plugin_mem_is_store(access: Access) -> bool;
    pub fn qemu_plugin_get_hwaddr(access: Access, address: u64) -> *mut HardwareAddress;
    pub fn qemu_plugin_hwaddr_phys_addr(address: *const HardwareAddress) -> u64;
    pub fn qemu_plugin_register_atexit_cb(
        id: u64,
        callback: extern "C" fn(*mut c_void),
        data: *mut c_void,
    );
}
