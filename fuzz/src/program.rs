// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A program: a sequence of calls. The fuzzer treats it as bytes: a header, and a record of fixed
//! size for each call, so that calls can be removed, duplicated and copied between programs.
//! [`crate::call`] decodes records.

use arbitrary::Unstructured;

use crate::call::Call;
use crate::module::Mode;

/// Size of the header in bytes.
const HEAD: usize = 4;
/// Size of a record in bytes: the thread's number and the encoded call.
const RECORD: usize = 24;
/// Maximum number of calls in a program.
pub const MAX_CALLS: usize = 24;
/// Maximum size of a program in bytes.
pub const MAX_BYTES: usize = HEAD + RECORD * MAX_CALLS;
/// Maximum number of threads of a program.
pub const MAX_THREADS: usize = 3;

/// An encoded call.
pub type Record = [u8; RECORD];

/// A deterministic random number generator (SplitMix64).
pub struct Random(u64);

impl Random {
    /// Starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `limit`, which must not be 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// Returns a random record whose call satisfies `is`.
    pub fn record(&mut self, is: impl Fn(&Call) -> bool) -> Record {
        loop {
            let mut record = [0; RECORD];
            self.fill(&mut record);
            if means(&record, &is) {
                return record;
            }
        }
    }

    /// Returns a record that begins with these bytes of a call; the rest is random.
    pub fn record_of(&mut self, bytes: &[u8]) -> Record {
        let mut record = [0; RECORD];
        self.fill(&mut record);
        record[1..][..bytes.len()].copy_from_slice(bytes);
        record
    }

    /// Changes some arguments of a record such that its call still satisfies `is`.
    pub fn vary(&mut self, record: &mut Record, is: impl Fn(&Call) -> bool) {
        for _ in 0..RECORD {
            let mut other = *record;
            other[self.below(RECORD)] = self.next() as u8;
            if means(&other, &is) {
                *record = other;
            }
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(size_of::<u64>()) {
            let random = self.next().to_le_bytes();
            part.copy_from_slice(&random[..part.len()]);
        }
    }
}

/// Returns true if the record's call satisfies `is`.
fn means(record: &Record, is: impl Fn(&Call) -> bool) -> bool {
    let call = Unstructured::new(&record[1..]).arbitrary();
    call.is_ok_and(|call| is(&call))
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(Vec<u8>);

impl Program {
    /// Decodes a program; surplus bytes are dropped.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().clamp(HEAD, MAX_BYTES), 0);
        let whole = (bytes.len() - HEAD) / RECORD * RECORD;
        bytes.truncate(HEAD + whole);
        Self(bytes)
    }

    /// Returns a program of one thread that makes these calls and then cleans up.
    pub fn of(records: &[Record]) -> Self {
        let mut bytes = vec![0, 0, 1, 1];
        bytes.extend(records.as_flattened());
        Self::from_bytes(&bytes)
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns a random program.
    pub fn random(random: &mut Random) -> Self {
        let calls = 3 + random.below(MAX_CALLS - 6);
        let mut bytes = vec![0; HEAD + RECORD * calls];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// Returns the number of threads.
    pub fn threads(&self) -> usize {
        match self.0[0] % 8 {
            6 => 2,
            7 => MAX_THREADS,
            _ => 1,
        }
    }

    /// Returns how often each thread repeats its calls: races need several attempts.
    pub fn rounds(&self) -> usize {
        match self.threads() {
            1 => 1,
            _ => 1 + usize::from(self.0[1] % 6),
        }
    }

    /// Returns true if the program ends without unmapping and closing its resources.
    pub fn is_abrupt(&self) -> bool {
        self.0[2] & 1 == 0
    }

    /// Returns true if only allocations of the driver and of functions that it calls directly fail.
    /// Among all allocations of a call, these are few.
    pub fn fails_near(&self) -> bool {
        self.0[2] & 2 != 0
    }

    /// Sets that flag.
    pub fn failing_near(mut self) -> Self {
        self.0[2] |= 2;
        self
    }

    /// Returns the index of its display among `count`; most programs use the first.
    pub fn display(&self, count: usize) -> usize {
        match self.0[3] % 4 {
            0 => 1 % count,
            _ => 0,
        }
    }

    /// Selects the second display.
    pub fn for_second_display(mut self) -> Self {
        self.0[3] &= !3;
        self
    }

    /// Returns the mode of the driver.
    pub fn mode(&self) -> Mode {
        Mode::ALL[usize::from(self.0[3] >> 2) % Mode::ALL.len()]
    }

    /// Selects the driver's mode `number`.
    pub fn in_mode(mut self, number: u8) -> Self {
        self.0[3] = (self.0[3] & 3) | (number << 2);
        self
    }

    /// Returns the number of calls.
    pub fn len(&self) -> usize {
        (self.0.len() - HEAD) / RECORD
    }

    fn record(&self, index: usize) -> &[u8] {
        &self.0[HEAD + index * RECORD..][..RECORD]
    }

    /// Returns the calls, each with the number of its thread.
    pub fn calls(&self) -> Vec<(usize, Call)> {
        let threads = self.threads();
        (0..self.len())
            .filter_map(|index| {
                let (thread, rest) = self.record(index).split_first()?;
                let call = Unstructured::new(rest).arbitrary().ok()?;
                Some((usize::from(*thread) % threads, call))
            })
            .collect()
    }

    /// Returns true if a call acts on the device, which is slow.
    pub fn has_device_calls(&self) -> bool {
        self.calls().iter().any(|(_, call)| call.is_about_device())
    }

    /// Returns the program without the calls in `range`.
    pub fn without(&self, range: std::ops::Range<usize>) -> Self {
        let mut bytes = self.0.clone();
        bytes.drain(HEAD + range.start * RECORD..HEAD + range.end * RECORD);
        Self(bytes)
    }

    /// Returns the program with a single thread.
    pub fn single_threaded(&self) -> Self {
        let mut bytes = self.0.clone();
        bytes[0] = 0;
        Self(bytes)
    }

    /// Returns a mutated program; some mutations copy calls from `other`.
    pub fn mutated(&self, other: &Self, random: &mut Random) -> Self {
        let mut program = self.clone();
        for _ in 0..1 + random.below(4) {
            program.mutate(other, random);
        }
        if program.len() == 0 {
            return Self::random(random);
        }
        program.0.truncate(MAX_BYTES);
        program
    }

    fn mutate(&mut self, other: &Self, random: &mut Random) {
        let calls = self.len();
        let at = random.below(calls + 1);
        match random.below(16) {
            // Inserts a new call.
            0..=3 => {
                let mut record = [0; RECORD];
                random.fill(&mut record);
                self.insert(at, &record);
            }
            // Inserts calls of another program.
            4..=6 if other.len() > 0 => {
                let from = random.below(other.len());
                let count = 1 + random.below((other.len() - from).min(6));
                let records = other.0[HEAD + from * RECORD..][..count * RECORD].to_vec();
                self.insert(at, &records);
            }
            7 if calls > 0 => {
                let from = random.below(calls);
                let count = 1 + random.below((calls - from).min(3));
                *self = self.without(from..from + count);
            }
            8 if calls > 0 => {
                let record = self.record(random.below(calls)).to_vec();
                self.insert(at, &record);
            }
            9 if calls > 1 => {
                let from = random.below(calls);
                let record = self.record(from).to_vec();
                *self = self.without(from..from + 1);
                let to = random.below(calls);
                self.insert(to, &record);
            }
            10 => self.0[random.below(HEAD)] = random.next() as u8,
            // Changes an argument.
            _ if calls > 0 => {
                let byte = HEAD + random.below(calls * RECORD);
                self.0[byte] = match random.below(3) {
                    0 => self.0[byte] ^ (1 << random.below(8)),
                    1 => self.0[byte]
                        .wrapping_add(random.below(5) as u8)
                        .wrapping_sub(2),
                    _ => random.next() as u8,
                };
            }
            _ => (),
        }
    }

    fn insert(&mut self, at: usize, records: &[u8]) {
        let at = HEAD + at * RECORD;
        self.0.splice(at..at, records.iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_programs() {
        let program = |seed| Program::random(&mut Random::new(seed));
        assert_eq!(program(7), program(7));
        assert_ne!(program(7), program(8));
    }

    #[test]
    fn bytes_are_whole_records() {
        for len in [0, HEAD, HEAD + RECORD - 1, HEAD + RECORD, MAX_BYTES + 1] {
            let program = Program::from_bytes(&vec![1; len]);
            assert_eq!((program.bytes().len() - HEAD) % RECORD, 0);
            assert!(program.bytes().len() <= MAX_BYTES);
            assert_eq!(program.calls().len(), program.len());
        }
    }

    #[test]
    fn mutants_stay_programs() {
        let mut random = Random::new(1);
        let mut program = Program::random(&mut random);
        let other = Program::random(&mut random);
        for _ in 0..1000 {
            program = program.mutated(&other, &mut random);
            assert!(program.len() >= 1 && program.len() <= MAX_CALLS);
            assert_eq!(program, Program::from_bytes(program.bytes()));
        }
    }

    #[test]
    fn calls_can_be_left_out() {
        let program = Program::random(&mut Random::new(3));
        let shorter = program.without(1..2);
        assert_eq!(shorter.len(), program.len() - 1);
        assert_eq!(shorter.record(1), program.record(2));
    }
}
