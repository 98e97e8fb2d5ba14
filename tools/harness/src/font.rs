// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The kernel's console font, read from the kernel's source. It renders the text that a screen must
//! show.

use std::path::Path;

use crate::{command, Result};

/// Path of the font's source in the kernel tree.
const SOURCE: &str = "/barium/linux/lib/fonts/font_8x16.c";
/// Width of a character in pixels. A row is one byte; its highest bit is the leftmost pixel.
const WIDTH: usize = 8;
/// Height of a character in pixels.
const HEIGHT: usize = 16;
/// Number of characters.
const COUNT: usize = 256;

/// A bitmap font of 8x16 pixels.
pub struct Font {
    lines: Vec<u8>,
}

/// A rendered line of text.
pub struct RenderedText<'a> {
    font: &'a Font,
    text: &'a str,
    /// Width and height of a character in pixels.
    pub cell: (usize, usize),
}

impl Font {
    /// Reads the font that the kernel uses on screens of common sizes.
    pub fn of_kernel() -> Result<Self> {
        Self::parse(&command::read_lossy(Path::new(SOURCE)))
            .ok_or_else(|| format!("{SOURCE} has no font"))
    }

    /// Parses the lines of the C source that hold one byte each.
    fn parse(source: &str) -> Option<Self> {
        let lines: Option<Vec<u8>> = source
            .lines()
            .filter_map(|line| line.trim().strip_prefix("0x")?.split(',').next())
            .map(|digits| u8::from_str_radix(digits, 16).ok())
            .collect();
        lines
            .filter(|lines| lines.len() == COUNT * HEIGHT)
            .map(|lines| Font { lines })
    }

    /// Renders `text`, which must be ASCII.
    pub fn render<'a>(&'a self, text: &'a str) -> RenderedText<'a> {
        RenderedText {
            font: self,
            text,
            cell: (WIDTH, HEIGHT),
        }
    }

    /// A font whose characters all differ.
    #[cfg(test)]
    pub fn sample() -> Self {
        Font {
            lines: (0..COUNT * HEIGHT).map(|i| (i / HEIGHT) as u8).collect(),
        }
    }
}

impl RenderedText<'_> {
    /// Returns width and height in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.text.len() * self.cell.0, self.cell.1)
    }

    /// Returns true if the pixel at (x, y) is in the foreground.
    pub fn is_set(&self, x: usize, y: usize) -> bool {
        let Some(&letter) = self.text.as_bytes().get(x / WIDTH) else {
            return false;
        };
        if y >= HEIGHT {
            return false;
        }
        let line = self.font.lines[usize::from(letter) * HEIGHT + y];
        line & (0x80 >> (x % WIDTH)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_source() {
        let mut source = String::from("static const struct font_data x = {\n\t{ 0, 0, 1 }, {\n");
        for letter in 0..COUNT {
            source += &format!("\t/* {letter} */\n");
            source += &format!("\t0x{letter:02x}, /* bits */\n").repeat(HEIGHT);
        }
        assert_eq!(Font::parse(&source).unwrap().lines, Font::sample().lines);
        assert!(Font::parse(&source[..source.len() - 20]).is_none());
    }

    #[test]
    fn writes_from_the_left() {
        let font = Font::sample();
        let written = font.render("\u{1}\u{40}");
        assert_eq!(written.size(), (16, 16));
        let set: Vec<usize> = (0..20).filter(|&x| written.is_set(x, 15)).collect();
        assert_eq!(set, [7, 9]);
        assert!(!written.is_set(7, 16));
    }
}
