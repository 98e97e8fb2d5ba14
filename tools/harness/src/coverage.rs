// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Finds the points of the driver that coverage can record, and counts the recorded ones.
//!
//! The compiler inserts a call of `__sanitizer_cov_trace_pc` at the start of each basic block that
//! it has to tell from others. Such a call is a point. The points are read from the object file.
//! KCOV records the address after the call. The module's debugging information tells the source
//! line of each point.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use rustc_demangle::demangle;

use crate::lines::{lines, Lines};
use crate::object::{Function, Instruction, Object};
use crate::Result;

/// The function that the compiler calls at each point.
const TRACE: &str = "__sanitizer_cov_trace_pc";
/// Substrings of the symbols of functions that do not return.
const PANICS: &[&str] = &[
    "9panicking",
    "unwrap_failed",
    "expect_failed",
    "5slice5index",
    "slice_error_fail",
    "rust_build_error",
];
/// Substrings of the names of functions that report an error found by a sanitizer.
const REPORTS: &[&str] = &["__asan_report", "__ubsan_handle"];
/// Maximum distance in instructions from a sanitizer's check to its report.
const CHECK: usize = 12;

/// Why a fuzzer cannot reach a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unreachable {
    /// In a KUnit test, or in a function that only tests call.
    Test,
    /// In module initialisation or exit.
    Module,
    /// In a function that only in-kernel clients (the console) call. They run in threads that KCOV
    /// does not follow. The guest `opt/console` covers them.
    Console,
    /// All paths from here end in a panic.
    Panic,
    /// In the reporting part of a KASAN or UBSAN check.
    Checker,
    /// In a function without callers: all its calls are inlined.
    Uncalled,
}

impl Unreachable {
    /// A description for the summary.
    pub fn name(self) -> &'static str {
        match self {
            Unreachable::Test => "in KUnit tests",
            Unreachable::Module => "in module initialisation and exit",
            Unreachable::Console => "in functions that only the console calls",
            Unreachable::Panic => "on paths that end in a panic",
            Unreachable::Checker => "in KASAN's and UBSAN's checks",
            Unreachable::Uncalled => "in functions that are inlined everywhere",
        }
    }
}

/// A point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Section and offset, as the fuzzer prints them.
    pub place: String,
    /// The demangled name of the function.
    pub function: String,
    /// Why it is unreachable; `None` for a reachable point.
    pub unreachable: Option<Unreachable>,
    /// The address of the call.
    address: u64,
    /// The section of the function.
    section: String,
    /// Its source lines.
    pub lines: Lines,
}

/// Returns all points of a module.
pub fn points(module: &Path) -> Result<Vec<Point>> {
    let mut points = points_of(&Object::read(module)?);
    let sections: BTreeSet<String> = points.iter().map(|point| point.section.clone()).collect();
    for section in sections {
        let mut here: Vec<&mut Point> = points
            .iter_mut()
            .filter(|point| point.section == section)
            .collect();
        let addresses: Vec<u64> = here.iter().map(|point| point.address).collect();
        for (point, lines) in here.iter_mut().zip(lines(module, &section, &addresses)?) {
            point.lines = lines;
        }
    }
    Ok(points)
}

fn points_of(object: &Object) -> Vec<Point> {
    let is_root = |f: &Function| f.section != ".text" || object.named_by_data.contains(&f.symbol);
    let called = object.called_from(is_root, |_| false);
    let called_by_driver = object.called_from(|f| is_root(f) && !is_test(f), is_test);
    let is_unreachable = |f: &Function| is_test(f) || is_console(f);
    let called_from_userspace =
        object.called_from(|f| is_root(f) && !is_unreachable(f), is_unreachable);
    let mut points = Vec::new();
    for function in &object.functions {
        let symbol = function.symbol.as_str();
        let whole_function = if is_module(function) {
            Some(Unreachable::Module)
        } else if is_test(function) {
            Some(Unreachable::Test)
        } else if !called.contains(symbol) {
            Some(Unreachable::Uncalled)
        } else if !called_by_driver.contains(symbol) {
            Some(Unreachable::Test)
        } else if !called_from_userspace.contains(symbol) {
            Some(Unreachable::Console)
        } else {
            None
        };
        let flow = Flow::of(function);
        let name = format!("{:#}", demangle(symbol));
        for (index, instruction) in function.code.iter().enumerate() {
            if instruction.names(TRACE) {
                let next = function.code.get(index + 1);
                let after = next.map_or(instruction.address + 5, |next| next.address);
                points.push(Point {
                    place: format!("{}+{after:#x}", function.section),
                    function: name.clone(),
                    unreachable: whole_function.or_else(|| flow.unreachable(index)),
                    address: instruction.address,
                    section: function.section.clone(),
                    lines: Lines::default(),
                });
            }
        }
    }
    points
}

fn is_test(function: &Function) -> bool {
    let name = format!("{:#}", demangle(&function.symbol));
    ["::tests::", "kunit"]
        .iter()
        .any(|part| name.contains(part))
}

fn is_console(function: &Function) -> bool {
    let name = format!("{:#}", demangle(&function.symbol));
    ["::vmap_callback", "::vunmap_callback", "vmap::SharedMap"]
        .iter()
        .any(|part| name.contains(part))
}

fn is_module(function: &Function) -> bool {
    let sections = [".init", ".exit"];
    let symbols = ["init_module", "cleanup_module", "asan.module_"];
    sections
        .iter()
        .any(|name| function.section.starts_with(name))
        || symbols.iter().any(|part| function.symbol.contains(part))
}

/// The control flow of a function.
struct Flow<'a> {
    code: &'a [Instruction],
    /// For each instruction: true if the function may return from there.
    returns: Vec<bool>,
    /// The points of blocks that belong to a sanitizer's check.
    checks: BTreeSet<usize>,
}

impl<'a> Flow<'a> {
    fn of(function: &'a Function) -> Self {
        let code = &function.code[..];
        let at: HashMap<u64, usize> = code
            .iter()
            .enumerate()
            .map(|(index, instruction)| (instruction.address, index))
            .collect();
        let mut before: Vec<Vec<usize>> = vec![Vec::new(); code.len()];
        let mut left = Vec::new();
        for (index, instruction) in code.iter().enumerate() {
            let (next, leaves) = successors(code, &at, index);
            next.into_iter().for_each(|next| before[next].push(index));
            if leaves || instruction.name.starts_with("ret") {
                left.push(index);
            }
        }
        let mut returns = vec![false; code.len()];
        while let Some(index) = left.pop() {
            if !returns[index] {
                returns[index] = true;
                left.extend(&before[index]);
            }
        }
        let mut flow = Self {
            code,
            returns,
            checks: BTreeSet::new(),
        };
        flow.find_checks(&at);
        flow
    }

    /// Finds the blocks that report an error, and the blocks of the check before them that run only
    /// for a suspicious access. KASAN needs a second comparison for accesses of less than eight
    /// bytes.
    fn find_checks(&mut self, at: &HashMap<u64, usize>) {
        let reports: BTreeSet<usize> = (0..self.code.len())
            .filter(|index| self.is_point(*index) && self.reports(*index))
            .collect();
        self.checks.extend(&reports);
        for (index, instruction) in self.code.iter().enumerate() {
            if !instruction.jumps() || instruction.name == "jmp" {
                continue;
            }
            let Some(start) = self.small_check(index) else {
                continue;
            };
            let target = instruction.target().and_then(|target| at.get(&target));
            let both = [Some(index + 1), target.copied()];
            if both.iter().flatten().any(|next| reports.contains(next)) {
                self.checks.extend(both.into_iter().flatten());
                self.checks.extend(start);
            }
        }
    }

    fn is_point(&self, index: usize) -> bool {
        self.code.get(index).is_some_and(|i| i.names(TRACE))
    }

    /// Returns true if the block that starts at `point` reports an error.
    fn reports(&self, point: usize) -> bool {
        let block = self.code[point + 1..].iter();
        block
            .take_while(|i| !i.jumps() && !i.name.starts_with("ret") && !i.names(TRACE))
            .any(|i| REPORTS.iter().any(|report| i.names(report)))
    }

    /// Returns `Some` if the comparison before the jump at `index` tests the low bits of an
    /// address; the inner value is the point at the start of that comparison's block, if it has
    /// one.
    fn small_check(&self, index: usize) -> Option<Option<usize>> {
        let mut is_about_bits = false;
        let mut start = None;
        for before in (index.saturating_sub(CHECK)..index).rev() {
            let instruction = &self.code[before];
            if instruction.jumps() || instruction.name == "call" {
                start = self.is_point(before).then_some(before);
                break;
            }
            is_about_bits |=
                instruction.name.starts_with("and") && instruction.operands.starts_with("$0x7,");
        }
        is_about_bits.then_some(start)
    }

    /// Returns why `point` is unreachable, or `None`.
    fn unreachable(&self, point: usize) -> Option<Unreachable> {
        if self.checks.contains(&point) {
            Some(Unreachable::Checker)
        } else if !self.returns[point] {
            Some(Unreachable::Panic)
        } else {
            None
        }
    }
}

/// Returns the possible next instructions, and true if the function may return here.
fn successors(code: &[Instruction], at: &HashMap<u64, usize>, index: usize) -> (Vec<usize>, bool) {
    let instruction = &code[index];
    let panics = || PANICS.iter().any(|panic| instruction.names(panic));
    let stops = ["ud2", "int3", "ret"]
        .iter()
        .any(|name| instruction.name.starts_with(name));
    if stops || instruction.name == "call" && panics() {
        return (Vec::new(), false);
    }
    let target = instruction
        .target()
        .and_then(|target| at.get(&target).copied());
    if instruction.name == "jmp" {
        let leaves = target.is_none() && !panics();
        return (target.into_iter().collect(), leaves);
    }
    let mut next: Vec<usize> = Vec::new();
    if instruction.jumps() {
        next.extend(target);
    }
    if index + 1 < code.len() {
        next.push(index + 1);
    }
    (next, false)
}

/// Numbers of points and of recorded points.
#[derive(Default)]
pub struct Coverage {
    /// All points.
    pub total: usize,
    /// Unreachable points by reason.
    pub unreachable: BTreeMap<Unreachable, usize>,
    /// Reachable points.
    pub reachable: usize,
    /// Reachable points that were recorded.
    pub seen: usize,
    /// Reachable points with a source line of the driver.
    pub own: usize,
    /// The recorded ones of them.
    pub own_seen: usize,
    /// Functions with reachable points that were not recorded: the number of those, and of all
    /// reachable points.
    pub unreached: BTreeMap<String, (usize, usize)>,
    /// The reachable points that were not recorded.
    pub unreached_points: Vec<Point>,
}

impl Coverage {
    /// Counts `points`; `places` are the recorded ones.
    pub fn of(points: &[Point], places: &BTreeSet<String>) -> Self {
        let mut coverage = Self {
            total: points.len(),
            ..Self::default()
        };
        let mut functions: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for point in points {
            let is_seen = places.contains(&point.place);
            if let (Some(reason), false) = (point.unreachable, is_seen) {
                *coverage.unreachable.entry(reason).or_default() += 1;
                continue;
            }
            coverage.reachable += 1;
            coverage.seen += usize::from(is_seen);
            if point.lines.is_driver_source() {
                coverage.own += 1;
                coverage.own_seen += usize::from(is_seen);
            }
            if !is_seen {
                coverage.unreached_points.push(point.clone());
            }
            let function = functions.entry(point.function.clone()).or_default();
            function.0 += usize::from(!is_seen);
            function.1 += 1;
        }
        functions.retain(|_, (unreached, _)| *unreached > 0);
        coverage.unreached = functions;
        coverage
    }

    /// Recorded points in percent of the reachable ones.
    pub fn percent(&self) -> f64 {
        percent(self.seen, self.reachable)
    }

    /// The same for points with a source line of the driver.
    pub fn own_percent(&self) -> f64 {
        percent(self.own_seen, self.own)
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    // Both numbers are small enough for an exact `f64`.
    100.0 * part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object;

    const LISTING: &str = "\
Disassembly of section .text:

0000000000000000 <_RNvNtC6barium4mmap5fault>:
       0:\tcall   5 <_RNvNtC6barium4mmap5fault+0x5>
\t\t\t1: R_X86_64_PLT32\t__sanitizer_cov_trace_pc-0x4
       5:\tjne    10 <_RNvNtC6barium4mmap5fault+0x10>
       7:\tcall   c <_RNvNtC6barium4mmap5fault+0xc>
\t\t\t8: R_X86_64_PLT32\t__sanitizer_cov_trace_pc-0x4
       c:\tand    $0x7,%cl
       d:\tjl     1c <_RNvNtC6barium4mmap5fault+0x1c>
       f:\tret
      10:\tcall   15 <_RNvNtC6barium4mmap5fault+0x15>
\t\t\t11: R_X86_64_PLT32\t__sanitizer_cov_trace_pc-0x4
      15:\tcall   1a <_RNvNtC6barium4mmap5fault+0x1a>
\t\t\t16: R_X86_64_PLT32\t_RNvNtC4core9panicking5panic-0x4
      1a:\tud2
      1c:\tcall   21 <_RNvNtC6barium4mmap5fault+0x21>
\t\t\t1d: R_X86_64_PLT32\t__sanitizer_cov_trace_pc-0x4
      21:\tcall   26 <_RNvNtC6barium4mmap5fault+0x26>
\t\t\t22: R_X86_64_PLT32\t__asan_report_load4_noabort-0x4
      26:\tret

0000000000000020 <_RNvNtC6barium4vmap13vmap_callback>:
      20:\tcall   25 <_RNvNtC6barium4vmap13vmap_callback+0x5>
\t\t\t21: R_X86_64_PLT32\t__sanitizer_cov_trace_pc-0x4

0000000000000030 <_RNvNtNtC6barium4mmap5tests1a>:
      30:\tcall   35 <_RNvNtNtC6barium4mmap5tests1a+0x5>
\t\t\t31: R_X86_64_PLT32\t__sanitizer_cov_trace_pc-0x4
";

    fn object() -> Object {
        let mut object = object::parse_code(LISTING);
        for root in ["4mmap5fault", "4vmap13vmap_callback"] {
            object.named_by_data.insert(format!("_RNvNtC6barium{root}"));
        }
        object
    }

    #[test]
    fn finds_points_and_why_they_cannot_be_reached() {
        let points = points_of(&object());
        let found: Vec<_> = points
            .iter()
            .map(|p| (p.place.as_str(), p.unreachable))
            .collect();
        assert_eq!(
            found,
            [
                (".text+0x5", None),
                (".text+0xc", Some(Unreachable::Checker)),
                (".text+0x15", Some(Unreachable::Panic)),
                (".text+0x21", Some(Unreachable::Checker)),
                (".text+0x25", Some(Unreachable::Console)),
                (".text+0x35", Some(Unreachable::Test)),
            ]
        );
        assert_eq!(points[0].function, "barium::mmap::fault");
    }

    #[test]
    fn what_nothing_calls_is_told_apart() {
        let mut object = object();
        object.named_by_data.clear();
        assert_eq!(
            points_of(&object)[0].unreachable,
            Some(Unreachable::Uncalled)
        );
    }

    #[test]
    fn counts_what_was_seen() {
        let seen = BTreeSet::from([".text+0xc".into(), ".text+0x6".into()]);
        let coverage = Coverage::of(&points_of(&object()), &seen);
        assert_eq!(
            (coverage.total, coverage.reachable, coverage.seen),
            (6, 2, 1)
        );
        assert!((coverage.percent() - 50.0).abs() < 1e-9);
        assert_eq!(coverage.unreached["barium::mmap::fault"], (1, 2));
        let unreached: Vec<&str> = coverage
            .unreached_points
            .iter()
            .map(|p| &p.place[..])
            .collect();
        assert_eq!(unreached, [".text+0x5"]);
        // The source of all points is unknown; such points count as the driver's.
        assert_eq!((coverage.own, coverage.own_seen), (2, 1));
    }
}
