//! Block devices: what they did between two readings of `/proc/diskstats`, and what sysfs says of
//! them.
//!
//! ```text
//!    8       0 sda 11 0 88 7 22 3 200 45 0 40 52 0 0 0 0
//! ```
//!
//! Fields behind the name (kernel doc `admin-guide/iostats`): reads, merged, sectors of 512 bytes,
//! ms reading, writes, merged, sectors, ms writing, in flight, ms busy, weighted ms; from 4.18
//! discards, from 5.5 flushes.

use std::collections::BTreeMap;

use crate::table::counter::{Counters, sum};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, float, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "disk",
    about: "block devices and what they did between two readings",
    columns: &[
        text("device", "name in /dev"),
        int("major", "device number"),
        int("minor", "device number"),
        bool(
            "is_partition",
            "part of another device; null where sysfs does not tell",
        ),
        float("reads_per_second", "finished"),
        float("writes_per_second", "finished"),
        float("read_bytes_per_second", ""),
        float("write_bytes_per_second", ""),
        float(
            "await_us",
            "mean time of a finished read or write, queueing included",
        ),
        float(
            "util_ratio",
            "share of the window with at least one request in flight",
        ),
        float("queue_length", "mean number of requests in flight"),
        int("in_flight_count", "requests in flight at the last reading"),
        int("window_us", "time between the readings"),
        int("size_bytes", ""),
        bool("rotational", "a spinning disk"),
        text("scheduler", "the I/O scheduler in use"),
        text("model", "as the device calls itself"),
        bool("read_only", "the device refuses writes"),
        text(
            "state",
            "of the SCSI or NVMe device; `running` or `live` when well",
        ),
    ],
    reads: &[
        "/proc/diskstats",
        "/sys/block/*/size",
        "/sys/block/*/ro",
        "/sys/block/*/queue/rotational",
        "/sys/block/*/queue/scheduler",
        "/sys/block/*/device/model",
        "/sys/block/*/device/state",
    ],
    decoder: || Box::new(Disk::default()),
};

/// `/sys/block/*/size` and the sectors of diskstats count in these, whatever the device's own are.
pub(crate) const SECTOR_BYTES: u64 = 512;

#[derive(Default)]
struct Disk {
    devices: BTreeMap<String, (u32, u32, Counters)>,
    /// By device and the last part of the path.
    facts: BTreeMap<(String, String), String>,
}

impl Decode for Disk {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if input.path != "/proc/diskstats" {
            let name = input.path.rsplit('/').next().unwrap_or_default();
            if let Some(device) = input.part(2) {
                let key = (device.to_owned(), name.to_owned());
                self.facts.insert(key, input.text().trim().to_owned());
            }
            return;
        }
        for (number, line) in input.lines() {
            let Some((major, minor, name, values)) = parse(&line) else {
                damages.add(
                    input,
                    Some(number),
                    format!("not a line of diskstats: `{line}`"),
                );
                continue;
            };
            if let Some((_, _, counters)) = self.devices.get_mut(name) {
                counters.update(input, values);
            } else {
                let counters = Counters::new(input, Some(number), values);
                self.devices
                    .insert(name.to_owned(), (major, minor, counters));
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        let sysfs_is_there = !self.facts.is_empty();
        for (device, (major, minor, io)) in self.devices {
            let fact = |name: &str| {
                self.facts
                    .get(&(device.clone(), name.to_owned()))
                    .map(String::as_str)
            };
            let finished = sum([io.delta(0), io.delta(4)]).filter(|n| *n > 0);
            let waited_ms = sum([io.delta(3), io.delta(7)]);
            let window_ms = io.window_us().map(|us| us as f64 / 1000.0);
            let share = |place| {
                io.delta(place)
                    .zip(window_ms)
                    .map(|(ms, window)| ms as f64 / window)
            };
            let bytes = |place| {
                io.per_second(place)
                    .map(|sectors| sectors * SECTOR_BYTES as f64)
            };
            rows.add(&io.entry, io.line)
                .set("device", device.as_str())
                .set("major", major)
                .set("minor", minor)
                .set(
                    "is_partition",
                    sysfs_is_there.then(|| fact("size").is_none()),
                )
                .set("reads_per_second", io.per_second(0))
                .set("writes_per_second", io.per_second(4))
                .set("read_bytes_per_second", bytes(2))
                .set("write_bytes_per_second", bytes(6))
                .set(
                    "await_us",
                    waited_ms
                        .zip(finished)
                        .map(|(ms, n)| ms as f64 * 1000.0 / n as f64),
                )
                .set("util_ratio", share(9).map(|ratio| ratio.min(1.0)))
                .set("queue_length", share(10))
                .set("in_flight_count", io.last(8))
                .set("window_us", io.window_us())
                .set(
                    "size_bytes",
                    fact("size").and_then(|s| s.parse::<u64>().ok()?.checked_mul(SECTOR_BYTES)),
                )
                .set("rotational", fact("rotational").map(|v| v == "1"))
                .set("scheduler", fact("scheduler").map(in_brackets))
                .set("model", fact("model"))
                .set("read_only", fact("ro").map(|v| v == "1"))
                .set("state", fact("state"));
        }
    }
}

/// Device number, name and counters of a line.
pub(crate) fn parse(line: &str) -> Option<(u32, u32, &str, Vec<u64>)> {
    let mut words = line.split_ascii_whitespace();
    let (major, minor, name) = (
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
        words.next()?,
    );
    let values: Option<Vec<u64>> = words.map(|word| word.parse().ok()).collect();
    values
        .filter(|values| values.len() >= 11)
        .map(|values| (major, minor, name, values))
}

/// The choice in `none [mq-deadline] kyber`.
fn in_brackets(text: &str) -> &str {
    let inside = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    inside.map_or(text, |(choice, _)| choice)
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn rates_waits_and_facts() {
        let (rows, damages) = run(
            "disk",
            &[
                ("root/proc/diskstats", b"   8       0 sda 10 0 80 5 20 0 160 10 0 100 15 0 0 0 0\n   8 1 sda1 1 0 8 1 0 0 0 0 0 1 1\nshort\n"),
                ("root/sys/block/sda/size", b"2048\n"),
                ("root/sys/block/sda/queue/scheduler", b"none [mq-deadline] kyber\n"),
                ("window/10/proc/diskstats", b"   8       0 sda 20 0 20560 505 30 0 160 510 3 9100 15015 0 0 0 0\n"),
            ],
        );
        let columns = [
            "device",
            "is_partition",
            "reads_per_second",
            "read_bytes_per_second",
            "await_us",
            "util_ratio",
            "in_flight_count",
            "size_bytes",
            "scheduler",
        ];
        assert_eq!(
            csv(&rows, &columns),
            "sda,false,1.0000,1048576.0000,50000.0000,0.9000,3,1048576,mq-deadline\nsda1,true,,,,,0,,\n"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
