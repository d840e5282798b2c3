//! Memory of the node second by second.

use crate::table::{Damages, Decode, Input, Node, Rows, Table, int};
use crate::tables::memory::parse;

/// The table.
pub static TABLE: Table = Table {
    name: "window_memory",
    about: "memory of the node at each reading",
    columns: &[
        int("reading", "0 is the first"),
        int("ts_us", "since boot"),
        int("free_bytes", "used for nothing"),
        int("available_bytes", "can be used without swapping"),
        int("cached_bytes", "page cache"),
        int("dirty_bytes", "to be written to disk"),
        int("writeback_bytes", "being written to disk"),
        int("anon_bytes", "memory of programs"),
        int("swap_free_bytes", "swap space left"),
    ],
    reads: &["/proc/meminfo"],
    decoder: || Box::new(WindowMemory::default()),
};

const COLUMNS: [(&str, &str); 7] = [
    ("MemFree", "free_bytes"),
    ("MemAvailable", "available_bytes"),
    ("Cached", "cached_bytes"),
    ("Dirty", "dirty_bytes"),
    ("Writeback", "writeback_bytes"),
    ("AnonPages", "anon_bytes"),
    ("SwapFree", "swap_free_bytes"),
];

/// Entry, number, time, columns.
type Reading = (String, u32, Option<u64>, Vec<(&'static str, u64)>);

#[derive(Default)]
struct WindowMemory {
    readings: Vec<Reading>,
}

impl Decode for WindowMemory {
    fn entry(&mut self, input: &Input<'_>, _: &Node, _: &mut Damages) {
        let mut values = Vec::new();
        for (_, line) in input.lines() {
            let Some((name, value)) = parse(&line) else {
                continue;
            };
            values.extend(
                COLUMNS
                    .iter()
                    .find(|(n, _)| *n == name)
                    .map(|(_, column)| (*column, value)),
            );
        }
        self.readings.push((
            input.entry.to_owned(),
            input.reading,
            input.started_us(),
            values,
        ));
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, reading, ts_us, values) in self.readings {
            let mut row = rows.add(&entry, None);
            row.set("reading", reading).set("ts_us", ts_us);
            for (column, value) in values {
                row.set(column, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn one_row_per_reading() {
        let (rows, _) = run(
            "window_memory",
            &[
                ("root/proc/meminfo", b"MemFree: 1 kB\n"),
                ("window/1/proc/meminfo", b"MemFree: 2 kB\n"),
            ],
        );
        assert_eq!(
            csv(&rows, &["reading", "free_bytes", "dirty_bytes"]),
            "0,1024,\n1,2048,\n"
        );
    }
}
