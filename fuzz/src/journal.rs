// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The journal: the last programs, each written to a disk before it runs, so that they survive a
//! crash of the guest's kernel. The host reads them when a guest is lost, and passes programs to a
//! guest in the same format.
//!
//! The journal consists of [`SLOTS`] blocks of 4 KiB from [`START`] on, used as a ring. A block has
//! "BARIUMFZ", the program's number from 1 on (64 bits, little-endian), its length in bytes (64
//! bits), and the program. To shorten programs, the host also knows the size of a program's header
//! and records.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use crate::program::Program;

/// Offset of the first block in bytes.
const START: u64 = 1 << 20;
/// Number of blocks.
const SLOTS: u64 = 64;
/// Size of a block in bytes.
const BLOCK: usize = 4096;
/// Magic number of a block.
const MAGIC: &[u8; 8] = b"BARIUMFZ";
/// Bytes before the program.
const HEAD: usize = 24;

/// A block, aligned for direct I/O.
#[repr(align(4096))]
struct Block([u8; BLOCK]);

/// The disk.
pub struct Journal {
    disk: File,
    number: u64,
}

impl Journal {
    /// Opens the disk `path`.
    pub fn open(path: &str) -> io::Result<Self> {
        let disk = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_DIRECT)
            .open(path)?;
        Ok(Self { disk, number: 0 })
    }

    /// Adds a program. The host sees it when this function returns.
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

    /// Returns the programs in the journal, in order.
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
