// SPDX-License-Identifier: GPL-2.0

//! The object: the driver's data of a GEM object, and what its mappings need with it.
//!
//! C header: [`include/drm/drm_gem.h`](srctree/include/drm/drm_gem.h)

use super::vmap::VMapSlot;
use kernel::{
    bindings,
    drm::{
        self,
        gem::{
            BaseObject,
            DriverObject,
            IntoGEMObject, //
        },
    },
    page::{
        Page,
        PAGE_SHIFT, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        SetOnce, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// A GEM object with driver data `T`.
pub(crate) type Object<T> = drm::gem::Object<Mapped<T>>;

/// The registration data of the driver that objects with data `T` belong to.
pub(crate) type RegistrationData<'a, T> =
    <<T as ObjectData>::Driver as drm::Driver>::RegistrationData<'a>;

/// The driver's data of a GEM object that userspace can map.
pub(crate) trait ObjectData: Send + Sync + Sized + 'static {
    /// The driver that the objects belong to.
    type Driver: drm::Driver<Object = Object<Self>>;
}

/// Driver data `T`, and what the object's mappings need with it.
#[pin_data]
pub(crate) struct Mapped<T: ObjectData> {
    data: T,
    zero_page: SetOnce<Page>,
    had_huge_entry: Atomic<bool>,
    #[pin]
    vmap: VMapSlot,
}

impl<T: ObjectData> core::ops::Deref for Mapped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: ObjectData> Mapped<T> {
    /// The mapping that the kernel's own clients share.
    pub(super) fn vmap_slot(&self) -> &VMapSlot {
        &self.vmap
    }

    /// Returns true if [`Self::set_had_huge_entry`] was called.
    pub(super) fn had_huge_entry(&self) -> bool {
        self.had_huge_entry.load(Relaxed)
    }

    /// Notes that a huge entry for the object is about to be inserted.
    pub(super) fn set_had_huge_entry(&self) {
        self.had_huge_entry.store(true, Relaxed);
    }

    /// Returns the object's page of zeros, which it gets at the first call and keeps until it is
    /// freed. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn zero_page(&self) -> Result<&Page> {
        loop {
            if let Some(page) = self.zero_page.as_ref() {
                return Ok(page);
            }
            // If another thread has populated the slot first, this page is freed.
            if !self
                .zero_page
                .populate(Page::alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO)?)
            {
                // The other thread may be between the two steps of `populate()`.
                fsleep(Delta::from_micros(1));
            }
        }
    }
}

/// The argument that makes a [`Mapped`]. Only [`super::create`] can make one.
pub(crate) struct Args<T>(pub(super) T);

impl<T: ObjectData> DriverObject for Mapped<T> {
    type Driver = T::Driver;
    type Args = Args<T>;

    fn new(
        _dev: &drm::Device<T::Driver>,
        _size: usize,
        args: Args<T>,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            data: args.0,
            zero_page: SetOnce::new(),
            had_huge_entry: Atomic::new(false),
            vmap <- VMapSlot::new(),
        })
    }
}

/// Returns the offset, in pages, at which the object is found in the file of its device.
pub(in crate::upstream) fn fake_offset<T: ObjectData>(obj: &Object<T>) -> usize {
    // SAFETY: The object is valid, and its offset does not change after `super::create()` has set
    // it.
    let start = unsafe { (*obj.as_raw()).vma_node.vm_node.start };
    // It is a page offset in a file, which is an `unsigned long` in C.
    usize::try_from(start).unwrap_or(usize::MAX)
}

/// Returns the size of the object in pages.
pub(in crate::upstream) fn pages<T: ObjectData>(obj: &Object<T>) -> usize {
    obj.size() >> PAGE_SHIFT
}

/// Calls `with` with the registration data of the object's device, and returns what `with` returns;
/// `None` if the device is unplugged.
///
/// Unplugging waits until `with` returns, and only then removes the entries of all mappings
/// (`drm_dev_unplug()`).
///
/// # Safety
///
/// The device must have been registered before.
#[inline(always)]
pub(super) unsafe fn with_registered<T: ObjectData, R>(
    obj: &Object<T>,
    with: impl for<'r> FnOnce(&'r RegistrationData<'r, T>) -> R,
) -> Option<R> {
    // SAFETY: `dev` points to the object's device, which is one of `T::Driver` and outlives the
    // object. The caller promises that it has been registered.
    let dev = unsafe { drm::Device::<T::Driver, drm::Ioctl>::from_raw((*obj.as_raw()).dev) };
    let guard = dev.registration_guard()?;
    Some(guard.registration_data_with(with))
}

/// Returns the object that the area's private data points to.
///
/// # Safety
///
/// For `'a`, `vma` must be a valid area that `mmap_callback` of the same `T` has set up: such an
/// area holds a reference to its object.
#[inline]
pub(in crate::upstream) unsafe fn of_area<'a, T: ObjectData>(
    vma: *const bindings::vm_area_struct,
) -> &'a Object<T> {
    // SAFETY: The caller promises that `vma` is valid; its private data does not change.
    let private = unsafe { (*vma).vm_private_data };
    // SAFETY: The caller promises that the private data is an object of this type, to which the
    // area holds a reference.
    unsafe { <Object<T> as IntoGEMObject>::from_raw(private.cast()) }
}
