// SPDX-License-Identifier: GPL-2.0

//! The dmem cgroup controller: charges a device's memory to cgroups, which limit and protect it.
//!
//! C header: [`include/linux/cgroup_dmem.h`](srctree/include/linux/cgroup_dmem.h)
//!
//! - Upstream today: nothing in the kernel crate. C drivers register a region with
//!   `drmm_cgroup_register_region()`, which unregisters it when the last reference to the DRM
//!   device is put: after a Rust driver's data has been dropped. On 7.3,
//!   `dmem_cgroup_state_evict_valuable()` ignores all protection if the limiting pool is that of
//!   the root cgroup. TTM passes that pool if the common ancestor of two cgroups is the root.
//! - The shape it should have: [`Region`], [`Charge`] and [`Reclaim`], and a function that takes a
//!   reference to a pool.
//! - Why this is sound on 7.3: a [`Charge`] owns the references to the pool and to its cgroup that
//!   `dmem_cgroup_try_charge()` takes, and an [`OwnedPool`] those to another one. So both may
//!   outlive the region and the directory of the cgroup. A pool keeps its region in memory.
//!   `dmem_cgroup_unregister_region()` prevents further callbacks and waits for those that run
//!   (`dmemcg_srcu`), and [`Region`] drops what they use after that. The functions of helpers.c
//!   exist with and without `CONFIG_CGROUP_DMEM`.
//! - Delete when upstream has such types.
//!
//! # Contexts
//!
//! A [`Charge`] may be dropped in any context. The other functions may sleep. The kernel calls
//! [`Reclaim::reclaim`] in the task that writes to `dmem.max`. Dropping a [`Region`] waits for it,
//! so the thread that drops it must hold no lock that the callback takes.

use super::raw;
use core::{
    ffi::c_void,
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    bindings,
    drm,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

// Defined in helpers.c. The pointers to `c_void` are to a region or to a pool.
#[expect(
    improper_ctypes,
    reason = "C's own types, some of them empty in this configuration"
)]
extern "C" {
    fn barium_dmem_register(
        dev: *mut bindings::drm_device,
        name: *const c_char,
        size: u64,
        owner: *const OwnerOps,
    ) -> *mut c_void;
    fn barium_dmem_unregister(region: *mut c_void);
    fn barium_dmem_try_charge(
        region: *mut c_void,
        size: u64,
        pool: *mut *mut c_void,
        limit: *mut *mut c_void,
    ) -> c_int;
    fn barium_dmem_uncharge(pool: *mut c_void, size: u64);
    fn barium_dmem_put(pool: *mut c_void);
    fn barium_dmem_evict_valuable(
        limit: *mut c_void,
        pool: *mut c_void,
        hit_low: *mut bool,
    ) -> bool;
    fn barium_dmem_common_ancestor(a: *mut c_void, b: *mut c_void) -> *mut c_void;
    fn barium_dmem_below_min(root: *mut c_void, pool: *mut c_void) -> bool;
    fn barium_dmem_below_low(root: *mut c_void, pool: *mut c_void) -> bool;
}

/// A driver that frees memory of its device when the limit of a cgroup is lowered below its usage.
pub(crate) trait Reclaim: drm::Driver + Sized {
    /// Frees at least `bytes` bytes that are charged to the cgroup of `pool` or to cgroups below
    /// it, or as many as possible. May be called again if the usage is still above the limit.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if it has freed nothing. After any other error, the kernel does not call it again
    /// for this limit.
    fn reclaim(dev: &drm::Device<Self>, pool: Pool<'_>, bytes: u64) -> Result;
}

/// `struct barium_dmem_owner` of helpers.c.
#[repr(C)]
struct OwnerOps {
    reclaim: unsafe extern "C" fn(*mut c_void, u64, *const c_void) -> c_int,
}

/// The data of the callback.
#[repr(C)]
struct Owner<D: drm::Driver> {
    ops: OwnerOps,
    dev: ARef<drm::Device<D>>,
}

/// A registered region: memory of a device that is charged to cgroups.
///
/// # Invariants
///
/// `raw` is a registered region, to which this object owns the reference; `None` in a kernel
/// without the controller. The private data of its callback points to the value in `owner`, which
/// does not move.
pub(crate) struct Region<D: Reclaim> {
    raw: Option<NonNull<c_void>>,
    _owner: KBox<Owner<D>>,
}

// SAFETY: Any thread may unregister a region. `Owner` has a reference to a device, which is `Send`.
unsafe impl<D: Reclaim> Send for Region<D> {}

// SAFETY: Several threads may charge to a region at once.
unsafe impl<D: Reclaim> Sync for Region<D> {}

/// The result of [`Region::try_charge`].
pub(crate) enum TryCharge {
    /// The memory is charged; `None` in a kernel without the controller.
    Charged(Option<Arc<Charge>>),
    /// Nothing is charged, because the limit of this pool would have been exceeded.
    Limited(OwnedPool),
}

impl<D: Reclaim> Region<D> {
    /// Registers the region `drm/<unique name of dev>/<name>`, which has `size` bytes. In a kernel
    /// without the controller, does nothing.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(dev: &drm::Device<D>, name: &CStr, size: usize) -> Result<Self> {
        let owner = KBox::new(
            Owner {
                ops: OwnerOps {
                    reclaim: reclaim_callback::<D>,
                },
                dev: dev.into(),
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The device is valid and has its unique name since it was created. The name is
        // null-terminated. `owner` starts with an `OwnerOps`; it does not move, and is dropped
        // after the region was unregistered.
        let raw = from_err_ptr(unsafe {
            barium_dmem_register(
                raw::drm_device(dev),
                name.as_char_ptr(),
                u64::try_from(size)?,
                ptr::from_ref(&*owner).cast(),
            )
        })?;
        // INVARIANT: The region was registered above with `owner` as its private data. The result
        // is null in a kernel without the controller, as the size is not 0.
        Ok(Self {
            raw: NonNull::new(raw),
            _owner: owner,
        })
    }

    /// Charges `size` bytes to the cgroup of the current task. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    #[inline]
    pub(crate) fn try_charge(&self, size: usize) -> Result<TryCharge> {
        match self.raw {
            None => Ok(TryCharge::Charged(None)),
            Some(region) => try_charge(region, size),
        }
    }

    /// Charges `size` bytes as [`Self::try_charge`] does.
    ///
    /// # Errors
    ///
    /// `EDQUOT` if a limit would have been exceeded; `ENOMEM`.
    pub(crate) fn charge(&self, size: usize) -> Result<Option<Arc<Charge>>> {
        match self.try_charge(size)? {
            TryCharge::Charged(charge) => Ok(charge),
            TryCharge::Limited(_) => Err(EDQUOT),
        }
    }

    /// Returns the protection of `charged` while memory is freed for that of `other`: the one below
    /// the common ancestor of their cgroups. Both are charged to this region. May sleep.
    pub(crate) fn protection_of(&self, charged: &Charge, other: &Charge) -> Protection {
        let pool = charged.pool.as_ptr();
        // SAFETY: By the type invariants, both pools are valid.
        let root = unsafe { barium_dmem_common_ancestor(pool, other.pool.as_ptr()) };
        // INVARIANT: The function has taken references to the pool that it has returned.
        let root = NonNull::new(root).map(OwnedPool);
        let raw = root
            .as_ref()
            .map_or(ptr::null_mut(), |root| root.0.as_ptr());
        // SAFETY: By the type invariants, both pools are valid. Without an ancestor, the pointer is
        // null, and the function uses the pool of the root cgroup.
        if unsafe { barium_dmem_below_min(raw, pool) } {
            return Protection::Full;
        }
        // SAFETY: By the type invariants, both pools are valid. A null pointer means the same.
        match unsafe { barium_dmem_below_low(raw, pool) } {
            true => Protection::Low,
            false => Protection::None,
        }
    }
}

/// See [`Region::try_charge`]. `region` is registered.
fn try_charge(region: NonNull<c_void>, size: usize) -> Result<TryCharge> {
    let size = u64::try_from(size)?;
    let (mut pool, mut limit) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: By the type invariants of the `Region` that the caller has, the region is registered.
    // The other pointers are valid for writes.
    let charged = to_result(unsafe {
        barium_dmem_try_charge(region.as_ptr(), size, &raw mut pool, &raw mut limit)
    });
    match (charged, NonNull::new(pool), NonNull::new(limit)) {
        // INVARIANT: The function has charged `size` bytes to the pool, and took the references.
        (Ok(()), Some(pool), _) => {
            let charge = Charge { pool, size };
            Ok(TryCharge::Charged(Some(Arc::new(
                charge,
                GFP_KERNEL_ACCOUNT,
            )?)))
        }
        (Ok(()), None, _) => Ok(TryCharge::Charged(None)),
        // INVARIANT: The function has taken the references to the limiting pool.
        (Err(EAGAIN), _, Some(limit)) => Ok(TryCharge::Limited(OwnedPool(limit))),
        (Err(err), ..) => Err(err),
    }
}

impl<D: Reclaim> Drop for Region<D> {
    fn drop(&mut self) {
        if let Some(raw) = self.raw {
            // SAFETY: By the type invariants, the region is registered. The function waits until no
            // callback runs, so that the owner can be dropped after this.
            unsafe { barium_dmem_unregister(raw.as_ptr()) };
        }
    }
}

/// `dmem_cgroup_ops.reclaim`, through helpers.c.
///
/// # Safety
///
/// `owner` must be an [`Owner<D>`], and `pool` a pool, which are valid until this returns.
unsafe extern "C" fn reclaim_callback<D: Reclaim>(
    pool: *mut c_void,
    bytes: u64,
    owner: *const c_void,
) -> c_int {
    // SAFETY: By the safety requirements.
    let owner = unsafe { &*owner.cast::<Owner<D>>() };
    let Some(pool) = NonNull::new(pool) else {
        return EINVAL.to_errno();
    };
    // INVARIANT: By the safety requirements, the pool is valid until this returns.
    match D::reclaim(&owner.dev, Pool(pool, PhantomData), bytes) {
        Ok(()) => 0,
        Err(err) => err.to_errno(),
    }
}

/// The memory of a region that is charged to a cgroup and to the cgroups below it.
///
/// # Invariants
///
/// The pool and its cgroup are valid for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Pool<'a>(NonNull<c_void>, PhantomData<&'a ()>);

/// The protection of memory that is charged to a cgroup (`dmem.min`, `dmem.low`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// The memory may be taken.
    None,
    /// The memory may be taken if no other memory is left to take.
    Low,
    /// The memory may not be taken.
    Full,
}

impl Pool<'_> {
    /// Returns the protection of `charged` while memory is freed for the limit of this pool. Memory
    /// that does not count for this limit has full protection.
    pub(crate) fn protection_of(self, charged: &Charge) -> Protection {
        let mut hit_low = false;
        // SAFETY: By the type invariants, both pools are valid. `hit_low` is valid for writes.
        let may_be_taken = unsafe {
            barium_dmem_evict_valuable(self.0.as_ptr(), charged.pool.as_ptr(), &raw mut hit_low)
        };
        match (may_be_taken, hit_low) {
            (true, _) => Protection::None,
            (false, true) => Protection::Low,
            (false, false) => Protection::Full,
        }
    }
}

/// Memory that is charged to a cgroup. Dropping it ends that, in any context.
///
/// # Invariants
///
/// `size` bytes are charged to `pool`. This object owns a reference to the pool, and one to its
/// cgroup.
pub(crate) struct Charge {
    pool: NonNull<c_void>,
    size: u64,
}

// SAFETY: Any thread may uncharge.
unsafe impl Send for Charge {}

// SAFETY: Several threads may read the state of a pool at once.
unsafe impl Sync for Charge {}

impl Drop for Charge {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, `size` bytes are charged to the pool, and this object
        // owns the references that the function puts.
        unsafe { barium_dmem_uncharge(self.pool.as_ptr(), self.size) };
    }
}

/// A pool that stays valid as long as this object.
///
/// # Invariants
///
/// This object owns a reference to the pool, and one to its cgroup.
pub(crate) struct OwnedPool(NonNull<c_void>);

impl OwnedPool {
    /// Returns the pool.
    pub(crate) fn pool(&self) -> Pool<'_> {
        // INVARIANT: By the type invariants, the pool is valid as long as `self`.
        Pool(self.0, PhantomData)
    }
}

impl Drop for OwnedPool {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this object owns the references that the function puts.
        unsafe { barium_dmem_put(self.0.as_ptr()) };
    }
}
