// SPDX-License-Identifier: GPL-2.0

//! The driver's files in debugfs, in the directory of the DRM device: `objects`, `vram`, `evict`.
//!
//! This is not ABI. `Documentation/gpu/barium.rst` describes the files.

use crate::{
    device::{
        BariumDevice,
        BariumDriver, //
    },
    gem::{
        self,
        Status,
        VramObject, //
    },
    upstream::{
        debugfs::{
            self,
            File, //
        },
        gem::Objects, //
    },
    vram::{
        VramOffset,
        VramParts, //
    },
};
use core::ops::Range;
use kernel::{
    current,
    drm::{
        Ioctl,
        Registered, //
    },
    fmt,
    prelude::*,
    rbtree::RBTree,
    seq_file::SeqFile,
    seq_print, //
};

/// Adds the files of `dev`. They are removed when it is unplugged.
pub(crate) fn add_files(dev: &BariumDevice<Registered>) {
    debugfs::add::<_, ObjectList>(dev);
    debugfs::add::<_, VramMap>(dev);
    debugfs::add::<_, Evict>(dev);
}

/// A line for each object.
struct ObjectList;

impl File<BariumDriver> for ObjectList {
    const NAME: &'static CStr = c"objects";

    fn show(dev: &BariumDevice<Ioctl>, out: &SeqFile) -> Result {
        seq_print!(out, "{}\n", Status::HEADER);
        for obj in Objects::<VramObject>::new(dev) {
            seq_print!(out, "{}\n", Status::of(&obj));
        }
        Ok(())
    }
}

/// A map of VRAM.
struct VramMap;

impl File<BariumDriver> for VramMap {
    const NAME: &'static CStr = c"vram";

    fn show(dev: &BariumDevice<Ioctl>, out: &SeqFile) -> Result {
        let mut parts = RBTree::new();
        let mut add = |start: VramOffset, len: usize, owner: Owner| {
            let bytes = start.0..start.0 + len;
            parts
                .try_create_and_insert(start.0, Part { bytes, owner }, GFP_KERNEL)
                .map(drop)
        };
        for part in gem::vram_parts(dev)? {
            let (object, is_pinned) = (part.object, part.is_pinned);
            add(part.start, part.len, Owner::Object { object, is_pinned })?;
        }
        let blank = {
            let dev = dev.registration_guard().ok_or(ENODEV)?;
            dev.registration_data_with(|reg| reg.pipe().blank_part())
        };
        if let Some((start, len)) = blank {
            add(start, len, Owner::Blank)?;
        }
        let VramParts {
            used,
            cached,
            available,
        } = dev.vram().parts()?;
        for (start, len) in cached {
            add(start, len, Owner::Cache)?;
        }

        let size = dev.vram().size().bytes();
        let used = || used.iter().map(|&(start, len)| start.0..start.0 + len);
        let mut largest = 0;
        for_each_part(size, used(), parts.values(), |part| {
            if part.owner == Owner::Free {
                largest = largest.max(part.bytes.len());
            }
        });
        seq_print!(
            out,
            "size {size}\navailable {available}\nlargest-free {largest}\n"
        );
        seq_print!(out, "start         length owner\n");
        for_each_part(size, used(), parts.values(), |Part { bytes, owner }| {
            seq_print!(out, "{:#010x} {:9} {owner}\n", bytes.start, bytes.len());
        });
        Ok(())
    }
}

/// The owner of a part of VRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// Nobody.
    Free,
    /// The manager's cache.
    Cache,
    /// The blank picture.
    Blank,
    /// The object with the fake offset `object`, in bytes.
    Object { object: usize, is_pinned: bool },
    /// A shadow, or an object that is being created, moved or freed.
    Other,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => write!(f, "free"),
            Self::Cache => write!(f, "cache"),
            Self::Blank => write!(f, "blank"),
            Self::Object { object, is_pinned } => {
                let pinned = if *is_pinned { " pinned" } else { "" };
                write!(f, "object {object:#x}{pinned}")
            }
            Self::Other => write!(f, "other"),
        }
    }
}

/// A part of VRAM, in bytes, and its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    bytes: Range<usize>,
    owner: Owner,
}

/// Calls `with` for consecutive parts of VRAM, which has `size` bytes. `used` are the parts in use,
/// and `parts` those whose owner is known, both in ascending order. The latter were found at
/// another moment, so they may overlap each other, or lie outside the parts in use. This function
/// cuts them there.
fn for_each_part<'p>(
    size: usize,
    used: impl Iterator<Item = Range<usize>>,
    parts: impl Iterator<Item = &'p Part>,
    mut with: impl FnMut(Part),
) {
    let mut emit = |bytes: Range<usize>, owner| {
        if !bytes.is_empty() {
            with(Part { bytes, owner });
        }
    };
    let mut at = 0;
    let mut parts = parts.peekable();
    for used in used {
        emit(at..used.start, Owner::Free);
        at = used.start;
        while let Some(part) = parts.next_if(|part| part.bytes.start < used.end) {
            let start = part.bytes.start.max(at);
            let end = part.bytes.end.min(used.end);
            if start < end {
                emit(at..start, Owner::Other);
                emit(start..end, part.owner);
                at = end;
            }
        }
        emit(at..used.end, Owner::Other);
        at = used.end;
    }
    emit(at..size, Owner::Free);
}

/// Moves objects out of VRAM.
struct Evict;

impl File<BariumDriver> for Evict {
    const NAME: &'static CStr = c"evict";
    const MODE: u16 = 0o600;

    fn show(_dev: &BariumDevice<Ioctl>, out: &SeqFile) -> Result {
        seq_print!(
            out,
            "Write 1 to move all objects out of VRAM that can be moved.\n"
        );
        Ok(())
    }

    /// # Errors
    ///
    /// `EINVAL` unless the text is `1`, or `1` and the end of the line; the errors of
    /// [`gem::evict_all`].
    fn write(dev: &BariumDevice<Ioctl>, text: &[u8]) -> Result {
        match text {
            b"1" | b"1\n" => gem::evict_all(dev, || current!().signal_pending()),
            _ => Err(EINVAL),
        }
    }
}

#[kunit_tests(barium_debugfs)]
mod tests {
    use super::*;

    /// Returns the parts of VRAM of 100 bytes, as pairs of their end and owner.
    fn map(used: &[Range<usize>], parts: &[Part]) -> Result<KVec<(usize, Owner)>> {
        let mut map = KVec::new();
        let mut start = 0;
        let mut result = Ok(());
        for_each_part(100, used.iter().cloned(), parts.iter(), |part| {
            assert_eq!(part.bytes.start, start);
            start = part.bytes.end;
            result = result.and(
                map.push((start, part.owner), GFP_KERNEL)
                    .map_err(Into::into),
            );
        });
        assert_eq!(start, 100);
        result.map(|()| map)
    }

    fn part(bytes: Range<usize>, owner: Owner) -> Part {
        Part { bytes, owner }
    }

    #[test]
    fn empty_vram_is_one_free_part() -> Result {
        assert_eq!(map(&[], &[])?[..], [(100, Owner::Free)]);
        Ok(())
    }

    #[test]
    fn parts_in_use_have_their_owners() -> Result {
        let parts = [
            part(10..20, Owner::Cache),
            part(20..30, Owner::Blank),
            part(35..40, Owner::Cache),
        ];
        let expected = [
            (10, Owner::Free),
            (20, Owner::Cache),
            (30, Owner::Blank),
            (35, Owner::Other),
            (40, Owner::Cache),
            (50, Owner::Other),
            (100, Owner::Free),
        ];
        assert_eq!(map(&[10..30, 30..50], &parts)?[..], expected);
        Ok(())
    }

    #[test]
    fn stale_parts_are_cut() -> Result {
        let parts = [
            part(0..5, Owner::Cache),
            part(5..15, Owner::Cache),
            part(12..25, Owner::Blank),
            part(60..70, Owner::Cache),
        ];
        let expected = [
            (10, Owner::Free),
            (15, Owner::Cache),
            (20, Owner::Blank),
            (90, Owner::Free),
            (100, Owner::Other),
        ];
        assert_eq!(map(&[10..20, 90..100], &parts)?[..], expected);
        Ok(())
    }
}
