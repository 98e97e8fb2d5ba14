// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Raw system calls.

use std::ffi::CString;
use std::io;
use std::time::Duration;

/// Bytes of a page. build.rs knows for which guest the fuzzer is built.
pub const PAGE: usize = include!(concat!(env!("OUT_DIR"), "/page.rs"));
/// Pages in a page table, whose entries have eight bytes.
pub const TABLE: usize = PAGE / 8;

/// The number of fadvise64(). Outside x86, it is that of asm-generic/unistd.h, which the libc crate lacks
/// for arm64.
pub const SYS_FADVISE64: libc::c_long = match cfg!(target_arch = "x86_64") {
    true => 221,
    false => 223,
};

/// The return value of a system call, or its error number.
pub type Returned = Result<usize, i32>;

/// Makes the system call `number` with up to six arguments.
///
/// Soundness: callers make only system calls that access the memory their arguments point to. The
/// address ranges that they unmap or overwrite are device mappings or the [`crate::arena`], and no
/// Rust reference points there.
pub fn call(number: libc::c_long, arguments: &[usize]) -> Returned {
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: the callers keep to the rule above.
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
        // No process has addresses with the sign bit of `c_long` set.
        done => Ok(done as usize),
    }
}

/// Converts a file descriptor to an argument.
pub fn fd(fd: i32) -> usize {
    // The kernel uses the low 32 bits.
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

/// Forks. In a process with several threads, the child may only make system calls.
pub fn fork() -> Result<libc::pid_t, i32> {
    // SAFETY: as documented above, the child takes no locks and does not use Rust's allocator.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        pid => Ok(pid),
    }
}

/// Returns an error if the kernel has pages of another size than [`PAGE`].
pub fn check_page_size() -> io::Result<()> {
    // SAFETY: `sysconf()` has no preconditions.
    match unsafe { libc::sysconf(libc::_SC_PAGESIZE) } {
        size if usize::try_from(size) == Ok(PAGE) => Ok(()),
        size => Err(io::Error::other(format!(
            "this fuzzer is for pages of {PAGE} bytes, and the kernel has pages of {size}"
        ))),
    }
}

/// Converts a time to an argument.
pub fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: time.as_secs() as libc::time_t,
        tv_nsec: time.subsec_nanos().into(),
    }
}

/// Waits for `poll` to become ready, at most for a time.
pub fn poll(poll: &mut libc::pollfd, time: Duration) -> Returned {
    let time = timespec(time);
    let (poll, time) = (std::ptr::from_mut(poll), std::ptr::from_ref(&time));
    call(libc::SYS_ppoll, &[poll as usize, 1, time as usize])
}

/// Waits for a signal.
pub fn pause() -> Returned {
    call(libc::SYS_ppoll, &[])
}

/// Ends the process without clean-up.
pub fn exit(status: i32) -> ! {
    // SAFETY: `_exit()` has no preconditions and never returns.
    unsafe { libc::_exit(status) }
}

/// Waits for a child. Returns 0 if no child has ended and `flags` has `WNOHANG`.
pub fn wait(pid: libc::pid_t, flags: i32) -> Result<(libc::pid_t, i32), i32> {
    let mut status = 0;
    // SAFETY: the kernel writes one `c_int` to `status`.
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
    // SAFETY: a new mapping at an address that the kernel chooses affects no other memory.
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

/// Returns the name of an error number.
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
