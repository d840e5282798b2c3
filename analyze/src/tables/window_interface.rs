//! The host's network interfaces second by second.

use std::collections::BTreeMap;

use crate::table::counter::{Interval, Series};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int, text};
use crate::tables::interface::parse;

/// The table.
pub static TABLE: Table = Table {
    name: "window_interface",
    about: "the host's network interfaces in each interval of the window",
    columns: &[
        int("reading", "the reading at the end of the interval"),
        int("ts_us", "end of the interval, since boot"),
        int("interval_us", "its length"),
        text("name", ""),
        float("rx_bytes_per_second", ""),
        float("tx_bytes_per_second", ""),
    ],
    reads: &["/proc/net/dev"],
    decoder: || Box::new(WindowInterface::default()),
};

#[derive(Default)]
struct WindowInterface {
    series: BTreeMap<String, Series>,
    intervals: Vec<(String, i64, u32, String, Interval)>,
}

impl Decode for WindowInterface {
    fn entry(&mut self, input: &Input<'_>, _: &Node, _: &mut Damages) {
        for (number, line) in input.lines().skip(2) {
            let Some((name, values)) = parse(&line) else {
                continue;
            };
            let series = self.series.entry(name.to_owned()).or_default();
            if let Some(interval) = series.push(input, values) {
                let (entry, reading) = (input.entry.to_owned(), input.reading);
                self.intervals
                    .push((entry, number, reading, name.to_owned(), interval));
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, line, reading, name, io) in self.intervals {
            rows.add(&entry, Some(line))
                .set("reading", reading)
                .set("ts_us", io.end_us)
                .set("interval_us", io.interval_us)
                .set("name", name)
                .set("rx_bytes_per_second", io.per_second(0))
                .set("tx_bytes_per_second", io.per_second(8));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn one_row_per_interval() {
        let line = |n: u32| format!("a\nb\n lo: {n} 0 0 0 0 0 0 0 {n} 0 0 0 0 0 0 0\n");
        let (a, b) = (line(0), line(500));
        let (rows, _) = run(
            "window_interface",
            &[
                ("root/proc/net/dev", a.as_bytes()),
                ("window/1/proc/net/dev", b.as_bytes()),
            ],
        );
        assert_eq!(
            csv(&rows, &["reading", "name", "tx_bytes_per_second"]),
            "1,lo,500.0000\n"
        );
    }
}
