//! Block devices second by second.

use std::collections::BTreeMap;

use crate::table::counter::{Interval, Series, sum};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int, text};
use crate::tables::disk::{SECTOR_BYTES, parse};

/// The table.
pub static TABLE: Table = Table {
    name: "window_disk",
    about: "block devices in each interval of the window",
    columns: &[
        int("reading", "the reading at the end of the interval"),
        int("ts_us", "end of the interval, since boot"),
        int("interval_us", "its length"),
        text("device", "name in /dev"),
        float("read_bytes_per_second", ""),
        float("write_bytes_per_second", ""),
        float(
            "util_ratio",
            "share of the interval with a request in flight",
        ),
        float("await_us", "mean time of a finished read or write"),
    ],
    reads: &["/proc/diskstats"],
    decoder: || Box::new(WindowDisk::default()),
};

#[derive(Default)]
struct WindowDisk {
    series: BTreeMap<String, Series>,
    intervals: Vec<(String, i64, u32, String, Interval)>,
}

impl Decode for WindowDisk {
    fn entry(&mut self, input: &Input<'_>, _: &Node, _: &mut Damages) {
        for (number, line) in input.lines() {
            let Some((_, _, name, values)) = parse(&line) else {
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
        for (entry, line, reading, device, io) in self.intervals {
            let finished = sum([io.delta(0), io.delta(4)]).filter(|n| *n > 0);
            let waited_ms = sum([io.delta(3), io.delta(7)]);
            let busy = io
                .delta(9)
                .map(|ms| (ms as f64 * 1000.0 / io.interval_us as f64).min(1.0));
            let bytes = |place| {
                io.per_second(place)
                    .map(|sectors| sectors * SECTOR_BYTES as f64)
            };
            rows.add(&entry, Some(line))
                .set("reading", reading)
                .set("ts_us", io.end_us)
                .set("interval_us", io.interval_us)
                .set("device", device)
                .set("read_bytes_per_second", bytes(2))
                .set("write_bytes_per_second", bytes(6))
                .set("util_ratio", busy)
                .set(
                    "await_us",
                    waited_ms
                        .zip(finished)
                        .map(|(ms, n)| ms as f64 * 1000.0 / n as f64),
                );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn one_row_per_interval_and_device() {
        let (rows, _) = run(
            "window_disk",
            &[
                ("root/proc/diskstats", b"8 0 sda 0 0 0 0 0 0 0 0 0 0 0\n"),
                (
                    "window/1/proc/diskstats",
                    b"8 0 sda 2 0 2048 10 0 0 0 0 0 500 10\n",
                ),
            ],
        );
        let columns = ["device", "read_bytes_per_second", "util_ratio", "await_us"];
        assert_eq!(csv(&rows, &columns), "sda,1048576.0000,0.5000,5000.0000\n");
    }
}
