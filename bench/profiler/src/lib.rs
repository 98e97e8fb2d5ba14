// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A plugin for QEMU's TCG that records the addresses of all instructions that the guest executes
//! between two marks.
//!
//! `-plugin FILE.so,out=RECORD` on QEMU's command line loads it. A mark is a no-operation that no
//! compiler emits: `nop dword ptr [rax + 0x42617201]` starts recording, `...02` stops it. What comes
//! out is a row of little-endian `u64`, with a 0 after each stretch between two marks. Names of
//! functions are not its business: the guest's /proc/kallsyms has them.
//!
//! Debian's QEMU has plugins but no package has `qemu-plugin.h`: what is used of its interface is
//! declared here.

use std::ffi::{c_char, c_int, c_uint, c_void, CStr};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Mutex;

/// The version of QEMU's plugin interface that this is written for. QEMU looks for this name.
#[no_mangle]
pub static qemu_plugin_version: c_int = 4;

/// No-operation with a 32-bit displacement from rax, without the displacement.
const MARK: [u8; 3] = [0x0f, 0x1f, 0x80];
/// Displacement that starts recording.
const START: u32 = 0x4261_7201;
/// Displacement that stops it.
const STOP: u32 = 0x4261_7202;

/// The plugin's callbacks may not use registers.
const NO_REGISTERS: c_int = 0;

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

extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, callback: extern "C" fn(u64, *mut Block));
    fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    fn qemu_plugin_insn_data(instruction: *const Instruction, to: *mut c_void, len: usize)
        -> usize;
    fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: extern "C" fn(c_uint, *mut c_void),
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_register_atexit_cb(
        id: u64,
        callback: extern "C" fn(u64, *mut c_void),
        data: *mut c_void,
    );
}

/// Where the record goes, and whether anything is recorded now.
struct Recorder {
    on: bool,
    out: BufWriter<File>,
}

impl Recorder {
    fn put(&mut self, address: u64) {
        if let Err(error) = self.out.write_all(&address.to_le_bytes()) {
            eprintln!("profiler: {error}");
            std::process::abort();
        }
    }
}

static RECORDER: Mutex<Option<Recorder>> = Mutex::new(None);

fn with_recorder(work: impl FnOnce(&mut Recorder)) {
    if let Ok(mut recorder) = RECORDER.lock() {
        if let Some(recorder) = recorder.as_mut() {
            work(recorder);
        }
    }
}

/// QEMU calls this when it loads the plugin; 0 is for success.
///
/// # Safety
///
/// QEMU's promise: `arguments` has `count` strings.
#[no_mangle]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _info: *const c_void,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    let path = (0..count).find_map(|index| {
        // SAFETY: `index` is below `count`, and each argument is a C string.
        let argument = unsafe { CStr::from_ptr(*arguments.add(index)) };
        argument.to_str().ok()?.strip_prefix("out=")
    });
    let Some(path) = path else {
        eprintln!("profiler: out=FILE is missing");
        return -1;
    };
    match File::create(path) {
        Ok(file) => {
            let recorder = Recorder {
                on: false,
                out: BufWriter::with_capacity(1 << 20, file),
            };
            *RECORDER.lock().expect("nothing has panicked yet") = Some(recorder);
        }
        Err(error) => {
            eprintln!("profiler: {path}: {error}");
            return -1;
        }
    }
    // SAFETY: the id is QEMU's own, and the functions have the signatures that it asks for.
    unsafe {
        qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        qemu_plugin_register_atexit_cb(id, at_exit, std::ptr::null_mut());
    }
    0
}

/// Has each instruction of a new block call us when it is executed.
extern "C" fn translated(_id: u64, block: *mut Block) {
    // SAFETY: QEMU calls this with a block that is valid until it returns.
    let count = unsafe { qemu_plugin_tb_n_insns(block) };
    for index in 0..count {
        // SAFETY: as above, and `index` is below the count.
        let instruction = unsafe { qemu_plugin_tb_get_insn(block, index) };
        let callback = match mark(instruction) {
            Some(START) => start,
            Some(STOP) => stop,
            _ => executed as extern "C" fn(c_uint, *mut c_void),
        };
        // SAFETY: the instruction belongs to the block. The "pointer" is the address as a number.
        unsafe {
            let address = qemu_plugin_insn_vaddr(instruction);
            qemu_plugin_register_vcpu_insn_exec_cb(
                instruction,
                callback,
                NO_REGISTERS,
                address as *mut c_void,
            );
        }
    }
}

/// The mark's displacement, if the instruction has the form of one.
fn mark(instruction: *const Instruction) -> Option<u32> {
    let mut bytes = [0u8; 7];
    // SAFETY: QEMU writes no more than the length that it is given.
    let len = unsafe { qemu_plugin_insn_data(instruction, bytes.as_mut_ptr().cast(), bytes.len()) };
    let [a, b, c, displacement @ ..] = bytes;
    (len == bytes.len() && [a, b, c] == MARK).then(|| u32::from_le_bytes(displacement))
}

extern "C" fn start(_cpu: c_uint, _address: *mut c_void) {
    with_recorder(|recorder| recorder.on = true);
}

extern "C" fn stop(_cpu: c_uint, _address: *mut c_void) {
    with_recorder(|recorder| {
        if recorder.on {
            recorder.on = false;
            recorder.put(0);
        }
    });
}

extern "C" fn executed(_cpu: c_uint, address: *mut c_void) {
    with_recorder(|recorder| {
        if recorder.on {
            recorder.put(address as u64);
        }
    });
}

extern "C" fn at_exit(_id: u64, _data: *mut c_void) {
    with_recorder(|recorder| {
        if let Err(error) = recorder.out.flush() {
            eprintln!("profiler: {error}");
        }
    });
}
