//! Findings on records of a real node: nothing grave where it was healthy, and the injected fault where it was not.
//!
//! Records that are not in `testdata/records` lie in the folder of `FREEZEFRAME_RECORDS`, else beside the checkout.

#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use common::{kmsg, loaded_at};
use freezeframe_analyze::evaluate::{self, Verdict};
use freezeframe_analyze::finding::{self, Severity};
use freezeframe_bundle::Clocks;

type Entries = Vec<(String, Vec<u8>)>;

/// Files of a record and the members that they are in a bundle.
const MEMBERS: [(&str, &str); 26] = [
    ("host/journal.export", "journal/system.export"),
    ("host/proc_stat", "root/proc/stat"),
    ("host/proc_uptime", "root/proc/uptime"),
    ("host/proc_meminfo", "root/proc/meminfo"),
    ("host/proc_loadavg", "root/proc/loadavg"),
    ("host/proc_vmstat", "root/proc/vmstat"),
    ("host/proc_self_mountinfo", "root/proc/1/mountinfo"),
    ("kubelet/pods", "api/kubelet/pods"),
    ("kubelet/runningpods_", "api/kubelet/runningpods"),
    ("kubelet/stats_summary", "api/kubelet/stats/summary"),
    ("kubelet/configz", "api/kubelet/configz"),
    ("kubelet/metrics", "api/kubelet/metrics"),
    ("kubelet/metrics_cadvisor", "api/kubelet/metrics/cadvisor"),
    ("kubelet/metrics_resource", "api/kubelet/metrics/resource"),
    ("kubelet/metrics_probes", "api/kubelet/metrics/probes"),
    (
        "kubelet/pprof_goroutine_debug2",
        "api/kubelet/debug/pprof/goroutine?debug=2",
    ),
    (
        "containerd/pprof_goroutine_debug2",
        "api/containerd/debug/pprof/goroutine?debug=2",
    ),
    ("containerd/metrics", "api/containerd/metrics"),
    ("cri/crictl_pods_-o_json.out", "cri/pods.json"),
    ("cri/crictl_ps_-a_-o_json.out", "cri/containers.json"),
    ("cri/crictl_images_-o_json.out", "cri/images.json"),
    ("cri/crictl_imagefsinfo.out", "cri/image_file_systems.json"),
    (
        "apiserver/api_v1_pods",
        "api/apiserver/api/v1/pods?fieldSelector=spec.nodeName=node1",
    ),
    ("apiserver/api_v1_nodes", "api/apiserver/api/v1/nodes/node1"),
    (
        "apiserver/api_v1_events",
        "api/apiserver/api/v1/events?limit=500",
    ),
    (
        "apiserver/apis_coordination.k8s.io_v1_namespaces_kube-node-lease_leases",
        "api/apiserver/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node1",
    ),
];

fn folder(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/records");
    let folder = std::env::var_os("FREEZEFRAME_RECORDS").map_or(beside, PathBuf::from);
    let found = Some(folder.join(name)).filter(|folder| folder.exists());
    if found.is_none() {
        println!("skipped: records not present");
    }
    found
}

/// When the node was recorded. The journal was written last: what it says of later is of the time while it ran.
fn clocks(when: &str, journal: &str) -> Clocks {
    let last = |field: &str| {
        let mut values = journal.lines().filter_map(|line| line.strip_prefix(field));
        values.next_back().unwrap().parse::<i64>().unwrap()
    };
    let realtime_us = moment_us(when);
    let since_us = last("__REALTIME_TIMESTAMP=") - realtime_us;
    let monotonic_us = (last("__MONOTONIC_TIMESTAMP=") - since_us).cast_unsigned();
    Clocks {
        realtime_us,
        boottime_us: monotonic_us,
        monotonic_us,
    }
}

/// `2026-11-20T21:50:53Z`; all records are of November 2026.
fn moment_us(at: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| at[range].parse::<i64>().unwrap();
    // 2026-11-20T00:00:00Z
    let seconds = 1_795_132_800 + (number(8..10) - 20) * 86_400;
    (seconds + number(11..13) * 3600 + number(14..16) * 60 + number(17..19)) * 1_000_000
}

/// `/proc/PID/stat` as far as `ps` told it: pid, state, resident memory, name. When they began it did not tell, so
/// that all are as old as the node; runc, which is never, is left out.
fn processes(threads: &str) -> Entries {
    let rows = threads.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [pid, tid, state, _, rss, _, comm @ ..] = fields.as_slice() else {
            return None;
        };
        let pages = rss.parse::<u64>().ok()? / 4;
        let state = state.chars().next()?;
        (pid == tid && comm.first() != Some(&"runc")).then(|| {
            let stat = format!(
                "{pid} ({}) {state} 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 100 0 {pages} 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
                comm.join(" ")
            );
            (format!("root/proc/{pid}/stat"), stat.into_bytes())
        })
    });
    rows.collect()
}

/// What was asked and what came of it: file, URL, status, seconds. Profiles take as long as they are asked to.
fn exchanges(requests: &str) -> Entries {
    let mut lines = String::new();
    for line in requests.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [file, url, status, seconds, ..] = fields.as_slice() else {
            continue;
        };
        let Ok(seconds) = seconds.parse::<f64>() else {
            continue;
        };
        if file.starts_with("kubelet/") && !file.contains("_no_cert") && !file.contains("pprof") {
            let took_us = seconds * 1e6;
            let _ = writeln!(
                lines,
                "{{\"url\":\"{url}\",\"started_us\":1,\"took_us\":{took_us:.0},\"status\":{status}}}"
            );
        }
    }
    vec![("api/kubelet/exchanges.jsonl".into(), lines.into_bytes())]
}

/// Families whose state is that of the record; the kernel's log and counters tell of faults injected before, too.
const OWN: [&str; 4] = ["kubelet", "runtime", "control-plane", "time"];

/// Family, ids and messages of the findings that fire on a record, with their severity.
fn fired(name: &str) -> Option<Vec<(Severity, String, String, String)>> {
    let folder = folder(name)?;
    let read =
        |file: &str| String::from_utf8_lossy(&fs::read(folder.join(file)).unwrap()).into_owned();
    let mut entries: Entries = MEMBERS
        .iter()
        .filter_map(|(file, member)| {
            let bytes = fs::read(folder.join(file)).ok()?;
            Some(((*member).to_owned(), bytes))
        })
        .collect();
    entries.extend(processes(&read("host/ps_threads")));
    entries.extend(exchanges(&read("requests.txt")));
    entries.push(("kernel/kmsg".into(), kmsg(&read("host/dmesg.raw"))));
    let loaded = loaded_at(
        clocks(&read("when"), &read("host/journal.export")),
        &entries,
    );
    let evaluated = evaluate::evaluate(&loaded, &finding::built_in());
    let fired = evaluated.into_iter().filter_map(|one| match one.verdict {
        Verdict::Fired { messages, .. } => {
            let what = (
                one.finding.severity,
                one.finding.family,
                one.finding.id,
                messages.join("\n    "),
            );
            println!("{name}: {:?} {}: {}", what.0, what.2, what.3);
            Some(what)
        }
        Verdict::Broken { error } => panic!("{error}"),
        Verdict::Clear | Verdict::NotAssessed { .. } => None,
    });
    Some(fired.collect())
}

#[test]
fn nothing_grave_on_healthy_nodes() {
    for name in ["healthy-1.20", "healthy-1.36", "healthy-cluster-1.36"] {
        let Some(fired) = fired(name) else { continue };
        let grave: Vec<_> = fired
            .iter()
            .filter(|(severity, family, ..)| {
                *severity >= Severity::High && OWN.contains(&family.as_str())
            })
            .collect();
        assert!(grave.is_empty(), "{name}: {grave:?}");
    }
}

#[test]
fn faults_are_found() {
    let expected: [(&str, &[&str]); 2] = [
        (
            "faulty-pods-1.36",
            &["mem-oom-container", "kubelet-housekeeping-slow"],
        ),
        (
            "host-faults-1.36",
            &[
                "kern-hung-task",
                "mem-oom-container",
                "proc-zombies",
                "kubelet-housekeeping-slow",
            ],
        ),
    ];
    for (name, ids) in expected {
        let Some(fired) = fired(name) else { continue };
        for id in ids {
            assert!(
                fired.iter().any(|(_, _, fired, _)| fired == id),
                "{name}: {id}"
            );
        }
    }
}
