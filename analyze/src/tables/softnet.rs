//! Packets per CPU between driver and stack: one line of hexadecimal numbers per CPU.
//!
//! ```text
//! 0004f2d1 00000000 00000012 0 0 0 0 0 0 00000000 0 0 00000001
//! ```
//!
//! Processed, dropped (backlog full), `time_squeeze` (budget used up); the CPU is the 13th since 5.10.

use std::collections::BTreeMap;

use crate::table::counter::Counters;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "softnet",
    about: "packets per CPU between driver and stack",
    columns: &[
        text("cpu", ""),
        int("processed_count", "since boot"),
        int("dropped_count", "backlog full, since boot"),
        int("time_squeeze_count", "budget used up, since boot"),
        int("processed_delta", "between the readings"),
        int("dropped_delta", ""),
        int("time_squeeze_delta", ""),
        int("window_us", "time between the readings"),
    ],
    reads: &["/proc/net/softnet_stat"],
    decoder: || Box::new(Softnet::default()),
};

#[derive(Default)]
struct Softnet {
    cpus: BTreeMap<u64, Counters>,
}

impl Decode for Softnet {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        for (number, line) in input.lines() {
            let words = line
                .split_ascii_whitespace()
                .map(|w| u64::from_str_radix(w, 16).ok());
            let Some(values) = words.collect::<Option<Vec<u64>>>().filter(|v| v.len() >= 3) else {
                damages.add(
                    input,
                    Some(number),
                    format!("not a line of softnet_stat: `{line}`"),
                );
                continue;
            };
            // Older kernels print online CPUs only and do not say which.
            let cpu = values.get(12).copied().unwrap_or(number as u64 - 1);
            self.cpus
                .entry(cpu)
                .and_modify(|counters| counters.update(input, values.clone()))
                .or_insert_with(|| Counters::new(input, Some(number), values));
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (cpu, counters) in self.cpus {
            rows.add(&counters.entry, counters.line)
                .set("cpu", cpu.to_string())
                .set("processed_count", counters.first(0))
                .set("dropped_count", counters.first(1))
                .set("time_squeeze_count", counters.first(2))
                .set("processed_delta", counters.delta(0))
                .set("dropped_delta", counters.delta(1))
                .set("time_squeeze_delta", counters.delta(2))
                .set("window_us", counters.window_us());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn hexadecimal_and_cpu() {
        let (rows, _) = run(
            "softnet",
            &[
                (
                    "root/proc/net/softnet_stat",
                    b"0000000a 00000000 00000001 0 0 0 0 0 0 0 0 0 00000003 0 0\n",
                ),
                (
                    "window/1/proc/net/softnet_stat",
                    b"0000000f 00000002 00000001 0 0 0 0 0 0 0 0 0 00000003 0 0\n",
                ),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &["cpu", "processed_count", "processed_delta", "dropped_delta"]
            ),
            "3,10,5,2\n"
        );
    }
}
