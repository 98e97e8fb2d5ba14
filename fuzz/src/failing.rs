// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Failing allocations: what the kernel makes fail when a thread asks for it through its `fail-nth`.

use std::fs;
use std::ops::Range;

use crate::sys;

const DEBUGFS: &str = "/sys/kernel/debug";

/// Linux 7.3 does not survive it when DRM makes the sysfs devices of a driver's device nodes and their
/// memory cannot be had, whatever the driver: `drm_minor_alloc_release()` puts an error pointer.
const NOT_SURVIVED: &str = "drm_sysfs_minor_alloc";
/// The kinds of failures that look at the stack.
const KINDS: [&str; 2] = ["failslab", "fail_page_alloc"];
/// As many callers are looked at as the kernel can.
const FAR: usize = 32;
/// From the failing allocation up, what a driver's own allocations have on the stack, and those of a
/// function that it calls.
const NEAR: usize = 12;

/// Has all kinds of allocations fail, without a word, but in what the kernel does not survive.
pub fn prepare() {
    for (file, value) in [
        ("failslab/verbose", "0"),
        ("fail_page_alloc/verbose", "0"),
        ("fail_usercopy/verbose", "0"),
        ("failslab/ignore-gfp-wait", "N"),
        ("fail_page_alloc/ignore-gfp-wait", "N"),
        ("fail_page_alloc/ignore-gfp-highmem", "N"),
        ("fail_page_alloc/min-order", "0"),
    ] {
        // A kernel without them does not fail.
        let _ = sys::write_file(&format!("{DEBUGFS}/{file}"), value);
    }
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let Some((start, end)) = function(&symbols, NOT_SURVIVED) else {
        return;
    };
    set(&[("reject-start", start), ("reject-end", end)]);
}

/// Has those allocations fail, and be counted, that are made by code at these addresses or near below
/// it; all, if there are none.
pub fn count_near(code: Option<&Range<usize>>) {
    let (depth, start, end) = code.map_or((FAR, 0, usize::MAX), |c| (NEAR, c.start, c.end));
    set(&[
        ("stacktrace-depth", depth),
        ("require-start", start),
        ("require-end", end),
    ]);
}

fn set(knobs: &[(&str, usize)]) {
    for kind in KINDS {
        for (knob, value) in knobs {
            // The depth is a decimal number, addresses are not.
            let value = match *knob {
                "stacktrace-depth" => value.to_string(),
                _ => format!("{value:#x}"),
            };
            let _ = sys::write_file(&format!("{DEBUGFS}/{kind}/{knob}"), &value);
        }
    }
}

/// The addresses of the function `name`: the first, and the first of what follows it in `symbols`, which
/// are as /proc/kallsyms has them.
fn function(symbols: &str, name: &str) -> Option<(usize, usize)> {
    let mut symbols = symbols.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = usize::from_str_radix(words.next()?, 16).ok()?;
        Some((address, words.nth(1)?))
    });
    let (start, _) = symbols.find(|(_, symbol)| *symbol == name)?;
    let (end, _) = symbols.find(|(address, _)| *address > start)?;
    Some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_ends_where_the_next_begins() {
        let symbols = "ff10 T first\nff20 T wanted\nff20 t alias\nff48 T next\n";
        assert_eq!(function(symbols, "wanted"), Some((0xff20, 0xff48)));
        assert_eq!(function(symbols, "next"), None);
        assert_eq!(function(symbols, "other"), None);
    }
}
