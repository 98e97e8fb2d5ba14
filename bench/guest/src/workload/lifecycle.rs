// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The lifecycle of objects: create, map, touch one page, unmap, close.

use std::io;

use super::cost::Workload;
use super::{repeat, size_name};
use crate::clock;
use crate::method::{Device, Object};
use crate::row::{Outcome, Rounds};
use crate::sys::{page_size, Mapping};

/// Number of concurrent objects in the workload with many objects.
const OBJECTS: usize = 10_000;

/// Sizes of the objects in bytes.
pub const SIZES: [usize; 2] = [4 << 10, 1 << 20];

/// The workloads of this module.
pub fn workloads() -> Vec<Workload> {
    let mut all: Vec<Workload> = SIZES
        .into_iter()
        .filter(|&size| size >= page_size())
        .map(|size| Workload::new(name(size), move |device| one_after_another(device, size)))
        .collect();
    all.push(Workload::new(
        format!("objects10000-{}", size_name(page_size())),
        all_at_once,
    ));
    all
}

/// Returns the workload's name in the results for objects of `size` bytes.
pub fn name(size: usize) -> String {
    format!("life-{}", size_name(size))
}

/// Runs one lifecycle.
pub fn one(device: &Device, size: usize) -> io::Result<()> {
    let object = device.create(size)?;
    device.map(object)?.touch(0, 1);
    device.close(object)
}

/// Minimum number of measured lifecycles.
const MIN_LIVES: usize = 50;
/// Minimum number of rounds with many objects, which are long.
const ROUNDS: usize = 1;

/// Measures one object after the other.
pub fn one_after_another(device: &Device, size: usize) -> io::Result<Outcome> {
    if !device.method.has_objects() {
        return Ok(Outcome::Missing("has no objects".into()));
    }
    // A driver may keep closed objects and clear or free them later.
    (0..MIN_LIVES).try_for_each(|_| one(device, size))?;
    measure(1, MIN_LIVES, || one(device, size))
}

/// Measures 10,000 concurrent objects of one page; the cost is per object.
fn all_at_once(device: &Device) -> io::Result<Outcome> {
    if !device.method.has_objects() {
        return Ok(Outcome::Missing("has no objects".into()));
    }
    let mut objects: Vec<Object> = Vec::with_capacity(OBJECTS);
    let mut mappings: Vec<Mapping> = Vec::with_capacity(OBJECTS);
    let round = || -> io::Result<()> {
        for _ in 0..OBJECTS {
            objects.push(device.create(page_size())?);
        }
        for &object in &objects {
            mappings.push(device.map(object)?);
        }
        for mapping in &mappings {
            mapping.touch(0, 1);
        }
        mappings.clear();
        for object in objects.drain(..) {
            device.close(object)?;
        }
        Ok(())
    };
    measure(OBJECTS, ROUNDS, round)
}

/// Measures rounds with `count` objects each.
fn measure(
    objects: usize,
    least: usize,
    mut round: impl FnMut() -> io::Result<()>,
) -> io::Result<Outcome> {
    let costs = repeat(least, || {
        let mut done = Ok(());
        let cost = clock::cost(|| done = round());
        done.map(|()| cost)
    })?;
    Ok(Outcome::Measured(Rounds {
        costs,
        pages: objects,
        faults: None,
    }))
}
