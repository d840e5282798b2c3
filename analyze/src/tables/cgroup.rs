//! Control groups, v1 and v2 alike: one row per path, the controllers of v1 put together.
//!
//! Units differ between the versions (kernel docs `cgroup-v2`, `cgroup-v1/*`): v2 counts CPU time in
//! microseconds, v1 in nanoseconds; "no limit" is `max` in v2 and a huge number in v1.

use std::collections::HashMap;

use crate::table::counter::ratio;
use crate::table::identity::identify;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, float, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "cgroup",
    about: "control groups: usage, limits, throttling, events; one row per path",
    columns: &[
        text("path", "relative to the mount"),
        text(
            "version",
            "`v2`, or `v1` where a controller of v1 has it (a hybrid tree too)",
        ),
        text(
            "kind",
            "root, slice, pod, container, service, scope or other",
        ),
        text("pod_uid", "from the path"),
        text("container_id", "from the path"),
        text("qos", "guaranteed, burstable or besteffort"),
        text("runtime", "from the path"),
        int("cpu_usage_us", "since it was made"),
        float("cpu_usage_ratio", "in the window, of one CPU"),
        float("cpu_user_ratio", "of it, in user space"),
        float("cpu_system_ratio", "of it, in the kernel"),
        int("periods_delta", "scheduling periods in the window"),
        int(
            "throttled_periods_delta",
            "of these, with its quota used up",
        ),
        int(
            "throttled_us_delta",
            "time that its threads were stopped for",
        ),
        float("throttled_ratio", "throttled_periods_delta / periods_delta"),
        int("periods_count", "since it was made"),
        int("throttled_periods_count", "since it was made"),
        float("cpu_limit_cores", "quota / period; null: no limit"),
        int("cpu_weight", "cpu.weight of v2, cpu.shares of v1"),
        float("cpu_limit_used_ratio", "cpu_usage_ratio / cpu_limit_cores"),
        int("memory_bytes", "charged to it and its children"),
        int("memory_limit_bytes", "null: no limit"),
        float("memory_used_ratio", "memory_bytes / memory_limit_bytes"),
        int("memory_peak_bytes", "the most it ever had"),
        int(
            "working_set_bytes",
            "memory_bytes without inactive page cache, as kubelet counts",
        ),
        int("anon_bytes", "memory of programs"),
        int("file_bytes", "page cache"),
        int(
            "kernel_bytes",
            "kernel memory; null before Linux 5.18 with v2",
        ),
        int("slab_bytes", "the kernel's own objects"),
        int("shmem_bytes", "shared memory and tmpfs"),
        int("swap_bytes", "swapped out"),
        int("memory_high_count", "times over memory.high"),
        int("memory_high_delta", "in the window"),
        int("memory_max_count", "times at its limit; v1: failcnt"),
        int("memory_max_delta", "in the window"),
        int("oom_count", "times that an allocation failed for its limit"),
        int("oom_delta", "in the window"),
        int(
            "oom_kill_count",
            "processes killed for memory in it and its children",
        ),
        int("oom_kill_delta", "in the window"),
        int(
            "memory_stat_read_us",
            "how long the kernel took to print memory.stat",
        ),
        int("cpu_stat_read_us", "how long it took to print cpu.stat"),
        int("pids_count", "threads in it and its children"),
        int("pids_limit_count", "null: no limit"),
        float("pids_used_ratio", "pids_count / pids_limit_count"),
        int("pids_max_events_count", "forks that the limit refused"),
        int("pids_max_events_delta", "in the window"),
        int("processes_count", "in it alone"),
        int("descendants_count", "live groups below it"),
        int(
            "dying_descendants_count",
            "removed groups below it that memory keeps alive",
        ),
        bool("frozen", ""),
        bool("populated", "it or a child has processes"),
        float("read_bytes_per_second", "from block devices"),
        float("write_bytes_per_second", "to block devices"),
        float("read_operations_per_second", ""),
        float("write_operations_per_second", ""),
        text(
            "seen",
            "`both` readings, only the `first`, only the `last`; `once` with one reading",
        ),
        int("window_us", "time between its readings"),
    ],
    reads: &[
        "/sys/fs/cgroup/**/cpu.stat",
        "/sys/fs/cgroup/**/cpu.max",
        "/sys/fs/cgroup/**/cpu.weight",
        "/sys/fs/cgroup/**/cpu.shares",
        "/sys/fs/cgroup/**/cpu.cfs_quota_us",
        "/sys/fs/cgroup/**/cpu.cfs_period_us",
        "/sys/fs/cgroup/**/cpuacct.usage",
        "/sys/fs/cgroup/**/cpuacct.stat",
        "/sys/fs/cgroup/**/memory.current",
        "/sys/fs/cgroup/**/memory.usage_in_bytes",
        "/sys/fs/cgroup/**/memory.max",
        "/sys/fs/cgroup/**/memory.limit_in_bytes",
        "/sys/fs/cgroup/**/memory.peak",
        "/sys/fs/cgroup/**/memory.max_usage_in_bytes",
        "/sys/fs/cgroup/**/memory.swap.current",
        "/sys/fs/cgroup/**/memory.stat",
        "/sys/fs/cgroup/**/memory.events",
        "/sys/fs/cgroup/**/memory.kmem.usage_in_bytes",
        "/sys/fs/cgroup/**/memory.failcnt",
        "/sys/fs/cgroup/**/memory.oom_control",
        "/sys/fs/cgroup/**/pids.current",
        "/sys/fs/cgroup/**/pids.max",
        "/sys/fs/cgroup/**/pids.events",
        "/sys/fs/cgroup/**/cgroup.procs",
        "/sys/fs/cgroup/**/cgroup.stat",
        "/sys/fs/cgroup/**/cgroup.events",
        "/sys/fs/cgroup/**/freezer.state",
        "/sys/fs/cgroup/**/io.stat",
        "/sys/fs/cgroup/**/blkio.throttle.io_service_bytes",
        "/sys/fs/cgroup/**/blkio.throttle.io_serviced",
        "/sys/fs/cgroup/**/blkio.throttle.io_service_bytes_recursive",
        "/sys/fs/cgroup/**/blkio.throttle.io_serviced_recursive",
    ],
    decoder: || Box::new(Cgroups::default()),
};

/// v1 prints page counters without limit as the largest multiple of a page below this.
const NO_LIMIT_BYTES: u64 = 1 << 62;

/// First parts of paths that are mount points of v1 controllers.
const CONTROLLERS: [&str; 14] = [
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "blkio",
    "pids",
    "devices",
    "freezer",
    "hugetlb",
    "net_cls",
    "net_prio",
    "perf_event",
    "rdma",
    "misc",
];

#[derive(Default)]
struct Cgroups {
    groups: HashMap<String, Group>,
    has_window: bool,
}

#[derive(Default)]
struct Group {
    entry: String,
    is_v1: bool,
    first: Values,
    last: Values,
    memory_stat_read_us: Option<u64>,
    cpu_stat_read_us: Option<u64>,
}

/// What was read at one time. CPU times in microseconds.
#[derive(Default)]
struct Values {
    at_us: Option<u64>,
    io_at_us: Option<u64>,
    is_there: bool,
    usage: Option<u64>,
    user: Option<u64>,
    system: Option<u64>,
    periods: Option<u64>,
    throttled_periods: Option<u64>,
    throttled: Option<u64>,
    quota: Option<Option<u64>>,
    period: Option<u64>,
    weight: Option<u64>,
    memory: Option<u64>,
    memory_limit: Option<u64>,
    peak: Option<u64>,
    swap: Option<u64>,
    stat: HashMap<&'static str, u64>,
    high: Option<u64>,
    max: Option<u64>,
    oom: Option<u64>,
    oom_kill: Option<u64>,
    pids: Option<u64>,
    pids_limit: Option<u64>,
    pids_refused: Option<u64>,
    /// The rank of the hierarchy that tells them, and their number.
    processes: Option<(u8, u64)>,
    descendants: Option<u64>,
    dying: Option<u64>,
    frozen: Option<bool>,
    populated: Option<bool>,
    /// Bytes read, written; operations read, written.
    io: [Option<u64>; 4],
    /// The same with children, where v1 counts both.
    io_recursive: [Option<u64>; 4],
}

/// Fields of memory.stat, v2 and v1 (`total_` ones include children, as v2 always does).
const STAT: [(&str, &str); 11] = [
    ("anon", "anon"),
    ("file", "file"),
    ("kernel", "kernel"),
    ("slab", "slab"),
    ("shmem", "shmem"),
    ("inactive_file", "inactive_file"),
    ("total_rss", "anon"),
    ("total_cache", "file"),
    ("total_shmem", "shmem"),
    ("total_inactive_file", "inactive_file"),
    ("total_swap", "swap"),
];

impl Decode for Cgroups {
    fn entry(&mut self, input: &Input<'_>, node: &Node, damages: &mut Damages) {
        let Some((path, file, mount)) = place(input.path) else {
            return;
        };
        let is_v1 = is_v1(mount);
        let group = match self.groups.get_mut(path) {
            Some(group) => group,
            None => self.groups.entry(path.to_owned()).or_default(),
        };
        group.is_v1 |= is_v1;
        // cpu.stat is the file that most rows of evidence are about.
        if group.entry.is_empty() || file == "cpu.stat" && input.reading == 0 {
            input.entry.clone_into(&mut group.entry);
        }
        let took = input.record.map(|record| record.took_us);
        match file {
            "memory.stat" => group.memory_stat_read_us = group.memory_stat_read_us.max(took),
            "cpu.stat" => group.cpu_stat_read_us = group.cpu_stat_read_us.max(took),
            _ => {}
        }
        let is_last = input.reading > 0;
        self.has_window |= is_last;
        let values = if is_last {
            &mut group.last
        } else {
            &mut group.first
        };
        values.is_there = true;
        if matches!(file, "cpu.stat" | "cpuacct.usage") {
            values.at_us = input.started_us();
        } else if file == "io.stat" || file.starts_with("blkio.") {
            values.io_at_us = input.started_us();
        }
        if values.read(file, input, node, mount).is_none() {
            damages.add(
                input,
                None,
                format!("`{file}` cannot be read: `{}`", first_line(&input.text())),
            );
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        let mut groups: Vec<(String, Group)> = self.groups.into_iter().collect();
        groups.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, group) in groups {
            group.row(&path, self.has_window, rows);
        }
    }
}

/// Path of the group, file, and the folder that the hierarchy is mounted on: v1 hierarchies are
/// mounted below a folder that is called as their controllers, v2 has none or `unified`.
fn place(path: &str) -> Option<(&str, &str, &str)> {
    let (folder, file) = path.strip_prefix("/sys/fs/cgroup")?.rsplit_once('/')?;
    let inner = folder.strip_prefix('/').unwrap_or_default();
    let first = inner.split('/').next().unwrap_or_default();
    let mount = if first == "unified" || is_v1(first) {
        first
    } else {
        ""
    };
    let group = if mount.is_empty() {
        folder
    } else {
        inner.get(mount.len()..).unwrap_or_default()
    };
    Some((if group.is_empty() { "/" } else { group }, file, mount))
}

/// Whether a hierarchy of v1 is mounted on a folder of this name.
fn is_v1(mount: &str) -> bool {
    mount == "systemd"
        || !mount.is_empty() && mount.split(',').all(|name| CONTROLLERS.contains(&name))
}

/// Which hierarchy knows best what processes a group has: systemd and every runtime keep its own
/// tree and that of memory; where a controller is not used, its root holds all processes.
fn rank(mount: &str) -> u8 {
    match mount {
        "" | "unified" | "systemd" => 2,
        "memory" => 1,
        _ => 0,
    }
}

fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(80)
        .collect()
}

impl Values {
    /// Takes one file; none if it is not what it should be.
    fn read(&mut self, file: &str, input: &Input<'_>, node: &Node, mount: &str) -> Option<()> {
        let text = input.text();
        let number = || text.trim().parse::<u64>().ok();
        let key = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.trim().parse::<u64>().ok())
        };
        match file {
            "cpu.stat" if is_v1(mount) => {
                self.periods = Some(key("nr_periods")?);
                self.throttled_periods = key("nr_throttled");
                self.throttled = key("throttled_time").map(|ns| ns / 1000);
            }
            "cpu.stat" => {
                self.usage = Some(key("usage_usec")?);
                self.user = key("user_usec");
                self.system = key("system_usec");
                // A hybrid tree has them in the hierarchy of v1 alone.
                self.periods = key("nr_periods").or(self.periods);
                self.throttled_periods = key("nr_throttled").or(self.throttled_periods);
                self.throttled = key("throttled_usec").or(self.throttled);
            }
            "cpu.max" => {
                let mut words = text.split_ascii_whitespace();
                self.quota = Some(limit(words.next()?)?);
                self.period = Some(words.next()?.parse().ok()?);
            }
            "cpu.cfs_quota_us" => {
                self.quota = Some(u64::try_from(text.trim().parse::<i64>().ok()?).ok());
            }
            "cpu.cfs_period_us" => self.period = Some(number()?),
            "cpu.weight" | "cpu.shares" => self.weight = Some(number()?),
            "cpuacct.usage" => self.usage = Some(number()? / 1000),
            "cpuacct.stat" => {
                self.user = key("user").map(|ticks| node.ticks_to_us(ticks));
                self.system = key("system").map(|ticks| node.ticks_to_us(ticks));
            }
            "memory.current" | "memory.usage_in_bytes" => self.memory = Some(number()?),
            "memory.max" => self.memory_limit = limit(&text)?,
            "memory.limit_in_bytes" => {
                self.memory_limit = Some(number()?).filter(|bytes| *bytes < NO_LIMIT_BYTES);
            }
            "memory.peak" | "memory.max_usage_in_bytes" => self.peak = Some(number()?),
            "memory.swap.current" => self.swap = Some(number()?),
            "memory.stat" => return self.memory_stat(&text),
            "memory.kmem.usage_in_bytes" => {
                self.stat.insert("kernel", number()?);
            }
            "memory.events" => {
                self.high = key("high");
                self.max = Some(key("max")?);
                self.oom = key("oom");
                self.oom_kill = key("oom_kill");
            }
            "memory.failcnt" => self.max = Some(number()?),
            "memory.oom_control" => self.oom_kill = key("oom_kill"),
            "pids.current" => self.pids = Some(number()?),
            "pids.max" => self.pids_limit = limit(&text)?,
            "pids.events" => self.pids_refused = Some(key("max")?),
            "cgroup.procs" => {
                let count = text.lines().filter(|line| !line.is_empty()).count() as u64;
                let rank = rank(mount);
                if self.processes.is_none_or(|(known, _)| known <= rank) {
                    self.processes = Some((rank, count));
                }
            }
            "cgroup.stat" => {
                self.descendants = key("nr_descendants");
                self.dying = key("nr_dying_descendants");
            }
            "cgroup.events" => {
                self.populated = key("populated").map(|value| value == 1);
                self.frozen = key("frozen").map(|value| value == 1);
            }
            "freezer.state" => self.frozen = Some(text.trim() != "THAWED"),
            "io.stat" => return self.io_stat(&text),
            "blkio.throttle.io_service_bytes" => [self.io[0], self.io[1]] = throttle(&text)?,
            "blkio.throttle.io_serviced" => [self.io[2], self.io[3]] = throttle(&text)?,
            "blkio.throttle.io_service_bytes_recursive" => {
                [self.io_recursive[0], self.io_recursive[1]] = throttle(&text)?;
            }
            "blkio.throttle.io_serviced_recursive" => {
                [self.io_recursive[2], self.io_recursive[3]] = throttle(&text)?;
            }
            _ => {}
        }
        Some(())
    }

    /// None if no line of it is known, or a value is no number.
    fn memory_stat(&mut self, text: &str) -> Option<()> {
        let mut outcome = None;
        for line in text.lines() {
            let Some((name, value)) = line.split_once(' ') else {
                continue;
            };
            if let Some((_, column)) = STAT.iter().find(|(field, _)| *field == name) {
                self.stat.insert(column, value.trim().parse().ok()?);
                outcome = Some(());
            }
        }
        outcome
    }

    /// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...`; some kernels leave devices without values. None
    /// if a value is no number: the sums would be too small.
    fn io_stat(&mut self, text: &str) -> Option<()> {
        let mut sums = [0_u64; 4];
        for word in text.split_ascii_whitespace() {
            let Some((name, value)) = word.split_once('=') else {
                continue;
            };
            let place = ["rbytes", "wbytes", "rios", "wios"]
                .iter()
                .position(|field| *field == name);
            if let Some(sum) = place.and_then(|place| sums.get_mut(place)) {
                *sum = sum.saturating_add(value.parse().ok()?);
            }
        }
        self.io = sums.map(Some);
        Some(())
    }

    /// With children where that is known, as v2 counts.
    fn io(&self, place: usize) -> Option<u64> {
        let with_children = self.io_recursive.get(place).copied().flatten();
        with_children.or(self.io.get(place).copied().flatten())
    }
}

/// `8:0 Read 1\n8:0 Write 2\n...\nTotal 3`: sums over devices; none if a value is no number.
fn throttle(text: &str) -> Option<[Option<u64>; 2]> {
    let mut sums = [0_u64; 2];
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace().skip(1);
        let place = match words.next() {
            Some("Read") => 0,
            Some("Write") => 1,
            _ => continue,
        };
        if let Some(sum) = sums.get_mut(place) {
            *sum = sum.saturating_add(words.next()?.parse().ok()?);
        }
    }
    Some(sums.map(Some))
}

/// A limit of v2: a number or `max`; none if it is neither.
fn limit(text: &str) -> Option<Option<u64>> {
    match text.trim() {
        "max" => Some(None),
        number => Some(Some(number.parse().ok()?)),
    }
}

impl Group {
    fn row(self, path: &str, has_window: bool, rows: &mut Rows) {
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

#[cfg(test)]
mod tests {
    use super::place;
    use crate::table::testing::{csv, run};

    #[test]
    fn version_2() {
        let (rows, damages) = run(
            "cgroup",
            &[
                ("root/sys/fs/cgroup/a.slice/cpu.stat", b"usage_usec 1000\nuser_usec 600\nsystem_usec 400\nnr_periods 10\nnr_throttled 1\nthrottled_usec 5\n"),
                ("root/sys/fs/cgroup/a.slice/cpu.max", b"50000 100000\n"),
                ("root/sys/fs/cgroup/a.slice/memory.current", b"900\n"),
                ("root/sys/fs/cgroup/a.slice/memory.max", b"1000\n"),
                ("root/sys/fs/cgroup/a.slice/memory.stat", b"anon 500\nfile 300\ninactive_file 100\n"),
                ("root/sys/fs/cgroup/a.slice/pids.max", b"max\n"),
                ("root/sys/fs/cgroup/a.slice/io.stat", b"8:0 rbytes=100 wbytes=0 rios=1 wios=0\n253:0 \n"),
                ("root/sys/fs/cgroup/a.slice/cgroup.stat", b"nr_descendants 3\nnr_dying_descendants 1500\n"),
                ("window/10/sys/fs/cgroup/a.slice/cpu.stat", b"usage_usec 5001000\nuser_usec 600\nsystem_usec 5000400\nnr_periods 110\nnr_throttled 61\nthrottled_usec 900\n"),
                ("window/10/sys/fs/cgroup/a.slice/io.stat", b"8:0 rbytes=10000100 wbytes=0 rios=11 wios=0\n"),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "path",
                    "version",
                    "kind",
                    "cpu_usage_ratio",
                    "cpu_system_ratio",
                    "cpu_limit_used_ratio"
                ]
            ),
            "/a.slice,v2,slice,0.5000,0.5000,1.0000\n"
        );
        assert_eq!(
            csv(
                &rows,
                &["periods_delta", "throttled_ratio", "throttled_us_delta"]
            ),
            "100,0.6000,895\n"
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "memory_used_ratio",
                    "working_set_bytes",
                    "pids_limit_count",
                    "dying_descendants_count"
                ]
            ),
            "0.9000,800,,1500\n"
        );
        assert_eq!(
            csv(
                &rows,
                &["read_bytes_per_second", "memory_stat_read_us", "seen"]
            ),
            "1000000.0000,100,both\n"
        );
        assert!(damages.list.is_empty());
    }

    #[test]
    fn version_1_controllers_make_one_row() {
        let (rows, _) = run(
            "cgroup",
            &[
                (
                    "root/sys/fs/cgroup/cpu,cpuacct/kubepods/x/cpu.stat",
                    b"nr_periods 3076\nnr_throttled 34\nthrottled_time 12070000\n",
                ),
                (
                    "root/sys/fs/cgroup/cpu,cpuacct/kubepods/x/cpuacct.usage",
                    b"5000000\n",
                ),
                (
                    "root/sys/fs/cgroup/cpu,cpuacct/kubepods/x/cpu.cfs_quota_us",
                    b"-1\n",
                ),
                (
                    "root/sys/fs/cgroup/memory/kubepods/x/memory.limit_in_bytes",
                    b"9223372036854771712\n",
                ),
                (
                    "root/sys/fs/cgroup/memory/kubepods/x/memory.usage_in_bytes",
                    b"4096\n",
                ),
                (
                    "root/sys/fs/cgroup/memory/kubepods/x/memory.oom_control",
                    b"oom_kill_disable 0\nunder_oom 0\noom_kill 7\n",
                ),
                (
                    "root/sys/fs/cgroup/pids/kubepods/x/pids.current",
                    b"nonsense\n",
                ),
            ],
        );
        let columns = [
            "path",
            "version",
            "cpu_usage_us",
            "cpu_limit_cores",
            "memory_limit_bytes",
            "memory_bytes",
            "oom_kill_count",
            "pids_count",
        ];
        assert_eq!(csv(&rows, &columns), "/kubepods/x,v1,5000,,,4096,7,\n");
    }

    #[test]
    fn a_hybrid_tree_keeps_what_version_1_says() {
        let (rows, damages) = run(
            "cgroup",
            &[
                ("root/sys/fs/cgroup/cpu,cpuacct/a/cpu.stat", b"nr_periods 10\nnr_throttled 2\nthrottled_time 7000\n"),
                ("root/sys/fs/cgroup/cpu,cpuacct/a/cgroup.procs", b""),
                ("root/sys/fs/cgroup/cpu,cpuacct/a/cpuacct.stat", b"user 250\nsystem 100\n"),
                ("root/sys/fs/cgroup/memory/a/memory.limit_in_bytes", b"9223372036854710272\n"),
                ("root/sys/fs/cgroup/memory/a/memory.kmem.usage_in_bytes", b"8192\n"),
                ("root/sys/fs/cgroup/memory/a/memory.stat", b"cache 1\nrss 1\ninactive_file 1\ntotal_cache 300\ntotal_rss 500\ntotal_inactive_file 100\n"),
                ("root/sys/fs/cgroup/unified/a/cpu.stat", b"usage_usec 3500000\nuser_usec 2500000\nsystem_usec 1000000\n"),
                ("root/sys/fs/cgroup/unified/a/cgroup.procs", b"7\n8\n"),
                ("root/sys/fs/cgroup/pids/a/cgroup.procs", b"7\n"),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "path",
                    "version",
                    "cpu_usage_us",
                    "periods_count",
                    "throttled_periods_count",
                    "processes_count"
                ]
            ),
            "/a,v1,3500000,10,2,2\n"
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "memory_limit_bytes",
                    "kernel_bytes",
                    "anon_bytes",
                    "file_bytes"
                ]
            ),
            ",8192,500,300\n"
        );
        assert!(damages.list.is_empty());
    }

    #[test]
    fn units_of_version_1() {
        let cpu = "sys/fs/cgroup/cpu,cpuacct/a";
        let blkio = "sys/fs/cgroup/blkio/a";
        let (rows, _) = run(
            "cgroup",
            &[
                (
                    &format!("root/{cpu}/cpu.stat"),
                    b"nr_periods 10\nnr_throttled 0\nthrottled_time 0\n",
                ),
                (&format!("root/{cpu}/cpuacct.usage"), b"124659500367000\n"),
                (
                    &format!("root/{cpu}/cpuacct.stat"),
                    b"user 100\nsystem 50\n",
                ),
                (
                    &format!("root/{blkio}/blkio.throttle.io_service_bytes"),
                    b"259:0 Read 0\n259:0 Write 0\nTotal 0\n",
                ),
                (
                    &format!("root/{blkio}/blkio.throttle.io_service_bytes_recursive"),
                    b"259:0 Read 1000\n259:0 Write 0\n8:0 Read 5\nTotal 1005\n",
                ),
                (
                    &format!("window/10/{cpu}/cpu.stat"),
                    b"nr_periods 110\nnr_throttled 25\nthrottled_time 2000000\n",
                ),
                (
                    &format!("window/10/{cpu}/cpuacct.usage"),
                    b"124664500367000\n",
                ),
                (
                    &format!("window/10/{cpu}/cpuacct.stat"),
                    b"user 500\nsystem 150\n",
                ),
                (
                    &format!("window/10/{blkio}/blkio.throttle.io_service_bytes"),
                    b"259:0 Read 0\n259:0 Write 0\nTotal 0\n",
                ),
                (
                    &format!("window/10/{blkio}/blkio.throttle.io_service_bytes_recursive"),
                    b"259:0 Read 11000\n259:0 Write 0\n8:0 Read 5\nTotal 11005\n",
                ),
            ],
        );
        // ns, ticks of 10 ms, ns
        assert_eq!(
            csv(
                &rows,
                &[
                    "cpu_usage_us",
                    "cpu_usage_ratio",
                    "cpu_user_ratio",
                    "cpu_system_ratio",
                    "throttled_us_delta",
                    "throttled_ratio"
                ]
            ),
            "124659500367,0.5000,0.4000,0.1000,2000,0.2500\n"
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "read_bytes_per_second",
                    "write_bytes_per_second",
                    "read_operations_per_second"
                ]
            ),
            "1000.0000,0.0000,\n"
        );
    }

    #[test]
    fn a_group_made_anew_has_no_differences() {
        let (rows, _) = run(
            "cgroup",
            &[
                (
                    "root/sys/fs/cgroup/a.service/cpu.stat",
                    b"usage_usec 1000\nuser_usec 10\nsystem_usec 990\n",
                ),
                (
                    "root/sys/fs/cgroup/a.service/memory.events",
                    b"low 0\nhigh 0\nmax 3\noom 0\noom_kill 0\n",
                ),
                (
                    "window/10/sys/fs/cgroup/a.service/cpu.stat",
                    b"usage_usec 500\nuser_usec 400\nsystem_usec 100\n",
                ),
                (
                    "window/10/sys/fs/cgroup/a.service/memory.events",
                    b"low 0\nhigh 0\nmax 9\noom 0\noom_kill 0\n",
                ),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "cpu_usage_ratio",
                    "cpu_user_ratio",
                    "memory_max_count",
                    "memory_max_delta"
                ]
            ),
            ",,3,\n"
        );
    }

    #[test]
    fn what_cannot_be_read_is_damage_and_null() {
        let (rows, damages) = run(
            "cgroup",
            &[
                ("root/sys/fs/cgroup/a/cpu.max", b"much 100000\n"),
                ("root/sys/fs/cgroup/a/cpu.stat", b"usage_usec many\n"),
                ("root/sys/fs/cgroup/a/memory.max", b"-1\n"),
                ("root/sys/fs/cgroup/a/memory.stat", b"\xff\n"),
                ("root/sys/fs/cgroup/a/memory.events", b"\n"),
                ("root/sys/fs/cgroup/a/io.stat", b"8:0 rbytes=x\n"),
                ("root/sys/fs/cgroup/b/cpu.max", b"max 100000\n"),
                ("root/sys/fs/cgroup/b/io.stat", b""),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "path",
                    "cpu_limit_cores",
                    "cpu_usage_us",
                    "memory_limit_bytes",
                    "anon_bytes",
                    "oom_kill_count"
                ]
            ),
            "/a,,,,,\n/b,,,,,\n"
        );
        assert_eq!(damages.list.len(), 6);
    }

    #[test]
    fn mounts_of_both_versions() {
        assert_eq!(
            place("/sys/fs/cgroup/cpu.stat"),
            Some(("/", "cpu.stat", ""))
        );
        assert_eq!(
            place("/sys/fs/cgroup/a/b/cpu.stat"),
            Some(("/a/b", "cpu.stat", ""))
        );
        assert_eq!(
            place("/sys/fs/cgroup/unified/a/cpu.stat"),
            Some(("/a", "cpu.stat", "unified"))
        );
        assert_eq!(
            place("/sys/fs/cgroup/memory/memory.stat"),
            Some(("/", "memory.stat", "memory"))
        );
        assert_eq!(
            place("/sys/fs/cgroup/cpu,cpuacct/a/cpu.stat"),
            Some(("/a", "cpu.stat", "cpu,cpuacct"))
        );
    }
}
