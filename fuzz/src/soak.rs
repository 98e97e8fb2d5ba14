// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The soak test: a mixed load that pauses at intervals, when samples of the kernel's resource
//! usage are taken. A leak shows as growth from sample to sample.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::counters::{self, Sample};
use crate::execute::Environment;
use crate::load::{self, Load, WRONG};
use crate::sys;

/// Number of samples, without the first one, which follows a warm-up that fills the kernel's
/// caches.
const SAMPLES: u32 = 8;
/// Duration of the warm-up.
const WARM_UP: Duration = Duration::from_secs(60);

/// A slab cache has grown if its last count exceeds the first one by more than `first /
/// GROWTH_DIVISOR` and by more than [`MIN_NEW_OBJECTS`], and if all but one of the samples exceed
/// the previous one.
const GROWTH_DIVISOR: u64 = 20;
const MIN_NEW_OBJECTS: u64 = 100;
/// vmalloc has grown if the minimum of the later samples exceeds that of the earlier ones by more
/// than this number of areas.
const MAX_NEW_AREAS: u64 = 8;

/// Runs the soak test for `length`. Returns true if it found no leak.
pub fn soak(env: &Environment, length: Duration, seed: u64, dir: &Path) -> Result<bool, String> {
    // SAFETY: this only sets a flag: the process adopts the orphans of the load.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    let counts = sys::map_shared(load::ALL.len() * size_of::<u64>()).map_err(|e| e.to_string())?;
    // SAFETY: the memory is new and zeroed, large enough, and never unmapped.
    let counts = unsafe { std::slice::from_raw_parts(counts.cast::<AtomicU64>(), load::ALL.len()) };
    let display = env.display();
    let start = Instant::now();
    let mut samples: Vec<Sample> = Vec::new();
    let mut problems = Vec::new();
    let step = length.saturating_sub(WARM_UP) / SAMPLES;
    for number in 0..=SAMPLES {
        let time = if number == 0 {
            WARM_UP.min(length)
        } else {
            step
        };
        problems.extend(load_for(env, time, seed + u64::from(number), counts)?);
        let sample = Sample::take(start.elapsed().as_secs(), &display.device)?;
        println!("{}", row(&sample));
        samples.push(sample);
    }
    problems.extend(find_leaks(display.available, &samples));
    let rounds: Vec<String> = load::ALL
        .iter()
        .zip(counts)
        .map(|(load, count)| format!("{load:?} {}", count.load(Ordering::Relaxed)))
        .collect();
    println!("rounds: {}", rounds.join(", "));
    for problem in &problems {
        println!("problem: {problem}");
    }
    write(dir, &samples, &rounds, &problems)?;
    Ok(problems.is_empty())
}

/// Runs the load for this time, then ends all its processes.
fn load_for(
    env: &Environment,
    time: Duration,
    seed: u64,
    counts: &[AtomicU64],
) -> Result<Vec<String>, String> {
    let mut children = Vec::new();
    for (index, kind) in load::ALL.iter().enumerate() {
        match sys::fork() {
            Ok(0) => {
                let _ = sys::call(libc::SYS_setpgid, &[0, 0]);
                let count = || {
                    counts[index].fetch_add(1, Ordering::Relaxed);
                };
                kind.run(env, seed * 100 + index as u64, &count)
            }
            Ok(child) => children.push((child, *kind)),
            Err(error) => return Err(format!("fork(): {}", sys::error_name(error))),
        }
    }
    thread::sleep(time);
    let mut problems = Vec::new();
    for (child, kind) in children {
        let _ = sys::kill(child, libc::SIGKILL);
        problems.extend(problem(child, kind));
    }
    // Programs of the fuzzer are process groups of their own and may be left.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match sys::wait(-1, libc::WNOHANG) {
            Ok((0, _)) if Instant::now() > deadline => {
                return Err("processes of the load cannot be ended".into());
            }
            Ok((0, _)) => {
                kill_children();
                thread::sleep(Duration::from_millis(5));
            }
            Ok(_) => (),
            Err(_) => return Ok(problems),
        }
    }
}

/// Waits for a killed process of the load. Returns an error if it had ended before.
fn problem(child: libc::pid_t, kind: Load) -> Option<String> {
    let (_, status) = sys::wait(child, 0).ok()?;
    let ended = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == WRONG;
    let died = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) != libc::SIGKILL;
    (ended || died).then(|| format!("{kind:?} ended with status {status:#x}"))
}

/// Kills all children of this process, including adopted ones.
fn kill_children() {
    let own = std::process::id().to_string();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // PID (NAME) STATE PARENT
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1));
        let pid = entry.file_name().to_string_lossy().parse();
        if let (Some(parent), Ok(pid)) = (parent, pid) {
            if parent == own {
                let _ = sys::kill(pid, libc::SIGKILL);
            }
        }
    }
}

/// Returns the problems that the samples show; `available` is the VRAM available at the start.
fn find_leaks(available: u64, samples: &[Sample]) -> Vec<String> {
    let mut problems = Vec::new();
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return problems;
    };
    for sample in samples {
        if sample.vram != available {
            problems.push(format!(
                "{} bytes of VRAM available at {} s, {available} at the start",
                sample.vram, sample.at
            ));
        }
    }
    if last.leaks > 0 {
        problems.push(format!("kmemleak: {}", counters::leaks()));
    }
    if last.buffers > first.buffers {
        problems.push(format!("{} dma-bufs are left", last.buffers));
    }
    for name in last.slabs.keys() {
        let counts = samples
            .iter()
            .map(|sample| sample.slabs.get(name).map_or(0, |s| s.0));
        if let Some(growth) = growth(&counts.collect::<Vec<_>>()) {
            problems.push(format!("slab cache {name} has grown: {growth:?}"));
        }
    }
    let areas: Vec<u64> = samples.iter().map(|sample| sample.areas as u64).collect();
    if minimum_grows(&areas) {
        problems.push(format!("areas of vmalloc: {areas:?}"));
    }
    problems
}

/// Returns the counts if they grow.
fn growth(counts: &[u64]) -> Option<&[u64]> {
    let (first, last) = (*counts.first()?, *counts.last()?);
    let much = last > first + MIN_NEW_OBJECTS && last > first + first / GROWTH_DIVISOR;
    let steps = counts.windows(2).filter(|pair| pair[0] < pair[1]).count();
    (much && steps + 2 >= counts.len()).then_some(counts)
}

/// Returns true if the minimum of the later half exceeds that of the earlier half. The kernel
/// caches a varying number of stacks of dead processes, so a single count proves nothing.
fn minimum_grows(counts: &[u64]) -> bool {
    let (early, later) = counts.split_at(counts.len() / 2);
    let minimum = |counts: &[u64]| counts.iter().min().copied();
    minimum(early).is_some_and(|early| minimum(later) > Some(early + MAX_NEW_AREAS))
}

/// Formats a row of the table.
fn row(sample: &Sample) -> String {
    format!(
        "sample {:>5} s: VRAM {:>9}, leaks {}, slab objects {:>7} KiB, unreclaimable slab {:>7} KiB, \
         vmalloc {:>6} KiB in {} areas, page tables {:>5} KiB, {} files, {} dma-bufs",
        sample.at,
        sample.vram,
        sample.leaks,
        sample.slab_kib(),
        sample.kib("SUnreclaim"),
        sample.kib("VmallocUsed"),
        sample.areas,
        sample.kib("PageTables"),
        sample.files,
        sample.buffers
    )
}

fn write(
    dir: &Path,
    samples: &[Sample],
    rounds: &[String],
    problems: &[String],
) -> Result<(), String> {
    let all: Vec<_> = samples
        .iter()
        .map(|sample| {
            json!({
                "at": sample.at,
                "vram": sample.vram,
                "leaks": sample.leaks,
                "memory": sample.memory,
                "slabs": sample.slabs,
                "areas": sample.areas,
                "files": sample.files,
                "buffers": sample.buffers,
            })
        })
        .collect();
    let report = json!({ "marks": all, "rounds": rounds, "problems": problems });
    fs::write(dir.join("soak.json"), format!("{report}\n")).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_steady_and_large() {
        assert!(growth(&[1000, 1100, 1200, 1300]).is_some());
        assert!(growth(&[1000, 1300, 1000, 900, 1300]).is_none());
        assert!(growth(&[1000, 1001, 1002, 1003]).is_none());
        assert!(growth(&[10, 20, 30, 40]).is_none());
    }

    #[test]
    fn what_comes_and_goes_is_no_growth() {
        assert!(!minimum_grows(&[123, 121, 113, 138, 116, 134, 119, 132]));
        assert!(minimum_grows(&[120, 118, 126, 130, 138, 134]));
        assert!(!minimum_grows(&[120]));
    }
}
