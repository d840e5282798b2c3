//! Hard and soft interrupts by kind, summed over the CPUs.
//!
//! ```text
//!            CPU0       CPU1
//!  24:         12          0   PCI-MSI 65536-edge      virtio0-config
//! LOC:     123456     123400   Local timer interrupts
//! ```

use std::collections::BTreeMap;

use crate::table::counter::{Counters, sum};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "interrupt",
    about: "hard and soft interrupts by kind",
    columns: &[
        text("kind", "`hard` or `soft`"),
        text("irq", "number or short name"),
        text("name", "controller and devices"),
        int("count", "since boot, all CPUs"),
        int("delta", "between the readings, all CPUs"),
        text("max_cpu", "the CPU that took most of the difference"),
        int("max_cpu_delta", "what it took"),
        int("window_us", "time between the readings"),
    ],
    reads: &["/proc/interrupts", "/proc/softirqs"],
    decoder: || Box::new(Interrupt::default()),
};

#[derive(Default)]
struct Interrupt {
    lines: BTreeMap<(&'static str, String), (String, Counters)>,
}

impl Decode for Interrupt {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let kind = if input.path == "/proc/softirqs" {
            "soft"
        } else {
            "hard"
        };
        let mut lines = input.lines();
        let cpus = lines
            .next()
            .map_or(0, |(_, header)| header.split_ascii_whitespace().count());
        for (number, line) in lines {
            let Some((irq, rest)) = line.split_once(':') else {
                damages.add(
                    input,
                    Some(number),
                    format!("not a line of interrupts: `{line}`"),
                );
                continue;
            };
            let mut words = rest.split_ascii_whitespace().peekable();
            let mut counts = Vec::new();
            // `ERR` and `MIS` have one number however many CPUs there are.
            while counts.len() < cpus {
                let Some(count) = words.peek().and_then(|word| word.parse().ok()) else {
                    break;
                };
                counts.push(count);
                words.next();
            }
            let name = words.collect::<Vec<_>>().join(" ");
            self.lines
                .entry((kind, irq.trim().to_owned()))
                .and_modify(|(_, counters)| counters.update(input, counts.clone()))
                .or_insert_with(|| (name, Counters::new(input, Some(number), counts)));
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for ((kind, irq), (name, counters)) in self.lines {
            let places = || (0..).take_while(|place| counters.first(*place).is_some());
            let deltas: Option<Vec<u64>> = places().map(|place| counters.delta(place)).collect();
            let deltas = deltas.filter(|deltas| !deltas.is_empty());
            let most = deltas
                .as_ref()
                .and_then(|deltas| (0..).zip(deltas).max_by_key(|(cpu, d)| (**d, -*cpu)));
            rows.add(&counters.entry, counters.line)
                .set("kind", kind)
                .set("irq", irq)
                .set("name", Some(name).filter(|name| !name.is_empty()))
                .set("count", sum(places().map(|place| counters.first(place))))
                .set(
                    "delta",
                    deltas
                        .as_ref()
                        .and_then(|deltas| sum(deltas.iter().copied().map(Some))),
                )
                .set("max_cpu", most.map(|(cpu, _): (i64, _)| cpu.to_string()))
                .set("max_cpu_delta", most.map(|(_, delta)| *delta))
                .set("window_us", counters.window_us());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn sums_and_the_busiest_cpu() {
        let (rows, _) = run(
            "interrupt",
            &[
                (
                    "root/proc/interrupts",
                    b"  CPU0  CPU1\n 24:  1  2  PCI-MSI virtio0\nERR: 7\n",
                ),
                (
                    "window/1/proc/interrupts",
                    b"  CPU0  CPU1\n 24:  4  12  PCI-MSI virtio0\nERR: 7\n",
                ),
                ("root/proc/softirqs", b"  CPU0  CPU1\n NET_RX:  5  5\n"),
            ],
        );
        let columns = [
            "kind",
            "irq",
            "name",
            "count",
            "delta",
            "max_cpu",
            "max_cpu_delta",
        ];
        assert_eq!(
            csv(&rows, &columns),
            "hard,24,PCI-MSI virtio0,3,13,1,10\nhard,ERR,,7,0,0,0\nsoft,NET_RX,,10,,,\n"
        );
    }
}
