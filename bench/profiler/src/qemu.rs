// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What is used of QEMU's plugin interface. Debian's QEMU has plugins, but no package has
//! `qemu-plugin.h`: it is declared here.

use std::ffi::{c_int, c_uint, c_void};

/// Callbacks that may not use registers.
pub const NO_REGISTERS: c_int = 0;
/// Callbacks for what reads memory and what writes it.
pub const READS_AND_WRITES: c_int = 3;

/// A translation block while QEMU translates it.
#[repr(C)]
pub struct Block {
    _opaque: [u8; 0],
}

/// An instruction of a translation block.
#[repr(C)]
pub struct Instruction {
    _opaque: [u8; 0],
}

/// The guest's physical address of an access, while its callback runs.
#[repr(C)]
pub struct HardwareAddress {
    _opaque: [u8; 0],
}

/// What is known of an access to memory.
pub type Access = u32;

/// Called when an instruction is executed.
pub type OnInstruction = extern "C" fn(c_uint, *mut c_void);
/// Called after an instruction has accessed memory: CPU, access, virtual address.
pub type OnAccess = extern "C" fn(c_uint, Access, u64, *mut c_void);

extern "C" {
    pub fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, callback: extern "C" fn(u64, *mut Block));
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
        callback: extern "C" fn(u64, *mut c_void),
        data: *mut c_void,
    );
}
