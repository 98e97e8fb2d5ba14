// SPDX-License-Identifier: GPL-2.0

//! Mode setting: one plane, CRTC, encoder and connector, which scan out of VRAM.
//!
//! The pixels of a framebuffer are in VRAM already. To show another framebuffer, [`crate::scanout`]
//! programs another start address; no pixel is copied.
//!
//! There is no cursor plane, as the device has none: the driver would have to draw the cursor into
//! the framebuffer, or into a copy of it. Compositors draw a software cursor instead.

use crate::{
    device::{
        BariumDevice,
        BariumDriver,
        BariumRegistrationData, //
    },
    gem::VramObject,
    scanout::{
        ModeLimits,
        Picture,
        Scanout, //
    },
    upstream::kms::{
        self,
        connector::DriverConnector,
        crtc::DriverCrtc,
        framebuffer::Framebuffer,
        mode::{
            DisplayMode,
            ModeStatus, //
        },
        plane::{
            DriverPlane,
            PlaneState, //
        },
        registration::RegisteredKmsDevice,
        ReadyKmsDevice,
        UnregisteredKmsDevice, //
    },
    upstream::wc_bar::BarPart,
    vram::VramOffset,
};
use kernel::{
    drm::{
        self,
        Registered, //
    },
    prelude::*, //
};

/// The mode setting of this driver.
pub(crate) struct Display;

impl kms::Driver for Display {
    type Driver = BariumDriver;
    type Memory = VramObject;

    /// # Errors
    ///
    /// `EINVAL` if the object is not contiguous, or if the device does not support the pitch.
    fn check_framebuffer(dev: &BariumDevice, framebuffer: &Framebuffer<'_, Self>) -> Result {
        framebuffer.object().contiguous_offset().ok_or(EINVAL)?;
        dev.limits()
            .virt_width(framebuffer.format(), framebuffer.pitch())
            .map(|_| ())
    }
}

/// Returns the picture that a plane in `state` shows, and its offset in VRAM in bytes.
fn picture(state: &PlaneState<'_, Display>) -> Result<(Picture, u64)> {
    let framebuffer = &state.framebuffer;
    let object = framebuffer.object().contiguous_offset().ok_or(EINVAL)?;
    let picture = Picture {
        format: framebuffer.format(),
        width: state.width,
        height: state.height,
        pitch: framebuffer.pitch(),
    };
    let offset = u64::from(framebuffer.offset()) + picture.pixel_offset(state.x, state.y);
    Ok((picture, u64::try_from(object.0)? + offset))
}

/// Returns the register values for a plane in `state`.
///
/// # Errors
///
/// `EINVAL` if the device cannot show the picture.
fn scanout(limits: &ModeLimits, state: &PlaneState<'_, Display>) -> Result<Scanout> {
    let (picture, start) = picture(state)?;
    limits.scanout(&picture, start)
}

/// The primary plane.
struct Plane;

impl DriverPlane for Plane {
    type Driver = Display;

    fn atomic_check(dev: &BariumDevice, new: &PlaneState<'_, Display>) -> Result {
        // This repeats the checks of `check_framebuffer()`: a client can guess the id of a
        // framebuffer and use the framebuffer before `check_framebuffer()` has rejected it.
        scanout(dev.limits(), new).map(|_| ())
    }

    fn atomic_update(
        dev: &BariumDevice<Registered>,
        reg: &BariumRegistrationData<'_>,
        new: &PlaneState<'_, Display>,
    ) {
        // `atomic_check()` has succeeded for this state, and its inputs have not changed since.
        if let Ok(scanout) = scanout(dev.limits(), new) {
            reg.pipe().show(scanout);
        }
    }

    fn atomic_disable(_dev: &BariumDevice<Registered>, reg: &BariumRegistrationData<'_>) {
        reg.pipe().show_nothing();
    }

    fn scanout_memory<'a>(
        reg: &'a BariumRegistrationData<'_>,
        shown: &PlaneState<'_, Display>,
    ) -> Result<BarPart<'a>> {
        let (picture, start) = picture(shown)?;
        let len = picture.len().ok_or(EINVAL)?;
        reg.vram_bar()
            .part(VramOffset(start.try_into()?), len.try_into()?)
    }
}

/// The CRTC.
struct Crtc;

impl DriverCrtc for Crtc {
    type Driver = Display;

    fn mode_valid(dev: &BariumDevice, mode: &DisplayMode) -> ModeStatus {
        dev.limits()
            .mode_status(mode.width(), mode.height(), mode.refresh())
    }

    fn prepare_blank(
        dev: &BariumDevice<Registered>,
        reg: &BariumRegistrationData<'_>,
        mode: &DisplayMode,
    ) {
        reg.pipe().prepare_blank(
            dev.limits(),
            dev.vram(),
            reg.vram_bar(),
            mode.width(),
            mode.height(),
        );
    }

    fn blank(_dev: &BariumDevice<Registered>, reg: &BariumRegistrationData<'_>) {
        reg.pipe().show_nothing();
    }
}

/// The connector. Its display is QEMU's window.
struct Connector;

impl DriverConnector for Connector {
    type Driver = Display;
    const PREFERRED_SIZE: (u16, u16) = (1024, 768);

    fn read_edid(
        _dev: &BariumDevice<Registered>,
        reg: &BariumRegistrationData<'_>,
        offset: usize,
        buf: &mut [u8],
    ) -> Result {
        reg.pipe().read_edid(offset, buf)
    }
}

/// Disables the display and stores its state for [`resume`].
pub(crate) fn suspend(dev: &RegisteredKmsDevice<BariumDriver>) -> Result {
    kms::client::suspend(dev)
}

/// Restores the state that [`suspend`] has stored. The device may have been reset since then.
pub(crate) fn resume(dev: &RegisteredKmsDevice<BariumDriver>) -> Result {
    dev.with_registered(|dev| {
        dev.registration_data_with(|reg| reg.pipe().restore(reg.vram_bar()));
    });
    kms::client::resume(dev)
}

/// Disables the display and clears its ENABLE register, as a reset does.
pub(crate) fn shutdown(dev: &RegisteredKmsDevice<BariumDriver>) {
    kms::client::shutdown(dev);
    dev.with_registered(|dev| dev.registration_data_with(|reg| reg.pipe().disable()));
}

/// Creates the mode objects of a device.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn set_up(
    drm: drm::UnregisteredDevice<BariumDriver>,
) -> Result<ReadyKmsDevice<Display>> {
    let limits = *drm.limits();
    let drm = UnregisteredKmsDevice::<Display>::new(drm, limits.mode_config_info())?;
    drm.primary_plane::<Plane>(limits.formats())?
        .crtc::<Crtc>()?
        .virtual_encoder()?
        .virtual_connector::<Connector>()?;
    drm.finish()
}
