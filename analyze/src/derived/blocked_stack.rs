//! Blocked threads grouped by where they wait: a pile-up shows as one stack with many threads. How
//! long they waited is of the profile `blocked`.

use std::collections::{BTreeMap, BTreeSet};

use crate::profile::blocked::{SLEEPING, UNINTERRUPTIBLE, waits_in};
use crate::profile::{Profile, Task};
use crate::table::{Derived, Node, Rows, Store, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "blocked_stack",
    about: "kernel stacks of blocked threads, grouped",
    columns: &[
        text(
            "stack",
            "kernel functions, innermost first, joined by `;`; the wait channel where there is no stack",
        ),
        text("stack_top", "the innermost"),
        text("state", ""),
        int("threads_count", ""),
        int(
            "lasting_threads_count",
            "of these, with the same stack in every reading",
        ),
        text("example_comm", ""),
        int("example_pid", ""),
        int(
            "blocked_us",
            "how long threads waited there in the window, all together, by switches between threads; null where none was watched",
        ),
    ],
    needs: &["thread"],
    rank: 0,
    build,
};

/// Stacks that only the profile has: as many of the longest.
const OF_PROFILE: usize = 200;

/// Stack and state.
type Key = (String, String);

#[derive(Default)]
struct Group {
    threads: i64,
    lasting: i64,
    entry: String,
    comm: Option<String>,
    pid: Option<i64>,
}

/// What the profile tells of a stack.
#[derive(Default)]
struct Waited<'a> {
    ns: u64,
    threads: BTreeSet<Option<u32>>,
    example: Option<&'a Task>,
}

fn build(store: &Store, node: &Node, rows: &mut Rows) {
    let profile = node.profiles.iter().find(|p| p.name == "blocked");
    let waited = profile.map(waited).unwrap_or_default();
    let mut groups = store.get("thread").map(groups).unwrap_or_default();
    // Who sleeps is no news; who is blocked between two readings is.
    let blocked = waited.iter().filter(|((_, state), _)| state == "D");
    let mut longest: Vec<(&Key, &Waited<'_>)> = blocked.collect();
    longest.sort_by_key(|(key, waited)| (std::cmp::Reverse(waited.ns), *key));
    for (key, waited) in longest.into_iter().take(OF_PROFILE) {
        groups.entry(key.clone()).or_insert_with(|| Group {
            threads: waited.threads.len() as i64,
            lasting: 0,
            entry: profile.map(|p| p.entry.clone()).unwrap_or_default(),
            comm: waited.example.map(|task| task.thread.clone()),
            pid: waited.example.and_then(|task| task.pid.map(i64::from)),
        });
    }
    for (key, group) in groups {
        let blocked_us = match waited.get(&key) {
            Some(waited) => Some(waited.ns / 1000),
            None if ["D", "S"].contains(&key.1.as_str()) => profile.map(|_| 0),
            None => None,
        };
        let (stack, state) = key;
        rows.add(&group.entry, None)
            .set("stack_top", stack.split(';').next())
            .set("stack", stack.as_str())
            .set("state", state)
            .set("threads_count", group.threads)
            .set("lasting_threads_count", group.lasting)
            .set("example_comm", group.comm)
            .set("example_pid", group.pid)
            .set("blocked_us", blocked_us);
    }
}

fn groups(threads: &Rows) -> BTreeMap<Key, Group> {
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    for row in 0..threads.len() {
        let stack = threads
            .text(row, "stack")
            .or_else(|| threads.text(row, "wchan"))
            .unwrap_or("unknown");
        let state = threads.text(row, "state").unwrap_or_default();
        let key = (stack.to_owned(), state.to_owned());
        let group = groups.entry(key).or_insert_with(|| Group {
            entry: threads.text(row, "entry").unwrap_or_default().to_owned(),
            comm: threads.text(row, "comm").map(str::to_owned),
            pid: threads.int(row, "pid"),
            ..Group::default()
        });
        group.threads += 1;
        group.lasting +=
            i64::from(threads.get(row, "same_stack") == crate::table::Cell::Bool(true));
    }
    groups
}

/// Time by stack of the kernel and state.
fn waited(profile: &Profile) -> BTreeMap<Key, Waited<'_>> {
    let mut waited: BTreeMap<Key, Waited<'_>> = BTreeMap::new();
    for sample in &profile.samples {
        let frames = profile.stacks.outermost_first(sample.stack);
        let root = frames.first().and_then(|id| profile.symbols.get(*id));
        let state = match root.map(|root| root.function.as_str()) {
            Some(UNINTERRUPTIBLE) => "D",
            Some(SLEEPING) => "S",
            _ => continue,
        };
        let stack = waits_in(profile, sample.stack).join(";");
        if stack.is_empty() {
            continue;
        }
        let waited = waited.entry((stack, state.to_owned())).or_default();
        waited.ns = waited.ns.saturating_add(sample.weight);
        let task = profile.tasks.get(sample.task as usize);
        waited.threads.insert(task.and_then(|task| task.tid));
        waited.example = waited.example.or(task);
    }
    waited
}
