// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Plots: cost by access pattern, for drivers and for Barium's modes; and cost by object size. Cost
//! axes are logarithmic, as ratios matter.

use svg::node::element::{Line, Polyline, Rectangle, Text};
use svg::Document;

use crate::rows::{Column, Rows};
use crate::table::figure;

/// Size of a plot in pixels.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 440.0;
/// Margins of the plot area in pixels; the legend is at the top.
const LEFT: f64 = 78.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 78.0;
const BOTTOM: f64 = 48.0;

const TEXT_COLOUR: &str = "#24292f";
const GRID_COLOUR: &str = "#d8dee4";

/// The titles of access patterns, by the start of a workload's name.
const PATTERNS: [(&str, &str); 5] = [
    ("seq", "forward"),
    ("reverse", "backward"),
    ("stride32", "every 32nd page"),
    ("random10", "10% at random"),
    ("random1", "1% at random"),
];

/// Returns all plots as file name and content, without those that have no data.
pub fn all(rows: &Rows) -> Vec<(&'static str, String)> {
    let drivers = rows.default_columns();
    let mut modes = rows.columns();
    modes.retain(|column| column.driver == "barium");
    [
        ("bench-patterns.svg", patterns(rows, &drivers)),
        ("bench-modes.svg", patterns(rows, &modes)),
        ("bench-sizes.svg", sizes(rows, &drivers)),
    ]
    .into_iter()
    .filter_map(|(name, plot)| Some((name, plot?)))
    .collect()
}

/// Bars: each pattern, each column.
fn patterns(rows: &Rows, columns: &[Column]) -> Option<String> {
    let groups: Vec<String> = rows.workloads(|row| {
        let name = row["workload"].as_str().unwrap_or_default();
        PATTERNS
            .iter()
            .any(|(pattern, _)| name.strip_prefix(pattern) == Some("-8M"))
    });
    let scale = Scale::over(groups.iter().flat_map(|group| {
        columns
            .iter()
            .filter_map(|column| rows.per_page(group, column))
    }))?;
    let mut plot = frame(
        "Guest instructions for each page touched, 8 MiB object: map, first touch, unmap",
        columns,
        &scale,
    );
    let span = (WIDTH - LEFT - RIGHT) / as_f64(groups.len());
    let bar = span * 0.86 / as_f64(columns.len());
    for (index, group) in groups.iter().enumerate() {
        let left = LEFT + span * (as_f64(index) + 0.07);
        plot = plot.add(label(
            title(group),
            left + span * 0.43,
            HEIGHT - BOTTOM + 22.0,
            "middle",
            13,
        ));
        for (number, column) in columns.iter().enumerate() {
            let Some(cost) = rows.per_page(group, column) else {
                continue;
            };
            let x = left + bar * as_f64(number);
            let y = scale.y(cost);
            let size = if columns.len() > 5 { 9 } else { 10 };
            plot = plot
                .add(
                    Rectangle::new()
                        .set("x", pixels(x))
                        .set("y", pixels(y))
                        .set("width", pixels(bar - 2.0))
                        .set("height", pixels(HEIGHT - BOTTOM - y))
                        .set("fill", colour(column)),
                )
                .add(label(
                    &short(cost),
                    x + bar / 2.0 - 1.0,
                    y - 4.0,
                    "middle",
                    size,
                ));
        }
    }
    Some(plot.to_string())
}

/// Lines: the forward pattern, by object size.
fn sizes(rows: &Rows, columns: &[Column]) -> Option<String> {
    let mut sizes: Vec<(f64, String)> = rows
        .workloads(|_| true)
        .into_iter()
        .filter_map(|name| Some((bytes(name.strip_prefix("seq-")?)?, name)))
        .collect();
    sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (least, most) = (sizes.first()?.0, sizes.last()?.0);
    let scale = Scale::over(sizes.iter().flat_map(|(_, name)| {
        columns
            .iter()
            .filter_map(|column| rows.per_page(name, column))
    }))?;
    let across = |size: f64| {
        let part = (size / least).log2() / (most / least).log2().max(1.0);
        LEFT + 24.0 + part * (WIDTH - LEFT - RIGHT - 48.0)
    };
    let mut plot = frame(
        "Guest instructions for each page touched, forward, by size of the object",
        columns,
        &scale,
    );
    for (size, name) in &sizes {
        let title = name.trim_start_matches("seq-");
        let title = title.replace('K', " KiB").replace('M', " MiB");
        plot = plot.add(label(
            &title,
            across(*size),
            HEIGHT - BOTTOM + 22.0,
            "middle",
            13,
        ));
    }
    for column in columns {
        let points: Vec<String> = sizes
            .iter()
            .filter_map(|(size, name)| {
                let cost = rows.per_page(name, column)?;
                Some(format!(
                    "{},{}",
                    pixels(across(*size)),
                    pixels(scale.y(cost))
                ))
            })
            .collect();
        plot = plot.add(
            Polyline::new()
                .set("points", points.join(" "))
                .set("fill", "none")
                .set("stroke", colour(column))
                .set("stroke-width", 2.5),
        );
    }
    Some(plot.to_string())
}

/// Returns the title of a workload's pattern.
fn title(workload: &str) -> &str {
    let name = workload.split('-').next().unwrap_or(workload);
    let known = PATTERNS.iter().find(|(pattern, _)| *pattern == name);
    known.map_or(workload, |(_, title)| title)
}

/// Minimum distance, in decades, of the lowest value from the axis' start.
const ROOM: f64 = 0.3;

/// A logarithmic axis from one power of ten to another.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// Returns an axis for these values, with some space below the lowest; `None` without values.
    fn over(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (low, high) = values
            .filter(|value| *value > 0.0)
            .map(f64::log10)
            .fold((f64::MAX, f64::MIN), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        (low <= high).then(|| Self {
            low: (low - ROOM).floor(),
            high: high.ceil().max((low - ROOM).floor() + 1.0),
        })
    }

    /// Returns the y coordinate of a value.
    fn y(&self, value: f64) -> f64 {
        let part = (value.log10() - self.low) / (self.high - self.low);
        HEIGHT - BOTTOM - part.clamp(0.0, 1.0) * (HEIGHT - BOTTOM - TOP)
    }

    /// Returns the powers of ten on the axis.
    fn decades(&self) -> Vec<f64> {
        let mut decades = Vec::new();
        let mut exponent = self.low;
        while exponent <= self.high {
            decades.push(10f64.powf(exponent));
            exponent += 1.0;
        }
        decades
    }
}

/// Draws title, legend and axis on a white background, for which the colours are chosen.
fn frame(title: &str, columns: &[Column], scale: &Scale) -> Document {
    let mut plot = Document::new()
        .set("viewBox", (0, 0, WIDTH, HEIGHT))
        .set("font-family", "sans-serif")
        .add(
            Rectangle::new()
                .set("width", WIDTH)
                .set("height", HEIGHT)
                .set("fill", "#ffffff"),
        )
        .add(label(title, LEFT, 26.0, "start", 16));
    let mut x = LEFT;
    for column in columns {
        let title = column.title();
        plot = plot
            .add(
                Rectangle::new()
                    .set("x", pixels(x))
                    .set("y", 42)
                    .set("width", 12)
                    .set("height", 12)
                    .set("fill", colour(column)),
            )
            .add(label(&title, x + 17.0, 53.0, "start", 13));
        x += 32.0 + 7.2 * as_f64(title.len());
    }
    for decade in scale.decades() {
        let y = scale.y(decade);
        plot = plot
            .add(
                Line::new()
                    .set("x1", LEFT)
                    .set("x2", WIDTH - RIGHT)
                    .set("y1", pixels(y))
                    .set("y2", pixels(y))
                    .set("stroke", GRID_COLOUR),
            )
            .add(label(
                &short(decade).replace(".0", ""),
                LEFT - 8.0,
                y + 4.0,
                "end",
                13,
            ));
    }
    plot
}

fn label(text: &str, x: f64, y: f64, anchor: &str, size: u32) -> Text {
    Text::new(text)
        .set("x", pixels(x))
        .set("y", pixels(y))
        .set("text-anchor", anchor)
        .set("font-size", size)
        .set("fill", TEXT_COLOUR)
}

/// Barium's modes have shades of one colour.
fn colour(column: &Column) -> &'static str {
    match (column.driver.as_str(), column.mode.as_str()) {
        ("barium", "default") => "#1a7f37",
        ("barium", "huge") => "#4ac26b",
        ("barium", "around") => "#85cc95",
        ("barium", _) => "#b4dfbf",
        ("ttm", _) => "#cf222e",
        ("shmem", _) => "#d4a72c",
        _ => "#0969da",
    }
}

/// Formats a number: `11.2`, `862`, `4.4k`, `1.1M`.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1e4 => format!("{:.0}k", value / 1e3),
        value if value >= 1e3 => format!("{:.1}k", value / 1e3),
        value => figure(value),
    }
}

/// Parses the size at the end of a workload's name, in bytes.
fn bytes(size: &str) -> Option<f64> {
    let (number, unit) = size.split_at_checked(size.len().checked_sub(1)?)?;
    let number: f64 = number.parse().ok()?;
    match unit {
        "K" => Some(number * 1024.0),
        "M" => Some(number * 1024.0 * 1024.0),
        _ => None,
    }
}

/// Rounds to a tenth of a pixel.
fn pixels(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_are_on_the_scale() {
        let scale = Scale::over([11.2, 900.0, 41_000.0].into_iter()).unwrap();
        assert_eq!(scale.decades(), [1.0, 10.0, 100.0, 1e3, 1e4, 1e5]);
        assert!(scale.y(11.2) > scale.y(900.0));
        assert!(scale.y(1e5) >= TOP && scale.y(10.0) <= HEIGHT - BOTTOM);
    }

    #[test]
    fn one_value_has_a_scale() {
        assert_eq!(Scale::over([100.0].into_iter()).unwrap().decades().len(), 2);
        assert!(Scale::over([].into_iter()).is_none());
    }

    #[test]
    fn sizes_of_names() {
        assert_eq!(bytes("64K"), Some(65536.0));
        assert_eq!(bytes("8M"), Some(8_388_608.0));
        assert_eq!(bytes("x"), None);
        assert_eq!(bytes(""), None);
    }
}
