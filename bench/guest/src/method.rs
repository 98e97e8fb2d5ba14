// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The four ways of mapping device memory that the benchmark compares.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::abi;
use crate::screen::Screen;
use crate::sys::{self, page_size, Mapping};

/// A method of mapping device memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Barium's objects.
    Barium,
    /// qxl's objects: TTM's fault handler, VRAM.
    Ttm,
    /// bochs' dumb buffers: the GEM shmem helpers' fault handler, system memory.
    Shmem,
    /// The PCI BAR in sysfs: `mmap()` creates all page table entries.
    Eager,
}

impl Method {
    /// Returns the method with this name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "barium" => Self::Barium,
            "ttm" => Self::Ttm,
            "shmem" => Self::Shmem,
            "eager" => Self::Eager,
            _ => return None,
        })
    }

    /// Returns its name in the results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Barium => "barium",
            Self::Ttm => "ttm",
            Self::Shmem => "shmem",
            Self::Eager => "eager",
        }
    }

    /// Returns true if it has objects to create and close.
    pub fn has_objects(self) -> bool {
        self != Self::Eager
    }
}

/// An open device.
pub struct Device {
    /// How its memory is mapped.
    pub method: Method,
    file: File,
    /// For sysfs: the offset of the next "object" in the BAR, and the BAR's size, in bytes.
    next: Cell<u64>,
    size: u64,
    /// The device's directory in sysfs.
    sysfs: PathBuf,
}

/// A mappable object of a device.
#[derive(Clone, Copy)]
pub struct Object {
    handle: u32,
    offset: u64,
    len: usize,
}

impl Object {
    /// Returns the length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }
}

impl Device {
    /// Opens the device at this PCI address, such as `0000:00:10.0`.
    pub fn open(method: Method, address: &str) -> io::Result<Self> {
        let sysfs = Path::new("/sys/bus/pci/devices").join(address);
        let path = match method {
            Method::Barium => node(&sysfs, "renderD")?,
            Method::Ttm | Method::Shmem => node(&sysfs, "card")?,
            Method::Eager => sysfs.join("resource0_wc"),
        };
        let file = File::options().read(true).write(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            method,
            file,
            next: Cell::new(0),
            size,
            sysfs,
        })
    }

    /// Returns the device's screen for the two drivers of the same kind of display. qxl is for
    /// another kind.
    pub fn screen(&self) -> io::Result<Option<Screen>> {
        if !matches!(self.method, Method::Barium | Method::Shmem) {
            return Ok(None);
        }
        let path = node(&self.sysfs, "card")?;
        let file = match self.method {
            // `self.file` is the primary node, and only its first opener is DRM master.
            Method::Shmem => self.file.try_clone()?,
            _ => File::options().read(true).write(true).open(path)?,
        };
        Screen::new(file).map(Some)
    }

    /// Returns the physical addresses of the first and last byte of VRAM (BAR 0).
    pub fn vram(&self) -> io::Result<(u64, u64)> {
        bar(&fs::read_to_string(self.sysfs.join("resource"))?)
            .ok_or_else(|| io::Error::other("the device has no VRAM"))
    }

    /// Returns the bytes of available VRAM, if the driver reports them.
    pub fn vram_available(&self) -> io::Result<Option<u64>> {
        if self.method != Method::Barium {
            return Ok(None);
        }
        let mut argument = abi::drm_barium_get_param {
            param: abi::BARIUM_PARAM_VRAM_AVAILABLE,
            pad: 0,
            value: 0,
        };
        sys::ioctl(&self.file, abi::BENCH_BARIUM_GET_PARAM, &mut argument)?;
        Ok(Some(argument.value))
    }

    /// Creates an object of `len` bytes, a multiple of the page size.
    pub fn create(&self, len: usize) -> io::Result<Object> {
        let (handle, offset) = match self.method {
            Method::Barium => self.create_barium(len, 0)?,
            Method::Ttm => self.create_qxl(len)?,
            Method::Shmem => self.create_dumb(len)?,
            Method::Eager => (0, self.take(len)?),
        };
        Ok(Object {
            handle,
            offset,
            len,
        })
    }

    /// Creates an object of `len` bytes that the display could show, where the driver makes a difference.
    pub fn create_showable(&self, len: usize) -> io::Result<Object> {
        if self.method != Method::Barium {
            return self.create(len);
        }
        let (handle, offset) = self.create_barium(len, abi::BARIUM_GEM_CREATE_CONTIGUOUS)?;
        Ok(Object {
            handle,
            offset,
            len,
        })
    }

    /// Creates an object of `len` bytes in system memory, where the driver has such objects.
    pub fn create_in_system_memory(&self, len: usize) -> io::Result<Option<Object>> {
        let (handle, offset) = match self.method {
            Method::Barium => self.create_barium(len, abi::BARIUM_GEM_CREATE_SYSTEM)?,
            Method::Shmem => self.create_dumb(len)?,
            Method::Ttm | Method::Eager => return Ok(None),
        };
        Ok(Some(Object {
            handle,
            offset,
            len,
        }))
    }

    /// Maps all of an object.
    pub fn map(&self, object: Object) -> io::Result<Mapping> {
        Mapping::new(&self.file, object.offset, object.len)
    }

    /// Closes an object's handle.
    pub fn close(&self, object: Object) -> io::Result<()> {
        if !self.method.has_objects() {
            return Ok(());
        }
        let mut argument = abi::drm_gem_close {
            handle: object.handle,
            pad: 0,
        };
        sys::ioctl(&self.file, abi::BENCH_GEM_CLOSE, &mut argument)
    }

    fn create_barium(&self, len: usize, flags: u32) -> io::Result<(u32, u64)> {
        let mut create = abi::drm_barium_gem_create {
            size: as_u64(len),
            flags,
            handle: 0,
        };
        sys::ioctl(&self.file, abi::BENCH_BARIUM_GEM_CREATE, &mut create)?;
        let mut map = abi::drm_barium_gem_mmap_offset {
            handle: create.handle,
            pad: 0,
            offset: 0,
        };
        sys::ioctl(&self.file, abi::BENCH_BARIUM_GEM_MMAP_OFFSET, &mut map)?;
        Ok((create.handle, map.offset))
    }

    fn create_qxl(&self, len: usize) -> io::Result<(u32, u64)> {
        let mut create = abi::drm_qxl_alloc {
            size: as_u32(len)?,
            handle: 0,
        };
        sys::ioctl(&self.file, abi::BENCH_QXL_ALLOC, &mut create)?;
        let mut map = abi::drm_qxl_map {
            offset: 0,
            handle: create.handle,
            pad: 0,
        };
        sys::ioctl(&self.file, abi::BENCH_QXL_MAP, &mut map)?;
        Ok((create.handle, map.offset))
    }

    /// Creates a dumb buffer with a pitch of one page.
    fn create_dumb(&self, len: usize) -> io::Result<(u32, u64)> {
        let mut create = abi::drm_mode_create_dumb {
            height: as_u32(len / page_size())?,
            width: as_u32(page_size() / 4)?,
            bpp: 32,
            flags: 0,
            handle: 0,
            pitch: 0,
            size: 0,
        };
        sys::ioctl(&self.file, abi::BENCH_CREATE_DUMB, &mut create)?;
        if create.size != as_u64(len) {
            return Err(io::Error::other("the dumb buffer has another size"));
        }
        let mut map = abi::drm_mode_map_dumb {
            handle: create.handle,
            pad: 0,
            offset: 0,
        };
        sys::ioctl(&self.file, abi::BENCH_MAP_DUMB, &mut map)?;
        Ok((create.handle, map.offset))
    }

    /// Takes the next `len` bytes of the BAR; starts over at its end.
    fn take(&self, len: usize) -> io::Result<u64> {
        let len = as_u64(len);
        if len > self.size {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        let next = self.next.get();
        let offset = if next + len > self.size { 0 } else { next };
        self.next.set(offset + len);
        Ok(offset)
    }
}

/// Parses the first and last address in the first line of sysfs' `resource` file.
fn bar(resource: &str) -> Option<(u64, u64)> {
    let mut addresses = resource.lines().next()?.split_whitespace().map(|word| {
        let digits = word.strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok()
    });
    let (first, last) = (addresses.next()??, addresses.next()??);
    (last > first).then_some((first, last))
}

/// Returns the device's DRM node whose name starts with `prefix`.
fn node(sysfs: &Path, prefix: &str) -> io::Result<PathBuf> {
    for entry in fs::read_dir(sysfs.join("drm"))? {
        let name = entry?.file_name();
        if is_numbered(&name, prefix) {
            return Ok(Path::new("/dev/dri").join(name));
        }
    }
    Err(io::Error::other(format!("no {prefix} node")))
}

/// Returns true if `name` is `prefix` and a number. A card's connectors have longer names:
/// card0-Virtual-1.
fn is_numbered(name: &OsStr, prefix: &str) -> bool {
    name.to_str()
        .and_then(|name| name.strip_prefix(prefix))
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()))
}

fn as_u64(len: usize) -> u64 {
    u64::try_from(len).expect("no machine has more")
}

fn as_u32(len: usize) -> io::Result<u32> {
    u32::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bar_is_vram() {
        let resource = "0x00000000d0000000 0x00000000dfffffff 0x0000000000042208\n\
                        0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
        assert_eq!(bar(resource), Some((0xd000_0000, 0xdfff_ffff)));
        assert_eq!(bar(resource.lines().last().unwrap()), None);
        assert_eq!(bar(""), None);
    }
}
