// SPDX-License-Identifier: GPL-2.0 OR MIT

//! System calls: ioctls, mappings, child processes. No other module uses raw pointers.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::OnceLock;

/// Returns the bytes of a page.
pub fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        // SAFETY: `sysconf()` has no preconditions.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(size).expect("each kernel has a page size")
    })
}

/// Makes a DRM ioctl and repeats it while a signal interrupts it.
///
/// `number` must be an ioctl whose argument is a `T`.
pub fn ioctl<T>(file: &File, number: u32, argument: &mut T) -> io::Result<()> {
    loop {
        // SAFETY: the kernel reads and writes one `T` at the pointer, and the reference is exclusive.
        let done = unsafe { libc::ioctl(file.as_raw_fd(), number.into(), &raw mut *argument) };
        if done == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Returns the address of an array that an ioctl fills or reads.
pub fn address<T, const N: usize>(array: &mut [T; N]) -> u64 {
    array.as_mut_ptr().expose_provenance() as u64
}

/// A shared mapping of device memory; unmapped when dropped.
pub struct Mapping {
    start: *mut u8,
    len: usize,
    /// Bytes of a page.
    page_size: usize,
}

// SAFETY: a mapping can be used by any thread. All accesses are volatile accesses to device
// memory; concurrent ones have no defined order.
unsafe impl Send for Mapping {}
// SAFETY: as for `Send`, all accesses through a shared reference are volatile.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `file` at `offset`, readable and writable.
    pub fn new(file: &File, offset: u64, len: usize) -> io::Result<Self> {
        let offset = offset
            .try_into()
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: a new mapping at an address that the kernel chooses affects no other memory.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            start: start.cast(),
            len,
            page_size: page_size(),
        })
    }

    /// Writes `value` to the start of page `page`.
    pub fn touch(&self, page: usize, value: u32) {
        // SAFETY: `at()` returns an address within the mapping.
        unsafe { self.at(page).cast::<u32>().write_volatile(value) }
    }

    /// Writes 1 to the start of each of `pages` with as few instructions as possible: the kernel's
    /// work is to be measured.
    pub fn touch_all(&self, pages: &TouchOffsets) {
        assert!(pages.highest < self.len);
        let touch = |&offset: &usize| {
            // SAFETY: no offset exceeds `highest`, which is within the mapping.
            unsafe { self.start.add(offset).cast::<u32>().write_volatile(1) }
        };
        // The compiler unrolls the loop over a chunk of constant length.
        let chunks = pages.offsets.chunks_exact(8);
        let rest = chunks.remainder();
        chunks.for_each(|chunk| chunk.iter().for_each(touch));
        rest.iter().for_each(touch);
    }

    /// Reads the start of page `page`.
    pub fn read_page(&self, page: usize) -> u32 {
        // SAFETY: `at()` returns an address within the mapping.
        unsafe { self.at(page).cast::<u32>().read_volatile() }
    }

    /// Returns the length in bytes.
    pub fn bytes(&self) -> u64 {
        u64::try_from(self.len).expect("no machine has more")
    }

    /// Writes the whole mapping in order, eight bytes at a time.
    pub fn fill(&self, value: u64) {
        for word in 0..self.len / size_of::<u64>() {
            // SAFETY: `word` is within the mapping, whose start is page-aligned.
            unsafe { self.start.cast::<u64>().add(word).write_volatile(value) }
        }
    }

    /// Returns the address of page `page`.
    fn at(&self, page: usize) -> *mut u8 {
        let offset = page * self.page_size;
        assert!(offset < self.len);
        // SAFETY: the address is within the mapping.
        unsafe { self.start.add(offset) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `self` owns the mapping, and no reference to it is left.
        unsafe { libc::munmap(self.start.cast(), self.len) };
    }
}

/// Returns the number of minor page faults of this process.
pub fn faults() -> i64 {
    // SAFETY: all-zero bytes are a valid value of this type.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one `rusage`.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    usage.ru_minflt
}

/// A child process.
pub struct Child(libc::pid_t);

impl Child {
    /// Forks a child that does `work` and ends without clean-up. The calling process must have a
    /// single thread.
    pub fn run(work: impl FnOnce()) -> io::Result<Self> {
        // SAFETY: the process has no other thread that could hold a lock.
        match unsafe { libc::fork() } {
            0 => {
                work();
                // SAFETY: `_exit()` has no preconditions and ends the child.
                unsafe { libc::_exit(0) }
            }
            pid if pid > 0 => Ok(Self(pid)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits until the child ends; fails if its status is not 0.
    pub fn wait(self) -> io::Result<()> {
        let mut status = 0;
        // SAFETY: the kernel writes one `c_int` to `status`.
        if unsafe { libc::waitpid(self.0, &mut status, 0) } != self.0 {
            return Err(io::Error::last_os_error());
        }
        if status != 0 {
            return Err(io::Error::other(format!(
                "a child ended with status {status:#x}"
            )));
        }
        Ok(())
    }
}

/// Pages to touch, in order, prepared for [`Mapping::touch_all`].
pub struct TouchOffsets {
    /// Offsets in the mapping in bytes.
    offsets: Vec<usize>,
    /// The highest offset.
    highest: usize,
}

impl TouchOffsets {
    /// Prepares the starts of `pages`.
    pub fn new(pages: &[usize]) -> Self {
        let offsets: Vec<usize> = pages.iter().map(|page| page * page_size()).collect();
        let highest = offsets.iter().copied().max().unwrap_or(0);
        Self { offsets, highest }
    }
}

/// A number shared by a process and its children.
pub struct SharedCounter(NonNull<AtomicU64>);

impl SharedCounter {
    /// Allocates a number with the value 0.
    pub fn new() -> io::Result<Self> {
        // SAFETY: a new mapping at an address that the kernel chooses affects no other memory.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<AtomicU64>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        match NonNull::new(start.cast()) {
            Some(number) if start != libc::MAP_FAILED => Ok(Self(number)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn number(&self) -> &AtomicU64 {
        // SAFETY: the page is zeroed, which is a valid `AtomicU64`, and never unmapped.
        unsafe { self.0.as_ref() }
    }

    /// Returns the value.
    pub fn get(&self) -> u64 {
        self.number().load(Ordering::Relaxed)
    }

    /// Sets the value.
    pub fn set(&self, value: u64) {
        self.number().store(value, Ordering::Relaxed);
    }

    /// Adds to the value. Only one process may do so.
    pub fn add(&self, count: u64) {
        self.set(self.get() + count);
    }
}

/// Gives the calling process real-time priority: processes without it run only while this one
/// sleeps.
pub fn set_realtime() -> io::Result<()> {
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: the kernel only reads the parameter.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &lowest) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Yields the CPU.
pub fn yield_cpu() {
    // SAFETY: `sched_yield()` has no preconditions.
    unsafe { libc::sched_yield() };
}

/// A child process that runs only when the CPU would idle; ends when this is dropped.
pub struct IdleTask(libc::pid_t);

impl IdleTask {
    /// Forks a child that does `work`, which must not return. The calling process must have a
    /// single thread.
    pub fn run(work: impl FnOnce()) -> io::Result<Self> {
        let Child(pid) = Child::run(|| {
            let lowest = libc::sched_param { sched_priority: 0 };
            // SAFETY: the kernel only reads the parameter.
            if unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &lowest) } == 0 {
                work();
            }
        })?;
        Ok(Self(pid))
    }
}

impl Drop for IdleTask {
    fn drop(&mut self) {
        // SAFETY: the process is our child and has not been waited for, so its PID is still in use.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}
