//! Every process and every blocked thread, with the kernel stack that it waits in.
//!
//! Only files that never take a process's mmap lock are read here, so a process that hangs on that
//! lock is captured like any other. A process is known by its pid and its start time. Blocked threads
//! are looked at each second of the window (`sweep.rs`).

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::processes::{self, AT_ONCE, each_thread, pids, stat_of};
use crate::source::{Ask, Cx, Estimate, FILE, Hazard, Privacy, Source};
use crate::sweep::{Sweep, THREAD_FILES};

/// Files of a process, the most telling first.
const FILES: [&str; 9] = [
    "stat",
    "status",
    "cgroup",
    "wchan",
    "io",
    "schedstat",
    "oom_score",
    "oom_score_adj",
    "limits",
];
/// Counters: read again at the end of the window.
const COUNTERS: [&str; 3] = ["stat", "io", "schedstat"];
/// Namespaces that place a process in a container.
const NAMESPACES: [&str; 3] = ["ns/net", "ns/pid", "ns/mnt"];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "process",
    order: 40,
    about: "every process; blocked threads and waiting ones of kubelet and runtimes, each second",
    reads: &[
        "/proc/*/{stat,status,cgroup,wchan,io,schedstat,oom_score,oom_score_adj,limits}",
        "/proc/*/ns/{net,pid,mnt}",
        "/proc/*/task/*/{stat,stack,wchan,syscall,comm} of blocked and waiting threads",
    ],
    hazard: Hazard::Safe,
    privacy: Privacy::Names,
    deadline: Duration::from_secs(20),
    max_bytes: 256 << 20,
    estimate: Estimate::PerProcess(12),
    capture,
    again: Some(capture),
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let pids = pids(cx);
    let is_first = cx.reading() == 0;
    let files = if is_first { &FILES[..] } else { &COUNTERS };
    let links = if is_first { &NAMESPACES[..] } else { &[] };
    let files = files.iter().map(|file| (*file, FILE));
    let links = links.iter().map(|link| (*link, Ask::Link));
    let asks: Vec<_> = files.chain(links).collect();
    let mut with_threads = Vec::new();
    let mut blocked = Vec::new();
    processes::try_each(cx, &pids, &asks, &mut |name, bytes| {
        let Some(pid) = name.strip_suffix("/stat") else {
            return;
        };
        let stat = stat_of(bytes);
        if stat.threads > 1 {
            with_threads.extend(pid.parse::<u32>());
        } else if stat.state == b'D' {
            blocked.push(format!("{pid}/task/{pid}"));
        }
    });
    for pids in with_threads.chunks(AT_ONCE) {
        each_thread(cx, pids, "stat", &mut |thread, bytes| {
            if stat_of(bytes).state == b'D' {
                blocked.push(thread);
            }
        });
    }
    for thread in &blocked {
        cx.try_files(&format!("/proc/{thread}"), &THREAD_FILES);
    }
    if is_first {
        cx.sweep_each_second(Sweep::new(blocked));
    } else if let Some(sweep) = cx.end_sweeps()
        && let Some((lines, outcome)) = sweep.account()
    {
        cx.answer("calls/sweep.jsonl", lines, outcome, Duration::ZERO);
    }
    Ok(())
}
