// SPDX-License-Identifier: GPL-2.0

//! Per-device state: data that lives as long as the DRM device, and data that lives only while the
//! driver is bound.
//!
//! The DRM device lives until its last file, mapping and dma-buf are released, which may be long
//! after the hardware is gone. All references to the hardware are in [`BariumRegistrationData`],
//! which is accessible only inside a `registration_guard()`.
//!
//! # Lock order
//!
//! 1. `mmap_lock`, or the lock of one VMA (the memory manager takes it before a fault)
//! 2. the reservation of an object (`dma_resv`): a thread waits for one at most, and only tries to
//!    lock others while it holds one
//! 3. `registration_guard()` (SRCU)
//! 4. the mutexes of [`VramManager`], or the mutex of [`Pipe`]
//!
//! No two of the mutexes are held at once. The fault path takes 1 and 3, and never 4, except for
//! [`Config::move_every`]. It takes 2 only for a page that has no memory yet, or whose object is
//! being moved, after it has left 3. The driver allocates memory with 2 held, so reclaim may run
//! with it held. A fault reads the placement record in an RCU read-side critical section, with or
//! without 3 held. In that section, it takes page table locks only. DRM takes its mode setting
//! locks before 3.
//!
//! An ioctl or a commit that makes room in VRAM takes 2 inside 3. This cannot deadlock, because no
//! thread waits for unplugging with 2 held. Unplugging waits for the move of at most one object, or
//! of several small ones. A move removes all mappings of the object (`i_mmap_rwsem`) and waits for
//! an RCU grace period, with 2 held, and with the mutex of the [`Pipe`] if the display may show the
//! object. Before that, it tries the mutex of the object's kernel mapping. The lists of objects
//! have a mutex of DRM (`gem_lru_mutex`), which is taken last. To choose the objects that leave
//! VRAM, a thread takes references to all objects of the lists with this mutex held, and reads
//! their placement records after that.
//!
//! The shrinker runs in kswapd and in any allocation with `__GFP_FS`, so with 1, 2, 3 or the mutex
//! of a kernel mapping held. For one object at a time, it tries to lock 2, and then takes the locks
//! that a move takes. It may free the object, and so take a mutex of [`VramManager`]. Therefore a
//! thread that holds a mutex of [`VramManager`] allocates without `__GFP_FS`, and a thread that
//! holds `gem_lru_mutex` does not allocate. The shrinker does not take the mutex of [`Pipe`].
//!
//! A write to `dmem.max` takes 2, and 3 inside 2, in an SRCU read-side critical section of the dmem
//! controller. Unbinding waits for that critical section after it has unplugged the device, with
//! none of these locks held.
//!
//! Before a commit and after it, DRM takes 2, outside 3, to map and unmap an object that is shown
//! through a shadow. The commit itself takes neither 2 nor the mutexes of [`VramManager`].

use crate::{
    scanout::{
        ModeLimits,
        Pipe, //
    },
    upstream::{
        dmem,
        gem::Lru,
        kms::registration::UnmapOnDrop,
        tmpfs::TmpfsMount, //
    },
    vram::{
        VramBar,
        VramManager, //
    },
};
use kernel::{
    drm,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// The type that implements the driver traits of the PCI bus and of DRM, in `driver.rs`.
pub(crate) struct BariumDriver;

/// The DRM device of this driver.
pub(crate) type BariumDevice<Ctx = drm::Normal> = drm::Device<BariumDriver, Ctx>;

/// The configuration of a device, from the module parameters.
#[derive(Clone, Copy)]
pub(crate) struct Config {
    /// True if a fault also maps the neighbours of its page that the program will probably access.
    pub(crate) fault_around: bool,
    /// True if a fault maps a huge entry where the offset in VRAM and the address are aligned for
    /// one.
    pub(crate) huge: bool,
    /// For tests: if this is not 0, each fault whose number is a multiple of it moves its object
    /// out of VRAM or into it. A huge fault with such a number only falls back to a small entry.
    pub(crate) move_every: u32,
    /// True if the device has a render node. Programs take it for a GPU that renders: a compositor
    /// or Mesa then fails where it would have used the CPU.
    pub(crate) render_node: bool,
}

/// Data that lives as long as the DRM device: an object may outlive the hardware, and the VRAM
/// manager accounts for it until it is freed.
pub(crate) struct BariumData {
    vram: VramManager,
    limits: ModeLimits,
    config: Config,
    residents: Residents,
    /// The objects in system memory whose content their clients do not need.
    purgeable: Lru<BariumDriver>,
    /// The other objects in system memory.
    swappable: Lru<BariumDriver>,
    /// The mount for the system memory of objects that leave VRAM. `None` if they use the kernel's
    /// own mount of tmpfs, without huge pages.
    huge_tmpfs: Option<TmpfsMount>,
    /// The number of objects that are pinned, and of shadows.
    pinned: Atomic<u32>,
    /// The number of threads that make room for a picture that the display is going to show.
    display_requests: Atomic<u32>,
    /// The number of faults, if [`Config::move_every`] is not 0.
    faults: Atomic<u32>,
    /// The number of clients so far.
    clients: Atomic<u32>,
}

/// A request for VRAM for a picture that the display is going to show. While it exists, new objects
/// get no VRAM: they would take the VRAM that has become available for the picture.
pub(crate) struct DisplayRequest<'a>(&'a Atomic<u32>);

impl Drop for DisplayRequest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// The number of a client, an open file of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientId(pub(crate) u32);

impl ClientId {
    /// A number that no client has, for objects that are never in VRAM.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

/// A client. It lives as long as its file, and as the objects that it has created.
pub(crate) struct Client {
    id: ClientId,
    /// The result of [`Self::copy_time`].
    copy_time: Atomic<u64>,
}

impl Client {
    /// Returns the number of the client.
    pub(crate) fn id(&self) -> ClientId {
        self.id
    }

    /// Returns how long CPUs have copied the content of objects that the client has created, in
    /// nanoseconds.
    pub(crate) fn copy_time(&self) -> u64 {
        self.copy_time.load(Relaxed)
    }

    /// Calls `copy`, which copies the content of an object of the client, and measures the time.
    pub(crate) fn time_copy<R>(&self, copy: impl FnOnce() -> R) -> R {
        let start = Instant::<Monotonic>::now();
        let result = copy();
        let ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(0);
        self.copy_time.fetch_add(ns, Relaxed);
        result
    }
}

impl BariumData {
    /// Creates the data of a device.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        vram: VramManager,
        limits: ModeLimits,
        config: Config,
        huge_tmpfs: Option<TmpfsMount>,
    ) -> Result<Self> {
        Ok(Self {
            vram,
            limits,
            config,
            residents: Residents::new()?,
            purgeable: Lru::new()?,
            swappable: Lru::new()?,
            huge_tmpfs,
            pinned: Atomic::new(0),
            display_requests: Atomic::new(0),
            faults: Atomic::new(0),
            clients: Atomic::new(0),
        })
    }

    /// Returns the limits of the display.
    pub(crate) fn limits(&self) -> &ModeLimits {
        &self.limits
    }

    /// Returns the configuration of the device.
    #[inline]
    pub(crate) fn config(&self) -> Config {
        self.config
    }

    /// Returns the manager of VRAM.
    pub(crate) fn vram(&self) -> &VramManager {
        &self.vram
    }

    /// Returns the objects in VRAM.
    pub(crate) fn residents(&self) -> &Residents {
        &self.residents
    }

    /// Returns the objects in system memory whose content their clients do not need.
    pub(crate) fn purgeable(&self) -> &Lru<BariumDriver> {
        &self.purgeable
    }

    /// Returns the other objects in system memory, in the order in which they got their first page.
    /// An object that the kernel can swap out is in no list until it is accessed.
    pub(crate) fn swappable(&self) -> &Lru<BariumDriver> {
        &self.swappable
    }

    /// Returns the mount for the system memory of objects that leave VRAM; `None` if they use the
    /// kernel's own mount of tmpfs.
    pub(crate) fn huge_tmpfs(&self) -> Option<&TmpfsMount> {
        self.huge_tmpfs.as_ref()
    }

    /// Returns the number of objects that are pinned, and of shadows: of pictures that cannot leave
    /// VRAM.
    pub(crate) fn pinned(&self) -> &Atomic<u32> {
        &self.pinned
    }

    /// Begins to make room for a picture that the display is going to show.
    pub(crate) fn begin_display_request(&self) -> DisplayRequest<'_> {
        self.display_requests.fetch_add(1, Relaxed);
        DisplayRequest(&self.display_requests)
    }

    /// Returns true while there is a [`DisplayRequest`].
    pub(crate) fn does_display_need_room(&self) -> bool {
        self.display_requests.load(Relaxed) != 0
    }

    /// Creates a client. Its number is unique among those of the first 2^32 - 1 clients.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new_client(&self) -> Result<Arc<Client>> {
        let client = Client {
            id: ClientId(self.clients.fetch_add(1, Relaxed)),
            copy_time: Atomic::new(0),
        };
        Ok(Arc::new(client, GFP_KERNEL_ACCOUNT)?)
    }

    /// Returns true if [`Config::move_every`] requires the calling fault to move its object.
    #[inline]
    pub(crate) fn is_move_due(&self) -> bool {
        self.config.move_every != 0 && self.count_fault()
    }

    /// Counts a fault. Returns true for each [`Config::move_every`]-th one.
    #[cold]
    fn count_fault(&self) -> bool {
        let count = self.faults.fetch_add(1, Relaxed);
        count.checked_rem(self.config.move_every) == Some(0)
    }
}

/// The priority of an object for VRAM, as `priority` of a `ttm_buffer_object`: the objects with the
/// lowest priority leave VRAM first.
///
/// Only scanout needs VRAM: the device has no other engine, and a program accesses system memory at
/// least as fast as VRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    /// The client does not need the content, so the driver drops it.
    Purgeable,
    /// The display cannot show the object, as it may lie in several parts of VRAM.
    Unshowable,
    /// The display could show the object, and has not done so.
    Showable,
    /// The display has shown the object.
    Shown,
}

impl Priority {
    /// All values, in ascending order.
    pub(crate) const ALL: [Self; 4] = [
        Self::Purgeable,
        Self::Unshowable,
        Self::Showable,
        Self::Shown,
    ];
}

/// The objects in VRAM, in a list for each [`Priority`]. In each list, the object that was moved
/// into VRAM or shown longest ago is the first.
pub(crate) struct Residents {
    lists: [Lru<BariumDriver>; Priority::ALL.len()],
}

/// The objects in VRAM at one moment, for each [`Priority`].
pub(crate) type ResidentObjects =
    [KVVec<ARef<<BariumDriver as drm::Driver>::Object>>; Priority::ALL.len()];

impl Residents {
    /// Creates empty lists.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    fn new() -> Result<Self> {
        Ok(Self {
            lists: [Lru::new()?, Lru::new()?, Lru::new()?, Lru::new()?],
        })
    }

    /// Returns the list for `priority`.
    pub(crate) fn list(&self, priority: Priority) -> &Lru<BariumDriver> {
        match priority {
            Priority::Purgeable => &self.lists[0],
            Priority::Unshowable => &self.lists[1],
            Priority::Showable => &self.lists[2],
            Priority::Shown => &self.lists[3],
        }
    }

    /// Adds `obj` at the end of the list for `priority`, and removes it from any other.
    pub(crate) fn add(&self, obj: &<BariumDriver as drm::Driver>::Object, priority: Priority) {
        self.list(priority).add(obj);
    }

    /// Moves `obj` to the end of the list for `priority`, if it is in that list.
    pub(crate) fn move_to_end(
        &self,
        obj: &<BariumDriver as drm::Driver>::Object,
        priority: Priority,
    ) {
        self.list(priority).move_to_end(obj);
    }

    /// Removes `obj`.
    pub(crate) fn remove(obj: &<BariumDriver as drm::Driver>::Object) {
        Lru::<BariumDriver>::remove(obj);
    }

    /// Returns the objects of the lists, in the order of [`Priority::ALL`]. See [`Lru::objects`].
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn objects(&self, dev: &BariumDevice) -> Result<ResidentObjects> {
        let [purgeable, unshowable, showable, shown] =
            Priority::ALL.map(|priority| self.list(priority).objects(dev));
        Ok([purgeable?, unshowable?, showable?, shown?])
    }

    /// Returns the first object of the list for `priority`.
    pub(crate) fn first(
        &self,
        dev: &BariumDevice,
        priority: Priority,
    ) -> Option<ARef<<BariumDriver as drm::Driver>::Object>> {
        self.list(priority).first(dev)
    }
}

/// Data that lives only while the driver is bound. When it is dropped, it zaps all user mappings
/// before it releases the hardware.
pub(crate) type BariumRegistrationData<'bound> = UnmapOnDrop<BariumDriver, BariumHardware<'bound>>;

/// The mapped BARs of a bound device: its registers and VRAM. And the region that VRAM is charged
/// to, which is unregistered at unbind: no lock of this driver is held then.
pub(crate) struct BariumHardware<'bound> {
    dmem: dmem::Region<BariumDriver>,
    pipe: Pipe<'bound>,
    vram_bar: VramBar<'bound>,
}

impl<'bound> BariumHardware<'bound> {
    /// Creates the data of a bound device.
    pub(crate) fn new(
        dmem: dmem::Region<BariumDriver>,
        pipe: Pipe<'bound>,
        vram_bar: VramBar<'bound>,
    ) -> Self {
        Self {
            dmem,
            pipe,
            vram_bar,
        }
    }

    /// Returns the region of VRAM, which is charged to cgroups.
    pub(crate) fn dmem(&self) -> &dmem::Region<BariumDriver> {
        &self.dmem
    }

    /// Returns the pipe, which programs the display.
    #[inline]
    pub(crate) fn pipe(&self) -> &Pipe<'bound> {
        &self.pipe
    }

    /// Returns the BAR of VRAM.
    #[inline]
    pub(crate) fn vram_bar(&self) -> &VramBar<'bound> {
        &self.vram_bar
    }
}
