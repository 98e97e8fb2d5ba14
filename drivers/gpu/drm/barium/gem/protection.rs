// SPDX-License-Identifier: GPL-2.0

//! The objects that the limits of cgroups (`dmem.min`, `dmem.low`) keep in VRAM.
//!
//! [`super::room`] charges VRAM, and moves objects out that are not protected.

use super::BariumObject;
use crate::{
    device::BariumDriver,
    place::Place,
    upstream::dmem::{
        Charge,
        Pool,
        Protection,
        Region, //
    }, //
};
use core::cell::Cell;
use kernel::{
    prelude::*,
    sync::{
        rcu,
        Arc, //
    }, //
};

/// What objects leave VRAM for.
#[derive(Clone, Copy)]
pub(super) enum Need<'a> {
    /// VRAM for an object with this charge to this region. There is no charge in a kernel without
    /// the dmem controller.
    Vram(Option<(&'a Region<BariumDriver>, &'a Charge)>),
    /// The limit of this pool. Only the objects that are charged to its cgroup, or to cgroups below
    /// it, may leave.
    Limit(Pool<'a>),
}

impl<'a> Need<'a> {
    /// VRAM for an object with this charge to `region`.
    pub(super) fn vram(region: &'a Region<BariumDriver>, charge: Option<&'a Charge>) -> Self {
        Self::Vram(charge.map(|charge| (region, charge)))
    }
}

/// Decides which objects stay in VRAM because they are protected.
pub(super) struct Protected<'a> {
    need: Need<'a>,
    /// True if `dmem.low` protects nothing.
    ignores_low: bool,
    /// True if an object has stayed only because of `dmem.low`.
    has_hit_low: Cell<bool>,
}

impl Protected<'_> {
    /// Returns true if `obj` has to stay in VRAM. The caller has not locked its reservation.
    pub(super) fn keeps(&self, obj: &BariumObject) -> bool {
        // Computing the protection may sleep. An object that is not in VRAM needs none.
        let protection = match self.need {
            Need::Vram(None) => None,
            Need::Vram(Some((region, other))) => {
                charge(obj).map(|charged| region.protection_of(&charged, other))
            }
            Need::Limit(pool) => charge(obj).map(|charged| pool.protection_of(&charged)),
        };
        match protection.unwrap_or(Protection::None) {
            Protection::None => false,
            Protection::Full => true,
            Protection::Low if self.ignores_low => false,
            Protection::Low => {
                self.has_hit_low.set(true);
                true
            }
        }
    }
}

/// Returns the charge for the VRAM of `obj`; `None` if it is not in VRAM.
fn charge(obj: &BariumObject) -> Option<Arc<Charge>> {
    match obj.place(&rcu::read_lock()) {
        Some(Place::Vram(allocation)) => allocation.charge().cloned(),
        _ => None,
    }
}

/// Calls `evict`, which moves out objects that are not protected, and returns its result. If it has
/// returned `None`, and objects have stayed only because of `dmem.low`, calls it once more without
/// that protection.
///
/// # Errors
///
/// Those of `evict`.
pub(super) fn in_two_passes<T>(
    need: Need<'_>,
    mut evict: impl FnMut(&Protected<'_>) -> Result<Option<T>>,
) -> Result<Option<T>> {
    let mut protected = Protected {
        need,
        ignores_low: false,
        has_hit_low: Cell::new(false),
    };
    let found = evict(&protected)?;
    if found.is_some() || !protected.has_hit_low.get() {
        return Ok(found);
    }
    protected.ignores_low = true;
    evict(&protected)
}

#[kunit_tests(barium_gem_protection)]
mod tests {
    use super::*;

    /// Returns the number of passes, the last of which finds something if `finds` is its number.
    fn passes(hits_low: bool, finds: Option<usize>) -> Result<usize> {
        let mut passes = 0;
        let found = in_two_passes(Need::Vram(None), |protected| {
            assert_eq!(protected.ignores_low, passes == 1);
            protected.has_hit_low.set(hits_low);
            passes += 1;
            Ok((finds == Some(passes)).then_some(()))
        })?;
        assert_eq!(found.is_some(), finds == Some(passes));
        Ok(passes)
    }

    #[test]
    fn low_is_ignored_only_if_it_has_protected_something() -> Result {
        assert_eq!(passes(false, None)?, 1);
        assert_eq!(passes(false, Some(1))?, 1);
        assert_eq!(passes(true, Some(1))?, 1);
        assert_eq!(passes(true, Some(2))?, 2);
        assert_eq!(passes(true, None)?, 2);
        Ok(())
    }
}
