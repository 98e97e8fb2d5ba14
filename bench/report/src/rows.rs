// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The rows of results, and bench.json.

use serde_json::{json, Value};

use crate::{goals, Result};

/// Unit of figures without another unit.
pub const UNIT: &str = "guest instructions";

/// Unit of memory sizes and of memory traffic.
pub const BYTES: &str = "bytes";

/// A driver in one of its modes: a column of the tables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// The driver, or the way of mapping without a driver.
    pub driver: String,
    /// Its mode.
    pub mode: String,
}

impl Column {
    /// Returns the title in tables and plots.
    pub fn title(&self) -> String {
        match self.driver.as_str() {
            "barium" => format!("Barium, {}", self.mode),
            "ttm" => "TTM (qxl)".into(),
            "shmem" => "shmem (bochs)".into(),
            "eager" => "eager (sysfs)".into(),
            other => other.into(),
        }
    }

    /// Returns the sort key: Barium comes first, its default mode before the others.
    fn rank(&self) -> (usize, usize) {
        let place = |all: &[&str], name: &str| all.iter().position(|&n| n == name);
        (
            place(&["barium", "ttm", "shmem", "eager"], &self.driver).unwrap_or(usize::MAX),
            place(&["default", "huge", "around", "strict"], &self.mode).unwrap_or(usize::MAX),
        )
    }
}

/// All results.
#[derive(Default)]
pub struct Rows(Vec<Value>);

impl Rows {
    /// Parses lines of JSON.
    pub fn parse(text: &str) -> Result<Self> {
        let rows: Vec<Value> = text
            .lines()
            .map(serde_json::from_str)
            .collect::<std::result::Result<_, _>>()?;
        match rows.iter().find(|row| !row["workload"].is_string()) {
            Some(row) => Err(format!("a row without a workload: {row}").into()),
            None => Ok(Self(rows)),
        }
    }

    /// Adds the rows of `others`.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Returns bench.json.
    pub fn to_json(&self) -> Result<String> {
        let measured: Vec<&Value> = self
            .0
            .iter()
            .filter(|row| row["missing"].is_null())
            .collect();
        let ratios = goals::json(self);
        let all = json!({ "unit": UNIT, "ratios": ratios, "rows": measured });
        let mut text = serde_json::to_string_pretty(&all)?;
        text.push('\n');
        Ok(text)
    }

    /// Returns the names of workloads whose row satisfies `is`, in the order of measurement.
    pub fn workloads(&self, is: impl Fn(&Value) -> bool) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for row in self.0.iter().filter(|row| is(row)) {
            let name = workload(row);
            if !names.iter().any(|known| known == name) {
                names.push(name.into());
            }
        }
        names
    }

    /// Returns the columns in display order.
    pub fn columns(&self) -> Vec<Column> {
        let mut columns: Vec<Column> = Vec::new();
        for row in &self.0 {
            let column = column(row);
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        columns.sort_by_key(Column::rank);
        columns
    }

    /// Returns the columns of drivers in their default mode.
    pub fn default_columns(&self) -> Vec<Column> {
        let mut columns = self.columns();
        columns.retain(|column| column.mode == "default");
        columns
    }

    /// Returns the row of a workload in a column.
    pub fn get(&self, name: &str, of: &Column) -> Option<&Value> {
        self.0
            .iter()
            .find(|row| workload(row) == name && column(row) == *of)
    }

    /// Returns the figure of a workload in a column, per page.
    pub fn per_page(&self, name: &str, of: &Column) -> Option<f64> {
        self.get(name, of)?["per_page"].as_f64()
    }

    /// Returns the figure of a workload in a column, in any unit.
    pub fn figure(&self, name: &str, of: &Column) -> Option<f64> {
        self.per_page(name, of)
            .or_else(|| self.get(name, of)?["value"].as_f64())
    }
}

fn workload(row: &Value) -> &str {
    row["workload"].as_str().unwrap_or_default()
}

fn column(row: &Value) -> Column {
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_string();
    Column {
        driver: text("driver"),
        mode: text("mode"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"workload":"seq-8M","driver":"ttm","mode":"default","per_page":800.0}
{"workload":"seq-8M","driver":"barium","mode":"strict","per_page":2000.0}
{"workload":"life-4K","driver":"eager","mode":"default","missing":"has no objects"}
{"workload":"seq-8M","driver":"barium","mode":"default","per_page":11.0}"#;

    #[test]
    fn barium_stands_first() {
        let rows = Rows::parse(TEXT).unwrap();
        let titles: Vec<String> = rows.columns().iter().map(Column::title).collect();
        assert_eq!(
            titles,
            [
                "Barium, default",
                "Barium, strict",
                "TTM (qxl)",
                "eager (sysfs)"
            ]
        );
    }

    #[test]
    fn what_is_missing_is_not_in_the_json() {
        let rows = Rows::parse(TEXT).unwrap();
        let json: Value = serde_json::from_str(&rows.to_json().unwrap()).unwrap();
        assert_eq!(json["rows"].as_array().unwrap().len(), 3);
        assert_eq!(json["unit"], UNIT);
    }

    #[test]
    fn figures_are_found() {
        let rows = Rows::parse(TEXT).unwrap();
        let strict = &rows.columns()[1];
        assert_eq!(rows.per_page("seq-8M", strict), Some(2000.0));
        assert_eq!(rows.per_page("life-4K", strict), None);
        assert_eq!(rows.figure("seq-8M", strict), Some(2000.0));
    }

    #[test]
    fn a_figure_may_be_in_bytes() {
        let row = r#"{"workload":"client-1080p-ram","driver":"shmem","mode":"default","value":4096,"unit":"bytes"}"#;
        let rows = Rows::parse(row).unwrap();
        let column = &rows.columns()[0];
        assert_eq!(rows.figure("client-1080p-ram", column), Some(4096.0));
        assert_eq!(rows.per_page("client-1080p-ram", column), None);
    }

    #[test]
    fn what_is_no_row_is_refused() {
        assert!(Rows::parse("{}").is_err());
        assert!(Rows::parse("splat").is_err());
    }
}
