// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Cost of what does not all run in the calling process, or waits: guest instructions that the
//! processor spends on anything but idling, until there is nothing left to do.
//!
//! The one processor of the guest never idles while a [`Meter`] runs: a process of the lowest
//! priority reads the instruction counter again and again. Where two readings are far apart, the
//! processor did something else in between, and that is what counts. (When the processor idles,
//! the counter jumps to the next timer, and says nothing.) Work has come to its end when this process
//! gets its turn again and nobody else wants the processor.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::Duration;

use crate::clock;
use crate::row::median;
use crate::sys::{self, Idler, SharedCounter};

/// How far apart two readings are at most if nothing came in between.
const NEXT: u64 = 64;
/// How long is waited before work for all to be quiet: less than a sixtieth of a second, when a
/// display starts its next picture.
const SETTLE: Duration = Duration::from_millis(2);
/// How long the meter may take to get its turn. (That is waited for without a timer: at the end of a
/// short one, this process would take the processor from whoever is at work, who may then find it
/// given to the meter.)
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the cost of measuring nothing is measured.
const EMPTY_ROUNDS: usize = 25;

/// Its fourth word is the number of processes that want a processor, and of all.
const LOAD: &str = "/proc/loadavg";

/// Counts instructions as long as it lives.
pub struct Meter {
    board: Board,
    answers: UnixStream,
    _idler: Idler,
    /// What measuring costs.
    own: u64,
}

/// What the meter's process and the one that asks have in common.
struct Board {
    /// Instructions spent on anything but the meter.
    spent: SharedCounter,
    /// 1 if it is asked what had been spent when the meter gets its next turn.
    asked: SharedCounter,
}

impl Meter {
    /// Starts counting. From now on, this process runs before all others: the first of them gets its
    /// turn when it waits. Otherwise, there would be one change of processes more or less, as chance
    /// has it.
    pub fn start() -> io::Result<Self> {
        let board = Board {
            spent: SharedCounter::new()?,
            asked: SharedCounter::new()?,
        };
        let (answers, answering) = UnixStream::pair()?;
        answers.set_read_timeout(Some(PATIENCE))?;
        let load = File::open(LOAD)?;
        let idler = Idler::run(|| board.count(&load, &answering))?;
        sys::run_first()?;
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

    /// Guest instructions that `work` takes, with what it leaves to others to do at once. If a
    /// profiler is recording, it ends with that.
    pub fn cost(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<u64> {
        // The meter gets its turn, so that all before this is counted.
        sleep(SETTLE);
        let before = self.board.spent.get();
        work()?;
        self.board.asked.set(1);
        let mut answer = [0; size_of::<u64>()];
        (&self.answers).read_exact(&mut answer)?;
        Ok((u64::from_le_bytes(answer) - before).saturating_sub(self.own))
    }
}

impl Board {
    /// What the meter's process does until it cannot answer.
    fn count(&self, load: &File, answering: &UnixStream) {
        let mut last = clock::instructions();
        loop {
            let mut now = clock::instructions();
            if now - last > NEXT {
                self.spent.add(now - last);
                if self.asked.get() != 0 {
                    if self.answer(load, answering).is_err() {
                        return;
                    }
                    now = clock::instructions();
                }
            }
            last = now;
        }
    }

    /// Answers when nobody else wants the processor. The meter gets its turn before that if somebody
    /// else interrupted who is at work: of two that may run, the kernel takes the one that had less than
    /// its share.
    fn answer(&self, load: &File, mut answering: &UnixStream) -> io::Result<()> {
        clock::record_pause();
        while wanting(load)? > 1 {
            clock::record_resume();
            self.spent.add(clock::cost(sys::give_way));
            clock::record_pause();
        }
        clock::record_end();
        self.asked.set(0);
        answering.write_all(&self.spent.get().to_le_bytes())
    }
}

/// How many processes want the processor.
fn wanting(load: &File) -> io::Result<u32> {
    let mut text = [0; 64];
    let len = load.read_at(&mut text, 0)?;
    let text = std::str::from_utf8(&text[..len]).map_err(io::Error::other)?;
    in_load(text).ok_or_else(|| io::Error::other("no load"))
}

fn in_load(text: &str) -> Option<u32> {
    let (wanting, _all) = text.split_whitespace().nth(3)?.split_once('/')?;
    wanting.parse().ok()
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
