// SPDX-License-Identifier: GPL-2.0

//! Describes objects for people: the lines of debugfs files.
//!
//! An object is identified by its fake offset, as in the events of [`crate::upstream::trace`].

use super::{
    location,
    usage,
    BariumObject,
    VramObject, //
};
use crate::{
    device::BariumDevice,
    place::Place,
    uapi::{
        BARIUM_GEM_CREATE_CONTIGUOUS,
        BARIUM_GEM_CREATE_SYSTEM, //
    },
    upstream::{
        gem::{
            fake_offset,
            users,
            Objects,
            Reserved, //
        },
        process::Process,
        trace::Where, //
    },
    vram::VramOffset,
};
use kernel::{
    drm::gem::BaseObject,
    fmt,
    page::PAGE_SHIFT,
    prelude::*,
    sync::{
        atomic::Relaxed,
        rcu, //
    }, //
};

/// The state of an object at the time of [`Self::of`]. Written as a line of [`Self::HEADER`].
pub(crate) struct Status<'a> {
    obj: &'a BariumObject,
    place: Where,
    is_swapped: bool,
}

impl<'a> Status<'a> {
    /// The names of the columns.
    ///
    /// - `object`: the fake offset.
    /// - `size`: in bytes.
    /// - `place`: `vram`, `system` or `none`.
    /// - `resident`: the number of bytes that have memory there.
    /// - `pins`: the number of plane states for which the object has to stay where it is in VRAM.
    /// - `handles`: their number, including framebuffers.
    /// - `flags`: separated by commas, `-` if there is none.
    /// - `creator`: the process that created the object.
    pub(crate) const HEADER: &'static str =
        "object           size place  resident pins handles flags creator";

    /// Returns the state of `obj`. Waits for no lock, so the columns may be of different moments.
    pub(crate) fn of(obj: &'a BariumObject) -> Self {
        let guard = rcu::read_lock();
        let place = obj.place(&guard);
        Self {
            obj,
            place: location(place),
            is_swapped: matches!(place, Some(Place::System(pages)) if pages.may_be_swapped()),
        }
    }

    /// Writes the column `flags`.
    fn write_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let obj = self.obj;
        let users = users(obj);
        let flags = [
            (
                obj.flags() & BARIUM_GEM_CREATE_CONTIGUOUS != 0,
                "contiguous",
            ),
            (obj.flags() & BARIUM_GEM_CREATE_SYSTEM != 0, "system"),
            (obj.may_have_content(), "mapped"),
            (obj.has_been_shown.load(Relaxed), "shown"),
            (obj.is_purgeable(), "purgeable"),
            (obj.was_purged.load(Relaxed), "purged"),
            (self.is_swapped, "swapped"),
            (users.is_named, "named"),
            (users.is_exported, "exported"),
            (users.is_imported, "imported"),
            (users.is_attached, "attached"),
            (users.is_vmapped, "vmapped"),
        ];
        let mut set = flags.iter().filter(|(is_set, _)| *is_set);
        let (_, first) = set.next().unwrap_or(&(true, "-"));
        write!(f, "{first}")?;
        for (_, flag) in set {
            write!(f, ",{flag}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let obj = self.obj;
        let place = match self.place {
            Where::None => "none",
            Where::Vram => "vram",
            Where::System => "system",
        };
        write!(
            f,
            "{:#011x} {:9} {place:6} {:8} {:4} {:7} ",
            object_id(obj),
            obj.size(),
            usage(obj).resident,
            obj.pins.load(Relaxed),
            users(obj).handles,
        )?;
        self.write_flags(f)?;
        match obj.creator() {
            Some(creator) => f.write_fmt(fmt!(" {creator}")),
            None => write!(f, " -"),
        }
    }
}

impl VramObject {
    /// Returns the process that created the object; `None` if the kernel lacks debugfs.
    fn creator(&self) -> Option<&Process> {
        #[cfg(CONFIG_DEBUG_FS)]
        return Some(&self.creator);
        #[cfg(not(CONFIG_DEBUG_FS))]
        None
    }
}

/// Returns the fake offset of `obj` in bytes.
fn object_id(obj: &BariumObject) -> usize {
    fake_offset(obj) << PAGE_SHIFT
}

/// A part of VRAM that belongs to an object.
pub(crate) struct ObjectPart {
    pub(crate) start: VramOffset,
    /// In bytes.
    pub(crate) len: usize,
    /// The fake offset of the object, in bytes.
    pub(crate) object: usize,
    /// True if the object has to stay there.
    pub(crate) is_pinned: bool,
}

/// Returns the parts of VRAM that belong to objects, in no particular order. Locks the reservation
/// of each object in turn.
///
/// # Errors
///
/// `ENOMEM`; `EINTR` on a signal.
pub(crate) fn vram_parts(dev: &BariumDevice) -> Result<KVVec<ObjectPart>> {
    let mut parts = KVVec::new();
    for obj in Objects::<VramObject>::new(dev) {
        let reserved = Reserved::lock_interruptible(&obj)?;
        let Some(Place::Vram(allocation)) = reserved.place() else {
            continue;
        };
        for (start, len) in allocation.extents() {
            let part = ObjectPart {
                start,
                len,
                object: object_id(&obj),
                is_pinned: obj.is_pinned(),
            };
            parts.push(part, GFP_KERNEL)?;
        }
    }
    Ok(parts)
}
