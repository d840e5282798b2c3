//! What the capture costs the node, read from `/proc` of the collector's own processes.

use std::time::Duration;

use freezeframe_bundle::Cost;
use rustix::process::{Pid, getpid};

/// Counted while capturing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Reads tried.
    pub(crate) reads: u64,
    /// Bytes read.
    pub(crate) read_bytes: u64,
}

/// What processes of the collector have cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    user_us: u64,
    system_us: u64,
    /// Of the largest of them.
    peak_rss_bytes: u64,
}

impl Usage {
    /// What a process has cost, its children not counted; nothing for one that is gone.
    pub(crate) fn of(pid: Pid) -> Self {
        let [user_us, system_us, ..] = times_us(pid);
        // Ticks round down, twice for each process: a short capture by several processes would
        // look a fifth cheaper than it is. This counts nanoseconds, of the first thread only.
        let schedstat = file_of(pid, "schedstat");
        let ran_us = schedstat.and_then(|text| on_cpu_us(&text)).unwrap_or(0);
        let rest_us = ran_us.saturating_sub(user_us + system_us);
        let user_rest_us = rest_us * user_us / (user_us + system_us).max(1);
        let status = file_of(pid, "status");
        Self {
            user_us: user_us + user_rest_us,
            system_us: system_us + rest_us - user_rest_us,
            peak_rss_bytes: status.and_then(|s| peak_rss_bytes(&s)).unwrap_or_default(),
        }
    }

    /// What a process has cost with its children that have ended and were waited for.
    pub(crate) fn with_children(pid: Pid) -> Self {
        let [.., user_us, system_us] = times_us(pid);
        Self::of(pid).and(Self {
            user_us,
            system_us,
            peak_rss_bytes: 0,
        })
    }

    /// CPU time of both kinds.
    pub(crate) fn cpu_time(self) -> Duration {
        Duration::from_micros(self.user_us + self.system_us)
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            user_us: self.user_us + other.user_us,
            system_us: self.system_us + other.system_us,
            peak_rss_bytes: self.peak_rss_bytes.max(other.peak_rss_bytes),
        }
    }
}

/// The cost so far, with that of the workers. What cannot be read of oneself stays 0: the capture
/// matters more.
pub(crate) fn measure(
    wall: Duration,
    tally: Tally,
    workers: Usage,
    phases: Vec<(String, u64)>,
) -> Cost {
    let usage = Usage::of(getpid()).and(workers);
    Cost {
        wall_us: wall.as_micros() as u64,
        user_us: usage.user_us,
        system_us: usage.system_us,
        peak_rss_bytes: usage.peak_rss_bytes,
        reads: tally.reads,
        read_bytes: tally.read_bytes,
        bundle_bytes: 0,
        phases,
    }
}

/// The state of a process of the collector: `R`, `S`, `D` (proc(5)).
pub(crate) fn state_of(pid: Pid) -> Option<char> {
    let stat = file_of(pid, "stat")?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The collector's effective capabilities as the kernel prints them.
pub(crate) fn capabilities() -> String {
    file_of(getpid(), "status")
        .and_then(|s| {
            s.lines()
                .find_map(|l| l.strip_prefix("CapEff:").map(|c| c.trim().to_owned()))
        })
        .unwrap_or_default()
}

/// User and system time of a process, then those of its children that were waited for.
fn times_us(pid: Pid) -> [u64; 4] {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let ticks = file_of(pid, "stat").and_then(|stat| ticks(&stat));
    ticks
        .unwrap_or_default()
        .map(|ticks| ticks * 1_000_000 / per_second)
}

/// Time on the CPU: the first number of `/proc/PID/schedstat`, in nanoseconds
/// (Documentation/scheduler/sched-stats.rst).
fn on_cpu_us(schedstat: &str) -> Option<u64> {
    let ran_ns: u64 = schedstat.split_ascii_whitespace().next()?.parse().ok()?;
    Some(ran_ns / 1000)
}

/// utime, stime, cutime and cstime: fields 14 to 17 of `/proc/PID/stat` (proc(5)).
fn ticks(stat: &str) -> Option<[u64; 4]> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse().ok();
    Some([next()?, next()?, next()?, next()?])
}

/// `VmHWM` of `/proc/PID/status`, in kB.
fn peak_rss_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// A file of a process of the collector, on the live `/proc` also when the node is a folder. Only
/// files that never wait for the process are read: `stat`, `status`, `schedstat`, `wchan`, `stack`.
#[expect(
    clippy::disallowed_methods,
    reason = "a file of the collector, not of the node"
)]
pub(crate) fn file_of(pid: Pid, name: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok()
}

/// Tells the kernel how gladly to kill this process and those it forks.
pub(crate) fn set_oom_score_adjustment(value: &str) {
    let _ = std::fs::write("/proc/self/oom_score_adj", value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_this_process_is_known() {
        let usage = Usage::of(getpid());
        assert!(usage.peak_rss_bytes > 1 << 20);
        assert_eq!(
            ticks("1 (a) b) S 0 1 1 0 -1 4 0 0 0 0 5 6 7 8 20"),
            Some([5, 6, 7, 8])
        );
        assert_eq!(on_cpu_us("40123456 99 3\n"), Some(40_123));
        assert!(state_of(getpid()).is_some());
    }
}
