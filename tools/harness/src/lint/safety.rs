// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Checks `SAFETY:` and `INVARIANT:` comments: they must state the precondition and why it holds. A
//! reference to another comment or to the caller is not a reason. clippy checks that the comments
//! exist.

use regex::Regex;

use super::rust::Comment;
use super::File;

/// Beginnings of sentences that refer to a reason elsewhere.
const REFERENCES: &str = r"(?i)(^|[.;:] )(as above|as before|as in|as for|as the caller|see above|same as|the caller says|a pure function)\b";
/// A comment that only asserts its claim.
const CLAIMS: &str = r"^(It|`[^`]*`|The \w+) (is|are) (valid|sound|safe|fine)\.?$";

/// Checks `files`. Returns the findings.
pub fn check(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for comment in &file.source.comments {
            for (line, reason) in reasons(comment) {
                if let Some(why) = flaw(&reason) {
                    findings.push(format!("{}:{line}: {why}: {reason}", file.path));
                }
            }
        }
    }
    findings
}

/// Returns the reasons in a comment with their lines: the text from a tag to the next one.
fn reasons(comment: &Comment) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    if comment.kind != "//" {
        return found;
    }
    for (line, text) in (comment.line..).zip(&comment.lines) {
        let text = text.trim();
        let start = ["SAFETY:", "INVARIANT:", "CAST:", "PANIC:"]
            .iter()
            .find_map(|tag| text.strip_prefix(tag));
        match (start, found.last_mut()) {
            (Some(start), _) => found.push((line, start.trim().into())),
            (None, Some((_, reason))) => {
                reason.push(' ');
                reason.push_str(text);
            }
            (None, None) => {}
        }
    }
    found
}

/// Returns the problem of a reason, if there is one.
fn flaw(reason: &str) -> Option<&'static str> {
    let is = |pattern: &str| Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(reason));
    if reason.is_empty() {
        Some("no reason")
    } else if is(REFERENCES) {
        Some("a reference instead of a reason")
    } else if is(CLAIMS) {
        Some("a claim instead of a reason")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::rust::Source;
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        check(&[File {
            path: "a.rs".into(),
            source: Source::parse(text),
        }])
    }

    #[test]
    fn references_are_no_reasons() {
        let reference = "a.rs:1: a reference instead of a reason: ";
        for text in [
            "As above.",
            "A pure function.",
            "The caller says so.",
            "As in `f()`.",
            "Valid. As above.",
            "`x` is initialised; as for the rest.",
        ] {
            assert_eq!(
                findings(&format!("// SAFETY: {text}\nunsafe {{ f() }}")),
                [format!("{reference}{text}")]
            );
        }
    }

    #[test]
    fn a_reason_goes_on_over_lines_and_up_to_the_next() {
        let text = "// SAFETY: `x` comes from\n// `g()`. As\n// above.\n// INVARIANT: `y` is 0.";
        assert_eq!(
            findings(text),
            ["a.rs:1: a reference instead of a reason: `x` comes from `g()`. As above."]
        );
    }

    #[test]
    fn a_claim_is_no_reason() {
        assert_eq!(findings("// SAFETY: `vma` is valid.").len(), 1);
        assert_eq!(findings("// SAFETY:").len(), 1);
    }

    #[test]
    fn reasons_are_left_alone() {
        for text in [
            "// SAFETY: By the type invariants, `vma` is valid.",
            "// As above, but not a reason for safety.",
            "/// # Safety\n///\n/// As for `f()`.",
        ] {
            assert!(findings(text).is_empty(), "{text}");
        }
    }
}
