// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Results: what a workload found, and the line of JSON that it becomes.

use serde_json::{json, Value};

use crate::way::Way;

/// Where the results come from.
pub struct Place<'a> {
    /// How memory was mapped.
    pub way: Way,
    /// The driver's mode.
    pub mode: &'a str,
    /// The device's address on the PCI bus.
    pub address: &'a str,
}

impl Place<'_> {
    /// Prints a row.
    pub fn report(&self, mut row: Value) {
        row["driver"] = json!(self.way.name());
        row["mode"] = json!(self.mode);
        println!("{row}");
    }
}

/// Several rounds of the same, in guest instructions.
pub enum Outcome {
    /// The rounds' figures.
    Measured(Rounds),
    /// This way has no such thing, and why.
    Missing(String),
}

/// Several rounds of the same, in guest instructions.
pub struct Rounds {
    /// Cost of each round.
    pub costs: Vec<u64>,
    /// By how much a round's cost is divided: the pages touched, or the objects used.
    pub pages: usize,
    /// Page faults of a round, where they were counted.
    pub faults: Option<i64>,
}

impl Outcome {
    /// The row for workload `name`.
    pub fn row(self, name: &str) -> Value {
        match self {
            Self::Measured(rounds) => rounds.row(name),
            Self::Missing(reason) => json!({ "workload": name, "missing": reason }),
        }
    }
}

impl Rounds {
    fn row(self, name: &str) -> Value {
        let (first, second) = self.costs.split_at(self.costs.len() / 2);
        let drift = (mean(second) - mean(first)).abs();
        let mean = mean(&self.costs);
        json!({
            "workload": name,
            "per_page": rounded(mean / self.pages as f64),
            "unit": "guest instructions",
            "pages": self.pages,
            "faults": self.faults,
            "rounds": self.costs.len(),
            "drift": rounded(drift / mean),
        })
    }
}

/// The mean is the figure. Timer interrupts and what comes with them are in it, as they are in what a
/// program pays. A median leaves them out, and jumps where rounds are of two kinds.
fn mean(costs: &[u64]) -> f64 {
    costs.iter().sum::<u64>() as f64 / costs.len().max(1) as f64
}

/// Three digits after the point.
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
}
