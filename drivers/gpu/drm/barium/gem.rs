// SPDX-License-Identifier: GPL-2.0

//! The GEM object of this driver: creates it, allocates its system memory, and resolves its pages
//! to pages of VRAM.
//!
//! [`crate::mmap`] decides how an object is mapped, [`moves`] moves it, [`room`] makes room for it in
//! VRAM, [`reclaim`] gives its system memory back to the kernel, and [`status`] describes it for people.

mod moves;
mod reclaim;
mod room;
mod shares;
mod status;

pub(crate) use self::{
    reclaim::SystemMemory,
    room::evict_all,
    status::{
        vram_parts,
        Status, //
    }, //
};

use crate::{
    device::{
        BariumDevice,
        BariumDriver,
        BariumRegistrationData,
        Client,
        Priority,
        Residents, //
    },
    fault_around::FaultHistory,
    place::Place,
    scanout::{
        ModeLimits,
        PITCH_ALIGN, //
    },
    uapi::{
        BARIUM_GEM_CREATE_CONTIGUOUS,
        BARIUM_GEM_CREATE_SYSTEM, //
    },
    units::PageIndex,
    upstream::{
        self,
        dumb::{
            DumbBuffer,
            DumbBuffers, //
        },
        gem::{
            Region,
            Reserved,
            Usage, //
        },
        process::{
            self,
            Process, //
        },
        shmem::{
            Effort,
            ShmemPages, //
        },
        trace::Where, //
    },
    vram::{
        Allocation,
        Contiguity,
        Needed,
        VramOffset,
        VramPage, //
    },
};
use core::ops::Range;
use kernel::{
    current,
    drm::{
        gem::BaseObject,
        Driver,
        Registered, //
    },
    page::{
        self,
        PAGE_SHIFT, //
    },
    prelude::*,
    sizes::SZ_1K,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed, //
        },
        rcu, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// The maximum number of attempts to make room while more than one object is pinned, 1 ms apart. A busy
/// machine runs the worker that unpins objects late.
const UNPIN_TRIES: u32 = 1000;
/// The number of these attempts in which pinned objects stay where they are. The previous picture is
/// usually unpinned at the next vblank.
const FLIP_TRIES: u32 = 30;

/// A GEM object of this driver.
pub(crate) type BariumObject = upstream::gem::Object<VramObject>;

/// The driver data of a GEM object. Its placement record says where its content is.
pub(crate) struct VramObject {
    flags: CreateFlags,
    /// The client that has created the object.
    client: Client,
    needed: NeededSoon,
    history: FaultHistory,
    /// The object may have other content than zeros: a program or the kernel has mapped it, or another
    /// device has attached to it.
    has_been_mapped: Atomic<bool>,
    /// The display has shown the object.
    has_been_shown: Atomic<bool>,
    /// The number of plane states for which the object has to stay where it is in VRAM. Only a thread
    /// that has locked the reservation increments it.
    pins: Atomic<u32>,
    /// The client does not need the content. Only a thread that has locked the reservation changes the
    /// flag.
    is_purgeable: Atomic<bool>,
    /// The driver has dropped the content since the client last declared that it needs it. Only a thread
    /// that has locked the reservation changes the flag.
    was_purged: Atomic<bool>,
    /// The process that created the object.
    #[cfg(CONFIG_DEBUG_FS)]
    creator: Process,
}

/// What the client has declared about the content of an object (`BARIUM_MADVISE_*`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Madv {
    /// It needs the content.
    WillNeed,
    /// It does not need the content. If the driver drops the content, the object reads as zero.
    DontNeed,
}

/// The flags that an object was created with: where the client wants its content to be.
#[derive(Clone, Copy, PartialEq, Eq)]
struct CreateFlags {
    /// Whether the object has to be contiguous while it is in VRAM.
    contiguity: Contiguity,
    /// The object belongs in system memory.
    system: bool,
}

impl VramObject {
    fn new(flags: CreateFlags, client: Client) -> Self {
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
        Self::new(flags, Client::NONE)
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

/// Returns the page of VRAM that backs page `page` of `obj`; `None` if the object has no such page.
pub(crate) fn vram_page(obj: &BariumObject, page: PageIndex) -> Option<VramPage> {
    obj.place(&rcu::read_lock())?.vram_page(page)
}

/// Returns the offset of `obj` in VRAM if it is there and the display can show it, otherwise `None`.
pub(crate) fn contiguous_offset(obj: &BariumObject) -> Option<VramOffset> {
    vram_page(obj, PageIndex(0))
        .filter(|_| obj.is_showable())
        .map(VramPage::offset)
}

/// Undoes one successful [`pin`] or [`pin_in_place`] of `obj`. Takes no lock.
pub(crate) fn unpin(obj: &BariumObject) {
    if obj.pins.fetch_sub(1, Full) == 1 {
        obj.dev().pinned().fetch_sub(1, Full);
    }
}

/// Returns true if `obj` is in system memory, or belongs there.
pub(crate) fn is_in_system(obj: &BariumObject) -> bool {
    obj.is_system() || matches!(obj.place(&rcu::read_lock()), Some(Place::System(_)))
}

/// The result of [`pin_in_place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinned {
    /// The object is pinned.
    InPlace,
    /// The object is not pinned, and has to be moved first: it is not in VRAM, or not where the
    /// display can show it.
    NotYet,
    /// The object is not pinned: it is in system memory and has to stay there, because another
    /// device has attached to it, or because the kernel maps it.
    Held,
}

/// Keeps `obj`, which the display can show, where it is in VRAM until [`unpin`] is called, if
/// `can_start` returns true for its offset.
///
/// # Errors
///
/// `EINVAL` if the object would have to be moved, but is pinned.
pub(crate) fn pin_in_place(
    obj: &BariumObject,
    can_start: impl Fn(VramOffset) -> bool,
) -> Result<Pinned> {
    pin_reserved(&Reserved::lock(obj), can_start)
}

/// Pins an object whose reservation is locked. See [`pin_in_place`].
fn pin_reserved(
    reserved: &Reserved<'_, VramObject>,
    can_start: impl Fn(VramOffset) -> bool,
) -> Result<Pinned> {
    let obj = reserved.object();
    let page = reserved
        .place()
        .and_then(|place| place.vram_page(PageIndex(0)));
    if !page.is_some_and(|page| can_start(page.offset())) {
        return match page {
            Some(_) if obj.is_pinned() => Err(EINVAL),
            None if reserved.is_held() => Ok(Pinned::Held),
            _ => Ok(Pinned::NotYet),
        };
    }
    if obj.pins.fetch_add(1, Full) == 0 {
        obj.dev().pinned().fetch_add(1, Full);
    }
    obj.has_been_shown.store(true, Relaxed);
    keep(reserved);
    Ok(Pinned::InPlace)
}

/// Moves `obj`, and pins it as [`pin_in_place`] does. It then starts at or below
/// `preferred` if there is room, and at or below `last_start` otherwise.
///
/// # Errors
///
/// - `EINVAL` if the object is pinned, or if `can_start` returns false for its new offset.
/// - `EBUSY` if the kernel maps the object, or if another device is attached to it.
/// - `EIO` if the kernel cannot read the object from swap.
/// - Those of [`alloc_for_display`].
pub(crate) fn pin(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    obj: &BariumObject,
    can_start: impl Fn(VramOffset) -> bool,
    preferred: VramOffset,
    last_start: VramOffset,
) -> Result {
    let allocation = alloc_for_display(dev, reg, obj.size(), preferred, last_start)?;
    let mut reserved = Reserved::lock(obj);
    // Another thread may have moved it meanwhile.
    match pin_reserved(&reserved, &can_start)? {
        Pinned::InPlace => return Ok(()),
        Pinned::Held => return Err(EBUSY),
        Pinned::NotYet => moves::move_in(&mut reserved, reg, allocation)?,
    }
    match pin_reserved(&reserved, can_start)? {
        Pinned::InPlace => Ok(()),
        Pinned::Held | Pinned::NotYet => Err(EINVAL),
    }
}

/// Allocates VRAM for a picture of `size` bytes, a whole number of pages, and moves out other objects if
/// there is no room. The allocation starts at or below `preferred` if there is room, and at or below
/// `last_start` otherwise. Its content is not cleared.
///
/// # Errors
///
/// - `ENOSPC` if pinned pictures leave no room, or if there is no memory for the objects that would have
///   to leave VRAM.
/// - `ENOMEM`; `EINTR` on a signal.
pub(crate) fn alloc_for_display(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    size: usize,
    preferred: VramOffset,
    last_start: VramOffset,
) -> Result<Allocation> {
    let alloc = || match dev.vram().alloc_low(size, preferred) {
        Err(ENOSPC) => dev.vram().alloc_low(size, last_start),
        result => result,
    };
    let mut found = None;
    let needed = Needed::new(size, last_start.max(preferred));
    for attempt in 0..UNPIN_TRIES {
        // A worker unpins the previous picture some time after a flip.
        let may_unpin = dev.pinned().load(Acquire) >= 2;
        let may_move_pinned = !may_unpin || attempt >= FLIP_TRIES;
        found = room::make_room_for_display(dev, reg, &needed, may_move_pinned, alloc)?;
        if found.is_some() || !may_unpin {
            break;
        }
        fsleep(Delta::from_millis(1));
    }
    found.ok_or_else(|| {
        log_no_room(dev, reg, size);
        ENOSPC
    })
}

/// Moves the object to the end of the list for its place and its priority, and removes it from any other
/// list.
fn update_list(obj: &Reserved<'_, VramObject>) {
    let object = obj.object();
    match obj.place() {
        Some(Place::Vram(_)) => object.dev().residents().add(object, object.priority()),
        Some(Place::System(_)) if object.is_purgeable() => object.dev().purgeable().add(object),
        Some(Place::System(pages)) if pages.filled() != 0 => object.dev().swappable().add(object),
        _ => Residents::remove(object),
    }
}

/// Ends the effect of `DONTNEED`, and updates the list of the object. The driver keeps the content until
/// the client declares again that it does not need it.
fn keep(obj: &Reserved<'_, VramObject>) {
    obj.object().is_purgeable.store(false, Relaxed);
    update_list(obj);
}

/// Ends the effect of `DONTNEED` for `obj`, which has got a framebuffer. DRM counts the framebuffer as a
/// handle: once the client has closed its own handle, [`upstream::gem::is_shared`] returns false, although
/// the client can still show the object.
pub(crate) fn keep_content(obj: &BariumObject) {
    keep(&Reserved::lock(obj));
}

/// Records whether the client needs the content of `obj`. Returns true if the driver has kept the
/// content since the client last declared that it needs it.
///
/// # Errors
///
/// - `EBUSY` for [`Madv::DontNeed`] if the display shows the object in VRAM, or if the object is shared
///   or has a framebuffer.
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

/// Moves the object to system memory, where other devices can access it, and allocates all its pages.
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

/// Returns the memory that `obj` uses. An object without memory counts in the region for which it was
/// created.
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

/// Creates an object of `size` bytes, rounded up to whole pages, that reads as zero.
///
/// An object in system memory gets its memory when it is accessed. So does one for which VRAM has no
/// room.
///
/// A contiguous object starts as low in VRAM as possible. It may start beyond the reach of the
/// display, which depends on a pitch that is not known here.
///
/// # Errors
///
/// - `EINVAL` for a size of 0, a size that overflows when it is rounded up, and unknown flags.
/// - `ENOSPC` if VRAM is smaller than the object.
/// - `ENOMEM` if there is no kernel memory; `EINTR` on a signal.
pub(crate) fn create(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    client: Client,
    size: u64,
    flags: u32,
) -> Result<ARef<BariumObject>> {
    let flags = create_flags(flags)?;
    let size = object_size(size)?;
    create_with(dev, reg, client, size, flags, VramOffset::MAX, || {
        dev.vram().alloc(size, flags.contiguity)
    })
}

/// Creates an object of `size` bytes. Unless it belongs in system memory, it gets the VRAM that `alloc`
/// allocates, if there is room. To make room, it moves out only objects with a lower priority, and, for
/// a contiguous object, objects of clients that use more than their share. A contiguous object then
/// starts at `last_start` or below.
///
/// The allocation is cleared before a client can access the object.
fn create_with(
    dev: &BariumDevice<Registered>,
    reg: &BariumRegistrationData<'_>,
    client: Client,
    size: usize,
    flags: CreateFlags,
    last_start: VramOffset,
    alloc: impl Fn() -> Result<Allocation>,
) -> Result<ARef<BariumObject>> {
    if size > dev.vram().size().bytes() {
        log_no_room(dev, reg, size);
        return Err(ENOSPC);
    }
    let data = VramObject::new(flags, client);
    if flags.system {
        return upstream::gem::create(dev, size, data, None);
    }
    let priority = data.priority();
    let victims = Priority::ALL
        .iter()
        .filter(|victim| **victim < priority)
        .count();
    let victims = &Priority::ALL[..victims];
    let needed = Needed::new(size, last_start);
    let needed = (flags.contiguity == Contiguity::Contiguous).then_some(&needed);
    let Some(allocation) = room::make_room(dev, reg, victims, Some(client), needed, alloc)? else {
        return upstream::gem::create(dev, size, data, None);
    };
    moves::clear(reg.vram_bar(), &allocation)?;
    let place = KBox::new(Place::Vram(allocation), GFP_KERNEL_ACCOUNT)?;
    let obj = upstream::gem::create(dev, size, data, Some(place))?;
    dev.residents().add(&obj, priority);
    Ok(obj)
}

/// Logs that VRAM has no room for the `size` bytes that the current process needs there, and how to
/// give the device more VRAM.
fn log_no_room(dev: &BariumDevice<Registered>, reg: &BariumRegistrationData<'_>, size: usize) {
    if !process::may_log() {
        return;
    }
    let free = dev.vram().available();
    let in_one_piece = match u64::try_from(size) {
        Ok(size) if size <= free => ", but not in one piece",
        _ => "",
    };
    let vram = dev.vram().size();
    dev_notice!(
        dev.as_ref(),
        "{}: VRAM has no room for {} KiB: {} of {} KiB are free{in_one_piece}{}\n",
        process::current_process(),
        size / SZ_1K,
        free / SZ_1K as u64,
        vram.bytes() / SZ_1K,
        reg.pipe().kind().more_vram_advice(vram)
    );
}

impl DumbBuffers for VramObject {
    /// Returns the pitch alignment that every supported display accepts, in bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` if no pixel format has `bpp` bits. Clients also create buffers for formats that the
    /// display cannot show: with 1, 2 and 4 bits, and for video (10, 12, 15, 30, 64).
    fn pitch_align(bpp: u32) -> Result<usize> {
        match bpp {
            1 | 2 | 4 | 8 | 10 | 12 | 15 | 16 | 24 | 30 | 32 | 64 => Ok(usize::try_from(
                bpp.div_ceil(u8::BITS) * u32::from(PITCH_ALIGN.get()),
            )?),
            _ => Err(EINVAL),
        }
    }

    /// Creates a contiguous buffer, low enough in VRAM that the scanout can start at each of its
    /// lines. If there is no room there, a buffer that is smaller than every mode is placed anywhere:
    /// the reach is shorter for short lines, and the buffer on the screen can occupy all of it.
    ///
    /// # Errors
    ///
    /// - `EINVAL` for a size of 0 or one that overflows.
    /// - `ENOSPC` if VRAM is smaller than the buffer.
    /// - `ENOMEM` if there is no kernel memory; `EINTR` on a signal.
    fn create_dumb(
        dev: &BariumDevice<Registered>,
        reg: &BariumRegistrationData<'_>,
        file: &<BariumDriver as Driver>::File,
        buffer: &DumbBuffer,
    ) -> Result<ARef<BariumObject>> {
        let size = object_size(buffer.size)?;
        let last_start = dev
            .limits()
            .last_start(buffer.height, buffer.pitch, buffer.bpp)
            .and_then(|offset| usize::try_from(offset).ok())
            .map_or(VramOffset::MAX, VramOffset);
        let may_lie_anywhere =
            ModeLimits::is_smaller_than_modes(buffer.height, buffer.pitch, buffer.bpp);
        let flags = CreateFlags {
            contiguity: Contiguity::Contiguous,
            system: false,
        };
        let needed_start = match may_lie_anywhere {
            true => VramOffset::MAX,
            false => last_start,
        };
        let client = file.client();
        create_with(dev, reg, client, size, flags, needed_start, || {
            match dev.vram().alloc_low(size, last_start) {
                Err(ENOSPC) if may_lie_anywhere => dev.vram().alloc(size, Contiguity::Contiguous),
                result => result,
            }
        })
    }
}

/// Rounds a requested size in bytes up to the size of an object.
///
/// # Errors
///
/// `EINVAL` for a size of 0 or one that overflows.
fn object_size(wanted: u64) -> Result<usize> {
    if wanted == 0 {
        return Err(EINVAL);
    }
    usize::try_from(wanted)
        .ok()
        .and_then(page::page_align)
        .ok_or(EINVAL)
}

/// Decodes the flags of `GEM_CREATE`.
///
/// # Errors
///
/// `EINVAL` for unknown flags.
fn create_flags(flags: u32) -> Result<CreateFlags> {
    if flags & !(BARIUM_GEM_CREATE_CONTIGUOUS | BARIUM_GEM_CREATE_SYSTEM) != 0 {
        return Err(EINVAL);
    }
    let contiguity = if flags & BARIUM_GEM_CREATE_CONTIGUOUS == 0 {
        Contiguity::Any
    } else {
        Contiguity::Contiguous
    };
    Ok(CreateFlags {
        contiguity,
        system: flags & BARIUM_GEM_CREATE_SYSTEM != 0,
    })
}

#[kunit_tests(barium_gem)]
mod tests {
    use super::*;
    use kernel::page::PAGE_SIZE;

    fn wanted(size: usize) -> u64 {
        u64::try_from(size).unwrap_or(0)
    }

    #[test]
    fn sizes_are_rounded_up_to_pages() {
        for (size, rounded) in [
            (1, PAGE_SIZE),
            (PAGE_SIZE - 1, PAGE_SIZE),
            (PAGE_SIZE, PAGE_SIZE),
            (PAGE_SIZE + 1, 2 * PAGE_SIZE),
        ] {
            assert_eq!(object_size(wanted(size)).ok(), Some(rounded));
        }
    }

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

    #[test]
    fn size_zero_is_refused() {
        assert_eq!(object_size(0).err(), Some(EINVAL));
    }

    #[test]
    fn a_size_that_overflows_is_refused() {
        for size in [u64::MAX, u64::MAX - wanted(PAGE_SIZE) + 2] {
            assert_eq!(object_size(size).err(), Some(EINVAL));
        }
    }

    #[test]
    fn lines_of_dumb_buffers_are_whole_groups_of_pixels() {
        for (bpp, align) in [
            (1, 8),
            (8, 8),
            (15, 16),
            (16, 16),
            (24, 24),
            (32, 32),
            (64, 64),
        ] {
            assert_eq!(VramObject::pitch_align(bpp).ok(), Some(align));
        }
    }

    #[test]
    fn unknown_sizes_of_pixels_are_refused() {
        for bpp in [0, 3, 7, 31, 33, 40, 48, 65, 128, u32::MAX] {
            assert_eq!(VramObject::pitch_align(bpp).err(), Some(EINVAL));
        }
    }

    #[test]
    fn unknown_flags_are_refused() {
        let known = BARIUM_GEM_CREATE_CONTIGUOUS | BARIUM_GEM_CREATE_SYSTEM;
        assert!(create_flags(0).is_ok_and(|flags| !flags.system));
        assert!(create_flags(known).is_ok_and(|flags| flags.system));
        for bit in (0..u32::BITS).map(|bit| 1 << bit) {
            assert_eq!(create_flags(bit).is_ok(), bit & known != 0);
            assert_eq!(create_flags(bit | known).is_ok(), bit & known != 0);
        }
    }
}
