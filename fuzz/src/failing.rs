// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Fault injection with `fail-nth`.

use std::fs;
use std::ops::Range;

use crate::sys;

const DEBUGFS: &str = "/sys/kernel/debug";

/// Linux 7.3 oopses if an allocation of this function fails, for any driver:
/// `drm_minor_alloc_release()` passes an error pointer to `put_device()`.
const EXCLUDED_FUNCTION: &str = "drm_sysfs_minor_alloc";
/// The fault injection kinds that filter by stack trace.
const KINDS: [&str; 2] = ["failslab", "fail_page_alloc"];
/// The maximum stack depth that the kernel supports.
const MAX_STACK_DEPTH: usize = 32;
/// Stack depth within which the allocations of the driver, and of functions that it calls directly,
/// have the driver's code.
const NEAR_STACK_DEPTH: usize = 12;

/// Enables silent failures of all allocations, except those that the kernel does not survive.
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
        // A kernel without fault injection does not have these files.
        let _ = sys::write_file(&format!("{DEBUGFS}/{file}"), value);
    }
    let symbols = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let Some((start, end)) = function(&symbols, EXCLUDED_FUNCTION) else {
        return;
    };
    set(&[("reject-start", start), ("reject-end", end)]);
}

/// Restricts failures, and the count of allocations, to those with `code` near the top of the
/// stack; `None` removes the restriction.
pub fn restrict_to(code: Option<&Range<usize>>) {
    let (depth, start, end) = code.map_or((MAX_STACK_DEPTH, 0, usize::MAX), |c| {
        (NEAR_STACK_DEPTH, c.start, c.end)
    });
    set(&[
        ("stacktrace-depth", depth),
        ("require-start", start),
        ("require-end", end),
    ]);
}

fn set(knobs: &[(&str, usize)]) {
    for kind in KINDS {
        for (knob, value) in knobs {
            // The stack depth is decimal, addresses are hexadecimal.
            let value = match *knob {
                "stacktrace-depth" => value.to_string(),
                _ => format!("{value:#x}"),
            };
            let _ = sys::write_file(&format!("{DEBUGFS}/{kind}/{knob}"), &value);
        }
    }
}

/// Returns the start and end of the function `name` according to `symbols`, the content of
/// /proc/kallsyms.
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
