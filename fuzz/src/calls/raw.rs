// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Ioctls with any number, size and argument.

use crate::arena;
use crate::call::RawIoctl;
use crate::sys::{self, PAGE};
use crate::thread_context::ThreadContext;

/// Size of our buffer: the largest size that an ioctl number can encode is 16383.
const BUFFER_SIZE: usize = 16384;

/// DRM ioctls that may block for ever, or that write to addresses in their argument.
const EXCLUDED: &[u8] = &[0x3a, 0xc3, 0xca];

/// Makes the call.
pub fn run(ctx: &ThreadContext<'_>, call: RawIoctl) {
    let fd = ctx.model().client(call.client).fd;
    if fd < 3 {
        return;
    }
    let number = match call.kind.0 % 4 {
        // The driver's range of numbers.
        0 | 1 => 0x40 + call.number % 0x60,
        2 => call.number,
        _ => 0x40 + call.number % 8,
    };
    if EXCLUDED.contains(&number) {
        return;
    }
    let direction = usize::from(call.kind.0 / 4 % 4);
    let size = match call.size % 4 {
        0 => 8,
        1 => 16,
        2 => 24,
        _ => usize::from(call.size) * 64 % BUFFER_SIZE,
    };
    let letter = if call.kind.0 >= 0xf0 { b'b' } else { b'd' };
    let request =
        (direction << 30) | (size << 16) | (usize::from(letter) << 8) | usize::from(number);

    let mut buffer = vec![0u8; BUFFER_SIZE];
    fill(&mut buffer, call.fill);
    let map = ctx.model().map(call.map);
    let argument = match (call.place.0 % 8, map) {
        // A part of the page without tracked words.
        (0 | 1, Some(map)) => map.address + 64 + usize::from(call.number) % 32 * 8,
        (2, _) => arena::START - PAGE,
        (3, _) => 0,
        (4, _) => usize::MAX - 7,
        _ => buffer.as_mut_ptr() as usize,
    };
    let size_in_map = argument != buffer.as_ptr() as usize && size > 1024;
    let request = if size_in_map {
        // Limits the size to stay clear of the tracked words.
        request & !(0x3fff << 16) | (64 << 16)
    } else {
        request
    };
    let says = || {
        format!(
            "ioctl({fd}, {request:#x}, {argument:#x} /* filled with {} */)",
            call.fill
        )
    };
    let done = ctx.sys(says, libc::SYS_ioctl, &[sys::fd(fd), request, argument]);
    if done.is_ok() {
        // The ioctl may have closed or created handles.
        ctx.model().forget_handles();
    }
}

/// Fills an argument with small numbers, one repeated number, or arbitrary values that are no
/// addresses of our memory.
fn fill(buffer: &mut [u8], kind: u8) {
    for (index, word) in buffer.chunks_exact_mut(4).enumerate() {
        let value: u32 = match kind % 8 {
            0 => 0,
            1 => u32::from(kind / 8),
            2 if index % 2 == 0 => u32::from(kind / 8),
            2 => 0,
            3 => u32::MAX,
            4 if index == usize::from(kind / 8) => 1,
            4 => 0,
            5 => 1 << (kind / 8),
            // Not a user address.
            6 => 0x8765_4321,
            _ => (index as u32).wrapping_mul(u32::from(kind)),
        };
        word.copy_from_slice(&value.to_le_bytes());
    }
}
