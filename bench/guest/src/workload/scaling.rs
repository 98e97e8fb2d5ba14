// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Several threads: the speed-up of first touch and of writing, in wall-clock time.
//!
//! Times are noise on a busy machine. The result is the ratio of the best rounds, where rounds of
//! one thread and of several threads alternate. It is reported beside the speed-up of a loop
//! without memory accesses. Rounds continue while the best time still improves, and are long enough
//! for a thread's start not to matter.

use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{json, Value};

use crate::method::{Device, Object};
use crate::row::rounded;
use crate::sys::{page_size, Mapping};
use crate::Result;

/// Bytes of each object.
const SIZE: usize = 8 << 20;
/// Minimum duration of a round of one thread; more mappings are added to reach it.
const MIN_ROUND_TIME: Duration = Duration::from_millis(15);
/// Maximum number of mappings of each object; the address space has room for these.
const MAX_MAPPINGS: usize = 2048;
/// Measuring ends after this many rounds without an improvement of a best time by more than 1%,
const STABLE_ROUNDS: usize = 25;
/// or after this many rounds in total.
const ROUNDS: usize = 150;

/// If the loop without memory accesses gains less than this fraction of the number of CPUs, the
/// machine was busy and the ratio is worthless.
const MIN_MACHINE_GAIN: f64 = 0.9;

/// A workload.
pub struct Workload {
    /// Its name in the results.
    pub name: String,
    kind: Kind,
}

enum Kind {
    /// This many threads share the pages of one object.
    OneObject(usize),
    /// This many threads have one object each.
    OwnObjects(usize),
    /// One thread writes to an object whose pages are all mapped.
    Write,
}

/// Returns all workloads.
pub fn all() -> Vec<Workload> {
    [
        ("threads2-8M", Kind::OneObject(2)),
        ("threads4-8M", Kind::OneObject(4)),
        ("threads2-own-8M", Kind::OwnObjects(2)),
        ("threads4-own-8M", Kind::OwnObjects(4)),
        ("bandwidth-8M", Kind::Write),
    ]
    .into_iter()
    .map(|(name, kind)| Workload {
        name: name.into(),
        kind,
    })
    .collect()
}

/// The result.
pub struct Scaling(Value);

impl Scaling {
    /// Returns the row of the workload `name`.
    pub fn row(mut self, name: &str) -> Value {
        self.0["workload"] = json!(name);
        self.0
    }
}

impl Workload {
    /// Measures the workload.
    pub fn run(&self, device: &Device) -> Result<Scaling> {
        match self.kind {
            Kind::OneObject(threads) => first_touch(device, threads, 1),
            Kind::OwnObjects(threads) => first_touch(device, threads, threads),
            Kind::Write => bandwidth(device),
        }
    }
}

/// Measures touching the same pages with one thread and with several.
fn first_touch(device: &Device, threads: usize, objects: usize) -> Result<Scaling> {
    let objects: Vec<Object> = (0..objects)
        .map(|_| device.create(SIZE))
        .collect::<io::Result<_>>()?;
    // Each object has this many mappings.
    let touch = |count: usize, copies: usize| -> io::Result<Duration> {
        let mappings: Vec<Mapping> = (0..copies)
            .flat_map(|_| objects.iter().map(|&object| device.map(object)))
            .collect::<io::Result<_>>()?;
        Ok(run_threads(count, |share| {
            touch_share(&mappings, objects.len(), share, count);
        }))
    };
    let copies = calibrate(MAX_MAPPINGS, |copies| touch(1, copies))?;
    let turns = calibrate(usize::MAX, |turns| Ok(run_threads(1, |_| spin(turns))))?;
    let spin = |count: usize| run_threads(count, |_| spin(turns / count));
    let mut best = [Duration::MAX; 4];
    let rounds = repeat_until_stable(&mut best, || {
        Ok([
            touch(1, copies)?,
            touch(threads, copies)?,
            spin(1),
            spin(threads),
        ])
    })?;
    let [one, several, machine_one, machine_several] = best.map(|time| time.as_secs_f64());
    let pages = copies * objects.len() * (SIZE / page_size());
    let per_page = |time: f64| rounded(time * 1e9 / pages as f64);
    let machine = machine_one / machine_several;
    let cpus = thread::available_parallelism()?.get().min(threads);
    Ok(Scaling(json!({
        "per_page": per_page(several),
        "per_page_one_thread": per_page(one),
        "unit": "ns",
        "scaling": rounded(one / several),
        "machine": rounded(machine),
        "idle": machine >= MIN_MACHINE_GAIN * cpus as f64,
        "pages": pages,
        "rounds": rounds,
    })))
}

/// Touches this thread's share of each set of mappings; a set has one mapping of each object.
fn touch_share(mappings: &[Mapping], objects: usize, share: usize, of: usize) {
    let each = SIZE / page_size();
    let pages = objects * each;
    for set in mappings.chunks(objects) {
        for page in share * pages / of..(share + 1) * pages / of {
            set[page / each].touch(page % each, 1);
        }
    }
}

/// Returns how many mappings make a round long enough, at most `most`.
fn calibrate(
    most: usize,
    mut work: impl FnMut(usize) -> io::Result<Duration>,
) -> io::Result<usize> {
    let mut amount = 1;
    while amount < most && work(amount)? < MIN_ROUND_TIME {
        amount *= 2;
    }
    Ok(amount)
}

/// Repeats `round`, keeps the minimum of each of its times in `best`, and returns the number of
/// rounds.
fn repeat_until_stable<const N: usize>(
    best: &mut [Duration; N],
    mut round: impl FnMut() -> Result<[Duration; N]>,
) -> Result<usize> {
    let mut last_better = 0;
    for number in 1..=ROUNDS {
        for (best, time) in best.iter_mut().zip(round()?) {
            if time < *best {
                if time < best.mul_f64(0.99) {
                    last_better = number;
                }
                *best = time;
            }
        }
        if number - last_better >= STABLE_ROUNDS {
            return Ok(number);
        }
    }
    Ok(ROUNDS)
}

/// Runs `work` on this many threads, each with its number, and returns the time from the first
/// one's start to the last one's end. All threads are awake before the first one starts: waking
/// them costs more than many faults.
fn run_threads(threads: usize, work: impl Fn(usize) + Sync) -> Duration {
    let waiting = AtomicUsize::new(threads);
    let times: Vec<(Instant, Instant)> = thread::scope(|scope| {
        let (work, waiting) = (&work, &waiting);
        let running: Vec<_> = (0..threads)
            .map(|share| {
                scope.spawn(move || {
                    waiting.fetch_sub(1, Ordering::AcqRel);
                    while waiting.load(Ordering::Acquire) != 0 {
                        thread::yield_now();
                    }
                    let start = Instant::now();
                    work(share);
                    (start, Instant::now())
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("the work does not panic"))
            .collect()
    });
    let first = times.iter().map(|&(start, _)| start).min();
    let last = times.iter().map(|&(_, end)| end).max();
    last.expect("at least one thread") - first.expect("at least one thread")
}

/// Work without memory accesses.
fn spin(turns: usize) {
    for turn in 0..turns {
        black_box(turn);
    }
}

/// Measures writing to pages that are all mapped.
fn bandwidth(device: &Device) -> Result<Scaling> {
    let mapping = device.map(device.create(SIZE)?)?;
    mapping.fill(1);
    let mut best = [Duration::MAX];
    let rounds = repeat_until_stable(&mut best, || {
        let start = Instant::now();
        mapping.fill(2);
        Ok([start.elapsed()])
    })?;
    let [best] = best.map(|time| time.as_secs_f64());
    Ok(Scaling(json!({
        "value": rounded(SIZE as f64 / best / 1e6),
        "unit": "MB/s",
        "rounds": rounds,
    })))
}
