//! Blocked threads grouped by where they wait: a pile-up shows as one stack with many threads.

use std::collections::BTreeMap;

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
    ],
    needs: &["thread"],
    rank: 0,
    build,
};

#[derive(Default)]
struct Group {
    threads: i64,
    lasting: i64,
    example: usize,
}

fn build(store: &Store, _: &Node, rows: &mut Rows) {
    let Some(threads) = store.get("thread") else {
        return;
    };
    let mut groups: BTreeMap<(String, String), Group> = BTreeMap::new();
    for row in 0..threads.len() {
        let stack = threads
            .text(row, "stack")
            .or_else(|| threads.text(row, "wchan"))
            .unwrap_or("unknown");
        let state = threads.text(row, "state").unwrap_or_default();
        let group = groups
            .entry((stack.to_owned(), state.to_owned()))
            .or_insert(Group {
                example: row,
                ..Group::default()
            });
        group.threads += 1;
        group.lasting +=
            i64::from(threads.get(row, "same_stack") == crate::table::Cell::Bool(true));
    }
    for ((stack, state), group) in groups {
        rows.add(
            threads.text(group.example, "entry").unwrap_or_default(),
            None,
        )
        .set("stack_top", stack.split(';').next())
        .set("stack", stack.as_str())
        .set("state", state)
        .set("threads_count", group.threads)
        .set("lasting_threads_count", group.lasting)
        .set("example_comm", threads.text(group.example, "comm"))
        .set("example_pid", threads.int(group.example, "pid"));
    }
}
