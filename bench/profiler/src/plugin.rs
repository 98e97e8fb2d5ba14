// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The callbacks for QEMU, and the record.

use std::ffi::{c_char, c_int, c_uint, c_void, CStr};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Mutex;

use crate::memory::Traffic;
use crate::qemu::{self, Access, Block, Instruction};

/// The version of QEMU's plugin interface. QEMU looks this symbol up.
#[no_mangle]
pub static qemu_plugin_version: c_int = 7;

/// The opcode of a NOP with a 32-bit displacement from RAX.
const MARKER: [u8; 3] = [0x0f, 0x1f, 0x80];
/// Displacement of the marker that starts an interval.
const START: u32 = 0x4261_7201;
/// Displacement of the marker that ends it.
const STOP: u32 = 0x4261_7202;
/// Displacement of the marker that starts a pause.
const PAUSE: u32 = 0x4261_7203;
/// Displacement of the marker that ends it.
const RESUME: u32 = 0x4261_7204;

/// The kinds of records.
enum Recorder {
    /// The address of each instruction as a little-endian `u64`; a 0 after each interval.
    Instructions,
    /// The lines that [`Traffic`] writes, with the addresses of reads or of writes.
    Memory { traffic: Traffic, of_reads: bool },
}

/// The record and its file.
struct Record {
    recorder: Recorder,
    out: BufWriter<File>,
}

/// The guest's position relative to markers.
static STATE: AtomicU8 = AtomicU8::new(OUTSIDE);
/// Outside of intervals; the normal state.
const OUTSIDE: u8 = 0;
/// In an interval.
const INSIDE: u8 = 1;
/// In a pause of an interval.
const PAUSED: u8 = 2;

static RECORD: Mutex<Option<Record>> = Mutex::new(None);

/// Calls `work` with the record. A measurement with an incomplete record is worthless, so an error
/// ends QEMU.
fn with_record(work: impl FnOnce(&mut Record) -> io::Result<()>) {
    let mut record = RECORD.lock().expect("a panic ends QEMU");
    if let Some(Err(error)) = record.as_mut().map(work) {
        eprintln!("profiler: {error}");
        std::process::abort();
    }
}

/// QEMU calls this when it loads the plugin. Returns 0 on success.
///
/// # Safety
///
/// `arguments` must point to `count` C strings, which QEMU guarantees.
#[no_mangle]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _info: *const c_void,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    let argument = |name: &str| {
        (0..count).find_map(|index| {
            // SAFETY: `index` is below `count`, and QEMU passes `count` C strings.
            let argument = unsafe { CStr::from_ptr(*arguments.add(index)) };
            argument.to_str().ok()?.strip_prefix(name)
        })
    };
    let recorder = match argument("what=") {
        None | Some("instructions") => Recorder::Instructions,
        Some(what @ ("memory" | "reads")) => Recorder::Memory {
            traffic: Traffic::default(),
            of_reads: what == "reads",
        },
        Some(other) => {
            eprintln!("profiler: what={other} is none of instructions, memory, reads");
            return -1;
        }
    };
    let Some(path) = argument("out=") else {
        eprintln!("profiler: out=FILE is missing");
        return -1;
    };
    let translated = match recorder {
        Recorder::Instructions => on_translation_for_instructions,
        Recorder::Memory { .. } => on_translation_for_memory as qemu::OnTranslation,
    };
    match File::create(path) {
        Ok(file) => {
            let out = BufWriter::with_capacity(1 << 20, file);
            *RECORD.lock().expect("nothing has panicked yet") = Some(Record { recorder, out });
        }
        Err(error) => {
            eprintln!("profiler: {path}: {error}");
            return -1;
        }
    }
    // SAFETY: QEMU has passed `id`, and the functions have the signatures of its plugin interface.
    unsafe {
        qemu::qemu_plugin_register_vcpu_tb_trans_cb(id, translated, std::ptr::null_mut());
        qemu::qemu_plugin_register_atexit_cb(id, at_exit, std::ptr::null_mut());
    }
    0
}

/// Registers a callback for the execution of each instruction of a new block.
extern "C" fn on_translation_for_instructions(block: *mut Block, _data: *mut c_void) {
    for_each_instruction(block, |instruction| {
        if !watch_marker(instruction) {
            // SAFETY: QEMU has passed the instruction. The user data is a number, and not used as a pointer.
            unsafe {
                let address = qemu::qemu_plugin_insn_vaddr(instruction);
                qemu::qemu_plugin_register_vcpu_insn_exec_cb(
                    instruction,
                    on_instruction,
                    qemu::NO_REGISTERS,
                    address as *mut c_void,
                );
            }
        }
    });
}

/// Registers a callback for the memory accesses of each instruction of a new block.
extern "C" fn on_translation_for_memory(block: *mut Block, _data: *mut c_void) {
    for_each_instruction(block, |instruction| {
        if !watch_marker(instruction) {
            // SAFETY: QEMU has passed the instruction, and the callback has the required signature.
            unsafe {
                qemu::qemu_plugin_register_vcpu_mem_cb(
                    instruction,
                    on_access,
                    qemu::NO_REGISTERS,
                    qemu::READS_AND_WRITES,
                    std::ptr::null_mut(),
                );
            }
        }
    });
}

/// Calls `watch` for each instruction of a block that QEMU has passed to a callback.
fn for_each_instruction(block: *mut Block, watch: impl Fn(*mut Instruction)) {
    // SAFETY: QEMU passes a block that is valid until the callback returns.
    let count = unsafe { qemu::qemu_plugin_tb_n_insns(block) };
    for index in 0..count {
        // SAFETY: the block is valid until the callback returns, and `index` is below its instruction
        // count.
        watch(unsafe { qemu::qemu_plugin_tb_get_insn(block, index) });
    }
}

/// Registers the marker callback if the instruction is a marker. Returns true in that case.
fn watch_marker(instruction: *mut Instruction) -> bool {
    let callback = match marker(instruction) {
        Some(START) => on_start,
        Some(STOP) => on_stop as qemu::OnInstruction,
        Some(PAUSE) => on_pause,
        Some(RESUME) => on_resume,
        _ => return false,
    };
    // SAFETY: QEMU has passed the instruction, and the callback has the required signature.
    unsafe {
        qemu::qemu_plugin_register_vcpu_insn_exec_cb(
            instruction,
            callback,
            qemu::NO_REGISTERS,
            std::ptr::null_mut(),
        );
    }
    true
}

/// Returns the displacement if the instruction has the form of a marker.
fn marker(instruction: *const Instruction) -> Option<u32> {
    let mut bytes = [0u8; 7];
    // SAFETY: QEMU writes at most as many bytes as the length that it gets.
    let len =
        unsafe { qemu::qemu_plugin_insn_data(instruction, bytes.as_mut_ptr().cast(), bytes.len()) };
    let [a, b, c, displacement @ ..] = bytes;
    (len == bytes.len() && [a, b, c] == MARKER).then(|| u32::from_le_bytes(displacement))
}

/// Writes an address.
fn put(out: &mut impl Write, address: u64) -> io::Result<()> {
    out.write_all(&address.to_le_bytes())
}

extern "C" fn on_start(_cpu: c_uint, _data: *mut c_void) {
    STATE.store(INSIDE, Ordering::Relaxed);
}

extern "C" fn on_pause(_cpu: c_uint, _data: *mut c_void) {
    change(INSIDE, PAUSED);
}

extern "C" fn on_resume(_cpu: c_uint, _data: *mut c_void) {
    change(PAUSED, INSIDE);
}

/// Changes the state to `to` if it is `from`.
fn change(from: u8, to: u8) {
    let _ = STATE.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
}

fn is_inside() -> bool {
    STATE.load(Ordering::Relaxed) == INSIDE
}

extern "C" fn on_stop(_cpu: c_uint, _data: *mut c_void) {
    if STATE.swap(OUTSIDE, Ordering::Relaxed) != OUTSIDE {
        with_record(|record| match &mut record.recorder {
            Recorder::Instructions => put(&mut record.out, 0),
            Recorder::Memory { traffic, .. } => std::mem::take(traffic).report(&mut record.out),
        });
    }
}

extern "C" fn on_instruction(_cpu: c_uint, address: *mut c_void) {
    if is_inside() {
        with_record(|record| put(&mut record.out, address as u64));
    }
}

extern "C" fn on_access(_cpu: c_uint, access: Access, address: u64, _data: *mut c_void) {
    if !is_inside() {
        return;
    }
    // SAFETY: `access` is valid, as this is the access's own callback.
    let (bytes, is_write) = unsafe {
        (
            1 << qemu::qemu_plugin_mem_size_shift(access),
            qemu::qemu_plugin_mem_is_store(access),
        )
    };
    // SAFETY: this is the access's own callback, in which QEMU can return its physical address.
    let physical = || unsafe {
        qemu::qemu_plugin_hwaddr_phys_addr(qemu::qemu_plugin_get_hwaddr(access, address))
    };
    with_record(|record| {
        if let Recorder::Memory { traffic, of_reads } = &mut record.recorder {
            match is_write {
                true => traffic.write(bytes),
                false => traffic.read(bytes),
            }
            if is_write != *of_reads {
                traffic.locate(physical(), bytes);
            }
        }
        Ok(())
    });
}

extern "C" fn at_exit(_data: *mut c_void) {
    with_record(|record| record.out.flush());
}
