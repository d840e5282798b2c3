//! The cgroup trees, v1, v2 or both: usage, limits, throttling, events, pressure of every group.
//!
//! Only names that the kernel documents are read (cgroup-v2.rst, cgroup-v1/*.rst): some files of a
//! group are write-only or act when read. `memory.stat` has a source of its own.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// Files that change while the node works; everything else is read once.
const COUNTERS: [&str; 22] = [
    "cpu.stat",
    "cpu.pressure",
    "memory.pressure",
    "io.pressure",
    "memory.current",
    "memory.events",
    "memory.events.local",
    "memory.swap.events",
    "io.stat",
    "pids.current",
    "pids.events",
    "pids.events.local",
    "cgroup.stat",
    "cpuacct.usage",
    "cpuacct.stat",
    "memory.usage_in_bytes",
    "memory.failcnt",
    "memory.oom_control",
    "blkio.throttle.io_service_bytes",
    "blkio.throttle.io_serviced",
    "blkio.throttle.io_service_bytes_recursive",
    "blkio.throttle.io_serviced_recursive",
];

/// What describes a group, v2 and v1.
const FACTS: [&str; 53] = [
    "cgroup.events",
    "cgroup.procs",
    "cgroup.type",
    "cgroup.controllers",
    "cgroup.subtree_control",
    "cgroup.freeze",
    "cgroup.max.descendants",
    "cgroup.max.depth",
    "cpu.max",
    "cpu.max.burst",
    "cpu.weight",
    "cpu.idle",
    "cpu.uclamp.min",
    "cpu.uclamp.max",
    "cpuset.cpus",
    "cpuset.mems",
    "cpuset.cpus.effective",
    "cpuset.mems.effective",
    "cpuset.cpus.partition",
    "memory.min",
    "memory.low",
    "memory.high",
    "memory.max",
    "memory.peak",
    "memory.oom.group",
    "memory.swap.current",
    "memory.swap.max",
    "memory.swap.high",
    "memory.swap.peak",
    "memory.zswap.current",
    "memory.zswap.max",
    "io.max",
    "io.weight",
    "io.latency",
    "irq.pressure",
    "pids.max",
    "pids.peak",
    "misc.current",
    "misc.max",
    "rdma.current",
    "rdma.max",
    "freezer.state",
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "cpu.shares",
    "cpuset.effective_cpus",
    "cpuset.effective_mems",
    "memory.limit_in_bytes",
    "memory.soft_limit_in_bytes",
    "memory.max_usage_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.memsw.usage_in_bytes",
    "memory.kmem.usage_in_bytes",
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "cgroup",
    order: 50,
    about: "usage, limits, throttling, events and pressure of every cgroup",
    reads: &[
        "/proc/self/mountinfo",
        "/sys/fs/cgroup/**/{cgroup,cpu,cpuset,memory,io,pids,hugetlb,misc,rdma}.* (v2)",
        "/sys/fs/cgroup/<controller>/**/{cpu,cpuacct,cpuset,memory,blkio,pids,freezer,hugetlb}.* (v1)",
    ],
    hazard: Hazard::Costly,
    privacy: Privacy::Names,
    deadline: Duration::from_secs(15),
    max_bytes: 128 << 20,
    estimate: Estimate::PerCgroup(25),
    capture,
    again: Some(capture),
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let mut groups = 0;
    for mount in crate::cgroups::mounts(cx) {
        let is_first = cx.reading() == 0;
        let wanted = |name: &str| {
            COUNTERS.contains(&name) || is_first && (FACTS.contains(&name) || is_hugetlb(name))
        };
        groups += crate::cgroups::try_files(cx, &mount, &wanted);
    }
    if groups == 0 && !cx.is_over() {
        return Err(Outcome::Absent(
            "no cgroup file system is mounted".to_owned(),
        ));
    }
    Ok(())
}

fn is_hugetlb(name: &str) -> bool {
    let file = name
        .strip_prefix("hugetlb.")
        .and_then(|rest| rest.split_once('.'));
    file.is_some_and(|(_, kind)| {
        matches!(
            kind,
            "current" | "max" | "events" | "usage_in_bytes" | "limit_in_bytes" | "failcnt"
        )
    })
}
