// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The load of the soak test: processes that use the device like ordinary programs. When the device
//! disappears, they open it again after it returns. Each runs until it is killed.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::time::{Duration, Instant};

use crate::abi;
use crate::device::PciDevice;
use crate::execute::{self, Environment};
use crate::faulting_access;
use crate::program::{Program, Random};
use crate::sys::{self, Returned, PAGE};

/// Bytes allocated by the process that causes memory pressure.
const PRESSURE: usize = 192 << 20;
/// How long the device stays bound, and unbound.
const BOUND: Duration = Duration::from_secs(3);
const UNBOUND: Duration = Duration::from_millis(200);

/// The work of one process of the load.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// Draws into large objects and reads them back.
    Draw,
    /// Creates and closes small objects.
    Churn,
    /// Forks children that touch its mapping.
    Fork,
    /// Shares objects with itself through dma-bufs.
    Share,
    /// Runs programs of the fuzzer.
    Fuzz,
    /// Allocates and frees memory.
    Press,
    /// Unbinds and binds the device.
    Unbind,
}

/// All processes of the load.
pub const ALL: &[Load] = &[
    Load::Draw,
    Load::Draw,
    Load::Churn,
    Load::Fork,
    Load::Share,
    Load::Fuzz,
    Load::Fuzz,
    Load::Press,
    Load::Unbind,
];

impl Load {
    /// Runs for ever; `count` counts the rounds.
    pub fn run(self, env: &Environment, seed: u64, count: &dyn Fn()) -> ! {
        faulting_access::catch();
        let mut random = Random::new(seed);
        let device = &env.display().device;
        loop {
            // Failures come from an unbound device or from full VRAM: continue with the next round.
            let _ = match self {
                Load::Draw => draw(device, &mut random),
                Load::Churn => churn(device, &mut random),
                Load::Fork => fork(device, &mut random),
                Load::Share => share(device, &mut random),
                Load::Fuzz => fuzz(env, &mut random),
                Load::Press => press(),
                Load::Unbind => unbind(device),
            };
            count();
        }
    }
}

/// Opens the device.
fn open(device: &PciDevice) -> Result<File, i32> {
    let node = device.node("renderD").ok_or_else(|| {
        std::thread::sleep(Duration::from_millis(50));
        libc::ENODEV
    })?;
    let fd = sys::open(&node, libc::O_RDWR | libc::O_CLOEXEC)?;
    // SAFETY: the descriptor was just opened, and nothing else owns it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

fn ioctl<T>(file: &File, request: u32, argument: &mut T) -> Returned {
    let pointer = std::ptr::from_mut(argument) as usize;
    let fd = sys::fd(file.as_raw_fd());
    sys::call(libc::SYS_ioctl, &[fd, request as usize, pointer])
}

fn create(file: &File, pages: usize) -> Result<u32, i32> {
    let mut argument = abi::drm_barium_gem_create {
        size: (pages * PAGE) as u64,
        flags: 0,
        handle: 0,
    };
    ioctl(file, abi::FUZZ_GEM_CREATE, &mut argument).map(|_| argument.handle)
}

/// A mapping of a whole object; unmapped when dropped.
struct Mapping {
    start: usize,
    pages: usize,
}

impl Mapping {
    fn new(file: &File, handle: u32, pages: usize) -> Result<Self, i32> {
        let mut argument = abi::drm_barium_gem_mmap_offset {
            handle,
            pad: 0,
            offset: 0,
        };
        ioctl(file, abi::FUZZ_GEM_MMAP_OFFSET, &mut argument)?;
        Self::of(file.as_raw_fd(), argument.offset as usize, pages)
    }

    fn of(fd: i32, offset: usize, pages: usize) -> Result<Self, i32> {
        let prot = (libc::PROT_READ | libc::PROT_WRITE) as usize;
        let shared = libc::MAP_SHARED as usize;
        let arguments = [0, pages * PAGE, prot, shared, sys::fd(fd), offset];
        sys::call(libc::SYS_mmap, &arguments).map(|start| Self { start, pages })
    }

    fn write(&self, page: usize, word: u64) -> Result<(), i32> {
        faulting_access::store(self.start + page * PAGE, word)
    }

    fn read(&self, page: usize) -> Result<u64, i32> {
        faulting_access::load(self.start + page * PAGE)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let _ = sys::call(libc::SYS_munmap, &[self.start, self.pages * PAGE]);
    }
}

/// Exit status of a process that has found a bug.
pub const WRONG: i32 = 3;

/// A signal on an access ends the process, which the soak test counts as a failure.
fn expect_no_signal<T>(done: Result<T, i32>) -> T {
    match done {
        Ok(value) => value,
        Err(signal) => {
            println!("an access to a mapping got signal {signal}");
            sys::exit(WRONG)
        }
    }
}

fn draw(device: &PciDevice, random: &mut Random) -> Result<(), i32> {
    let file = open(device)?;
    let pages = 1 + random.below(1024);
    let map = Mapping::new(&file, create(&file, pages)?, pages)?;
    for page in 0..pages {
        expect_no_signal(map.write(page, page as u64 + 1));
    }
    for page in 0..pages {
        let word = expect_no_signal(map.read(page));
        // After unplug, a word is zero or what was written to any page.
        if word > pages as u64 {
            println!("page {page} of {pages} reads {word:#x}");
            sys::exit(WRONG);
        }
    }
    Ok(())
}

fn churn(device: &PciDevice, random: &mut Random) -> Result<(), i32> {
    let file = open(device)?;
    for _ in 0..50 {
        let handle = create(&file, 1 + random.below(20))?;
        if random.below(4) == 0 {
            let map = Mapping::new(&file, handle, 1)?;
            let word = expect_no_signal(map.read(0));
            if word != 0 {
                println!("a new object reads {word:#x}");
                sys::exit(WRONG);
            }
            expect_no_signal(map.write(0, 1));
        }
        let mut argument = abi::drm_gem_close { handle, pad: 0 };
        ioctl(&file, abi::FUZZ_GEM_CLOSE, &mut argument)?;
    }
    Ok(())
}

fn fork(device: &PciDevice, random: &mut Random) -> Result<(), i32> {
    let file = open(device)?;
    let pages = 1 + random.below(600);
    let map = Mapping::new(&file, create(&file, pages)?, pages)?;
    drop(file);
    let mut children = Vec::new();
    for number in 0..3 {
        match sys::fork()? {
            0 => {
                for page in (number..pages).step_by(7) {
                    expect_no_signal(map.write(page, 7));
                }
                sys::exit(0);
            }
            child => children.push(child),
        }
    }
    for child in children {
        let (_, status) = sys::wait(child, 0)?;
        if status != 0 {
            println!("a child ended with status {status:#x}");
            sys::exit(WRONG);
        }
    }
    Ok(())
}

fn share(device: &PciDevice, random: &mut Random) -> Result<(), i32> {
    let (one, other) = (open(device)?, open(device)?);
    let pages = 1 + random.below(64);
    let handle = create(&one, pages)?;
    let mut export = abi::drm_prime_handle {
        handle,
        flags: libc::O_RDWR as u32,
        fd: -1,
    };
    ioctl(&one, abi::FUZZ_HANDLE_TO_FD, &mut export)?;
    // SAFETY: the descriptor was just created, and nothing else owns it.
    let buffer = unsafe { File::from_raw_fd(export.fd) };
    let mut import = abi::drm_prime_handle {
        handle: 0,
        flags: 0,
        fd: buffer.as_raw_fd(),
    };
    ioctl(&other, abi::FUZZ_FD_TO_HANDLE, &mut import)?;
    drop(one);
    let map = Mapping::of(buffer.as_raw_fd(), 0, pages)?;
    let same = Mapping::new(&other, import.handle, pages)?;
    for page in 0..pages {
        expect_no_signal(map.write(page, 5));
        expect_no_signal(same.read(page));
    }
    Ok(())
}

/// Runs a program in a process of its own, and kills the process if it takes too long.
fn fuzz(env: &Environment, random: &mut Random) -> Result<(), i32> {
    let program = Program::random(random);
    let child = match sys::fork()? {
        0 => {
            let _ = sys::call(libc::SYS_setpgid, &[0, 0]);
            execute::execute(env, &program, None)
        }
        child => child,
    };
    let start = Instant::now();
    while sys::wait(child, libc::WNOHANG)? == (0, 0) {
        std::thread::sleep(Duration::from_millis(2));
        if start.elapsed() > Duration::from_secs(30) {
            sys::kill(-child, libc::SIGKILL)?;
        }
    }
    let _ = sys::kill(-child, libc::SIGKILL);
    Ok(())
}

fn press() -> Result<(), i32> {
    let mut memory = vec![0u8; PRESSURE];
    for page in memory.chunks_mut(PAGE) {
        page[0] = 1;
    }
    drop(std::hint::black_box(memory));
    std::thread::sleep(Duration::from_millis(500));
    Ok(())
}

fn unbind(device: &PciDevice) -> Result<(), i32> {
    std::thread::sleep(BOUND);
    let (path, text) = device.action(0);
    let _ = sys::write_file(&path, text);
    std::thread::sleep(UNBOUND);
    if let Err(why) = device.bind() {
        println!("{why}");
        sys::exit(WRONG);
    }
    Ok(())
}
