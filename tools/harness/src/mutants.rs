// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `make mutants`: applies each diff in mutants/, one at a time, and checks that the tests named
//! there fail.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

use serde_json::{json, Value};

use crate::guest_run::{self, GuestRun};
use crate::guests::{self, Guest, Mode};
use crate::mutant::{self, Killer, Mutant};
use crate::payload::{self, Programs};
use crate::report::{Entry, Outcome};
use crate::settings::{Flavour, Settings};
use crate::{command, Result};

/// The parts of the source tree that are copied: the sources of the module, and the mutants.
const SOURCES: &[&str] = &["Kbuild", "drivers", "uapi", "mutants"];

/// Maximum number of tests in a row of the table.
const SHOWN_TESTS: usize = 4;

/// Time limits in seconds for a guest and for one IGT test, which may hang in a mutant. A guest
/// with the unmodified driver needs a fifth of that.
fn limits(flavour: Flavour) -> (u32, u32) {
    match flavour {
        Flavour::Stock | Flavour::Opt => (200, 60),
        Flavour::Debug | Flavour::Kcsan | Flavour::Cfi => (400, 100),
    }
}

/// The result of trying a mutant.
enum MutantResult {
    /// These named tests failed.
    Killed(Vec<Killer>),
    /// No named test failed; the text says what the tests did instead.
    Survived(String),
    /// The mutant could not be tried.
    Broken(String),
}

/// A mutant and its result.
struct TriedMutant {
    mutant: Mutant,
    result: MutantResult,
    seconds: f64,
}

/// Tries all mutants. Returns true if the tests detect all of them.
pub fn mutants(settings: &Settings) -> Result<bool> {
    let work = settings.out.join("mutants");
    let snapshot = work.join("snapshot");
    copy_tree(&settings.source, &snapshot, &work)?;
    let mutants = read_all(settings, &snapshot)?;
    let runner = MutantRunner {
        settings,
        snapshot,
        guests: guests::all(settings),
        programs: payload::programs(settings)?,
    };
    guests::write_memories(settings)?;
    let baseline = runner.baseline(&mutants);

    let total = mutants.len();
    let done = Mutex::new(0);
    let mut tried = command::in_parallel(settings.jobs, mutants, |mutant, worker| {
        let start = Instant::now();
        let result = match baseline.check(&mutant) {
            Ok(()) => runner.mutant(&mutant, worker),
            Err(why) => MutantResult::Broken(why),
        };
        let one = TriedMutant {
            mutant,
            result,
            seconds: start.elapsed().as_secs_f64(),
        };
        let mut done = command::lock(&done);
        *done += 1;
        println!("[mutants] {done}/{total} {}", one.line());
        one
    });
    tried.sort_by(|a, b| a.mutant.name.cmp(&b.mutant.name));
    let killed = tried.iter().filter(|t| t.killers().is_some()).count();
    command::write(
        &settings.out.join("mutants.json"),
        format!("{:#}\n", as_json(&tried)).as_bytes(),
    )?;
    command::write(
        &settings.out.join("mutants.md"),
        as_markdown(&tried).as_bytes(),
    )?;
    println!("{killed} of {total} mutants killed");
    Ok(killed == total)
}

/// Copies the sources in `from` to `to`. Unchanged files keep their times, so that the next build
/// is incremental. `work` gets the log.
fn copy_tree(from: &Path, to: &Path, work: &Path) -> Result<()> {
    command::dir(to)?;
    command::logged(
        Command::new("rsync")
            .args(["--recursive", "--links", "--checksum", "--delete"])
            .args(["--include=*.rs", "--include=*.c", "--include=*.h"])
            .args(["--include=*.diff", "--include=Kbuild", "--include=*/"])
            .arg("--exclude=*")
            .args(SOURCES.iter().map(|name| from.join(name)))
            .arg(to),
        &work.join("copy.log"),
    )
}

/// Reads the mutants that the user selects; those for the slow kernel come first.
fn read_all(settings: &Settings, source: &Path) -> Result<Vec<Mutant>> {
    let dir = source.join("mutants");
    let files = fs::read_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut paths: Vec<PathBuf> = files
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "diff"))
        .collect();
    paths.sort();
    let mut mutants = paths
        .iter()
        .map(|path| Mutant::read(path))
        .collect::<Result<Vec<_>>>()?;
    mutants.retain(|mutant| {
        mutant.name.contains(&settings.mutant) && mutant.arch().name == settings.arch.name
    });
    if mutants.is_empty() {
        return Err(format!(
            "there is no mutant for {} with `{}` in its name",
            settings.arch.name, settings.mutant
        ));
    }
    mutants.sort_by_key(|mutant| !mutant.guest.starts_with("debug/"));
    Ok(mutants)
}

/// Results of the unmodified driver by guest and mode.
struct Baseline(BTreeMap<(String, &'static str), Result<Vec<Entry>>>);

impl Baseline {
    fn check(&self, mutant: &Mutant) -> Result<()> {
        let key = (mutant.guest.clone(), mutant.mode.name());
        match self.0.get(&key) {
            Some(Ok(entries)) => mutant.check_named(entries),
            Some(Err(why)) => Err(why.clone()),
            None => Err("the unmodified driver was not tested".into()),
        }
    }
}

/// Everything needed to try a mutant.
struct MutantRunner<'a> {
    settings: &'a Settings,
    /// A copy of the sources from the start of the run: the user may edit the tree meanwhile.
    snapshot: PathBuf,
    guests: Vec<Guest>,
    programs: Programs,
}

impl MutantRunner<'_> {
    /// Runs the tests that `mutants` name on the unmodified driver.
    fn baseline(&self, mutants: &[Mutant]) -> Baseline {
        let mut kinds: Vec<(String, Mode)> = Vec::new();
        for mutant in mutants {
            let kind = (mutant.guest.clone(), mutant.mode);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let results = command::in_parallel(self.settings.jobs, kinds, |(guest, mode), worker| {
            let named = mutants
                .iter()
                .filter(|m| m.guest == guest && m.mode == mode);
            let start = Instant::now();
            let source = &self.snapshot;
            let entries = self.boot(&guest, mode, &Mutant::tests(named), source, worker);
            println!(
                "[mutants] {guest}, {}, unmodified driver: {} in {} s",
                mode.name(),
                match &entries {
                    Ok(entries) => crate::report::summary(entries),
                    Err(why) => first_line(why).into(),
                },
                start.elapsed().as_secs()
            );
            ((guest, mode.name()), entries)
        });
        Baseline(results.into_iter().collect())
    }

    fn mutant(&self, mutant: &Mutant, worker: usize) -> MutantResult {
        let tree = self.dir(worker).join("source");
        let tests = Mutant::tests([mutant]);
        let entries = self
            .change(mutant, &tree, worker)
            .and_then(|()| self.boot(&mutant.guest, mutant.mode, &tests, &tree, worker));
        match entries {
            Err(why) => MutantResult::Broken(why),
            Ok(entries) => match mutant.killers(&entries) {
                killers if killers.is_empty() => MutantResult::Survived(survival_reason(&entries)),
                killers => MutantResult::Killed(killers),
            },
        }
    }

    /// Returns the worker's own directory.
    fn dir(&self, worker: usize) -> PathBuf {
        self.settings.out.join(format!("mutants/{worker}"))
    }

    /// Makes `tree` a copy of the sources with the mutant's diff applied.
    fn change(&self, mutant: &Mutant, tree: &Path, worker: usize) -> Result<()> {
        let dir = self.dir(worker);
        copy_tree(&self.snapshot, tree, &dir)?;
        mutant
            .apply(tree, &dir.join("patch.log"))
            .map_err(|why| format!("does not apply: {why}"))
    }

    /// Builds the module in `source` and runs the tests in a guest with it.
    fn boot(
        &self,
        guest: &str,
        mode: Mode,
        tests: &str,
        source: &Path,
        worker: usize,
    ) -> Result<Vec<Entry>> {
        let guest = self.guests.iter().find(|g| g.name == guest);
        let guest = guest.ok_or("its guest does not exist")?;
        let (limit, test_limit) = limits(guest.flavour);
        let guest = Guest {
            modes: vec![mode],
            unplug_rounds: 0,
            self_check: false,
            limit,
            test_limit,
            ..guest.clone()
        };
        let mut dir = self.dir(worker);
        if *source == self.snapshot {
            dir.push("baseline");
        }
        let module = payload::module(self.settings, guest.flavour, source, &dir)
            .map_err(|why| format!("does not build: {why}"))?;
        let payload = payload::pack(self.settings, guest.flavour, &module, &self.programs, &dir)?;
        Ok(guest_run::run(
            self.settings,
            &GuestRun {
                guest: &guest,
                payload: &payload,
                tests,
                programs: &[],
                dir: dir.join("vm"),
                name: None,
            },
        ))
    }
}

/// Says why a mutant survived: how its named tests ended, and which other tests failed.
fn survival_reason(entries: &[Entry]) -> String {
    let others: Vec<String> = entries
        .iter()
        .filter(|e| e.outcome == Outcome::Failed)
        .map(|e| format!("{} ({})", e.name, mutant::how(e)))
        .collect();
    let others = match others.len() {
        0 => String::from("no other test failed"),
        _ => format!("other tests failed: {}", others.join(", ")),
    };
    format!("{}; {others}", crate::report::summary(entries))
}

impl TriedMutant {
    fn killers(&self) -> Option<&[Killer]> {
        match &self.result {
            MutantResult::Killed(killers) => Some(killers),
            _ => None,
        }
    }

    fn line(&self) -> String {
        let what = match &self.result {
            MutantResult::Killed(killers) => {
                format!("killed by {}", join_distinct(killers, |k| k.test.clone()))
            }
            MutantResult::Survived(why) => format!("SURVIVED: {why}"),
            MutantResult::Broken(why) => format!("BROKEN: {}", first_line(why)),
        };
        format!("{}: {what}, {:.0} s", self.mutant.name, self.seconds)
    }
}

/// Returns the first line of a reason that may quote a log.
fn first_line(why: &str) -> &str {
    why.lines().next().unwrap_or_default()
}

/// Strips the path of this run's output from the description of a failure.
fn strip_output_path(how: &str) -> String {
    let mut text = how.to_owned();
    while let Some(start) = text.find("REPLAY=") {
        let end = text[start..].find("; ").map(|len| start + len + 2);
        text.replace_range(start..end.unwrap_or(text.len()), "");
    }
    text
}

/// Formats some of `killers` with `show`, without duplicates.
fn join_distinct(killers: &[Killer], show: impl Fn(&Killer) -> String) -> String {
    let mut all: Vec<String> = Vec::new();
    for text in killers.iter().map(show) {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    let more = all.len().saturating_sub(SHOWN_TESTS);
    all.truncate(SHOWN_TESTS);
    let mut text = all.join(", ");
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}

fn as_json(tried: &[TriedMutant]) -> Value {
    let one = |t: &TriedMutant| {
        let (result, reason) = match &t.result {
            MutantResult::Killed(_) => ("killed", ""),
            MutantResult::Survived(why) => ("survived", why.as_str()),
            MutantResult::Broken(why) => ("broken", why.as_str()),
        };
        let tests: Vec<Value> = t
            .killers()
            .unwrap_or_default()
            .iter()
            .map(|k| json!({ "name": k.test, "how": k.how }))
            .collect();
        json!({
            "name": t.mutant.name,
            "breaks": t.mutant.breaks,
            "guest": t.mutant.guest,
            "mode": t.mutant.mode.name(),
            "result": result,
            "reason": reason,
            "tests": tests,
            "seconds": (t.seconds * 10.0).round() / 10.0,
        })
    };
    Value::Array(tried.iter().map(one).collect())
}

/// Returns the text of docs/mutants.md, without durations: the file changes only if a result does.
fn as_markdown(tried: &[TriedMutant]) -> String {
    let killed = tried.iter().filter(|t| t.killers().is_some()).count();
    let mut text = format!(
        "# Mutants\n\n\
         Each file in [mutants/](../mutants) changes the driver in one way that breaks it. `make mutants` \
         builds each changed driver, boots it in a guest, runs the tests that must detect the change, and \
         writes this table: the tests detected {killed} of {}. All of them pass on the unmodified \
         driver.\n\n\
         | mutant | what it breaks | guest, mode | tests that fail | how |\n\
         | --- | --- | --- | --- | --- |\n",
        tried.len()
    );
    for t in tried {
        let (tests, how) = match &t.result {
            MutantResult::Killed(killers) => (
                join_distinct(killers, |k| format!("`{}`", k.test)),
                join_distinct(killers, |k| strip_output_path(&k.how)),
            ),
            MutantResult::Survived(_) => ("**none**".into(), String::new()),
            MutantResult::Broken(_) => ("**could not be tried**".into(), String::new()),
        };
        let cells = [
            t.mutant.name.clone(),
            t.mutant.breaks.clone(),
            format!("{}, {}", t.mutant.guest, t.mutant.mode.name()),
            tests,
            how,
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_does_not_say_where_a_run_left_something() {
        let how = "guest: REPLAY=out/last-program; REPLAY=out/last-programs; switched off; lost";
        assert_eq!(strip_output_path(how), "guest: switched off; lost");
        assert_eq!(strip_output_path("fail"), "fail");
    }
}
