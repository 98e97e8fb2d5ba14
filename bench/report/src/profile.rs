// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Profiles of recorded intervals: instructions by function, and in the order of execution.

use std::collections::BTreeMap;

use crate::table::figure;
use crate::Result;

/// The first address of the kernel's half of the address space.
const KERNEL: u64 = 1 << 63;
/// Maximum number of instructions of a record that is also listed in the order of execution.
const MAX_LISTED: usize = 20_000;

/// The kernel's functions.
pub struct Symbols {
    /// By address: name, and module if there is one.
    by_address: BTreeMap<u64, String>,
}

impl Symbols {
    /// Parses /proc/kallsyms.
    pub fn parse(text: &str) -> Self {
        let mut by_address: BTreeMap<u64, String> = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(address), Some(kind), Some(name)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let Ok(address) = u64::from_str_radix(address, 16) else {
                continue;
            };
            if address < KERNEL || !matches!(kind, "t" | "T" | "w" | "W") || is_label(name) {
                continue;
            }
            let name = match words.next() {
                Some(module) => format!("{} {module}", function(name)),
                None => function(name),
            };
            let known = by_address.entry(address).or_insert_with(|| name.clone());
            if name.trim_start_matches('_').len() < known.trim_start_matches('_').len() {
                *known = name;
            }
        }
        Self { by_address }
    }

    /// Returns the function that contains an address, and its start.
    fn find(&self, address: u64) -> (&str, u64) {
        if address < KERNEL {
            return ("(user space)", 0);
        }
        self.by_address
            .range(..=address)
            .next_back()
            .map_or(("(unknown)", 0), |(&start, name)| (name.as_str(), start))
    }
}

/// Returns true for the names of symbols that are not the start of a function.
fn is_label(name: &str) -> bool {
    name.starts_with("__pfx_") || name.starts_with("__cfi_") || name.starts_with(".L")
}

/// Returns a function's name; for a Rust function, its path without modules.
fn function(name: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(name));
    let mut text = String::new();
    let mut rest = name.as_str();
    while let Some(end) = rest.find(|c: char| !c.is_alphanumeric() && c != '_') {
        let (part, after) = rest.split_at(end);
        let in_path = after
            .strip_prefix("::")
            .filter(|after| !after.starts_with('<'));
        rest = match in_path {
            Some(after) if part.starts_with(|c: char| c.is_ascii_lowercase()) => after,
            _ => {
                let mark = after.chars().next().map_or(0, char::len_utf8);
                text += part;
                text += &after[..mark];
                &after[mark..]
            }
        };
    }
    text + rest
}

/// Returns the tables of an interval, in Markdown.
pub fn report(symbols: &Symbols, interval: &[u64]) -> String {
    let mut text = by_function(symbols, interval);
    if interval.len() <= MAX_LISTED {
        text += &in_order(symbols, interval);
    }
    text
}

/// Splits a record into its intervals: addresses of executed instructions.
pub fn stretches(record: &[u8]) -> Result<Vec<Vec<u64>>> {
    let chunks = record.chunks_exact(8);
    let cut_off = !chunks.remainder().is_empty();
    let words: Vec<u64> = chunks
        .map(|bytes| u64::from_le_bytes(bytes.try_into().expect("chunks of eight")))
        .collect();
    match words.split_last() {
        Some((0, words)) if !cut_off => Ok(words
            .split(|&word| word == 0)
            .map(<[u64]>::to_vec)
            .collect()),
        _ => Err("the record is truncated".into()),
    }
}

/// Counts the instructions and entries by function.
fn by_function(symbols: &Symbols, interval: &[u64]) -> String {
    let mut functions: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for &address in interval {
        let (name, start) = symbols.find(address);
        let (instructions, calls) = functions.entry(name).or_default();
        *instructions += 1;
        *calls += usize::from(address == start);
    }
    let mut functions: Vec<_> = functions.into_iter().collect();
    functions.sort_by_key(|&(name, (instructions, _))| (usize::MAX - instructions, name));
    let mut text = format!(
        "{} guest instructions:\n\n| instructions | share | calls | function |\n| ---: | ---: | ---: | --- |\n",
        figure(interval.len() as f64),
    );
    for (name, (instructions, calls)) in functions {
        let share = 100.0 * instructions as f64 / interval.len() as f64;
        text += &format!("| {instructions} | {share:.1}% | {calls} | `{name}` |\n");
    }
    text.push('\n');
    text
}

/// Lists the functions in the order of execution; one line for each change of function.
fn in_order(symbols: &Symbols, interval: &[u64]) -> String {
    let mut lines: Vec<(&str, usize)> = Vec::new();
    for &address in interval {
        let (name, _) = symbols.find(address);
        match lines.last_mut() {
            Some((last, count)) if *last == name => *count += 1,
            _ => lines.push((name, 1)),
        }
    }
    let mut text = String::from("In order:\n\n");
    for (name, count) in lines {
        text += &format!("    {count:5} {name}\n");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYMBOLS: &str = "\
ffffffff81000000 T _text
ffffffff81000100 T handle_mm_fault
ffffffff810000f0 t __pfx_handle_mm_fault
ffffffff82000000 d some_data
ffffffffa0000000 t _RNvMs_NtCskMw4V_6barium4mmapNtB4_10VramObject5fault\t[barium]
ffffffffa0000080 t helper\t[barium]";

    fn record(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn instructions_by_function() {
        let symbols = Symbols::parse(SYMBOLS);
        let record = record(&[
            0x400000,
            0xffff_ffff_8100_0100,
            0xffff_ffff_8100_0104,
            0xffff_ffff_a000_0080,
            0xffff_ffff_8100_0108,
            0,
        ]);
        let [interval] = &stretches(&record).unwrap()[..] else {
            panic!("one interval");
        };
        let text = report(&symbols, interval);
        assert!(
            text.contains("| 3 | 60.0% | 1 | `handle_mm_fault` |"),
            "{text}"
        );
        assert!(
            text.contains("| 1 | 20.0% | 1 | `helper [barium]` |"),
            "{text}"
        );
        assert!(
            text.contains("| 1 | 20.0% | 0 | `(user space)` |"),
            "{text}"
        );
        assert!(
            text.contains("    2 handle_mm_fault\n        1 helper"),
            "{text}"
        );
    }

    #[test]
    fn rust_names_are_legible() {
        let symbols = Symbols::parse(SYMBOLS);
        let (name, _) = symbols.find(0xffff_ffff_a000_0010);
        assert_eq!(name, "<VramObject>::fault [barium]");
    }

    #[test]
    fn names_lose_their_modules() {
        let names = [
            ("handle_mm_fault", "handle_mm_fault"),
            (
                "_RINvNtNtCs1_6barium8upstream3gem5faultNtNtB6_3gem10VramObjectEB6_",
                "fault::<VramObject>",
            ),
        ];
        for (mangled, legible) in names {
            assert_eq!(function(mangled), legible);
        }
    }

    #[test]
    fn a_record_that_is_cut_off_is_refused() {
        assert!(stretches(&record(&[1])).is_err());
        assert!(stretches(&[0; 9]).is_err());
    }
}
