//! BPF programs that are loaded, from `calls/bpf.json`.
//!
//! ```text
//! {"counts_runs":true,"programs":[{"id":12,"kind":8,"name":"sd_fw_egress","loaded_us":2100000,"run_time_ns":81200,"run_count":40}]}
//! ```
//!
//! Runs are counted only while `kernel.bpf_stats_enabled` is on, which costs time: it is off by
//! default, and the numbers are null.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::table::answer;
use crate::table::counter::{Counters, ratio};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "bpf_program",
    about: "loaded BPF programs",
    columns: &[
        int("id", ""),
        text("kind", "`sched_cls`, `cgroup_device`, `tracing`, `xdp` ..."),
        text("name", "at most 15 bytes, as its maker called it"),
        int("loaded_ts_us", "since boot"),
        int("runs_count", "null where the kernel does not count them"),
        int("run_time_ns", ""),
        int("runs_delta", "in the window"),
        int("run_time_ns_delta", ""),
        float("cpu_ratio", "run_time_ns_delta / window: 1 is one CPU"),
        int("window_us", "time between the readings"),
    ],
    reads: &["calls/bpf.json", "calls/bpf.*.json"],
    decoder: || Box::new(Programs::default()),
};

/// `enum bpf_prog_type` of `linux/bpf.h`, from 0.
const KINDS: [&str; 33] = [
    "unspec",
    "socket_filter",
    "kprobe",
    "sched_cls",
    "sched_act",
    "tracepoint",
    "xdp",
    "perf_event",
    "cgroup_skb",
    "cgroup_sock",
    "lwt_in",
    "lwt_out",
    "lwt_xmit",
    "sock_ops",
    "sk_skb",
    "cgroup_device",
    "sk_msg",
    "raw_tracepoint",
    "cgroup_sock_addr",
    "lwt_seg6local",
    "lirc_mode2",
    "sk_reuseport",
    "flow_dissector",
    "cgroup_sysctl",
    "raw_tracepoint_writable",
    "cgroup_sockopt",
    "tracing",
    "struct_ops",
    "ext",
    "lsm",
    "sk_lookup",
    "syscall",
    "netfilter",
];

#[derive(Deserialize)]
struct Answer {
    counts_runs: Option<bool>,
    programs: Vec<Program>,
}

#[derive(Deserialize)]
struct Program {
    id: u32,
    kind: u32,
    name: String,
    loaded_us: Option<u64>,
    run_time_ns: Option<u64>,
    run_count: Option<u64>,
}

#[derive(Default)]
struct Programs {
    /// By id, which is not given twice.
    programs: BTreeMap<u32, (Program, Counters)>,
}

impl Decode for Programs {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let Some(answer) = answer::parse::<Answer>(input, damages) else {
            return;
        };
        for program in answer.programs {
            let counts = match (program.run_count, program.run_time_ns) {
                // What was counted while it was on stays.
                (Some(runs), Some(time_ns)) if answer.counts_runs == Some(true) || runs > 0 => {
                    vec![runs, time_ns]
                }
                _ => Vec::new(),
            };
            self.programs
                .entry(program.id)
                .and_modify(|(_, counters)| {
                    if counters.entry != input.entry {
                        counters.update(input, counts.clone());
                    }
                })
                .or_insert_with(|| (program, Counters::new(input, None, counts.clone())));
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (id, (program, counters)) in self.programs {
            let kind = KINDS.get(program.kind as usize);
            let kind = kind.map_or_else(|| program.kind.to_string(), |name| (*name).to_owned());
            let window_ns = counters.window_us().and_then(|us| us.checked_mul(1000));
            rows.add(&counters.entry, None)
                .set("id", id)
                .set("kind", kind)
                .set("name", program.name)
                .set("loaded_ts_us", program.loaded_us)
                .set("runs_count", counters.first(0))
                .set("run_time_ns", counters.first(1))
                .set("runs_delta", counters.delta(0))
                .set("run_time_ns_delta", counters.delta(1))
                .set("cpu_ratio", ratio(counters.delta(1), window_ns))
                .set("window_us", counters.window_us());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const COLUMNS: [&str; 6] = [
        "id",
        "kind",
        "name",
        "runs_count",
        "runs_delta",
        "run_time_ns_delta",
    ];

    #[test]
    fn counted_in_the_window() {
        let (rows, damages) = run(
            "bpf_program",
            &[
                ("calls/bpf.json", br#"{"counts_runs":true,"programs":[{"id":12,"kind":8,"name":"sd_fw_egress","loaded_us":21,"run_time_ns":100,"run_count":4},{"id":13,"kind":99,"name":"","loaded_us":22,"run_time_ns":null,"run_count":null}]}"#),
                ("calls/bpf.10.json", br#"{"counts_runs":true,"programs":[{"id":12,"kind":8,"name":"sd_fw_egress","loaded_us":21,"run_time_ns":1100,"run_count":9}]}"#),
                ("calls/bpf.10.json", b"[]"),
            ],
        );
        let expected = "12,cgroup_skb,sd_fw_egress,4,5,1000\n13,99,,,,\n";
        assert_eq!(csv(&rows, &COLUMNS), expected);
        assert_eq!(damages.list.len(), 1);
    }

    #[test]
    fn not_counted_is_null_and_not_zero() {
        let (rows, _) = run(
            "bpf_program",
            &[("calls/bpf.json", br#"{"counts_runs":false,"programs":[{"id":12,"kind":15,"name":"","loaded_us":21,"run_time_ns":0,"run_count":0}]}"#)],
        );
        assert_eq!(csv(&rows, &COLUMNS), "12,cgroup_device,,,,\n");
    }
}
