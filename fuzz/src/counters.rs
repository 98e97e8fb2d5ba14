// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Samples of the kernel's resource usage, taken while no process uses the device and after the
//! kernel has freed its caches.
//!
//! A sample first drops caches (`drop_caches`) and shrinks each slab cache, which also empties
//! KASAN's quarantine. So the counted objects are in use.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use crate::device::PciDevice;
use crate::sys;

const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";
/// kmemleak only reports older objects.
const LEAK_AGE: Duration = Duration::from_secs(6);

/// One sample.
pub struct Sample {
    /// Seconds since the start.
    pub at: u64,
    /// Bytes of available VRAM.
    pub vram: u64,
    /// Lines of kmemleak's report.
    pub leaks: usize,
    /// /proc/meminfo: KiB by name.
    pub memory: BTreeMap<String, u64>,
    /// Objects in use and object size, by slab cache.
    pub slabs: BTreeMap<String, (u64, u64)>,
    /// Number of vmalloc and ioremap areas.
    pub areas: usize,
    /// Number of open files.
    pub files: u64,
    /// Number of dma-bufs.
    pub buffers: usize,
}

impl Sample {
    /// Takes a sample.
    pub fn take(at: u64, device: &PciDevice) -> Result<Self, String> {
        device.bind()?;
        let (_, vram) = device.vram()?;
        settle();
        let leaks = leaks();
        let slabs = slabs();
        Ok(Self {
            at,
            vram,
            leaks: leaks.lines().count(),
            memory: memory(),
            slabs,
            areas: text("/proc/vmallocinfo").lines().count(),
            files: first_number(&text("/proc/sys/fs/file-nr")),
            buffers: text("/sys/kernel/debug/dma_buf/bufinfo")
                .lines()
                .filter(|line| line.contains("\tdrm") || line.contains("barium"))
                .count(),
        })
    }

    /// Returns the size of all slab objects in use, in KiB.
    pub fn slab_kib(&self) -> u64 {
        let bytes: u64 = self.slabs.values().map(|(count, size)| count * size).sum();
        bytes / 1024
    }

    /// Returns an entry of /proc/meminfo, in KiB.
    pub fn kib(&self, name: &str) -> u64 {
        self.memory.get(name).copied().unwrap_or(0)
    }
}

/// Returns kmemleak's report.
pub fn leaks() -> String {
    let _ = sys::write_file(KMEMLEAK, "scan");
    thread::sleep(LEAK_AGE);
    let _ = sys::write_file(KMEMLEAK, "scan");
    text(KMEMLEAK)
}

/// Makes the kernel free its caches.
fn settle() {
    for _ in 0..2 {
        let _ = sys::write_file("/proc/sys/vm/drop_caches", "3");
        for entry in fs::read_dir("/sys/kernel/slab")
            .into_iter()
            .flatten()
            .flatten()
        {
            let shrink = entry.path().join("shrink");
            let _ = sys::write_file(&shrink.to_string_lossy(), "1");
        }
        // Objects are also freed after a grace period and by workers.
        thread::sleep(Duration::from_secs(1));
    }
}

fn text(path: &str) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

fn first_number(text: &str) -> u64 {
    let word = text.split_whitespace().next();
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn memory() -> BTreeMap<String, u64> {
    text("/proc/meminfo")
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.into(), first_number(value)))
        .collect()
}

fn slabs() -> BTreeMap<String, (u64, u64)> {
    text("/proc/slabinfo")
        .lines()
        .filter(|line| !line.starts_with("slabinfo") && !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            let active = words.next()?.parse().ok()?;
            let size = words.nth(1)?.parse().ok()?;
            Some((name.into(), (active, size)))
        })
        .collect()
}
