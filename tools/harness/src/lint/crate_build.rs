// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Type-checks the driver's crate with additional modules, using the compiler command that the
//! kernel build has recorded for the driver. These modules are part of the crate and can use its
//! `pub(crate)` items.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use serde_json::Value;

use super::CRATE;
use crate::{command, Result};

/// The directory in which `make lint` builds the driver, below the output directory.
const BUILD: &str = "lint";

/// A copy of the driver's crate.
pub struct Crate {
    /// Directory of the copy. The root of the crate can have any file name there.
    dir: PathBuf,
    /// Working directory of the recorded command.
    build: PathBuf,
    /// The compiler's command line without crate root and outputs.
    compile: String,
    /// Modules that are part of each check.
    support: Vec<PathBuf>,
}

/// A compiler error.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// The file: an additional module or another file of the crate.
    pub file: PathBuf,
    /// Line number from 1 on; 0 if there is none.
    pub line: usize,
    /// Error code such as `E0597`; `error` for an error without a code.
    pub code: String,
    /// The message.
    pub text: String,
}

impl Crate {
    /// Copies the crate to `out/NAME`. The files `support` become modules named after the files.
    /// The driver must have been built in `out/lint`.
    pub fn copy(source: &Path, out: &Path, name: &str, support: &[PathBuf]) -> Result<Self> {
        let build = out.join(BUILD);
        let record = build.join(CRATE).join(".barium_main.o.cmd");
        let recorded = fs::read_to_string(&record)
            .map_err(|e| format!("{}: {e}: is the driver built?", record.display()))?;
        let compile = compile_command(&recorded)
            .ok_or_else(|| format!("{}: no command of rustc in it", record.display()))?;
        let dir = out.join(name);
        command::fresh_dir(&dir)?;
        let from = source.join(CRATE);
        command::logged(
            Command::new("cp").arg("-rT").args([&from, &dir]),
            &out.join("log").join(format!("{name}-copy.log")),
        )?;
        Ok(Crate {
            dir,
            build,
            compile,
            support: support.into(),
        })
    }

    /// Type-checks the crate with these files as additional modules. Returns the errors without
    /// duplicates.
    pub fn check(&self, name: &str, modules: &[PathBuf]) -> Result<Vec<Diagnostic>> {
        let mut root = command::read_lossy(&self.dir.join("barium_main.rs"));
        for module in self.support.iter().chain(modules) {
            let name = module.file_stem().unwrap_or_default().to_string_lossy();
            root += &format!(
                "\n#[path = \"{}\"]\nmod {};\n",
                module.display(),
                name.replace('-', "_")
            );
        }
        let path = self.dir.join(format!("{name}.rs"));
        command::write(&path, root.as_bytes())?;
        let generated = self.build.join(CRATE);
        let output = Command::new("bash")
            .arg("-c")
            .arg(format!(
                "{} --emit=metadata={} --error-format=json --cap-lints=allow {}",
                self.compile,
                self.dir.join(format!("{name}.rmeta")).display(),
                path.display()
            ))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("BARIUM_UAPI_RS", generated.join("barium_uapi_generated.rs"))
            .env("BARIUM_KMS_RS", generated.join("barium_kms_generated.rs"))
            .current_dir(&self.build)
            .output()
            .map_err(|e| format!("bash: {e}"))?;
        let text = String::from_utf8_lossy(&output.stderr);
        let mut found: Vec<Diagnostic> = text
            .lines()
            .filter_map(|line| diagnostic(line, modules))
            .collect();
        found.sort();
        found.dedup_by(|a, b| (&a.file, a.line, &a.code) == (&b.file, b.line, &b.code));
        if found.is_empty() && !output.status.success() {
            return Err(format!("{name}: rustc: {}\n{text}", output.status));
        }
        Ok(found)
    }

    /// Runs `check` for each of `all`, on as many threads as there are CPUs. The order of the
    /// results is undefined.
    pub fn for_each<T: Sync, R: Send>(all: &[T], check: impl Fn(&T) -> R + Sync) -> Vec<R> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some(item) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let result = check(item);
                        command::lock(&results).push(result);
                    }
                });
            }
        });
        results
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Returns rustc's command in kbuild's record, without crate root, outputs and the commands that
/// follow.
fn compile_command(recorded: &str) -> Option<String> {
    let line = recorded
        .lines()
        .find(|line| line.starts_with("savedcmd_"))?;
    let (_, command) = line.split_once(":= ")?;
    let command = command.split(" ; ").next()?;
    let mut words = Vec::new();
    let mut has_root = false;
    let mut skip = false;
    for word in command.split(' ') {
        if std::mem::take(&mut skip) {
            continue;
        }
        match word {
            "--out-dir" => skip = true,
            _ if word.starts_with("--emit=") => {}
            _ if word.ends_with("/barium_main.rs") => has_root = true,
            _ if word.ends_with("clippy-driver") => words.push("rustc"),
            // Make escapes a dollar sign by another one.
            _ => words.push(word),
        }
    }
    has_root.then(|| words.join(" ").replace("$$", "$").replace("$(pound)", "#"))
}

/// Parses a line of the compiler's output. The error is located in one of `modules` if possible.
fn diagnostic(line: &str, modules: &[PathBuf]) -> Option<Diagnostic> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["level"] != "error" {
        return None;
    }
    let text = message["message"].as_str()?.to_string();
    let code = message["code"]["code"].as_str();
    let primary = message["spans"]
        .as_array()?
        .iter()
        .find(|span| span["is_primary"] == true);
    // The final summary.
    if primary.is_none() && code.is_none() && text.starts_with("aborting due to") {
        return None;
    }
    let place = |span: &Value| {
        let file = PathBuf::from(span["file_name"].as_str()?);
        Some((file, usize::try_from(span["line_start"].as_u64()?).ok()?))
    };
    // Follow macro expansions up to a module.
    let mut span = primary.cloned().unwrap_or(Value::Null);
    let innermost = place(&span).unwrap_or_default();
    let (file, line) = loop {
        match place(&span) {
            Some(found) if modules.contains(&found.0) => break found,
            Some(_) => {
                let outer = span["expansion"]["span"].clone();
                span = outer;
            }
            None => break innermost,
        }
    };
    Some(Diagnostic {
        file,
        line,
        code: code.unwrap_or("error").into(),
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_command_is_taken_apart() {
        let recorded = "savedcmd_d/barium_main.o := OBJTREE=/k RUST_MODFILE=d/b clippy-driver -Ca=b \
                        -Zcrate-attr='feature(x,y)' --out-dir d/ --emit=dep-info=d/x.d --emit=obj=d/x.o \
                        /s/barium_main.rs ; ./objtool d/x.o\n\nsource := /s/barium_main.rs\n";
        assert_eq!(
            compile_command(recorded).as_deref(),
            Some("OBJTREE=/k RUST_MODFILE=d/b rustc -Ca=b -Zcrate-attr='feature(x,y)'")
        );
        assert_eq!(compile_command("savedcmd_x.o := gcc -c x.c\n"), None);
    }

    #[test]
    fn an_error_in_a_macro_is_where_the_macro_is_used() {
        let line = r#"{"level":"error","message":"m","code":{"code":"E0277"},"spans":[{"is_primary":true,
            "file_name":"/c/ioctl.rs","line_start":7,"expansion":{"span":{"file_name":"/s/a.rs","line_start":3}}}]}"#;
        let line = line.replace('\n', "");
        let place = |modules: &[&str]| {
            let modules: Vec<PathBuf> = modules.iter().map(PathBuf::from).collect();
            let found = diagnostic(&line, &modules).expect("an error");
            (found.file.display().to_string(), found.line, found.code)
        };
        assert_eq!(place(&["/s/a.rs"]), ("/s/a.rs".into(), 3, "E0277".into()));
        assert_eq!(
            place(&["/s/b.rs"]),
            ("/c/ioctl.rs".into(), 7, "E0277".into())
        );
    }

    #[test]
    fn warnings_and_the_summary_are_no_errors() {
        for line in [
            r#"{"level":"warning","message":"m","code":null,"spans":[]}"#,
            r#"{"level":"error","message":"aborting due to 1 previous error","code":null,"spans":[]}"#,
            "not JSON",
        ] {
            assert_eq!(diagnostic(line, &[]), None);
        }
    }
}
