// SPDX-License-Identifier: GPL-2.0

//! Connectors that are connected until the device is unplugged.
//!
//! - Upstream today: nothing.
//! - The shape it should have: [`DriverConnector`], with a state type of the driver, hot-plug
//!   detection, and a type for EDIDs.
//! - Why this is sound on 7.3: DRM calls the callbacks of a vtable only for connectors created with
//!   that vtable. `drm_edid_read_custom()` reads an EDID through a callback that receives a buffer
//!   and its length, and passes ownership of the EDID to its caller.
//! - Delete when upstream has KMS abstractions.
//!
//! C headers: [`include/drm/drm_connector.h`](srctree/include/drm/drm_connector.h),
//! [`include/drm/drm_edid.h`](srctree/include/drm/drm_edid.h)

use super::{
    bindings,
    encoder::UnregisteredEncoder,
    mode::{
        DisplayMode,
        ModeStatus, //
    },
    with_registered,
    Device,
    Driver,
    RegistrationData, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    drm::Registered,
    error::to_result,
    prelude::*, //
};

/// `EDID_LENGTH` of `include/drm/drm_edid.h`: the length of an EDID block in bytes.
const EDID_BLOCK: usize = 128;
/// The length of the fixed header of an EDID in bytes.
const EDID_HEADER: usize = 8;

/// A connector whose display is connected until the device is unplugged.
pub(crate) trait DriverConnector: Sized + 'static {
    /// The driver that the connector belongs to.
    type Driver: Driver;

    /// The preferred width and height, in pixels, if there is no EDID.
    const PREFERRED_SIZE: (u16, u16);

    /// Returns whether the connector lists `mode`, which the CRTC supports. A client may also set a
    /// mode that is not listed.
    fn mode_valid(dev: &Device<Self::Driver>, mode: &DisplayMode) -> ModeStatus;

    /// Fills `buf` with bytes of the EDID, starting at byte `offset` of the EDID.
    ///
    /// # Errors
    ///
    /// Any error if the EDID ends before `offset + buf.len()` bytes, or cannot be read.
    fn read_edid(
        dev: &Device<Self::Driver, Registered>,
        reg: &RegistrationData<'_, Self::Driver>,
        offset: usize,
        buf: &mut [u8],
    ) -> Result;
}

/// The vtables of connectors of type `C`.
struct Vtable<C>(PhantomData<C>);

impl<C: DriverConnector> Vtable<C> {
    const FUNCS: bindings::drm_connector_funcs = bindings::drm_connector_funcs {
        reset: Some(bindings::drm_atomic_helper_connector_reset),
        detect: Some(detect_callback::<C>),
        fill_modes: Some(bindings::drm_helper_probe_single_connector_modes),
        atomic_duplicate_state: Some(bindings::drm_atomic_helper_connector_duplicate_state),
        atomic_destroy_state: Some(bindings::drm_atomic_helper_connector_destroy_state),
        ..pin_init::zeroed()
    };

    const HELPER_FUNCS: bindings::drm_connector_helper_funcs =
        bindings::drm_connector_helper_funcs {
            get_modes: Some(get_modes_callback::<C>),
            mode_valid: Some(mode_valid_callback::<C>),
            ..pin_init::zeroed()
        };
}

impl<K: Driver> UnregisteredEncoder<'_, K> {
    /// Creates a connector of type `DRM_MODE_CONNECTOR_VIRTUAL` for this encoder.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn virtual_connector<C: DriverConnector<Driver = K>>(self) -> Result {
        let dev = self.dev.raw();
        // SAFETY: `dev` is the device of the `UnregisteredKmsDevice` that `self` borrows.
        let raw = unsafe {
            bindings::drmm_kmalloc(
                dev,
                size_of::<bindings::drm_connector>(),
                bindings::GFP_KERNEL | bindings::__GFP_ZERO,
            )
        };
        let raw = NonNull::new(raw)
            .ok_or(ENOMEM)?
            .cast::<bindings::drm_connector>()
            .as_ptr();
        // SAFETY: The device is valid and its mode configuration is initialised. The memory has the
        // size of a connector, is zeroed, and is freed with the device. The vtable is a constant,
        // and has no `destroy`, which a managed connector must not have.
        to_result(unsafe {
            bindings::drmm_connector_init(
                dev,
                raw,
                const { &Vtable::<C>::FUNCS },
                c_int::try_from(bindings::DRM_MODE_CONNECTOR_VIRTUAL)?,
                core::ptr::null_mut(),
            )
        })?;
        // SAFETY: `drmm_connector_init()` has just initialised the connector. The device is not
        // registered, so nothing else accesses it.
        unsafe { (*raw).helper_private = const { &Vtable::<C>::HELPER_FUNCS } };
        // SAFETY: The connector is initialised, and its device is not registered yet.
        unsafe { bindings::drm_connector_attach_edid_property(raw) };
        // SAFETY: The connector is initialised, and its device is not registered yet. By the type
        // invariants the encoder belongs to the same device.
        to_result(unsafe { bindings::drm_connector_attach_encoder(raw, self.raw) })
    }
}

/// The `detect` callback of a connector. Reports it as connected until the device is unplugged.
///
/// # Safety
///
/// Must be called by DRM only, with a connector of `C::Driver`.
unsafe extern "C" fn detect_callback<C: DriverConnector>(
    connector: *mut bindings::drm_connector,
    _force: bool,
) -> bindings::drm_connector_status {
    // SAFETY: By the safety requirements `connector` belongs to a device of `C::Driver`. The device
    // has been registered: DRM does not probe connectors before that.
    match unsafe { with_registered::<C::Driver, _>((*connector).dev, |_, _| ()) } {
        Some(()) => bindings::drm_connector_status::connector_status_connected,
        None => bindings::drm_connector_status::connector_status_disconnected,
    }
}

/// Fills `buf` with bytes of the EDID of `connector`, starting at byte `offset` of the EDID.
///
/// # Safety
///
/// `connector` must be a connector of `C::Driver`, of a device that has been registered.
unsafe fn read_edid<C: DriverConnector>(
    connector: *mut bindings::drm_connector,
    offset: usize,
    buf: &mut [u8],
) -> Result {
    // SAFETY: By the safety requirements `connector` belongs to a device of `C::Driver` that has
    // been registered.
    let read = unsafe {
        with_registered::<C::Driver, _>((*connector).dev, |dev, reg| {
            C::read_edid(dev, reg, offset, buf)
        })
    };
    read.unwrap_or(Err(ENODEV))
}

/// Fills the `len` bytes from `buf` on with zeros, and returns them.
///
/// `_drm_do_get_edid()` allocates the buffer with `kmalloc()` and `krealloc()`, without
/// `__GFP_ZERO`, so it may be uninitialised.
///
/// # Safety
///
/// For `'a`, `buf` must be valid for reads and writes of `len` bytes, and nothing else may access
/// them.
unsafe fn zeroed<'a>(buf: *mut u8, len: usize) -> &'a mut [u8] {
    // SAFETY: By the safety requirements, `buf` is valid for writes of `len` bytes.
    unsafe { buf.write_bytes(0, len) };
    // SAFETY: By the safety requirements, the bytes are valid and not aliased. The call above has
    // initialised them.
    unsafe { core::slice::from_raw_parts_mut(buf, len) }
}

/// The callback of `drm_edid_read_custom()` that reads a block.
///
/// # Safety
///
/// `context` must be a connector of `C::Driver`, of a device that has been registered, and `buf`
/// must be valid for reads and writes of `len` bytes.
unsafe extern "C" fn read_block_callback<C: DriverConnector>(
    context: *mut c_void,
    buf: *mut u8,
    block: c_uint,
    len: usize,
) -> c_int {
    // SAFETY: By the safety requirements, `buf` is valid for `len` bytes. Nothing else accesses
    // it during this call.
    let buf = unsafe { zeroed(buf, len) };
    // SAFETY: By the safety requirements, `context` is a connector of `C::Driver`, of a device that
    // has been registered.
    match unsafe { read_edid::<C>(context.cast(), block as usize * EDID_BLOCK, buf) } {
        // The device has no EDID. DRM would log an error about its content.
        Ok(()) if block == 0 && !has_header(buf) => ENODATA.to_errno(),
        Ok(()) => 0,
        Err(err) => err.to_errno(),
    }
}

/// Returns true if `block` starts with the header of an EDID.
fn has_header(block: &[u8]) -> bool {
    let Some(header) = block.first_chunk::<EDID_HEADER>() else {
        return false;
    };
    // SAFETY: `drm_edid_header_is_valid()` reads 8 bytes, which is the length of `header`.
    let matching = unsafe { bindings::drm_edid_header_is_valid(header.as_ptr().cast()) };
    usize::try_from(matching) == Ok(EDID_HEADER)
}

/// Returns the EDID of `connector`: an override of the user (debugfs, `drm.edid_firmware=`), or
/// that of the device, or null if there is none. The caller must call `drm_edid_free()`.
///
/// # Safety
///
/// `connector` must be a connector of `C::Driver`, of a device that has been registered, and a
/// probe of it must be in progress.
unsafe fn edid<C: DriverConnector>(
    connector: *mut bindings::drm_connector,
) -> *const bindings::drm_edid {
    // SAFETY: By the safety requirements `connector` is valid, and a probe is in progress.
    // `drm_edid_read_custom()` passes the connector to the callback as `context`, with a buffer of
    // its own of `len` bytes.
    unsafe {
        bindings::drm_edid_read_custom(connector, Some(read_block_callback::<C>), connector.cast())
    }
}

/// The `mode_valid` callback of a connector.
///
/// # Safety
///
/// Must be called by DRM only, with a connector of `C::Driver`.
unsafe extern "C" fn mode_valid_callback<C: DriverConnector>(
    connector: *mut bindings::drm_connector,
    mode: *const bindings::drm_display_mode,
) -> bindings::drm_mode_status {
    // SAFETY: By the safety requirements the connector belongs to a device of `C::Driver`, which
    // lives as long as the connector.
    let dev = unsafe { Device::<C::Driver>::from_raw((*connector).dev) };
    // SAFETY: DRM keeps the mode valid and unchanged until this callback returns.
    let mode = unsafe { DisplayMode::from_raw(mode) };
    C::mode_valid(dev, mode).into_raw()
}

/// The `get_modes` callback of a connector. Adds the modes of the EDID, or the standard modes if
/// there is no EDID.
///
/// # Safety
///
/// Must be called by DRM only, with a connector of `C::Driver`.
unsafe extern "C" fn get_modes_callback<C: DriverConnector>(
    connector: *mut bindings::drm_connector,
) -> c_int {
    // SAFETY: By the safety requirements `connector` is a connector of `C::Driver`. DRM calls
    // `get_modes` during a probe of the connector, and probes only after the device has been
    // registered.
    let edid = unsafe { edid::<C>(connector) };
    // SAFETY: The connector is being probed. `edid` is null, or was read from this connector.
    unsafe { bindings::drm_edid_connector_update(connector, edid) };
    if !edid.is_null() {
        // SAFETY: The connector is being probed.
        let count = unsafe { bindings::drm_edid_connector_add_modes(connector) };
        // SAFETY: `edid()` passed ownership of the EDID to this function, which does not use it
        // again.
        unsafe { bindings::drm_edid_free(edid) };
        return count;
    }

    // SAFETY: The device of a connector is valid. Only `UnregisteredKmsDevice::new()` sets the
    // limits.
    let (max_width, max_height) = unsafe {
        let config = &raw const (*(*connector).dev).mode_config;
        ((*config).max_width, (*config).max_height)
    };
    // SAFETY: The connector is being probed.
    let count = unsafe { bindings::drm_add_modes_noedid(connector, max_width, max_height) };
    let (width, height) = C::PREFERRED_SIZE;
    // SAFETY: The connector is being probed.
    unsafe { bindings::drm_set_preferred_mode(connector, width.into(), height.into()) };
    count
}

#[kunit_tests(barium_connector)]
mod tests {
    use super::*;

    #[test]
    fn an_edid_buffer_is_initialised() {
        let mut buffer = [0xa5; 16];
        // SAFETY: The part of `buffer` is valid, and nothing else accesses it meanwhile.
        let part = unsafe { zeroed(buffer[4..12].as_mut_ptr(), 8) };
        assert!(part.iter().all(|&byte| byte == 0));
        assert_eq!(buffer[..4], [0xa5; 4]);
        assert_eq!(buffer[12..], [0xa5; 4]);
    }
}
