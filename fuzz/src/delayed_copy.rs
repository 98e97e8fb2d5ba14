// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Delayed copies of ioctl arguments. If the argument is in a page registered with userfaultfd, the
//! ioctl blocks where the kernel copies it, and the device can be unplugged before the copy
//! completes. At that point an atomic commit has already begun, and DRM does not check again; DRM
//! refuses the other ioctls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::abi;
use crate::sys::{self, Returned, PAGE};

/// Polling interval while the kernel has not accessed the argument.
const LOOK: Duration = Duration::from_millis(5);

/// A missing page that userfaultfd provides.
struct UserfaultPage {
    address: usize,
    fd: i32,
}

impl UserfaultPage {
    fn new() -> Result<Self, i32> {
        let flags = (libc::O_CLOEXEC | libc::O_NONBLOCK) as usize;
        let fd = sys::call(libc::SYS_userfaultfd, &[flags])? as i32;
        let prot = (libc::PROT_READ | libc::PROT_WRITE) as usize;
        let how = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
        let map = [0, PAGE, prot, how, usize::MAX, 0];
        let page = Self {
            fd,
            address: sys::call(libc::SYS_mmap, &map).unwrap_or(0),
        };
        let mut api = abi::uffdio_api {
            api: u64::from(abi::FUZZ_UFFD_API),
            features: 0,
            ioctls: 0,
        };
        page.ask(abi::FUZZ_UFFDIO_API, &mut api)?;
        let mut register = abi::uffdio_register {
            range: abi::uffdio_range {
                start: page.address as u64,
                len: PAGE as u64,
            },
            mode: abi::FUZZ_UFFDIO_MISSING.into(),
            ioctls: 0,
        };
        page.ask(abi::FUZZ_UFFDIO_REGISTER, &mut register)?;
        Ok(page)
    }

    fn ask<T>(&self, request: u32, argument: &mut T) -> Returned {
        let argument = std::ptr::from_mut(argument) as usize;
        let ioctl = [sys::fd(self.fd), request as usize, argument];
        sys::call(libc::SYS_ioctl, &ioctl)
    }

    /// Waits until the kernel accesses the page or `over` is set. Returns true for an access.
    fn wait(&self, over: &AtomicBool) -> bool {
        let mut poll = libc::pollfd {
            fd: self.fd,
            events: libc::POLLIN,
            revents: 0,
        };
        while !over.load(Ordering::Acquire) {
            if sys::poll(&mut poll, LOOK) == Ok(1) {
                return true;
            }
        }
        false
    }

    /// Provides the page; `argument` is at its start.
    fn provide<T>(&self, argument: &T) {
        let mut content = [0u8; PAGE];
        let len = size_of::<T>().min(PAGE);
        // SAFETY: both buffers have at least `len` bytes, and all bytes of an ioctl's argument are
        // initialised.
        unsafe {
            let from = std::ptr::from_ref(argument).cast();
            std::ptr::copy_nonoverlapping(from, content.as_mut_ptr(), len);
        }
        let mut copy = abi::uffdio_copy {
            dst: self.address as u64,
            src: content.as_ptr() as u64,
            len: PAGE as u64,
            mode: 0,
            copy: 0,
        };
        let _ = self.ask(abi::FUZZ_UFFDIO_COPY, &mut copy);
    }
}

impl Drop for UserfaultPage {
    fn drop(&mut self) {
        let _ = sys::call(libc::SYS_munmap, &[self.address, PAGE]);
        let _ = sys::call(libc::SYS_close, &[sys::fd(self.fd)]);
    }
}

/// Makes `call` with the address of a copy of `argument` whose page appears only after `meanwhile`
/// has run. On a kernel without userfaultfd, makes `call` without a delay.
pub fn with_delayed_copy<T: Copy + Sync>(
    argument: &mut T,
    meanwhile: impl FnOnce() + Send,
    call: impl FnOnce(usize) -> Returned,
) -> Returned {
    let Ok(page) = UserfaultPage::new() else {
        return call(std::ptr::from_mut(argument) as usize);
    };
    let over = AtomicBool::new(false);
    let given = *argument;
    let done = thread::scope(|scope| {
        scope.spawn(|| {
            if page.wait(&over) {
                meanwhile();
            }
            page.provide(&given);
        });
        let done = call(page.address);
        over.store(true, Ordering::Release);
        done
    });
    // SAFETY: the page is mapped by now, and the kernel or `provide()` has written a `T` at its
    // start.
    *argument = unsafe { std::ptr::read_volatile(page.address as *const T) };
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_that_nobody_wants_comes_too() {
        let mut argument = 5u64;
        let done = with_delayed_copy(&mut argument, || panic!("nobody wants it"), |_| Ok(3));
        assert_eq!((done, argument), (Ok(3), 5));
    }
}
