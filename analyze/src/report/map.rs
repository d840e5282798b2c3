//! Maps of when it was busy, drawn as SVG on this side. The script adds nothing but the selection;
//! it finds the grid by the `data-` attributes.

use std::fmt::Write as _;

use super::flames::Map;

/// Colours from nothing (0) to the darkest; `report.css` has them as `.level-0` and so on.
const LEVELS: u64 = 6;
const WIDTH: f64 = 540.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 6.0;
const BOTTOM: f64 = 20.0;

impl Map {
    /// The map as SVG: a path per colour, so that it stays small.
    pub fn svg(&self) -> String {
        let heat = &self.heat;
        let columns = heat.cells.len().max(1);
        let rows = heat.cells.first().map_or(1, Vec::len).max(1);
        let is_by_cpu = heat.row_ms == 0;
        let row = match rows {
            1..=8 if is_by_cpu => 14.0,
            _ if is_by_cpu => (192.0 / rows as f64).max(4.0),
            _ => (140.0 / rows as f64).max(3.0),
        };
        let plot = (WIDTH - LEFT - RIGHT, row * rows as f64);
        let height = TOP + plot.1 + BOTTOM;
        let mut svg = String::new();
        let _ = write!(
            svg,
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\" data-left=\"{LEFT}\" \
             data-top=\"{TOP}\" data-width=\"{}\" data-height=\"{}\" data-columns=\"{columns}\" \
             data-rows=\"{rows}\" data-column-ms=\"{}\" data-row-ms=\"{}\">",
            self.title, plot.0, plot.1, heat.column_ms, heat.row_ms,
        );
        let _ = write!(
            svg,
            "<path class=\"level-0\" d=\"M{LEFT} {TOP}h{}v{}h-{}z\"/>",
            plot.0, plot.1, plot.0
        );
        let x = |column: usize| LEFT + plot.0 * column as f64 / columns as f64;
        for level in 1..=LEVELS {
            let path = self.path(level, row, rows, &x);
            if !path.is_empty() {
                let _ = write!(svg, "<path class=\"level-{level}\" d=\"{path}\"/>");
            }
        }
        self.axes(&mut svg, rows, plot.1, &x);
        svg + "</svg>"
    }

    /// Cells of one colour; equal ones above each other are one rectangle.
    fn path(&self, level: u64, row: f64, rows: usize, x: &dyn Fn(usize) -> f64) -> String {
        let mut path = String::new();
        for (number, column) in self.heat.cells.iter().enumerate() {
            let (left, width) = (x(number), x(number + 1) - x(number));
            let mut at = 0;
            while at < rows {
                let is_of =
                    |place: usize| column.get(place).is_some_and(|c| self.level(*c) == level);
                let run = (at..rows).take_while(|place| is_of(*place)).count();
                if run > 0 {
                    let y = TOP + row * self.place(at, run, rows) as f64;
                    let tall = row * run as f64;
                    let _ = write!(path, "M{left:.1} {y:.1}h{width:.2}v{tall:.1}h-{width:.2}z");
                }
                at += run.max(1);
            }
        }
        path
    }

    /// Rows from the top down to the upper one of `run` rows from `at` on: offsets grow upwards,
    /// numbers of CPUs downwards.
    fn place(&self, at: usize, run: usize, rows: usize) -> usize {
        if self.heat.row_ms == 0 {
            at
        } else {
            rows - at - run
        }
    }

    fn level(&self, count: u64) -> u64 {
        (count.saturating_mul(LEVELS))
            .div_ceil(self.full)
            .min(LEVELS)
    }

    fn axes(&self, svg: &mut String, rows: usize, plot_height: f64, x: &dyn Fn(usize) -> f64) {
        let columns = self.heat.cells.len().max(1);
        let mut label = |x: f64, y: f64, anchor: &str, text: &str| {
            let _ = write!(
                svg,
                "<text class=\"axis\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
            );
        };
        let (top, bottom) = (TOP + 8.0, TOP + plot_height);
        if self.heat.row_ms > 0 {
            label(LEFT - 6.0, bottom, "end", "0 ms");
            label(
                LEFT - 6.0,
                top,
                "end",
                &format!("{} ms", self.heat.column_ms),
            );
        } else {
            let cpus = u64::from(self.heat.row_cpus);
            label(LEFT - 6.0, top, "end", "CPU 0");
            if rows > 1 {
                let last = (rows as u64 - 1) * cpus;
                label(LEFT - 6.0, bottom - 3.0, "end", &format!("CPU {last}"));
            }
        }
        let seconds = |column: usize| {
            let ms = column as u64 * self.heat.column_ms;
            let tenths = (ms + 50) / 100;
            match tenths % 10 {
                0 => format!("{} s", tenths / 10),
                rest => format!("{}.{rest} s", tenths / 10),
            }
        };
        for part in 0..=4 {
            let column = columns * part / 4;
            let anchor = match part {
                0 => "start",
                4 => "end",
                _ => "middle",
            };
            label(x(column), bottom + 14.0, anchor, &seconds(column));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::heat::{by_cpu, by_offset};
    use crate::profile::testing::profile;

    #[test]
    fn cells_lie_where_they_belong() {
        let map = Map {
            title: "x",
            hint: String::new(),
            palest: "",
            darkest: String::new(),
            full: 1,
            heat: by_offset(&profile()).unwrap(),
        };
        let svg = map.svg();
        // Offset 0 of the first second: at the left, at the bottom of 140 pixels.
        assert!(svg.contains("d=\"M56.0 139.0h79.33v7.0"), "{svg}");
        assert!(svg.contains(
            "data-columns=\"6\" data-rows=\"20\" data-column-ms=\"1000\" data-row-ms=\"50\""
        ));
        assert_eq!(
            (map.level(0), map.level(1), map.level(9)),
            (0, LEVELS, LEVELS)
        );
    }

    #[test]
    fn a_large_map_stays_small() {
        let mut profile = profile();
        profile.cpus = Some(512);
        let sample = profile.samples[0];
        for n in 0..100_000_u64 {
            let mut sample = sample;
            sample.time_ns = Some(5_000_000_000 + n * 7_919 * 61 % 6_000_000_000);
            sample.cpu = Some((n * 31 % 512) as u32);
            profile.samples.push(sample);
        }
        for heat in [by_cpu(&profile).unwrap(), by_offset(&profile).unwrap()] {
            let full = heat.most;
            let map = Map {
                title: "x",
                hint: String::new(),
                palest: "",
                darkest: String::new(),
                full,
                heat,
            };
            let svg = map.svg();
            assert!(svg.len() < 300_000, "{}", svg.len());
        }
    }
}
