// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Turns the results of the benchmark's guests into bench.json, tables in Markdown, and plots in
//! SVG.

mod fill;
mod goals;
mod parts;
mod plot;
mod profile;
mod rows;
mod table;
mod traffic;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rows::Rows;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "usage:
  barium-bench-report rows OUT FILE...      FILEs are lines of JSON from barium-bench; writes
                                            bench.json and plots to the directory OUT, tables to
                                            OUT/bench and to stdout; fails if a goal is not met
  barium-bench-report compare FILE FILE     the differences between the figures of two runs
  barium-bench-report profile DIR RECORD    the instructions of a record by function; DIR has the
                                            results of `scenario.sh profile`
  barium-bench-report traffic FILE RECORD   the rows of FILE, a result of `scenario.sh traffic`, with
                                            the figures of a record
  barium-bench-report fill TABLES FILE [ARCH]
                                            FILE with each table between `<!-- bench NAME -->` and
                                            `<!-- end -->` replaced by that in the directory TABLES;
                                            with ARCH, tables between `<!-- bench ARCH/NAME -->`";

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("barium-bench-report: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command. Returns true if all goals are met.
fn run(arguments: &[PathBuf]) -> Result<bool> {
    let Some((command, arguments)) = arguments.split_first() else {
        return Err(USAGE.into());
    };
    match (command.to_str(), arguments) {
        (Some("rows"), [out, files @ ..]) if !files.is_empty() => report(out, files),
        (Some("compare"), [one, other]) => {
            print!("{}", table::comparison(&rows(one)?, &rows(other)?));
            Ok(true)
        }
        (Some("profile"), [dir, record]) => {
            print!("{}", profiles(dir, record)?);
            Ok(true)
        }
        (Some("traffic"), [rows, record]) => {
            print!("{}", traffic::rows(&text(rows)?, &text(record)?)?);
            Ok(true)
        }
        (Some("fill"), [tables, file, arch @ ..]) if arch.len() <= 1 => {
            let arch = arch.first().and_then(|arch| arch.to_str()).unwrap_or("");
            let table = |name: &str| {
                fill::of_arch(arch, name)
                    .map(|name| text(&tables.join(format!("{name}.md"))))
                    .transpose()
            };
            print!("{}", fill::fill(&text(file)?, table)?);
            Ok(true)
        }
        _ => Err(USAGE.into()),
    }
}

/// Returns the profiles listed in DIR/profiles, each with the symbols of the kernel at its time.
fn profiles(dir: &Path, record: &Path) -> Result<String> {
    let record = fs::read(record).map_err(|e| format!("{}: {e}", record.display()))?;
    let titles = text(&dir.join("profiles"))?;
    let stretches = profile::stretches(&record)?;
    if titles.lines().count() != stretches.len() {
        return Err("the record has a different number of profiles".into());
    }
    let mut report = String::new();
    for (number, (title, interval)) in titles.lines().zip(&stretches).enumerate() {
        let symbols = text(&dir.join(format!("kallsyms-{number}")))?;
        let symbols = profile::Symbols::parse(&symbols);
        report += &format!("## {title}\n\n{}", profile::report(&symbols, interval));
    }
    Ok(report)
}

fn report(out: &Path, files: &[PathBuf]) -> Result<bool> {
    let mut rows = Rows::default();
    for file in files {
        rows.extend(self::rows(file)?);
    }
    let tables = out.join("bench");
    fs::create_dir_all(&tables).map_err(|e| format!("{}: {e}", tables.display()))?;
    write(&out.join("bench.json"), &rows.to_json()?)?;
    for (name, plot) in plot::all(&rows) {
        write(&out.join(name), &plot)?;
    }
    for (name, table) in [
        ("summary.md", table::summary(&rows)),
        ("costs.md", table::costs(&rows)),
        ("bytes.md", table::bytes(&rows)),
        ("threads.md", table::others(&rows)),
        ("goals.md", goals::table(&rows)),
        ("parts.md", parts::table(&rows)),
    ] {
        write(&tables.join(name), &table)?;
    }
    let (goals, parts) = (goals::table(&rows), parts::table(&rows));
    print!("{}{parts}{goals}", table::all(&rows));
    Ok(goals::are_met(&rows))
}

fn rows(file: &Path) -> Result<Rows> {
    Rows::parse(&text(file)?).map_err(|e| format!("{}: {e}", file.display()).into())
}

fn text(file: &Path) -> Result<String> {
    Ok(fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?)
}

/// Writes a file atomically.
fn write(path: &Path, content: &str) -> Result<()> {
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, content)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|e| format!("{}: {e}", path.display()).into())
}
