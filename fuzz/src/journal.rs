// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The last programs, on a disk: each is there before it runs, so it outlives the guest's kernel. The
//! host reads them when a guest is lost, and gives programs to a guest in the same form.
//!
//! From [`START`] on there are [`SLOTS`] blocks of 4 KiB, used in turn. A block: "BARIUMFZ", the
//! program's number from 1 on (64 bit, little-endian), its length in bytes (64 bit), the program.
//! The host knows how long the program's head and records are, to make it shorter.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use crate::program::Program;

/// Where the first block is, in bytes.
const START: u64 = 1 << 20;
/// How many there are.
const SLOTS: u64 = 64;
/// Bytes of a block.
const BLOCK: usize = 4096;
/// What a block begins with.
const MAGIC: &[u8; 8] = b"BARIUMFZ";
/// Bytes before the program.
const HEAD: usize = 24;

/// A block, aligned as direct I/O wants it.
#[repr(align(4096))]
struct Block([u8; BLOCK]);

/// The disk.
pub struct Journal {
    disk: File,
    number: u64,
}

impl Journal {
    /// On the disk `path`.
    pub fn open(path: &str) -> io::Result<Self> {
        let disk = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_DIRECT)
            .open(path)?;
        Ok(Self { disk, number: 0 })
    }

    /// Adds a program. It is with the host when this returns.
    pub fn add(&mut self, program: &Program) -> io::Result<()> {
        self.number += 1;
        let bytes = program.bytes();
        let mut block = Box::new(Block([0; BLOCK]));
        block.0[..8].copy_from_slice(MAGIC);
        block.0[8..16].copy_from_slice(&self.number.to_le_bytes());
        block.0[16..HEAD].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        block.0[HEAD..HEAD + bytes.len()].copy_from_slice(bytes);
        let at = START + self.number % SLOTS * BLOCK as u64;
        self.disk.write_all_at(&block.0, at)
    }

    /// The programs that are there, in order.
    pub fn read(&self) -> io::Result<Vec<Program>> {
        let mut found = Vec::new();
        let mut block = Box::new(Block([0; BLOCK]));
        for slot in 0..SLOTS {
            self.disk
                .read_exact_at(&mut block.0, START + slot * BLOCK as u64)?;
            let word = |at: usize| {
                let bytes = block.0[at..at + 8].try_into().expect("eight bytes");
                u64::from_le_bytes(bytes)
            };
            let len = word(16) as usize;
            if &block.0[..8] == MAGIC && len <= BLOCK - HEAD {
                found.push((word(8), Program::from_bytes(&block.0[HEAD..HEAD + len])));
            }
        }
        found.sort_by_key(|(number, _)| *number);
        Ok(found.into_iter().map(|(_, program)| program).collect())
    }
}
