// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Several processes with one object: many that map it, and a fork of one that maps it.

use std::io;

use super::cost::Workload;
use super::{repeat, touch};
use crate::clock;
use crate::method::Device;
use crate::pattern::Pattern;
use crate::row::{Outcome, Rounds};
use crate::sys::{page_size, Child};

/// Number of processes that map the object.
const PROCESSES: usize = 64;
/// Minimum number of rounds.
const MIN_ROUNDS: usize = 3;

/// The workloads of this module.
pub fn workloads() -> Vec<Workload> {
    vec![
        Workload::new("procs64-1M".into(), |device| many(device, 1 << 20)),
        Workload::new("fork-8M".into(), |device| fork(device, 8 << 20)),
        Workload::new("process".into(), process),
    ]
}

/// 64 processes map the same object and touch all of it. The cost is per page, without the cost of
/// the processes themselves.
fn many(device: &Device, size: usize) -> io::Result<Outcome> {
    let pages = Pattern::Forward.pages(size / page_size());
    let object = device.create(size)?;
    touch::verify(device, object, &pages)?;
    let map_and_touch = || {
        touch::round(device, object, &pages).expect("could be mapped before");
    };
    let without = repeat(MIN_ROUNDS, || run_children(PROCESSES, || ()))?;
    let with = repeat(MIN_ROUNDS, || run_children(PROCESSES, map_and_touch))?;
    Ok(Outcome::Measured(Rounds {
        costs: difference(&with, &without),
        pages: PROCESSES * pages.len(),
        faults: None,
    }))
}

/// A process that has touched all of an object forks; the child touches all of it and exits. The
/// cost is per page and includes the cost of a process, which dominates where mapping is cheap: a
/// difference would be too inaccurate. `process` measures that part.
fn fork(device: &Device, size: usize) -> io::Result<Outcome> {
    let pages = Pattern::Forward.pages(size / page_size());
    let object = device.create(size)?;
    let mapping = device.map(object)?;
    let touch_all = || {
        for &page in &pages {
            mapping.touch(page, 1);
        }
    };
    touch_all();
    Ok(Outcome::Measured(Rounds {
        costs: repeat(MIN_ROUNDS, || run_children(1, touch_all))?,
        pages: pages.len(),
        faults: None,
    }))
}

/// A process without a mapping: the cost of fork and exit alone.
fn process(_: &Device) -> io::Result<Outcome> {
    Ok(Outcome::Measured(Rounds {
        costs: repeat(MIN_ROUNDS, || run_children(1, || ()))?,
        pages: 1,
        faults: None,
    }))
}

/// Returns the cost of `count` concurrent children that do `work`.
fn run_children(count: usize, work: impl Fn()) -> io::Result<u64> {
    let mut done = Ok(());
    let cost = clock::cost(|| {
        let children: io::Result<Vec<Child>> = (0..count).map(|_| Child::run(&work)).collect();
        done = children.and_then(|all| all.into_iter().try_for_each(Child::wait));
    });
    done.map(|()| cost)
}

/// Returns each cost with the work minus the mean cost without it.
fn difference(with: &[u64], without: &[u64]) -> Vec<u64> {
    let count = u64::try_from(without.len()).expect("few rounds");
    let base = without.iter().sum::<u64>() / count;
    with.iter().map(|cost| cost.saturating_sub(base)).collect()
}
