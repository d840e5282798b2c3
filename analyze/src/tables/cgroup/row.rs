//! What two readings of a group come to.

use super::{Group, Values};
use crate::table::Rows;
use crate::table::counter::ratio;
use crate::table::identity::identify;

impl Group {
    /// Adds the row of this group.
    pub(super) fn row(self, path: &str, has_window: bool, rows: &mut Rows) {
        let (first, last) = (&self.first, &self.last);
        let now = if first.is_there { first } else { last };
        let between = |a: Option<u64>, b: Option<u64>| b?.checked_sub(a?).filter(|us| *us > 0);
        let window_us = between(first.at_us, last.at_us);
        let io_window_us = between(first.io_at_us, last.io_at_us);
        // A group that used less CPU than before was made anew under its old name.
        let is_another = last.usage < first.usage && last.usage.is_some();
        let delta = |value: fn(&Values) -> Option<u64>| {
            (!is_another).then(|| value(last)?.checked_sub(value(first)?))?
        };
        let rate =
            |value: fn(&Values) -> Option<u64>| Some(delta(value)? as f64 / window_us? as f64);
        let usage = rate(|v| v.usage);
        let cores = now.quota.flatten().zip(now.period.or(Some(100_000)));
        let cores = cores
            .filter(|(_, period)| *period > 0)
            .map(|(quota, period)| quota as f64 / period as f64);
        let stat = |name: &str| now.stat.get(name).copied();
        let working_set = now
            .memory
            .zip(stat("inactive_file"))
            .map(|(all, inactive)| all.saturating_sub(inactive));
        let seen = match (first.is_there, last.is_there) {
            (true, true) => "both",
            (true, false) if has_window => "first",
            (true, false) => "once",
            _ => "last",
        };
        let identity = identify(path);
        let per_second = |value: fn(&Values) -> Option<u64>| {
            Some(delta(value)? as f64 * 1e6 / io_window_us? as f64)
        };
        rows.add(&self.entry, None)
            .set("path", path)
            .set("version", if self.is_v1 { "v1" } else { "v2" })
            .set("kind", identity.kind)
            .set("pod_uid", identity.pod_uid)
            .set("container_id", identity.container_id)
            .set("qos", identity.qos)
            .set("runtime", identity.runtime)
            .set("cpu_usage_us", now.usage)
            .set("cpu_usage_ratio", usage)
            .set("cpu_user_ratio", rate(|v| v.user))
            .set("cpu_system_ratio", rate(|v| v.system))
            .set("periods_delta", delta(|v| v.periods))
            .set("throttled_periods_delta", delta(|v| v.throttled_periods))
            .set("throttled_us_delta", delta(|v| v.throttled))
            .set(
                "throttled_ratio",
                ratio(delta(|v| v.throttled_periods), delta(|v| v.periods)),
            )
            .set("periods_count", now.periods)
            .set("throttled_periods_count", now.throttled_periods)
            .set("cpu_limit_cores", cores)
            .set("cpu_weight", now.weight)
            .set(
                "cpu_limit_used_ratio",
                usage.zip(cores).map(|(used, limit)| used / limit),
            )
            .set("memory_bytes", now.memory)
            .set("memory_limit_bytes", now.memory_limit)
            .set("memory_used_ratio", ratio(now.memory, now.memory_limit))
            .set("memory_peak_bytes", now.peak)
            .set("working_set_bytes", working_set)
            .set("anon_bytes", stat("anon"))
            .set("file_bytes", stat("file"))
            .set("kernel_bytes", stat("kernel"))
            .set("slab_bytes", stat("slab"))
            .set("shmem_bytes", stat("shmem"))
            .set("swap_bytes", now.swap.or(stat("swap")))
            .set("memory_high_count", now.high)
            .set("memory_high_delta", delta(|v| v.high))
            .set("memory_max_count", now.max)
            .set("memory_max_delta", delta(|v| v.max))
            .set("oom_count", now.oom)
            .set("oom_delta", delta(|v| v.oom))
            .set("oom_kill_count", now.oom_kill)
            .set("oom_kill_delta", delta(|v| v.oom_kill))
            .set("memory_stat_read_us", self.memory_stat_read_us)
            .set("cpu_stat_read_us", self.cpu_stat_read_us)
            .set("pids_count", now.pids)
            .set("pids_limit_count", now.pids_limit)
            .set("pids_used_ratio", ratio(now.pids, now.pids_limit))
            .set("pids_max_events_count", now.pids_refused)
            .set("pids_max_events_delta", delta(|v| v.pids_refused))
            .set("processes_count", now.processes.map(|(_, count)| count))
            .set("descendants_count", now.descendants)
            .set("dying_descendants_count", last.dying.or(first.dying))
            .set("frozen", now.frozen)
            .set("populated", now.populated)
            .set("read_bytes_per_second", per_second(|v| v.io(0)))
            .set("write_bytes_per_second", per_second(|v| v.io(1)))
            .set("read_operations_per_second", per_second(|v| v.io(2)))
            .set("write_operations_per_second", per_second(|v| v.io(3)))
            .set("seen", seen)
            .set("window_us", window_us);
    }
}
