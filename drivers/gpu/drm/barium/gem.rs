// SPDX-License-Identifier: GPL-2.0

//! The GEM object of this driver: its state, its place in the lists, and its system memory.
//!
//! [`create`](mod@create) creates an object, [`crate::mmap`] decides how it is mapped, [`pins`]
//! keeps it where the display shows it, [`moves`] moves it, [`room`] makes room for it in VRAM,
//! [`protection`] tells which objects cgroups keep there, [`reclaim`] gives its system memory back
//! to the kernel, and [`status`] describes it for people.

mod create;
mod moves;
mod pins;
mod protection;
mod reclaim;
mod room;
mod shares;
mod status;

pub(crate) use self::{
    create::create,
    pins::{
        alloc_for_display,
        pin,
        pin_in_place,
        unpin,
        Pinned, //
    },
    reclaim::SystemMemory,
    room::{
        evict_all,
        evict_charged, //
    },
    status::{
        vram_parts,
        Status, //
    }, //
};

#[cfg(CONFIG_DEBUG_FS)]
use crate::upstream::process::{
    self,
    Process, //
};
use crate::{
    device::{
        Client,
        ClientId,
        Priority,
        Residents, //
    },
    fault_around::FaultHistory,
    place::Place,
    uapi::{
        BARIUM_GEM_CREATE_CONTIGUOUS,
        BARIUM_GEM_CREATE_SYSTEM, //
    },
    units::PageIndex,
    upstream::{
        self,
        gem::{
            Region,
            Reserved,
            Usage, //
        },
        shmem::{
            Effort,
            ShmemPages, //
        },
        trace::Where, //
    },
    vram::{
        Contiguity,
        VramOffset,
        VramPage, //
    },
};
use core::ops::Range;
use kernel::{
    current,
    drm::gem::BaseObject,
    page::PAGE_SHIFT,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed, //
        },
        rcu,
        Arc, //
    }, //
};

/// A GEM object of this driver.
pub(crate) type BariumObject = upstream::gem::Object<VramObject>;

/// The driver data of a GEM object. Its placement record says where its content is.
pub(crate) struct VramObject {
    flags: CreateFlags,
    /// The client that has created the object; `None` if another device has.
    client: Option<Arc<Client>>,
    needed: NeededSoon,
    history: FaultHistory,
    /// True if the object may have other content than zeros: a program or the kernel has mapped it,
    /// or another device has attached to it.
    has_been_mapped: Atomic<bool>,
    /// True if the display has shown the object.
    has_been_shown: Atomic<bool>,
    /// The number of plane states for which the object has to stay where it is in VRAM. Only a
    /// thread that has locked the reservation increments it.
    pins: Atomic<u32>,
    /// True if the client does not need the content. Only a thread that has locked the reservation
    /// changes the flag.
    is_purgeable: Atomic<bool>,
    /// True if the driver has dropped the content since the client last declared that it needs it.
    /// Only a thread that has locked the reservation changes the flag.
    was_purged: Atomic<bool>,
    /// The process that created the object.
    #[cfg(CONFIG_DEBUG_FS)]
    creator: Process,
}

/// The declaration of a client about the content of an object (`BARIUM_MADVISE_*`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Madv {
    /// The client needs the content.
    WillNeed,
    /// The client does not need the content. If the driver drops the content, the object reads as
    /// zero.
    DontNeed,
}

/// The flags that an object was created with. They limit the memory that its content can be in.
#[derive(Clone, Copy, PartialEq, Eq)]
struct CreateFlags {
    /// Whether the object has to be contiguous while it is in VRAM.
    contiguity: Contiguity,
    /// True if the object belongs in system memory: the driver never moves it into VRAM.
    system: bool,
}

impl VramObject {
    fn new(flags: CreateFlags, client: Option<Arc<Client>>) -> Self {
        Self {
            flags,
            client,
            needed: NeededSoon::new(),
            history: FaultHistory::new(),
            has_been_mapped: Atomic::new(false),
            has_been_shown: Atomic::new(false),
            pins: Atomic::new(0),
            is_purgeable: Atomic::new(false),
            was_purged: Atomic::new(false),
            #[cfg(CONFIG_DEBUG_FS)]
            creator: process::current_process(),
        }
    }

    /// Returns the data of an object that another device has exported. It has no placement record.
    pub(crate) fn imported() -> Self {
        let flags = CreateFlags {
            contiguity: Contiguity::Any,
            system: true,
        };
        Self::new(flags, None)
    }

    /// Returns the number of the client that has created the object.
    fn client_id(&self) -> ClientId {
        self.client.as_ref().map_or(ClientId::NONE, |c| c.id())
    }

    /// Calls `copy`, which copies the content of the object, and measures the time for the
    /// statistics of its client.
    pub(crate) fn time_copy<R>(&self, copy: impl FnOnce() -> R) -> R {
        match &self.client {
            Some(client) => client.time_copy(copy),
            None => copy(),
        }
    }

    /// Returns true if the object may have other content than zeros.
    fn may_have_content(&self) -> bool {
        self.has_been_mapped.load(Relaxed)
    }

    /// Records that the object is about to be mapped, or that another device attaches to it.
    pub(crate) fn set_mapped(&self) {
        self.has_been_mapped.store(true, Relaxed);
    }

    /// Returns the priority of the object for VRAM.
    fn priority(&self) -> Priority {
        if self.is_purgeable() {
            return Priority::Purgeable;
        }
        match self.flags.contiguity {
            Contiguity::Any => Priority::Unshowable,
            Contiguity::Contiguous if self.has_been_shown.load(Relaxed) => Priority::Shown,
            Contiguity::Contiguous => Priority::Showable,
        }
    }

    /// Returns true if the client does not need the content.
    pub(crate) fn is_purgeable(&self) -> bool {
        self.is_purgeable.load(Relaxed)
    }

    /// Returns true if the object has to stay where it is in VRAM.
    pub(crate) fn is_pinned(&self) -> bool {
        self.pins.load(Acquire) != 0
    }

    /// Returns the range of the last `MADV_WILLNEED`.
    pub(crate) fn needed(&self) -> &NeededSoon {
        &self.needed
    }

    /// Returns the faults since the object was last mapped.
    #[inline]
    pub(crate) fn history(&self) -> &FaultHistory {
        &self.history
    }

    /// Returns the flags that the object was created with (`BARIUM_GEM_CREATE_*`).
    pub(crate) fn flags(&self) -> u32 {
        let contiguous = match self.flags.contiguity {
            Contiguity::Any => 0,
            Contiguity::Contiguous => BARIUM_GEM_CREATE_CONTIGUOUS,
        };
        let system = if self.flags.system {
            BARIUM_GEM_CREATE_SYSTEM
        } else {
            0
        };
        contiguous | system
    }

    /// Returns true if the display can show the object in VRAM.
    pub(crate) fn is_showable(&self) -> bool {
        self.flags.contiguity == Contiguity::Contiguous && !self.flags.system
    }

    /// Returns true if the object belongs in system memory. The display shows a copy of it.
    pub(crate) fn is_system(&self) -> bool {
        self.flags.system
    }
}

/// Returns the page of VRAM that backs page `page` of `obj`; `None` if the object is not in VRAM or
/// has no such page.
pub(crate) fn vram_page(obj: &BariumObject, page: PageIndex) -> Option<VramPage> {
    obj.place(&rcu::read_lock())?.vram_page(page)
}

/// Returns the offset of `obj` in VRAM if it is there and the display can show it, otherwise
/// `None`.
pub(crate) fn contiguous_offset(obj: &BariumObject) -> Option<VramOffset> {
    vram_page(obj, PageIndex(0))
        .filter(|_| obj.is_showable())
        .map(VramPage::offset)
}

/// Returns true if `obj` is in system memory, or belongs there.
pub(crate) fn is_in_system(obj: &BariumObject) -> bool {
    obj.is_system() || matches!(obj.place(&rcu::read_lock()), Some(Place::System(_)))
}

/// Moves the object to the end of the list for its place and its priority, and removes it from any
/// other list.
fn update_list(obj: &Reserved<'_, VramObject>) {
    let object = obj.object();
    match obj.place() {
        Some(Place::Vram(_)) => object.dev().residents().add(object, object.priority()),
        Some(Place::System(_)) if object.is_purgeable() => object.dev().purgeable().add(object),
        Some(Place::System(pages)) if pages.filled() != 0 => object.dev().swappable().add(object),
        _ => Residents::remove(object),
    }
}

/// Ends the effect of `DONTNEED`, and updates the list of the object. The driver keeps the content
/// until the client declares again that it does not need it.
fn keep(obj: &Reserved<'_, VramObject>) {
    obj.object().is_purgeable.store(false, Relaxed);
    update_list(obj);
}

/// Ends the effect of `DONTNEED` for `obj`, which has got a framebuffer. DRM counts the framebuffer
/// as a handle: once the client has closed its own handle, [`upstream::gem::is_shared`] returns
/// false, although the client can still show the object.
pub(crate) fn keep_content(obj: &BariumObject) {
    keep(&Reserved::lock(obj));
}

/// Records whether the client needs the content of `obj`. Returns true if the driver has kept the
/// content since the client last declared that it needs it.
///
/// # Errors
///
/// - `EBUSY` for [`Madv::DontNeed`] if the display shows the object in VRAM, or if the object is
///   shared or has a framebuffer.
/// - `EINTR` on a signal.
pub(crate) fn set_madv(obj: &BariumObject, madv: Madv) -> Result<bool> {
    let reserved = Reserved::lock_interruptible(obj)?;
    if madv == Madv::DontNeed && (obj.is_pinned() || upstream::gem::is_shared(obj)) {
        return Err(EBUSY);
    }
    obj.is_purgeable.store(madv == Madv::DontNeed, Relaxed);
    update_list(&reserved);
    let retained = !obj.was_purged.load(Relaxed);
    if madv == Madv::WillNeed {
        obj.was_purged.store(false, Relaxed);
    }
    Ok(retained)
}

/// The pages of an object that a program will need soon, from `MADV_WILLNEED`. A new range replaces
/// the old one.
///
/// This is advice: any program that maps the object can set it, and it affects performance only.
pub(crate) struct NeededSoon(Atomic<u64>);

impl NeededSoon {
    /// Creates an empty range.
    fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Replaces the range. Omits pages whose number does not fit in 32 bits.
    pub(crate) fn set(&self, pages: Range<usize>) {
        let half = |page: usize| u64::from(u32::try_from(page).unwrap_or(u32::MAX));
        self.0
            .store(half(pages.start) << u32::BITS | half(pages.end), Relaxed);
    }

    /// Returns true if `page` is in the range.
    #[inline]
    pub(crate) fn contains(&self, page: PageIndex) -> bool {
        let range = self.0.load(Relaxed);
        u64::try_from(page.0)
            .is_ok_and(|page| range >> u32::BITS <= page && page < range & u64::from(u32::MAX))
    }
}

/// Allocates page `page` of an object that is not in VRAM, or reads it from swap, and those of the
/// `after` pages after it that the program will need soon. The first call for an object without
/// memory creates its placement record.
///
/// Does nothing for an object in VRAM.
///
/// # Errors
///
/// Those of [`ShmemPages::new`] and [`ShmemPages::fill`].
pub(crate) fn populate(
    obj: &mut Reserved<'_, VramObject>,
    page: PageIndex,
    after: usize,
    effort: Effort,
) -> Result {
    if obj.place().is_none() {
        let pages = ShmemPages::new(obj.object().size() >> PAGE_SHIFT)?;
        let record = KBox::new(Place::System(pages), GFP_KERNEL_ACCOUNT)?;
        drop(obj.vacate()?.publish(record));
    }
    let Some(Place::System(pages)) = obj.place() else {
        return Ok(());
    };
    let was_empty = pages.filled() == 0;
    pages.fill(page.0, effort)?;
    if was_empty {
        update_list(obj);
    }
    for next in page.0 + 1..=page.0 + after {
        // The other pages are allocated ahead. If that fails, the program faults for them.
        if !obj.object().needed().contains(PageIndex(next))
            || current!().signal_pending()
            || pages.fill(next, Effort::MayFail).is_err()
        {
            break;
        }
    }
    Ok(())
}

/// Calls [`populate`] for a fault, and returns where the object is. If
/// [`crate::device::Config::move_every`] is not 0, moves the object first.
///
/// # Errors
///
/// Those of [`populate`].
pub(crate) fn populate_for_fault(
    obj: &mut Reserved<'_, VramObject>,
    page: PageIndex,
    after: usize,
    effort: Effort,
) -> Result<Where> {
    if obj.object().dev().config().move_every != 0 {
        moves::shuffle(obj);
    }
    populate(obj, page, after, effort)?;
    Ok(location(obj.place()))
}

/// Returns where an object with the placement record `place` is.
fn location(place: Option<&Place>) -> Where {
    match place {
        None => Where::None,
        Some(Place::Vram(_)) => Where::Vram,
        Some(Place::System(_)) => Where::System,
    }
}

/// Allocates all pages of an object that is not in VRAM. Does nothing for an object in VRAM.
///
/// # Errors
///
/// Those of [`ShmemPages::new`] and [`ShmemPages::fill`].
pub(crate) fn populate_all(obj: &mut Reserved<'_, VramObject>) -> Result {
    if let Some(Place::Vram(_)) = obj.place() {
        return Ok(());
    }
    populate(obj, PageIndex(0), 0, Effort::MayFail)?;
    match obj.place() {
        Some(Place::System(pages)) => pages.fill_all(Effort::MayFail),
        _ => Ok(()),
    }
}

/// Moves the object to system memory, where other devices can access it, and allocates all its
/// pages.
///
/// # Errors
///
/// - `EBUSY` if the display shows the object where it is in VRAM, or if the kernel maps it there.
/// - `ENODEV` if the object was in VRAM, and the device is unplugged.
/// - Those of [`ShmemPages::new`] and [`ShmemPages::fill`].
pub(crate) fn move_to_devices(obj: &mut Reserved<'_, VramObject>) -> Result {
    if let Some(Place::Vram(_)) = obj.place() {
        obj.with_registered(moves::move_out).ok_or(ENODEV)??;
    }
    populate_all(obj)?;
    // A device can write to the object without a mapping.
    obj.object().set_mapped();
    keep(obj);
    Ok(())
}

/// Returns the memory that `obj` uses. An object without memory counts in the region for which it
/// was created.
pub(crate) fn usage(obj: &BariumObject) -> Usage {
    let (region, resident) = match obj.place(&rcu::read_lock()) {
        Some(Place::Vram(_)) => (Region::Vram, obj.size()),
        Some(Place::System(pages)) => (Region::System, pages.filled() << PAGE_SHIFT),
        None if obj.is_system() => (Region::System, 0),
        None => (Region::Vram, 0),
    };
    Usage {
        region,
        resident,
        is_purgeable: obj.is_purgeable(),
    }
}

#[kunit_tests(barium_gem)]
mod tests {
    use super::*;

    #[test]
    fn pages_needed_soon_are_a_range() {
        let needed = NeededSoon::new();
        assert!(!needed.contains(PageIndex(0)));
        needed.set(3..5);
        for (page, is_in) in [(2, false), (3, true), (4, true), (5, false)] {
            assert_eq!(needed.contains(PageIndex(page)), is_in);
        }
        needed.set(0..usize::MAX);
        assert!(needed.contains(PageIndex(0)));
        needed.set(0..0);
        assert!(!needed.contains(PageIndex(0)));
    }
}
