// SPDX-License-Identifier: GPL-2.0

//! The driver data of a GEM object, and the state that all mappings of the object share.
//!
//! C header: [`include/drm/drm_gem.h`](srctree/include/drm/drm_gem.h)

use super::{
    super::{
        raw,
        rcu_cell::RcuCell, //
    },
    vmap::VMapSlot, //
};
use core::ptr::NonNull;
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
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        barrier,
        rcu,
        SetOnce, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

// Defined in helpers.c.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_gem_object_from(
        dev: *mut bindings::drm_device,
        start: c_ulong,
    ) -> *mut bindings::drm_gem_object;
}

/// A GEM object with driver data `T`.
pub(crate) type Object<T> = drm::gem::Object<Mapped<T>>;

/// The registration data of the driver that objects with data `T` belong to.
pub(crate) type RegistrationData<'a, T> =
    <<T as ObjectData>::Driver as drm::Driver>::RegistrationData<'a>;

/// The driver's data of a GEM object that userspace can map.
pub(crate) trait ObjectData: Send + Sync + Sized + 'static {
    /// The driver that the objects belong to.
    type Driver: drm::Driver<Object = Object<Self>>;

    /// The placement record of an object. It says where the content is, and keeps that memory
    /// allocated.
    type Place: Send + Sync + 'static;
}

/// The kind of memory that an object is accounted to. Each object counts in one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    /// VRAM.
    Vram,
    /// System memory.
    System,
}

/// The memory that an object uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) region: Region,
    /// The number of bytes of the object that have memory in the region.
    pub(crate) resident: usize,
    /// True if the client does not need the content.
    pub(crate) is_purgeable: bool,
}

/// Driver data `T`, and the state that all mappings of the object share.
// The fields are dropped in this order. A kernel mapping may show the memory of the record.
#[pin_data]
pub(crate) struct Mapped<T: ObjectData> {
    data: T,
    #[pin]
    vmap: VMapSlot,
    place: RcuCell<T::Place>,
    zero_page: SetOnce<Page>,
    had_huge_entry: Atomic<bool>,
    pins: Atomic<u32>,
}

impl<T: ObjectData> core::ops::Deref for Mapped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: ObjectData> Mapped<T> {
    /// Returns the placement record; `None` if the object has none. Takes no lock.
    #[inline]
    pub(crate) fn place<'g>(&'g self, guard: &'g rcu::Guard) -> Option<&'g T::Place> {
        self.place.read(guard)
    }

    /// Returns the placement record; `None` if the object has none.
    ///
    /// # Safety
    ///
    /// The record must not be replaced while the result exists.
    pub(super) unsafe fn place_reserved(&self) -> Option<&T::Place> {
        // SAFETY: By the safety requirements, the record is not replaced.
        unsafe { self.place.read_exclusive() }
    }

    /// Returns the cell of the placement record.
    pub(super) fn place_cell(&self) -> &RcuCell<T::Place> {
        &self.place
    }

    /// Returns the slot for the mapping that the kernel's own clients share.
    pub(super) fn vmap_slot(&self) -> &VMapSlot {
        &self.vmap
    }

    /// Returns true if [`Self::set_had_huge_entry`] was called.
    pub(super) fn had_huge_entry(&self) -> bool {
        self.had_huge_entry.load(Relaxed)
    }

    /// Records that a huge entry for the object is about to be inserted.
    pub(super) fn set_had_huge_entry(&self) {
        self.had_huge_entry.store(true, Relaxed);
    }

    /// Returns the number of pins. A pinned object stays where it is. Only a holder of the
    /// reservation changes the number.
    pub(super) fn pins(&self) -> &Atomic<u32> {
        &self.pins
    }

    /// Returns the object's zero page: a page of system memory, zero-filled at first, that all
    /// mappings of the object map once the device is unplugged. The first call allocates it, and
    /// the object keeps it until it is freed. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if the page cannot be allocated.
    pub(super) fn zero_page(&self) -> Result<&Page> {
        loop {
            if let Some(page) = self.zero_page.as_ref() {
                return Ok(page);
            }
            // If another thread populates `zero_page` first, this drops the new page.
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

/// The argument of [`Mapped`]'s `new`. Only [`super`] can construct one.
pub(crate) struct Args<T: ObjectData> {
    pub(super) data: T,
    pub(super) place: Option<KBox<T::Place>>,
}

impl<T: ObjectData> DriverObject for Mapped<T> {
    type Driver = T::Driver;
    type Args = Args<T>;

    fn new(
        _dev: &drm::Device<T::Driver>,
        _size: usize,
        args: Args<T>,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            data: args.data,
            vmap <- VMapSlot::new(),
            place: RcuCell::new(args.place),
            zero_page: SetOnce::new(),
            had_huge_entry: Atomic::new(false),
            pins: Atomic::new(0),
        })
    }
}

/// Returns the object's fake offset in the device file, in pages.
pub(crate) fn fake_offset<T: ObjectData>(obj: &Object<T>) -> usize {
    // SAFETY: The object is valid, and its offset does not change once `NewObject::publish()` has
    // allocated it.
    let start = unsafe { (*obj.as_raw()).vma_node.vm_node.start };
    // The offset manager allocates page offsets that fit in an `unsigned long`.
    usize::try_from(start).unwrap_or(usize::MAX)
}

/// Returns the size of the object in pages.
pub(in crate::upstream) fn pages<T: ObjectData>(obj: &Object<T>) -> usize {
    obj.size() >> PAGE_SHIFT
}

/// Returns true if another client, the display or another device may have access to the object.
/// Returns false only if the object has exactly one handle, and neither a name nor a dma-buf. A
/// framebuffer counts as a handle, so the result can be false for an object with a framebuffer
/// whose handles are closed.
///
/// The result is true before any of them gets access. DRM clears the name and the dma-buf when the
/// last handle is closed, although the dma-buf may live on: the object has no handle then.
pub(crate) fn is_shared<T: ObjectData>(obj: &Object<T>) -> bool {
    let raw = obj.as_raw();
    // SAFETY: The object is valid. Another CPU may change the fields concurrently: each is read
    // once.
    let (name, dma_buf) = unsafe {
        (
            (&raw const (*raw).name).read_volatile(),
            (&raw const (*raw).dma_buf).read_volatile(),
        )
    };
    // When the last handle is closed, DRM decrements the count, puts its reference to the dma-buf,
    // which is a full barrier, and then clears the pointer. So this function reads the count last.
    barrier::smp_mb(barrier::Read);
    // SAFETY: The object is valid. Another CPU may change the field concurrently: it is read once.
    let handles = unsafe { (&raw const (*raw).handle_count).read_volatile() };
    handles != 1 || name != 0 || !dma_buf.is_null()
}

/// The users of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Users {
    /// The number of handles. A framebuffer counts as one.
    pub(crate) handles: u32,
    /// True if the object has a name (`GEM_FLINK`).
    pub(crate) is_named: bool,
    /// True if the object has a dma-buf.
    pub(crate) is_exported: bool,
    /// True if the object represents a dma-buf of another device.
    pub(crate) is_imported: bool,
    /// True if another device has attached to the object.
    pub(crate) is_attached: bool,
    /// True if the kernel maps the object, or is about to.
    pub(crate) is_vmapped: bool,
}

/// Returns the users of `obj`. Waits for no lock, so the result may be out of date.
pub(crate) fn users<T: ObjectData>(obj: &Object<T>) -> Users {
    let raw = obj.as_raw();
    // SAFETY: The object is valid. Another CPU may change the fields concurrently: each is read
    // once.
    let (handles, name, dma_buf, attachment) = unsafe {
        (
            (&raw const (*raw).handle_count).read_volatile(),
            (&raw const (*raw).name).read_volatile(),
            (&raw const (*raw).dma_buf).read_volatile(),
            (&raw const (*raw).import_attach).read_volatile(),
        )
    };
    let is_imported = !attachment.is_null();
    Users {
        handles,
        is_named: name != 0,
        is_exported: !dma_buf.is_null() && !is_imported,
        is_imported,
        is_attached: obj.pins().load(Relaxed) != 0,
        is_vmapped: obj.vmap_slot().is_used(),
    }
}

/// An iterator over all objects of a device, in the order of their fake offsets. An object that is
/// created or freed meanwhile may be missing.
pub(crate) struct Objects<'d, T: ObjectData> {
    dev: &'d drm::Device<T::Driver>,
    /// The lowest fake offset of the next object, in pages.
    start: usize,
}

impl<'d, T: ObjectData> Objects<'d, T> {
    /// Creates an iterator over the objects of `dev`.
    pub(crate) fn new(dev: &'d drm::Device<T::Driver>) -> Self {
        Self { dev, start: 0 }
    }
}

impl<T: ObjectData> Iterator for Objects<'_, T> {
    type Item = ARef<Object<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        let dev = raw::drm_device(self.dev);
        let start = c_ulong::try_from(self.start).ok()?;
        // SAFETY: The device is valid. All nodes of its offset manager are members of GEM objects.
        // DRM removes a node, under the manager's lock, before it frees the object.
        let obj = NonNull::new(unsafe { barium_gem_object_from(dev, start) })?;
        // SAFETY: All objects of the device have the driver data `T`. The function has taken a
        // reference.
        let obj = NonNull::from(unsafe { Object::<T>::from_raw(obj.as_ptr()) });
        // SAFETY: `ARef` takes over that reference.
        let obj = unsafe { ARef::from_raw(obj) };
        self.start = fake_offset(&obj) + pages(&obj);
        Some(obj)
    }
}

/// Calls `with` with the registration data of the object's device, and returns the result of
/// `with`, or `None` if the device is unplugged.
///
/// `drm_dev_unplug()` waits until `with` returns, and then removes the page table entries of all
/// mappings.
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
    // object. By the safety requirements, it has been registered.
    let dev = unsafe { drm::Device::<T::Driver, drm::Ioctl>::from_raw((*obj.as_raw()).dev) };
    let guard = dev.registration_guard()?;
    Some(guard.registration_data_with(with))
}

/// Returns the object that the VMA's private data points to.
///
/// # Safety
///
/// For `'a`, `vma` must be a valid VMA that `mmap_callback` of the same `T` has set up: such a
/// VMA holds a reference to its object.
#[inline]
pub(in crate::upstream) unsafe fn of_area<'a, T: ObjectData>(
    vma: *const bindings::vm_area_struct,
) -> &'a Object<T> {
    // SAFETY: By the safety requirements, `vma` is valid; its private data does not change.
    let private = unsafe { (*vma).vm_private_data };
    // SAFETY: By the safety requirements, the private data is an object of this type, to which the
    // VMA holds a reference.
    unsafe { <Object<T> as IntoGEMObject>::from_raw(private.cast()) }
}
