//! Pressure stall information of the node and of each cgroup: for how long tasks waited for CPU,
//! memory or I/O (kernel doc `accounting/psi`).
//!
//! ```text
//! some avg10=62.11 avg60=48.02 avg300=21.40 total=98231111
//! full avg10=0.00 avg60=0.00 avg300=0.00 total=0
//! ```
//!
//! `full` for cpu exists since 5.13 and is 0 for the node; `irq` has only `full` (since 6.1).

use std::collections::BTreeMap;

use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "pressure",
    about: "pressure stall information: one row per scope, resource and kind",
    columns: &[
        text("scope", "`node`, or the path of a cgroup v2"),
        text("resource", "`cpu`, `memory`, `io` or `irq`"),
        text(
            "kind",
            "`some`: at least one task waited; `full`: all of them",
        ),
        float("avg10_percent", "share of the last 10 s, first reading"),
        float("avg60_percent", "share of the last 60 s, first reading"),
        float("avg300_percent", "share of the last 300 s, first reading"),
        int("total_us", "since boot, first reading"),
        int(
            "stall_us",
            "between the first and the last reading; null with one reading",
        ),
        int("window_us", "time between these readings"),
        float("stall_ratio", "stall_us / window_us"),
    ],
    reads: &["/proc/pressure/*", "/sys/fs/cgroup/**/*.pressure"],
    decoder: || Box::new(Pressure::default()),
};

#[derive(Default)]
struct Pressure {
    /// By scope, resource and kind.
    stalls: BTreeMap<(String, String, String), Stall>,
}

struct Stall {
    entry: String,
    line: i64,
    avg_percent: [Option<f64>; 3],
    first: Sample,
    last: Option<Sample>,
}

#[derive(Clone, Copy)]
struct Sample {
    total_us: u64,
    at_us: Option<u64>,
}

impl Decode for Pressure {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let Some((scope, resource)) = scope_and_resource(input.path) else {
            return;
        };
        for (number, line) in input.lines() {
            if line.is_empty() {
                continue;
            }
            let Some((kind, avg_percent, total_us)) = parse(&line) else {
                damages.add(
                    input,
                    Some(number),
                    format!("not a pressure line: `{line}`"),
                );
                continue;
            };
            let sample = Sample {
                total_us,
                at_us: input.started_us(),
            };
            let key = (scope.clone(), resource.clone(), kind.to_owned());
            self.stalls
                .entry(key)
                .and_modify(|stall| stall.last = Some(sample))
                .or_insert_with(|| Stall {
                    entry: input.entry.to_owned(),
                    line: number,
                    avg_percent,
                    first: sample,
                    last: None,
                });
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for ((scope, resource, kind), stall) in self.stalls {
            // A total that fell is of a group made anew under its name.
            let stall_us = stall
                .last
                .and_then(|l| l.total_us.checked_sub(stall.first.total_us));
            let window_us = stall
                .last
                .and_then(|l| l.at_us?.checked_sub(stall.first.at_us?))
                .filter(|us| *us > 0);
            let ratio = stall_us.zip(window_us).map(|(s, w)| s as f64 / w as f64);
            let [avg10, avg60, avg300] = stall.avg_percent;
            rows.add(&stall.entry, Some(stall.line))
                .set("scope", scope)
                .set("resource", resource)
                .set("kind", kind)
                .set("avg10_percent", avg10)
                .set("avg60_percent", avg60)
                .set("avg300_percent", avg300)
                .set("total_us", stall.first.total_us)
                .set("stall_us", stall_us)
                .set("window_us", window_us)
                .set("stall_ratio", ratio);
        }
    }
}

fn scope_and_resource(path: &str) -> Option<(String, String)> {
    if let Some(resource) = path.strip_prefix("/proc/pressure/") {
        return Some(("node".to_owned(), resource.to_owned()));
    }
    let (folder, file) = path.strip_prefix("/sys/fs/cgroup")?.rsplit_once('/')?;
    // Hybrid nodes mount the unified tree below.
    let group = folder.strip_prefix("/unified").unwrap_or(folder);
    let scope = if group.is_empty() { "/" } else { group };
    // `cgroup.pressure` is the switch of the others.
    let resource = file.strip_suffix(".pressure").filter(|r| *r != "cgroup")?;
    Some((scope.to_owned(), resource.to_owned()))
}

pub(crate) fn parse(line: &str) -> Option<(&str, [Option<f64>; 3], u64)> {
    let mut words = line.split_ascii_whitespace();
    let kind = words.next().filter(|k| matches!(*k, "some" | "full"))?;
    let mut avg = [None; 3];
    let mut total = None;
    for word in words {
        match word.split_once('=')? {
            ("avg10", value) => avg[0] = value.parse().ok(),
            ("avg60", value) => avg[1] = value.parse().ok(),
            ("avg300", value) => avg[2] = value.parse().ok(),
            ("total", value) => total = value.parse().ok(),
            _ => {}
        }
    }
    Some((kind, avg, total?))
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const COLUMNS: [&str; 6] = [
        "scope",
        "resource",
        "kind",
        "avg10_percent",
        "stall_us",
        "stall_ratio",
    ];

    #[test]
    fn two_readings_make_a_ratio() {
        let (rows, damages) = run(
            "pressure",
            &[
                ("root/proc/pressure/io", b"some avg10=1.50 avg60=0.00 avg300=0.00 total=100\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"),
                ("window/10/proc/pressure/io", b"some avg10=9.00 avg60=0.00 avg300=0.00 total=2000100\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"),
            ],
        );
        assert_eq!(
            csv(&rows, &COLUMNS),
            "node,io,full,0.0000,0,0.0000\nnode,io,some,1.5000,2000000,0.2000\n"
        );
        assert!(damages.list.is_empty());
    }

    #[test]
    fn a_group_made_anew_and_the_switch() {
        let (rows, damages) = run(
            "pressure",
            &[
                ("root/sys/fs/cgroup/a.service/cgroup.pressure", b"1\n"),
                (
                    "root/sys/fs/cgroup/a.service/irq.pressure",
                    b"full avg10=0.00 avg60=0.00 avg300=0.00 total=29463156\n",
                ),
                (
                    "window/10/sys/fs/cgroup/a.service/irq.pressure",
                    b"full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
                ),
            ],
        );
        assert_eq!(csv(&rows, &COLUMNS), "/a.service,irq,full,0.0000,,\n");
        assert!(damages.list.is_empty());
    }

    #[test]
    fn kernels_before_5_13_have_no_full_line_for_cpu() {
        let (rows, _) = run(
            "pressure",
            &[(
                "root/proc/pressure/cpu",
                b"some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n",
            )],
        );
        assert_eq!(csv(&rows, &COLUMNS), "node,cpu,some,0.0000,,\n");
    }

    #[test]
    fn cgroups_have_their_own_scope_and_a_bad_line_is_damage() {
        let (rows, damages) = run(
            "pressure",
            &[(
                "root/sys/fs/cgroup/a.slice/memory.pressure",
                b"some avg10=0.00 avg60=0.00 avg300=0.00 total=5\nfull avg1",
            )],
        );
        assert_eq!(csv(&rows, &COLUMNS), "/a.slice,memory,some,0.0000,,\n");
        assert_eq!(damages.list.len(), 1);
        assert_eq!(damages.list[0].line, Some(2));
    }
}
