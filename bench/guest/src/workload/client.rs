// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a client of 1920x1080 pixels with two buffers takes: system memory here, VRAM in
//! [`traffic`](super::traffic).

use std::io;
use std::thread::sleep;
use std::time::Duration;

use crate::memory;
use crate::row::Outcome;
use crate::screen::{Picture, Screen};
use crate::sys::{Child, Mapping, SharedCounter};

/// Clients that live at the same time: what they take is not whole pages.
const CLIENTS: u8 = 8;
/// Rounds that count.
const ROUNDS: usize = 8;
/// How often one that waits looks whether it still has to.
const LOOK: Duration = Duration::from_millis(2);
/// How often a client may be looked for.
const LOOKS: usize = 5000;

/// Two pictures, mapped and drawn.
pub struct Client<'a> {
    screen: &'a Screen,
    pictures: [Picture; 2],
    _mappings: [Mapping; 2],
}

impl<'a> Client<'a> {
    /// Makes both pictures, draws them, shows one and flips to the other.
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

    /// Gives everything back. Another picture may be shown.
    pub fn end(self) -> io::Result<()> {
        let [one, other] = self.pictures;
        self.screen.discard(one)?;
        self.screen.discard(other)
    }
}

/// System memory that a client takes, in bytes: what is missing while several live, less what is
/// missing while as many processes live that do nothing. That includes page tables.
pub fn system_memory(screen: &Screen) -> io::Result<Outcome> {
    let round = || -> io::Result<u64> {
        let nothing = taken(|| Ok(()), |()| Ok(()))?;
        let clients = taken(|| Client::start(screen), Client::end)?;
        screen.switch_off()?;
        Ok(clients.saturating_sub(nothing) / u64::from(CLIENTS))
    };
    round()?;
    let values: io::Result<Vec<u64>> = (0..ROUNDS).map(|_| round()).collect();
    Ok(Outcome::Bytes(values?))
}

/// Bytes of memory that are missing while processes live that have done `start`.
fn taken<T>(
    start: impl Fn() -> io::Result<T>,
    end: impl Fn(T) -> io::Result<()>,
) -> io::Result<u64> {
    let (ready, leave) = (SharedCounter::new()?, SharedCounter::new()?);
    let live = || -> io::Result<()> {
        let client = start()?;
        ready.add(1);
        while leave.get() == 0 {
            sleep(LOOK);
        }
        end(client)
    };
    let before = memory::free()?;
    let mut children = Vec::new();
    for number in 1..=u64::from(CLIENTS) {
        children.push(Child::run(|| live().expect("nothing is missing"))?);
        let is_ready = (0..LOOKS).any(|_| {
            sleep(LOOK);
            ready.get() == number
        });
        if !is_ready {
            return Err(io::Error::other("a client did not come up"));
        }
    }
    let after = memory::free()?;
    leave.set(1);
    children.into_iter().try_for_each(Child::wait)?;
    let taken = before.saturating_sub(after);
    Ok(u64::try_from(taken).expect("no machine has more"))
}
