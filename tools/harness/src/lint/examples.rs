// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Compiles the examples in the documentation of `upstream/`, without running them, as the kernel
//! does with its own examples. A code block in a doc comment is an example unless it is marked
//! otherwise (`text`, `ignore`, ...). A block marked `compile_fail,E0597` must fail with this error
//! and no other.

use std::path::{Path, PathBuf};

use super::crate_build::{Crate, Diagnostic};
use super::{files, File, CRATE};
use crate::{command, Result};

/// An example.
#[derive(Debug, PartialEq, Eq)]
struct Example {
    /// Path below the crate's directory.
    file: String,
    /// Line number of the first line of code, from 1 on.
    line: usize,
    /// The code, including hidden lines.
    code: Vec<String>,
    /// The expected error.
    error: Option<String>,
}

/// Number of lines in an example's module before its code, see [`wrapped`].
const HEAD: usize = 2;

/// Checks all examples. Returns the findings.
pub fn check(source: &Path, out: &Path) -> Result<Vec<String>> {
    let driver = Crate::copy(source, out, "doc-examples", &[])?;
    let dir = out.join("doc-examples/code");
    command::dir(&dir)?;
    let mut all = Vec::new();
    for file in files(&source.join(CRATE))? {
        if !file.path.starts_with("upstream/") {
            continue;
        }
        for example in examples(&file) {
            let path = dir.join(format!("example_{}.rs", all.len()));
            command::write(&path, wrapped(&example).as_bytes())?;
            all.push((path, example));
        }
    }
    let (bad, good): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, e)| e.error.is_some());
    let paths: Vec<PathBuf> = good.iter().map(|(path, _)| path.clone()).collect();
    let mut findings: Vec<String> = driver
        .check("examples", &paths)?
        .iter()
        .map(|error| told(error, &good))
        .collect();
    let results: Vec<Result<Vec<String>>> = Crate::for_each(&bad, |one| {
        let name = one.0.file_stem().unwrap_or_default().to_string_lossy();
        let errors = driver.check(&format!("bad_{name}"), &[one.0.clone()])?;
        let is_expected = |e: &Diagnostic| e.file == one.0 && Some(&e.code) == one.1.error.as_ref();
        Ok(if errors.is_empty() {
            vec![format!("{}:{}: should not compile", one.1.file, one.1.line)]
        } else {
            let others = errors.iter().filter(|error| !is_expected(error));
            others
                .map(|error| told(error, std::slice::from_ref(one)))
                .collect()
        })
    });
    for result in results {
        findings.extend(result?);
    }
    Ok(findings)
}

/// Returns the examples in the doc comments of a file.
fn examples(file: &File) -> Vec<Example> {
    let mut found = Vec::new();
    for comment in &file.source.comments {
        if !matches!(comment.kind, "///" | "//!") {
            continue;
        }
        let mut lines = (comment.line..).zip(&comment.lines);
        while let Some((line, text)) = lines.next() {
            let Some(marks) = text.trim().strip_prefix("```") else {
                continue;
            };
            let code = lines
                .by_ref()
                .map(|(_, text)| text.strip_prefix(' ').unwrap_or(text))
                .take_while(|text| !text.trim().starts_with("```"))
                .map(shown_and_hidden)
                .collect();
            let marks: Vec<&str> = marks.split(',').map(str::trim).collect();
            let is_code = marks.iter().all(|mark| {
                matches!(*mark, "" | "rust" | "no_run" | "compile_fail") || is_error(mark)
            });
            if is_code {
                let error = marks.iter().find(|mark| is_error(mark));
                found.push(Example {
                    file: file.path.clone(),
                    line: line + 1,
                    code,
                    error: marks
                        .contains(&"compile_fail")
                        .then(|| error.map_or("error", |e| e).to_string()),
                });
            }
        }
    }
    found
}

/// Returns true if the mark is an error code.
fn is_error(mark: &str) -> bool {
    mark.len() == 5 && mark.starts_with('E') && mark[1..].bytes().all(|b| b.is_ascii_digit())
}

/// Returns a line as it is compiled: rustdoc hides lines that start with `#`.
fn shown_and_hidden(line: &str) -> String {
    match line.trim_start() {
        "#" => String::new(),
        rest if rest.starts_with("# ") => rest[2..].into(),
        rest if rest.starts_with("##") => rest[1..].into(),
        _ => line.into(),
    }
}

/// Returns the module for an example: a function with the code, which returns a `Result` if the
/// code ends with one.
fn wrapped(example: &Example) -> String {
    let last = example.code.iter().rfind(|line| !line.trim().is_empty());
    let result = if last.is_some_and(|line| line.trim_end().ends_with("(())")) {
        " -> ::core::result::Result<(), impl ::core::fmt::Debug>"
    } else {
        ""
    };
    format!(
        "fn example(){result}\n{{\n{}\n}}\n",
        example.code.join("\n")
    )
}

/// Formats an error with its place in the documentation, if it has one.
fn told(error: &Diagnostic, examples: &[(PathBuf, Example)]) -> String {
    match examples.iter().find(|(path, _)| *path == error.file) {
        Some((_, example)) => format!(
            "{CRATE}/{}:{}: {}: {}",
            example.file,
            (example.line + error.line).saturating_sub(HEAD + 1),
            error.code,
            error.text
        ),
        None => format!(
            "{}:{}: {}: {}",
            error.file.display(),
            error.line,
            error.code,
            error.text
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rust::Source;
    use super::*;

    fn of(text: &str) -> Vec<Example> {
        examples(&File {
            path: "a.rs".into(),
            source: Source::parse(text),
        })
    }

    #[test]
    fn blocks_of_code_are_examples() {
        let text =
            "/// Text.\n///\n/// ```\n/// # use x;\n/// #[derive(Debug)]\n/// a();\n/// ```\n\
                    /// ```text\n/// no\n/// ```\n/// ```ignore\n/// no\n/// ```\nfn f() {}\n";
        assert_eq!(
            of(text),
            [Example {
                file: "a.rs".into(),
                line: 4,
                code: ["use x;", "#[derive(Debug)]", "a();"]
                    .map(String::from)
                    .into(),
                error: None,
            }]
        );
    }

    #[test]
    fn an_example_may_have_to_fail() {
        let errors = |text: &str| of(text)[0].error.clone();
        assert_eq!(
            errors("//! ```compile_fail,E0597\n//! a();\n//! ```\n"),
            Some("E0597".into())
        );
        assert_eq!(errors("//! ```rust\n//! a();\n//! ```\n"), None);
    }

    #[test]
    fn an_error_is_told_where_the_documentation_has_it() {
        let example = of("/// Text.\n/// ```\n/// a();\n/// b();\n/// ```\n").remove(0);
        let text = wrapped(&example);
        let line = 1 + text.lines().position(|line| line == "b();").expect("code");
        let path = PathBuf::from("x.rs");
        let error = Diagnostic {
            file: path.clone(),
            line,
            code: "E0425".into(),
            text: "no b".into(),
        };
        assert_eq!(
            told(&error, &[(path, example)]),
            format!("{CRATE}/a.rs:4: E0425: no b")
        );
    }

    #[test]
    fn an_example_that_ends_with_a_result_returns_it() {
        let example = of("/// ```\n/// f()?;\n/// # Ok::<(), Error>(())\n/// ```\n").remove(0);
        assert!(wrapped(&example).starts_with("fn example() -> ::core::result::Result"));
    }
}
