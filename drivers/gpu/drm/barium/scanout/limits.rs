// SPDX-License-Identifier: GPL-2.0

//! Determines whether the device can show a mode or a picture, and computes the register values for
//! it. This module does arithmetic only.
//!
//! Two 16-bit registers hold the start of the picture in VRAM, as a number of lines and a number of
//! pixels ([`Scanout`]). The picture, including the whole pitch of its last line, must end within
//! VRAM. Otherwise the device shows nothing, or another part of VRAM. `bochs-display` accepts all
//! values, but no mode smaller than 64x64. `VGA` and `secondary-vga` change values silently: they
//! round widths and pitches down to multiples of 8 pixels, clamp all values to the largest mode,
//! and round the start down to a multiple of 4 bytes (QEMU's `vbe_fixup_regs()`).
//!
//! The *reach* of a device is the highest start that the two registers can hold. It depends on the
//! pitch: that of a `VGA` with a pitch of 1280 pixels of 4 bytes is 58.65 MiB.

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

/// The formats, the preferred one first. The last one needs a device with a byte order register.
///
/// The background of the plane is black, so that alpha has no effect.
const FORMATS: [Fourcc; 4] = [
    Fourcc::XRGB8888,
    Fourcc::ARGB8888,
    Fourcc::RGB565,
    Fourcc::BGRX8888,
];

/// The supported refresh rates, in Hz. The device itself has no refresh rate; DRM simulates vblanks
/// with a timer.
///
/// The bounds are a choice of this driver, not limits of DRM. At the lowest rate, a page flip ends
/// within 50 ms; DRM warns only if a vblank takes longer than 1 s (`drm_crtc_wait_one_vblank()`).
/// At the highest rate, the timer interrupts the CPU 500 times per second.
const REFRESH: core::ops::RangeInclusive<u32> = 20..=500;

/// The largest width and height of a framebuffer.
const MAX_SIZE: u16 = (1 << 15) - 1;
/// The width and the height of the smallest mode that a connector offers: DRM's smallest mode for a
/// screen without an EDID, which is the smallest one in QEMU's EDIDs as well.
const SMALLEST_MODE: (u16, u16) = (640, 480);
/// The smallest width and height of `bochs-display`.
pub(super) const BOCHS_MIN_SIZE: u16 = 64;
/// The alignment of widths and pitches of `VGA`, in pixels. Dumb buffers have this pitch alignment
/// on every device.
pub(crate) const PITCH_ALIGN: NonZeroU16 = NonZeroU16::new(8).unwrap();
/// The alignment of the start of a picture on `VGA`, in bytes.
const VGA_START_ALIGN: NonZeroU16 = NonZeroU16::new(4).unwrap();

/// Mesa's software renderer draws in tiles of this many lines, and allocates buffers of whole
/// tiles.
const MESA_LINES: u64 = 64;

/// A picture: the part of a framebuffer that the device shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) format: Fourcc,
    /// The width in pixels.
    pub(crate) width: u16,
    /// The height in lines.
    pub(crate) height: u16,
    /// The number of bytes from the start of a line to the start of the next one.
    pub(crate) pitch: u32,
}

impl Picture {
    /// Returns a picture whose lines have no more padding than every display needs.
    pub(super) fn packed(format: Fourcc, width: u16, height: u16) -> Self {
        let padded = u32::from(width).next_multiple_of(PITCH_ALIGN.get().into());
        Self {
            format,
            width,
            height,
            pitch: padded * u32::from(bytes_per_pixel(format).get()),
        }
    }

    /// Returns the number of bytes of `width` pixels.
    pub(super) fn bytes(&self, width: u16) -> u64 {
        u64::from(width) * u64::from(bytes_per_pixel(self.format).get())
    }

    /// Returns the offset of pixel `x` of line `y` from the first pixel, in bytes.
    pub(crate) fn pixel_offset(&self, x: u16, y: u16) -> u64 {
        u64::from(y) * u64::from(self.pitch)
            + u64::from(x) * u64::from(bytes_per_pixel(self.format).get())
    }

    /// Returns the number of bytes from the first pixel to the end of the last, or `None` if the
    /// picture has no lines.
    pub(crate) fn len(&self) -> Option<u64> {
        let last = self.height.checked_sub(1)?;
        Some(self.pixel_offset(self.width, last))
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

/// The values of the registers for a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scanout {
    /// The width of the mode in pixels.
    pub(crate) width: u16,
    /// The height of the mode in lines.
    pub(crate) height: u16,
    pub(crate) bits_per_pixel: u16,
    pub(crate) byte_order: ByteOrder,
    /// The number of pixels from the start of a line to the start of the next.
    pub(crate) virt_width: u16,
    /// The number of pixels to skip in front of the first one.
    pub(crate) x_offset: u16,
    /// The number of lines to skip in front of the first one.
    pub(crate) y_offset: u16,
}

impl Scanout {
    /// Returns the offset in VRAM of the first pixel, and the number of bytes from there to the end
    /// of the whole last line.
    pub(super) fn span(&self) -> (usize, usize) {
        let bytes = usize::from(self.bits_per_pixel).div_ceil(8);
        let pitch = usize::from(self.virt_width) * bytes;
        (
            usize::from(self.y_offset) * pitch + usize::from(self.x_offset) * bytes,
            usize::from(self.height) * pitch,
        )
    }

    /// Returns the offset in VRAM, in bytes, at which the picture starts.
    pub(super) fn start(&self) -> u64 {
        (u64::from(self.y_offset) * u64::from(self.virt_width) + u64::from(self.x_offset))
            * u64::from(self.bits_per_pixel.div_ceil(8))
    }
}

/// The limits of the modes and pictures that a device supports.
#[derive(Clone, Copy)]
pub(crate) struct ModeLimits {
    /// The size of VRAM in bytes.
    vram: u64,
    /// The smallest width of a mode, in pixels.
    min_width: u16,
    /// The smallest height of a mode, in lines.
    min_height: u16,
    /// The largest width of a mode, the largest virtual width and the largest X offset, in pixels.
    max_width: u16,
    /// The largest height of a mode and the largest Y offset, in lines.
    max_height: u16,
    /// The alignment of widths and virtual widths, in pixels.
    width_align: NonZeroU16,
    /// The alignment of the start in bytes, a power of two. A larger pixel is aligned to its size.
    start_align: NonZeroU16,
    /// Whether the device has a register for the byte order.
    has_byte_order: bool,
}

impl ModeLimits {
    /// Creates the limits of a device with these properties.
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
                min_width: PITCH_ALIGN.get(),
                min_height: 1,
                max_width,
                max_height,
                width_align: PITCH_ALIGN,
                start_align: VGA_START_ALIGN,
                has_byte_order,
            },
        })
    }

    /// Returns the formats that the device can show, the preferred one first.
    pub(crate) fn formats(&self) -> &'static [Fourcc] {
        match self.has_byte_order {
            true => &FORMATS,
            false => &FORMATS[..FORMATS.len() - 1],
        }
    }

    /// Returns the limits of framebuffers that DRM reports to clients. The largest size is at most
    /// [`MAX_SIZE`]: DRM stores coordinates in framebuffers as signed 16.16 fixed-point numbers.
    pub(crate) fn mode_config_info(&self) -> ModeConfigInfo {
        ModeConfigInfo {
            max_width: self.max_width.min(MAX_SIZE),
            max_height: self.max_height.min(MAX_SIZE),
            prefer_shadow: true,
        }
    }

    /// Returns how many pictures of `width` by `height` pixels VRAM has room for, with pixels of 4
    /// bytes, as Mesa allocates them: with a multiple of [`MESA_LINES`] lines.
    pub(crate) fn pictures(&self, width: u16, height: u16) -> u64 {
        let pitch = u64::from(width).next_multiple_of(u64::from(PITCH_ALIGN.get())) * 4;
        let size = pitch * u64::from(height).next_multiple_of(MESA_LINES);
        self.vram.checked_div(size).unwrap_or(0)
    }

    /// Returns whether the device supports a mode of `width` pixels by `height` lines at `refresh`
    /// Hz.
    ///
    /// VRAM must be large enough for a dumb buffer of the mode with pixels of 4 bytes. If VRAM is
    /// empty, that buffer starts at offset 0, which is within the reach of every device.
    pub(crate) fn mode_status(&self, width: u16, height: u16, refresh: u32) -> ModeStatus {
        let pitch = u64::from(width).next_multiple_of(u64::from(PITCH_ALIGN.get()));
        let size = pitch * u64::from(height) * 4;
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

    /// Returns whether a connector offers a mode of `width` pixels by `height` lines, which the
    /// device supports: VRAM must have room for two pictures, since most clients flip between two.
    /// The preferred mode, and one that the user has chosen, need room for one only.
    pub(crate) fn offer_status(&self, width: u16, height: u16, is_chosen: bool) -> ModeStatus {
        match is_chosen || self.pictures(width, height) >= 2 {
            true => ModeStatus::Ok,
            false => ModeStatus::Memory,
        }
    }

    /// Returns the virtual width, in pixels, for a pitch of `pitch` bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device does not support this pitch.
    pub(crate) fn virt_width(&self, format: Fourcc, pitch: u32) -> Result<u16> {
        let bytes = u32::from(bytes_per_pixel(format).get());
        u16::try_from(pitch / bytes)
            .ok()
            .filter(|width| *width <= self.max_width && *width % self.width_align == 0)
            .filter(|_| pitch % bytes == 0)
            .ok_or(EINVAL)
    }

    /// Returns the highest offset in VRAM at which a picture can start: the largest Y offset, in
    /// lines of `pitch` bytes, and the largest X offset.
    fn reach(&self, pitch: u64, bytes_per_pixel: NonZeroU16) -> u64 {
        u64::from(self.max_height) * pitch
            + u64::from(self.max_width) * u64::from(bytes_per_pixel.get())
    }

    /// Returns the highest offset in VRAM at which a buffer of `height` lines of `pitch` bytes can
    /// start such that each of its lines starts within the reach. Returns `None` if there is no
    /// such offset, or if the device supports no such pixels or no such pitch.
    pub(crate) fn last_start(&self, height: u32, pitch: u32, bits_per_pixel: u32) -> Option<u64> {
        let format = match bits_per_pixel {
            16 => Fourcc::RGB565,
            32 => Fourcc::XRGB8888,
            _ => return None,
        };
        self.last_line_start(format, height, pitch)
    }

    /// Returns the result of [`Self::last_start`] for a pixel format.
    pub(crate) fn last_line_start(&self, format: Fourcc, height: u32, pitch: u32) -> Option<u64> {
        self.virt_width(format, pitch).ok()?;
        let pitch = u64::from(pitch);
        let last_line = u64::from(height).checked_sub(1)? * pitch;
        self.reach(pitch, bytes_per_pixel(format))
            .checked_sub(last_line)
    }

    /// Returns the highest offset in VRAM at which an object can start so that the device can show
    /// `picture`, which starts at byte `offset` of the object.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device could not show it even if the object started at offset 0.
    pub(crate) fn last_object_start(&self, picture: &Picture, offset: u64) -> Result<u64> {
        self.scanout(picture, offset)?;
        self.reach(picture.pitch.into(), bytes_per_pixel(picture.format))
            .checked_sub(offset)
            .ok_or(EINVAL)
    }

    /// Returns the X and the Y offset for a picture that starts at offset `start` in VRAM, which is
    /// within the reach.
    ///
    /// # Errors
    ///
    /// `EOVERFLOW` if `start` is not within the reach; `EINVAL` if `bytes_per_pixel` is 0.
    fn offsets(&self, pitch: u64, bytes_per_pixel: u16, start: u64) -> Result<(u16, u16)> {
        let lines = start.checked_div(pitch).unwrap_or(0);
        let y_offset = u16::try_from(lines).map_or(self.max_height, |y| y.min(self.max_height));
        let rest = start - u64::from(y_offset) * pitch;
        // The X offset is at most `max_width`, because the start is within the reach.
        let x_offset = rest.checked_div(bytes_per_pixel.into()).ok_or(EINVAL)?;
        Ok((u16::try_from(x_offset)?, y_offset))
    }

    /// Returns the register values for the picture of `shown`, once it starts at offset `start` in
    /// VRAM, which must be below the present one.
    ///
    /// # Errors
    ///
    /// `EOVERFLOW` if `start` is not within the reach.
    pub(super) fn moved(&self, shown: &Scanout, start: u64) -> Result<Scanout> {
        let bytes_per_pixel = shown.bits_per_pixel / 8;
        let pitch = u64::from(shown.virt_width) * u64::from(bytes_per_pixel);
        let (x_offset, y_offset) = self.offsets(pitch, bytes_per_pixel, start)?;
        Ok(Scanout {
            x_offset,
            y_offset,
            ..*shown
        })
    }

    /// Returns true if a buffer of `height` lines of `pitch` bytes is narrower or lower than the
    /// screen in each mode that a connector offers, as cursor images are.
    pub(crate) fn is_smaller_than_modes(height: u32, pitch: u32, bits_per_pixel: u32) -> bool {
        let width = u64::from(pitch) * u64::from(u8::BITS) / u64::from(bits_per_pixel.max(1));
        width < u64::from(SMALLEST_MODE.0) || height < u32::from(SMALLEST_MODE.1)
    }

    /// Returns true if `picture`, placed at offset `start` in VRAM, starts within the reach and
    /// ends within VRAM.
    pub(crate) fn is_in_reach(&self, picture: &Picture, start: u64) -> bool {
        let pitch = u64::from(picture.pitch);
        let end = start + u64::from(picture.height) * pitch;
        end <= self.vram && start <= self.reach(pitch, bytes_per_pixel(picture.format))
    }

    /// Returns the values of the registers for `picture`, which starts at offset `start` in VRAM.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the device does not support the pitch of the picture, if the picture does not
    /// end within VRAM, or if it starts beyond the reach or at an offset that is not aligned.
    pub(crate) fn scanout(&self, picture: &Picture, start: u64) -> Result<Scanout> {
        let virt_width = self.virt_width(picture.format, picture.pitch)?;
        let pitch = u64::from(picture.pitch);
        let bytes_per_pixel = bytes_per_pixel(picture.format);
        let align = bytes_per_pixel.max(self.start_align);
        if !self.is_in_reach(picture, start) || start % u64::from(align.get()) != 0 {
            return Err(EINVAL);
        }
        let (x_offset, y_offset) = self.offsets(pitch, bytes_per_pixel.get(), start)?;
        Ok(Scanout {
            width: picture.width,
            height: picture.height,
            bits_per_pixel: bytes_per_pixel.get() * 8,
            byte_order: match picture.format {
                Fourcc::BGRX8888 => ByteOrder::Big,
                _ => ByteOrder::Little,
            },
            virt_width,
            x_offset,
            y_offset,
        })
    }
}

#[kunit_tests(barium_display_limits)]
mod tests {
    use super::*;

    const VRAM: u64 = 16 << 20;

    fn bochs() -> ModeLimits {
        ModeLimits {
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

    fn vga() -> ModeLimits {
        ModeLimits {
            min_width: PITCH_ALIGN.get(),
            min_height: 1,
            max_width: 16000,
            max_height: 12000,
            width_align: PITCH_ALIGN,
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

    #[test]
    fn a_picture_starts_where_it_is() {
        for limits in [bochs(), vga()] {
            for at in [0, 4, 2556, 2560, 2564, 4096, 1 << 20, VRAM - 480 * 2560] {
                let scanout = limits.scanout(&picture(2560), at);
                assert_eq!(scanout.map(|scanout| scanout.start()).ok(), Some(at));
            }
        }
    }

    #[test]
    fn a_span_has_whole_lines() {
        let mut shown = Scanout {
            width: 640,
            height: 480,
            bits_per_pixel: 32,
            byte_order: ByteOrder::Little,
            virt_width: 1024,
            x_offset: 3,
            y_offset: 2,
        };
        assert_eq!(shown.span(), (2 * 4096 + 12, 480 * 4096));
        shown.bits_per_pixel = 15;
        assert_eq!(shown.span(), (2 * 2048 + 6, 480 * 2048));
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
    fn a_start_fits_in_the_16_bit_registers() {
        let large = ModeLimits {
            vram: 256 << 20,
            ..vga()
        };
        let first_line_too_far = 12001 * 2560;
        let at = large.scanout(&picture(2560), first_line_too_far);
        assert_eq!(
            at.map(|scanout| scanout.start()).ok(),
            Some(first_line_too_far)
        );
        let too_far = 12000 * 2560 + 16001 * 4;
        assert!(large.scanout(&picture(2560), too_far - 4).is_ok());
        assert_eq!(large.scanout(&picture(2560), too_far).err(), Some(EINVAL));
    }

    /// Returns true if the device can show line `line` of a buffer at offset `start`.
    fn shows(limits: &ModeLimits, pitch: u32, start: u64, line: u64) -> bool {
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
            let large = ModeLimits {
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
    fn a_picture_can_move_down() -> Result {
        for limits in [bochs(), vga()] {
            for (from, to) in [
                (1 << 20, 0),
                (4096, 0),
                (10 << 20, 4096),
                (5 << 20, 1 << 20),
            ] {
                let shown = limits.scanout(&picture(2560), from + 64)?;
                let moved = limits.moved(&shown, to + 64)?;
                assert!(moved == limits.scanout(&picture(2560), to + 64)?);
            }
        }
        Ok(())
    }

    #[test]
    fn an_object_can_start_where_its_picture_is_in_reach() -> Result {
        let large = ModeLimits {
            vram: 256 << 20,
            ..vga()
        };
        for offset in [0, 64, 1 << 20] {
            let last = large.last_object_start(&picture(2560), offset)?;
            assert!(large.scanout(&picture(2560), last + offset).is_ok());
            assert!(large.scanout(&picture(2560), last + offset + 4).is_err());
        }
        assert!(large.last_object_start(&picture(2560), 200 << 20).is_err());
        Ok(())
    }

    #[test]
    fn cursor_images_are_smaller_than_modes() {
        for (width, height, expected) in [
            (64, 64, true),
            (32, 480, true),
            (640, 479, true),
            (639, 480, true),
            (640, 480, false),
            (1280, 800, false),
        ] {
            let result = ModeLimits::is_smaller_than_modes(height, width * 4, 32);
            assert_eq!(result, expected);
        }
    }

    #[test]
    fn an_unsupported_buffer_has_no_last_start() {
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
            assert_eq!(limits.virt_width(Fourcc::XRGB8888, pitch).ok(), line);
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
            assert_eq!(limits.mode_status(width, height, 60), status);
        }
        for (refresh, status) in [
            (0, ModeStatus::TooSlow),
            (19, ModeStatus::TooSlow),
            (20, ModeStatus::Ok),
            (500, ModeStatus::Ok),
            (501, ModeStatus::TooFast),
        ] {
            assert_eq!(vga().mode_status(640, 480, refresh), status);
        }
    }

    #[test]
    fn modes_are_offered_if_two_pictures_fit() {
        // Two of 1080 lines would fit in each size of the first two, but Mesa allocates 1088.
        for (vram, width, height, pictures) in [
            (VRAM, 1920, 1080, 2),
            (VRAM - (68 << 10), 1920, 1080, 1),
            (VRAM, 1920, 1200, 1),
            (VRAM, 1280, 800, 3),
            (8 << 20, 1280, 800, 1),
            (4 << 20, 1280, 800, 0),
            (4 << 20, 800, 600, 2),
        ] {
            let limits = ModeLimits { vram, ..vga() };
            assert_eq!(limits.pictures(width, height), pictures);
            let is_offered = limits.offer_status(width, height, false) == ModeStatus::Ok;
            assert_eq!(is_offered, pictures >= 2);
            assert_eq!(limits.offer_status(width, height, true), ModeStatus::Ok);
        }
    }

    #[test]
    fn a_picture_ends_after_its_last_pixel() {
        assert_eq!(picture(2560).len(), Some(480 * 2560));
        assert_eq!(picture(4000).len(), Some(479 * 4000 + 2560));
        let none = Picture {
            height: 0,
            ..picture(2560)
        };
        assert_eq!(none.len(), None);
    }

    #[test]
    fn big_endian_pixels_need_a_byte_order_register() {
        let has = |limits: ModeLimits| limits.formats().contains(&Fourcc::BGRX8888);
        assert!(has(bochs()));
        assert!(!has(vga()));
    }
}
