// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The fuzzing campaign: runs programs, keeps those that reach new coverage, mutates them, and
//! shortens each program that reproduces a bug.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::module::Mode;
use crate::program::{Program, Random};
use crate::seed_corpus;
use crate::supervisor::{Supervisor, HANGS, LIMIT};
use crate::thread_context::Trace;

/// One in this many programs is random; the others are mutants of kept programs.
const FRESH_ONE_IN: usize = 6;
/// One in this many seed programs is a slow one.
const SLOW_ONE_IN: usize = 8;
/// The campaign ends after this many findings.
const MOST_FINDINGS: usize = 5;
/// Maximum number of runs to shorten a program.
const SHORTENING_RUNS: usize = 150;
/// Maximum time to shorten a program.
const SHORTENING_TIME: Duration = Duration::from_secs(180);
/// Factor of the time limit when a program that did not end is run again.
const PATIENCE: u32 = 4;
/// Maximum number of runs to shorten a program whose runs all reach the time limit.
const SHORTENING_HANGS: usize = 12;
/// Number of runs that check whether a finding is reproducible.
const TRIES: usize = 4;
/// Number of runs in a replay of a multi-threaded program.
const REPLAYS_OF_RACES: usize = 20;
/// Interval of progress messages.
const TELL: Duration = Duration::from_secs(30);

/// For each mode: the share of the campaign, in percent, after which the campaign switches to it.
const MODES: [u128; Mode::ALL.len()] = [0, 55, 70, 85];

/// When a campaign ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// After this time.
    Time(Duration),
    /// After this number of programs, however long a busy machine takes for them.
    Programs(u64),
}

impl Length {
    /// Returns how much of the campaign is over, in percent.
    fn percent(self, elapsed: Duration, programs: u64) -> u128 {
        match self {
            Self::Time(time) => elapsed.as_millis() * 100 / time.as_millis().max(1),
            Self::Programs(all) => u128::from(programs) * 100 / u128::from(all.max(1)),
        }
    }
}

impl FromStr for Length {
    type Err = String;

    /// Parses a number of programs, or of seconds: `150`, `120s`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u64>().map_err(|e| format!("{text}: {e}"));
        match text.strip_suffix('s') {
            Some(seconds) => Ok(Self::Time(Duration::from_secs(number(seconds)?))),
            None => Ok(Self::Programs(number(text)?)),
        }
    }
}

/// Returns the mode of a campaign of which this much is over, in percent.
fn mode_at(percent: u128) -> u8 {
    let begun = MODES.iter().filter(|begin| percent >= **begin).count();
    u8::try_from(begun.saturating_sub(1)).unwrap_or(0)
}

/// A program and the bug that it reproduces.
struct Finding {
    what: String,
    program: Program,
    /// How many of [`TRIES`] runs found it again.
    reproduced: usize,
}

/// The state of the campaign.
pub struct Campaign {
    supervisor: Supervisor,
    random: Random,
    seed: u64,
    corpus: Vec<Program>,
    /// Seed programs that run before all others.
    first: Vec<Program>,
    /// Seed programs that have not run yet: fast ones and slow ones.
    seed_corpus: [Vec<Program>; 2],
    /// Bits for the coverage points and system call results seen so far.
    seen: Vec<u64>,
    findings: Vec<Finding>,
    programs: u64,
    calls: u64,
    /// Progress: seconds, programs, coverage points.
    course: Vec<(u64, u64, usize)>,
    /// The driver's current mode.
    mode: u8,
    dir: PathBuf,
}

impl Campaign {
    /// Creates a campaign that writes its findings to `dir`.
    pub fn new(supervisor: Supervisor, seed: u64, dir: &Path) -> Self {
        let seen = supervisor.env().shared.marks().map(|_| 0).collect();
        let mut random = Random::new(seed);
        let first = seed_corpus::first(&mut random);
        let seed_corpus = seed_corpus::programs(&mut random).into_iter();
        let (slow, quick) = seed_corpus.partition(Program::has_device_calls);
        Self {
            supervisor,
            first,
            seed_corpus: [quick, slow],
            random,
            seed,
            corpus: Vec::new(),
            seen,
            findings: Vec::new(),
            programs: 0,
            calls: 0,
            course: Vec::new(),
            mode: 0,
            dir: dir.into(),
        }
    }

    /// Marks addresses in the driver as covered.
    pub fn see(&mut self, addresses: &[usize]) {
        let text = &self.supervisor.env().text;
        for point in addresses.iter().filter_map(|address| text.point(*address)) {
            self.seen[point / 64] |= 1 << (point % 64);
        }
    }

    /// Runs until the campaign is over. Returns true if nothing was found.
    pub fn run(&mut self, length: Length) -> Result<bool, String> {
        let start = Instant::now();
        let mut told = start;
        loop {
            let percent = length.percent(start.elapsed(), self.programs);
            if percent >= 100 || self.findings.len() >= MOST_FINDINGS {
                break;
            }
            let mode = mode_at(percent);
            if mode != self.mode {
                self.mode = mode;
                self.seed_corpus[0].extend(seed_corpus::mappings(&mut self.random));
            }
            let program = self.next().in_mode(mode);
            if let Err(what) = self.run_program(&program) {
                self.record_finding(program, what)?;
            }
            if told.elapsed() > TELL {
                told = Instant::now();
                self.tell(start);
            }
        }
        self.tell(start);
        self.write(start.elapsed())?;
        Ok(self.findings.is_empty())
    }

    fn next(&mut self) -> Program {
        if let Some(program) = self.first.pop() {
            return program;
        }
        // In random order, so that a short campaign runs some of each kind, and fewer slow ones.
        let slow_first = self.random.below(SLOW_ONE_IN) == 0;
        let [quick, slow] = &mut self.seed_corpus;
        let order = if slow_first {
            [slow, quick]
        } else {
            [quick, slow]
        };
        for seed_corpus in order {
            if !seed_corpus.is_empty() {
                return seed_corpus.swap_remove(self.random.below(seed_corpus.len()));
            }
        }
        let count = self.corpus.len();
        if count == 0 || self.random.below(FRESH_ONE_IN) == 0 {
            return Program::random(&mut self.random);
        }
        // Programs kept recently reach the least explored code.
        let recent = self.random.below(2) == 0;
        let from = if recent { count - count.div_ceil(4) } else { 0 };
        let index = from + self.random.below(count - from);
        let other = self.random.below(count);
        self.corpus[index].mutated(&self.corpus[other], &mut self.random)
    }

    /// Runs a program and keeps it if it reaches new coverage.
    fn run_program(&mut self, program: &Program) -> Result<(), String> {
        let done = self.supervisor.run(program, None);
        self.programs += 1;
        self.calls += self.supervisor.env().shared.calls();
        let mut is_new = false;
        for (seen, now) in self
            .seen
            .iter_mut()
            .zip(self.supervisor.env().shared.marks())
        {
            is_new |= now & !*seen != 0;
            *seen |= now;
        }
        if is_new {
            self.corpus.push(program.clone());
        }
        done
    }

    /// Returns the number of covered points.
    fn points(&self) -> usize {
        let words = &self.seen[..self.supervisor.env().shared.point_words()];
        words.iter().map(|word| word.count_ones() as usize).sum()
    }

    fn tell(&mut self, start: Instant) {
        let seconds = start.elapsed().as_secs();
        let points = self.points();
        println!(
            "{seconds} s: {} programs, {} calls, {} kept, {points} points seen, {} findings",
            self.programs,
            self.calls,
            self.corpus.len(),
            self.findings.len()
        );
        self.course.push((seconds, self.programs, points));
    }

    /// Records a finding unless it is known.
    fn record_finding(&mut self, program: Program, what: String) -> Result<(), String> {
        println!("found: {what}");
        if self
            .findings
            .iter()
            .any(|f| strip_numbers(&f.what) == strip_numbers(&what))
        {
            return Ok(());
        }
        if what.starts_with(HANGS) && !self.hangs(&program) {
            println!("it ends within a longer time limit: the machine is busy");
            return Ok(());
        }
        let short = self.shorten(&program, &what);
        let reproduced = (0..TRIES)
            .filter(|_| self.reproduces(&short, &what))
            .count();
        let number = self.findings.len();
        self.findings.push(Finding {
            what,
            program: short,
            reproduced,
        });
        let finding = &self.findings[number];
        let path = self.dir.join(format!("finding-{number}.program"));
        fs::write(&path, finding.program.bytes()).map_err(|e| e.to_string())?;
        println!(
            "found {reproduced} of {TRIES} times again with {} calls, in {}; its steps:",
            finding.program.len(),
            path.display()
        );
        let program = finding.program.clone();
        let _ = self.supervisor.run(&program, Some(&Trace::new()));
        self.write(Duration::ZERO)
    }

    /// Returns true if the program does not end within a longer time limit either.
    fn hangs(&mut self, program: &Program) -> bool {
        self.supervisor.set_limit(LIMIT * PATIENCE);
        let ended = self.run_program(program);
        self.supervisor.set_limit(LIMIT);
        ended.is_err()
    }

    /// Returns true if the program reproduces the finding.
    fn reproduces(&mut self, program: &Program, what: &str) -> bool {
        matches!(self.run_program(program), Err(is) if strip_numbers(&is) == strip_numbers(what))
    }

    /// Returns the shortest program found that reproduces the finding.
    fn shorten(&mut self, program: &Program, what: &str) -> Program {
        let tries = if program.threads() > 1 { TRIES } else { 1 };
        let most = match what.starts_with(HANGS) {
            true => SHORTENING_HANGS,
            false => SHORTENING_RUNS,
        };
        let mut runs = 0;
        let start = Instant::now();
        let mut reproduces = |campaign: &mut Self, program: &Program| {
            (0..tries).any(|_| {
                runs += 1;
                runs < most
                    && start.elapsed() < SHORTENING_TIME
                    && campaign.reproduces(program, what)
            })
        };
        let mut best = program.clone();
        if best.threads() > 1 && reproduces(self, &best.single_threaded()) {
            best = best.single_threaded();
        }
        let mut part = best.len().div_ceil(2);
        while part > 0 {
            let mut at = 0;
            while at < best.len() {
                let shorter = best.without(at..best.len().min(at + part));
                if reproduces(self, &shorter) {
                    best = shorter;
                } else {
                    at += part;
                }
            }
            part /= 2;
        }
        best
    }

    /// Writes the figures and the kept programs.
    fn write(&self, length: Duration) -> Result<(), String> {
        let env = self.supervisor.env();
        let mut points = BTreeSet::new();
        let words = &self.seen[..env.shared.point_words()];
        for (word, bits) in words.iter().enumerate() {
            for bit in (0..64).filter(|bit| (*bits >> bit) & 1 != 0) {
                points.insert(env.text.name(word * 64 + bit));
            }
        }
        let findings: Vec<_> = self
            .findings
            .iter()
            .map(|f| json!({ "what": f.what, "calls": f.program.len(), "again": f.reproduced }))
            .collect();
        let report = json!({
            "seed": self.seed,
            "seconds": length.as_secs(),
            "programs": self.programs,
            "calls": self.calls,
            "kept": self.corpus.len(),
            "findings": findings,
            "course": self.course,
            "places": points,
        });
        fs::write(self.dir.join("fuzz.json"), format!("{report}\n")).map_err(|e| e.to_string())?;
        let mut corpus = Vec::new();
        for program in &self.corpus {
            let len = u32::try_from(program.bytes().len()).unwrap_or(0);
            corpus.extend(len.to_le_bytes());
            corpus.extend(program.bytes());
        }
        fs::write(self.dir.join("corpus"), corpus).map_err(|e| e.to_string())
    }
}

/// Returns the text of a finding without numbers, which differ from run to run.
fn strip_numbers(what: &str) -> String {
    let words = what.split(|c: char| c.is_whitespace() || c == ',');
    words
        .filter(|word| !word.contains(|c: char| c.is_ascii_digit()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs programs in order and prints their steps. A single program with several threads runs many
/// times. Returns true if nothing was found.
pub fn replay(mut supervisor: Supervisor, programs: &[Program]) -> bool {
    let trace = Trace::new();
    let mut good = true;
    let times = match programs {
        [program] if program.threads() > 1 => REPLAYS_OF_RACES,
        _ => 1,
    };
    let all = std::iter::repeat_n(programs, times).flatten();
    for (number, program) in all.enumerate() {
        trace.say(&format!(
            "fuzz: program {number}: {} calls, {} threads",
            program.len(),
            program.threads()
        ));
        if let Err(what) = supervisor.run(program, Some(&trace)) {
            trace.say(&format!("fuzz: program {number}: found: {what}"));
            good = false;
        }
    }
    good
}
