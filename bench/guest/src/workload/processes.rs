// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Several processes with one object: many that map it, and a fork of one that has it mapped.

use std::io;

use super::cost::Workload;
use super::{repeat, touch};
use crate::clock;
use crate::pattern::Pattern;
use crate::row::{Outcome, Rounds};
use crate::sys::{Child, PAGE};
use crate::way::Device;

/// Processes that map the object.
const PROCESSES: usize = 64;
/// Rounds, however long they are.
const LEAST_ROUNDS: usize = 3;

/// The workloads of this file.
pub fn workloads() -> Vec<Workload> {
    vec![
        Workload::new("procs64-1M".into(), |device| many(device, 1 << 20)),
        Workload::new("fork-8M".into(), |device| fork(device, 8 << 20)),
        Workload::new("process".into(), process),
    ]
}

/// 64 processes map the same object and touch all of it: per page, without what the processes cost
/// by themselves.
fn many(device: &Device, size: usize) -> io::Result<Outcome> {
    let pages = Pattern::Forward.pages(size / PAGE);
    let object = device.create(size)?;
    touch::verify(device, object, &pages)?;
    let map_and_touch = || {
        touch::round(device, object, &pages).expect("could be mapped before");
    };
    let without = repeat(LEAST_ROUNDS, || family(PROCESSES, || ()))?;
    let with = repeat(LEAST_ROUNDS, || family(PROCESSES, map_and_touch))?;
    Ok(Outcome::Measured(Rounds {
        costs: difference(&with, &without),
        pages: PROCESSES * pages.len(),
        faults: None,
    }))
}

/// A process that has touched all of an object forks, the child touches all of it and ends: per
/// page, with all that a process costs. That is a good part of it where mapping is cheap, and more
/// than the difference could be trusted for; `process` tells how much it is.
fn fork(device: &Device, size: usize) -> io::Result<Outcome> {
    let pages = Pattern::Forward.pages(size / PAGE);
    let object = device.create(size)?;
    let mapping = device.map(object)?;
    let touch_all = || {
        for &page in &pages {
            mapping.touch(page, 1);
        }
    };
    touch_all();
    Ok(Outcome::Measured(Rounds {
        costs: repeat(LEAST_ROUNDS, || family(1, touch_all))?,
        pages: pages.len(),
        faults: None,
    }))
}

/// A process that does nothing: what a fork costs if no object is mapped.
fn process(_: &Device) -> io::Result<Outcome> {
    Ok(Outcome::Measured(Rounds {
        costs: repeat(LEAST_ROUNDS, || family(1, || ()))?,
        pages: 1,
        faults: None,
    }))
}

/// Cost of `count` children, all alive at the same time, that do `work`.
fn family(count: usize, work: impl Fn()) -> io::Result<u64> {
    let mut done = Ok(());
    let cost = clock::cost(|| {
        let children: io::Result<Vec<Child>> = (0..count).map(|_| Child::run(&work)).collect();
        done = children.and_then(|all| all.into_iter().try_for_each(Child::wait));
    });
    done.map(|()| cost)
}

/// Each less the mean of what it is without the work.
fn difference(with: &[u64], without: &[u64]) -> Vec<u64> {
    let count = u64::try_from(without.len()).expect("few rounds");
    let base = without.iter().sum::<u64>() / count;
    with.iter().map(|cost| cost.saturating_sub(base)).collect()
}
