// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a call is: its kind and its arguments, as they are made of bytes. Arguments are choices, not
//! values: which of the handles that there are, which kind of size. [`crate::world`] knows what there
//! is when the call is made, and most choices come out valid, some nearly, a few wild.

use arbitrary::{Arbitrary, Result, Unstructured};

/// One of the things that there are; from [`Pick::WILD`] on something that is not there.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Pick(pub u8);

impl Pick {
    /// Where wild choices begin.
    pub const WILD: u8 = 0xf0;

    /// One of `count` things.
    pub fn of(self, count: usize) -> Option<usize> {
        (self.0 < Self::WILD && count > 0).then(|| usize::from(self.0) % count)
    }
}

/// A choice from a list.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Choice(pub u8);

impl Choice {
    /// One of `list`.
    pub fn of<T: Copy>(self, list: &[T]) -> T {
        list[usize::from(self.0) % list.len()]
    }

    /// True in one of `count` cases.
    pub fn one_in(self, count: u8) -> bool {
        self.0 % count == count - 1
    }
}

/// Bytes of an object.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Size {
    /// Which kind of size.
    pub kind: Choice,
    /// Which one of it.
    pub number: u16,
}

/// A range of addresses: in a mapping or, if `odd` says so, beside it.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Range {
    /// The mapping.
    pub map: Pick,
    /// The first page in it.
    pub page: u16,
    /// How many pages.
    pub pages: u16,
    /// What is wrong with it, if anything.
    pub odd: Choice,
}

/// Files of the device.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum FileCall {
    /// `open()` of a node, from [`FileCall::OTHER`] on of another display.
    Open { card: Choice, flags: Choice },
    /// `close()` of a client.
    Close { client: Pick },
    /// `dup()` of a client.
    Dup { client: Pick },
    /// `close()` of a dma-buf.
    CloseBuffer { buffer: Pick },
    /// What else can be done with a file: read, seek, poll and so on.
    Other {
        client: Pick,
        what: Choice,
        number: u16,
    },
}

impl FileCall {
    /// See [`FileCall::Open`].
    pub const OTHER: u8 = 0xe0;
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
    /// The same, what is likely to work: programs need objects.
    CreateGood { client: Pick, pages: u8 },
    /// Many small ones, of which every second is closed, and one that does not fit between them.
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
    /// `MAP_AHEAD` of a whole mapping while a timer interrupts.
    AheadInterrupted { client: Pick, map: Pick, after: u8 },
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

/// What puts objects on a screen.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum KmsCall {
    /// Opens the card and asks for all that there is.
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
    /// `MODE_ATOMIC`: a mode of any size, without a picture; or, with a rate from
    /// [`KmsCall::WITH_PICTURE`] on, one of a picture's size, with it.
    Mode {
        width: Choice,
        height: Choice,
        rate: u8,
        test: Choice,
    },
    /// A panic's message on the screen, as debugfs has it drawn without a panic.
    Panic,
    /// `MODE_DIRTYFB`
    Dirty { fb: Pick, count: Choice, rect: u16 },
    /// `MODE_ATOMIC`, of a few properties.
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
    /// From here on, the choice of a framebuffer's offset is that of the last one.
    pub const AT_END: u8 = 0xf0;
}

/// Any ioctl number with any argument.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct RawIoctl {
    /// The file.
    pub client: Pick,
    /// The number.
    pub number: u8,
    /// Whether the number is one of the driver's, and which direction it says.
    pub kind: Choice,
    /// The size that the number says.
    pub size: u8,
    /// What the argument holds.
    pub fill: u8,
    /// Where the argument is.
    pub place: Choice,
    /// A mapping, if it is there.
    pub map: Pick,
}

/// `mmap()`
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Mmap {
    /// What is mapped.
    pub handle: Pick,
    /// Through which file, if not through the client that has the handle.
    pub client: Choice,
    /// From which page on.
    pub page: u16,
    /// How many pages.
    pub pages: u16,
    /// The protection.
    pub prot: Choice,
    /// The flags.
    pub flags: Choice,
    /// Where.
    pub place: Choice,
    /// At which page of the arena, if there.
    pub at: u16,
    /// What is wrong with the range, if anything.
    pub odd: Choice,
}

/// What can be done with addresses.
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
    /// `madvise()` with one of those that the driver listens to.
    AdviseGood { range: Range, advice: Choice },
    /// `mlock()` and relatives.
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

/// Accesses of the program itself.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Touch {
    /// The mapping.
    pub map: Pick,
    /// The first page.
    pub page: u16,
    /// How many.
    pub count: u8,
    /// How far from one to the next.
    pub stride: Choice,
    /// Where in the page, and whether to read or write.
    pub what: Choice,
}

impl Touch {
    /// From here on the choice of a page is one at the edge of a page table.
    pub const EDGES: u16 = 0xe000;
}

/// Accesses of a debugger.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Debug {
    /// By which means.
    pub means: Choice,
    /// Where.
    pub range: Range,
    /// Bytes into the page.
    pub at: Choice,
    /// How many bytes.
    pub len: u16,
}

/// System calls that use a mapping as their buffer: most want to pin its pages.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Buffer {
    /// Which one.
    pub what: Choice,
    /// The buffer.
    pub range: Range,
}

/// Processes.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum ProcessCall {
    /// `fork()`; the child touches a mapping, and is waited for or not.
    Fork {
        map: Pick,
        page: u16,
        count: u8,
        what: Choice,
    },
    /// The process is killed.
    Die { sure: Choice },
}

/// What happens to the device.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Device {
    /// Unbind, bind, remove, rescan, or [`Device::SLEEP`].
    pub what: Choice,
}

impl Device {
    /// The machine sleeps and wakes up.
    pub const SLEEP: u8 = 0xff;
}

/// The device goes while the next call's argument is being copied.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Late {
    /// How many ioctls of the call that are more than a question come in time, below
    /// [`Late::SKIPS`].
    pub skip: Choice,
    /// How the device goes.
    pub how: Choice,
}

impl Late {
    /// See [`Late::skip`].
    pub const SKIPS: u8 = 3;

    /// What is done to the device, as [`Device::what`] has it: it is unbound, or removed.
    pub fn action(self) -> u8 {
        self.how.of(&[0, 0, 0, 5])
    }
}

/// Allocations that are made to fail.
pub mod fail {
    /// So many from the first on.
    const FIRST: u8 = 48;
    /// From there on, every so many'th: there are hundreds in binding the device.
    const STRIDE: usize = 3;

    /// Which one of a call `number` means.
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
    /// See [`Late`].
    Late(Late),
    /// The kernel's allocation (or copy) with this number fails in the next call.
    Fail(u8),
}

impl Call {
    /// Bytes that mean [`Call::Fail`]: with one of 256 numbers, chance takes long to make it.
    pub fn fail_bytes(number: u8) -> [u8; 2] {
        [63, number]
    }

    /// Bytes that mean [`Call::Device`].
    pub fn device_bytes(what: u8) -> [u8; 3] {
        [60, 0, what]
    }

    /// Bytes that mean [`Call::Late`]: the device is unbound after so many ioctls.
    pub fn late_bytes(skip: u8) -> [u8; 4] {
        [61, 0, skip, 0]
    }

    /// Bytes that mean [`DriverCall::Create`] by the second client, as which drills open the card,
    /// if there are two.
    pub fn create_bytes(kind: u8, number: u8, flags: u8) -> [u8; 10] {
        [5, 0, 0, 0, 0x30, 1, kind, number, 0, flags]
    }

    /// Bytes that mean [`KmsCall::AddFb`] of a handle of the client's.
    pub fn add_fb_bytes(sides: [u8; 2], pitch: u8, format: u8, offset: u8) -> [u8; 13] {
        let [width, height] = sides;
        [
            24, 0, 0, 0, 0x20, 0, width, 0, height, 0, pitch, format, offset,
        ]
    }

    /// Whether it has the device go or come, which takes long.
    pub fn is_about_device(&self) -> bool {
        matches!(self, Self::Device(_) | Self::Late(_))
    }
}

impl<'a> Arbitrary<'a> for Call {
    /// Kinds are not equally likely: a program that does nothing but open files finds nothing, and
    /// one in which the device goes takes very long.
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
            61 if u8::arbitrary(bytes)? < 32 => Call::Late(bytes.arbitrary()?),
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
        let late = call(&Call::late_bytes(2));
        assert!(matches!(late, Call::Late(late) if late.skip.0 == 2 && late.action() == 0));
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
