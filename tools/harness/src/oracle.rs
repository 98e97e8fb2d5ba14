// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Compares what a guest's program drew with the content of VRAM, without asking the driver: each
//! page of the program's reference must occur in VRAM exactly once.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::qmp::Qmp;
use crate::Result;

/// The granularity of VRAM objects on the guests' architecture, in bytes.
const PAGE: usize = 4096;

/// The pages of a reference in VRAM.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// The page number in VRAM of each page of the reference.
    pages: Vec<usize>,
    /// The content of those pages, read from VRAM.
    pub bytes: Vec<u8>,
}

impl Found {
    /// Returns the number of runs of adjacent VRAM pages that the object consists of.
    pub fn pieces(&self) -> usize {
        1 + self
            .pages
            .windows(2)
            .filter(|pair| pair[1] != pair[0] + 1)
            .count()
    }

    /// Returns a summary in one line.
    pub fn summary(&self) -> String {
        let pages = self.pages.len();
        let first = self.pages.iter().min().unwrap_or(&0) * PAGE;
        format!(
            "{pages} of {pages} pages match VRAM byte for byte ({} piece(s), lowest at {first:#x})",
            self.pieces()
        )
    }
}

/// Finds the first `size` bytes of `reference` in the VRAM of the device at PCI address `slot`.
/// `dump` is a scratch file.
pub fn look(qmp: &mut Qmp, slot: &str, reference: &Path, size: u64, dump: &Path) -> Result<Found> {
    let mut expected = Vec::new();
    File::open(reference)
        .and_then(|file| file.take(size).read_to_end(&mut expected))
        .map_err(|e| format!("{}: {e}", reference.display()))?;
    let bar = qmp.bar(slot, 0)?;
    qmp.save_memory(bar, dump)?;
    let vram = fs::read(dump).map_err(|e| format!("{}: {e}", dump.display()))?;
    fs::remove_file(dump).map_err(|e| format!("{}: {e}", dump.display()))?;
    find(&expected, &vram)
}

/// Finds each page of `expected` in `vram`. Fails if a page is missing or occurs more than once.
fn find(expected: &[u8], vram: &[u8]) -> Result<Found> {
    if expected.is_empty() || expected.len() % PAGE != 0 {
        return Err(format!(
            "the reference has {} bytes, which is not a multiple of the page size",
            expected.len()
        ));
    }
    let mut places: HashMap<&[u8], Vec<usize>> = expected
        .chunks_exact(PAGE)
        .map(|page| (page, Vec::new()))
        .collect();
    let count = expected.len() / PAGE;
    if places.len() != count {
        return Err(format!(
            "only {} of the reference's {count} pages are unique",
            places.len()
        ));
    }
    for (number, page) in vram.chunks_exact(PAGE).enumerate() {
        if let Some(found) = places.get_mut(page) {
            found.push(number);
        }
    }
    let mut pages = Vec::with_capacity(count);
    for (index, page) in expected.chunks_exact(PAGE).enumerate() {
        match places[page][..] {
            [only] => pages.push(only),
            ref others => {
                let good = places.values().filter(|p| p.len() == 1).count();
                return Err(format!(
                    "{good} of {count} pages match; page {index} occurs {} times in VRAM",
                    others.len()
                ));
            }
        }
    }
    let bytes = pages
        .iter()
        .flat_map(|&p| &vram[p * PAGE..(p + 1) * PAGE])
        .copied()
        .collect();
    Ok(Found { pages, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(fill: &[u8]) -> Vec<u8> {
        fill.iter().flat_map(|&byte| [byte; PAGE]).collect()
    }

    #[test]
    fn finds_scattered_pages() {
        let found = find(&pages(&[1, 2, 3]), &pages(&[0, 3, 0, 1, 2])).unwrap();
        assert_eq!(found.pages, [3, 4, 1]);
        assert_eq!(found.pieces(), 2);
        assert_eq!(found.bytes, pages(&[1, 2, 3]));
    }

    #[test]
    fn one_wrong_byte_is_found() {
        let mut vram = pages(&[1, 2]);
        vram[PAGE + 17] ^= 1;
        assert!(find(&pages(&[1, 2]), &vram)
            .unwrap_err()
            .contains("1 of 2 pages"));
    }

    #[test]
    fn a_page_that_is_there_twice_proves_nothing() {
        assert!(find(&pages(&[1, 2]), &pages(&[1, 2, 2])).is_err());
        assert!(find(&pages(&[1, 1]), &pages(&[1, 2])).is_err());
        assert!(find(&[], &pages(&[1])).is_err());
    }
}
