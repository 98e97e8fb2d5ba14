// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Replaces the tables in documents between `<!-- bench NAME -->` and `<!-- end -->`.

use crate::Result;

const START: &str = "<!-- bench ";
const END: &str = "<!-- end -->";

/// Returns the document with the tables that `table` returns for their names.
pub fn fill(document: &str, table: impl Fn(&str) -> Result<String>) -> Result<String> {
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
        text += &format!("\n{}\n\n", table(name)?.trim_end());
        text += END;
        rest = &rest[after + end + END.len()..];
    }
    Ok(text + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> Result<String> {
        Ok(format!("table {name}\n\n"))
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
    fn a_mark_needs_an_end() {
        assert!(fill("<!-- bench x --> text", table).is_err());
        assert!(fill("<!-- bench x", table).is_err());
    }
}
