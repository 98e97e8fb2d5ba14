// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Maps code of a module to source lines, by its debugging information. Much of the code in a Rust
//! module is not from the driver's source: the compiler instantiates and inlines code of the kernel
//! crate and of the standard library into it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Result;

/// Path of the driver's source.
const DRIVER: &str = "drivers/gpu/drm/barium/";
/// Part of the path of the standard library's source.
const LIBRARY: &str = "/library/";

/// The source lines of an instruction as `FILE:LINE`: its own line, then the call site of each
/// inlined function. Empty if unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(Vec<String>);

impl Lines {
    /// Returns true if the innermost line outside the standard library is the driver's. Unknown
    /// source also counts as the driver's.
    pub fn is_driver_source(&self) -> bool {
        let mut written = self.0.iter().filter(|line| !line.contains(LIBRARY));
        match written.next() {
            Some(line) => line.contains(DRIVER),
            None => self.0.is_empty(),
        }
    }

    /// Formats the lines for a person, without the path prefix that all share.
    pub fn show(&self) -> String {
        let short = |line: &String| {
            let parts = line.rsplit(DRIVER).next();
            let parts = parts.map(|rest| rest.rsplit(LIBRARY).next().unwrap_or(rest));
            let rest = parts.unwrap_or(line);
            rest.strip_prefix("/barium/linux/")
                .unwrap_or(rest)
                .to_owned()
        };
        let lines: Vec<String> = self.0.iter().map(short).collect();
        lines.join(" < ")
    }
}

/// Returns the lines of the instructions at `addresses` in a section of `module`, in that order.
pub fn lines(module: &Path, section: &str, addresses: &[u64]) -> Result<Vec<Lines>> {
    let mut child = Command::new("addr2line")
        .args(["--inlines", "--addresses", "--section", section, "--exe"])
        .arg(module)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("addr2line: {e}"))?;
    let mut input = child.stdin.take().ok_or("addr2line has no input")?;
    let asked: Vec<String> = addresses.iter().map(|at| format!("{at:#x}\n")).collect();
    // addr2line answers before it has read all addresses: write them from another thread.
    let asking = std::thread::spawn(move || input.write_all(asked.concat().as_bytes()));
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    let all_asked = asking.join().is_ok_and(|done| done.is_ok());
    let found = parse(&String::from_utf8_lossy(&output.stdout));
    match all_asked && output.status.success() && found.len() == addresses.len() {
        true => Ok(found),
        false => Err("addr2line did not answer for all addresses".into()),
    }
}

/// Parses the output of `addr2line --inlines --addresses`: for each address, the address and its
/// lines.
fn parse(answer: &str) -> Vec<Lines> {
    let mut found: Vec<Lines> = Vec::new();
    for line in answer.lines() {
        if line.starts_with("0x") {
            found.push(Lines::default());
        } else if let (Some(last), false) = (found.last_mut(), line.starts_with("??")) {
            // Drops the discriminator.
            let line = line.split(" (discriminator").next().unwrap_or(line);
            last.0.push(line.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "\
0x0000000000001300
/usr/lib/rustlib/src/rust/library/core/src/option.rs:7 (discriminator 2)
/barium/src/drivers/gpu/drm/barium/mmap.rs:128
0x0000000000001400
/usr/lib/rustlib/src/rust/library/core/src/ptr/mod.rs:523
/barium/linux/rust/kernel/alloc.rs:256
/barium/src/drivers/gpu/drm/barium/mmap.rs:130
0x0000000000001500
??:0
0x0000000000001600
/usr/lib/rustlib/src/rust/library/core/src/ptr/mod.rs:523
";

    #[test]
    fn what_the_library_inlines_is_of_the_line_that_uses_it() {
        let found = parse(ANSWER);
        let own: Vec<bool> = found.iter().map(Lines::is_driver_source).collect();
        assert_eq!(own, [true, false, true, false]);
    }

    #[test]
    fn paths_are_shown_without_what_all_have() {
        let found = parse(ANSWER);
        assert_eq!(found[0].show(), "core/src/option.rs:7 < mmap.rs:128");
        let kernel = "core/src/ptr/mod.rs:523 < rust/kernel/alloc.rs:256 < mmap.rs:130";
        assert_eq!(found[1].show(), kernel);
        assert_eq!(found[2].show(), "");
    }
}
