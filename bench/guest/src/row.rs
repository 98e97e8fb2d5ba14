// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The results of workloads, and their JSON lines.

use serde_json::{json, Value};

use crate::method::Method;

/// The configuration that results belong to.
pub struct Config<'a> {
    /// How memory is mapped.
    pub method: Method,
    /// The driver's mode.
    pub mode: &'a str,
    /// The device's PCI address.
    pub address: &'a str,
}

impl Config<'_> {
    /// Prints a row.
    pub fn report(&self, mut row: Value) {
        row["driver"] = json!(self.method.name());
        row["mode"] = json!(self.mode);
        println!("{row}");
    }
}

/// The result of a workload.
pub enum Outcome {
    /// Several rounds, in guest instructions.
    Measured(Rounds),
    /// Several rounds of a workload that is much shorter than a timer tick, or that sleeps; the
    /// figure is the median. A tick in a few of the rounds is not part of the cost.
    Median(Vec<u64>),
    /// Several measurements of one figure in bytes; the figure is the median.
    Bytes(Vec<u64>),
    /// This method of mapping has no such workload; the text says why.
    Missing(String),
}

/// Several rounds of a workload, in guest instructions.
pub struct Rounds {
    /// Cost of each round.
    pub costs: Vec<u64>,
    /// Divisor of a round's cost: the number of pages touched, or of objects used.
    pub pages: usize,
    /// Page faults in a round, if counted.
    pub faults: Option<i64>,
}

impl Outcome {
    /// Returns the row of the workload `name`.
    pub fn row(self, name: &str) -> Value {
        match self {
            Self::Measured(rounds) => rounds.row(name),
            Self::Median(costs) => json!({
                "workload": name,
                "per_page": median(&costs),
                "unit": "guest instructions",
                "pages": 1,
                "rounds": costs.len(),
                "drift": rounded(drift(&costs, median)),
            }),
            Self::Bytes(values) => json!({
                "workload": name,
                "value": median(&values),
                "unit": "bytes",
                "rounds": values.len(),
                "drift": rounded(drift(&values, median)),
            }),
            Self::Missing(reason) => json!({ "workload": name, "missing": reason }),
        }
    }
}

impl Rounds {
    fn row(self, name: &str) -> Value {
        json!({
            "workload": name,
            "per_page": rounded(mean(&self.costs) / self.pages as f64),
            "unit": "guest instructions",
            "pages": self.pages,
            "faults": self.faults,
            "rounds": self.costs.len(),
            "drift": rounded(drift(&self.costs, mean)),
        })
    }
}

/// Returns the mean. It includes timer interrupts and their consequences, which a program pays for
/// as well. A median excludes them, and is unstable if there are two kinds of rounds.
fn mean(costs: &[u64]) -> f64 {
    costs.iter().sum::<u64>() as f64 / costs.len().max(1) as f64
}

/// Returns the median.
pub fn median(values: &[u64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values
        .get(values.len() / 2)
        .map_or(0.0, |&value| value as f64)
}

/// Returns the relative difference between the averages of the two halves.
fn drift(values: &[u64], average: fn(&[u64]) -> f64) -> f64 {
    let (first, second) = values.split_at(values.len() / 2);
    (average(second) - average(first)).abs() / average(values).max(1.0)
}

/// Rounds to three decimal places.
pub fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_per_page() {
        let rounds = Rounds {
            costs: vec![100, 90, 110, 100, 120, 80],
            pages: 10,
            faults: None,
        };
        let row = rounds.row("seq-8M");
        assert_eq!(
            (&row["per_page"], &row["drift"]),
            (&json!(10.0), &json!(0.0))
        );
    }
    #[test]
    fn a_median_leaves_the_tick_out() {
        let row = Outcome::Median(vec![50, 50, 9000, 51, 49, 50]).row("flip-1080p");
        assert_eq!(
            (&row["per_page"], &row["drift"]),
            (&json!(50.0), &json!(0.0))
        );
    }

    #[test]
    fn bytes_are_a_value() {
        let row = Outcome::Bytes(vec![8192, 4096, 8192]).row("client-1080p-ram");
        assert_eq!(
            (&row["value"], &row["unit"]),
            (&json!(8192.0), &json!("bytes"))
        );
    }
}
