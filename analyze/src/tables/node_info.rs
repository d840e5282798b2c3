//! What kind of node it is: one row out of many small files.

use std::collections::HashMap;

use crate::table::counter::Counters;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "node_info",
    about: "what kind of node it is: one row",
    columns: &[
        text("hostname", ""),
        text("os_id", "ID of os-release"),
        text("os_name", "PRETTY_NAME of os-release"),
        text("os_version", "VERSION_ID of os-release"),
        text("kernel_release", "as uname -r"),
        text("machine", "as uname -m"),
        int("cpu_count", "CPUs online"),
        text("cpu_model", "of the first CPU"),
        int("memory_total_bytes", ""),
        int("uptime_us", "since boot"),
        text("boot_id", ""),
        text("machine_id", ""),
        text("cgroup_version", "`v1`, `v2` or `hybrid`"),
        text("boot_command_line", "of the kernel"),
        float("load_1m", "load average"),
        float("load_5m", ""),
        float("load_15m", ""),
        int(
            "running_tasks_count",
            "runnable at the first reading, the collector included",
        ),
        int("tasks_count", "threads"),
        int("procs_running_count", "runnable threads, last reading"),
        int(
            "procs_blocked_count",
            "threads waiting for I/O, last reading",
        ),
        float("context_switches_per_second", ""),
        float("forks_per_second", ""),
        int("pid_max_count", "sysctl kernel.pid_max"),
        int("threads_max_count", "sysctl kernel.threads-max"),
        int("file_handles_count", "open file handles"),
        int(
            "file_handles_max_count",
            "sysctl fs.file-max; null where it is no limit",
        ),
        int("tainted", "flags of a tainted kernel; 0: none"),
        text("clocksource", "in use"),
        text("clocksources", "that could be used, joined by spaces"),
        text("machine_model", "vendor and product of the machine"),
    ],
    reads: &[
        "/etc/hostname",
        "/etc/os-release",
        "/usr/lib/os-release",
        "/etc/machine-id",
        "/proc/stat",
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/proc/uptime",
        "/proc/loadavg",
        "/proc/cmdline",
        "/proc/sys/kernel/random/boot_id",
        "/proc/sys/kernel/pid_max",
        "/proc/sys/kernel/threads-max",
        "/proc/sys/kernel/tainted",
        "/proc/sys/fs/file-nr",
        "/proc/1/mountinfo",
        "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        "/sys/devices/system/clocksource/clocksource0/available_clocksource",
        "/sys/class/dmi/id/sys_vendor",
        "/sys/class/dmi/id/product_name",
    ],
    decoder: || Box::new(NodeInfo::default()),
};

/// `fs.file-max` is set to this where it shall be no limit (systemd does so).
const NO_LIMIT: u64 = i64::MAX as u64;

#[derive(Default)]
struct NodeInfo {
    files: HashMap<String, String>,
    /// Context switches, forks, running, blocked.
    stat: Option<Counters>,
    cpus: u64,
}

impl Decode for NodeInfo {
    fn entry(&mut self, input: &Input<'_>, _: &Node, _: &mut Damages) {
        let text = input.text();
        if input.path == "/proc/stat" {
            let number = |name: &str| {
                let line = text
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
                line.and_then(|value| value.trim().parse().ok())
                    .unwrap_or(0)
            };
            let values = ["ctxt", "processes", "procs_running", "procs_blocked"]
                .map(number)
                .to_vec();
            match &mut self.stat {
                Some(stat) => stat.update(input, values),
                None => self.stat = Some(Counters::new(input, None, values)),
            }
            let is_cpu = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
            self.cpus = text.lines().filter(is_cpu).count() as u64;
        } else if input.reading == 0 {
            self.files.insert(input.path.to_owned(), text.into_owned());
        }
    }

    fn finish(self: Box<Self>, node: &Node, rows: &mut Rows) {
        if self.files.is_empty() && self.stat.is_none() {
            return;
        }
        let file = |path: &str| self.files.get(path).map(|text| text.trim());
        let number = |path: &str| file(path).and_then(|text| text.parse::<u64>().ok());
        let word = |path: &str, place: usize| file(path)?.split_ascii_whitespace().nth(place);
        let os = file("/etc/os-release").or_else(|| file("/usr/lib/os-release"));
        let os = |key: &str| {
            let line = os?
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.map(|value| value.trim_matches(['"', '\'']).to_owned())
        };
        let stat = self.stat.as_ref();
        let load = |place| word("/proc/loadavg", place).and_then(|w| w.parse::<f64>().ok());
        let tasks = word("/proc/loadavg", 3).and_then(|w| w.split_once('/'));
        let uptime = word("/proc/uptime", 0).and_then(|w| w.parse::<f64>().ok());
        let handles =
            |place| word("/proc/sys/fs/file-nr", place).and_then(|w| w.parse::<u64>().ok());
        let model = [
            file("/sys/class/dmi/id/sys_vendor"),
            file("/sys/class/dmi/id/product_name"),
        ];
        let model: Vec<&str> = model.into_iter().flatten().collect();
        let memory =
            file("/proc/meminfo").and_then(|text| text.lines().find_map(super::memory::parse));
        rows.add("root/proc/stat", None)
            .set("hostname", file("/etc/hostname"))
            .set("os_id", os("ID"))
            .set("os_name", os("PRETTY_NAME"))
            .set("os_version", os("VERSION_ID"))
            .set(
                "kernel_release",
                node.capture.as_ref().map(|c| c.kernel_release.as_str()),
            )
            .set("machine", node.capture.as_ref().map(|c| c.machine.as_str()))
            .set("cpu_count", stat.map(|_| self.cpus))
            .set("cpu_model", file("/proc/cpuinfo").and_then(cpu_model))
            .set(
                "memory_total_bytes",
                memory
                    .filter(|(name, _)| *name == "MemTotal")
                    .map(|(_, v)| v),
            )
            .set("uptime_us", uptime.map(|seconds| (seconds * 1e6) as i64))
            .set("boot_id", file("/proc/sys/kernel/random/boot_id"))
            .set("machine_id", file("/etc/machine-id"))
            .set(
                "cgroup_version",
                file("/proc/1/mountinfo").and_then(cgroup_version),
            )
            .set("boot_command_line", file("/proc/cmdline"))
            .set("load_1m", load(0))
            .set("load_5m", load(1))
            .set("load_15m", load(2))
            .set(
                "running_tasks_count",
                tasks.and_then(|(running, _)| running.parse::<u64>().ok()),
            )
            .set(
                "tasks_count",
                tasks.and_then(|(_, all)| all.parse::<u64>().ok()),
            )
            .set("procs_running_count", stat.and_then(|s| s.last(2)))
            .set("procs_blocked_count", stat.and_then(|s| s.last(3)))
            .set(
                "context_switches_per_second",
                stat.and_then(|s| s.per_second(0)),
            )
            .set("forks_per_second", stat.and_then(|s| s.per_second(1)))
            .set("pid_max_count", number("/proc/sys/kernel/pid_max"))
            .set("threads_max_count", number("/proc/sys/kernel/threads-max"))
            .set("file_handles_count", handles(0))
            .set(
                "file_handles_max_count",
                handles(2).filter(|max| *max < NO_LIMIT),
            )
            .set("tainted", number("/proc/sys/kernel/tainted"))
            .set(
                "clocksource",
                file("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            )
            .set(
                "clocksources",
                file("/sys/devices/system/clocksource/clocksource0/available_clocksource"),
            )
            .set(
                "machine_model",
                Some(model.join(" ")).filter(|model| !model.is_empty()),
            );
    }
}

/// x86 says `model name`, arm64 says `CPU part` and leaves the name out, s390 `processor 0:`.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    let find = |name: &str| {
        let mut lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(key, _)| key.trim() == name)
            .map(|(_, value)| value.trim().to_owned())
    };
    find("model name")
        .or_else(|| find("Model"))
        .or_else(|| find("Processor"))
        .or_else(|| find("cpu"))
}

fn cgroup_version(mountinfo: &str) -> Option<&'static str> {
    let has = |kind: &str| mountinfo.contains(&format!(" - {kind} "));
    match (has("cgroup"), has("cgroup2")) {
        (true, true) => Some("hybrid"),
        (true, false) => Some("v1"),
        (false, true) => Some("v2"),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn one_row_of_many_files() {
        let (rows, _) = run(
            "node_info",
            &[
                ("root/etc/os-release", b"ID=debian\nPRETTY_NAME=\"Debian 12\"\n"),
                ("root/proc/stat", b"cpu  1 2 3 4\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nctxt 100\nprocesses 5\nprocs_running 2\nprocs_blocked 0\n"),
                ("window/10/proc/stat", b"cpu  1 2 3 4\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nctxt 1100\nprocesses 25\nprocs_running 3\nprocs_blocked 4\n"),
                ("root/proc/loadavg", b"0.50 1.00 2.00 3/456 789\n"),
                ("root/proc/sys/fs/file-nr", b"1024 0 9223372036854775807\n"),
                ("root/proc/1/mountinfo", b"1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"),
            ],
        );
        let columns = [
            "os_id",
            "cpu_count",
            "load_5m",
            "tasks_count",
            "procs_blocked_count",
            "forks_per_second",
            "file_handles_max_count",
            "cgroup_version",
        ];
        assert_eq!(csv(&rows, &columns), "debian,2,1.0000,456,4,2.0000,,v2\n");
    }
}
