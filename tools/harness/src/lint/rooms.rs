// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Checks the direction of the dependencies between the rooms (top-level modules) of the driver's
//! crate.
//!
//! The documentation of `barium_main.rs` has a table of rooms below its heading `# Modules`. The
//! first column names a room, the last column the rooms that it uses, all of them in lower rows.
//! The check requires that the table has this form, that each room uses only the rooms in its row,
//! and that `upstream` uses only rooms that use none. The pieces of `upstream` (its files and
//! folders) must not have a dependency cycle.
//!
//! A use is a path that starts with `crate::`, `super::` or `self::`, in a `use` declaration or
//! elsewhere. In the crate root, a path that starts with the name of a room is also a use.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::rust::{Source, Token};
use super::File;

/// The crate's root.
const ROOT: &str = "barium_main";
/// The room that uses no driver room.
const UPSTREAM: &str = "upstream";
/// Entry in the last column for a room that may use all lower rows.
const ALL: &str = "all below";

/// Checks `files`, all files of the crate. Returns the findings.
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
    findings.extend(rooms.cycles("modules"));
    findings.extend(pieces.cycles("pieces of upstream"));
    let names: BTreeSet<&str> = modules.iter().map(|path| room(path, &modules)).collect();
    match files.iter().find(|file| file.path == "barium_main.rs") {
        Some(root) => findings.extend(check_table(&table(&root.source), &names, &rooms)),
        None => findings.push("barium_main.rs is missing".into()),
    }
    findings
}

/// A row of the table.
struct Row {
    room: String,
    uses: Vec<String>,
    /// True if the row does not list rooms.
    is_all: bool,
}

/// Parses the table in the documentation of the crate root; empty without a table.
fn table(root: &Source) -> Vec<Row> {
    let lines = root
        .comments
        .iter()
        .filter(|comment| comment.kind == "//!")
        .flat_map(|comment| comment.lines.iter().map(|line| line.trim()));
    let rows = lines
        .skip_while(|line| *line != "# Modules")
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        // The header and the separator.
        .skip(2);
    let mut table: Vec<Row> = rows
        .filter_map(|line| {
            let mut columns = line.trim_matches('|').split('|');
            let room = quoted(columns.next()?).next()?;
            let last = columns.next_back()?;
            let uses = if last.trim() == ALL {
                vec![ALL.into()]
            } else {
                quoted(last).collect()
            };
            let is_all = uses == [ALL];
            Some(Row { room, uses, is_all })
        })
        .collect();
    for row in 0..table.len() {
        if table[row].is_all {
            table[row].uses = table[row + 1..].iter().map(|r| r.room.clone()).collect();
        }
    }
    table
}

/// Returns the names in backticks without rustdoc's disambiguators.
fn quoted(text: &str) -> impl Iterator<Item = String> + '_ {
    let names = text.split('`').skip(1).step_by(2);
    names.map(|name| name.strip_prefix("mod@").unwrap_or(name).into())
}

/// Checks the table, and that it allows all uses. Returns the findings.
fn check_table(table: &[Row], names: &BTreeSet<&str>, rooms: &Graph) -> Vec<String> {
    if table.is_empty() {
        return vec!["barium_main.rs: no table below `# Modules`".into()];
    }
    let mut findings = Vec::new();
    for (number, row) in table.iter().enumerate() {
        for name in row.uses.iter().chain([&row.room]) {
            if !names.contains(name.as_str()) {
                findings.push(format!(
                    "barium_main.rs: the table has {name}, which is no module"
                ));
            }
        }
        for used in &row.uses {
            if !table[number + 1..].iter().any(|lower| lower.room == *used) {
                findings.push(format!(
                    "barium_main.rs: {} uses {used}, which has no lower row",
                    row.room
                ));
            } else if !row.is_all && !rooms.has(&row.room, used) {
                findings.push(format!(
                    "barium_main.rs: the table says that {} uses {used}, which it does not",
                    row.room
                ));
            }
        }
    }
    for name in names {
        if !table.iter().any(|row| row.room == *name) {
            findings.push(format!("barium_main.rs: the table has no row for {name}"));
        }
    }
    for ((from, to), place) in &rooms.edges {
        let row = table.iter().find(|row| row.room == *from);
        if row.is_some_and(|row| !row.uses.contains(to)) {
            findings.push(format!(
                "{place}: {from} uses {to}, which the table does not have"
            ));
        }
        if from == UPSTREAM && rooms.edges.keys().any(|(other, _)| other == to) {
            findings.push(format!(
                "{place}: upstream uses {to}, which uses other modules"
            ));
        }
    }
    findings
}

/// Returns the module path of a file.
fn module(path: &str) -> Vec<String> {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == ROOT {
        return Vec::new();
    }
    path.split('/').map(String::from).collect()
}

/// Returns the room of a path; the crate root for an item of the root.
fn room<'a>(path: &'a [String], modules: &BTreeSet<Vec<String>>) -> &'a str {
    match path.first() {
        Some(first) if modules.iter().any(|m| m.first() == Some(first)) => first,
        _ => ROOT,
    }
}

/// Returns the piece of `upstream` of a path; `mod` for an item of its root.
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
    /// The module that contains the path.
    from: Vec<String>,
    /// The absolute path.
    to: Vec<String>,
    line: usize,
}

/// Returns all paths in the module `file` that start at the crate, at the module or at its parent.
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
    /// The current module.
    module: Vec<String>,
    /// Number of open braces.
    depth: usize,
    /// The depths at which inline modules start.
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
                    // The name; a brace follows.
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
                // A visibility is not a use.
                "pub" if self.text(1) == "(" => {
                    while self.at < self.tokens.len() && self.text(0) != ")" {
                        self.at += 1;
                    }
                }
                "crate" | "super" | "self" if self.text(1) == "::" => {
                    self.path(&[]);
                    continue;
                }
                // The rooms are in scope in the crate root.
                name if self.module.is_empty() && is_name(name) && self.text(1) == "::" => {
                    self.path(&["crate"]);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Parses a path outside of `use` after `prefix`.
    fn path(&mut self, prefix: &[&str]) {
        let line = self.tokens[self.at].line;
        let mut path: Vec<String> = prefix.iter().map(|name| name.to_string()).collect();
        path.push(self.text(0).into());
        self.at += 1;
        while self.text(0) == "::" && is_name(self.text(1)) {
            path.push(self.text(1).into());
            self.at += 2;
        }
        self.add(&path, line);
    }

    /// Parses the rest of a `use` declaration after `prefix`.
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
                // The end of this element.
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

/// The dependency graph.
#[derive(Default)]
struct Graph {
    /// Each edge with its first occurrence.
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

    fn has(&self, from: &str, to: &str) -> bool {
        self.edges.contains_key(&(from.into(), to.into()))
    }

    fn next<'a>(&'a self, from: &'a str) -> impl Iterator<Item = &'a str> {
        self.edges
            .keys()
            .filter(move |(a, _)| a == from)
            .map(|(_, b)| b.as_str())
    }

    /// Returns the shortest path from `from` to `to` with at least one edge.
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

    /// Returns one finding for each strongly connected component: its members and a shortest cycle.
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

    /// Returns the findings for a crate with this table and these files.
    fn findings(table: &str, files: &[(&str, &str)]) -> Vec<String> {
        let rows: Vec<String> = table
            .lines()
            .map(|row| {
                let (room, uses) = row.split_once(':').unwrap_or((row, ""));
                format!("//! | [`{room}`] | what it is | {uses} |\n")
            })
            .collect();
        let root = format!(
            "//! # Modules\n//!\n//! | module | is | uses |\n//! | - | - | - |\n\
             //! | `barium_main` | | all below |\n{}\nmod a;\n",
            rows.concat()
        );
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
    fn the_root_has_rooms_in_scope() {
        let text = "use kernel::c; fn f() { device::g(x::y::Z); }";
        assert_eq!(paths(&[], text), ["device::g", "x::y::Z"]);
        assert!(paths(&["a"], text).is_empty());
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
            "a: all below\nb: `c`\nc:",
            &[
                ("a.rs", "use crate::b::B;"),
                ("b/mod.rs", "\nuse crate::c;"),
                ("c.rs", "fn f() { crate::a::g() }"),
            ],
        );
        assert_eq!(
            found,
            [
                "a cycle among the modules, in the knot of a, b, c:\
                 \n    a uses b (a.rs:1)\n    b uses c (b/mod.rs:2)\n    c uses a (c.rs:1)",
                "c.rs:1: c uses a, which the table does not have"
            ]
        );
    }

    #[test]
    fn a_use_that_the_table_does_not_have_is_told() {
        let found = findings(
            "a: [`mod@b`]\nb:\nc:",
            &[
                ("a.rs", "use crate::{b::B, c::C};"),
                ("b.rs", ""),
                ("c.rs", "fn f() { crate::config() }"),
            ],
        );
        assert_eq!(
            found,
            [
                "a.rs:1: a uses c, which the table does not have",
                "c.rs:1: c uses barium_main, which the table does not have"
            ]
        );
    }

    #[test]
    fn the_table_has_all_rooms_and_no_others_and_uses_go_down() {
        let found = findings(
            "a: `d`\nc: `a`",
            &[("a.rs", ""), ("b.rs", ""), ("c.rs", "")],
        );
        assert_eq!(
            found,
            [
                "barium_main.rs: the table has d, which is no module",
                "barium_main.rs: a uses d, which has no lower row",
                "barium_main.rs: c uses a, which has no lower row",
                "barium_main.rs: the table has no row for b"
            ]
        );
    }

    #[test]
    fn a_use_that_only_the_table_has_is_told() {
        assert_eq!(
            findings("a: `b`\nb:", &[("a.rs", ""), ("b.rs", "")]),
            ["barium_main.rs: the table says that a uses b, which it does not"]
        );
    }

    #[test]
    fn upstream_uses_leaves_only() {
        let found = findings(
            "upstream: `a`, `b`\na: `b`\nb:",
            &[
                ("a.rs", "use crate::b::B;"),
                ("b.rs", ""),
                ("upstream/mod.rs", ""),
                ("upstream/x.rs", "use crate::{a::A, b::B};"),
            ],
        );
        assert_eq!(
            found,
            ["upstream/x.rs:1: upstream uses a, which uses other modules"]
        );
    }

    #[test]
    fn pieces_of_upstream_form_no_cycle_and_folders_are_one_piece() {
        let found = findings(
            "upstream:",
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
