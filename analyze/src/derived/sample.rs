//! Samples of profiles, each with who ran and where.

use crate::profile::{Frame, FrameKind, Profile};
use crate::table::{Derived, Node, Rows, Store, bool, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "sample",
    about: "samples of profiles that know when: who ran, and where; the functions are in `stack_frame`",
    columns: &[
        text("profile", "which profile it is of"),
        int("ts_us", "since boot"),
        int("cpu", ""),
        int("pid", ""),
        int("tid", ""),
        text("process", "name of the process"),
        text("thread", "name of the thread"),
        text("cgroup", "path of the unified, else the memory hierarchy"),
        text("unit", "unit of systemd, from the cgroup's path"),
        text("container_id", "from the cgroup's path"),
        text("container", "its name"),
        text("pod_uid", "from the cgroup's path"),
        text("pod", "namespace/name"),
        int("stack", "its number in `stack_frame`, of this profile"),
        int(
            "weight",
            "in the profile's unit; 1 for a sample of CPU time",
        ),
        bool("is_kernel", "it was in the kernel"),
        text("function", "the innermost one"),
    ],
    needs: &["profile"],
    rank: 1,
    build,
};

fn build(_: &Store, node: &Node, rows: &mut Rows) {
    for profile in &node.profiles {
        // Without times it is a sum, whose stacks are in `stack_frame`.
        let timed = profile.samples.iter().filter(|s| s.time_ns.is_some());
        for sample in timed {
            let task = profile.tasks.get(sample.task as usize);
            let leaf = leaf(profile, sample.stack);
            let mut row = rows.add(&profile.entry, None);
            row.set("profile", profile.name.as_str())
                .set("ts_us", sample.time_ns.map(|ns| node.since_boot_us(ns)))
                .set("cpu", sample.cpu)
                .set("stack", sample.stack)
                .set("weight", sample.weight)
                .set("is_kernel", leaf.map(|f| f.kind == FrameKind::Kernel))
                .set("function", leaf.map(|frame| frame.function.as_str()));
            if let Some(task) = task {
                row.set("pid", task.pid)
                    .set("tid", task.tid)
                    .set("process", task.process.as_str())
                    .set("thread", task.thread.as_str())
                    .set("cgroup", task.cgroup.as_deref())
                    .set("unit", task.unit.as_deref())
                    .set("container_id", task.container_id.as_deref())
                    .set("container", task.container.as_deref())
                    .set("pod_uid", task.pod_uid.as_deref())
                    .set("pod", task.pod.as_deref());
            }
        }
    }
}

/// Where the CPU was: the innermost function.
pub(crate) fn leaf(profile: &Profile, stack: u32) -> Option<&Frame> {
    let leaf = profile.stacks.innermost_first(stack).next()?;
    profile.symbols.get(leaf)
}
