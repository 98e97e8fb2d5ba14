// SPDX-License-Identifier: GPL-2.0

//! Mode setting: one plane, CRTC, encoder and connector, which scan out of VRAM.
//!
//! The pixels of most framebuffers are in VRAM already. To show another framebuffer,
//! [`crate::scanout`] programs another start address; no pixel is copied. A framebuffer whose
//! object cannot be in VRAM is shown through a shadow, to which each commit copies the damage.
//!
//! There is no cursor plane, as the device has none: the driver would have to draw the cursor into
//! the framebuffer, or into a copy of it. Compositors draw a software cursor instead.

use crate::{
    device::{
        BariumDevice,
        BariumDriver,
        BariumRegistrationData, //
    },
    gem::{
        self,
        Pinned,
        VramObject, //
    },
    scanout::{
        ModeLimits,
        Picture,
        Scanout,
        Shadow,
        ShadowSource, //
    },
    upstream::gem::ObjectMap,
    upstream::kms::{
        self,
        connector::DriverConnector,
        crtc::DriverCrtc,
        damage::Damage,
        framebuffer::Framebuffer,
        mode::{
            DisplayMode,
            ModeStatus, //
        },
        plane::{
            DriverPlane,
            PlaneState,
            ScanoutMemory, //
        },
        registration::RegisteredKmsDevice,
        MaybeUnplugged,
        ReadyKmsDevice,
        UnregisteredKmsDevice, //
    },
    vram::VramOffset,
};
use kernel::{
    drm::{
        self,
        Registered, //
    },
    prelude::*,
    sync::{
        atomic::Full,
        Arc, //
    }, //
};

/// The length of an EDID block in bytes.
const EDID_BLOCK: usize = 128;
/// The number of pictures between which a desktop flips. The console's picture leaves VRAM
/// meanwhile.
const DESKTOP_PICTURES: u64 = 2;

/// The mode setting of this driver.
pub(crate) struct Display;

impl kms::Driver for Display {
    type Driver = BariumDriver;
    type Memory = VramObject;

    /// Also ends the effect of `DONTNEED`.
    ///
    /// # Errors
    ///
    /// - `EOPNOTSUPP` if the object was imported, and the kernel cannot map it.
    /// - `EINVAL` if the object can be in VRAM, but is not contiguous, or if the device does not
    ///   support the pitch there.
    fn check_framebuffer(dev: &BariumDevice, framebuffer: &Framebuffer<'_, Self>) -> Result {
        let object = framebuffer.object();
        if object.is_system() {
            if !ObjectMap::is_possible(object) {
                return Err(EOPNOTSUPP);
            }
        } else if object.is_showable() {
            dev.limits()
                .virt_width(framebuffer.format(), framebuffer.pitch())?;
        } else {
            return Err(EINVAL);
        }
        gem::keep_content(object);
        Ok(())
    }

    fn is_copied(framebuffer: &Framebuffer<'_, Self>) -> bool {
        gem::is_in_system(framebuffer.object())
    }
}

/// Returns the picture that a plane in `state` shows, and its offset in the object in bytes.
fn picture(state: &PlaneState<'_, Display>) -> (Picture, u64) {
    let framebuffer = &state.framebuffer;
    let picture = Picture {
        format: framebuffer.format(),
        width: state.width,
        height: state.height,
        pitch: framebuffer.pitch(),
    };
    let offset = u64::from(framebuffer.offset()) + picture.pixel_offset(state.x, state.y);
    (picture, offset)
}

/// Returns the register values for a plane in `state`, whose object starts at `start` in VRAM.
///
/// # Errors
///
/// `EINVAL` if the device cannot show the picture.
fn scanout(
    limits: &ModeLimits,
    state: &PlaneState<'_, Display>,
    start: VramOffset,
) -> Result<Scanout> {
    let (picture, offset) = picture(state);
    limits.scanout(&picture, u64::try_from(start.0)? + offset)
}

/// Returns two offsets in VRAM for the object of a plane in `state`: the highest start with which
/// the device can scan out each line of the framebuffer as the first one, and the highest start
/// with which it can show this picture.
///
/// # Errors
///
/// `EINVAL` if the device cannot show the picture at any offset of the object.
fn last_starts(limits: &ModeLimits, state: &PlaneState<'_, Display>) -> Result<[VramOffset; 2]> {
    let (picture, offset) = picture(state);
    let framebuffer = &state.framebuffer;
    let last = limits.last_object_start(&picture, offset)?;
    let each_line = limits
        .last_line_start(
            framebuffer.format(),
            framebuffer.height(),
            framebuffer.pitch(),
        )
        .and_then(|start| start.checked_sub(framebuffer.offset().into()))
        .unwrap_or(last);
    Ok([
        VramOffset(each_line.min(last).try_into()?),
        VramOffset(last.try_into()?),
    ])
}

/// The picture that the display shows for a state of the plane.
enum Shown {
    /// The object, where it is in VRAM. It is pinned.
    InPlace,
    /// A copy of the object.
    Copied(KBox<Copied>),
}

/// A mapped object, and the shadow that the display shows instead of it.
struct Copied {
    source: ObjectMap<VramObject>,
    shadow: Arc<Shadow>,
}

impl Copied {
    /// Maps the object of `new`, and gets a shadow for it: that of `old`, if it fits.
    ///
    /// # Errors
    ///
    /// - `ENODEV` if there is no such shadow, and the device is unplugged.
    /// - Those of [`ObjectMap::new`] and [`gem::alloc_for_display`].
    fn new(
        dev: &MaybeUnplugged<'_, Display>,
        old: Option<&Shown>,
        new: &PlaneState<'_, Display>,
    ) -> Result<KBox<Self>> {
        let object = new.framebuffer.object();
        let limits = object.dev().limits();
        let picture = shadow_picture(limits, new)?;
        let source = ObjectMap::new(object)?;
        let copied = KBox::new_uninit(GFP_KERNEL)?;
        let shared = match old {
            Some(Shown::Copied(old)) if old.shadow.is_for(&picture) => Some(old.shadow.clone()),
            _ => None,
        };
        let shadow = match shared {
            Some(shadow) => shadow,
            None => dev
                .with_registered(|dev, reg| {
                    let (size, last) = Shadow::requirements(limits, &picture)?;
                    let allocation = gem::alloc_for_display(dev, reg, size, last, last)?;
                    let shadow = Shadow::new(limits, picture, allocation)?;
                    let shadow = Arc::new(shadow, GFP_KERNEL)?;
                    dev.pinned().fetch_add(1, Full);
                    Ok::<_, Error>(shadow)
                })
                .ok_or(ENODEV)??,
        };
        Ok(copied.write(Self { source, shadow }))
    }

    /// Copies the `damage` of `state` to the shadow.
    ///
    /// # Errors
    ///
    /// Those of [`Shadow::update`].
    fn update(
        &self,
        reg: &BariumRegistrationData<'_>,
        state: &PlaneState<'_, Display>,
        damage: Damage<'_>,
    ) -> Result {
        let framebuffer = &state.framebuffer;
        let source = ShadowSource {
            offset: framebuffer.offset(),
            pitch: framebuffer.pitch(),
            x: state.x,
            y: state.y,
        };
        framebuffer.object().time_copy(|| {
            self.source.read(|bytes, begun| {
                self.shadow.update(
                    reg.vram_bar(),
                    &source,
                    bytes,
                    begun.is_ok(),
                    damage.rects(),
                )
            })
        })
    }

    /// Frees the shadow, unless another state of the plane uses it, and unmaps the object.
    fn release(self, dev: &BariumDevice) {
        if let Some(shadow) = Arc::into_unique_or_drop(self.shadow) {
            drop(shadow);
            dev.pinned().fetch_sub(1, Full);
        }
    }
}

/// Returns the picture of a shadow for a plane in `state`.
///
/// # Errors
///
/// `EINVAL` if the device cannot show it.
fn shadow_picture(limits: &ModeLimits, state: &PlaneState<'_, Display>) -> Result<Picture> {
    Shadow::picture(
        limits,
        state.framebuffer.format(),
        state.width,
        state.height,
    )
}

/// The primary plane.
struct Plane;

impl DriverPlane for Plane {
    type Driver = Display;
    type Prepared = Shown;

    fn atomic_check(dev: &BariumDevice, new: &PlaneState<'_, Display>) -> Result {
        // This repeats the checks of `check_framebuffer()`: a client can guess the id of a
        // framebuffer and use the framebuffer before `check_framebuffer()` has rejected it. For an
        // object that the kernel cannot map, `prepare()` fails.
        let object = new.framebuffer.object();
        if object.is_system() {
            return shadow_picture(dev.limits(), new).map(|_| ());
        }
        if !object.is_showable() {
            return Err(EINVAL);
        }
        // The driver does not move a pinned object for this state. It can move any other one to the
        // start of VRAM.
        let pinned = match object.is_pinned() {
            true => gem::contiguous_offset(object),
            false => None,
        };
        scanout(dev.limits(), new, pinned.unwrap_or(VramOffset(0))).map(|_| ())
    }

    fn prepare(
        dev: &MaybeUnplugged<'_, Display>,
        old: Option<&Shown>,
        new: &PlaneState<'_, Display>,
    ) -> Result<Shown> {
        let object = new.framebuffer.object();
        if object.is_system() {
            return Copied::new(dev, old, new).map(Shown::Copied);
        }
        let limits = object.dev().limits();
        // `atomic_check()` has found that the device can show the picture if its object starts low
        // enough in VRAM.
        let (picture, offset) = picture(new);
        let can_start = |VramOffset(start): VramOffset| {
            u64::try_from(start).is_ok_and(|start| limits.is_in_reach(&picture, start + offset))
        };
        match gem::pin_in_place(object, can_start)? {
            Pinned::InPlace => return Ok(Shown::InPlace),
            Pinned::Held => return Copied::new(dev, old, new).map(Shown::Copied),
            Pinned::NotYet => {}
        }
        let [preferred, last] = last_starts(limits, new)?;
        let pinned = dev
            .with_registered(|dev, reg| gem::pin(dev, reg, object, can_start, preferred, last))
            .ok_or(ENODEV)?;
        match pinned {
            // Another device has attached to the object meanwhile, or the kernel has mapped it.
            Err(EBUSY) => Copied::new(dev, old, new).map(Shown::Copied),
            result => result.map(|()| Shown::InPlace),
        }
    }

    fn cleanup(old: &PlaneState<'_, Display>, prepared: Shown) {
        let object = old.framebuffer.object();
        match prepared {
            Shown::InPlace => gem::unpin(object),
            Shown::Copied(copied) => KBox::into_inner(copied).release(object.dev()),
        }
    }

    fn atomic_update(
        dev: &BariumDevice<Registered>,
        reg: &BariumRegistrationData<'_>,
        new: &PlaneState<'_, Display>,
        prepared: &Shown,
        damage: Damage<'_>,
    ) {
        // `prepare()` has succeeded for this state, and the object is pinned or mapped.
        let _ = match prepared {
            Shown::InPlace => reg.pipe().show(|| {
                let start = gem::contiguous_offset(new.framebuffer.object()).ok_or(EINVAL)?;
                scanout(dev.limits(), new, start)
            }),
            Shown::Copied(copied) => copied
                .update(reg, new, damage)
                .and_then(|()| reg.pipe().show(|| Ok(copied.shadow.scanout()))),
        };
    }

    fn atomic_disable(_dev: &BariumDevice<Registered>, reg: &BariumRegistrationData<'_>) {
        reg.pipe().show_nothing();
    }

    fn scanout_memory<'a>(
        reg: &'a BariumRegistrationData<'_>,
        shown: &PlaneState<'_, Display>,
        prepared: &Shown,
    ) -> Result<ScanoutMemory<'a>> {
        if let Shown::Copied(copied) = prepared {
            return Ok(ScanoutMemory {
                part: copied.shadow.memory(reg.vram_bar())?,
                pitch: copied.shadow.pitch(),
            });
        }
        let (picture, offset) = picture(shown);
        let VramOffset(start) = gem::contiguous_offset(shown.framebuffer.object()).ok_or(EINVAL)?;
        let len = picture.len().ok_or(EINVAL)?;
        let start = VramOffset(start + usize::try_from(offset)?);
        Ok(ScanoutMemory {
            part: reg.vram_bar().part(start, len.try_into()?)?,
            pitch: picture.pitch,
        })
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

    fn mode_valid(dev: &BariumDevice, mode: &DisplayMode) -> ModeStatus {
        dev.limits()
            .offer_status(mode.width(), mode.height(), mode.is_chosen())
    }

    fn read_edid(
        _dev: &BariumDevice<Registered>,
        reg: &BariumRegistrationData<'_>,
        offset: usize,
        buf: &mut [u8],
    ) -> Result {
        reg.pipe().read_edid(offset, buf)
    }
}

/// Returns the preferred size of an EDID, that of its first detailed timing, or `None` if it is not
/// an EDID or has no such timing. VESA's E-EDID standard, release A2, defines the bytes.
fn preferred_size(edid: &[u8; EDID_BLOCK]) -> Option<(u16, u16)> {
    const HEADER: [u8; 8] = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
    const TIMING: usize = 54;
    let timing = &edid[TIMING..];
    let size = |low: u8, high: u8| u16::from(low) | u16::from(high & 0xf0) << 4;
    let has_clock = timing[0] != 0 || timing[1] != 0;
    (edid.starts_with(&HEADER) && has_clock)
        .then(|| (size(timing[2], timing[4]), size(timing[5], timing[7])))
}

/// Logs a notice if VRAM has no room for the two buffers of a desktop in the preferred mode.
pub(crate) fn report_little_vram(dev: &RegisteredKmsDevice<BariumDriver>) {
    dev.with_registered(|dev| {
        dev.registration_data_with(|reg| {
            let mut edid = [0; EDID_BLOCK];
            let read = reg.pipe().read_edid(0, &mut edid).ok();
            let (width, height) = read
                .and_then(|()| preferred_size(&edid))
                .unwrap_or(Connector::PREFERRED_SIZE);
            let pictures = dev.limits().pictures(width, height);
            if pictures < DESKTOP_PICTURES {
                dev_notice!(
                    dev.as_ref(),
                    "VRAM has room for {pictures} of the {DESKTOP_PICTURES} buffers that a desktop flips \
                     between at {width}x{height}, the preferred mode{}\n",
                    reg.pipe().kind().more_vram_advice(dev.vram().size())
                );
            }
        });
    });
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

/// Disables the display, and leaves the device to the next kernel as this driver has found it.
pub(crate) fn shutdown(dev: &RegisteredKmsDevice<BariumDriver>) {
    kms::client::shutdown(dev);
    dev.with_registered(|dev| {
        dev.registration_data_with(|reg| reg.pipe().hand_back(reg.vram_bar()));
    });
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

#[kunit_tests(barium_display)]
mod tests {
    use super::*;

    #[test]
    fn the_first_timing_has_the_preferred_size() {
        let mut edid = [0; EDID_BLOCK];
        edid[1..7].fill(0xff);
        assert_eq!(preferred_size(&edid), None);
        // 1280x800. The lower halves of the bytes 0x51 and 0x31 are bits of the blanking.
        edid[54..62].copy_from_slice(&[0, 0x30, 0x00, 0x45, 0x51, 0x20, 0x16, 0x31]);
        assert_eq!(preferred_size(&edid), Some((1280, 800)));
        edid[0] = 1;
        assert_eq!(preferred_size(&edid), None);
    }
}
