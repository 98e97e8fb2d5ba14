// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Finds callbacks whose C type contains an enum that is a plain integer in Rust.
//!
//! A kernel with `CONFIG_CFI` checks each indirect call: the hash of the callback's type must equal
//! the hash that the caller expects. C hashes the name of an enum, and Rust the name of the
//! integer, unless bindgen is told to generate a type with `#[cfi_encoding]` for the enum. The
//! kernel does that for its own enums in `rust/bindgen_parameters`. This check finds the vtable
//! entries that the driver fills in (`bindings::drm_crtc_helper_funcs { mode_valid: Some(...) }`,
//! `table.mmap = Some(...)`) and looks up their types in the bindings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::rust::{Source, Token};
use super::{files, File, CRATE};
use crate::settings::Flavour;
use crate::{command, Result};

/// The integer types that bindgen generates for enums.
const INTEGERS: &[&str] = &[
    "c_int", "c_uint", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64",
];

/// Checks the crate in `driver`, which must have been built in `out/lint`. Returns the findings.
pub fn check(driver: &Path, out: &Path) -> Result<Vec<String>> {
    let mut bindings = Bindings::default();
    for path in [
        Flavour::Opt
            .build_dir()
            .join("rust/bindings/bindings_generated.rs"),
        out.join("lint").join(CRATE).join("barium_kms_generated.rs"),
    ] {
        let text = command::read_lossy(&path);
        if text.is_empty() {
            return Err(format!("{}: is the driver built?", path.display()));
        }
        bindings.add(&Source::parse(&text).tokens);
    }
    Ok(findings(&files(driver)?, &bindings))
}

/// The relevant types in the bindings.
#[derive(Default)]
struct Bindings {
    /// Type aliases of a single identifier.
    aliases: BTreeMap<String, String>,
    /// Types of constants: an alias of an integer that a constant has is an enum.
    constants: BTreeSet<String>,
    /// The identifiers in the types of function pointer fields, by struct and field.
    callbacks: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Bindings {
    /// Adds the items of a file of bindings; they override items of the same name in earlier files.
    fn add(&mut self, tokens: &[Token]) {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
        for at in 0..tokens.len() {
            match (text(at), text(at + 2)) {
                ("type", "=") => {
                    let end = until(tokens, at, ";");
                    self.aliases
                        .insert(text(at + 1).into(), text(end - 1).into());
                }
                ("const", ":") if text(at + 4) == "=" => {
                    self.constants.insert(text(at + 3).into());
                }
                ("struct", next) => {
                    self.aliases.remove(text(at + 1));
                    if next == "{" {
                        self.add_fields(text(at + 1), &tokens[at + 3..]);
                    }
                }
                _ => {}
            }
        }
    }

    /// Adds the function pointer fields of a struct; `tokens` starts with the first field.
    fn add_fields(&mut self, name: &str, tokens: &[Token]) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if token.text == "}" {
                return;
            }
            if tokens.get(at + 1).is_none_or(|next| next.text != ":") {
                at += 1;
                continue;
            }
            let end = end_of_part(tokens, at);
            let words: BTreeSet<String> =
                tokens[at + 2..end].iter().map(|t| t.text.clone()).collect();
            if words.contains("extern") && words.contains("fn") {
                self.callbacks
                    .insert((name.into(), token.text.clone()), words);
            }
            at = end + 1;
        }
    }

    /// Returns true if the type is a C enum that is an integer in Rust.
    fn is_plain_enum(&self, name: &str) -> bool {
        let mut name = name;
        loop {
            match self.aliases.get(name) {
                Some(target) if INTEGERS.contains(&target.as_str()) => {
                    return self.constants.contains(name);
                }
                Some(target) if target != name => name = target,
                _ => return false,
            }
        }
    }

    /// Returns the enums in the type of a struct's field.
    fn enums(&self, name: &str, field: &str) -> Vec<&str> {
        let words = self.callbacks.get(&(name.into(), field.into()));
        let words = words.into_iter().flatten();
        words
            .map(String::as_str)
            .filter(|word| self.is_plain_enum(word))
            .collect()
    }
}

/// Returns the index of the next `text` from `at` on.
fn until(tokens: &[Token], at: usize, text: &str) -> usize {
    let rest = tokens[at..].iter().position(|token| token.text == text);
    rest.map_or(tokens.len(), |length| at + length)
}

/// Returns the index of the comma or brace that ends the list element at `at`.
fn end_of_part(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "(" | "[" | "{" | "<" => depth += 1,
            "," if depth == 0 => return index,
            ")" | "]" | "}" | ">" => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return index,
            },
            _ => {}
        }
    }
    tokens.len()
}

/// Checks the vtables that `files` fill in. Returns the findings.
fn findings(files: &[File], bindings: &Bindings) -> Vec<String> {
    let tables: BTreeSet<&str> = bindings
        .callbacks
        .keys()
        .map(|(name, _)| name.as_str())
        .collect();
    let named: BTreeSet<&str> = files
        .iter()
        .flat_map(|file| &file.source.tokens)
        .filter_map(|token| tables.get(token.text.as_str()).copied())
        .collect();
    let mut found = Vec::new();
    for file in files {
        let tokens = &file.source.tokens;
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
        let mut tell = |at: usize, table: &str, field: &str| {
            for name in bindings.enums(table, field) {
                found.push(format!(
                    "{}:{}: {table}.{field} has the enum {name}, which bindgen must give a CFI \
                     identity (Kbuild)",
                    file.path, tokens[at].line
                ));
            }
        };
        for at in 0..tokens.len() {
            if tables.contains(text(at)) && text(at + 1) == "{" {
                let mut field = at + 2;
                while !matches!(text(field), "}" | "") {
                    if text(field + 1) == ":" && text(field + 2) != "None" {
                        tell(field, text(at), text(field));
                    }
                    field = end_of_part(tokens, field);
                    if text(field) == "," {
                        field += 1;
                    }
                }
            }
            if text(at) == "." && text(at + 2) == "=" && text(at + 3) == "Some" {
                for table in &named {
                    tell(at + 1, table, text(at + 1));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINDINGS: &str = "
        pub type u32_ = ffi::c_uint;
        pub const LIMIT: u32 = 3;
        pub const mode_OK: mode = 0;
        pub type mode = i32;
        pub type mode_t = mode;
        pub type vm_fault_t = ffi::c_uint;
        pub struct given(pub ffi::c_int);
        impl given { pub const A: given = given(0); }
        pub struct funcs {
            pub name: *const ffi::c_char,
            pub valid: ::core::option::Option<unsafe extern \"C\" fn(a: *mut x, b: u32_) -> mode>,
            pub check: Option<unsafe extern \"C\" fn(a: mode_t)>,
            pub fault: Option<unsafe extern \"C\" fn() -> vm_fault_t>,
            pub given: Option<unsafe extern \"C\" fn() -> given>,
            pub last: mode,
        }
        pub struct other { pub valid: Option<unsafe extern \"C\" fn(a: mode)> }";

    fn of(driver: &str) -> Vec<String> {
        let mut bindings = Bindings::default();
        bindings.add(&Source::parse(BINDINGS).tokens);
        let file = File {
            path: "a.rs".into(),
            source: Source::parse(driver),
        };
        findings(&[file], &bindings)
    }

    #[test]
    fn entries_with_a_plain_enum_are_told() {
        let found = of("const T: bindings::funcs = bindings::funcs {\n    name: f(g, h),\n    \
                        valid: Some(valid),\n    check: Some(check::<T>),\n    fault: Some(fault),\n    \
                        given: Some(given),\n    last: 0,\n    ..zeroed() };");
        assert_eq!(
            found,
            [
                "a.rs:3: funcs.valid has the enum mode, which bindgen must give a CFI identity (Kbuild)",
                "a.rs:4: funcs.check has the enum mode_t, which bindgen must give a CFI identity (Kbuild)"
            ]
        );
    }

    #[test]
    fn an_entry_that_is_assigned_is_told_for_the_tables_that_the_driver_names() {
        let found = of("fn f(t: &mut bindings::other) { t.valid = Some(valid); }");
        assert_eq!(
            found,
            ["a.rs:1: other.valid has the enum mode, which bindgen must give a CFI identity (Kbuild)"]
        );
    }

    #[test]
    fn a_later_file_hides_what_an_earlier_one_has() {
        let mut bindings = Bindings::default();
        bindings.add(&Source::parse(BINDINGS).tokens);
        bindings.add(&Source::parse("pub struct mode(pub i32);").tokens);
        assert!(bindings.enums("funcs", "valid").is_empty());
    }

    #[test]
    fn an_empty_entry_is_fine() {
        assert!(of("const T: funcs = funcs { valid: None, ..zeroed() };").is_empty());
    }
}
