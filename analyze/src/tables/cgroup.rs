//! Control groups, v1 and v2 alike: one row per path, the controllers of v1 put together.
//!
//! Units differ between the versions (kernel docs `cgroup-v2`, `cgroup-v1/*`): v2 counts CPU time in
//! microseconds, v1 in nanoseconds; "no limit" is `max` in v2 and a huge number in v1.

use std::collections::HashMap;

use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, float, int, text};

#[path = "cgroup/row.rs"]
mod row;
#[path = "cgroup/values.rs"]
mod values;

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
        text("namespace", "of the pod"),
        text("pod", "its name"),
        text(
            "container",
            "its name; `POD`: the sandbox that holds the pod's namespaces",
        ),
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
pub(crate) fn place(path: &str) -> Option<(&str, &str, &str)> {
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

#[cfg(test)]
#[path = "cgroup/tests.rs"]
mod tests;
