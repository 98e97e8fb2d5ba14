// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Compares the screen of a guest with what it must show, pixel by pixel, without asking the
//! driver: QEMU's screendump provides the picture.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::font::Font;
use crate::picture;
use crate::qmp::Qmp;
use crate::Result;

/// Interval between two looks at a screen that does not show the expected picture yet.
const POLL: Duration = Duration::from_millis(100);

/// Bytes of a pixel.
const RGB: usize = 3;

/// A pixel.
type Colour = [u8; RGB];

/// Colours of the console.
const CONSOLE_TEXT: Colour = [0xaa; RGB];
const BLACK: Colour = [0; RGB];

/// The colour of the second buffer of modetest's page flips.
const MODETEST_PLAIN: Colour = [0x77; RGB];

/// Minimum number of colours of a compositor's scene.
const SCENE_COLOURS: usize = 16;
/// Number of consecutive pictures that must differ to prove movement.
const SCENE_PICTURES: usize = 3;

/// A picture of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shot {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    rgb: Vec<u8>,
}

impl Shot {
    /// Makes a picture whose pixel at (x, y) is `colour(x, y)`.
    pub fn new(width: usize, height: usize, colour: impl Fn(usize, usize) -> Colour) -> Self {
        let rgb = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| colour(x, y))
            .collect();
        Shot { width, height, rgb }
    }

    /// Takes a screendump of the display with the QEMU id `display`; `scratch` is a temporary file.
    pub fn take(qmp: &mut Qmp, display: &str, scratch: &Path) -> Result<Self> {
        qmp.execute(
            "screendump",
            json!({ "device": display, "filename": scratch }),
        )?;
        let file = fs::read(scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
        fs::remove_file(scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
        Self::from_ppm(&file).ok_or("the screendump is not a portable pixmap".into())
    }

    /// Parses a binary portable pixmap with 8 bits per colour, the format of QEMU's screendump.
    fn from_ppm(file: &[u8]) -> Option<Self> {
        let mut rest = file;
        let mut words = Vec::new();
        while words.len() < 4 {
            let end = rest.iter().position(u8::is_ascii_whitespace)?;
            words.push(std::str::from_utf8(&rest[..end]).ok()?);
            rest = &rest[end + 1..];
        }
        let ["P6", width, height, "255"] = words[..] else {
            return None;
        };
        let (width, height) = (width.parse().ok()?, height.parse().ok()?);
        (rest.len() == width * height * RGB).then(|| Shot {
            width,
            height,
            rgb: rest.into(),
        })
    }

    /// Converts XRGB8888 pixels, little-endian, without padding between lines.
    fn from_xrgb(width: usize, height: usize, xrgb: &[u8]) -> Option<Self> {
        let length = width.checked_mul(height)?.checked_mul(4)?;
        let pixels = xrgb.get(..length)?.chunks_exact(4);
        Some(Shot {
            width,
            height,
            rgb: pixels.flat_map(|p| [p[2], p[1], p[0]]).collect(),
        })
    }

    /// Returns the colour of a pixel.
    pub fn colour(&self, x: usize, y: usize) -> Colour {
        let start = (y * self.width + x) * RGB;
        [0, 1, 2].map(|part| self.rgb[start + part])
    }

    /// Writes the picture as PNG.
    pub fn write(&self, path: &Path) -> Result<()> {
        let size = |pixels: usize| u32::try_from(pixels).map_err(|e| e.to_string());
        picture::write_rgb(path, size(self.width)?, size(self.height)?, &self.rgb)
    }

    fn has_size(&self, width: usize, height: usize) -> Result<()> {
        if (self.width, self.height) == (width, height) {
            return Ok(());
        }
        Err(format!(
            "the screen has {} x {} pixels, not {width} x {height}",
            self.width, self.height
        ))
    }

    /// Compares with `other`. The error names the number of different pixels and quotes the first
    /// ones.
    fn same(&self, other: &Shot) -> Result<()> {
        self.has_size(other.width, other.height)?;
        let pixels = self.rgb.chunks_exact(RGB).zip(other.rgb.chunks_exact(RGB));
        let mut wrong = pixels.enumerate().filter(|(_, (is, should))| is != should);
        let Some((first, (is, should))) = wrong.next() else {
            return Ok(());
        };
        Err(format!(
            "{} of {} pixels are wrong; at ({}, {}) is {is:02x?} instead of {should:02x?}",
            1 + wrong.count(),
            self.width * self.height,
            first % self.width,
            first / self.width
        ))
    }

    /// Returns the number of pixels that differ from `other`, of the same size.
    fn different(&self, other: &Shot) -> usize {
        let pixels = self.rgb.chunks_exact(RGB).zip(other.rgb.chunks_exact(RGB));
        pixels.filter(|(one, other)| one != other).count()
    }

    /// Counts the colours, up to `enough`.
    fn colours(&self, enough: usize) -> usize {
        let mut found: Vec<&[u8]> = Vec::new();
        for pixel in self.rgb.chunks_exact(RGB) {
            if found.len() == enough {
                break;
            }
            if !found.contains(&pixel) {
                found.push(pixel);
            }
        }
        found.len()
    }
}

/// Draws the colour bars that modetest draws into a buffer of this size.
fn colour_bars(width: usize, height: usize) -> Shot {
    const FULL: u8 = 192;
    const TOP: [Colour; 7] = [
        [FULL, FULL, FULL],
        [FULL, FULL, 0],
        [0, FULL, FULL],
        [0, FULL, 0],
        [FULL, 0, FULL],
        [FULL, 0, 0],
        [0, 0, FULL],
    ];
    const DARK: Colour = [19; RGB];
    const MIDDLE: [Colour; 7] = [TOP[6], DARK, TOP[4], DARK, TOP[2], DARK, TOP[0]];
    // Four wide bars below the first five sevenths, three in the next seventh, one in the last.
    const WIDE: [Colour; 4] = [[0, 33, 76], [255; RGB], [50, 0, 106], DARK];
    const NARROW: [Colour; 3] = [[9; RGB], DARK, [29; RGB]];

    Shot::new(width, height, |x, y| {
        let (five, six) = (width * 5 / 7, width * 6 / 7);
        match () {
            () if y < height * 6 / 9 => TOP[x * 7 / width],
            () if y < height * 7 / 9 => MIDDLE[x * 7 / width],
            () if x < five => WIDE[x * 4 / five],
            // A fourth bar begins where a seventh of the width is no integer.
            () if x < six => *NARROW.get((x - five) * 3 / (width / 7)).unwrap_or(&DARK),
            () => DARK,
        }
    })
}

/// Draws a console screen with only `text` at the character position `at` (column, row).
fn console(font: &Font, size: (usize, usize), at: (usize, usize), text: &str) -> Shot {
    let written = font.render(text);
    let (left, top) = (at.0 * written.cell.0, at.1 * written.cell.1);
    Shot::new(size.0, size.1, |x, y| {
        let inside = x >= left && y >= top;
        match inside && written.is_set(x - left, y - top) {
            true => CONSOLE_TEXT,
            false => BLACK,
        }
    })
}

/// Returns the position in pixels of the upper left corner of `text` on black ground, if the screen
/// shows it.
fn find_text(shot: &Shot, font: &Font, text: &str) -> Option<(usize, usize)> {
    let written = font.render(text);
    let (width, height) = written.size();
    let is_there = |left: usize, top: usize| {
        (0..height).all(|y| {
            (0..width).all(|x| written.is_set(x, y) == (shot.colour(left + x, top + y) != BLACK))
        })
    };
    let columns = shot.width.checked_sub(width)?;
    let rows = shot.height.checked_sub(height)?;
    (0..=rows)
        .flat_map(|y| (0..=columns).map(move |x| (x, y)))
        .find(|&(x, y)| is_there(x, y))
}

/// What the screen must show.
enum Expected {
    /// Exactly this picture.
    Picture(Shot),
    /// Each of these pictures, and none but these after the first one.
    Flips {
        pictures: [Shot; 2],
        seen: [bool; 2],
    },
    /// All of these lines, at any position.
    Text(Vec<String>, Font),
    /// A moving picture with many colours.
    Scene {
        width: usize,
        height: usize,
        /// Pixels that have to differ from one picture to the next.
        moving: usize,
        seen: Vec<Shot>,
    },
}

/// The result of comparing one screendump.
enum Verdict {
    /// The screen shows what it must; the text describes it.
    Good(String),
    /// The screen does not show it yet.
    NotYet(String),
    /// The screen has shown something that it never may.
    Bad(String),
}

impl Expected {
    /// Parses the guest's `words`; `exchange` is the file with the picture, if the guest passed
    /// one.
    fn read(words: &str, exchange: &Path) -> Result<Self> {
        let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
        let mut parts = rest.splitn(5, ' ');
        let mut number = || -> Result<usize> {
            let text = parts.next().unwrap_or_default();
            text.parse()
                .map_err(|_| format!("`{words}`: a number is missing"))
        };
        Ok(match kind {
            "picture" => {
                let (width, height) = (number()?, number()?);
                let shot = fs::File::open(exchange)
                    .and_then(|file| {
                        let length = width as u64 * height as u64 * 4;
                        let mut bytes = Vec::new();
                        std::io::Read::read_to_end(
                            &mut std::io::Read::take(file, length),
                            &mut bytes,
                        )?;
                        Ok(bytes)
                    })
                    .map_err(|e| format!("{}: {e}", exchange.display()))?;
                let shot = Shot::from_xrgb(width, height, &shot);
                Expected::Picture(shot.ok_or("the file with the picture is too short")?)
            }
            "black" => Expected::Picture(Shot::new(number()?, number()?, |_, _| BLACK)),
            "bars" => Expected::Picture(colour_bars(number()?, number()?)),
            "flips" => {
                let (width, height) = (number()?, number()?);
                Expected::Flips {
                    pictures: [
                        colour_bars(width, height),
                        Shot::new(width, height, |_, _| MODETEST_PLAIN),
                    ],
                    seen: [false; 2],
                }
            }
            "console" => {
                let (size, at) = ((number()?, number()?), (number()?, number()?));
                let text = parts.next().ok_or("no text")?;
                Expected::Picture(console(&Font::of_kernel()?, size, at, text))
            }
            "text" => Expected::Text(
                rest.split(" | ").map(String::from).collect(),
                Font::of_kernel()?,
            ),
            "scene" => Expected::Scene {
                width: number()?,
                height: number()?,
                moving: number().unwrap_or(1),
                seen: Vec::new(),
            },
            _ => return Err(format!("`{words}` does not describe a screen")),
        })
    }

    fn judge(&mut self, shot: &Shot) -> Verdict {
        match self {
            Expected::Picture(picture) => match shot.same(picture) {
                Ok(()) => Verdict::Good(format!("{} x {} pixels match", shot.width, shot.height)),
                Err(why) => Verdict::NotYet(why),
            },
            Expected::Flips { pictures, seen } => {
                let Some(index) = pictures.iter().position(|picture| picture == shot) else {
                    let why = shot.same(&pictures[0]).err().unwrap_or_default();
                    return match seen {
                        [false, false] => Verdict::NotYet(why),
                        _ => Verdict::Bad(format!("between two flips: {why}")),
                    };
                };
                seen[index] = true;
                match seen {
                    [true, true] => Verdict::Good("both pictures were seen, and no other".into()),
                    _ => Verdict::NotYet("only one of the two pictures was seen".into()),
                }
            }
            Expected::Text(lines, font) => {
                match lines
                    .iter()
                    .find(|line| find_text(shot, font, line).is_none())
                {
                    None => Verdict::Good(format!("readable: {}", lines.join(" | "))),
                    Some(line) => Verdict::NotYet(format!("`{line}` is not readable")),
                }
            }
            Expected::Scene {
                width,
                height,
                moving,
                seen,
            } => {
                if let Err(why) = shot.has_size(*width, *height) {
                    return Verdict::NotYet(why);
                }
                if shot.colours(SCENE_COLOURS) < SCENE_COLOURS {
                    return Verdict::NotYet(format!("fewer than {SCENE_COLOURS} colours"));
                }
                let moves = |last: &Shot| shot.different(last) >= *moving;
                if !seen.contains(shot) && seen.last().is_none_or(moves) {
                    seen.push(shot.clone());
                }
                match seen.len() {
                    SCENE_PICTURES.. => Verdict::Good("it moves".into()),
                    count => Verdict::NotYet(format!("{count} different picture(s) only")),
                }
            }
        }
    }
}

/// Looks at the display `display` until it shows what `words` describe, for at most `timeout`, but
/// at least once. Returns the last screendump, if there is one, and the result. The words are:
///
/// - `picture WIDTH HEIGHT`: the picture in the file `exchange`, XRGB8888;
/// - `black WIDTH HEIGHT`: black pixels;
/// - `bars WIDTH HEIGHT`: modetest's colour bars;
/// - `flips WIDTH HEIGHT`: the colour bars, and the plain buffer that modetest flips to;
/// - `console WIDTH HEIGHT COLUMN ROW TEXT`: a console with only this text;
/// - `text TEXT[ | TEXT]...`: these lines in the kernel's font, at any position;
/// - `scene WIDTH HEIGHT [PIXELS]`: a moving picture with many colours, in which at least that many pixels
///   differ from one look to the next.
pub fn look(
    qmp: &mut Qmp,
    display: &str,
    words: &str,
    exchange: &Path,
    timeout: Duration,
) -> Result<(Shot, Result<String>)> {
    let mut wanted = Expected::read(words, exchange)?;
    let scratch = exchange.with_file_name("screen.ppm");
    let start = Instant::now();
    loop {
        let shot = Shot::take(qmp, display, &scratch)?;
        match wanted.judge(&shot) {
            Verdict::Good(summary) => return Ok((shot, Ok(summary))),
            Verdict::NotYet(_) if start.elapsed() < timeout => std::thread::sleep(POLL),
            Verdict::NotYet(why) | Verdict::Bad(why) => return Ok((shot, Err(why))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Colour = [255, 0, 0];

    #[test]
    fn reads_what_qemu_writes() {
        let shot = Shot::from_ppm(b"P6\n2 1\n255\n\xff\0\0\0\x0a\x20").unwrap();
        assert_eq!((shot.width, shot.height), (2, 1));
        assert_eq!([shot.colour(0, 0), shot.colour(1, 0)], [RED, [0, 10, 32]]);
        assert_eq!(Shot::from_ppm(b"P6\n2 1\n255\n\xff\0\0\0\x0a"), None);
        assert_eq!(Shot::from_ppm(b"P6\n"), None);
    }

    #[test]
    fn one_wrong_pixel_is_found() {
        let good = Shot::new(3, 2, |_, _| RED);
        let bad = Shot::new(3, 2, |x, y| if (x, y) == (2, 1) { BLACK } else { RED });
        assert_eq!(good.same(&good), Ok(()));
        let why = bad.same(&good).unwrap_err();
        assert!(
            why.starts_with("1 of 6 pixels are wrong; at (2, 1)"),
            "{why}"
        );
        let wide = Shot::new(2, 3, |_, _| RED);
        assert!(wide.same(&good).unwrap_err().contains("2 x 3"));
    }

    #[test]
    fn a_torn_flip_is_bad() {
        let [first, second] = [RED, BLACK].map(|colour| Shot::new(2, 2, move |_, _| colour));
        let torn = Shot::new(2, 2, |_, y| if y == 0 { RED } else { BLACK });
        let wanted = || Expected::Flips {
            pictures: [first.clone(), second.clone()],
            seen: [false; 2],
        };
        let mut clean = wanted();
        assert!(matches!(clean.judge(&torn), Verdict::NotYet(_)));
        assert!(matches!(clean.judge(&first), Verdict::NotYet(_)));
        assert!(matches!(clean.judge(&second), Verdict::Good(_)));
        let mut bad = wanted();
        assert!(matches!(bad.judge(&second), Verdict::NotYet(_)));
        assert!(matches!(bad.judge(&torn), Verdict::Bad(_)));
    }

    #[test]
    fn a_still_picture_is_no_scene() {
        let picture =
            |seed: usize| Shot::new(8, 8, move |x, y| [x, y, seed].map(|part| part as u8));
        let scene = |moving| Expected::Scene {
            width: 8,
            height: 8,
            moving,
            seen: Vec::new(),
        };
        let mut wanted = scene(1);
        let plain = Shot::new(8, 8, |_, _| RED);
        for shot in [&picture(0), &picture(1), &picture(0), &plain] {
            assert!(matches!(wanted.judge(shot), Verdict::NotYet(_)));
        }
        assert!(matches!(wanted.judge(&picture(2)), Verdict::Good(_)));
        let mut wanted = scene(65);
        for seed in 0..9 {
            assert!(matches!(wanted.judge(&picture(seed)), Verdict::NotYet(_)));
        }
    }

    #[test]
    fn bars_have_their_places() {
        let bars = colour_bars(700, 90);
        assert_eq!(bars.colour(0, 0), [192; RGB]);
        assert_eq!(bars.colour(150, 59), [192, 192, 0]);
        assert_eq!(bars.colour(0, 60), [0, 0, 192]);
        assert_eq!(bars.colour(130, 89), [255; RGB]);
        assert_eq!(bars.colour(505, 89), [9; RGB]);
        assert_eq!(bars.colour(699, 89), [19; RGB]);
    }

    #[test]
    fn text_is_found_where_it_is() {
        let font = Font::sample();
        let shot = console(&font, (100, 60), (2, 1), "!");
        assert_eq!(find_text(&shot, &font, "!"), Some((16, 16)));
        assert_eq!(find_text(&shot, &font, "!!"), None);
    }
}
