// SPDX-License-Identifier: GPL-2.0 OR MIT

//! KCOV, the kernel's coverage of a thread. Only the driver is instrumented.

use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::abi;
use crate::sys;

/// KCOV's debugfs file.
const FILE: &str = "/sys/kernel/debug/kcov";
/// Size of a buffer in words: far more than one call needs.
const WORDS: usize = 1 << 15;

/// A coverage buffer for one thread at a time. It is created before the process forks and used in
/// child processes.
pub struct Kcov {
    file: i32,
    area: *const AtomicU64,
}

// SAFETY: the buffer is memory shared with the kernel, and only accessed by atomic operations.
unsafe impl Send for Kcov {}
// SAFETY: the buffer is memory shared with the kernel, and only accessed by atomic operations.
unsafe impl Sync for Kcov {}

impl Kcov {
    /// Returns true if the kernel has KCOV.
    pub fn is_there() -> bool {
        fs::exists(FILE).unwrap_or(false)
    }

    /// Creates a buffer.
    pub fn new() -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(FILE)?
            .into_raw_fd();
        let ask = |request: u32, argument: usize| {
            sys::call(
                libc::SYS_ioctl,
                &[sys::fd(file), request as usize, argument],
            )
            .map_err(io::Error::from_raw_os_error)
        };
        ask(abi::FUZZ_KCOV_INIT_TRACE, WORDS)?;
        let area = sys::call(
            libc::SYS_mmap,
            &[
                0,
                WORDS * size_of::<u64>(),
                (libc::PROT_READ | libc::PROT_WRITE) as usize,
                libc::MAP_SHARED as usize,
                sys::fd(file),
            ],
        )
        .map_err(io::Error::from_raw_os_error)?;
        Ok(Self {
            file,
            area: area as *const AtomicU64,
        })
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < WORDS);
        // SAFETY: `index` is within the buffer, which is never unmapped.
        unsafe { &*self.area.add(index) }
    }

    /// Enables coverage of the calling thread until it ends.
    pub fn enable(&self) -> bool {
        self.word(0).store(0, Ordering::Relaxed);
        let enable = [sys::fd(self.file), abi::FUZZ_KCOV_ENABLE as usize, 0];
        sys::call(libc::SYS_ioctl, &enable).is_ok()
    }

    /// Returns the coverage since the last call: return addresses of the calls at the coverage
    /// points.
    pub fn take(&self, mut each: impl FnMut(usize)) {
        let count = self.word(0).load(Ordering::Relaxed) as usize;
        for index in 1..=count.min(WORDS - 1) {
            each(self.word(index).load(Ordering::Relaxed) as usize);
        }
        self.word(0).store(0, Ordering::Relaxed);
    }
}

/// Maximum size of a section of the driver's code in bytes. Each section gets this many point
/// numbers, so that a point keeps its number when the module is loaded at another address.
const SECTION: usize = 1 << 20;

/// The addresses of the loaded driver's code.
pub struct Text {
    /// Object file name, first address and length of each code section.
    pub sections: Vec<(String, usize, usize)>,
}

impl Text {
    /// Reads the addresses of the loaded module.
    pub fn find() -> io::Result<Self> {
        let dir = "/sys/module/barium/sections";
        let mut starts = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let text = fs::read_to_string(entry.path())?;
            let start = usize::from_str_radix(text.trim().trim_start_matches("0x"), 16);
            let start = start.map_err(|_| io::Error::other(format!("an address: {text}")))?;
            starts.push((entry.file_name().to_string_lossy().into_owned(), start));
        }
        starts.sort_by_key(|(_, start)| *start);
        let mut sections = Vec::new();
        for (index, (name, start)) in starts.iter().enumerate() {
            // sysfs has no section lengths: a section extends to the next one, or to a guessed end.
            let end = starts
                .get(index + 1)
                .map_or(start + SECTION, |(_, next)| *next);
            if name.starts_with(".text") || name.starts_with(".exit.text") {
                sections.push((name.clone(), *start, (end - start).min(SECTION)));
            }
        }
        sections.sort();
        Ok(Self { sections })
    }

    /// Returns the address range of the largest section.
    pub fn main(&self) -> Option<std::ops::Range<usize>> {
        let found = self.sections.iter().find(|(name, ..)| name == ".text");
        found.map(|(_, start, len)| *start..start + len)
    }

    /// Returns the number of point numbers.
    pub fn len(&self) -> usize {
        self.sections.len() * SECTION
    }

    /// Returns the number of the point at `address`.
    pub fn point(&self, address: usize) -> Option<usize> {
        let is_here =
            |(_, start, len): &(String, usize, usize)| (*start..start + len).contains(&address);
        let index = self.sections.iter().position(is_here)?;
        Some(index * SECTION + address - self.sections[index].1)
    }

    /// Returns the name of a point: `SECTION+OFFSET`.
    pub fn name(&self, point: usize) -> String {
        let section = self.sections.get(point / SECTION);
        let name = section.map_or("?", |(name, ..)| name);
        format!("{name}+{:#x}", point % SECTION)
    }
}
