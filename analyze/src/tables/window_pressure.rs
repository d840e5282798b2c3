//! Pressure of the node second by second.

use std::collections::BTreeMap;

use crate::table::counter::{Interval, Series};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int, text};
use crate::tables::pressure::parse;

/// The table.
pub static TABLE: Table = Table {
    name: "window_pressure",
    about: "pressure of the node in each interval of the window",
    columns: &[
        int("reading", "the reading at the end of the interval"),
        int("ts_us", "end of the interval, since boot"),
        int("interval_us", "its length"),
        text("resource", "`cpu`, `memory`, `io` or `irq`"),
        text("kind", "`some` or `full`"),
        float("stall_ratio", "share of the interval in which tasks waited"),
        float("avg10_percent", "the kernel's own mean of 10 s at the end"),
    ],
    reads: &["/proc/pressure/*"],
    decoder: || Box::new(WindowPressure::default()),
};

/// Entry, line, reading, resource, kind, the kernel's mean of 10 s, the interval.
type Stalled = (String, i64, u32, String, String, Option<f64>, Interval);

#[derive(Default)]
struct WindowPressure {
    series: BTreeMap<(String, String), Series>,
    intervals: Vec<Stalled>,
}

impl Decode for WindowPressure {
    fn entry(&mut self, input: &Input<'_>, _: &Node, _: &mut Damages) {
        let Some(resource) = input.part(2).map(str::to_owned) else {
            return;
        };
        for (number, line) in input.lines() {
            let Some((kind, averages, total_us)) = parse(&line) else {
                continue;
            };
            let series = self
                .series
                .entry((resource.clone(), kind.to_owned()))
                .or_default();
            if let Some(interval) = series.push(input, vec![total_us]) {
                let [avg10, ..] = averages;
                self.intervals.push((
                    input.entry.to_owned(),
                    number,
                    input.reading,
                    resource.clone(),
                    kind.to_owned(),
                    avg10,
                    interval,
                ));
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, line, reading, resource, kind, avg10, interval) in self.intervals {
            let stalled = interval
                .delta(0)
                .map(|us| us as f64 / interval.interval_us as f64);
            rows.add(&entry, Some(line))
                .set("reading", reading)
                .set("ts_us", interval.end_us)
                .set("interval_us", interval.interval_us)
                .set("resource", resource)
                .set("kind", kind)
                .set("stall_ratio", stalled)
                .set("avg10_percent", avg10);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn one_row_per_interval_and_kind() {
        let line = |total: u32| format!("some avg10=1.00 avg60=0.00 avg300=0.00 total={total}\n");
        let (a, b) = (line(0), line(250_000));
        let (rows, _) = run(
            "window_pressure",
            &[
                ("root/proc/pressure/io", a.as_bytes()),
                ("window/1/proc/pressure/io", b.as_bytes()),
            ],
        );
        assert_eq!(
            csv(&rows, &["reading", "resource", "kind", "stall_ratio"]),
            "1,io,some,0.2500\n"
        );
    }
}
