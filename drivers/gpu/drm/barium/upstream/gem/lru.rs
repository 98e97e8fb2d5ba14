// SPDX-License-Identifier: GPL-2.0

//! Lists of GEM objects, ordered by their last use.
//!
//! C header: [`include/drm/drm_gem.h`](srctree/include/drm/drm_gem.h)
//!
//! - Upstream today: nothing.
//! - The shape it should have: this type. `drm_gem_lru_scan()` calls a function for each object,
//!   but passes no data to it.
//! - Why this is sound on 7.3: a list contains objects of one device only, whose `gem_lru_mutex`
//!   protects it. An object is in at most one list. DRM removes it from there, under the mutex,
//!   before it frees the object. [`Lru::first`] and [`Lru::objects`] take a reference unless the
//!   count is 0 already. The methods call no code of the driver with the mutex held.
//! - Delete when upstream has such a type.

use super::super::raw;
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    bindings,
    drm::{
        self,
        gem::IntoGEMObject, //
    },
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        }, //
    },
    types::Opaque, //
};

// Defined in helpers.c.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_gem_object_get_unless_zero(obj: *mut bindings::drm_gem_object) -> bool;
}

/// A list of objects of one device of driver `D`, the least recently added first. It holds no
/// references.
///
/// # Invariants
///
/// - `list` is initialised, and does not move.
/// - `owner` is null until the first object is added, and the device of that object afterwards. All
///   objects in the list belong to `owner`, and have the type `D::Object`.
pub(crate) struct Lru<D: drm::Driver> {
    list: ManuallyDrop<KBox<Opaque<bindings::drm_gem_lru>>>,
    owner: Atomic<*mut bindings::drm_device>,
    _driver: PhantomData<fn() -> D>,
}

// SAFETY: Any thread may take the mutex that protects the list.
unsafe impl<D: drm::Driver> Send for Lru<D> {}

// SAFETY: The methods on a shared reference access the list under a mutex.
unsafe impl<D: drm::Driver> Sync for Lru<D> {}

impl<D: drm::Driver> Lru<D> {
    /// Creates an empty list.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let list = KBox::new(Opaque::uninit(), GFP_KERNEL)?;
        // SAFETY: The memory is valid for writes. It does not move, as the box is only dropped.
        unsafe { bindings::drm_gem_lru_init(list.get()) };
        // INVARIANT: The list was initialised above, and is empty.
        Ok(Self {
            list: ManuallyDrop::new(list),
            owner: Atomic::new(ptr::null_mut()),
            _driver: PhantomData,
        })
    }

    /// Adds `obj` at the end, and removes it from the list that it is in. May sleep.
    ///
    /// Does nothing if the list has objects of another device.
    pub(crate) fn add(&self, obj: &D::Object) {
        let raw = obj.as_raw();
        // SAFETY: The object is valid. The field does not change.
        let dev = unsafe { (*raw).dev };
        let owner = match self.owner.load(Relaxed) {
            owner if owner.is_null() => match self.owner.cmpxchg(ptr::null_mut(), dev, Full) {
                Ok(_) => dev,
                Err(owner) => owner,
            },
            owner => owner,
        };
        if owner == dev {
            // INVARIANT: The object belongs to `owner`.
            // SAFETY: The object is valid, and by the type invariants the list is initialised. All
            // its objects belong to the device whose mutex the function takes.
            unsafe { bindings::drm_gem_lru_move_tail(self.list.get(), raw) };
        }
    }

    /// Returns the total size of the objects in the list, in pages. Takes no lock, so the result
    /// may be out of date.
    pub(crate) fn pages(&self) -> usize {
        // SAFETY: By the type invariants, the list is initialised. Another CPU may change the field
        // concurrently: it is read once.
        let pages = unsafe { (&raw const (*self.list.get()).count).read_volatile() };
        usize::try_from(pages).unwrap_or(0)
    }

    /// Moves `obj` to the end, if it is in this list. May sleep.
    pub(crate) fn move_to_end(&self, obj: &D::Object) {
        let raw = obj.as_raw();
        // SAFETY: The object is valid, and so is its device. The field does not change.
        let lock = unsafe { &raw mut (*(*raw).dev).gem_lru_mutex };
        // SAFETY: The mutex is valid. This thread does not hold it, because this file and DRM call
        // no code of the driver with it held.
        unsafe { bindings::mutex_lock(lock) };
        // SAFETY: The mutex that protects the field was taken above.
        if unsafe { (*raw).lru } == self.list.get() {
            // SAFETY: The object is in the list, so the mutex of its device protects the list.
            unsafe { bindings::drm_gem_lru_move_tail_locked(self.list.get(), raw) };
        }
        // SAFETY: The mutex was taken above.
        unsafe { bindings::mutex_unlock(lock) };
    }

    /// Removes `obj` from the list that it is in, if it is in one. May sleep.
    pub(crate) fn remove(obj: &D::Object) {
        // SAFETY: The reference keeps the object and its device, whose mutex the function takes.
        unsafe { bindings::drm_gem_lru_remove(obj.as_raw()) };
    }

    /// Returns the objects of the list, the first one first, except for those that are being freed.
    /// May leave out the last ones if other threads add objects meanwhile. Returns no objects if
    /// the list has objects of another device than `dev`. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn objects(&self, dev: &drm::Device<D>) -> Result<KVVec<ARef<D::Object>>>
    where
        D::Object: AlwaysRefCounted,
    {
        let mut count = 0;
        self.walk(dev, |_| count += 1);
        let mut objects = KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        self.walk(dev, |obj| {
            // If the list is full, this takes no reference: it could not put it with the mutex
            // held.
            if objects.len() == objects.capacity() {
                return;
            }
            // SAFETY: By the type invariants, `obj` is an object of type `D::Object`. DRM takes the
            // mutex, which `walk()` holds, to remove an object from the list before it frees it.
            if let Some(obj) = unsafe { get_unless_zero::<D>(obj) } {
                let _ = objects.push_within_capacity(obj);
            }
        });
        Ok(objects)
    }

    /// Calls `with`, which calls no other method, for each object of the list, the first one first,
    /// with the mutex of the lists held. Does nothing if the list has objects of another device
    /// than `dev`.
    fn walk(&self, dev: &drm::Device<D>, mut with: impl FnMut(*mut bindings::drm_gem_object)) {
        let dev = raw::drm_device(dev);
        if self.owner.load(Relaxed) != dev {
            return;
        }
        // SAFETY: The device is valid, and so is its mutex.
        let lock = unsafe { &raw mut (*dev).gem_lru_mutex };
        // SAFETY: The mutex is valid. This thread does not hold it, because this file and DRM call
        // no code of the driver with it held.
        unsafe { bindings::mutex_lock(lock) };
        // SAFETY: By the type invariants, the list is initialised.
        let head = unsafe { &raw mut (*self.list.get()).list };
        // SAFETY: The mutex that protects the list was taken above.
        let mut node = unsafe { (*head).next };
        while node != head {
            // SAFETY: By the type invariants, the entries of the list are objects.
            with(unsafe { kernel::container_of!(node, bindings::drm_gem_object, lru_node) });
            // SAFETY: The mutex that protects the list was taken above.
            node = unsafe { (*node).next };
        }
        // SAFETY: The mutex was taken above.
        unsafe { bindings::mutex_unlock(lock) };
    }

    /// Returns the first object of the list that is not being freed; `None` if there is none, or if
    /// the list has objects of another device than `dev`. May sleep.
    pub(crate) fn first(&self, dev: &drm::Device<D>) -> Option<ARef<D::Object>>
    where
        D::Object: AlwaysRefCounted,
    {
        let dev = raw::drm_device(dev);
        if self.owner.load(Relaxed) != dev {
            return None;
        }
        // SAFETY: The device is valid, and so is its mutex.
        let lock = unsafe { &raw mut (*dev).gem_lru_mutex };
        // SAFETY: The mutex is valid. This thread does not hold it, because this file and DRM call
        // no code of the driver with it held.
        unsafe { bindings::mutex_lock(lock) };
        // SAFETY: By the type invariants, the list is initialised.
        let head = unsafe { &raw mut (*self.list.get()).list };
        // SAFETY: The mutex that protects the list was taken above.
        let mut node = unsafe { (*head).next };
        let mut found = None;
        while node != head {
            // SAFETY: By the type invariants, the entries of the list are objects.
            let obj = unsafe { kernel::container_of!(node, bindings::drm_gem_object, lru_node) };
            // SAFETY: By the type invariants, `obj` is an object of type `D::Object`. DRM takes the
            // mutex to remove an object from the list before it frees it.
            found = unsafe { get_unless_zero::<D>(obj) };
            if found.is_some() {
                break;
            }
            // SAFETY: The mutex that protects the list was taken above.
            node = unsafe { (*node).next };
        }
        // SAFETY: The mutex was taken above.
        unsafe { bindings::mutex_unlock(lock) };
        found
    }
}

/// Takes a reference to `obj`. Returns `None` if the object is being freed.
///
/// # Safety
///
/// `obj` must be an object of type `D::Object` whose memory has not been freed.
unsafe fn get_unless_zero<D: drm::Driver>(
    obj: *mut bindings::drm_gem_object,
) -> Option<ARef<D::Object>>
where
    D::Object: AlwaysRefCounted,
{
    // SAFETY: By the safety requirements, the memory of the object has not been freed.
    if !unsafe { barium_gem_object_get_unless_zero(obj) } {
        return None;
    }
    // SAFETY: By the safety requirements, the object has this type. The reference that was taken
    // above keeps it valid.
    let obj = NonNull::from(unsafe { D::Object::from_raw(obj) });
    // SAFETY: `ARef` takes over that reference.
    Some(unsafe { ARef::from_raw(obj) })
}

impl<D: drm::Driver> Drop for Lru<D> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the list is initialised.
        let head = unsafe { &raw mut (*self.list.get()).list };
        // SAFETY: The list is valid. An object that is being freed may change the pointer
        // concurrently, so it is read once.
        let is_empty = unsafe { (&raw mut (*head).next).read_volatile() } == head;
        // An object that is still in the list points to the list, whose memory is leaked then.
        if is_empty {
            // SAFETY: The box is not used after this.
            unsafe { ManuallyDrop::drop(&mut self.list) };
        }
    }
}
