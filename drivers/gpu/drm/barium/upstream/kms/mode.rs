// SPDX-License-Identifier: GPL-2.0

//! Display modes and pixel formats.
//!
//! - Upstream today: nothing.
//! - The shape it should have: this module.
//! - Why this is sound on 7.3: a [`DisplayMode`] is a borrowed C struct of plain numbers.
//! - Delete when upstream has KMS abstractions.
//!
//! C headers: [`include/drm/drm_modes.h`](srctree/include/drm/drm_modes.h),
//! [`include/uapi/drm/drm_fourcc.h`](srctree/include/uapi/drm/drm_fourcc.h)

use super::bindings;

/// A pixel format (`DRM_FORMAT_*`).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Fourcc(pub(super) u32);

impl Fourcc {
    /// `DRM_FORMAT_XRGB8888`: 32 bits per pixel, blue in the lowest byte.
    pub(crate) const XRGB8888: Self = Self::new(*b"XR24");
    /// `DRM_FORMAT_BGRX8888`: 32 bits per pixel, the lowest byte is unused, red in the next one.
    pub(crate) const BGRX8888: Self = Self::new(*b"BX24");
    /// `DRM_FORMAT_ARGB8888`: like [`Self::XRGB8888`], with alpha in the highest byte.
    pub(crate) const ARGB8888: Self = Self::new(*b"AR24");
    /// `DRM_FORMAT_RGB565`: 16 bits per pixel, blue in the lowest five.
    pub(crate) const RGB565: Self = Self::new(*b"RG16");

    const fn new(code: [u8; 4]) -> Self {
        Self(u32::from_le_bytes(code))
    }
}

/// A display mode (`struct drm_display_mode`).
#[repr(transparent)]
pub(crate) struct DisplayMode(bindings::drm_display_mode);

impl DisplayMode {
    /// # Safety
    ///
    /// `raw` must be valid, and must not change for `'a`.
    pub(super) unsafe fn from_raw<'a>(raw: *const bindings::drm_display_mode) -> &'a Self {
        // SAFETY: By the safety requirements `raw` is valid and does not change for `'a`. `Self` is
        // a transparent wrapper of it.
        unsafe { &*raw.cast() }
    }

    /// Returns the width in pixels (`hdisplay`).
    pub(crate) fn width(&self) -> u16 {
        self.0.hdisplay
    }

    /// Returns the height in lines (`vdisplay`).
    pub(crate) fn height(&self) -> u16 {
        self.0.vdisplay
    }

    /// Returns true if the display prefers this mode, or if the user has chosen it on the kernel's
    /// command line (`video=`).
    pub(crate) fn is_chosen(&self) -> bool {
        const CHOSEN: u32 = bindings::DRM_MODE_TYPE_PREFERRED | bindings::DRM_MODE_TYPE_USERDEF;
        u32::from(self.0.type_) & CHOSEN != 0
    }

    /// Returns true if a frame consists of all lines, each sent once, and if the number of its
    /// pixels fits in an `int`. DRM's vblank timer supports no other modes.
    ///
    /// For other modes (interlaced, doublescan, `vscan`, 3D) DRM scales the number of lines in
    /// 16-bit arithmetic, and computes the duration of a frame from the result
    /// (`drm_mode_set_crtcinfo()`, `drm_calc_timestamping_constants()`). The result can overflow,
    /// so the duration can have any value, even 0.
    pub(super) fn is_progressive(&self) -> bool {
        const NOT_PROGRESSIVE: u32 = bindings::DRM_MODE_FLAG_INTERLACE
            | bindings::DRM_MODE_FLAG_DBLSCAN
            | bindings::DRM_MODE_FLAG_3D_MASK;
        let pixels = u32::from(self.0.htotal) * u32::from(self.0.vtotal);
        self.0.flags & NOT_PROGRESSIVE == 0 && self.0.vscan <= 1 && i32::try_from(pixels).is_ok()
    }

    /// Returns the refresh rate in Hz, rounded to the nearest integer; 0 if the mode has none.
    pub(crate) fn refresh(&self) -> u32 {
        // SAFETY: `self.0` is a valid mode, which `drm_mode_vrefresh()` only reads.
        let refresh = unsafe { bindings::drm_mode_vrefresh(&self.0) };
        u32::try_from(refresh).unwrap_or(u32::MAX)
    }
}

/// Whether a mode is supported, and the reason if it is not (`enum drm_mode_status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeStatus {
    /// The mode is supported.
    Ok,
    /// The hardware does not support the width.
    BadWidth,
    /// The hardware does not support the height.
    BadHeight,
    /// The refresh rate is too low.
    TooSlow,
    /// The refresh rate is too high.
    TooFast,
    /// There is not enough video memory.
    Memory,
    /// The mode is not progressive.
    NotProgressive,
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
            Self::NotProgressive => bindings::drm_mode_status::MODE_BAD,
        }
    }
}
