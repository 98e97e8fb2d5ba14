// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The memory that a client with two buffers of 1920x1080 pixels uses: system memory here, VRAM in
//! [`traffic`](super::traffic).

use std::io;
use std::thread::sleep;
use std::time::Duration;

use crate::memory;
use crate::row::Outcome;
use crate::screen::{Picture, Screen};
use crate::sys::{Child, Mapping, SharedCounter};

/// Number of concurrent clients: what one of them uses is not a multiple of a page.
const CLIENTS: u8 = 8;
/// Number of measured rounds.
const ROUNDS: usize = 8;
/// Polling interval.
const POLL: Duration = Duration::from_millis(2);
/// Maximum number of polls.
const MAX_POLLS: usize = 5000;

/// Two mapped and drawn pictures.
pub struct Client<'a> {
    screen: &'a Screen,
    pictures: [Picture; 2],
    _mappings: [Mapping; 2],
}

impl<'a> Client<'a> {
    /// Creates and draws both pictures, shows one and flips to the other.
    pub fn start(screen: &'a Screen) -> io::Result<Self> {
        let pictures = [screen.picture()?, screen.picture()?];
        let mappings = [screen.map(&pictures[0])?, screen.map(&pictures[1])?];
        mappings.iter().for_each(|mapping| mapping.fill(1));
        screen.switch_on(&pictures[0])?;
        screen.flip(&pictures[1])?;
        screen.wait()?;
        Ok(Self {
            screen,
            pictures,
            _mappings: mappings,
        })
    }

    /// Destroys both pictures. Another picture must be shown by now.
    pub fn end(self) -> io::Result<()> {
        let [one, other] = self.pictures;
        self.screen.discard(one)?;
        self.screen.discard(other)
    }
}

/// Returns the system memory that a client uses, in bytes: the decrease of free memory while
/// several clients exist, minus the decrease while as many idle processes exist. Page tables are
/// included.
pub fn system_memory(screen: &Screen) -> io::Result<Outcome> {
    let round = || -> io::Result<u64> {
        let nothing = memory_used(|| Ok(()), |()| Ok(()))?;
        let clients = memory_used(|| Client::start(screen), Client::end)?;
        screen.switch_off()?;
        Ok(clients.saturating_sub(nothing) / u64::from(CLIENTS))
    };
    round()?;
    let values: io::Result<Vec<u64>> = (0..ROUNDS).map(|_| round()).collect();
    Ok(Outcome::Bytes(values?))
}

/// Returns the decrease of free memory, in bytes, while processes exist that have run `start`.
fn memory_used<T>(
    start: impl Fn() -> io::Result<T>,
    end: impl Fn(T) -> io::Result<()>,
) -> io::Result<u64> {
    let (ready, leave) = (SharedCounter::new()?, SharedCounter::new()?);
    let live = || -> io::Result<()> {
        let client = start()?;
        ready.add(1);
        while leave.get() == 0 {
            sleep(POLL);
        }
        end(client)
    };
    let before = memory::free()?;
    let mut children = Vec::new();
    for number in 1..=u64::from(CLIENTS) {
        children.push(Child::run(|| live().expect("nothing is missing"))?);
        let is_ready = (0..MAX_POLLS).any(|_| {
            sleep(POLL);
            ready.get() == number
        });
        if !is_ready {
            return Err(io::Error::other("a client did not come up"));
        }
    }
    let after = memory::free()?;
    leave.set(1);
    children.into_iter().try_for_each(Child::wait)?;
    let memory_used = before.saturating_sub(after);
    Ok(u64::try_from(memory_used).expect("no machine has more"))
}
