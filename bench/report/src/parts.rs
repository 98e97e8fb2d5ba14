// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The parts of the cost of a mapping, which the driver's fault-around policy weighs against each
//! other: the constants in `drivers/gpu/drm/barium/upstream/fault_costs.rs`.

use crate::rows::{Column, Rows};
use crate::table::{figure, grid};

/// The parts, in guest instructions.
#[derive(Debug, PartialEq)]
struct Parts {
    /// `mmap()` and `munmap()`.
    mapping: f64,
    /// A page table.
    table: f64,
    /// A fault that maps one page.
    fault: f64,
    /// The decision to map no other page.
    decision: f64,
    /// A neighbour.
    neighbour: f64,
    /// A page that `mmap()` maps.
    eager: f64,
}

/// Returns the table of the parts, empty if their workloads were not measured.
pub fn table(rows: &Rows) -> String {
    let Some(parts) = measured(rows) else {
        return String::new();
    };
    let lines: Vec<Vec<String>> = [
        ("mapping", parts.mapping),
        ("table", parts.table),
        ("fault", parts.fault),
        ("decision", parts.decision),
        ("neighbour", parts.neighbour),
        ("eager page", parts.eager),
    ]
    .iter()
    .map(|(name, cost)| vec![String::from(*name), figure(*cost)])
    .collect();
    grid(
        "Parts of the cost of a mapping",
        &["part", "instructions"].map(String::from),
        &lines,
    )
}

/// The modes in which a fault in a small object maps one page, and those in which it may map more.
const STRICT: [&str; 2] = ["strict", "huge"];
const AROUND: [&str; 2] = ["around", "default"];

/// A workload in one object.
struct Total {
    cost: f64,
    pages: f64,
    faults: f64,
}

/// Returns a workload with its mean cost in `modes`.
fn total(rows: &Rows, workload: &str, driver: &str, modes: &[&str]) -> Option<Total> {
    let mut costs = Vec::new();
    let mut last = None;
    for mode in modes {
        let column = Column {
            driver: driver.into(),
            mode: (*mode).into(),
        };
        let row = rows.get(workload, &column)?;
        let pages = row["pages"].as_f64()?;
        costs.push(rows.per_page(workload, &column)? * pages);
        last = Some((pages, row["faults"].as_f64()?));
    }
    let (pages, faults) = last?;
    Some(Total {
        cost: costs.iter().sum::<f64>() / costs.len() as f64,
        pages,
        faults,
    })
}

/// Computes the parts from the figures of objects that have a page table of their own (1 MiB), and
/// of one that has not (16 KiB, or one page of 64 KiB). With pages of 16 or 64 KiB, an object of 1 MiB
/// shares its page table too, so that the figure for a table is about 0.
fn measured(rows: &Rows) -> Option<Parts> {
    let all = total(rows, "seq-1M", "barium", &STRICT)?;
    let few = total(rows, "random1-1M", "barium", &STRICT)?;
    let small = ["seq-16K", "seq-64K"]
        .iter()
        .find_map(|workload| total(rows, workload, "barium", &STRICT))?;
    let few_decided = total(rows, "random1-1M", "barium", &AROUND)?;
    let around = total(rows, "seq-1M", "barium", &AROUND)?;
    let eager = total(rows, "seq-1M", "eager", &["default"])?;

    let fault = (all.cost - few.cost) / (all.faults - few.faults);
    let decision = (few_decided.cost - few.cost) / few.faults;
    let base = few.cost - few.faults * fault;
    let mapping = small.cost - small.faults * fault;
    Some(Parts {
        mapping,
        table: base - mapping,
        fault,
        decision,
        neighbour: (around.cost - base - around.faults * (fault + decision))
            / (around.pages - around.faults),
        eager: (eager.cost - base) / eager.pages,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a driver whose parts are round numbers.
    const ROWS: &str = r#"{"workload":"seq-1M","driver":"barium","mode":"strict","per_page":2066.40625,"pages":256,"faults":256}
{"workload":"seq-1M","driver":"barium","mode":"huge","per_page":2066.40625,"pages":256,"faults":256}
{"workload":"random1-1M","driver":"barium","mode":"strict","per_page":10490.0,"pages":2,"faults":2}
{"workload":"random1-1M","driver":"barium","mode":"huge","per_page":10510.0,"pages":2,"faults":2}
{"workload":"seq-16K","driver":"barium","mode":"strict","per_page":4250.0,"pages":4,"faults":4}
{"workload":"seq-16K","driver":"barium","mode":"huge","per_page":4250.0,"pages":4,"faults":4}
{"workload":"random1-1M","driver":"barium","mode":"around","per_page":10580.0,"pages":2,"faults":2}
{"workload":"random1-1M","driver":"barium","mode":"default","per_page":10620.0,"pages":2,"faults":2}
{"workload":"seq-1M","driver":"barium","mode":"around","per_page":179.9609375,"pages":256,"faults":3}
{"workload":"seq-1M","driver":"barium","mode":"default","per_page":179.9609375,"pages":256,"faults":3}
{"workload":"seq-1M","driver":"eager","mode":"default","per_page":186.40625,"pages":256,"faults":0}"#;

    #[test]
    fn the_parts_add_up_to_the_figures() {
        let parts = measured(&Rows::parse(ROWS).unwrap()).unwrap();
        let close = |part: f64, to: f64| assert!((part - to).abs() < 1e-6, "{part} is not {to}");
        close(parts.mapping, 9_000.0);
        close(parts.table, 8_000.0);
        close(parts.fault, 2_000.0);
        close(parts.decision, 100.0);
        close(parts.neighbour, 90.0);
        close(parts.eager, 120.0);
    }

    #[test]
    fn without_a_workload_there_is_no_table() {
        let (_, rest) = ROWS.split_once('\n').unwrap();
        assert_eq!(table(&Rows::parse(rest).unwrap()), "");
        assert!(table(&Rows::parse(ROWS).unwrap()).contains("neighbour"));
    }
}
