// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Costs of work that runs partly in other processes, or that sleeps: the guest instructions that
//! the CPU spends on anything but idling until the work is complete.
//!
//! The guest's only CPU never idles while a [`Meter`] runs: a process of the lowest priority reads
//! the instruction counter in a loop. A large difference between two readings means that the CPU
//! did something else in between, and such differences add up to the cost. (While the CPU idles,
//! the counter jumps to the next timer and is meaningless.) Work is complete when this process runs
//! again and no other process is runnable.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::Duration;

use crate::clock;
use crate::row::median;
use crate::sys::{self, IdleTask, SharedCounter};

/// Maximum difference of two readings without other work in between.
const MAX_GAP: u64 = 64;
/// Delay before each measurement, for pending work to complete. It is shorter than a frame, at the
/// end of which the display starts the next one.
const SETTLE: Duration = Duration::from_millis(2);
/// Time limit for the meter to run again. The measuring process waits without a timer: a short
/// timer would make it preempt the process that is working, and the scheduler might then run the
/// meter first.
const METER_TIMEOUT: Duration = Duration::from_secs(5);
/// Number of measurements of empty work.
const EMPTY_ROUNDS: usize = 25;

/// The numerator of its fourth field is the number of runnable processes.
const LOADAVG: &str = "/proc/loadavg";

/// Counts instructions while it exists.
pub struct Meter {
    board: SharedState,
    answers: UnixStream,
    _idler: IdleTask,
    /// The cost of a measurement itself.
    own: u64,
}

/// Memory shared by the meter's process and the measuring process.
struct SharedState {
    /// Instructions spent on anything but the meter.
    spent: SharedCounter,
    /// 1 if the measuring process has asked for the sum at the meter's next turn.
    requested: SharedCounter,
}

impl Meter {
    /// Starts counting. From now on, the calling process has real-time priority: other processes
    /// run only when it sleeps. Otherwise the number of context switches would vary by one.
    pub fn start() -> io::Result<Self> {
        let board = SharedState {
            spent: SharedCounter::new()?,
            requested: SharedCounter::new()?,
        };
        let (answers, answering) = UnixStream::pair()?;
        answers.set_read_timeout(Some(METER_TIMEOUT))?;
        let load = File::open(LOADAVG)?;
        let idler = IdleTask::run(|| board.count(&load, &answering))?;
        sys::set_realtime()?;
        let mut meter = Self {
            board,
            answers,
            _idler: idler,
            own: 0,
        };
        let empty: io::Result<Vec<u64>> =
            (0..EMPTY_ROUNDS).map(|_| meter.cost(|| Ok(()))).collect();
        meter.own = median(&empty?) as u64;
        Ok(meter)
    }

    /// Returns the guest instructions that `work` takes, including work that it hands to other
    /// processes. A recording profiler stops at the end.
    pub fn cost(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<u64> {
        // Lets the meter run, so that all earlier work is counted.
        sleep(SETTLE);
        let before = self.board.spent.get();
        work()?;
        self.board.requested.set(1);
        let mut answer = [0; size_of::<u64>()];
        (&self.answers).read_exact(&mut answer)?;
        Ok((u64::from_le_bytes(answer) - before).saturating_sub(self.own))
    }
}

impl SharedState {
    /// The meter's loop; ends when it cannot answer any more.
    fn count(&self, load: &File, answering: &UnixStream) {
        let mut last = clock::instructions();
        loop {
            let mut now = clock::instructions();
            if now - last > MAX_GAP {
                self.spent.add(now - last);
                if self.requested.get() != 0 {
                    if self.answer(load, answering).is_err() {
                        return;
                    }
                    now = clock::instructions();
                }
            }
            last = now;
        }
    }

    /// Answers when no other process is runnable. The meter may run earlier, after a third process
    /// has preempted the working one: of two runnable processes, the scheduler picks the one that
    /// has had less than its share.
    fn answer(&self, load: &File, mut answering: &UnixStream) -> io::Result<()> {
        clock::record_pause();
        while runnable(load)? > 1 {
            clock::record_resume();
            self.spent.add(clock::cost(sys::yield_cpu));
            clock::record_pause();
        }
        clock::record_end();
        self.requested.set(0);
        answering.write_all(&self.spent.get().to_le_bytes())
    }
}

/// Returns the number of runnable processes.
fn runnable(load: &File) -> io::Result<u32> {
    let mut text = [0; 64];
    let len = load.read_at(&mut text, 0)?;
    let text = std::str::from_utf8(&text[..len]).map_err(io::Error::other)?;
    in_load(text).ok_or_else(|| io::Error::other("no load"))
}

fn in_load(text: &str) -> Option<u32> {
    let (runnable, _all) = text.split_whitespace().nth(3)?.split_once('/')?;
    runnable.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_the_processor() {
        assert_eq!(in_load("0.31 0.07 0.02 1/63 212\n"), Some(1));
        assert_eq!(in_load("0.31 0.07 0.02 12/63 212\n"), Some(12));
        assert_eq!(in_load("0.31"), None);
    }
}
