// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Replaces the tables in documents between `<!-- bench NAME -->` and `<!-- end -->`.

use crate::Result;

const START: &str = "<!-- bench ";
const END: &str = "<!-- end -->";

/// Returns the name of a table in the results of `arch` if the marker `name` is for that: `NAME` for
/// x86-64, whose `arch` is empty, and `ARCH/NAME` for another architecture.
pub fn of_arch<'a>(arch: &str, name: &'a str) -> Option<&'a str> {
    match name.split_once('/') {
        Some((other, name)) => (other == arch).then_some(name),
        None => arch.is_empty().then_some(name),
    }
}

/// Returns the document with the tables that `table` returns for their names. Keeps the old table
/// where that is `None`.
pub fn fill(document: &str, table: impl Fn(&str) -> Result<Option<String>>) -> Result<String> {
    let mut text = String::new();
    let mut rest = document;
    while let Some(start) = rest.find(START) {
        let mark = rest[start..]
            .find("-->")
            .ok_or("the marker of a table does not end")?;
        let name = rest[start + START.len()..start + mark].trim();
        let after = start + mark + "-->".len();
        let end = rest[after..]
            .find(END)
            .ok_or_else(|| format!("there is no {END} after {START}{name} -->"))?;
        text += &rest[..after];
        match table(name)? {
            Some(table) => text += &format!("\n{}\n\n", table.trim_end()),
            None => text += &rest[after..after + end],
        }
        text += END;
        rest = &rest[after + end + END.len()..];
    }
    Ok(text + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> Result<Option<String>> {
        Ok(of_arch("", name).map(|name| format!("table {name}\n\n")))
    }

    #[test]
    fn tables_are_put_in_place_again_and_again() {
        let document = "a\n<!-- bench x -->\nold\n<!-- end -->\nb\n<!-- bench y --><!-- end -->c";
        let filled = fill(document, table).unwrap();
        assert_eq!(
            filled,
            "a\n<!-- bench x -->\ntable x\n\n<!-- end -->\nb\n<!-- bench y -->\ntable y\n\n<!-- end -->c"
        );
        assert_eq!(fill(&filled, table).unwrap(), filled);
    }

    #[test]
    fn tables_of_other_architectures_stay() {
        let document = "<!-- bench arm64/x -->\nold\n<!-- end --><!-- bench x --><!-- end -->";
        assert_eq!(
            fill(document, table).unwrap(),
            "<!-- bench arm64/x -->\nold\n<!-- end --><!-- bench x -->\ntable x\n\n<!-- end -->"
        );
        let names = ["arm64/x", "arm64-64k/x", "x"].map(|name| of_arch("arm64", name));
        assert_eq!(names, [Some("x"), None, None]);
    }

    #[test]
    fn a_mark_needs_an_end() {
        assert!(fill("<!-- bench x --> text", table).is_err());
        assert!(fill("<!-- bench x", table).is_err());
    }
}
