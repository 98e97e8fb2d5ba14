// SPDX-License-Identifier: GPL-2.0

//! Modes and pixel formats.
//!
//! - Upstream today: nothing.
//! - The shape it should have: what is here.
//! - Why this is sound on 7.3: a [`DisplayMode`] is a borrowed C struct of plain numbers.
//! - Delete when upstream has KMS abstractions.

use super::bindings;

/// A pixel format (`DRM_FORMAT_*` of `include/uapi/drm/drm_fourcc.h`).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Fourcc(pub(super) u32);

impl Fourcc {
    /// 32 bits a pixel, the lowest byte is blue.
    pub(crate) const XRGB8888: Self = Self::new(*b"XR24");
    /// 32 bits a pixel, the lowest byte is unused, the next one red.
    pub(crate) const BGRX8888: Self = Self::new(*b"BX24");
    /// The same with an alpha value in the highest byte, which the colours are multiplied by.
    pub(crate) const ARGB8888: Self = Self::new(*b"AR24");
    /// 16 bits a pixel, the lowest five are blue.
    pub(crate) const RGB565: Self = Self::new(*b"RG16");

    const fn new(code: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(code))
    }
}

/// A mode: the size of the picture, and when it is sent.
#[repr(transparent)]
pub(crate) struct DisplayMode(bindings::drm_display_mode);

impl DisplayMode {
    /// # Safety
    ///
    /// `raw` must be valid and not change for as long as the reference lives.
    pub(super) unsafe fn from_raw<'a>(raw: *const bindings::drm_display_mode) -> &'a Self {
        // SAFETY: As the caller says; the type is `repr(transparent)`.
        unsafe { &*raw.cast() }
    }

    /// Pixels of a line.
    pub(crate) fn width(&self) -> u16 {
        self.0.hdisplay
    }

    /// Lines.
    pub(crate) fn height(&self) -> u16 {
        self.0.vdisplay
    }

    /// Whether a timer can stand in for the vblanks of this mode: a picture is all of its lines, each
    /// sent once, and one picture only; and DRM can count its pixels.
    ///
    /// DRM doubles and multiplies the lines of other modes, in 16 bits, and computes the time that
    /// a picture takes from that (`drm_mode_set_crtcinfo()`, `drm_calc_timestamping_constants()`):
    /// any time can come of it, none as well.
    pub(super) fn is_plain(&self) -> bool {
        const SEVERAL: u32 = bindings::DRM_MODE_FLAG_INTERLACE
            | bindings::DRM_MODE_FLAG_DBLSCAN
            | bindings::DRM_MODE_FLAG_3D_MASK;
        let pixels = u32::from(self.0.htotal) * u32::from(self.0.vtotal);
        self.0.flags & SEVERAL == 0 && self.0.vscan <= 1 && i32::try_from(pixels).is_ok()
    }

    /// Pictures in a second, rounded; 0 if it has no such rate.
    pub(crate) fn refresh(&self) -> u32 {
        // SAFETY: The mode is valid.
        let refresh = unsafe { bindings::drm_mode_vrefresh(&self.0) };
        u32::try_from(refresh).unwrap_or(u32::MAX)
    }
}

/// Whether a mode can be set, and what is in the way otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeStatus {
    /// It can be set.
    Ok,
    /// Its lines have a length that the hardware does not have.
    BadWidth,
    /// It has a number of lines that the hardware does not have.
    BadHeight,
    /// Its pictures follow too slowly.
    TooSlow,
    /// Its pictures follow too fast.
    TooFast,
    /// There is not enough memory for it.
    Memory,
    /// Its pictures are not sent line by line, each once.
    NotPlain,
}

impl ModeStatus {
    pub(super) fn into_raw(self) -> bindings::drm_mode_status {
        match self {
            Self::Ok => bindings::drm_mode_status::MODE_OK,
            Self::BadWidth => bindings::drm_mode_status::MODE_BAD_HVALUE,
            Self::BadHeight => bindings::drm_mode_status::MODE_BAD_VVALUE,
            Self::TooSlow => bindings::drm_mode_status::MODE_CLOCK_LOW,
            Self::TooFast => bindings::drm_mode_status::MODE_CLOCK_HIGH,
            Self::Memory => bindings::drm_mode_status::MODE_MEM,
            Self::NotPlain => bindings::drm_mode_status::MODE_BAD,
        }
    }
}
