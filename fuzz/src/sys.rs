// SPDX-License-Identifier: GPL-2.0 OR MIT

//! System calls, in the raw form that a fuzzer needs.

use std::ffi::CString;
use std::io;

/// Bytes of a page. The fuzzer is for x86-64, which has just this.
pub const PAGE: usize = 4096;

/// What a system call returned, or its error number.
pub type Returned = Result<usize, i32>;

/// System call `number` with up to six arguments.
///
/// The fuzzer's rule, which makes this sound: only calls that read and write the memory that their
/// arguments point to are made, and what is unmapped or mapped over is mapped memory of the device
/// or the [`crate::arena`], to which no Rust reference exists.
pub fn call(number: libc::c_long, arguments: &[usize]) -> Returned {
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: by the rule above.
    let done = unsafe {
        libc::syscall(
            number,
            argument(0),
            argument(1),
            argument(2),
            argument(3),
            argument(4),
            argument(5),
        )
    };
    match done {
        -1 => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        // An address may have the sign bit of `c_long` set in no process.
        done => Ok(done as usize),
    }
}

/// A file descriptor as an argument.
pub fn fd(fd: i32) -> usize {
    // The kernel takes the low 32 bits of it.
    fd as usize
}

/// Opens `path`.
pub fn open(path: &str, flags: i32) -> Result<i32, i32> {
    let path = CString::new(path).map_err(|_| libc::EINVAL)?;
    call(
        libc::SYS_openat,
        &[
            libc::AT_FDCWD as usize,
            path.as_ptr() as usize,
            flags as usize,
        ],
    )
    .map(|fd| fd as i32)
}

/// Writes `text` to a file of sysfs or procfs.
pub fn write_file(path: &str, text: &str) -> Returned {
    let file = open(path, libc::O_WRONLY | libc::O_CLOEXEC)?;
    let done = call(
        libc::SYS_write,
        &[fd(file), text.as_ptr() as usize, text.len()],
    );
    let _ = call(libc::SYS_close, &[fd(file)]);
    done
}

/// Starts a process. In a process with several threads the child may only make system calls.
pub fn fork() -> Result<libc::pid_t, i32> {
    // SAFETY: the child keeps to what is said above: no locks, no memory of Rust's allocator.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        pid => Ok(pid),
    }
}

/// Ends the process without any clean-up.
pub fn exit(status: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(status) }
}

/// Waits for a child; 0 if none of them has ended and `flags` has `WNOHANG`.
pub fn wait(pid: libc::pid_t, flags: i32) -> Result<(libc::pid_t, i32), i32> {
    let mut status = 0;
    // SAFETY: the kernel writes one status.
    match unsafe { libc::waitpid(pid, &mut status, flags) } {
        -1 => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        pid => Ok((pid, status)),
    }
}

/// Sends a signal.
pub fn kill(pid: libc::pid_t, signal: i32) -> Returned {
    call(libc::SYS_kill, &[pid as usize, signal as usize])
}

/// Maps `len` bytes that child processes share.
pub fn map_shared(len: usize) -> io::Result<*mut u8> {
    // SAFETY: the kernel chooses a free address.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(start.cast())
}

/// The name of an error number.
pub fn error_name(error: i32) -> String {
    const NAMES: &[(i32, &str)] = &[
        (libc::EPERM, "EPERM"),
        (libc::ENOENT, "ENOENT"),
        (libc::ESRCH, "ESRCH"),
        (libc::EINTR, "EINTR"),
        (libc::EIO, "EIO"),
        (libc::ENXIO, "ENXIO"),
        (libc::EBADF, "EBADF"),
        (libc::EAGAIN, "EAGAIN"),
        (libc::ENOMEM, "ENOMEM"),
        (libc::EACCES, "EACCES"),
        (libc::EFAULT, "EFAULT"),
        (libc::EBUSY, "EBUSY"),
        (libc::EEXIST, "EEXIST"),
        (libc::ENODEV, "ENODEV"),
        (libc::EINVAL, "EINVAL"),
        (libc::ENOTTY, "ENOTTY"),
        (libc::ENOSPC, "ENOSPC"),
        (libc::EOPNOTSUPP, "EOPNOTSUPP"),
        (libc::ENOSYS, "ENOSYS"),
        (libc::EOVERFLOW, "EOVERFLOW"),
    ];
    NAMES
        .iter()
        .find(|(number, _)| *number == error)
        .map_or_else(|| format!("errno {error}"), |(_, name)| (*name).into())
}
