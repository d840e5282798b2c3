//! Threads that were captured because they waited: uninterruptible in any reading, or those of kubelet
//! and the runtimes that had not run for a second; with the kernel stack that they waited in. A later
//! `stat` alone, with another state, tells that one went on.
//!
//! ```text
//! [<0>] request_wait_answer+0x12e/0x210
//! [<0>] fuse_simple_request+0x1a6/0x300
//! ```

use std::collections::BTreeMap;

use crate::table::identity;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};
use crate::tables::process::parse;

/// The table.
pub static TABLE: Table = Table {
    name: "thread",
    about: "threads in uninterruptible sleep, and those of kubelet and runtimes that waited, with their kernel stacks",
    columns: &[
        int("pid", ""),
        int("tid", ""),
        text("comm", ""),
        text("state", "D: uninterruptible in some reading"),
        text("wchan", "where it waits"),
        int("syscall_number", "the system call it is in"),
        text("stack", "kernel functions, innermost first, joined by `;`"),
        text("stack_top", "the innermost"),
        int(
            "readings_count",
            "of the first and the last reading, those in which it waited",
        ),
        int(
            "sweeps_count",
            "of the readings each second in between, those in which it waited",
        ),
        bool(
            "same_stack",
            "it waited in the first, the last and every reading in between, with the same stack; null with one reading",
        ),
        int("ts_us", "first seen, since boot"),
        text("cgroup", ""),
        text("pod_uid", ""),
        text("container_id", ""),
    ],
    reads: &[
        "/proc/*/task/*/stat",
        "/proc/*/task/*/wchan",
        "/proc/*/task/*/syscall",
        "/proc/*/task/*/stack",
        "/proc/*/cgroup",
    ],
    decoder: || Box::new(Threads::default()),
};

#[derive(Default)]
struct Threads {
    threads: BTreeMap<(u32, u32), Thread>,
    cgroups: BTreeMap<u32, String>,
    /// The last reading.
    last: u32,
}

#[derive(Default)]
struct Thread {
    entry: String,
    ts_us: Option<u64>,
    readings: BTreeMap<u32, Reading>,
}

/// A thread at one time.
#[derive(Default)]
struct Reading {
    comm: String,
    state: String,
    wchan: Option<String>,
    syscall: Option<i64>,
    stack: Option<String>,
}

impl Reading {
    fn waits(&self) -> bool {
        self.is_blocked() || self.stack.is_some()
    }

    fn is_blocked(&self) -> bool {
        self.state == "D"
    }
}

impl Thread {
    /// The last reading in which it was blocked, or else waited.
    fn telling(&self) -> Option<&Reading> {
        let last = |is_it: fn(&Reading) -> bool| self.readings.values().rev().find(|r| is_it(r));
        last(Reading::is_blocked).or_else(|| last(Reading::waits))
    }

    /// What is known from the telling reading, or else from the last one that knows.
    fn last<'a, T>(
        &'a self,
        telling: &'a Reading,
        value: fn(&'a Reading) -> Option<T>,
    ) -> Option<T> {
        let others = || self.readings.values().rev().find_map(value);
        value(telling).or_else(others)
    }

    /// How often it waited in the first and last reading, and in between.
    fn counts(&self, last: u32) -> (i64, i64) {
        let waits = self.readings.iter().filter(|(_, reading)| reading.waits());
        let (ends, between): (Vec<_>, Vec<_>) = waits.partition(|(n, _)| **n == 0 || **n == last);
        (ends.len() as i64, between.len() as i64)
    }

    /// Whether it waited all the time in one place; nothing is known of what was read once.
    fn same_stack(&self, last: u32) -> Option<bool> {
        let mut stacks = self.readings.values().filter_map(|r| r.stack.as_ref());
        let first = stacks.next()?;
        if self.readings.len() < 2 {
            return None;
        }
        let is_whole = self.readings.values().all(Reading::waits) && self.counts(last).0 == 2;
        Some(is_whole && stacks.all(|stack| stack == first))
    }
}

impl Decode for Threads {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let Some(pid) = input.part(1).and_then(|pid| pid.parse().ok()) else {
            return;
        };
        if input.part(2) == Some("cgroup") {
            if let Some(path) = identity::cgroup_of_process(&input.text()) {
                self.cgroups.insert(pid, path.to_owned());
            }
            return;
        }
        let Some(tid) = input.part(3).and_then(|tid| tid.parse().ok()) else {
            return;
        };
        let file = input.path.rsplit('/').next().unwrap_or_default();
        self.last = self.last.max(input.reading);
        if file == "stat" {
            let Some(stat) = parse(input.bytes, None) else {
                damages.add(input, Some(1), "not a stat of a thread");
                return;
            };
            let thread = self.threads.entry((pid, tid)).or_default();
            if thread.readings.is_empty() {
                thread.entry = input.entry.replace("/stat", "/stack");
                thread.ts_us = input.started_us();
            }
            let reading = thread.readings.entry(input.reading).or_default();
            reading.comm = stat.comm;
            reading.state = stat.state;
            return;
        }
        let thread = self.threads.get_mut(&(pid, tid));
        let Some(reading) = thread.and_then(|thread| thread.readings.get_mut(&input.reading))
        else {
            return;
        };
        match file {
            "wchan" => {
                reading.wchan =
                    Some(input.text().trim().to_owned()).filter(|w| w != "0" && !w.is_empty());
            }
            "syscall" => {
                reading.syscall = input
                    .text()
                    .split_ascii_whitespace()
                    .next()
                    .and_then(|n| n.parse().ok());
            }
            "stack" => reading.stack = Some(stack(&input.text())),
            _ => {}
        }
    }

    fn finish(self: Box<Self>, node: &Node, rows: &mut Rows) {
        let window = node.capture.as_ref().map(|capture| capture.window_seconds);
        let last = window.and_then(|window| window.try_into().ok());
        let last = last.filter(|last| *last > 0).unwrap_or(self.last);
        for ((pid, tid), thread) in self.threads {
            let Some(reading) = thread.telling() else {
                continue;
            };
            let stack = thread.last(reading, |reading| reading.stack.as_deref());
            let stack = stack.filter(|stack| !stack.is_empty());
            let (readings, sweeps) = thread.counts(last);
            let cgroup = self.cgroups.get(&pid);
            let identity = cgroup
                .map(|path| identity::identify(path))
                .unwrap_or_default();
            rows.add(&thread.entry, None)
                .set("pid", pid)
                .set("tid", tid)
                .set("comm", reading.comm.as_str())
                .set("state", reading.state.as_str())
                .set("wchan", thread.last(reading, |r| r.wchan.as_deref()))
                .set("syscall_number", thread.last(reading, |r| r.syscall))
                .set("stack", stack)
                .set("stack_top", stack.and_then(|stack| stack.split(';').next()))
                .set("readings_count", readings)
                .set("sweeps_count", sweeps)
                .set("same_stack", thread.same_stack(last))
                .set("ts_us", thread.ts_us)
                .set("cgroup", cgroup.map(String::as_str))
                .set("pod_uid", identity.pod_uid)
                .set("container_id", identity.container_id);
        }
    }
}

/// The functions of `/proc/PID/task/TID/stack`, addresses and offsets taken off.
pub(crate) fn stack(text: &str) -> String {
    let functions = text.lines().filter_map(|line| {
        let symbol = line.split_once("] ").map_or(line, |(_, symbol)| symbol);
        let name = symbol.split(['+', ' ']).next()?;
        // The end of old kernels' stacks.
        (!name.is_empty() && !name.starts_with("0x")).then_some(name)
    });
    functions.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const STAT: &[u8] = b"7 (df) D 1 7 7 0 -1 4194560 1 0 3 0 2 5 0 0 20 0 4 0 8000 8192 2 0 0\n";
    const STACK: &[u8] = b"[<0>] request_wait_answer+0x12e/0x210\n[<0>] fuse_statfs+0x1/0x2 [fuse]\n[<ffffffff>] 0xffffffffffffffff\n";

    #[test]
    fn stuck_in_the_same_place() {
        let (rows, _) = run(
            "thread",
            &[
                ("root/proc/7/cgroup", b"0::/user.slice\n"),
                ("root/proc/7/task/9/stat", STAT),
                ("root/proc/7/task/9/stack", STACK),
                ("root/proc/7/task/9/syscall", b"137 0x7f 0x1\n"),
                ("window/10/proc/7/task/9/stat", STAT),
                ("window/10/proc/7/task/9/stack", STACK),
            ],
        );
        let columns = [
            "pid",
            "tid",
            "comm",
            "stack",
            "stack_top",
            "syscall_number",
            "readings_count",
            "same_stack",
            "cgroup",
        ];
        assert_eq!(
            csv(&rows, &columns),
            "7,9,df,request_wait_answer;fuse_statfs,request_wait_answer,137,2,true,/user.slice\n"
        );
    }

    const WENT_ON: &[u8] =
        b"7 (df) S 1 7 7 0 -1 4194560 1 0 3 0 2 5 0 0 20 0 4 0 8000 8192 2 0 0\n";
    const COUNTS: [&str; 5] = [
        "tid",
        "state",
        "readings_count",
        "sweeps_count",
        "same_stack",
    ];

    /// Number, `stat` and perhaps stack of a reading.
    type Reading<'a> = (u32, &'a [u8], Option<&'a [u8]>);

    /// One thread in several readings.
    fn thread(readings: &[Reading<'_>]) -> String {
        let path = |reading: u32, file: &str| match reading {
            0 => format!("root/proc/7/task/9/{file}"),
            n => format!("window/{n}/proc/7/task/9/{file}"),
        };
        let mut entries = Vec::new();
        for (reading, stat, stack) in readings {
            entries.push((path(*reading, "stat"), *stat));
            entries.extend(stack.map(|stack| (path(*reading, "stack"), stack)));
        }
        let entries = entries.iter().map(|(path, bytes)| (path.as_str(), *bytes));
        let (rows, _) = run("thread", &entries.collect::<Vec<_>>());
        csv(&rows, &COUNTS)
    }

    #[test]
    fn one_that_went_on_meanwhile_is_not_stuck() {
        let blocked = |n| (n, STAT, Some(STACK));
        let all = [blocked(0), blocked(1), blocked(2), blocked(10)];
        assert_eq!(thread(&all), "9,D,2,2,true\n");
        let went_on = [blocked(0), blocked(1), (2, WENT_ON, None), blocked(10)];
        assert_eq!(thread(&went_on), "9,D,2,1,false\n");
        let elsewhere = [
            blocked(0),
            (4, STAT, Some(b"[<0>] io_schedule+0x1/0x2\n")),
            blocked(10),
        ];
        assert_eq!(thread(&elsewhere), "9,D,2,1,false\n");
        assert_eq!(thread(&[blocked(0), (1, WENT_ON, None)]), "9,D,1,0,false\n");
    }
}
