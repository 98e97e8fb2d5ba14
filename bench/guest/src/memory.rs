// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The amount of free system memory, exact to the page.

use std::fs;
use std::io;

use crate::sys::page_size;

/// Returns the bytes of free memory after the kernel has freed its caches (page cache, unused
/// inodes). Pages in the per-CPU lists are free too, but the kernel counts them separately.
pub fn free() -> io::Result<usize> {
    fs::write("/proc/sys/vm/drop_caches", "3")?;
    // Makes the CPUs fold their counters into the global ones.
    fs::read("/proc/sys/vm/stat_refresh")?;
    in_zones(&fs::read_to_string("/proc/zoneinfo")?)
        .map(|pages| pages * page_size())
        .ok_or_else(|| io::Error::other("/proc/zoneinfo tells no free pages"))
}

/// Returns the number of free pages in all zones and per-CPU lists.
fn in_zones(zones: &str) -> Option<usize> {
    let mut pages = None;
    for line in zones.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["pages", "free", count] | ["count:", count] = words[..] {
            *pages.get_or_insert(0) += count.parse::<usize>().ok()?;
        }
    }
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_pages_of_all_zones() {
        let zones = "\
Node 0, zone      DMA
  per-node stats
      nr_free_cma  7
  pages free     3840
        boost    0
        present  3998
  pagesets
    cpu: 0
              count:    12
              high:     52
Node 0, zone    DMA32
  pages free     200000
  pagesets
    cpu: 0
              count:    30
              high:     1000
";
        assert_eq!(in_zones(zones), Some(3840 + 12 + 200_000 + 30));
        assert_eq!(in_zones("Node 0, zone DMA"), None);
    }
}
