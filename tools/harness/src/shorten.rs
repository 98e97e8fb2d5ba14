// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Shortens a program of the fuzzer that kills its guest; each attempt boots a guest. The fuzzer
//! itself shortens programs that the guest survives.

use crate::fuzz::BLOCK;
use crate::guest_run::{self, GuestRun};
use crate::guests::Guest;
use crate::payload::{self, Payload};
use crate::report::Outcome;
use crate::settings::Settings;
use crate::{command, Result};

/// Offsets of the program and of its length in a journal's block.
const PROGRAM_AT: usize = 24;
const LEN_AT: usize = 16;
/// Size in bytes of a program's header and of a call: see fuzz/src/program.rs.
const HEAD: usize = 4;
const RECORD: usize = 24;

/// Shortens the last program of `journal` and runs the result once more to print its steps. Returns
/// true if the program does not fail at all.
pub fn shorten(settings: &Settings, guest: &Guest, journal: Vec<u8>) -> Result<bool> {
    let programs = payload::programs(settings)?;
    let payload = payload::build(settings, guest.flavour, &programs)?;
    let shortener = Shortener {
        settings,
        guest,
        payload,
    };
    let start = journal.len().saturating_sub(BLOCK);
    let mut best = journal
        .get(start..)
        .filter(|block| block.len() == BLOCK)
        .ok_or("SHORTEN needs a program: REPLAY=<file>")?
        .to_vec();
    if !shortener.fails(&best) {
        println!("[shorten] it does not fail");
        return Ok(true);
    }
    let mut part = calls(&best).div_ceil(2);
    while part > 0 {
        let mut at = 0;
        while at < calls(&best) {
            let shorter = without(&best, at, part);
            if shortener.fails(&shorter) {
                best = shorter;
                println!("[shorten] fails with {} calls", calls(&best));
            } else {
                at += part;
            }
        }
        part /= 2;
    }
    let path = settings.out.join("fuzz/shortest-program");
    command::write(&path, &best)?;
    shortener.fails(&best);
    println!(
        "[shorten] {} calls: REPLAY={}; the steps and what the kernel says are in {}",
        calls(&best),
        settings.shown(&path),
        settings.shown(&shortener.dir().join("console.log"))
    );
    Ok(false)
}

/// Everything needed for an attempt.
struct Shortener<'a> {
    settings: &'a Settings,
    guest: &'a Guest,
    payload: Payload,
}

impl Shortener<'_> {
    fn dir(&self) -> std::path::PathBuf {
        self.settings.out.join("vm/shorten")
    }

    fn fails(&self, journal: &[u8]) -> bool {
        let run = GuestRun {
            guest: self.guest,
            payload: &self.payload,
            tests: "",
            programs: journal,
            dir: self.dir(),
            name: None,
        };
        let entries = guest_run::run(self.settings, &run);
        entries.iter().any(|entry| entry.outcome == Outcome::Failed)
    }
}

fn len(block: &[u8]) -> usize {
    let bytes = block[LEN_AT..PROGRAM_AT].try_into().expect("eight bytes");
    usize::try_from(u64::from_le_bytes(bytes)).map_or(0, |len| len.min(BLOCK - PROGRAM_AT))
}

fn calls(block: &[u8]) -> usize {
    len(block).saturating_sub(HEAD) / RECORD
}

/// Returns the block without the `count` calls from `first` on.
fn without(block: &[u8], first: usize, count: usize) -> Vec<u8> {
    let from = PROGRAM_AT + HEAD + first * RECORD;
    let to = (from + count * RECORD).min(PROGRAM_AT + len(block));
    let len = u64::try_from(len(block) - (to - from)).expect("a small number");
    let mut shorter = block.to_vec();
    shorter.drain(from..to);
    shorter.resize(BLOCK, 0);
    shorter[LEN_AT..PROGRAM_AT].copy_from_slice(&len.to_le_bytes());
    shorter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_cut_out() {
        let mut block = vec![0; BLOCK];
        let program = HEAD + 3 * RECORD;
        block[LEN_AT] = u8::try_from(program).unwrap();
        for call in 0..3 {
            block[PROGRAM_AT + HEAD + call * RECORD] = u8::try_from(call + 1).unwrap();
        }
        let shorter = without(&block, 1, 1);
        assert_eq!((calls(&block), calls(&shorter)), (3, 2));
        assert_eq!(shorter.len(), BLOCK);
        assert_eq!(shorter[PROGRAM_AT + HEAD + RECORD], 3);
        assert_eq!(calls(&without(&block, 1, 9)), 1);
    }
}
