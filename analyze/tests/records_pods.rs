//! Findings of pods on what real nodes answered, at the time they answered it: what is sick fires,
//! and on the healthy nodes nothing does.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{bundle_of, capture, corpus, kmsg};
use freezeframe_analyze::evaluate::{self, Verdict};
use freezeframe_analyze::finding;
use freezeframe_analyze::table::load;
use freezeframe_bundle::{Clocks, Limits, Reader};

/// Files of a record and the members that they are in a bundle.
const MEMBERS: [(&str, &str); 16] = [
    ("kubelet/pods", "api/kubelet/pods"),
    ("kubelet/runningpods_", "api/kubelet/runningpods"),
    ("kubelet/stats_summary", "api/kubelet/stats/summary"),
    ("kubelet/configz", "api/kubelet/configz"),
    ("cri/crictl_pods_-o_json.out", "cri/pods.json"),
    ("cri/crictl_ps_-a_-o_json.out", "cri/containers.json"),
    (
        "apiserver/api_v1_pods",
        "api/apiserver/api/v1/pods?fieldSelector=spec.nodeName=node1",
    ),
    ("apiserver/api_v1_nodes", "api/apiserver/api/v1/nodes/node1"),
    (
        "apiserver/api_v1_events",
        "api/apiserver/api/v1/events?limit=500",
    ),
    ("host/journal.export", "journal/system.export"),
    ("host/proc_meminfo", "root/proc/meminfo"),
    ("host/proc_uptime", "root/proc/uptime"),
    ("host/proc_stat", "root/proc/stat"),
    ("host/proc_loadavg", "root/proc/loadavg"),
    ("host/proc_self_mountinfo", "root/proc/1/mountinfo"),
    ("host/os-release", "root/etc/os-release"),
];

/// Findings that fired, with what they say.
fn fired(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let text = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let mut entries: Vec<(String, Vec<u8>)> = MEMBERS
        .iter()
        .filter_map(|(file, member)| {
            let bytes = std::fs::read(folder.join(file)).ok()?;
            Some(((*member).to_owned(), bytes))
        })
        .collect();
    entries.push(("kernel/kmsg".into(), kmsg(&text("host/dmesg.raw"))));
    // The files of a record were read one after the other: only the time of the boot is sure.
    let stat = text("host/proc_stat");
    let boot = stat.lines().find_map(|line| line.strip_prefix("btime "));
    let realtime_us = seconds(&text("when")) * 1_000_000;
    let boottime_us = realtime_us - boot.unwrap().parse::<i64>().unwrap() * 1_000_000;
    let mut capture = capture();
    capture.started = Clocks {
        realtime_us,
        boottime_us: boottime_us.unsigned_abs(),
        monotonic_us: boottime_us.unsigned_abs(),
    };
    let bytes = bundle_of(&capture, &entries);
    let reader = Reader::from_stream(&bytes[..], Path::new("test"), Limits::default()).unwrap();
    let loaded = load::load(reader).unwrap();
    let evaluated = evaluate::evaluate(&loaded, &finding::built_in());
    let fired = evaluated.into_iter().filter_map(|one| match one.verdict {
        Verdict::Fired { messages, .. } => Some((one.finding.id, messages)),
        Verdict::Broken { error } => panic!("{error}"),
        _ => None,
    });
    fired.collect()
}

/// `2026-11-20T21:56:57Z`: all records are of November 2026.
fn seconds(when: &str) -> i64 {
    let when = when.trim();
    let number = |from: usize, to: usize| when[from..to].parse::<i64>().unwrap();
    assert!(when.starts_with("2026-11-"), "{when}");
    // 2026-11-01T00:00:00Z.
    1_793_491_200
        + (number(8, 10) - 1) * 86_400
        + number(11, 13) * 3600
        + number(14, 16) * 60
        + number(17, 19)
}

fn record(name: &str) -> Option<PathBuf> {
    corpus("../records").map(|folder| folder.join(name))
}

#[test]
fn each_pod_with_its_own_trouble() {
    let Some(folder) = record("faulty-pods-1.36") else {
        return;
    };
    let fired = fired(&folder);
    let says = |id: &str, what: &str| {
        let messages = fired.get(id).unwrap_or_else(|| panic!("{id}: {fired:#?}"));
        assert!(messages.iter().any(|m| m.contains(what)), "{messages:?}");
    };
    says("pod-crashloop", "lab-crash-node1");
    says("pod-crashloop", "lab-oom-node1");
    says("pod-probe-failures", "lab-probe-node1");
    says("mem-oom-container", "");
    // The runtime says `Error`, 137: the kernel log has the kill.
    assert!(!fired.contains_key("pod-exit-137-not-oom"), "{fired:#?}");
    // Its image has been missing for less than two minutes.
    assert!(!fired.contains_key("pod-image-pull"), "{fired:#?}");
}

#[test]
fn a_node_of_many_faults() {
    let Some(folder) = record("host-faults-1.36") else {
        return;
    };
    let fired = fired(&folder);
    for id in [
        "pod-crashloop",
        "pod-image-pull",
        "mem-oom-container",
        "kern-hung-task",
    ] {
        assert!(fired.contains_key(id), "{id}: {fired:#?}");
    }
    assert!(!fired.contains_key("pod-exit-137-not-oom"), "{fired:#?}");
}

#[test]
fn healthy_nodes_have_no_finding_of_pods() {
    for name in ["healthy-1.20", "healthy-1.36", "healthy-cluster-1.36"] {
        let Some(folder) = record(name) else {
            return;
        };
        let fired = fired(&folder);
        let of_pods = fired.keys().filter(|id| {
            // The kernel log is that of the machine, which had other faults in the same hour.
            ["pod-", "net-", "io-", "cgroup-", "sec-"]
                .iter()
                .any(|family| id.starts_with(family))
        });
        assert_eq!(of_pods.count(), 0, "{name}: {fired:#?}");
    }
}
