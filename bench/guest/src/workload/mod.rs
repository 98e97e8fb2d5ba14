// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The workloads, and how often they are repeated.

use std::io;

pub mod client;
pub mod cost;
pub mod display;
pub mod life;
pub mod processes;
pub mod scaling;
pub mod touch;
pub mod traffic;

/// Guest instructions over which a workload is repeated at least: many ticks of the timer. What the
/// kernel puts off, such as freeing memory after an RCU grace period, comes with those, and makes
/// figures of fewer ticks differ from run to run by over 1%.
const LEAST: u64 = 150_000_000;

/// The costs of rounds, after one that does not count: `least` of them or more.
fn repeat(least: usize, mut round: impl FnMut() -> io::Result<u64>) -> io::Result<Vec<u64>> {
    round()?;
    let mut costs = Vec::new();
    let mut all = 0;
    while costs.len() < least || all < LEAST {
        let cost = round()?;
        all += cost;
        costs.push(cost);
    }
    Ok(costs)
}

/// `4K`, `8M`: how workloads name a size of whole pages.
pub fn size_name(bytes: usize) -> String {
    if bytes % (1 << 20) == 0 {
        format!("{}M", bytes >> 20)
    } else {
        format!("{}K", bytes >> 10)
    }
}
