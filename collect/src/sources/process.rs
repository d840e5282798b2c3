//! Every process and every blocked thread, with the kernel stack that it waits in.
//!
//! Only files that never take a process's mmap lock are read here, so a process that hangs on that
//! lock is captured like any other. A process is known by its pid and its start time.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::processes::{self, pids};
use crate::source::{Ask, Cx, Estimate, FILE, Hazard, Privacy, Source};

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
/// Files of a blocked thread.
const THREAD_FILES: [&str; 5] = ["stat", "stack", "wchan", "syscall", "comm"];
/// Field of `num_threads` behind the command's closing parenthesis (proc(5), field 20).
const NUM_THREADS: usize = 17;

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "process",
    order: 40,
    about: "every process; every thread in uninterruptible sleep with its kernel stack",
    reads: &[
        "/proc/*/{stat,status,cgroup,wchan,io,schedstat,oom_score,oom_score_adj,limits}",
        "/proc/*/ns/{net,pid,mnt}",
        "/proc/*/task/*/{stat,stack,wchan,syscall,comm} of blocked threads",
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
        match state_and_threads(bytes) {
            (_, 2..) => with_threads.push(pid.to_owned()),
            (b'D', _) => blocked.push(format!("{pid}/task/{pid}")),
            _ => {}
        }
    });
    for pid in with_threads {
        blocked_threads(cx, &pid, &mut blocked);
    }
    for thread in blocked {
        cx.try_files(&format!("/proc/{thread}"), &THREAD_FILES);
    }
    Ok(())
}

/// Looks at every thread of a process for those in uninterruptible sleep.
fn blocked_threads(cx: &mut Cx<'_>, pid: &str, blocked: &mut Vec<String>) {
    let folder = format!("/proc/{pid}/task");
    let threads = cx.list(&folder);
    let stats = threads
        .iter()
        .map(|name| [&name.bytes, &b"/stat"[..]].concat());
    let stats: Vec<_> = stats.collect();
    cx.peek_each(&folder, &stats, FILE, &mut |name, bytes| {
        if state_and_threads(bytes).0 == b'D' {
            let tid = String::from_utf8_lossy(name).replace("/stat", "");
            blocked.push(format!("{pid}/task/{tid}"));
        }
    });
}

/// The state and the number of threads in `/proc/PID/stat`; the command may hold anything, so
/// fields count from its last parenthesis.
fn state_and_threads(stat: &[u8]) -> (u8, u64) {
    let fields = stat
        .iter()
        .rposition(|b| *b == b')')
        .and_then(|end| stat.get(end + 2..));
    let Some(fields) = fields else {
        return (b'?', 1);
    };
    let mut fields = fields.split(|b| *b == b' ');
    let state = fields
        .next()
        .and_then(|f| f.first())
        .copied()
        .unwrap_or(b'?');
    let threads = fields
        .nth(NUM_THREADS - 1)
        .and_then(|field| std::str::from_utf8(field).ok()?.parse().ok())
        .unwrap_or(1);
    (state, threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_may_hold_anything() {
        let stat = b"7 (a) R 9 (b\n) D 1 7 7 0 -1 4194624 0 0 0 0 0 0 0 0 20 0 12 0 5 0 0\n";
        assert_eq!(state_and_threads(stat), (b'D', 12));
        assert_eq!(state_and_threads(b"cut off"), (b'?', 1));
        assert_eq!(state_and_threads(b"1 (x)"), (b'?', 1));
    }
}
