// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The soak test: a mixed load that pauses at intervals, when samples of the kernel's resource
//! usage are taken. A leak shows as growth from sample to sample.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::counters::{self, Mark};
use crate::execute::Ground;
use crate::load::{self, Load, WRONG};
use crate::sys;

/// Number of samples, without the first one, which follows a warm-up that fills the kernel's
/// caches.
const MARKS: u32 = 8;
/// Duration of the warm-up.
const WARM_UP: Duration = Duration::from_secs(60);

/// A slab cache has grown if its last count exceeds the first one by more than this fraction and by
/// more than this number, and if all but one of the samples exceed the previous one.
const GROWTH: u64 = 20;
const FEW: u64 = 100;
/// vmalloc has grown if the minimum of the later samples exceeds that of the earlier ones by more
/// than this number of areas.
const MORE: u64 = 8;

/// Runs the soak test for `length`. Returns true if it found no leak.
pub fn soak(ground: &Ground, length: Duration, seed: u64, dir: &Path) -> Result<bool, String> {
    // SAFETY: this only sets a flag: the process adopts the orphans of the load.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    let counts = sys::map_shared(load::ALL.len() * size_of::<u64>()).map_err(|e| e.to_string())?;
    // SAFETY: the memory is new and zeroed, large enough, and never unmapped.
    let counts = unsafe { std::slice::from_raw_parts(counts.cast::<AtomicU64>(), load::ALL.len()) };
    let display = ground.display();
    let start = Instant::now();
    let mut marks: Vec<Mark> = Vec::new();
    let mut problems = Vec::new();
    let step = length.saturating_sub(WARM_UP) / MARKS;
    for number in 0..=MARKS {
        let time = if number == 0 {
            WARM_UP.min(length)
        } else {
            step
        };
        problems.extend(load_for(ground, time, seed + u64::from(number), counts)?);
        let mark = Mark::take(start.elapsed().as_secs(), &display.place)?;
        println!("{}", row(&mark));
        marks.push(mark);
    }
    problems.extend(judge(display.available, &marks));
    let rounds: Vec<String> = load::ALL
        .iter()
        .zip(counts)
        .map(|(load, count)| format!("{load:?} {}", count.load(Ordering::Relaxed)))
        .collect();
    println!("rounds: {}", rounds.join(", "));
    for problem in &problems {
        println!("problem: {problem}");
    }
    write(dir, &marks, &rounds, &problems)?;
    Ok(problems.is_empty())
}

/// Runs the load for this time, then ends all its processes.
fn load_for(
    ground: &Ground,
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
                kind.run(ground, seed * 100 + index as u64, &count)
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
fn judge(available: u64, marks: &[Mark]) -> Vec<String> {
    let mut problems = Vec::new();
    let (Some(first), Some(last)) = (marks.first(), marks.last()) else {
        return problems;
    };
    for mark in marks {
        if mark.vram != available {
            problems.push(format!(
                "{} bytes of VRAM available at {} s, {available} at the start",
                mark.vram, mark.at
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
        let counts = marks
            .iter()
            .map(|mark| mark.slabs.get(name).map_or(0, |s| s.0));
        if let Some(growth) = growth(&counts.collect::<Vec<_>>()) {
            problems.push(format!("slab cache {name} has grown: {growth:?}"));
        }
    }
    let areas: Vec<u64> = marks.iter().map(|mark| mark.areas as u64).collect();
    if more_than_ever(&areas) {
        problems.push(format!("areas of vmalloc: {areas:?}"));
    }
    problems
}

/// Returns the counts if they grow.
fn growth(counts: &[u64]) -> Option<&[u64]> {
    let (first, last) = (*counts.first()?, *counts.last()?);
    let much = last > first + FEW && last > first + first / GROWTH;
    let steps = counts.windows(2).filter(|pair| pair[0] < pair[1]).count();
    (much && steps + 2 >= counts.len()).then_some(counts)
}

/// Returns true if the minimum of the later half exceeds that of the earlier half. The kernel
/// caches a varying number of stacks of dead processes, so a single count proves nothing.
fn more_than_ever(counts: &[u64]) -> bool {
    let (early, late) = counts.split_at(counts.len() / 2);
    let least = |counts: &[u64]| counts.iter().min().copied();
    least(early).is_some_and(|early| least(late) > Some(early + MORE))
}

/// Formats a row of the table.
fn row(mark: &Mark) -> String {
    format!(
        "mark {:>5} s: VRAM {:>9}, leaks {}, slab objects {:>7} KiB, unreclaimable slab {:>7} KiB, \
         vmalloc {:>6} KiB in {} areas, page tables {:>5} KiB, {} files, {} dma-bufs",
        mark.at,
        mark.vram,
        mark.leaks,
        mark.slab_kib(),
        mark.kib("SUnreclaim"),
        mark.kib("VmallocUsed"),
        mark.areas,
        mark.kib("PageTables"),
        mark.files,
        mark.buffers
    )
}

fn write(dir: &Path, marks: &[Mark], rounds: &[String], problems: &[String]) -> Result<(), String> {
    let all: Vec<_> = marks
        .iter()
        .map(|mark| {
            json!({
                "at": mark.at,
                "vram": mark.vram,
                "leaks": mark.leaks,
                "memory": mark.memory,
                "slabs": mark.slabs,
                "areas": mark.areas,
                "files": mark.files,
                "buffers": mark.buffers,
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
        assert!(!more_than_ever(&[123, 121, 113, 138, 116, 134, 119, 132]));
        assert!(more_than_ever(&[120, 118, 126, 130, 138, 134]));
        assert!(!more_than_ever(&[120]));
    }
}
