//! Each second of the window: which threads are blocked, and what do those of kubelet and the runtimes
//! wait for?
//!
//! Threads that were blocked before come first, then those of the components, then all others as far
//! as the time of a sweep reaches; the next sweep goes on where it ended. Only files that never take
//! a process's mmap lock are read.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use freezeframe_bundle::Outcome;
use serde_json::json;

use crate::processes::{AT_ONCE, each_thread, pids, stat_of};
use crate::source::{Cx, FILE};

/// Files of a thread that waits.
pub(crate) const THREAD_FILES: [&str; 5] = ["stat", "stack", "wchan", "syscall", "comm"];
/// What one sweep may take: 5 % of a core where it does not reach every thread.
const TIME: Duration = Duration::from_millis(50);
/// Blocked threads that are followed, and waiting ones that are stored in a sweep.
const FOLLOWED: usize = 256;
const WAITING: usize = 64;
/// Threads of components that are looked at: hundreds of shims have a dozen each.
const WATCHED: usize = 4096;
/// Whose threads are looked at although they can be woken: `comm` begins so.
const COMPONENTS: [&str; 7] = [
    "kubelet",
    "containerd",
    "dockerd",
    "crio",
    "conmon",
    "runc",
    "crun",
];
/// Where a thread is that has nothing to do.
const IDLE: [&str; 8] = [
    "futex",
    "epoll",
    "ep_poll",
    "nanosleep",
    "sigtimedwait",
    "poll_schedule_timeout",
    "do_sys_poll",
    "do_select",
];

/// A thread as its folder below `/proc`: `7/task/9`.
type Thread = String;

/// What is known from one sweep to the next.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// Blocked when they were last looked at.
    followed: BTreeSet<Thread>,
    /// Components.
    watched: BTreeSet<u32>,
    /// Of their threads: how often each had run, and whether it is idle.
    runs: HashMap<Thread, (u64, bool)>,
    /// Where the next sweep goes on.
    next_pid: u32,
    /// Pids that were looked at since the last whole round.
    reached: usize,
    /// Whether every process was looked at, in one sweep or several.
    is_whole: bool,
    lines: Vec<u8>,
}

/// Counts of one sweep.
#[derive(Default)]
struct Counts {
    processes: u64,
    threads: u64,
    blocked: u64,
    waiting: u64,
}

impl Sweep {
    /// Goes on from the first reading, which found these blocked.
    pub(crate) fn new(blocked: Vec<Thread>) -> Self {
        Self {
            followed: blocked.into_iter().collect(),
            ..Self::default()
        }
    }

    /// One sweep.
    pub(crate) fn run(&mut self, cx: &mut Cx<'_>) {
        let began = Instant::now();
        let mut counts = Counts::default();
        self.follow(cx, &mut counts);
        self.watch(cx, &mut counts);
        let is_complete = self.search(cx, began + TIME, &mut counts);
        let line = json!({
            "reading": cx.reading(),
            "processes": counts.processes,
            "threads": counts.threads,
            "blocked": counts.blocked,
            "waiting": counts.waiting,
            "complete": is_complete,
            "took_us": began.elapsed().as_micros() as u64,
        });
        self.lines.extend(line.to_string().bytes());
        self.lines.push(b'\n');
    }

    /// A line per sweep, and what all of them together came to; nothing without one.
    pub(crate) fn account(&self) -> Option<(&[u8], Outcome)> {
        let outcome = if self.is_whole {
            Outcome::Complete
        } else {
            Outcome::Partial("not every process was looked at".to_owned())
        };
        (!self.lines.is_empty()).then_some((&self.lines[..], outcome))
    }

    /// Looks again at those that were blocked. That one no longer is gets told by its state.
    fn follow(&mut self, cx: &mut Cx<'_>, counts: &mut Counts) {
        let threads = self.followed.iter().take(FOLLOWED).cloned();
        let threads: Vec<Thread> = threads.collect();
        let stats = threads
            .iter()
            .map(|thread| (format!("{thread}/stat"), FILE));
        let stats: Vec<_> = stats.collect();
        let mut is_blocked = BTreeSet::new();
        cx.try_each("/proc", &stats, &mut |name, bytes| {
            if stat_of(bytes).state == b'D' {
                is_blocked.extend(name.strip_suffix("/stat").map(str::to_owned));
            }
        });
        for thread in &threads {
            if !is_blocked.contains(thread) {
                self.followed.remove(thread);
            }
        }
        for thread in &is_blocked {
            cx.try_files(&format!("/proc/{thread}"), &THREAD_FILES[1..]);
        }
        counts.blocked += is_blocked.len() as u64;
    }

    /// Looks at threads of components that have not run since the sweep before, unless they have
    /// nothing to do.
    fn watch(&mut self, cx: &mut Cx<'_>, counts: &mut Counts) {
        let mut before = std::mem::take(&mut self.runs);
        let mut waits = Vec::new();
        let pids: Vec<u32> = self.watched.iter().copied().collect();
        for pids in pids.chunks(AT_ONCE) {
            let runs = &mut self.runs;
            each_thread(cx, pids, "schedstat", &mut |thread, bytes| {
                let Some(count) = times_run(bytes).filter(|_| runs.len() < WATCHED) else {
                    return;
                };
                let known = before.remove(&thread);
                let idle = known.and_then(|(known, is_idle)| (known == count).then_some(is_idle));
                if idle == Some(false) {
                    waits.push(thread.clone());
                }
                runs.insert(thread, (count, idle.unwrap_or(false)));
            });
        }
        waits.retain(|thread| !self.followed.contains(thread));
        let channels = waits
            .iter()
            .map(|thread| format!("{thread}/wchan").into_bytes());
        let channels: Vec<_> = channels.collect();
        let mut telling = Vec::new();
        cx.peek_each("/proc", &channels, FILE, &mut |name, bytes| {
            let name = String::from_utf8_lossy(name);
            let thread = name.strip_suffix("/wchan").unwrap_or_default();
            if !is_idle(bytes) {
                telling.push(thread.to_owned());
            } else if let Some((_, is_idle)) = self.runs.get_mut(thread) {
                *is_idle = true;
            }
        });
        for thread in telling.iter().take(WAITING) {
            cx.try_files(&format!("/proc/{thread}"), &THREAD_FILES);
        }
        counts.waiting += telling.len() as u64;
    }

    /// Looks for blocked threads in all processes, as far as time reaches; whether it was enough.
    fn search(&mut self, cx: &mut Cx<'_>, ends: Instant, counts: &mut Counts) -> bool {
        let mut pids = pids(cx);
        let first = pids.partition_point(|pid| *pid < self.next_pid);
        pids.rotate_left(first);
        let mut done = 0;
        for pids in pids.chunks(AT_ONCE) {
            if Instant::now() >= ends || cx.is_spent() {
                break;
            }
            self.look_at(cx, pids, counts);
            done += pids.len();
        }
        self.reached += done;
        if self.reached >= pids.len() {
            (self.is_whole, self.reached) = (true, 0);
        }
        self.next_pid = pids.get(done).copied().unwrap_or(0);
        done == pids.len()
    }

    fn look_at(&mut self, cx: &mut Cx<'_>, pids: &[u32], counts: &mut Counts) {
        let stats = pids.iter().map(|pid| format!("{pid}/stat").into_bytes());
        let stats: Vec<_> = stats.collect();
        let (mut with_threads, mut found) = (Vec::new(), Vec::new());
        cx.peek_each("/proc", &stats, FILE, &mut |name, bytes| {
            let stat = stat_of(bytes);
            let name = String::from_utf8_lossy(name);
            let pid = name.strip_suffix("/stat").and_then(|pid| pid.parse().ok());
            let Some(pid) = pid else { return };
            counts.processes += 1;
            if COMPONENTS
                .iter()
                .any(|name| stat.comm.starts_with(name.as_bytes()))
            {
                self.watched.insert(pid);
            }
            if stat.threads > 1 {
                with_threads.push(pid);
            } else {
                counts.threads += 1;
                if stat.state == b'D' {
                    found.push(format!("{pid}/task/{pid}"));
                }
            }
        });
        each_thread(cx, &with_threads, "stat", &mut |thread, bytes| {
            counts.threads += 1;
            if stat_of(bytes).state == b'D' {
                found.push(thread);
            }
        });
        for thread in found {
            if self.followed.len() < FOLLOWED && self.followed.insert(thread.clone()) {
                cx.try_files(&format!("/proc/{thread}"), &THREAD_FILES);
                counts.blocked += 1;
            }
        }
    }
}

/// The third field of `/proc/PID/task/TID/schedstat` (kernel doc `scheduler/sched-stats`).
fn times_run(schedstat: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(schedstat).ok()?;
    text.split_ascii_whitespace().nth(2)?.parse().ok()
}

/// Whether a thread that waits there has nothing to do, or where it waits is not told.
fn is_idle(wchan: &[u8]) -> bool {
    let channel = String::from_utf8_lossy(wchan);
    let channel = channel.trim();
    channel.is_empty() || channel == "0" || IDLE.iter().any(|idle| channel.contains(idle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_that_tell_nothing_are_known() {
        for idle in [
            "futex_do_wait",
            "futex_wait_queue_me",
            "ep_poll",
            "do_epoll_wait",
            "0",
            "",
        ] {
            assert!(is_idle(idle.as_bytes()), "{idle}");
        }
        for telling in [
            "pipe_read",
            "do_wait",
            "rpc_wait_bit_killable",
            "unix_stream_read_generic",
        ] {
            assert!(!is_idle(telling.as_bytes()), "{telling}");
        }
    }

    #[test]
    fn schedstat_counts_runs() {
        assert_eq!(times_run(b"2030511 188222 17\n"), Some(17));
        assert_eq!(times_run(b"0 0"), None);
    }
}
