// SPDX-License-Identifier: GPL-2.0

//! Files of a DRM device in debugfs, in the directory that DRM creates for the device.
//!
//! - Upstream today: [`kernel::debugfs`] creates directories and files of its own. It cannot add a
//!   file to the directory of a DRM device, and its files do not keep the module loaded while they
//!   are open.
//! - The shape it should have: [`File`], and a method of `drm::Device<T, Registered>` that adds
//!   one.
//! - Why this is sound on 7.3: [`add`] gets a device that is registered, so `drm_dev_unplug()`
//!   waits until it returns, and then removes the directory (`drm_debugfs_dev_fini()`). If
//!   registration fails, the release of the device removes it. A removal waits until no callback
//!   runs, except for `release`, and lets no other callback begin (`debugfs_file_get()` in
//!   `fs/debugfs/file.c`). So the device is valid in each callback. `release` uses the `seq_file`
//!   only. The module stays loaded while a file is open, because it is the owner of the file
//!   operations.
//! - Delete when upstream has such a method.
//!
//! # After unbind
//!
//! The removal of a file waits for a callback that runs. So a callback that takes long enters a
//! `registration_guard()` for each step, and ends once the device is unplugged. After that,
//! accesses to the open file fail with `EIO`, and no program can open it.
//!
//! C headers: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h),
//! [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)

use super::raw;
use core::marker::PhantomData;
use kernel::{
    bindings,
    drm::{
        self,
        Ioctl,
        Registered, //
    },
    error::from_result,
    module::this_module,
    prelude::*,
    seq_file::SeqFile,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// The maximum number of bytes that a program can write to a file at once.
const MAX_WRITE: usize = 64;

/// A file of each device of driver `D`. Only root can open it.
pub(crate) trait File<D: drm::Driver>: Sized + 'static {
    /// The name of the file.
    const NAME: &'static CStr;

    /// The permissions of the file: those of the owner.
    const MODE: u16 = 0o400;

    /// Prints the content of the file. The kernel calls this again, with a larger buffer, if the
    /// content does not fit.
    ///
    /// # Errors
    ///
    /// `read()` fails with the error.
    fn show(dev: &drm::Device<D, Ioctl>, out: &SeqFile) -> Result;

    /// Handles `text`, which a program has written to the file. It can do so only if [`Self::MODE`]
    /// allows it.
    ///
    /// # Errors
    ///
    /// `write()` fails with the error.
    fn write(_dev: &drm::Device<D, Ioctl>, _text: &[u8]) -> Result {
        Err(EINVAL)
    }
}

/// Adds the file `F` to the directory of `dev`. DRM removes it when the device is unplugged. Does
/// nothing if debugfs has no such directory, or if the kernel lacks debugfs.
pub(crate) fn add<D: drm::Driver, F: File<D>>(dev: &drm::Device<D, Registered>) {
    let dev = raw::drm_device(dev);
    // SAFETY: The device is valid. By its type state, this is inside a `drm_dev_enter()` section,
    // and `drm_dev_unplug()` changes the field only after that section has ended.
    let dir = unsafe { (*dev).debugfs_root };
    if dir.is_null() {
        return;
    }
    #[cfg(CONFIG_DEBUG_FS)]
    // SAFETY: The name is null-terminated. The directory is valid, or an error pointer, for which
    // the function does nothing. The callbacks are those for a file with a device of driver `D` as
    // its private data, which is valid until DRM has removed the file. A driver can ignore errors
    // of debugfs.
    unsafe {
        bindings::debugfs_create_file_full(
            F::NAME.as_char_ptr(),
            F::MODE & 0o600,
            dir,
            dev.cast(),
            core::ptr::null(),
            &Callbacks::<D, F>::FOPS,
        )
    };
    #[cfg(not(CONFIG_DEBUG_FS))]
    let _ = Callbacks::<D, F>::FOPS;
}

/// The callbacks of the file `F` of a device of driver `D`.
struct Callbacks<D, F>(PhantomData<fn() -> (D, F)>);

impl<D: drm::Driver, F: File<D>> Callbacks<D, F> {
    const FOPS: bindings::file_operations = bindings::file_operations {
        owner: this_module::<D::OwnerModule>().as_ptr(),
        open: Some(Self::open),
        read: Some(bindings::seq_read),
        write: Some(Self::write),
        llseek: Some(bindings::seq_lseek),
        release: Some(bindings::single_release),
        ..pin_init::zeroed()
    };

    /// Returns the device that is the private data of a file.
    ///
    /// # Safety
    ///
    /// For `'a`, `dev` must be the private data of a file of [`add`], in a callback of this file
    /// other than `release`.
    unsafe fn device<'a>(dev: *mut c_void) -> &'a drm::Device<D, Ioctl> {
        // SAFETY: The private data is a device of driver `D`, which has been registered. Its
        // release waits for the callback.
        unsafe { drm::Device::from_raw(dev.cast::<bindings::drm_device>()) }
    }

    /// `file_operations.open`.
    ///
    /// # Safety
    ///
    /// Only debugfs may call it, for a file of [`add`].
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: These are the arguments of this callback. The `seq_file` passes the private data
        // of the inode on to `show()`.
        unsafe { bindings::single_open(file, Some(Self::show), (*inode).i_private) }
    }

    /// `seq_operations.show`.
    ///
    /// # Safety
    ///
    /// Only a `seq_file` that `open()` has set up may call it.
    unsafe extern "C" fn show(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int {
        // SAFETY: `open()` has set the private data. `seq_read()` calls this in the callback
        // `read`.
        let dev = unsafe { Self::device((*seq).private) };
        // SAFETY: The `seq_file` is valid, and the caller has locked it.
        let out = unsafe { SeqFile::from_raw(seq) };
        from_result(|| F::show(dev, out).map(|()| 0))
    }

    /// `file_operations.write`.
    ///
    /// # Safety
    ///
    /// Only debugfs may call it, for an open file of [`add`].
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        buf: *const c_char,
        len: usize,
        _pos: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: `single_open()` has stored the `seq_file` as the private data of the open file.
        let seq = unsafe { (*file).private_data }.cast::<bindings::seq_file>();
        // SAFETY: `open()` has set the private data of the `seq_file`. This is the callback
        // `write`.
        let dev = unsafe { Self::device((*seq).private) };
        from_result(|| {
            let mut text = [0; MAX_WRITE];
            let text = text.get_mut(..len).ok_or(EINVAL)?;
            let from = UserPtr::from_ptr(buf.cast_mut().cast());
            UserSlice::new(from, len).reader().read_slice(text)?;
            F::write(dev, text)?;
            Ok(isize::try_from(len)?)
        })
    }
}
