// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tables in Markdown.

use serde_json::Value;

use crate::rows::{Column, Rows, BYTES, UNIT};

/// The workloads in the summary, and their titles.
const SUMMARY: [(&str, &str); 13] = [
    ("seq-8M", "8 MiB, forward"),
    ("reverse-8M", "8 MiB, backward"),
    ("stride32-8M", "8 MiB, every 32nd page"),
    ("random1-8M", "8 MiB, 1% at random"),
    ("random10-8M", "8 MiB, 10% at random"),
    ("seq-1M", "1 MiB, forward"),
    ("reverse-1M", "1 MiB, backward"),
    ("stride32-1M", "1 MiB, every 32nd page"),
    ("seq-64K", "64 KiB, forward"),
    ("life-4K", "4 KiB: create, map, touch, close"),
    ("life-1M", "1 MiB: create, map, touch a page, close"),
    ("system-seq-8M", "8 MiB in system memory, forward"),
    ("write-8M", "8 MiB, writing to mapped pages"),
];

/// Returns the summary: the main figures of Barium's default mode and of the others.
pub fn summary(rows: &Rows) -> String {
    let columns = rows.default_columns();
    let lines: Vec<Vec<String>> = SUMMARY
        .iter()
        .filter(|(name, _)| {
            columns
                .iter()
                .any(|column| rows.get(name, column).is_some())
        })
        .map(|(name, title)| line(title, name, rows, &columns, cost))
        .collect();
    grid("", &head("object, pattern", &columns), &lines)
}

/// Returns all tables.
pub fn all(rows: &Rows) -> String {
    costs(rows) + &bytes(rows) + &others(rows)
}

/// Returns the table of all costs in guest instructions.
pub fn costs(rows: &Rows) -> String {
    let in_bytes = rows.workloads(|row| row["unit"] == BYTES);
    let mut workloads = rows.workloads(|row| row["unit"] == UNIT || !row["missing"].is_null());
    workloads.retain(|name| !in_bytes.contains(name));
    section(
        "Guest instructions for each page touched (map + first touch + unmap), or for each object",
        rows,
        &workloads,
        cost,
    )
}

/// Returns the table of all figures in bytes.
pub fn bytes(rows: &Rows) -> String {
    let workloads = rows.workloads(|row| row["unit"] == BYTES);
    section(
        "Bytes that the CPU reads and writes per flip, and bytes that a client with two pictures uses",
        rows,
        &workloads,
        |row| row["value"].as_f64().map_or("-".into(), figure),
    )
}

/// Returns the tables of figures in wall-clock time.
pub fn others(rows: &Rows) -> String {
    let scaling = rows.workloads(|row| row["scaling"].is_number());
    let rates = rows.workloads(|row| row["unit"] == "MB/s");
    let threads = section(
        "Several threads, in wall-clock time: the speed-up over one thread, and in brackets the speed-up \
         of a loop without memory accesses at the same time. A question mark means that the machine \
         was busy and the ratio is worthless",
        rows,
        &scaling,
        |row| {
            let number = |key: &str| row[key].as_f64().unwrap_or(f64::NAN);
            let doubt = if row["idle"] == true { "" } else { " ?" };
            format!("{:.2} ({:.2}){doubt}", number("scaling"), number("machine"))
        },
    );
    let rates = section(
        "Megabytes written per second, in wall-clock time",
        rows,
        &rates,
        |row| row["value"].as_f64().map(figure).unwrap_or_default(),
    );
    threads + &rates
}

/// Formats a cell of the tables of costs.
fn cost(row: &Value) -> String {
    match row["missing"].as_str() {
        Some(_) => "-".into(),
        None => row["per_page"].as_f64().map(figure).unwrap_or_default(),
    }
}

/// Returns the differences between the figures of two runs, except times, largest difference first.
pub fn comparison(one: &Rows, other: &Rows) -> String {
    let mut differences: Vec<(f64, String)> = Vec::new();
    for column in one.columns() {
        for name in one.workloads(|row| row["unit"] == UNIT || row["unit"] == BYTES) {
            if let (Some(a), Some(b)) = (one.figure(&name, &column), other.figure(&name, &column)) {
                let title = column.title();
                differences.push((
                    (b / a - 1.0) * 100.0,
                    format!("{name}, {title}: {} and {}", figure(a), figure(b)),
                ));
            }
        }
    }
    differences.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    let lines: Vec<String> = differences
        .iter()
        .map(|(percent, what)| format!("{percent:+.2}% {what}"))
        .collect();
    lines.join("\n") + "\n"
}

/// Returns a table with a line for each workload; empty without workloads.
fn section(
    title: &str,
    rows: &Rows,
    workloads: &[String],
    cell: impl Fn(&Value) -> String,
) -> String {
    let columns = rows.columns();
    let lines: Vec<Vec<String>> = workloads
        .iter()
        .map(|name| line(name, name, rows, &columns, &cell))
        .collect();
    grid(title, &head("workload", &columns), &lines)
}

/// Returns the header of a table with these columns.
fn head(first: &str, columns: &[Column]) -> Vec<String> {
    let titles = columns.iter().map(Column::title);
    [first.into()].into_iter().chain(titles).collect()
}

/// Returns the line of the workload `name`.
fn line(
    title: &str,
    name: &str,
    rows: &Rows,
    columns: &[Column],
    cell: impl Fn(&Value) -> String,
) -> Vec<String> {
    let cells = columns
        .iter()
        .map(|column| rows.get(name, column).map(&cell).unwrap_or_default());
    [title.into()].into_iter().chain(cells).collect()
}

/// Formats a table whose first column is text; empty without lines.
pub fn grid(title: &str, head: &[String], lines: &[Vec<String>]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut rule = vec!["---:".to_string(); head.len()];
    rule[0] = "---".into();
    let mut text = match title {
        "" => String::new(),
        title => format!("{title}:\n\n"),
    };
    let all = [head, &rule]
        .into_iter()
        .chain(lines.iter().map(Vec::as_slice));
    for cells in all {
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text.push('\n');
    text
}

/// Formats a number: `11.2`, `1,119,732`.
pub fn figure(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        let values = [11.24, 138.4, 1805.0, 33955.0, 1_120_554.0];
        assert_eq!(
            values.map(figure),
            ["11.2", "138", "1,805", "33,955", "1,120,554"]
        );
    }

    #[test]
    fn a_cell_for_each_column() {
        let rows = Rows::parse(
            r#"{"workload":"life-4K","driver":"eager","mode":"default","missing":"has no objects"}
{"workload":"seq-8M","driver":"barium","mode":"default","per_page":11.21,"unit":"guest instructions"}"#,
        )
        .unwrap();
        let table = all(&rows);
        assert!(table.contains("| life-4K |  | - |"), "{table}");
        assert!(table.contains("| seq-8M | 11.2 |  |"), "{table}");
        let summary = summary(&rows);
        assert!(
            summary.contains("| 8 MiB, forward | 11.2 |  |"),
            "{summary}"
        );
    }
    #[test]
    fn bytes_have_a_table_of_their_own() {
        let rows = Rows::parse(
            r#"{"workload":"client-1080p-ram","driver":"ttm","mode":"default","missing":"shows nothing"}
{"workload":"client-1080p-ram","driver":"shmem","mode":"default","value":16588800,"unit":"bytes"}"#,
        )
        .unwrap();
        assert_eq!(costs(&rows), "");
        let table = bytes(&rows);
        assert!(
            table.contains("| client-1080p-ram | - | 16,588,800 |"),
            "{table}"
        );
    }

    #[test]
    fn runs_are_compared() {
        let run = |value: u32| {
            Rows::parse(&format!(
                r#"{{"workload":"w","driver":"barium","mode":"default","value":{value},"unit":"bytes"}}"#
            ))
            .unwrap()
        };
        let text = comparison(&run(1000), &run(1010));
        assert_eq!(text, "+1.00% w, Barium, default: 1,000 and 1,010\n");
    }
}
