//! Line charts over the window, drawn as SVG on this side: the page needs no script for them.

use std::fmt::Write as _;

use serde::Serialize;

use super::model::Block;
use super::view::plain;
use crate::query;
use crate::table::{Cell, Tables};
use crate::units;

/// A chart.
#[derive(Clone, Debug, Serialize)]
pub struct Chart {
    /// Heading.
    pub title: &'static str,
    /// How values are shown.
    pub unit: Unit,
    /// Lines.
    pub lines: Vec<Line>,
}

/// What the values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Ratios: the axis ends at 100 %.
    Ratio,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
}

/// A line of a chart.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// Seconds since the first reading, and the value.
    pub points: Vec<(f64, f64)>,
}

/// A chart out of a query whose columns are `ts_us`, a name, and a value.
pub struct Spec {
    /// Heading.
    pub title: &'static str,
    /// The table: if it is missing, so is the chart.
    pub table: &'static str,
    /// `SELECT ts_us, <name>, <value> ... ORDER BY ts_us`.
    pub sql: &'static str,
    /// What the values are.
    pub unit: Unit,
    /// Lines that are drawn: those with the largest values.
    pub limit: usize,
}

const WIDTH: f64 = 1080.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 20.0;

impl Spec {
    /// Runs the query; what cannot be drawn says why.
    pub fn block(&self, tables: &Tables) -> Block {
        let missing = |reason: &str| Block::Missing {
            title: self.title,
            reason: reason.to_owned(),
        };
        if let Some(why) = tables
            .get(self.table)
            .and_then(|table| table.missing.as_ref())
        {
            return missing(why);
        }
        let grid = match query::select(tables, &[], self.sql) {
            Ok(grid) => grid,
            Err(error) => return missing(&error.to_string()),
        };
        let mut lines: Vec<Line> = Vec::new();
        let mut origin = None;
        for row in &grid.rows {
            let [ts, name, value] = row.as_slice() else {
                continue;
            };
            let (Some(ts), Some(value)) = (number(ts), number(value)) else {
                continue;
            };
            let seconds = (ts - *origin.get_or_insert(ts)) / 1e6;
            let name = plain(name);
            match lines.iter_mut().find(|line| line.name == name) {
                Some(line) => line.points.push((seconds, value)),
                None => lines.push(Line {
                    name,
                    points: vec![(seconds, value)],
                }),
            }
        }
        if !lines.iter().any(|line| line.points.len() > 1) {
            return missing("it takes a window of two seconds and more (`collect --window 10`)");
        }
        lines.sort_by(|a, b| {
            largest(b)
                .total_cmp(&largest(a))
                .then_with(|| a.name.cmp(&b.name))
        });
        lines.truncate(self.limit);
        Block::Chart(Chart {
            title: self.title,
            unit: self.unit,
            lines,
        })
    }
}

fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Int(value) => Some(*value as f64),
        Cell::Float(value) => Some(*value),
        _ => None,
    }
}

fn largest(line: &Line) -> f64 {
    line.points
        .iter()
        .map(|(_, value)| *value)
        .fold(0.0, f64::max)
}

impl Chart {
    /// The chart as SVG. Names are escaped; classes `line-0` to `line-5` carry the colours.
    pub fn svg(&self) -> String {
        let end = self
            .lines
            .iter()
            .flat_map(|l| &l.points)
            .map(|(x, _)| *x)
            .fold(1.0, f64::max);
        let top = match self.unit {
            Unit::Ratio => 1.0,
            _ => self.lines.iter().map(largest).fold(1.0, f64::max) * 1.1,
        };
        let x = |seconds: f64| LEFT + seconds / end * (WIDTH - LEFT - 8.0);
        let y = |value: f64| TOP + (1.0 - (value / top).clamp(0.0, 1.0)) * (HEIGHT - TOP - BOTTOM);
        let mut svg = String::new();
        let label = escape(self.title);
        let _ = write!(
            svg,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">"
        );
        for part in [0.0, 0.5, 1.0] {
            let value = top * part;
            let at = y(value);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                at + 3.5,
                escape(&self.show(value)),
            );
        }
        for part in [0.0, 0.5, 1.0] {
            let seconds = end * part;
            let anchor = if part < 1.0 { "middle" } else { "end" };
            let _ = write!(
                svg,
                "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{seconds:.0} s</text>",
                x(seconds),
                HEIGHT - 4.0,
            );
        }
        for (place, line) in self.lines.iter().enumerate() {
            let points: Vec<String> = line
                .points
                .iter()
                .map(|(s, v)| format!("{:.1},{:.1}", x(*s), y(*v)))
                .collect();
            let _ = write!(
                svg,
                "<polyline class=\"line-{}\" points=\"{}\"><title>{}</title></polyline>",
                place % 6,
                points.join(" "),
                escape(&line.name),
            );
        }
        svg.push_str("</svg>");
        svg
    }

    /// The last value of a line, for the legend.
    pub fn last(&self, line: &Line) -> String {
        line.points
            .last()
            .map(|(_, value)| self.show(*value))
            .unwrap_or_default()
    }

    fn show(&self, value: f64) -> String {
        match self.unit {
            Unit::Ratio => units::percent(value),
            Unit::Bytes => units::bytes(value),
            Unit::BytesPerSecond => format!("{}/s", units::bytes(value)),
        }
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_inside_and_names_are_escaped() {
        let chart = Chart {
            title: "x",
            unit: Unit::Ratio,
            lines: vec![Line {
                name: "<b>".into(),
                points: vec![(0.0, 0.0), (10.0, 5.0)],
            }],
        };
        let svg = chart.svg();
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("<b>"));
        assert!(svg.contains("points=\"64.0,150.0 1072.0,8.0\""), "{svg}");
    }
}
