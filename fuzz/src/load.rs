// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The load of the soak test: processes that use the device like ordinary programs. When the device
//! disappears, they open it again after it returns. Each runs until it is killed.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::time::{Duration, Instant};

use crate::abi;
use crate::device::Place;
use crate::execute::{self, Ground};
use crate::probe;
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
    pub fn run(self, ground: &Ground, seed: u64, count: &dyn Fn()) -> ! {
        probe::catch();
        let mut random = Random::new(seed);
        let place = &ground.display().place;
        loop {
            // Failures come from an unbound device or from full VRAM: continue with the next round.
            let _ = match self {
                Load::Draw => draw(place, &mut random),
                Load::Churn => churn(place, &mut random),
                Load::Fork => fork(place, &mut random),
                Load::Share => share(place, &mut random),
                Load::Fuzz => fuzz(ground, &mut random),
                Load::Press => press(),
                Load::Unbind => unbind(place),
            };
            count();
        }
    }
}

/// Opens the device.
fn open(place: &Place) -> Result<File, i32> {
    let node = place.node("renderD").ok_or_else(|| {
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
        probe::store(self.start + page * PAGE, word)
    }

    fn read(&self, page: usize) -> Result<u64, i32> {
        probe::load(self.start + page * PAGE)
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
fn sure<T>(done: Result<T, i32>) -> T {
    match done {
        Ok(value) => value,
        Err(signal) => {
            println!("an access to a mapping got signal {signal}");
            sys::exit(WRONG)
        }
    }
}

fn draw(place: &Place, random: &mut Random) -> Result<(), i32> {
    let file = open(place)?;
    let pages = 1 + random.below(1024);
    let map = Mapping::new(&file, create(&file, pages)?, pages)?;
    for page in 0..pages {
        sure(map.write(page, page as u64 + 1));
    }
    for page in 0..pages {
        let word = sure(map.read(page));
        // After unplug, a word is zero or what was written to any page.
        if word > pages as u64 {
            println!("page {page} of {pages} reads {word:#x}");
            sys::exit(WRONG);
        }
    }
    Ok(())
}

fn churn(place: &Place, random: &mut Random) -> Result<(), i32> {
    let file = open(place)?;
    for _ in 0..50 {
        let handle = create(&file, 1 + random.below(20))?;
        if random.below(4) == 0 {
            let map = Mapping::new(&file, handle, 1)?;
            let word = sure(map.read(0));
            if word != 0 {
                println!("a new object reads {word:#x}");
                sys::exit(WRONG);
            }
            sure(map.write(0, 1));
        }
        let mut argument = abi::drm_gem_close { handle, pad: 0 };
        ioctl(&file, abi::FUZZ_GEM_CLOSE, &mut argument)?;
    }
    Ok(())
}

fn fork(place: &Place, random: &mut Random) -> Result<(), i32> {
    let file = open(place)?;
    let pages = 1 + random.below(600);
    let map = Mapping::new(&file, create(&file, pages)?, pages)?;
    drop(file);
    let mut children = Vec::new();
    for number in 0..3 {
        match sys::fork()? {
            0 => {
                for page in (number..pages).step_by(7) {
                    sure(map.write(page, 7));
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

fn share(place: &Place, random: &mut Random) -> Result<(), i32> {
    let (one, other) = (open(place)?, open(place)?);
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
        sure(map.write(page, 5));
        sure(same.read(page));
    }
    Ok(())
}

/// Runs a program in a process of its own, and kills the process if it takes too long.
fn fuzz(ground: &Ground, random: &mut Random) -> Result<(), i32> {
    let program = Program::random(random);
    let child = match sys::fork()? {
        0 => {
            let _ = sys::call(libc::SYS_setpgid, &[0, 0]);
            execute::execute(ground, &program, None)
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

fn unbind(place: &Place) -> Result<(), i32> {
    std::thread::sleep(BOUND);
    let (path, text) = place.action(0);
    let _ = sys::write_file(&path, text);
    std::thread::sleep(UNBOUND);
    if let Err(why) = place.bind() {
        println!("{why}");
        sys::exit(WRONG);
    }
    Ok(())
}
