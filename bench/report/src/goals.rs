// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The performance goals: upper limits for ratios of two figures from one guest.

use serde_json::{json, Value};

use crate::rows::{Column, Rows};
use crate::table::{figure, grid};

/// The upper limit of a ratio.
struct Goal {
    workload: &'static str,
    /// Barium's mode.
    mode: &'static str,
    to: Base,
    limit: f64,
}

/// The divisor of Barium's figure.
enum Base {
    /// TTM's figure in the same guest.
    Ttm,
    /// The figure of bochs, the C driver for the same display, in the same guest.
    Bochs,
    /// A constant.
    Constant(&'static str, f64),
}

/// The cost of a one-page fault in the first prototype of the driver, with `map_pages` set.
const PROTOTYPE: Base = Base::Constant("prototype", 1805.0);

/// All goals.
const GOALS: [Goal; 12] = [
    Goal::of("seq-8M", 1.0 / 70.0),
    Goal::of("reverse-8M", 1.0 / 700.0),
    Goal::of("stride32-8M", 1.0 / 40.0),
    Goal::of("seq-1M", 1.0 / 4.0),
    Goal::of("reverse-1M", 1.0 / 40.0),
    Goal::of("stride32-1M", 1.0 / 4.0),
    Goal::of("seq-64K", 0.65),
    Goal::of("life-4K", 0.8),
    Goal {
        workload: "seq-8M",
        mode: "strict",
        to: PROTOTYPE,
        limit: 1.05,
    },
    Goal::on_screen("flip-1080p", 1.0 / 100.0),
    Goal::on_screen("flip-1080p-bytes", 1.0 / 100.0),
    Goal::on_screen("client-1080p-ram", 1.0 / 100.0),
];

impl Goal {
    /// A goal for the default mode against TTM.
    const fn of(workload: &'static str, limit: f64) -> Self {
        Self {
            workload,
            mode: "default",
            to: Base::Ttm,
            limit,
        }
    }

    /// A goal for the default mode against bochs.
    const fn on_screen(workload: &'static str, limit: f64) -> Self {
        Self {
            workload,
            mode: "default",
            to: Base::Bochs,
            limit,
        }
    }
}

/// A goal and the measured figures.
struct MeasuredGoal {
    goal: &'static Goal,
    /// Barium's figure.
    figure: f64,
    /// The figure to compare with.
    base: f64,
}

impl MeasuredGoal {
    fn ratio(&self) -> f64 {
        self.figure / self.base
    }

    fn is_met(&self) -> bool {
        self.ratio() <= self.goal.limit
    }

    fn to(&self) -> &'static str {
        match self.goal.to {
            Base::Ttm => "ttm",
            Base::Bochs => "shmem",
            Base::Constant(name, _) => name,
        }
    }
}

/// Returns all goals whose workloads were measured.
fn measured(rows: &Rows) -> Vec<MeasuredGoal> {
    let figure = |workload: &str, driver: &str, mode: &str| {
        let column = Column {
            driver: driver.into(),
            mode: mode.into(),
        };
        rows.figure(workload, &column)
    };
    let find = |goal: &'static Goal| {
        Some(MeasuredGoal {
            goal,
            figure: figure(goal.workload, "barium", goal.mode)?,
            base: match goal.to {
                Base::Ttm => figure(goal.workload, "ttm", "default")?,
                Base::Bochs => figure(goal.workload, "shmem", "default")?,
                Base::Constant(_, figure) => figure,
            },
        })
    };
    GOALS.iter().filter_map(find).collect()
}

/// Returns the goals for bench.json.
pub fn json(rows: &Rows) -> Value {
    let ratios = measured(rows).into_iter().map(|measured| {
        json!({
            "workload": measured.goal.workload,
            "driver": "barium",
            "mode": measured.goal.mode,
            "to": measured.to(),
            "ratio": (measured.ratio() * 1e6).round() / 1e6,
            "at_most": (measured.goal.limit * 1e6).round() / 1e6,
            "holds": measured.is_met(),
        })
    });
    ratios.collect()
}

/// Returns a table, empty if nothing was measured.
pub fn table(rows: &Rows) -> String {
    let line = |measured: &MeasuredGoal| {
        let part = |ratio: f64| match ratio {
            ratio if ratio < 0.5 => format!("1/{:.1}", 1.0 / ratio),
            ratio => format!("{ratio:.2}"),
        };
        vec![
            measured.goal.workload.into(),
            measured.goal.mode.into(),
            figure(measured.figure),
            format!("{} ({})", figure(measured.base), measured.to()),
            part(measured.ratio()),
            part(measured.goal.limit),
            if measured.is_met() { "yes" } else { "**no**" }.into(),
        ]
    };
    let lines: Vec<Vec<String>> = measured(rows).iter().map(line).collect();
    let head = [
        "workload",
        "mode",
        "Barium",
        "compared with",
        "ratio",
        "at most",
        "holds",
    ];
    grid(
        "Barium compared with its goals",
        &head.map(String::from),
        &lines,
    )
}

/// Returns true if all measured ratios are within their limits.
pub fn are_met(rows: &Rows) -> bool {
    measured(rows).iter().all(MeasuredGoal::is_met)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(barium: f64) -> Rows {
        let text = format!(
            r#"{{"workload":"seq-1M","driver":"ttm","mode":"default","per_page":1000.0}}
{{"workload":"seq-1M","driver":"barium","mode":"strict","per_page":1.0}}
{{"workload":"seq-1M","driver":"barium","mode":"default","per_page":{barium}}}"#
        );
        Rows::parse(&text).unwrap()
    }

    #[test]
    fn a_ratio_may_be_the_limit_and_no_more() {
        assert!(are_met(&rows(250.0)));
        assert!(!are_met(&rows(250.1)));
        assert!(table(&rows(251.0)).contains("**no**"));
    }

    #[test]
    fn what_was_not_measured_is_no_goal() {
        assert_eq!(json(&rows(200.0)).as_array().unwrap().len(), 1);
        assert_eq!(table(&Rows::default()), "");
        assert!(are_met(&Rows::default()));
    }

    #[test]
    fn the_prototype_is_what_strict_is_compared_with() {
        let text = r#"{"workload":"seq-8M","driver":"barium","mode":"strict","per_page":1900.0}"#;
        assert!(!are_met(&Rows::parse(text).unwrap()));
    }
    #[test]
    fn a_goal_may_be_in_bytes() {
        let rows = |barium: u32| {
            let text = format!(
                r#"{{"workload":"flip-1080p-bytes","driver":"shmem","mode":"default","value":10000,"unit":"bytes"}}
{{"workload":"flip-1080p-bytes","driver":"barium","mode":"default","value":{barium},"unit":"bytes"}}"#
            );
            Rows::parse(&text).unwrap()
        };
        assert!(are_met(&rows(100)));
        assert!(!are_met(&rows(101)));
    }
}
