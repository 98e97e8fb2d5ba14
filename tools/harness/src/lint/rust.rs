// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Splits Rust source into tokens and comments, as far as the lint steps need it. Text in comments
//! and strings is not treated as code.

use std::iter::Peekable;
use std::str::CharIndices;

/// A token and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// An identifier, keyword, number, `::`, `->`, or one character. A string is `""`.
    pub text: String,
    /// Line number from 1 on.
    pub line: usize,
}

/// Consecutive lines of one kind of comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The marker: `//`, `///`, `//!` or `/*`.
    pub kind: &'static str,
    /// Number of the first line, from 1 on.
    pub line: usize,
    /// The lines without their markers.
    pub lines: Vec<String>,
}

/// A parsed source file.
#[derive(Debug, Default)]
pub struct Source {
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// Its comments.
    pub comments: Vec<Comment>,
}

impl Source {
    /// Parses `text`.
    pub fn parse(text: &str) -> Self {
        let mut source = Source::default();
        let mut scanner = Scanner {
            text,
            chars: text.char_indices().peekable(),
            line: 1,
        };
        while let Some((at, c)) = scanner.next() {
            let line = scanner.line;
            match c {
                c if c.is_whitespace() => {}
                '/' if scanner.peek() == Some('/') => {
                    source.line_comment(scanner.rest_of_line(at), line)
                }
                '/' if scanner.peek() == Some('*') => {
                    let text = scanner.block_comment(at);
                    source.comments.push(Comment {
                        kind: "/*",
                        line,
                        lines: text.lines().map(String::from).collect(),
                    });
                }
                '"' => {
                    scanner.string();
                    source.token("\"\"", line);
                }
                '\'' => {
                    if let Some(lifetime) = scanner.quote(at) {
                        source.token(lifetime, line);
                    }
                }
                c if is_word(c) => {
                    let word = scanner.word(at);
                    match (word, scanner.peek()) {
                        ("b" | "c" | "r" | "br" | "cr", Some('"' | '#')) => {
                            scanner.literal(word);
                            source.token("\"\"", line);
                        }
                        ("b", Some('\'')) => {
                            scanner.next();
                            scanner.quote(at);
                        }
                        _ => source.token(word, line),
                    }
                }
                ':' if scanner.peek() == Some(':') => {
                    scanner.next();
                    source.token("::", line);
                }
                '-' if scanner.peek() == Some('>') => {
                    scanner.next();
                    source.token("->", line);
                }
                c => source.token(&c.to_string(), line),
            }
        }
        source
    }

    fn token(&mut self, text: &str, line: usize) {
        self.tokens.push(Token {
            text: text.into(),
            line,
        });
    }

    fn line_comment(&mut self, text: &str, line: usize) {
        let kind = match text {
            t if t.starts_with("//!") => "//!",
            t if t.starts_with("///") && !t.starts_with("////") => "///",
            _ => "//",
        };
        let content = text[kind.len()..].to_string();
        match self.comments.last_mut() {
            Some(last) if last.kind == kind && last.line + last.lines.len() == line => {
                last.lines.push(content);
            }
            _ => self.comments.push(Comment {
                kind,
                line,
                lines: vec![content],
            }),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Scanner<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    line: usize,
}

impl<'a> Scanner<'a> {
    fn next(&mut self) -> Option<(usize, char)> {
        let next = self.chars.next();
        if let Some((_, '\n')) = next {
            self.line += 1;
        }
        next
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, c)| *c)
    }

    /// Returns the offset of the next character.
    fn at(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    /// Returns the text from `start` to the end of the line, which is not consumed.
    fn rest_of_line(&mut self, start: usize) -> &'a str {
        while self.peek().is_some_and(|c| c != '\n') {
            self.next();
        }
        &self.text[start..self.at()]
    }

    fn word(&mut self, start: usize) -> &'a str {
        while self.peek().is_some_and(is_word) {
            self.next();
        }
        &self.text[start..self.at()]
    }

    /// Returns the rest of a block comment, including nested ones.
    fn block_comment(&mut self, start: usize) -> &'a str {
        let mut depth = 0;
        let mut last = '/';
        while let Some((_, c)) = self.next() {
            match (last, c) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    last = c;
                    continue;
                }
            }
            last = ' ';
            if depth == 0 {
                break;
            }
        }
        &self.text[start..self.at()]
    }

    /// Skips the rest of a string after its opening quote.
    fn string(&mut self) {
        while let Some((_, c)) = self.next() {
            match c {
                '\\' => {
                    self.next();
                }
                '"' => break,
                _ => {}
            }
        }
    }

    /// Skips the rest of a literal with a prefix.
    fn literal(&mut self, prefix: &str) {
        let mut hashes = 0;
        while self.peek() == Some('#') {
            self.next();
            hashes += 1;
        }
        // A raw identifier.
        if self.peek() != Some('"') {
            return;
        }
        self.next();
        if !prefix.contains('r') {
            return self.string();
        }
        let end = format!("\"{}", "#".repeat(hashes));
        let start = self.at();
        let stop = self.text[start..]
            .find(&end)
            .map_or(self.text.len(), |length| start + length + end.len());
        while self.at() < stop {
            self.next();
        }
    }

    /// Skips a character literal, or returns a lifetime; `start` is the quote.
    fn quote(&mut self, start: usize) -> Option<&'a str> {
        let (_, c) = self.next()?;
        if c == '\\' {
            self.next();
        } else if is_word(c) && self.peek() != Some('\'') {
            while self.peek().is_some_and(is_word) {
                self.next();
            }
            return Some(&self.text[start..self.at()]);
        }
        while self.next().is_some_and(|(_, c)| c != '\'') {}
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let source = Source::parse(text);
        source.tokens.into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn strings_and_comments_are_no_code() {
        let text = "let a = \"crate::x // \\\" \"; // crate::y\n/* crate::z /* */ */ let b = r#\"\"crate\"#;";
        assert_eq!(
            words(text),
            ["let", "a", "=", "\"\"", ";", "let", "b", "=", "\"\"", ";"]
        );
    }

    #[test]
    fn characters_are_no_lifetimes() {
        assert_eq!(
            words("fn f<'a>(x: &'a u8) -> char { '\\'' } '{' b'x' '_' 'b"),
            [
                "fn", "f", "<", "'a", ">", "(", "x", ":", "&", "'a", "u8", ")", "->", "char", "{",
                "}", "'b"
            ]
        );
    }

    #[test]
    fn paths_have_one_token_between_words() {
        assert_eq!(words("crate::a::b"), ["crate", "::", "a", "::", "b"]);
    }

    #[test]
    fn comments_are_joined_by_kind() {
        let source = Source::parse("// SAFETY: one\n// two\n/// doc\nfn f() {}\n// three\n");
        let found: Vec<_> = source
            .comments
            .iter()
            .map(|c| (c.kind, c.line, c.lines.len()))
            .collect();
        assert_eq!(found, [("//", 1, 2), ("///", 3, 1), ("//", 5, 1)]);
    }

    #[test]
    fn lines_are_counted_through_strings() {
        let source = Source::parse("\"a\nb\"\nx");
        assert_eq!(source.tokens[1].line, 3);
    }
}
