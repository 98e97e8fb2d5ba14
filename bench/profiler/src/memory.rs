// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The record of the CPU's reads and writes; one line for each interval:
//!
//! `READ WRITTEN [FIRST+COUNT*BYTES]...`
//!
//! `READ` and `WRITTEN` are numbers of bytes. Each run of adjacent pages with the same number of
//! written bytes follows, or of read bytes if the record is one of reads: the physical address of the
//! first page in hexadecimal, the number of pages, and the bytes of each page. A byte that is written
//! twice counts twice. A string instruction counts like a loop, since QEMU makes one access after the
//! other.

use std::collections::BTreeMap;
use std::io::{self, Write};

/// Bytes of a page of the guest (x86-64).
const PAGE: u64 = 4096;

/// The reads and writes of the current interval.
#[derive(Default)]
pub struct Traffic {
    /// Bytes read.
    read: u64,
    /// Bytes written.
    written: u64,
    /// Bytes of the accesses whose addresses are recorded, by page number.
    pages: BTreeMap<u64, u64>,
    /// The page of the last such access, and its bytes that are not in `pages` yet: most accesses are
    /// to the same page as the previous one.
    last: (u64, u64),
}

impl Traffic {
    /// Counts a read.
    pub fn read(&mut self, bytes: u64) {
        self.read += bytes;
    }

    /// Counts a write.
    pub fn write(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// Records the physical address of an access that has been counted. An access that crosses a page
    /// boundary counts for the page in which it starts.
    pub fn locate(&mut self, address: u64, bytes: u64) {
        let page = address / PAGE;
        if page != self.last.0 {
            self.settle();
            self.last.0 = page;
        }
        self.last.1 += bytes;
    }

    fn settle(&mut self) {
        let (page, bytes) = std::mem::take(&mut self.last);
        if bytes > 0 {
            *self.pages.entry(page).or_default() += bytes;
        }
    }

    /// Writes the line.
    pub fn report(mut self, out: &mut impl Write) -> io::Result<()> {
        self.settle();
        write!(out, "{} {}", self.read, self.written)?;
        for (first, count, bytes) in self.runs() {
            write!(out, " {:x}+{count}*{bytes}", first * PAGE)?;
        }
        writeln!(out)
    }

    /// Returns runs of adjacent pages with the same number of bytes: first page number,
    /// number of pages, bytes per page.
    fn runs(&self) -> Vec<(u64, u64, u64)> {
        let mut runs: Vec<(u64, u64, u64)> = Vec::new();
        for (&page, &bytes) in &self.pages {
            match runs.last_mut() {
                Some((first, count, each)) if *first + *count == page && *each == bytes => {
                    *count += 1;
                }
                _ => runs.push((page, 1, bytes)),
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(traffic: Traffic) -> String {
        let mut line = Vec::new();
        traffic.report(&mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    fn write_to(traffic: &mut Traffic, address: u64, bytes: u64) {
        traffic.write(bytes);
        traffic.locate(address, bytes);
    }

    #[test]
    fn pages_that_are_alike_are_a_run() {
        let mut traffic = Traffic::default();
        traffic.read(8);
        for word in 0..3 * PAGE / 8 {
            write_to(&mut traffic, 0xfd00_0000 + word * 8, 8);
        }
        write_to(&mut traffic, 0xfd00_3000, 2);
        write_to(&mut traffic, 0x1000, 1);
        assert_eq!(
            line(traffic),
            "8 12291 1000+1*1 fd000000+3*4096 fd003000+1*2\n"
        );
    }

    #[test]
    fn what_is_written_twice_counts_twice() {
        let mut traffic = Traffic::default();
        for address in [0, 0x1000, 0] {
            write_to(&mut traffic, address, 4);
        }
        assert_eq!(line(traffic), "0 12 0+1*8 1000+1*4\n");
    }

    #[test]
    fn reads_have_addresses_too() {
        let mut traffic = Traffic::default();
        traffic.write(2);
        traffic.read(4);
        traffic.locate(0x2004, 4);
        assert_eq!(line(traffic), "4 2 2000+1*4\n");
    }

    #[test]
    fn nothing() {
        assert_eq!(line(Traffic::default()), "0 0\n");
    }
}
