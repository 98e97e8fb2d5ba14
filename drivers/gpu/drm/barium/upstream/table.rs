// SPDX-License-Identifier: GPL-2.0

//! A table of C functions that is a copy of one of upstream's, with more in it.
//!
//! - Upstream today: its tables are constants that a driver can neither add to nor name.
//! - The shape it should have: none; each table should have what drivers need.
//! - Why this is sound on 7.3: the table is written once, before anybody is given a reference to
//!   it, and lives as long as the module's code that it points to.
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
/// What it points to must be functions, constants and statics, good on any CPU for as long as the
/// module is loaded, and nobody may write to it once it is in use.
pub(super) unsafe trait Callbacks {}

// SAFETY: DRM reads it only.
unsafe impl Callbacks for bindings::drm_gem_object_funcs {}
// SAFETY: The memory manager reads it only.
unsafe impl Callbacks for bindings::vm_operations_struct {}
// SAFETY: DRM reads it only: the list head in it is for legacy drivers.
unsafe impl Callbacks for bindings::drm_driver {}
// SAFETY: The VFS reads it only.
unsafe impl Callbacks for bindings::file_operations {}

/// A table that is made when it is first asked for, and never changes.
pub(super) struct Table<T: Callbacks>(SetOnce<Shared<T>>);

struct Shared<T: Callbacks>(T);

// SAFETY: What a table of callbacks points to is good on any CPU.
unsafe impl<T: Callbacks> Send for Shared<T> {}

// SAFETY: As above; and nobody writes to the table once it is made.
unsafe impl<T: Callbacks> Sync for Shared<T> {}

impl<T: Callbacks> Table<T> {
    pub(super) const fn new() -> Self {
        Self(SetOnce::new())
    }

    /// The table, if it has been made.
    pub(super) fn get(&'static self) -> Option<&'static T> {
        self.0.as_ref().map(|table| &table.0)
    }

    /// The table; `make` makes it at the first call. May sleep.
    pub(super) fn get_or_make(&'static self, make: impl Fn() -> T) -> &'static T {
        loop {
            if let Some(table) = self.get() {
                return table;
            }
            if !self.0.populate(Shared(make())) {
                // Another CPU is between the two steps of `populate()`.
                fsleep(Delta::from_micros(1));
            }
        }
    }
}
