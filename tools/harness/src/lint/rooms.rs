// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The direction of dependencies among the rooms of the driver's crate, its top-level modules.
//!
//! The documentation of `barium_main.rs` has a table of them below its heading `# Rooms`, in a block
//! of lines like `file -> gem, mmap`. This checks that the table has no cycle, that each room uses
//! only rooms that the table allows, and that `upstream` uses only rooms that use none. Among the
//! pieces of `upstream` (its files and folders) there may be no cycle.
//!
//! A use is a path that starts with `crate::`, `super::` or `self::`, in a `use` declaration or
//! elsewhere.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::rust::{Source, Token};
use super::File;

/// The crate's root, which nobody uses.
const ROOT: &str = "barium_main";
/// The room that knows no other one.
const UPSTREAM: &str = "upstream";
/// In the table, for a room that may use all others.
const ALL: &str = "all";

/// Findings about `files`, which are all of the crate.
pub fn check(files: &[File]) -> Vec<String> {
    let modules: BTreeSet<Vec<String>> = files.iter().map(|file| module(&file.path)).collect();
    let mut rooms = Graph::default();
    let mut pieces = Graph::default();
    let mut findings = Vec::new();
    for file in files {
        for reference in references(&module(&file.path), &file.source) {
            let place = format!("{}:{}", file.path, reference.line);
            let (from, to) = (
                room(&reference.from, &modules),
                room(&reference.to, &modules),
            );
            rooms.add(from, to, &place);
            if from == UPSTREAM && to == UPSTREAM {
                pieces.add(
                    piece(&reference.from, &modules),
                    piece(&reference.to, &modules),
                    &place,
                );
            }
        }
    }
    findings.extend(rooms.cycles("rooms"));
    findings.extend(pieces.cycles("pieces of upstream"));
    let names: BTreeSet<&str> = modules.iter().map(|path| room(path, &modules)).collect();
    match files.iter().find(|file| file.path == "barium_main.rs") {
        Some(root) => findings.extend(check_table(&table(&root.source), &names, &rooms)),
        None => findings.push("barium_main.rs is missing".into()),
    }
    findings
}

/// What may use what, by room.
type Table = BTreeMap<String, Vec<String>>;

/// The table in the documentation of the crate's root; empty if there is none.
fn table(root: &Source) -> Table {
    let lines = root
        .comments
        .iter()
        .filter(|comment| comment.kind == "//!")
        .flat_map(|comment| comment.lines.iter().map(|line| line.trim()));
    let in_block = lines
        .skip_while(|line| *line != "# Rooms")
        .skip_while(|line| !line.starts_with("```"))
        .skip(1)
        .take_while(|line| !line.starts_with("```"));
    in_block
        .filter_map(|line| {
            let (name, uses) = line.split_once("->")?;
            let uses = uses
                .split(',')
                .map(str::trim)
                .filter(|used| !used.is_empty());
            Some((name.trim().into(), uses.map(String::from).collect()))
        })
        .collect()
}

/// Findings about the table, and about uses that it does not allow.
fn check_table(table: &Table, names: &BTreeSet<&str>, rooms: &Graph) -> Vec<String> {
    if table.is_empty() {
        return vec![
            "barium_main.rs: no table of rooms (a block of `room -> room, room` lines) \
                     below `# Rooms`"
                .into(),
        ];
    }
    let mut findings = Vec::new();
    let mut claimed = Graph::default();
    for (name, uses) in table {
        for used in uses.iter().filter(|used| *used != ALL) {
            claimed.add(name, used, "the table in barium_main.rs");
        }
        for unknown in uses.iter().chain([name]) {
            if unknown != ALL && !names.contains(unknown.as_str()) {
                findings.push(format!(
                    "barium_main.rs: the table has {unknown}, which is no room"
                ));
            }
        }
    }
    for name in names.iter().filter(|name| **name != ROOT) {
        if !table.contains_key(*name) {
            findings.push(format!("barium_main.rs: the table has no line for {name}"));
        }
    }
    findings.extend(claimed.cycles("rooms in the table"));
    let allowed = |from: &str, to: &str| {
        from == ROOT
            || table.get(from).is_none_or(|uses| {
                uses.iter()
                    .any(|used| used == to || used == ALL && to != ROOT)
            })
    };
    for ((from, to), place) in &rooms.edges {
        if !allowed(from, to) {
            findings.push(format!(
                "{place}: {from} uses {to}, which the table does not allow"
            ));
        }
        if from == UPSTREAM && rooms.edges.keys().any(|(other, _)| other == to) {
            findings.push(format!(
                "{place}: upstream uses {to}, which uses other rooms"
            ));
        }
    }
    findings
}

/// The path of the module in a file.
fn module(path: &str) -> Vec<String> {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == ROOT {
        return Vec::new();
    }
    path.split('/').map(String::from).collect()
}

/// The room that a path leads into: the root if it names an item there.
fn room<'a>(path: &'a [String], modules: &BTreeSet<Vec<String>>) -> &'a str {
    match path.first() {
        Some(first) if modules.iter().any(|m| m.first() == Some(first)) => first,
        _ => ROOT,
    }
}

/// The piece of `upstream` that a path leads into: `mod` if it names an item of its root.
fn piece<'a>(path: &'a [String], modules: &BTreeSet<Vec<String>>) -> &'a str {
    match path.get(1) {
        Some(second)
            if modules
                .iter()
                .any(|m| m.first() == path.first() && m.get(1) == Some(second)) =>
        {
            second
        }
        _ => "mod",
    }
}

/// A path in the code.
#[derive(Debug, PartialEq, Eq)]
struct Reference {
    /// The module that it is in.
    from: Vec<String>,
    /// From the crate's root on.
    to: Vec<String>,
    line: usize,
}

/// All paths in the code of the module `file` that start at the crate, at itself or at its parent.
fn references(file: &[String], source: &Source) -> Vec<Reference> {
    let mut parser = Parser {
        tokens: &source.tokens,
        at: 0,
        module: file.to_vec(),
        depth: 0,
        inline: Vec::new(),
        found: Vec::new(),
    };
    parser.run();
    parser.found
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    /// The module that we are in.
    module: Vec<String>,
    /// Open braces.
    depth: usize,
    /// The depths at which modules within the file begin.
    inline: Vec<usize>,
    found: Vec<Reference>,
}

impl Parser<'_> {
    fn text(&self, ahead: usize) -> &str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| token.text.as_str())
    }

    fn run(&mut self) {
        while self.at < self.tokens.len() {
            match self.text(0) {
                "{" => self.depth += 1,
                "}" => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.inline.last() == Some(&self.depth) {
                        self.inline.pop();
                        self.module.pop();
                    }
                }
                "mod" if self.text(2) == "{" => {
                    self.inline.push(self.depth);
                    let name = self.text(1).to_string();
                    self.module.push(name);
                    // The name; the brace is next.
                    self.at += 1;
                }
                "use" => {
                    self.at += 1;
                    // `use<'a>` captures lifetimes.
                    if self.text(0) != "<" {
                        self.use_tree(&[]);
                    }
                    continue;
                }
                // A visibility is no use.
                "pub" if self.text(1) == "(" => {
                    while self.at < self.tokens.len() && self.text(0) != ")" {
                        self.at += 1;
                    }
                }
                "crate" | "super" | "self" if self.text(1) == "::" => {
                    self.path();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// A path outside of `use`.
    fn path(&mut self) {
        let line = self.tokens[self.at].line;
        let mut path = vec![self.text(0).to_string()];
        self.at += 1;
        while self.text(0) == "::" && is_name(self.text(1)) {
            path.push(self.text(1).into());
            self.at += 2;
        }
        self.add(&path, line);
    }

    /// The rest of a `use` after `prefix`, to what ends it.
    fn use_tree(&mut self, prefix: &[String]) {
        let mut path = prefix.to_vec();
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        loop {
            match self.text(0) {
                "{" => {
                    self.at += 1;
                    while !matches!(self.text(0), "}" | "") {
                        self.use_tree(&path);
                        if self.text(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "::" | "$" => self.at += 1,
                "as" => self.at += 2,
                "*" => self.at += 1,
                name if is_name(name) => {
                    path.push(name.into());
                    self.at += 1;
                }
                // The end of this part.
                _ => {
                    if path.len() > prefix.len() || prefix.is_empty() {
                        self.add(&path, line);
                    }
                    return;
                }
            }
        }
    }

    fn add(&mut self, path: &[String], line: usize) {
        let mut names = path.iter().map(String::as_str).peekable();
        let mut to = match names.peek() {
            Some(&"crate") => Vec::new(),
            Some(&"super" | &"self") => self.module.clone(),
            _ => return,
        };
        for name in names {
            match name {
                "crate" | "self" => {}
                "super" => {
                    to.pop();
                }
                name => to.push(name.into()),
            }
        }
        self.found.push(Reference {
            from: self.module.clone(),
            to,
            line,
        });
    }
}

fn is_name(text: &str) -> bool {
    text.chars()
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_')
}

/// Who uses whom.
#[derive(Default)]
struct Graph {
    /// Each edge with the first place where it is.
    edges: BTreeMap<(String, String), String>,
}

impl Graph {
    fn add(&mut self, from: &str, to: &str, place: &str) {
        if from != to {
            self.edges
                .entry((from.into(), to.into()))
                .or_insert_with(|| place.into());
        }
    }

    fn next<'a>(&'a self, from: &'a str) -> impl Iterator<Item = &'a str> {
        self.edges
            .keys()
            .filter(move |(a, _)| a == from)
            .map(|(_, b)| b.as_str())
    }

    /// The shortest way from `from` over at least one edge to `to`.
    fn way<'a>(&'a self, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
        let mut queue = VecDeque::from([vec![from]]);
        let mut seen = BTreeSet::new();
        while let Some(way) = queue.pop_front() {
            for next in self.next(way[way.len() - 1]) {
                let mut longer = way.clone();
                longer.push(next);
                if next == to {
                    return Some(longer);
                }
                if seen.insert(next) {
                    queue.push_back(longer);
                }
            }
        }
        None
    }

    /// One finding for each knot: its members and a shortest cycle.
    fn cycles(&self, what: &str) -> Vec<String> {
        let mut findings = Vec::new();
        let mut told = BTreeSet::new();
        let nodes: BTreeSet<&str> = self.edges.keys().map(|(from, _)| from.as_str()).collect();
        for &node in &nodes {
            if told.contains(node) || self.way(node, node).is_none() {
                continue;
            }
            let knot: Vec<&str> = nodes
                .iter()
                .copied()
                .filter(|&other| {
                    other == node
                        || self.way(node, other).is_some() && self.way(other, node).is_some()
                })
                .collect();
            told.extend(knot.iter().copied());
            let shortest = knot
                .iter()
                .filter_map(|&member| self.way(member, member))
                .min_by_key(Vec::len)
                .unwrap_or_default();
            let mut text = format!(
                "a cycle among the {what}, in the knot of {}:",
                knot.join(", ")
            );
            for step in shortest.windows(2) {
                let place = &self.edges[&(step[0].into(), step[1].into())];
                text += &format!("\n    {} uses {} ({place})", step[0], step[1]);
            }
            findings.push(text);
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.into(),
            source: Source::parse(text),
        }
    }

    /// Findings about a crate with this table and these files.
    fn findings(table: &str, files: &[(&str, &str)]) -> Vec<String> {
        let root = format!("//! # Rooms\n//!\n//! ```text\n{table}//! ```\nmod a;\n");
        let mut all = vec![file("barium_main.rs", &root)];
        all.extend(files.iter().map(|(path, text)| file(path, text)));
        check(&all)
    }

    fn paths(module: &[&str], text: &str) -> Vec<String> {
        let module: Vec<String> = module.iter().map(|m| m.to_string()).collect();
        references(&module, &Source::parse(text))
            .into_iter()
            .map(|r| r.to.join("::"))
            .collect()
    }

    #[test]
    fn nested_uses_are_read() {
        assert_eq!(
            paths(
                &["x", "y"],
                "use crate::{a::{b as c, self}, d::*, upstream::{self, e}}; use kernel::prelude::*;"
            ),
            ["a::b", "a", "d", "upstream", "upstream::e"]
        );
    }

    #[test]
    fn paths_outside_of_use_are_read() {
        assert_eq!(
            paths(
                &["x", "y"],
                "fn f() { super::gem::g(); $crate::a::call!(); self.h(); Self::i() }"
            ),
            ["x::gem::g", "a::call"]
        );
    }

    #[test]
    fn a_visibility_is_no_use() {
        assert!(paths(
            &["x"],
            "pub(in crate::upstream) fn f() {} pub(crate) struct G;"
        )
        .is_empty());
    }

    #[test]
    fn the_parent_of_a_module_within_a_file_is_the_file() {
        assert_eq!(
            paths(&["x"], "mod tests { use super::*; } fn f() { super::g() }"),
            ["x", "g"]
        );
    }

    #[test]
    fn a_cycle_is_told_with_its_places() {
        let found = findings(
            "//! a -> all\n//! b -> all\n//! c -> all\n",
            &[
                ("a.rs", "use crate::b::B;"),
                ("b/mod.rs", "\nuse crate::c;"),
                ("c.rs", "fn f() { crate::a::g() }"),
            ],
        );
        assert_eq!(
            found,
            ["a cycle among the rooms, in the knot of a, b, c:\
              \n    a uses b (a.rs:1)\n    b uses c (b/mod.rs:2)\n    c uses a (c.rs:1)"]
        );
    }

    #[test]
    fn a_use_that_the_table_does_not_allow_is_told() {
        let found = findings(
            "//! a -> b\n//! b ->\n//! c ->\n",
            &[
                ("a.rs", "use crate::c::C;"),
                ("b.rs", ""),
                ("c.rs", "fn f() { crate::config() }"),
            ],
        );
        assert_eq!(
            found,
            [
                "a.rs:1: a uses c, which the table does not allow",
                "c.rs:1: c uses barium_main, which the table does not allow"
            ]
        );
    }

    #[test]
    fn the_table_has_all_rooms_and_no_others() {
        let found = findings("//! a -> d\n", &[("a.rs", ""), ("b.rs", "")]);
        assert_eq!(
            found,
            [
                "barium_main.rs: the table has d, which is no room",
                "barium_main.rs: the table has no line for b"
            ]
        );
    }

    #[test]
    fn upstream_uses_leaves_only() {
        let found = findings(
            "//! a -> b\n//! b ->\n//! upstream -> a, b\n",
            &[
                ("a.rs", "use crate::b::B;"),
                ("b.rs", ""),
                ("upstream/mod.rs", ""),
                ("upstream/x.rs", "use crate::{a::A, b::B};"),
            ],
        );
        assert_eq!(
            found,
            ["upstream/x.rs:1: upstream uses a, which uses other rooms"]
        );
    }

    #[test]
    fn pieces_of_upstream_form_no_cycle_and_folders_are_one_piece() {
        let found = findings(
            "//! upstream ->\n",
            &[
                ("upstream/mod.rs", ""),
                ("upstream/x.rs", "use super::kms::a::A;"),
                ("upstream/kms/mod.rs", "mod a; mod b;"),
                ("upstream/kms/a.rs", "use super::b::B;"),
                (
                    "upstream/kms/b.rs",
                    "use super::a::A; use crate::upstream::x::X;",
                ),
            ],
        );
        assert_eq!(
            found,
            [
                "a cycle among the pieces of upstream, in the knot of kms, x:\
              \n    kms uses x (upstream/kms/b.rs:1)\n    x uses kms (upstream/x.rs:1)"
            ]
        );
    }
}
