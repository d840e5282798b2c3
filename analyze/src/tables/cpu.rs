//! CPU time by CPU and by kind, between the first and the last reading of `/proc/stat`.
//!
//! ```text
//! cpu  3357 0 4313 1362393 25 0 86 51234 0 0
//! cpu0 1393 0 2012 680125 11 0 60 25101 0 0
//! ```
//!
//! Kinds in their order (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal, guest,
//! `guest_nice`. Guest time is part of user time.

use std::collections::BTreeMap;

use crate::table::counter::{Counters, ratio, sum};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "cpu",
    about: "CPU time between two readings: one row per CPU and one for `all`",
    columns: &[
        text("cpu", "`all`, or the CPU's number"),
        float("busy_ratio", "everything but idle and iowait"),
        float("user_ratio", "programs"),
        float("nice_ratio", "programs of low priority"),
        float("system_ratio", "kernel"),
        float("idle_ratio", "nothing to do"),
        float(
            "iowait_ratio",
            "nothing to do while a task of this CPU waits for I/O",
        ),
        float("irq_ratio", "hard interrupts"),
        float("softirq_ratio", "soft interrupts"),
        float("steal_ratio", "withheld by the hypervisor"),
        float("guest_ratio", "virtual machines; part of user_ratio"),
        int("window_us", "time between the readings"),
        int("user_us", "since boot"),
        int("system_us", "since boot"),
        int("idle_us", "since boot"),
        int("steal_us", "since boot"),
    ],
    reads: &["/proc/stat"],
    decoder: || Box::new(Cpu::default()),
};

const RATIOS: [&str; 9] = [
    "user_ratio",
    "nice_ratio",
    "system_ratio",
    "idle_ratio",
    "iowait_ratio",
    "irq_ratio",
    "softirq_ratio",
    "steal_ratio",
    "guest_ratio",
];
/// Kinds that add up to the whole: guest time is counted in user time already.
const WHOLE: usize = 8;

#[derive(Default)]
struct Cpu {
    /// By number, `all` first.
    cpus: BTreeMap<Option<u32>, Counters>,
}

impl Decode for Cpu {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        for (number, line) in input.lines() {
            let Some((cpu, times)) = parse(&line) else {
                if line.starts_with("cpu") {
                    damages.add(
                        input,
                        Some(number),
                        format!("not a line of CPU times: `{line}`"),
                    );
                }
                continue;
            };
            self.cpus
                .entry(cpu)
                .and_modify(|counters| counters.update(input, times.clone()))
                .or_insert_with(|| Counters::new(input, Some(number), times));
        }
    }

    fn finish(self: Box<Self>, node: &Node, rows: &mut Rows) {
        for (cpu, times) in self.cpus {
            let whole = sum((0..WHOLE).map(|n| times.delta(n).or((n >= 7).then_some(0))));
            let share = |place: usize| ratio(times.delta(place), whole);
            let busy = share(3)
                .zip(share(4))
                .map(|(idle, iowait)| 1.0 - idle - iowait);
            let mut row = rows.add(&times.entry, times.line);
            row.set(
                "cpu",
                cpu.map_or_else(|| "all".to_owned(), |n| n.to_string()),
            )
            .set("busy_ratio", busy)
            .set("window_us", times.window_us());
            for (place, name) in RATIOS.iter().enumerate() {
                row.set(name, share(place));
            }
            for (place, name) in [
                (0, "user_us"),
                (2, "system_us"),
                (3, "idle_us"),
                (7, "steal_us"),
            ] {
                row.set(
                    name,
                    times.first(place).map(|ticks| node.ticks_to_us(ticks)),
                );
            }
        }
    }
}

/// The CPU of a line, none for the sum of all, and its ticks.
pub(crate) fn parse(line: &str) -> Option<(Option<u32>, Vec<u64>)> {
    let rest = line.strip_prefix("cpu")?;
    let (name, times) = rest.split_once(' ')?;
    let cpu = if name.is_empty() {
        None
    } else {
        Some(name.parse().ok()?)
    };
    let times: Option<Vec<u64>> = times
        .split_ascii_whitespace()
        .map(|t| t.parse().ok())
        .collect();
    // 2.6 kernels had seven kinds, none ever had fewer than four.
    times
        .filter(|times| times.len() >= 4)
        .map(|times| (cpu, times))
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn shares_of_the_window() {
        let (rows, damages) = run(
            "cpu",
            &[
                (
                    "root/proc/stat",
                    b"cpu  100 0 50 1000 10 0 0 0 0 0\ncpu0 100 0 50 1000 10 0 0 0 0 0\nintr 5\n",
                ),
                (
                    "window/10/proc/stat",
                    b"cpu  400 0 150 1500 60 0 0 50 0 0\ncpu0 400 0 150 1500 60 0 0 50 0 0\n",
                ),
            ],
        );
        let columns = [
            "cpu",
            "busy_ratio",
            "user_ratio",
            "steal_ratio",
            "window_us",
            "user_us",
        ];
        assert_eq!(
            csv(&rows, &columns),
            "all,0.4500,0.3000,0.0500,10000000,1000000\n0,0.4500,0.3000,0.0500,10000000,1000000\n"
        );
        assert!(damages.list.is_empty());
    }

    #[test]
    fn one_reading_has_no_shares_and_nonsense_is_damage() {
        let (rows, damages) = run(
            "cpu",
            &[(
                "root/proc/stat",
                b"cpu  1 0 2 3 0 0 0 0 0 0\ncpux 1\ncpu1 1 a\n",
            )],
        );
        assert_eq!(csv(&rows, &["cpu", "busy_ratio", "steal_us"]), "all,,0\n");
        assert_eq!(damages.list.len(), 2);
    }

    #[test]
    fn counters_that_went_backwards_have_no_share() {
        let (rows, _) = run(
            "cpu",
            &[
                ("root/proc/stat", b"cpu  100 0 50 1000 10 0 0 0 0 0\n"),
                ("window/1/proc/stat", b"cpu  400 0 150 900 60 0 0 50 0 0\n"),
            ],
        );
        assert_eq!(csv(&rows, &["busy_ratio", "user_ratio"]), ",\n");
    }
}
