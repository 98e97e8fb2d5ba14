// SPDX-License-Identifier: GPL-2.0

//! Connectors: where the picture leaves, and what is known of the screen there.
//!
//! - Upstream today: nothing.
//! - The shape it should have: [`DriverConnector`], with states of the driver's own, hot-plug
//!   detection, and EDIDs as a type.
//! - Why this is sound on 7.3: DRM calls the functions of the table for connectors that were made
//!   with it. An EDID is read by DRM's own code through a function that gets a buffer and its
//!   length, and belongs to us until it is freed.
//! - Delete when upstream has KMS abstractions.

use super::{
    bindings,
    encoder::UnregisteredEncoder,
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

/// The bytes of a block of an EDID.
const EDID_BLOCK: usize = 128;
/// The bytes that each EDID starts with.
const EDID_HEADER: usize = 8;

/// A connector with a screen that is there for as long as the device is.
pub(crate) trait DriverConnector: Sized + 'static {
    /// The driver that it is of.
    type Driver: Driver;

    /// The preferred width and height of a screen without an EDID.
    const PREFERRED_SIZE: (u16, u16);

    /// Fills `buf` with what is `offset` bytes into the EDID.
    fn read_edid(
        dev: &Device<Self::Driver, Registered>,
        reg: &RegistrationData<'_, Self::Driver>,
        offset: usize,
        buf: &mut [u8],
    ) -> Result;
}

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
            ..pin_init::zeroed()
        };
}

impl<K: Driver> UnregisteredEncoder<'_, K> {
    /// Makes a connector behind this encoder (`DRM_MODE_CONNECTOR_VIRTUAL`).
    ///
    /// Errors: `ENOMEM`.
    pub(crate) fn virtual_connector<C: DriverConnector<Driver = K>>(self) -> Result {
        let dev = self.setup.raw();
        // SAFETY: The device is valid. What is allocated lives as long.
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
        // SAFETY: The device's mode configuration is initialised, and the memory is zeroed and as
        // large as is needed. The table is a constant without `destroy`, as is wanted.
        to_result(unsafe {
            bindings::drmm_connector_init(
                dev,
                raw,
                const { &Vtable::<C>::FUNCS },
                c_int::try_from(bindings::DRM_MODE_CONNECTOR_VIRTUAL)?,
                core::ptr::null_mut(),
            )
        })?;
        // SAFETY: It was just made, for a device that nobody else knows.
        unsafe { (*raw).helper_private = const { &Vtable::<C>::HELPER_FUNCS } };
        // SAFETY: As above.
        unsafe { bindings::drm_connector_attach_edid_property(raw) };
        // SAFETY: As above, and the encoder is of the same device.
        to_result(unsafe { bindings::drm_connector_attach_encoder(raw, self.raw) })
    }
}

/// The `detect` entry: the screen is there as long as the device is.
///
/// # Safety
///
/// To be called by DRM only, with a connector of `C::Driver`.
unsafe extern "C" fn detect_callback<C: DriverConnector>(
    connector: *mut bindings::drm_connector,
    _force: bool,
) -> bindings::drm_connector_status {
    // SAFETY: The connector's device is one of this driver. Nobody asks before it is registered.
    match unsafe { with_registered::<C::Driver, _>((*connector).dev, |_, _| ()) } {
        Some(()) => bindings::drm_connector_status::connector_status_connected,
        None => bindings::drm_connector_status::connector_status_disconnected,
    }
}

/// Fills `buf` with what is `offset` bytes into the EDID of `connector`.
///
/// # Safety
///
/// `connector` must be a connector of `C::Driver`, of a device that has been registered.
unsafe fn read_edid<C: DriverConnector>(
    connector: *mut bindings::drm_connector,
    offset: usize,
    buf: &mut [u8],
) -> Result {
    // SAFETY: As the caller says.
    let done = unsafe {
        with_registered::<C::Driver, _>((*connector).dev, |dev, reg| {
            C::read_edid(dev, reg, offset, buf)
        })
    };
    done.unwrap_or(Err(ENODEV))
}

/// What reads a block for `drm_edid_read_custom()`.
///
/// # Safety
///
/// `context` must be a connector of `C::Driver`, of a device that has been registered, and `buf` must
/// be valid for writes of `len` bytes.
unsafe extern "C" fn read_block_callback<C: DriverConnector>(
    context: *mut c_void,
    buf: *mut u8,
    block: c_uint,
    len: usize,
) -> c_int {
    // `_drm_do_get_edid()` allocates the buffer with kmalloc() and krealloc(), without `__GFP_ZERO`.
    //
    // SAFETY: By the safety requirements, `buf` is valid for writes of `len` bytes.
    unsafe { buf.write_bytes(0, len) };
    // SAFETY: By the safety requirements, `buf` is valid for writes of `len` bytes. Those have just
    // been initialised.
    let buf = unsafe { core::slice::from_raw_parts_mut(buf, len) };
    // SAFETY: By the safety requirements, `context` is a connector of `C::Driver`, of a device that
    // has been registered.
    match unsafe { read_edid::<C>(context.cast(), block as usize * EDID_BLOCK, buf) } {
        Ok(()) => 0,
        Err(err) => err.to_errno(),
    }
}

/// The EDID of `connector`, which the caller has to free; null if it has none.
///
/// # Safety
///
/// As for [`get_modes_callback`].
unsafe fn edid<C: DriverConnector>(
    connector: *mut bindings::drm_connector,
) -> *const bindings::drm_edid {
    let mut header = [0; EDID_HEADER];
    // SAFETY: As the caller says.
    let read = unsafe { read_edid::<C>(connector, 0, &mut header) };
    // SAFETY: It looks at that many bytes.
    let matching = unsafe { bindings::drm_edid_header_is_valid(header.as_ptr().cast()) };
    if read.is_err() || usize::try_from(matching) != Ok(EDID_HEADER) {
        return core::ptr::null();
    }
    // SAFETY: The callback gets the connector, as it expects.
    unsafe {
        bindings::drm_edid_read_custom(connector, Some(read_block_callback::<C>), connector.cast())
    }
}

/// The `get_modes` entry: those of the EDID, or those that are usual.
///
/// # Safety
///
/// To be called by DRM only, with a connector of `C::Driver`.
unsafe extern "C" fn get_modes_callback<C: DriverConnector>(
    connector: *mut bindings::drm_connector,
) -> c_int {
    // SAFETY: These are this callback's arguments; nobody asks before the device is registered.
    let edid = unsafe { edid::<C>(connector) };
    // SAFETY: The connector is being probed; the EDID is its own, or null.
    unsafe { bindings::drm_edid_connector_update(connector, edid) };
    if !edid.is_null() {
        // SAFETY: As above.
        let count = unsafe { bindings::drm_edid_connector_add_modes(connector) };
        // SAFETY: It is ours, and is not used after this.
        unsafe { bindings::drm_edid_free(edid) };
        return count;
    }

    // SAFETY: The connector's device is valid.
    let (max_width, max_height) = unsafe {
        let config = &raw const (*(*connector).dev).mode_config;
        ((*config).max_width, (*config).max_height)
    };
    // SAFETY: The connector is being probed.
    let count = unsafe { bindings::drm_add_modes_noedid(connector, max_width, max_height) };
    let (width, height) = C::PREFERRED_SIZE;
    // SAFETY: As above.
    unsafe { bindings::drm_set_preferred_mode(connector, width.into(), height.into()) };
    count
}
