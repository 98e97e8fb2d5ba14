// SPDX-License-Identifier: GPL-2.0

//! The display: one screen, which shows a part of VRAM.
//!
//! An object that is shown is where it is in VRAM already. To show another one, the device is told
//! another place to start at, and no pixel is touched ([`crate::scanout`]).
//!
//! There is no cursor plane: the device has none, so the cursor would have to be drawn into the
//! object that is shown, or into a copy of it. Compositors draw their own then.

use crate::{
    device::{
        BariumDevice,
        BariumDriver,
        BariumRegistrationData, //
    },
    gem::VramObject,
    scanout::{
        Limits,
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
        ReadyKmsDevice,
        UnregisteredKmsDevice, //
    },
    upstream::{
        registration::RegisteredKmsDevice,
        wc_bar::BarPart, //
    },
    vram::VramOffset,
};
use kernel::{
    drm::{
        self,
        Registered, //
    },
    prelude::*, //
};

/// Mode setting of this driver.
pub(crate) struct Display;

impl kms::Driver for Display {
    type Driver = BariumDriver;
    type Memory = VramObject;

    /// Errors: `EINVAL` if the object was not made to be in one piece, or the device has no lines
    /// of this length.
    fn check_framebuffer(dev: &BariumDevice, framebuffer: &Framebuffer<'_, Self>) -> Result {
        framebuffer.object().whole().ok_or(EINVAL)?;
        dev.limits()
            .line(framebuffer.format(), framebuffer.pitch())
            .map(|_| ())
    }
}

/// What is shown of `view`, and where in VRAM that starts, in bytes.
fn place(view: &PlaneState<'_, Display>) -> Result<(Picture, u64)> {
    let framebuffer = &view.framebuffer;
    let object = framebuffer.object().whole().ok_or(EINVAL)?;
    let picture = Picture {
        format: framebuffer.format(),
        width: view.width,
        height: view.height,
        pitch: framebuffer.pitch(),
    };
    let offset = u64::from(framebuffer.offset()) + picture.place(view.x, view.y);
    Ok((picture, u64::try_from(object.0)? + offset))
}

/// What the device has to be told to show `view`.
fn scanout(limits: &Limits, view: &PlaneState<'_, Display>) -> Result<Scanout> {
    let (picture, start) = place(view)?;
    limits.scanout(&picture, start)
}

/// The plane: all of the screen.
struct Plane;

impl DriverPlane for Plane {
    type Driver = Display;

    fn atomic_check(dev: &BariumDevice, new: &PlaneState<'_, Display>) -> Result {
        // Also what `check_framebuffer()` is to find: a framebuffer's id can be guessed while it is
        // being checked there.
        scanout(dev.limits(), new).map(|_| ())
    }

    fn atomic_update(
        dev: &BariumDevice<Registered>,
        reg: &BariumRegistrationData<'_>,
        new: &PlaneState<'_, Display>,
    ) {
        // It has been checked, and what is checked does not change.
        if let Ok(scanout) = scanout(dev.limits(), new) {
            reg.pipe().show(scanout);
        }
    }

    fn scanout_memory<'a>(
        reg: &'a BariumRegistrationData<'_>,
        shown: &PlaneState<'_, Display>,
    ) -> Result<BarPart<'a>> {
        let (picture, start) = place(shown)?;
        let len = picture.len().ok_or(EINVAL)?;
        reg.aperture()
            .part(VramOffset(start.try_into()?), len.try_into()?)
    }
}

/// The CRTC.
struct Crtc;

impl DriverCrtc for Crtc {
    type Driver = Display;

    fn mode_valid(dev: &BariumDevice, mode: &DisplayMode) -> ModeStatus {
        dev.limits()
            .mode(mode.width(), mode.height(), mode.refresh())
    }

    fn atomic_enable(_dev: &BariumDevice<Registered>, reg: &BariumRegistrationData<'_>) {
        reg.pipe().switch_on();
    }

    fn atomic_disable(_dev: &BariumDevice<Registered>, reg: &BariumRegistrationData<'_>) {
        reg.pipe().switch_off();
    }
}

/// The connector: QEMU's window.
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

/// Switches the screen off, and keeps in mind what it shows.
pub(crate) fn suspend(dev: &RegisteredKmsDevice<BariumDriver>) -> Result {
    kms::client::suspend(dev)
}

/// Shows again what was shown before [`suspend`]. The device may have been reset meanwhile.
pub(crate) fn resume(dev: &RegisteredKmsDevice<BariumDriver>) -> Result {
    dev.with_registered(|dev| dev.registration_data_with(|reg| reg.pipe().forget()));
    kms::client::resume(dev)
}

/// Switches the screen off, and leaves the device as it is after a reset.
pub(crate) fn shutdown(dev: &RegisteredKmsDevice<BariumDriver>) {
    kms::client::shutdown(dev);
    dev.with_registered(|dev| dev.registration_data_with(|reg| reg.pipe().disable()));
}

/// Makes the display of a device.
pub(crate) fn set_up(
    drm: drm::UnregisteredDevice<BariumDriver>,
) -> Result<ReadyKmsDevice<Display>> {
    let limits = *drm.limits();
    let setup = UnregisteredKmsDevice::<Display>::new(drm, limits.sizes())?;
    setup
        .primary_plane::<Plane>(limits.formats())?
        .crtc::<Crtc>()?
        .virtual_encoder()?
        .virtual_connector::<Connector>()?;
    setup.finish()
}
