//! Processes: one row per process, known by its pid and start time.
//!
//! ```text
//! 4711 (java) S 1 4711 4711 0 -1 4194560 120 0 3 0 250 31 0 0 20 0 45 0 8123 ...
//! ```
//!
//! The command in `stat` may hold anything, closing parentheses and line ends too: fields count
//! from the last parenthesis (proc(5)).

use std::collections::HashMap;

use crate::table::identity::{self, Identity};
use crate::table::{Damages, Decode, Input, Node, Row, Rows, Table, bool, float, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "process",
    about: "processes, known by pid and start time",
    columns: &[
        int("pid", ""),
        int("start_ts_us", "when it began, since boot"),
        text("comm", "its name, at most 15 bytes"),
        text(
            "state",
            "R running, S sleeping, D uninterruptible, Z defunct, T stopped, I idle",
        ),
        int("parent_pid", ""),
        int("process_group", ""),
        bool("kernel_thread", "runs in the kernel alone"),
        int("threads_count", ""),
        int("user_us", "CPU time since it began"),
        int("system_us", "CPU time since it began"),
        float("cpu_ratio", "CPU time of the window, of one CPU"),
        float("user_ratio", "of it, in user space"),
        float("system_ratio", "of it, in the kernel"),
        int("age_us", "since it began"),
        int("virtual_bytes", "address space"),
        int("resident_bytes", "in memory"),
        int("swap_bytes", "swapped out"),
        int(
            "minor_faults_delta",
            "page faults without I/O in the window",
        ),
        int("major_faults_delta", "page faults with I/O in the window"),
        int("priority", "as the scheduler sees it"),
        int("nice", "-20 to 19"),
        int("uid", "real user"),
        int("oom_score", "0 to 1000 and more: who is killed first"),
        int("oom_score_adjust", "-1000: never killed"),
        float("read_bytes_per_second", "from block devices"),
        float("write_bytes_per_second", "to block devices"),
        int("fd_count", "open files"),
        int("fd_limit_count", "soft limit of open files; null: none"),
        float("fd_used_ratio", "fd_count / fd_limit_count"),
        int(
            "run_delay_us",
            "time that its first thread waited for a CPU in the window",
        ),
        int("voluntary_switches_count", "since it began"),
        int("involuntary_switches_count", "since it began"),
        text("cgroup", "path of the unified, else the memory hierarchy"),
        text("pod_uid", "from the cgroup's path"),
        text("container_id", "from the cgroup's path"),
        text("namespace", "of the pod"),
        text("pod", "its name"),
        text(
            "container",
            "its name; `POD`: the sandbox that holds the pod's namespaces",
        ),
        text("unit", "unit of systemd, from the cgroup's path"),
        text("command_line", "arguments joined by spaces"),
        text("exe", "the program's file"),
        bool("exe_deleted", "that file was deleted or replaced"),
        text("wchan", "where its first thread waits in the kernel"),
        int("netns", "inode of the network namespace"),
        int("pidns", "inode of the pid namespace"),
        int("mntns", "inode of the mount namespace"),
        text(
            "seen",
            "`both` readings, only the `first`, only the `last`; `once` with one reading",
        ),
        int("window_us", "time between its readings"),
    ],
    reads: &[
        "/proc/*/stat",
        "/proc/*/status",
        "/proc/*/cgroup",
        "/proc/*/wchan",
        "/proc/*/io",
        "/proc/*/schedstat",
        "/proc/*/oom_score",
        "/proc/*/oom_score_adj",
        "/proc/*/limits",
        "/proc/*/cmdline",
        "/proc/*/exe",
        "/proc/*/fd",
        "/proc/*/ns/net",
        "/proc/*/ns/pid",
        "/proc/*/ns/mnt",
    ],
    decoder: || Box::new(Processes::default()),
};

/// `PF_KTHREAD` of `include/linux/sched.h`, in the field `flags`. The parent tells less: pid 2 of a
/// container is a program, and programs that the kernel starts are children of its threads.
const KERNEL_THREAD: u64 = 0x0020_0000;

#[derive(Default)]
struct Processes {
    processes: HashMap<u32, Process>,
    has_window: bool,
    capture_us: Option<u64>,
    /// Processes that were replaced by another of their pid.
    ended: Vec<(u32, Process)>,
}

#[derive(Default)]
struct Process {
    entry: String,
    first: Option<Stat>,
    last: Option<Stat>,
    swap_bytes: Option<u64>,
    uid: Option<u64>,
    switches: [Option<u64>; 2],
    io: [Option<IoReading>; 2],
    run_delay_ns: [Option<u64>; 2],
    oom_score: Option<i64>,
    oom_score_adjust: Option<i64>,
    fd_count: Option<u64>,
    fd_limit: Option<u64>,
    cgroup: Option<String>,
    command_line: Option<String>,
    exe: Option<String>,
    wchan: Option<String>,
    namespaces: [Option<u64>; 3],
}

#[derive(Clone, Copy)]
struct IoReading {
    read_bytes: u64,
    write_bytes: u64,
    at_us: u64,
}

#[derive(Clone)]
pub(crate) struct Stat {
    pub(crate) comm: String,
    pub(crate) state: String,
    /// From the parent's pid on.
    fields: Vec<i64>,
    at_us: Option<u64>,
}

impl Stat {
    /// A field by its number in proc(5), from 4 on.
    fn field(&self, number: usize) -> Option<i64> {
        self.fields.get(number.checked_sub(4)?).copied()
    }

    fn unsigned(&self, number: usize) -> Option<u64> {
        self.field(number)
            .and_then(|value| u64::try_from(value).ok())
    }
}

/// Parses `/proc/PID/stat`.
pub(crate) fn parse(bytes: &[u8], at_us: Option<u64>) -> Option<Stat> {
    let open = bytes.iter().position(|b| *b == b'(')?;
    let close = bytes.iter().rposition(|b| *b == b')')?;
    let comm = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    let mut words = rest.split_ascii_whitespace();
    let state = words.next().filter(|state| state.len() == 1)?.to_owned();
    let fields: Option<Vec<i64>> = words.map(field).collect();
    let fields = fields.filter(|fields| fields.len() >= 19)?;
    Some(Stat {
        comm,
        state,
        fields,
        at_us,
    })
}

/// A number of stat. Addresses and limits beyond `i64` are of no use here: the largest number.
fn field(word: &str) -> Option<i64> {
    let number = word.parse::<i64>().ok();
    number.or_else(|| word.parse::<u64>().ok().map(|_| i64::MAX))
}

impl Processes {
    fn stat(&mut self, pid: u32, input: &Input<'_>, damages: &mut Damages) {
        let Some(stat) = parse(input.bytes, input.started_us()) else {
            damages.add(input, Some(1), "not a stat of a process");
            return;
        };
        let process = self.processes.entry(pid).or_default();
        let known = process.first.as_ref().or(process.last.as_ref());
        let is_other = known.is_some_and(|known| known.field(22) != stat.field(22));
        if is_other {
            let ended = std::mem::take(process);
            self.ended.push((pid, ended));
        }
        let process = self.processes.entry(pid).or_default();
        if process.entry.is_empty() {
            input.entry.clone_into(&mut process.entry);
        }
        if input.reading == 0 {
            self.capture_us = self.capture_us.or(stat.at_us);
            process.first = Some(stat);
        } else {
            self.has_window = true;
            process.last = Some(stat);
        }
    }
}

impl Decode for Processes {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let Some(pid) = input.part(1).and_then(|pid| pid.parse().ok()) else {
            return;
        };
        let file = input.path.rsplit('/').next().unwrap_or_default();
        if file == "stat" {
            self.stat(pid, input, damages);
            return;
        }
        // A process without stat gets no row.
        let process = self.processes.entry(pid).or_default();
        let reading = usize::from(input.reading > 0);
        match file {
            "status" => process.status(&input.text()),
            "io" => {
                let text = input.text();
                let find = |name: &str| {
                    text.lines()
                        .find_map(|l| l.strip_prefix(name)?.trim().parse().ok())
                };
                let values = find("read_bytes:")
                    .zip(find("write_bytes:"))
                    .zip(input.started_us());
                if let (Some(((read_bytes, write_bytes), at_us)), Some(slot)) =
                    (values, process.io.get_mut(reading))
                {
                    *slot = Some(IoReading {
                        read_bytes,
                        write_bytes,
                        at_us,
                    });
                }
            }
            "schedstat" => {
                let delay = input
                    .text()
                    .split_ascii_whitespace()
                    .nth(1)
                    .and_then(|w| w.parse().ok());
                if let Some(slot) = process.run_delay_ns.get_mut(reading) {
                    *slot = delay;
                }
            }
            "oom_score" => process.oom_score = input.text().trim().parse().ok(),
            "oom_score_adj" => process.oom_score_adjust = input.text().trim().parse().ok(),
            "limits" => process.fd_limit = open_files_limit(&input.text()),
            "cgroup" => {
                process.cgroup = identity::cgroup_of_process(&input.text()).map(str::to_owned);
            }
            "cmdline" => process.command_line = command_line(input.bytes),
            "exe" => process.exe = Some(input.text().into_owned()),
            "wchan" => {
                process.wchan =
                    Some(input.text().trim().to_owned()).filter(|w| w != "0" && !w.is_empty());
            }
            "fd" => {
                process.fd_count = Some(input.bytes.iter().filter(|b| **b == b'\n').count() as u64);
            }
            "net" | "pid" | "mnt" => {
                let place = ["net", "pid", "mnt"].iter().position(|name| *name == file);
                if let Some(slot) = place.and_then(|place| process.namespaces.get_mut(place)) {
                    *slot = namespace(&input.text());
                }
            }
            _ => {}
        }
    }

    fn finish(self: Box<Self>, node: &Node, rows: &mut Rows) {
        let mut processes: Vec<(u32, Process)> =
            self.processes.into_iter().chain(self.ended).collect();
        processes.sort_by_key(|(pid, process)| {
            let stat = process.first.as_ref().or(process.last.as_ref());
            (*pid, stat.and_then(|s| s.field(22)))
        });
        for (pid, process) in processes {
            process.row(pid, node, self.has_window, self.capture_us, rows);
        }
    }
}

impl Process {
    fn status(&mut self, text: &str) {
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let first = || {
                value
                    .split_ascii_whitespace()
                    .next()
                    .and_then(|w| w.parse::<u64>().ok())
            };
            match name {
                "VmSwap" => self.swap_bytes = first().and_then(|kb| kb.checked_mul(1024)),
                "Uid" => self.uid = first(),
                "voluntary_ctxt_switches" => self.switches[0] = first(),
                "nonvoluntary_ctxt_switches" => self.switches[1] = first(),
                _ => {}
            }
        }
    }

    fn row(
        self,
        pid: u32,
        node: &Node,
        has_window: bool,
        capture_us: Option<u64>,
        rows: &mut Rows,
    ) {
        let Some(stat) = self.first.as_ref().or(self.last.as_ref()) else {
            return;
        };
        let pair = self.first.as_ref().zip(self.last.as_ref());
        let window_us = pair
            .and_then(|(a, b)| b.at_us?.checked_sub(a.at_us?))
            .filter(|us| *us > 0);
        let delta = |number: usize| {
            pair.and_then(|(a, b)| b.unsigned(number)?.checked_sub(a.unsigned(number)?))
        };
        let cpu = |number: usize| {
            let us = node.ticks_to_us(delta(number)?);
            Some(us as f64 / window_us? as f64)
        };
        let (user, system) = (cpu(14), cpu(15));
        let start_us = stat.unsigned(22).map(|ticks| node.ticks_to_us(ticks));
        let identity = self
            .cgroup
            .as_deref()
            .map(identity::identify)
            .unwrap_or_default();
        let seen = match (&self.first, &self.last) {
            (Some(_), Some(_)) => "both",
            (Some(_), None) if has_window => "first",
            (Some(_), None) => "once",
            _ => "last",
        };
        let mut row = rows.add(&self.entry, Some(1));
        row.set("pid", pid)
            .set("start_ts_us", start_us)
            .set("comm", stat.comm.as_str())
            .set("state", stat.state.as_str())
            .set("parent_pid", stat.field(4))
            .set("process_group", stat.field(5))
            .set(
                "kernel_thread",
                stat.unsigned(9).map(|flags| flags & KERNEL_THREAD != 0),
            )
            .set("threads_count", stat.field(20))
            .set(
                "user_us",
                stat.unsigned(14).map(|ticks| node.ticks_to_us(ticks)),
            )
            .set(
                "system_us",
                stat.unsigned(15).map(|ticks| node.ticks_to_us(ticks)),
            )
            .set("cpu_ratio", user.zip(system).map(|(u, s)| u + s))
            .set("user_ratio", user)
            .set("system_ratio", system)
            .set(
                "age_us",
                capture_us
                    .or(stat.at_us)
                    .zip(start_us)
                    .and_then(|(now, start)| now.checked_sub(start)),
            )
            .set("virtual_bytes", stat.unsigned(23))
            .set(
                "resident_bytes",
                stat.unsigned(24)
                    .and_then(|pages| pages.checked_mul(node.page_size_bytes())),
            )
            .set("minor_faults_delta", delta(10))
            .set("major_faults_delta", delta(12))
            .set("priority", stat.field(18))
            .set("nice", stat.field(19))
            .set("seen", seen)
            .set("window_us", window_us);
        self.more(row, identity);
    }

    /// The columns that come from other files than stat.
    fn more(self, mut row: Row<'_>, identity: Identity) {
        let [first_io, last_io] = self.io;
        let rate = |value: fn(IoReading) -> u64| {
            let (a, b) = first_io.zip(last_io)?;
            let us = b.at_us.checked_sub(a.at_us).filter(|us| *us > 0)?;
            Some(value(b).checked_sub(value(a))? as f64 * 1e6 / us as f64)
        };
        let [first_delay, last_delay] = self.run_delay_ns;
        let delay = first_delay
            .zip(last_delay)
            .and_then(|(a, b)| b.checked_sub(a));
        let [net, pid, mnt] = self.namespaces;
        let used = self
            .fd_count
            .zip(self.fd_limit)
            .filter(|(_, limit)| *limit > 0);
        let deleted = self.exe.as_ref().map(|exe| exe.ends_with(" (deleted)"));
        row.set("swap_bytes", self.swap_bytes)
            .set("uid", self.uid)
            .set("oom_score", self.oom_score)
            .set("oom_score_adjust", self.oom_score_adjust)
            .set("read_bytes_per_second", rate(|io| io.read_bytes))
            .set("write_bytes_per_second", rate(|io| io.write_bytes))
            .set("fd_count", self.fd_count)
            .set("fd_limit_count", self.fd_limit)
            .set(
                "fd_used_ratio",
                used.map(|(count, limit)| count as f64 / limit as f64),
            )
            .set("run_delay_us", delay.map(|ns| ns / 1000))
            .set("voluntary_switches_count", self.switches[0])
            .set("involuntary_switches_count", self.switches[1])
            .set("cgroup", self.cgroup)
            .set("pod_uid", identity.pod_uid)
            .set("container_id", identity.container_id)
            .set("unit", identity.unit)
            .set("command_line", self.command_line)
            .set(
                "exe",
                self.exe
                    .map(|exe| exe.trim_end_matches(" (deleted)").to_owned()),
            )
            .set("exe_deleted", deleted)
            .set("wchan", self.wchan)
            .set("netns", net)
            .set("pidns", pid)
            .set("mntns", mnt);
    }
}

/// Arguments end with a NUL each.
fn command_line(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return None;
    }
    let words = bytes.split(|b| *b == 0).map(String::from_utf8_lossy);
    Some(words.collect::<Vec<_>>().join(" "))
}

/// The soft limit in `Max open files            1024                 524288               files`.
fn open_files_limit(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The inode in `net:[4026531840]`.
pub(crate) fn namespace(link: &str) -> Option<u64> {
    link.split_once('[')?
        .1
        .trim_end()
        .strip_suffix(']')?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const STAT: &str =
        "7 (a) b\n(c) S 2 7 7 0 -1 4194560 100 0 3 0 200 50 0 0 20 0 4 0 8000 8192 2 0 0\n";

    #[test]
    fn rates_identity_and_limits() {
        let later = STAT.replace(" 200 50 ", " 700 150 ");
        let (rows, damages) = run(
            "process",
            &[
                ("root/proc/7/stat", STAT.as_bytes()),
                ("root/proc/7/status", b"Name:\ta\nUid:\t1000\t1000\t1000\t1000\nVmSwap:\t     4 kB\n"),
                ("root/proc/7/cgroup", b"0::/system.slice/kubelet.service\n"),
                ("root/proc/7/limits", b"Limit                     Soft Limit\nMax open files            10                   20                   files     \n"),
                ("root/proc/7/fd", b"0\t/dev/null\n1\tsocket:[5]\n"),
                ("root/proc/7/cmdline", b"java\0-jar\0\xff\0"),
                ("root/proc/7/exe", b"/usr/bin/java (deleted)"),
                ("root/proc/7/ns/net", b"net:[4026531840]"),
                ("root/proc/7/io", b"rchar: 9\nread_bytes: 1000\nwrite_bytes: 0\n"),
                ("window/10/proc/7/stat", later.as_bytes()),
                ("window/10/proc/7/io", b"rchar: 9\nread_bytes: 11000\nwrite_bytes: 0\n"),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &["pid", "comm", "state", "kernel_thread", "threads_count"]
            ),
            "7,a) b\n(c,S,false,4\n"
        );
        assert_eq!(
            csv(
                &rows,
                &["cpu_ratio", "user_ratio", "resident_bytes", "start_ts_us"]
            ),
            "0.6000,0.5000,8192,80000000\n"
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "uid",
                    "swap_bytes",
                    "unit",
                    "fd_used_ratio",
                    "read_bytes_per_second"
                ]
            ),
            "1000,4096,kubelet.service,0.2000,1000.0000\n"
        );
        assert_eq!(
            csv(
                &rows,
                &["command_line", "exe", "exe_deleted", "netns", "seen"]
            ),
            "java -jar \u{FFFD},/usr/bin/java,true,4026531840,both\n"
        );
        assert!(damages.list.is_empty());
    }

    #[test]
    fn a_reused_pid_is_another_process() {
        let other = STAT.replace(" 8000 ", " 9000 ");
        let (rows, _) = run(
            "process",
            &[
                ("root/proc/7/stat", STAT.as_bytes()),
                ("window/1/proc/7/stat", other.as_bytes()),
            ],
        );
        assert_eq!(
            csv(&rows, &["pid", "start_ts_us", "seen", "cpu_ratio"]),
            "7,80000000,first,\n7,90000000,last,\n"
        );
    }

    #[test]
    fn a_pid_that_is_reused_twice_keeps_counters_apart() {
        let stat = |start: &str| STAT.replace(" 8000 ", start).into_bytes();
        let io =
            |bytes: u32| format!("rchar: 9\nread_bytes: {bytes}\nwrite_bytes: 0\n").into_bytes();
        let (rows, _) = run(
            "process",
            &[
                ("root/proc/7/stat", &stat(" 8000 ")),
                ("root/proc/7/io", &io(1000)),
                ("window/5/proc/7/stat", &stat(" 9000 ")),
                ("window/5/proc/7/io", &io(9000)),
                ("window/10/proc/7/stat", &stat(" 9500 ")),
                ("window/10/proc/7/io", &io(9500)),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "pid",
                    "start_ts_us",
                    "seen",
                    "read_bytes_per_second",
                    "user_ratio"
                ]
            ),
            "7,80000000,first,,\n7,90000000,last,,\n7,95000000,last,,\n"
        );
    }

    #[test]
    fn kernel_threads_are_told_by_their_flag() {
        let (rows, damages) = run(
            "process",
            &[
                // As pid 2 of a node, and as pid 2 of a container.
                ("root/proc/2/stat", b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 4 0 0 20 0 1 0 8 0 0 18446744073709551615 0 0 0 0 0 0 0 2147483647 0 0 0 0 0 1 0 0 0 0 0\n"),
                ("root/proc/3/stat", b"3 (nginx) S 2 3 3 0 -1 4194304 0 0 0 0 0 4 0 0 20 0 1 0 8 4096 1 18446744073709551615 0 0 0 0 0 0 0 2147483647 0 0 0 0 0 1 0 0 0 0 0\n"),
                ("root/proc/4/stat", b"4 (x) S 2 3 3 0 -1 4194304 0 0 0 0 many 4 0 0 20 0 1 0 8 4096 1\n"),
            ],
        );
        assert_eq!(
            csv(&rows, &["pid", "kernel_thread", "resident_bytes"]),
            "2,true,0\n3,false,4096\n"
        );
        assert_eq!(damages.list.len(), 1, "a number that is none");
    }

    #[test]
    fn one_reading_and_a_cut_file() {
        let (rows, damages) = run(
            "process",
            &[
                ("root/proc/7/stat", STAT.as_bytes()),
                ("root/proc/8/stat", b"8 (x) S 1"),
            ],
        );
        assert_eq!(
            csv(&rows, &["pid", "seen", "cpu_ratio", "fd_count"]),
            "7,once,,\n"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
