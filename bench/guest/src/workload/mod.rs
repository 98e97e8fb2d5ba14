// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The workloads, and how often they are repeated.

use std::io;

pub mod client;
pub mod cost;
pub mod display;
pub mod full;
pub mod lifecycle;
pub mod processes;
pub mod scaling;
pub mod shadow;
pub mod touch;
pub mod traffic;

/// Minimum number of guest instructions over which a workload is repeated; this spans many timer
/// ticks. Work that the kernel defers, such as freeing memory after an RCU grace period, runs with
/// those ticks. With fewer ticks, figures would differ by more than 1% from run to run.
const MIN_INSTRUCTIONS: u64 = 150_000_000;

/// Returns the costs of at least `least` rounds, after one unmeasured round.
fn repeat(least: usize, mut round: impl FnMut() -> io::Result<u64>) -> io::Result<Vec<u64>> {
    round()?;
    let mut costs = Vec::new();
    let mut all = 0;
    while costs.len() < least || all < MIN_INSTRUCTIONS {
        let cost = round()?;
        all += cost;
        costs.push(cost);
    }
    Ok(costs)
}

/// Formats a size for a workload's name: `4K`, `8M`.
pub fn size_name(bytes: usize) -> String {
    if bytes % (1 << 20) == 0 {
        format!("{}M", bytes >> 20)
    } else {
        format!("{}K", bytes >> 10)
    }
}
