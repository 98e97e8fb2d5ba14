// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Type-checks snippets of safe code in `tools/lint/snippets` as part of the driver's crate. All of
//! them can use `toy.rs` as `crate::toy`.
//!
//! The snippets in `misuse` break a rule of an API and must not compile. Each line that the
//! compiler rejects ends with `//~` and the error code, or with `//~ error:` and a part of the
//! message for an error without a code; `//~^` refers to the previous line. The snippets in `use`
//! use the same APIs correctly and must compile, which shows that the others fail for the reason
//! that they name.

use std::fs;
use std::path::{Path, PathBuf};

use super::crate_build::{Crate, Diagnostic};
use crate::{command, Result};

/// Checks all snippets. Returns the findings.
pub fn check(source: &Path, out: &Path) -> Result<Vec<String>> {
    let snippets = source.join("tools/lint/snippets");
    let driver = Crate::copy(source, out, "snippets", &[snippets.join("toy.rs")])?;
    let good = list(&snippets.join("use"))?;
    let bad = list(&snippets.join("misuse"))?;
    let mut findings: Vec<String> = driver
        .check("use", &good)?
        .iter()
        .map(|error| told(source, error))
        .collect();
    if !findings.is_empty() {
        findings.push("a snippet that should compile does not: the others were not tried".into());
        return Ok(findings);
    }
    // All at once: what is as expected then is so alone, too, as no snippet uses another one. The
    // others get a compiler of their own, since an error can keep the compiler from finding others.
    let errors = driver.check("misuse", &bad)?;
    let judge = |path: &Path, errors: &[Diagnostic]| {
        verdict(source, path, &command::read_lossy(path), errors)
    };
    let again: Vec<PathBuf> = bad
        .into_iter()
        .filter(|path| {
            let own: Vec<Diagnostic> = errors.iter().filter(|e| e.file == *path).cloned().collect();
            !judge(path, &own).is_empty()
        })
        .collect();
    let results: Vec<Result<Vec<String>>> = Crate::for_each(&again, |path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let errors = driver.check(
            &format!("misuse_{}", name.replace('-', "_")),
            &[path.clone()],
        )?;
        Ok(judge(path, &errors))
    });
    for result in results {
        findings.extend(result?);
    }
    findings.sort();
    Ok(findings)
}

/// Returns the snippets in a directory.
fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect();
    found.sort();
    if found.is_empty() {
        return Err(format!("{}: no snippets", dir.display()));
    }
    Ok(found)
}

fn told(source: &Path, error: &Diagnostic) -> String {
    let file = error.file.strip_prefix(source).unwrap_or(&error.file);
    format!(
        "{}:{}: {}: {}",
        file.display(),
        error.line,
        error.code,
        error.text
    )
}

/// An error that a snippet expects.
struct Expected<'a> {
    line: usize,
    code: &'a str,
    /// A part of the message.
    text: &'a str,
}

impl Expected<'_> {
    fn is(&self, error: &Diagnostic) -> bool {
        self.line == error.line && self.code == error.code && error.text.contains(self.text)
    }
}

/// Returns the errors that a snippet expects.
fn expected(text: &str) -> Vec<Expected<'_>> {
    (1..)
        .zip(text.lines())
        .filter_map(|(line, text)| {
            let (_, error) = text.split_once("//~")?;
            let above = error.len() - error.trim_start_matches('^').len();
            let (code, text) = error[above..]
                .split_once(':')
                .unwrap_or((&error[above..], ""));
            Some(Expected {
                line: line - above,
                code: code.trim(),
                text: text.trim(),
            })
        })
        .collect()
}

/// Compares the expected errors of the snippet `path` with content `text` with `errors`. Returns
/// the findings.
fn verdict(source: &Path, path: &Path, text: &str, errors: &[Diagnostic]) -> Vec<String> {
    let name = path.strip_prefix(source).unwrap_or(path).display();
    let expected = expected(text);
    if expected.is_empty() {
        return vec![format!("{name}: no line says which error it expects")];
    }
    let mut findings = Vec::new();
    for error in errors {
        if error.file != path || !expected.iter().any(|one| one.is(error)) {
            findings.push(format!("{}, which was not expected", told(source, error)));
        }
    }
    for one in expected {
        if one.code == "error" && one.text.is_empty() {
            findings.push(format!(
                "{name}:{}: an error without a code needs a text",
                one.line
            ));
        }
        if !errors.iter().any(|error| one.is(error)) {
            findings.push(format!(
                "{name}:{}: should not compile: {} was expected",
                one.line, one.code
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "fn f() {\n    g(); //~ E0597\n}\n";

    fn error(file: &str, line: usize, code: &str) -> Diagnostic {
        Diagnostic {
            file: file.into(),
            line,
            code: code.into(),
            text: "why".into(),
        }
    }

    fn findings(text: &str, errors: &[Diagnostic]) -> Vec<String> {
        verdict(Path::new("/s"), Path::new("/s/a.rs"), text, errors)
    }

    #[test]
    fn the_expected_error_is_fine() {
        assert!(findings(TEXT, &[error("/s/a.rs", 2, "E0597")]).is_empty());
    }

    #[test]
    fn a_snippet_that_compiles_is_told() {
        assert_eq!(
            findings(TEXT, &[]),
            ["a.rs:2: should not compile: E0597 was expected"]
        );
    }

    #[test]
    fn another_error_is_told() {
        assert_eq!(
            findings(TEXT, &[error("/s/a.rs", 2, "E0308")]),
            [
                "a.rs:2: E0308: why, which was not expected",
                "a.rs:2: should not compile: E0597 was expected"
            ]
        );
    }

    #[test]
    fn an_error_without_a_code_is_known_by_its_text() {
        let with = |text| findings(text, &[error("/s/a.rs", 1, "error")]);
        assert!(with("f(); //~ error: wh").is_empty());
        assert_eq!(with("f(); //~ error: when").len(), 2);
        assert_eq!(
            with("f(); //~ error"),
            ["a.rs:1: an error without a code needs a text"]
        );
    }

    #[test]
    fn an_error_may_be_expected_in_the_line_above() {
        let text = "f();\n//~^ E0597\n";
        assert!(findings(text, &[error("/s/a.rs", 1, "E0597")]).is_empty());
    }

    #[test]
    fn an_error_elsewhere_is_told() {
        assert_eq!(
            findings(
                TEXT,
                &[error("/s/a.rs", 2, "E0597"), error("/s/b.rs", 2, "E0597")]
            ),
            ["b.rs:2: E0597: why, which was not expected"]
        );
    }

    #[test]
    fn a_snippet_without_expectation_is_told() {
        assert_eq!(
            findings("fn f() {}", &[]),
            ["a.rs: no line says which error it expects"]
        );
    }
}
