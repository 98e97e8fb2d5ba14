// SPDX-License-Identifier: GPL-2.0

//! A tmpfs mount of the driver's own, on which shmem files get huge pages.
//!
//! C headers: [`include/linux/fs_context.h`](srctree/include/linux/fs_context.h),
//! [`include/linux/mount.h`](srctree/include/linux/mount.h)
//!
//! - Upstream today: nothing in the kernel crate. In C, `drm_gem_huge_mnt_create()` creates such a
//!   mount for all objects of a DRM device. On 7.3, it stores the error pointer of
//!   `fc_mount_longterm()` as the mount and returns 0, so that no later object can be created. It
//!   also leaks the `fs_context` if tmpfs refuses an option.
//! - The shape it should have: this type, as an argument of the constructor of a shmem file.
//! - Why this is sound on 7.3: a file holds a reference to the mount that it was created on
//!   (`alloc_file_pseudo()` takes it, `__fput()` puts it). So a file may outlive its
//!   [`TmpfsMount`]: the mount then ends with its last file. tmpfs is never a module, and ending a
//!   mount calls no code of this driver, so both may also outlive this module.
//! - Delete when upstream has such a type.

use core::ptr::NonNull;
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

// Defined in helpers.c; put_fs_context() in fs/fs_context.c, whose header the kernel crate leaves
// out.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_has_huge_tmpfs() -> bool;
    fn barium_fs_context_for_internal_mount(
        fs_type: *mut bindings::file_system_type,
    ) -> *mut bindings::fs_context;
    fn barium_parse_fs_string(
        fc: *mut bindings::fs_context,
        key: *const c_char,
        value: *const c_char,
    ) -> c_int;
    fn put_fs_context(fc: *mut bindings::fs_context);
}

/// An internal mount of tmpfs: no program can see it or open a file on it. Dropping it may sleep.
///
/// # Invariants
///
/// The pointer is to a mount of tmpfs, to which this object owns the long-term reference.
pub(crate) struct TmpfsMount(NonNull<bindings::vfsmount>);

// SAFETY: Any thread may release the mount.
unsafe impl Send for TmpfsMount {}

// SAFETY: Several threads may create files on a mount at once.
unsafe impl Sync for TmpfsMount {}

impl TmpfsMount {
    /// Creates a mount whose files get a huge page for each part of that size and alignment that
    /// lies wholly within the file (`huge=within_size`), if memory has one: also for a part of
    /// which only one page is accessed. May sleep.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if the kernel or the CPU has no huge pages, or if the kernel has no tmpfs;
    /// `ENOMEM`.
    pub(crate) fn with_huge_pages() -> Result<Self> {
        // SAFETY: The function has no preconditions.
        if !unsafe { barium_has_huge_tmpfs() } {
            return Err(EOPNOTSUPP);
        }
        let context = FsContext::new(c"tmpfs")?;
        context.set(c"huge", c"within_size")?;
        // INVARIANT: `fc_mount_longterm()` returned the mount, with the long-term reference.
        Ok(Self(context.mount()?))
    }

    /// Returns the C struct. It is valid until the [`TmpfsMount`] is dropped.
    pub(super) fn as_ptr(&self) -> *mut bindings::vfsmount {
        self.0.as_ptr()
    }
}

impl Drop for TmpfsMount {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this object owns the long-term reference to the mount.
        unsafe { bindings::kern_unmount(self.0.as_ptr()) };
    }
}

/// The configuration of an internal mount that is about to be created.
///
/// # Invariants
///
/// The pointer is to a valid `fs_context` that was created with `SB_KERNMOUNT`. This object owns
/// it.
struct FsContext(NonNull<bindings::fs_context>);

impl FsContext {
    /// Creates the context of a mount of the file system `name`, with the default options.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` if the kernel does not have this file system; `ENOMEM`.
    fn new(name: &CStr) -> Result<Self> {
        // SAFETY: The name is null-terminated.
        let fs_type = unsafe { bindings::get_fs_type(name.as_char_ptr()) };
        let fs_type = NonNull::new(fs_type).ok_or(EOPNOTSUPP)?;
        let fs_type = fs_type.as_ptr();
        // SAFETY: `get_fs_type()` returned the type.
        let context = from_err_ptr(unsafe { barium_fs_context_for_internal_mount(fs_type) })?;
        // INVARIANT: The context was created above, with `SB_KERNMOUNT`.
        Ok(Self(NonNull::new(context).ok_or(ENOMEM)?))
    }

    /// Creates the mount. The caller owns the long-term reference to it, for `kern_unmount()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    fn mount(self) -> Result<NonNull<bindings::vfsmount>> {
        // SAFETY: By the type invariants, the context is valid. No other mount has been created
        // from it, because this method consumes it.
        let mount = from_err_ptr(unsafe { bindings::fc_mount_longterm(self.0.as_ptr()) })?;
        NonNull::new(mount).ok_or(ENOMEM)
    }

    /// Sets the option `key` to `value`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the file system refuses it; `ENOMEM`.
    fn set(&self, key: &CStr, value: &CStr) -> Result {
        let (key, value) = (key.as_char_ptr(), value.as_char_ptr());
        // SAFETY: By the type invariants, the context is valid. The strings are null-terminated.
        to_result(unsafe { barium_parse_fs_string(self.0.as_ptr(), key, value) })
    }
}

impl Drop for FsContext {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this object owns the context.
        unsafe { put_fs_context(self.0.as_ptr()) };
    }
}
