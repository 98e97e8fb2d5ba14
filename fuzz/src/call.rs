// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The calls of a program: their kinds and arguments, decoded from bytes. Arguments are choices and
//! not values, such as one of the existing handles, or a kind of size. [`crate::model`] turns them
//! into values when the call is made. Most values are valid, some are slightly wrong, a few are
//! arbitrary.

use arbitrary::{Arbitrary, Result, Unstructured};

/// Selects one of the existing items; from [`Pick::WILD`] on, an item that does not exist.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Pick(pub u8);

impl Pick {
    /// The first choice that selects no existing item.
    pub const WILD: u8 = 0xf0;

    /// Returns the index of one of `count` items.
    pub fn of(self, count: usize) -> Option<usize> {
        (self.0 < Self::WILD && count > 0).then(|| usize::from(self.0) % count)
    }
}

/// Selects an element of a list.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Choice(pub u8);

impl Choice {
    /// Returns an element of `list`.
    pub fn of<T: Copy>(self, list: &[T]) -> T {
        list[usize::from(self.0) % list.len()]
    }

    /// Returns true in one of `count` cases.
    pub fn one_in(self, count: u8) -> bool {
        self.0 % count == count - 1
    }
}

/// The size of an object in bytes.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Size {
    /// The kind of size.
    pub kind: Choice,
    /// The size within that kind.
    pub number: u16,
}

/// A range of addresses within a mapping, or partly outside it, as `odd` selects.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Range {
    /// The mapping.
    pub map: Pick,
    /// The first page within the mapping.
    pub page: u16,
    /// The number of pages.
    pub pages: u16,
    /// What is wrong with the range, if anything.
    pub odd: Choice,
}

/// Calls on files of the device.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum FileCall {
    /// `open()` of a device node; from [`FileCall::OTHER`] on, a node of the other display.
    Open { card: Choice, flags: Choice },
    /// `close()` of a client's file.
    Close { client: Pick },
    /// `dup()` of a client's file.
    Dup { client: Pick },
    /// `close()` of a dma-buf.
    CloseBuffer { buffer: Pick },
    /// Other file operations: read, seek, poll and so on. [`FileCall::KINDS`] is their number.
    Other {
        client: Pick,
        what: Choice,
        number: u16,
    },
}

impl FileCall {
    /// See [`FileCall::Open`].
    pub const OTHER: u8 = 0xe0;
    /// Reads a file in the device's directory of debugfs.
    pub const STATUS: u8 = 11;
    /// Moves all objects out of VRAM, by such a file.
    pub const EVICT: u8 = 12;
    /// See [`FileCall::Other`].
    pub const KINDS: u8 = 13;
}

/// The driver's own ioctls.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum DriverCall {
    /// `GET_PARAM`
    GetParam {
        client: Pick,
        param: Choice,
        pad: Choice,
    },
    /// `GEM_CREATE`
    Create {
        client: Pick,
        size: Size,
        flags: Choice,
    },
    /// `GEM_CREATE` with arguments that are likely to work: most programs need objects.
    CreateGood { client: Pick, pages: u8 },
    /// Creates many small objects, closes every second one, and creates a large one that needs
    /// several blocks.
    Scatter {
        client: Pick,
        pages: u8,
        count: u8,
        flags: Choice,
    },
    /// `GEM_MMAP_OFFSET`
    Offset {
        client: Pick,
        handle: Pick,
        pad: Choice,
    },
    /// `GEM_INFO`
    Info {
        client: Pick,
        handle: Pick,
        flags: Choice,
    },
    /// `MAP_AHEAD`
    Ahead {
        client: Pick,
        range: Range,
        flags: Choice,
    },
    /// `MAP_AHEAD` of a whole mapping while a timer interrupts the call.
    AheadInterrupted { client: Pick, map: Pick, after: u8 },
    /// `GEM_MADVISE`, and sometimes reclaim, in which the driver drops content that is not needed.
    Madvise {
        client: Pick,
        handle: Pick,
        advice: Choice,
        pad: Choice,
        reclaim: Choice,
    },
}

/// DRM's ioctls for objects.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum GemCall {
    /// `GEM_CLOSE`
    Close { client: Pick, handle: Pick },
    /// `GEM_FLINK`
    Flink { client: Pick, handle: Pick },
    /// `GEM_OPEN`
    OpenName { client: Pick, name: Pick },
    /// `PRIME_HANDLE_TO_FD`
    Export {
        client: Pick,
        handle: Pick,
        flags: Choice,
    },
    /// `PRIME_FD_TO_HANDLE`
    Import { client: Pick, buffer: Pick },
    /// `DMA_BUF_IOCTL_SYNC`
    Sync { buffer: Pick, flags: Choice },
    /// `MODE_CREATE_DUMB`
    CreateDumb {
        client: Pick,
        width: u16,
        height: u16,
        bpp: Choice,
    },
    /// `MODE_MAP_DUMB`
    MapDumb { client: Pick, handle: Pick },
    /// `MODE_DESTROY_DUMB`
    DestroyDumb { client: Pick, handle: Pick },
}

/// Mode setting.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum KmsCall {
    /// Opens the card and enumerates its resources.
    Open { caps: Choice },
    /// `MODE_ADDFB2`
    AddFb {
        handle: Pick,
        width: u16,
        height: u16,
        pitch: Choice,
        format: Choice,
        offset: Choice,
    },
    /// `MODE_RMFB`
    RemoveFb { fb: Pick },
    /// `MODE_SETCRTC`
    Set {
        fb: Pick,
        mode: Choice,
        x: u8,
        y: u8,
        odd: Choice,
    },
    /// `MODE_PAGE_FLIP`
    Flip { fb: Pick, flags: Choice },
    /// `MODE_SETPLANE`
    SetPlane {
        fb: Pick,
        from: [u8; 4],
        to: [u8; 4],
        odd: Choice,
    },
    /// `MODE_ATOMIC`: a mode of any size without a framebuffer; from the rate
    /// [`KmsCall::WITH_PICTURE`] on, a mode of a framebuffer's size with that framebuffer.
    Mode {
        width: Choice,
        height: Choice,
        rate: u8,
        test: Choice,
    },
    /// Draws the panic screen through debugfs, without a panic.
    Panic,
    /// `MODE_DIRTYFB`
    Dirty { fb: Pick, count: Choice, rect: u16 },
    /// `MODE_ATOMIC` with a few properties.
    Atomic {
        flags: Choice,
        fb: Pick,
        first: u8,
        second: u8,
        third: u8,
        values: u16,
        mode: Choice,
    },
}

impl KmsCall {
    /// See [`KmsCall::Mode`].
    pub const WITH_PICTURE: u8 = 0x80;
    /// From here on, a framebuffer's offset makes it end at the end of the object.
    pub const AT_END: u8 = 0xf0;
}

/// Any ioctl number with any argument.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct RawIoctl {
    /// The file.
    pub client: Pick,
    /// The ioctl number.
    pub number: u8,
    /// Selects the range of numbers (DRM's or the driver's) and the direction.
    pub kind: Choice,
    /// The size encoded in the ioctl number.
    pub size: u8,
    /// The content of the argument.
    pub fill: u8,
    /// Selects the memory of the argument.
    pub place: Choice,
    /// The mapping that holds the argument, if `place` selects one.
    pub map: Pick,
}

/// `mmap()`
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Mmap {
    /// The object to map.
    pub handle: Pick,
    /// Selects another file than that of the client that owns the handle.
    pub client: Choice,
    /// The first page of the object.
    pub page: u16,
    /// The number of pages.
    pub pages: u16,
    /// The protection.
    pub prot: Choice,
    /// The flags.
    pub flags: Choice,
    /// Selects the address.
    pub place: Choice,
    /// The page in the arena, for an address in the arena.
    pub at: u16,
    /// What is wrong with the range, if anything.
    pub odd: Choice,
}

/// System calls on address ranges.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum AreaCall {
    /// `munmap()`
    Unmap { range: Range },
    /// `mremap()`
    Remap {
        range: Range,
        pages: u16,
        flags: Choice,
        at: u16,
    },
    /// `mprotect()`
    Protect { range: Range, prot: Choice },
    /// `madvise()`
    Advise { range: Range, advice: Choice },
    /// `madvise()` with advice that the driver evaluates.
    AdviseGood { range: Range, advice: Choice },
    /// `mlock()` and related calls.
    Lock { range: Range, how: Choice },
    /// `msync()`, `mincore()`, `remap_file_pages()`, `mseal()`.
    Other {
        range: Range,
        what: Choice,
        flags: Choice,
    },
    /// `posix_fadvise()` of the device's file.
    Fadvise {
        handle: Pick,
        page: u16,
        pages: u16,
        advice: Choice,
    },
}

/// Memory accesses of the program.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Touch {
    /// The mapping.
    pub map: Pick,
    /// The first page.
    pub page: u16,
    /// The number of pages.
    pub count: u8,
    /// The distance between them.
    pub stride: Choice,
    /// The offset in the page, and read or write.
    pub what: Choice,
}

impl Touch {
    /// From here on, the page is the first or last one of a page table.
    pub const EDGES: u16 = 0xe000;
}

/// Accesses of a debugger.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Debug {
    /// The interface.
    pub means: Choice,
    /// The range of addresses.
    pub range: Range,
    /// The offset in the first page.
    pub at: Choice,
    /// The number of bytes.
    pub len: u16,
}

/// System calls with a mapping as their buffer; most need to pin its pages.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Buffer {
    /// The system call.
    pub what: Choice,
    /// The buffer.
    pub range: Range,
}

/// Calls on processes.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum ProcessCall {
    /// `fork()`; the child touches a mapping. The parent waits for the child or not.
    Fork {
        map: Pick,
        page: u16,
        count: u8,
        what: Choice,
    },
    /// Kills the process.
    Die { chance: Choice },
}

/// Actions on the device.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Device {
    /// Unbind, bind, remove, rescan, or [`Device::SLEEP`].
    pub what: Choice,
}

impl Device {
    /// The machine suspends and resumes.
    pub const SLEEP: u8 = 0xff;
}

/// The device disappears while the kernel copies the next call's argument.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct DelayedCopy {
    /// How many ioctls of the call (queries not counted) complete normally before that, below
    /// [`DelayedCopy::SKIPS`].
    pub skip: Choice,
    /// How the device disappears.
    pub how: Choice,
}

impl DelayedCopy {
    /// See [`DelayedCopy::skip`].
    pub const SKIPS: u8 = 3;

    /// The action, encoded as in [`Device::what`]: unbind or remove.
    pub fn action(self) -> u8 {
        self.how.of(&[0, 0, 0, 5])
    }
}

/// The allocation that fails in a call.
pub mod fail {
    /// Numbers below this one select the first allocations one by one.
    const FIRST: u8 = 48;
    /// The other numbers select every `STRIDE`th allocation: binding the device makes hundreds.
    const STRIDE: usize = 3;

    /// Returns the position of the allocation that `number` selects.
    pub fn position(number: u8) -> usize {
        match number.checked_sub(FIRST) {
            None => 1 + usize::from(number),
            Some(far) => 1 + usize::from(FIRST) + usize::from(far) * STRIDE,
        }
    }
}

/// A call.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    /// See [`FileCall`].
    File(FileCall),
    /// See [`DriverCall`].
    Driver(DriverCall),
    /// See [`GemCall`].
    Gem(GemCall),
    /// See [`KmsCall`].
    Kms(KmsCall),
    /// See [`RawIoctl`].
    Raw(RawIoctl),
    /// See [`Mmap`].
    Mmap(Mmap),
    /// See [`AreaCall`].
    Area(AreaCall),
    /// See [`Touch`].
    Touch(Touch),
    /// See [`Debug`].
    Debug(Debug),
    /// See [`Buffer`].
    Buffer(Buffer),
    /// See [`ProcessCall`].
    Process(ProcessCall),
    /// See [`Device`].
    Device(Device),
    /// See [`DelayedCopy`].
    DelayedCopy(DelayedCopy),
    /// The allocation (or user copy) with this number fails in the next call.
    Fail(u8),
}

impl Call {
    /// Returns the bytes of [`Call::Fail`]: random bytes rarely select a given number.
    pub fn fail_bytes(number: u8) -> [u8; 2] {
        [63, number]
    }

    /// Returns the bytes of [`Call::Device`].
    pub fn device_bytes(what: u8) -> [u8; 3] {
        [60, 0, what]
    }

    /// Returns the bytes of [`Call::DelayedCopy`]: the device is unbound after `skip` ioctls.
    pub fn delayed_copy_bytes(skip: u8) -> [u8; 4] {
        [61, 0, skip, 0]
    }

    /// Returns the bytes of [`DriverCall::Create`] by the second client, if there are two. Seed
    /// programs open the card as the second client.
    pub fn create_bytes(kind: u8, number: u8, flags: u8) -> [u8; 10] {
        [5, 0, 0, 0, 0x30, 1, kind, number, 0, flags]
    }

    /// Returns the bytes of [`KmsCall::AddFb`] for a handle of the client.
    pub fn add_fb_bytes(sides: [u8; 2], pitch: u8, format: u8, offset: u8) -> [u8; 13] {
        let [width, height] = sides;
        [
            24, 0, 0, 0, 0x20, 0, width, 0, height, 0, pitch, format, offset,
        ]
    }

    /// Returns true if the call acts on the device, which is slow.
    pub fn is_about_device(&self) -> bool {
        matches!(self, Self::Device(_) | Self::DelayedCopy(_))
    }
}

impl<'a> Arbitrary<'a> for Call {
    /// Kinds have different probabilities: programs that only open files find nothing, and programs
    /// that unbind the device are very slow.
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u8::arbitrary(bytes)? % 64 {
            0..=4 => Call::File(bytes.arbitrary()?),
            5..=15 => Call::Driver(bytes.arbitrary()?),
            16..=20 => Call::Gem(bytes.arbitrary()?),
            21..=23 => Call::Raw(bytes.arbitrary()?),
            24..=26 => Call::Kms(bytes.arbitrary()?),
            27..=34 => Call::Mmap(bytes.arbitrary()?),
            35..=41 => Call::Area(bytes.arbitrary()?),
            42..=50 => Call::Touch(bytes.arbitrary()?),
            51..=54 => Call::Debug(bytes.arbitrary()?),
            55..=57 => Call::Buffer(bytes.arbitrary()?),
            58..=59 => Call::Process(bytes.arbitrary()?),
            60 if u8::arbitrary(bytes)? < 64 => Call::Device(bytes.arbitrary()?),
            60 => Call::File(bytes.arbitrary()?),
            61 if u8::arbitrary(bytes)? < 32 => Call::DelayedCopy(bytes.arbitrary()?),
            _ => Call::Fail(bytes.arbitrary()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_up() {
        let mut kinds = std::collections::BTreeSet::new();
        for first in 0..64 {
            for second in [0, 0xff] {
                let mut bytes = [second; 23];
                bytes[0] = first;
                let call: Call = Unstructured::new(&bytes).arbitrary().expect("enough bytes");
                kinds.insert(format!("{call:?}").split('(').next().map(String::from));
            }
        }
        assert_eq!(kinds.len(), 14);
    }

    #[test]
    fn bytes_mean_calls() {
        let call = |bytes: &[u8]| -> Call { Unstructured::new(bytes).arbitrary().expect("enough") };
        assert!(matches!(call(&Call::fail_bytes(200)), Call::Fail(200)));
        let create = call(&Call::create_bytes(14, 1, 5));
        assert!(matches!(
            create,
            Call::Driver(DriverCall::Create { client: Pick(1), size, flags: Choice(5) })
                if size.kind.0 == 14 && size.number == 1
        ));
        let fb = call(&Call::add_fb_bytes([1, 17], 6, 2, 3));
        assert!(matches!(
            fb,
            Call::Kms(KmsCall::AddFb {
                handle: Pick(0),
                width: 1,
                height: 17,
                pitch: Choice(6),
                format: Choice(2),
                offset: Choice(3),
            })
        ));
        let delayed_copy = call(&Call::delayed_copy_bytes(2));
        assert!(
            matches!(delayed_copy, Call::DelayedCopy(delayed_copy) if delayed_copy.skip.0 == 2 && delayed_copy.action() == 0)
        );
        let sleep = call(&Call::device_bytes(Device::SLEEP));
        assert!(matches!(sleep, Call::Device(device) if device.what.0 == Device::SLEEP));
    }

    #[test]
    fn failures_reach_far_into_binding() {
        assert_eq!(fail::position(0), 1);
        assert_eq!(fail::position(48), 49);
        assert!(fail::position(u8::MAX) > 600);
    }

    #[test]
    fn picks_are_of_what_there_is() {
        assert_eq!(Pick(7).of(4), Some(3));
        assert_eq!(Pick(7).of(0), None);
        assert_eq!(Pick(Pick::WILD).of(4), None);
    }
}
