//! Threads that were captured because they were blocked: uninterruptible, with the kernel stack
//! that they waited in.
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
    about: "threads in uninterruptible sleep, with their kernel stacks",
    columns: &[
        int("pid", ""),
        int("tid", ""),
        text("comm", ""),
        text("state", ""),
        text("wchan", "where it waits"),
        int("syscall_number", "the system call it is in"),
        text("stack", "kernel functions, innermost first, joined by `;`"),
        text("stack_top", "the innermost"),
        int("readings_count", "readings in which it was blocked"),
        bool("same_stack", "the same stack in all of them; null with one"),
        int("ts_us", "first seen, since boot"),
        text("cgroup", ""),
        text("pod_uid", ""),
        text("container_id", ""),
        text("namespace", "of the pod"),
        text("pod", "its name"),
        text("container", "name of the container"),
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
}

#[derive(Default)]
struct Thread {
    entry: String,
    comm: String,
    state: String,
    wchan: Option<String>,
    syscall: Option<i64>,
    stacks: Vec<String>,
    readings: i64,
    ts_us: Option<u64>,
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
        if file == "stat" {
            let Some(stat) = parse(input.bytes, None) else {
                damages.add(input, Some(1), "not a stat of a thread");
                return;
            };
            let thread = self.threads.entry((pid, tid)).or_default();
            if thread.readings == 0 {
                thread.entry = input.entry.replace("/stat", "/stack");
                thread.ts_us = input.started_us();
            }
            thread.comm = stat.comm;
            thread.state = stat.state;
            thread.readings += 1;
            return;
        }
        let Some(thread) = self.threads.get_mut(&(pid, tid)) else {
            return;
        };
        match file {
            "wchan" => {
                thread.wchan =
                    Some(input.text().trim().to_owned()).filter(|w| w != "0" && !w.is_empty());
            }
            "syscall" => {
                thread.syscall = input
                    .text()
                    .split_ascii_whitespace()
                    .next()
                    .and_then(|n| n.parse().ok());
            }
            "stack" => thread.stacks.push(stack(&input.text())),
            _ => {}
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for ((pid, tid), thread) in self.threads {
            let stack = thread.stacks.last().filter(|stack| !stack.is_empty());
            let same = thread
                .stacks
                .split_first()
                .filter(|(_, rest)| !rest.is_empty());
            let cgroup = self.cgroups.get(&pid);
            let identity = cgroup
                .map(|path| identity::identify(path))
                .unwrap_or_default();
            rows.add(&thread.entry, None)
                .set("pid", pid)
                .set("tid", tid)
                .set("comm", thread.comm)
                .set("state", thread.state)
                .set("wchan", thread.wchan)
                .set("syscall_number", thread.syscall)
                .set("stack", stack.map(String::as_str))
                .set("stack_top", stack.and_then(|stack| stack.split(';').next()))
                .set("readings_count", thread.readings)
                .set(
                    "same_stack",
                    same.map(|(first, rest)| rest.iter().all(|stack| stack == first)),
                )
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
}
