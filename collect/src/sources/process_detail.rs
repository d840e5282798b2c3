//! What else `/proc` tells of a process: scheduling, security label, limits of its namespaces, the
//! kernel stack of its main thread.
//!
//! None of it takes the process's mmap lock: a process that hangs on it is shown whole all the same.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::processes::{self, pids};
use crate::source::{Ask, Cx, Estimate, FILE, Hazard, Privacy, Source};

const FILES: [&str; 20] = [
    "stack",
    "syscall",
    "statm",
    "sched",
    "comm",
    "cpuset",
    "autogroup",
    "attr/current",
    "loginuid",
    "sessionid",
    "uid_map",
    "gid_map",
    "personality",
    "timers",
    "timerslack_ns",
    "coredump_filter",
    "arch_status",
    "oom_adj",
    "auxv",
    "setgroups",
];
const LINKS: [&str; 7] = [
    "cwd",
    "root",
    "ns/user",
    "ns/uts",
    "ns/ipc",
    "ns/cgroup",
    "ns/time",
];
/// On a node with more processes, so many of the oldest (the node's own services) and so many of
/// the newest are read.
const FROM_EACH_END: usize = 1000;

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "process_detail",
    order: 380,
    about: "scheduling, stack, security label, namespaces of every process",
    reads: &[
        "/proc/*/{stack,syscall,statm,sched,comm,cpuset,autogroup,attr/current,loginuid,...}",
        "/proc/*/{cwd,root,ns/*} (targets)",
    ],
    hazard: Hazard::Safe,
    privacy: Privacy::Names,
    deadline: Duration::from_secs(5),
    max_bytes: 64 << 20,
    estimate: Estimate::PerProcess(27),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let mut pids = pids(cx);
    let between = pids.len().saturating_sub(2 * FROM_EACH_END);
    if between > 0 {
        pids.drain(FROM_EACH_END..FROM_EACH_END + between);
        cx.leave_out(
            "processes between the oldest and the newest",
            between as u64,
        );
    }
    let files = FILES.map(|file| (file, FILE));
    let links = LINKS.map(|link| (link, Ask::Link));
    let asks: Vec<_> = files.into_iter().chain(links).collect();
    processes::try_each(cx, &pids, &asks, &mut |_, _| {});
    Ok(())
}
