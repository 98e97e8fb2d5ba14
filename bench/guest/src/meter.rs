// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Cost of what does not all run in the calling process, or waits: guest instructions that the
//! processor spends on anything but idling.
//!
//! The one processor of the guest never idles while a [`Meter`] runs: a process of the lowest
//! priority reads the instruction counter again and again. Where two readings are far apart, the
//! processor did something else in between, and that is what counts. (When the processor idles,
//! the counter jumps to the next timer, and says nothing.)

use std::io;
use std::thread::sleep;
use std::time::Duration;

use crate::clock;
use crate::sys::{Idler, SharedCounter};

/// How far apart two readings are at most if nothing came in between.
const NEXT: u64 = 64;
/// How long is waited for what a measured call has left to others: more than it takes to begin
/// with that, and less than a sixtieth of a second, when a display starts its next picture.
const SETTLE: Duration = Duration::from_millis(2);
/// How often the cost of measuring nothing is measured.
const EMPTY_ROUNDS: u64 = 20;

/// Counts instructions as long as it lives.
pub struct Meter {
    spent: SharedCounter,
    _idler: Idler,
    /// What measuring costs.
    own: u64,
}

impl Meter {
    /// Starts counting.
    pub fn start() -> io::Result<Self> {
        let spent = SharedCounter::new()?;
        let idler = Idler::run(|| count(&spent))?;
        let mut meter = Self {
            spent,
            _idler: idler,
            own: 0,
        };
        let mut all = 0;
        for _ in 0..EMPTY_ROUNDS {
            all += meter.cost(|| Ok(()))?;
        }
        meter.own = all / EMPTY_ROUNDS;
        Ok(meter)
    }

    /// Guest instructions that `work` takes, with what it leaves to others.
    pub fn cost(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<u64> {
        // The meter gets its turn, so that all before this is counted.
        sleep(SETTLE);
        let before = self.spent.get();
        work()?;
        sleep(SETTLE);
        Ok((self.spent.get() - before).saturating_sub(self.own))
    }
}

/// What the meter's process does for ever.
fn count(spent: &SharedCounter) {
    let mut last = clock::instructions();
    loop {
        let now = clock::instructions();
        if now - last > NEXT {
            spent.add(now - last);
        }
        last = now;
    }
}
