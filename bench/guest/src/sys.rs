// SPDX-License-Identifier: GPL-2.0 OR MIT

//! System calls: ioctls, mappings, child processes. The only place where raw pointers are handled.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a page. The benchmark is for x86-64, which has just this.
pub const PAGE: usize = 4096;
/// The same for ioctls.
pub const PAGE_U32: u32 = 4096;

/// Calls a DRM ioctl until no signal interrupts it.
///
/// `number` has to be one whose argument is a `T`.
pub fn ioctl<T>(file: &File, number: u32, argument: &mut T) -> io::Result<()> {
    loop {
        // SAFETY: the kernel reads and writes one `T` at the pointer, which is exclusive.
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

/// The address of an array that an ioctl is to fill or to read.
pub fn address<T, const N: usize>(array: &mut [T; N]) -> u64 {
    array.as_mut_ptr().expose_provenance() as u64
}

/// A shared mapping of device memory, gone when dropped.
pub struct Mapping {
    start: *mut u8,
    len: usize,
}

// SAFETY: it is memory, which any thread may use. What threads do to it at once are volatile
// accesses to device memory, without a promise about their order.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `file` from `offset` on, to read and write.
    pub fn new(file: &File, offset: u64, len: usize) -> io::Result<Self> {
        let offset = offset
            .try_into()
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: the kernel chooses a free address.
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
        })
    }

    /// Writes `value` at the beginning of page `page`.
    pub fn touch(&self, page: usize, value: u32) {
        // SAFETY: `at` is within the mapping.
        unsafe { self.at(page).cast::<u32>().write_volatile(value) }
    }

    /// Writes 1 at the beginning of each of `pages`, with as few instructions of its own as can be:
    /// what is measured is the kernel's work.
    pub fn touch_all(&self, pages: &Touches) {
        assert!(pages.highest < self.len);
        let touch = |&offset: &usize| {
            // SAFETY: No offset is higher than the highest, which is within the mapping.
            unsafe { self.start.add(offset).cast::<u32>().write_volatile(1) }
        };
        // The compiler unrolls a chunk whose length it knows.
        let chunks = pages.offsets.chunks_exact(8);
        let rest = chunks.remainder();
        chunks.for_each(|chunk| chunk.iter().for_each(touch));
        rest.iter().for_each(touch);
    }

    /// What is at the beginning of page `page`.
    pub fn look(&self, page: usize) -> u32 {
        // SAFETY: `at` is within the mapping.
        unsafe { self.at(page).cast::<u32>().read_volatile() }
    }

    /// Writes all of the mapping, in order, eight bytes at a time.
    pub fn fill(&self, value: u64) {
        for word in 0..self.len / size_of::<u64>() {
            // SAFETY: `word` is within the mapping, whose start is page-aligned.
            unsafe { self.start.cast::<u64>().add(word).write_volatile(value) }
        }
    }

    /// The address of page `page`.
    fn at(&self, page: usize) -> *mut u8 {
        assert!(page < self.len / PAGE);
        // SAFETY: within the mapping.
        unsafe { self.start.add(page * PAGE) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing refers to it any more.
        unsafe { libc::munmap(self.start.cast(), self.len) };
    }
}

/// Page faults that this process took so far without I/O.
pub fn faults() -> i64 {
    // SAFETY: all zero is a value of the type.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one `rusage`.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    usage.ru_minflt
}

/// A child process.
pub struct Child(libc::pid_t);

impl Child {
    /// Forks a child that does `work` and ends without any clean-up. The calling process must have
    /// one thread only.
    pub fn run(work: impl FnOnce()) -> io::Result<Self> {
        // SAFETY: there are no other threads that could hold a lock.
        match unsafe { libc::fork() } {
            0 => {
                work();
                // SAFETY: ends the child here.
                unsafe { libc::_exit(0) }
            }
            pid if pid > 0 => Ok(Self(pid)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits until the child has ended well.
    pub fn wait(self) -> io::Result<()> {
        let mut status = 0;
        // SAFETY: the kernel writes one status.
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

/// Pages to touch, in order, made ready for [`Mapping::touch_all`].
pub struct Touches {
    /// Bytes from the start of the mapping.
    offsets: Vec<usize>,
    /// The highest of them.
    highest: usize,
}

impl Touches {
    /// The beginnings of `pages`.
    pub fn new(pages: &[usize]) -> Self {
        let offsets: Vec<usize> = pages.iter().map(|page| page * PAGE).collect();
        let highest = offsets.iter().copied().max().unwrap_or(0);
        Self { offsets, highest }
    }
}

/// A number that child processes share with their parent.
pub struct SharedCounter(NonNull<AtomicU64>);

impl SharedCounter {
    /// A number that is 0.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the kernel chooses a free address.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PAGE,
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
        // SAFETY: a page of zeros, which is never unmapped, holds such a number.
        unsafe { self.0.as_ref() }
    }

    /// What it is now.
    pub fn get(&self) -> u64 {
        self.number().load(Ordering::Relaxed)
    }

    /// Makes it another one.
    pub fn set(&self, value: u64) {
        self.number().store(value, Ordering::Relaxed);
    }

    /// Adds to it. Only one process may do so.
    pub fn add(&self, count: u64) {
        self.set(self.get() + count);
    }
}

/// From now on, this process runs before all that are not of real time: what it leaves to others is
/// done when it waits, and not sooner.
pub fn run_first() -> io::Result<()> {
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: the kernel reads the parameter.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &lowest) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets others have the processor.
pub fn give_way() {
    // SAFETY: it takes no arguments, and does nothing else.
    unsafe { libc::sched_yield() };
}

/// A child process that runs when nothing else does, until this is dropped.
pub struct Idler(libc::pid_t);

impl Idler {
    /// Forks a child that does `work`, which must not end. The calling process must have one thread
    /// only.
    pub fn run(work: impl FnOnce()) -> io::Result<Self> {
        let Child(pid) = Child::run(|| {
            let lowest = libc::sched_param { sched_priority: 0 };
            // SAFETY: the kernel reads the parameter.
            if unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &lowest) } == 0 {
                work();
            }
        })?;
        Ok(Self(pid))
    }
}

impl Drop for Idler {
    fn drop(&mut self) {
        // SAFETY: our child, which has not been waited for.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}
