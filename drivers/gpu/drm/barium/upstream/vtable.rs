// SPDX-License-Identifier: GPL-2.0

//! C structs of callbacks that extend upstream's.
//!
//! - Upstream today: its structs of callbacks are private constants, to which a driver cannot add.
//! - The shape it should have: none; each struct should have the callbacks that drivers need.
//! - Why this is sound on 7.3: the struct is written once, before any reference to it exists. It is
//!   part of a `static`, and the functions that it points to are in the module or in the kernel, so
//!   both are valid while the module is loaded.
//! - Delete when the last user is gone.

use kernel::{
    bindings,
    sync::SetOnce,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// A C struct of callbacks.
///
/// # Safety
///
/// The pointers in a value must be to functions, constants and statics that any CPU may use while
/// the module is loaded. C must not write to a value that is in use.
pub(super) unsafe trait Callbacks {}

// SAFETY: DRM only reads the struct.
unsafe impl Callbacks for bindings::drm_gem_object_funcs {}
// SAFETY: The memory manager only reads the struct.
unsafe impl Callbacks for bindings::vm_operations_struct {}
// SAFETY: DRM only reads the struct.
unsafe impl Callbacks for bindings::drm_driver {}
// SAFETY: The VFS only reads the struct.
unsafe impl Callbacks for bindings::file_operations {}

/// A struct of callbacks that is initialised when it is first used, and never changes after that.
pub(super) struct Vtable<T: Callbacks>(SetOnce<Shared<T>>);

struct Shared<T: Callbacks>(T);

// SAFETY: By the requirements of `Callbacks`, any CPU may use the targets of the struct's pointers.
unsafe impl<T: Callbacks> Send for Shared<T> {}

// SAFETY: By the requirements of `Callbacks`, any CPU may use the targets of the struct's pointers,
// and nothing writes to the struct.
unsafe impl<T: Callbacks> Sync for Shared<T> {}

impl<T: Callbacks> Vtable<T> {
    /// Creates a vtable that is not initialised.
    pub(super) const fn new() -> Self {
        Self(SetOnce::new())
    }

    /// Returns the struct if it has been initialised.
    pub(super) fn get(&'static self) -> Option<&'static T> {
        self.0.as_ref().map(|shared| &shared.0)
    }

    /// Returns the struct. The first call initialises it with the result of `init`. May sleep.
    pub(super) fn get_or_init(&'static self, init: impl Fn() -> T) -> &'static T {
        loop {
            if let Some(vtable) = self.get() {
                return vtable;
            }
            if !self.0.populate(Shared(init())) {
                // Another task is between the two steps of `populate()`.
                fsleep(Delta::from_micros(1));
            }
        }
    }
}
