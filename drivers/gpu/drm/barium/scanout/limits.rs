// SPDX-License-Identifier: GPL-2.0

//! What the device can show, and what it has to be told for that: numbers only.
//!
//! The device counts the start of a picture in lines and pixels ([`Scanout`]), in 16 bits each, and
//! shows nothing, or something else, if the picture is not all in VRAM: the last line counts with
//! all of its pitch. `bochs-display` takes all values, but no mode below 64 by 64. `VGA` and
//! `secondary-vga` silently change what they do not like: widths and pitches are whole groups of 8
//! pixels, no value is above the largest mode, and a start is a multiple of 4 bytes (QEMU's
//! `vbe_fixup_regs()`).

use crate::{
    dispi::{
        ByteOrder,
        Kind,
        Properties, //
    },
    upstream::kms::{
        mode::{
            Fourcc,
            ModeStatus, //
        },
        ModeConfigInfo, //
    },
};
use core::num::NonZeroU16;
use kernel::prelude::*;

/// What formats there are, the preferred one first; the last one only with a byte order to choose.
///
/// What is behind the plane is black, so that alpha changes nothing.
const FORMATS: [Fourcc; 4] = [
    Fourcc::XRGB8888,
    Fourcc::ARGB8888,
    Fourcc::RGB565,
    Fourcc::BGRX8888,
];

/// The pictures that there can be in a second. The device shows what is there whenever it likes;
/// DRM has a timer for each, and complains if one takes longer than a tenth of a second.
const REFRESH: core::ops::RangeInclusive<u32> = 20..=500;

/// The largest width and height of a framebuffer.
const MAX_SIZE: u16 = (1 << 15) - 1;
/// The smallest width and height of `bochs-display`.
const BOCHS_MIN_SIZE: u16 = 64;
/// What widths and pitches of `VGA` are rounded down to, in pixels. Pitches of dumb buffers are multiples
/// of it for each device.
pub(crate) const PITCH_ALIGN: u32 = 8;
/// The same as the registers hold it.
const VGA_WIDTH_ALIGN: NonZeroU16 = NonZeroU16::new(8).unwrap();
/// What the start of a picture of `VGA` is a multiple of, in bytes.
const VGA_START_ALIGN: NonZeroU16 = NonZeroU16::new(4).unwrap();

/// A picture in memory, wherever that is.
#[derive(Clone, Copy)]
pub(crate) struct Picture {
    pub(crate) format: Fourcc,
    /// In pixels.
    pub(crate) width: u16,
    /// In lines.
    pub(crate) height: u16,
    /// The bytes from the start of a line to that of the next.
    pub(crate) pitch: u32,
}

impl Picture {
    /// Where pixel `x` of line `y` is, in bytes from the first one.
    pub(crate) fn place(&self, x: u16, y: u16) -> u64 {
        u64::from(y) * u64::from(self.pitch)
            + u64::from(x) * u64::from(bytes_per_pixel(self.format).get())
    }

    /// The bytes from the first pixel to the end of the last; `None` if it has no lines.
    pub(crate) fn len(&self) -> Option<u64> {
        let last = self.height.checked_sub(1)?;
        Some(self.place(self.width, last))
    }
}

fn bytes_per_pixel(format: Fourcc) -> NonZeroU16 {
    const TWO: NonZeroU16 = NonZeroU16::new(2).unwrap();
    const FOUR: NonZeroU16 = NonZeroU16::new(4).unwrap();
    match format {
        Fourcc::RGB565 => TWO,
        _ => FOUR,
    }
}

/// What the device has to be told to show a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scanout {
    /// In pixels.
    pub(crate) width: u16,
    /// In lines.
    pub(crate) height: u16,
    pub(crate) bits_per_pixel: u16,
    pub(crate) byte_order: ByteOrder,
    /// The pixels from the start of a line to that of the next.
    pub(crate) line: u16,
    /// The pixels before the first one.
    pub(crate) column: u16,
    /// The lines before the first one.
    pub(crate) row: u16,
}

/// What a device can show.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// In bytes.
    vram: u64,
    min_width: u16,
    min_height: u16,
    /// Of a mode, and the largest length of a line and column to start with, in pixels.
    max_width: u16,
    /// Of a mode, and the largest line to start with.
    max_height: u16,
    /// What widths and lengths of lines are multiples of, in pixels.
    width_align: NonZeroU16,
    /// What the start is a multiple of, in bytes, where that is more than a pixel: a power of two.
    start_align: NonZeroU16,
    has_byte_order: bool,
}

impl Limits {
    pub(crate) fn new(properties: &Properties) -> Result<Self> {
        let vram = u64::try_from(properties.vram.bytes())?;
        let has_byte_order = properties.has_byte_order;
        Ok(match properties.kind {
            Kind::Bochs => Self {
                vram,
                min_width: BOCHS_MIN_SIZE,
                min_height: BOCHS_MIN_SIZE,
                max_width: u16::MAX,
                max_height: u16::MAX,
                width_align: NonZeroU16::MIN,
                start_align: NonZeroU16::MIN,
                has_byte_order,
            },
            Kind::Vga {
                max_width,
                max_height,
            } => Self {
                vram,
                min_width: VGA_WIDTH_ALIGN.get(),
                min_height: 1,
                max_width,
                max_height,
                width_align: VGA_WIDTH_ALIGN,
                start_align: VGA_START_ALIGN,
                has_byte_order,
            },
        })
    }

    /// The formats that can be shown, the preferred one first.
    pub(crate) fn formats(&self) -> &'static [Fourcc] {
        match self.has_byte_order {
            true => &FORMATS,
            false => &FORMATS[..FORMATS.len() - 1],
        }
    }

    /// The sizes of framebuffers that are good for something. Places in them are fixed point
    /// numbers in DRM, with 15 bits before the point.
    pub(crate) fn sizes(&self) -> ModeConfigInfo {
        ModeConfigInfo {
            max_width: self.max_width.min(MAX_SIZE),
            max_height: self.max_height.min(MAX_SIZE),
        }
    }

    /// Whether there can be a mode of this size and with so many pictures in a second.
    ///
    /// VRAM has to hold a dumb buffer for it, in the format that takes most memory. If all of VRAM
    /// is free, that buffer starts at offset 0, which each device can show.
    pub(crate) fn mode(&self, width: u16, height: u16, refresh: u32) -> ModeStatus {
        let line = u64::from(width).next_multiple_of(u64::from(PITCH_ALIGN));
        let size = line * u64::from(height) * 4;
        match () {
            () if width < self.min_width || width > self.max_width => ModeStatus::BadWidth,
            () if width % self.width_align != 0 => ModeStatus::BadWidth,
            () if height < self.min_height || height > self.max_height => ModeStatus::BadHeight,
            () if refresh < *REFRESH.start() => ModeStatus::TooSlow,
            () if refresh > *REFRESH.end() => ModeStatus::TooFast,
            () if size > self.vram => ModeStatus::Memory,
            () => ModeStatus::Ok,
        }
    }

    /// The length, in pixels, of a line of `pitch` bytes.
    ///
    /// Errors: `EINVAL` if the device has no lines of this length.
    pub(crate) fn line(&self, format: Fourcc, pitch: u32) -> Result<u16> {
        let bytes = u32::from(bytes_per_pixel(format).get());
        u16::try_from(pitch / bytes)
            .ok()
            .filter(|line| *line <= self.max_width && *line % self.width_align == 0)
            .filter(|_| pitch % bytes == 0)
            .ok_or(EINVAL)
    }

    /// The highest offset in VRAM that the device can start with: as many lines of `pitch` bytes,
    /// and pixels in front of the first one, as its registers can hold.
    fn reach(&self, pitch: u64, bytes_per_pixel: NonZeroU16) -> u64 {
        u64::from(self.max_height) * pitch
            + u64::from(self.max_width) * u64::from(bytes_per_pixel.get())
    }

    /// The highest offset in VRAM at which a buffer of `height` lines may start so that the device
    /// can start with each of them. `None` if the device cannot show such a buffer as a whole, wherever
    /// it is.
    ///
    /// `pitch` is the length of a line in bytes.
    pub(crate) fn last_start(&self, height: u32, pitch: u32, bits_per_pixel: u32) -> Option<u64> {
        let format = match bits_per_pixel {
            16 => Fourcc::RGB565,
            32 => Fourcc::XRGB8888,
            _ => return None,
        };
        self.line(format, pitch).ok()?;
        let pitch = u64::from(pitch);
        let last_line = u64::from(height).checked_sub(1)? * pitch;
        self.reach(pitch, bytes_per_pixel(format))
            .checked_sub(last_line)
    }

    /// What the device has to be told to show `picture`, which starts `start` bytes into VRAM.
    ///
    /// Errors: `EINVAL` if it can't show that.
    pub(crate) fn scanout(&self, picture: &Picture, start: u64) -> Result<Scanout> {
        let line = self.line(picture.format, picture.pitch)?;
        let pitch = u64::from(picture.pitch);
        let bytes_per_pixel = bytes_per_pixel(picture.format);
        let align = bytes_per_pixel.max(self.start_align);
        let end = start + u64::from(picture.height) * pitch;
        if end > self.vram || start % u64::from(align.get()) != 0 {
            return Err(EINVAL);
        }
        if start > self.reach(pitch, bytes_per_pixel) {
            return Err(EINVAL);
        }
        let row = start.checked_div(pitch).unwrap_or(0);
        let row = u16::try_from(row).map_or(self.max_height, |row| row.min(self.max_height));
        let column = (start - u64::from(row) * pitch) / u64::from(bytes_per_pixel.get());
        let column = u16::try_from(column)?;
        Ok(Scanout {
            width: picture.width,
            height: picture.height,
            bits_per_pixel: bytes_per_pixel.get() * 8,
            byte_order: match picture.format {
                Fourcc::BGRX8888 => ByteOrder::Big,
                _ => ByteOrder::Little,
            },
            line,
            column,
            row,
        })
    }
}

#[kunit_tests(barium_display_limits)]
mod tests {
    use super::*;

    const VRAM: u64 = 16 << 20;

    fn bochs() -> Limits {
        Limits {
            vram: VRAM,
            min_width: BOCHS_MIN_SIZE,
            min_height: BOCHS_MIN_SIZE,
            max_width: u16::MAX,
            max_height: u16::MAX,
            width_align: NonZeroU16::MIN,
            start_align: NonZeroU16::MIN,
            has_byte_order: true,
        }
    }

    fn vga() -> Limits {
        Limits {
            min_width: VGA_WIDTH_ALIGN.get(),
            min_height: 1,
            max_width: 16000,
            max_height: 12000,
            width_align: VGA_WIDTH_ALIGN,
            start_align: VGA_START_ALIGN,
            has_byte_order: false,
            ..bochs()
        }
    }

    fn picture(pitch: u32) -> Picture {
        Picture {
            format: Fourcc::XRGB8888,
            width: 640,
            height: 480,
            pitch,
        }
    }

    /// Where the device starts, in bytes, if it is told this.
    fn start(scanout: &Scanout) -> u64 {
        (u64::from(scanout.row) * u64::from(scanout.line) + u64::from(scanout.column))
            * u64::from(scanout.bits_per_pixel / 8)
    }

    #[test]
    fn a_picture_starts_where_it_is() {
        for limits in [bochs(), vga()] {
            for at in [0, 4, 2556, 2560, 2564, 4096, 1 << 20, VRAM - 480 * 2560] {
                let scanout = limits.scanout(&picture(2560), at);
                assert_eq!(scanout.map(|scanout| start(&scanout)).ok(), Some(at));
            }
        }
    }

    #[test]
    fn a_picture_does_not_end_behind_vram() {
        for limits in [bochs(), vga()] {
            let last = VRAM - 480 * 5120;
            assert!(limits.scanout(&picture(5120), last).is_ok());
            assert_eq!(limits.scanout(&picture(5120), last + 4).err(), Some(EINVAL));
            assert_eq!(limits.scanout(&picture(5120), VRAM).err(), Some(EINVAL));
        }
    }

    #[test]
    fn a_start_is_a_whole_number_of_pixels() {
        for at in [1, 2, 3, 5] {
            assert_eq!(bochs().scanout(&picture(2560), at).err(), Some(EINVAL));
        }
        let small = Picture {
            format: Fourcc::RGB565,
            ..picture(1280)
        };
        assert!(bochs().scanout(&small, 2).is_ok());
        assert_eq!(vga().scanout(&small, 2).err(), Some(EINVAL));
        assert!(vga().scanout(&small, 4).is_ok());
    }

    #[test]
    fn a_start_is_within_what_16_bits_can_say() {
        let large = Limits {
            vram: 256 << 20,
            ..vga()
        };
        let first_line_too_far = 12001 * 2560;
        let at = large.scanout(&picture(2560), first_line_too_far);
        assert_eq!(
            at.map(|scanout| start(&scanout)).ok(),
            Some(first_line_too_far)
        );
        let too_far = 12000 * 2560 + 16001 * 4;
        assert!(large.scanout(&picture(2560), too_far - 4).is_ok());
        assert_eq!(large.scanout(&picture(2560), too_far).err(), Some(EINVAL));
    }

    /// Whether a 640x480 picture can be shown that starts with line `line` of a buffer at `start`.
    fn shows(limits: &Limits, pitch: u32, start: u64, line: u64) -> bool {
        let picture = Picture {
            height: 1,
            ..picture(pitch)
        };
        limits
            .scanout(&picture, start + line * u64::from(pitch))
            .is_ok()
    }

    #[test]
    fn each_line_of_a_buffer_within_reach_can_be_the_first() -> Result {
        for limits in [bochs(), vga()] {
            let large = Limits {
                vram: 1 << 32,
                ..limits
            };
            for pitch in [32, 2560, 5120, 7680, 16000 * 4] {
                for height in [1, 480, 1080, 12000] {
                    let start = large.last_start(height, pitch, 32).ok_or(EINVAL)?;
                    let last = u64::from(height - 1);
                    for line in [0, last / 2, last] {
                        assert!(shows(&large, pitch, start, line));
                        assert!(shows(&large, pitch, 0, line));
                    }
                    assert!(!shows(&large, pitch, start + 4, last));
                }
            }
        }
        Ok(())
    }

    #[test]
    fn what_no_device_shows_may_be_anywhere() {
        for (height, pitch, bits_per_pixel) in [
            (480, 640 * 3, 24),
            (480, 640, 8),
            (0, 2560, 32),
            (480, 2564, 32),
            (480, 16008 * 4, 32),
            (12000 + 20000, 32, 32),
        ] {
            assert_eq!(vga().last_start(height, pitch, bits_per_pixel), None);
        }
        assert_eq!(vga().last_start(12001, 2560, 32), Some(16000 * 4));
        assert_eq!(vga().last_start(12001, 1280, 16), Some(16000 * 2));
    }

    #[test]
    fn lines_have_lengths_that_the_device_has() {
        for (limits, pitch, line) in [
            (bochs(), 2560, Some(640)),
            (bochs(), 2564, Some(641)),
            (bochs(), 2562, None),
            (bochs(), 65535 * 4, Some(65535)),
            (bochs(), 65536 * 4, None),
            (vga(), 2560, Some(640)),
            (vga(), 2564, None),
            (vga(), 2592, Some(648)),
            (vga(), 16000 * 4, Some(16000)),
            (vga(), 16008 * 4, None),
        ] {
            assert_eq!(limits.line(Fourcc::XRGB8888, pitch).ok(), line);
        }
    }

    #[test]
    fn modes_are_those_that_the_device_has() {
        for (limits, width, height, status) in [
            (bochs(), 64, 64, ModeStatus::Ok),
            (bochs(), 63, 64, ModeStatus::BadWidth),
            (bochs(), 64, 63, ModeStatus::BadHeight),
            (bochs(), 1366, 768, ModeStatus::Ok),
            (bochs(), 2048, 2048, ModeStatus::Ok),
            (bochs(), 2048, 2049, ModeStatus::Memory),
            (bochs(), 2041, 2048, ModeStatus::Ok),
            (bochs(), 2049, 2044, ModeStatus::Memory),
            (vga(), 8, 1, ModeStatus::Ok),
            (vga(), 0, 1, ModeStatus::BadWidth),
            (vga(), 8, 0, ModeStatus::BadHeight),
            (vga(), 1366, 768, ModeStatus::BadWidth),
            (vga(), 16000, 200, ModeStatus::Ok),
            (vga(), 16008, 200, ModeStatus::BadWidth),
            (vga(), 200, 12001, ModeStatus::BadHeight),
        ] {
            assert_eq!(limits.mode(width, height, 60), status);
        }
        for (refresh, status) in [
            (0, ModeStatus::TooSlow),
            (19, ModeStatus::TooSlow),
            (20, ModeStatus::Ok),
            (500, ModeStatus::Ok),
            (501, ModeStatus::TooFast),
        ] {
            assert_eq!(vga().mode(640, 480, refresh), status);
        }
    }

    #[test]
    fn a_picture_ends_behind_its_last_pixel() {
        assert_eq!(picture(2560).len(), Some(480 * 2560));
        assert_eq!(picture(4000).len(), Some(479 * 4000 + 2560));
        let none = Picture {
            height: 0,
            ..picture(2560)
        };
        assert_eq!(none.len(), None);
    }

    #[test]
    fn the_byte_order_is_a_format_only_where_it_can_be_chosen() {
        let has = |limits: Limits| limits.formats().contains(&Fourcc::BGRX8888);
        assert!(has(bochs()));
        assert!(!has(vga()));
    }
}
