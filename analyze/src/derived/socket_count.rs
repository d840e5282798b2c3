//! Sockets counted by namespace, protocol and state.

use std::collections::BTreeMap;

use crate::table::{Cell, Derived, Node, Rows, Store, bool, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "socket_count",
    about: "sockets counted by namespace, protocol and state",
    columns: &[
        int("netns", "inode of the namespace"),
        bool("is_host", "in the host's namespace"),
        int("pid", "process through which the namespace was read"),
        text("protocol", ""),
        text("state", ""),
        int("count", ""),
    ],
    needs: &["socket"],
    rank: 0,
    build,
};

fn build(store: &Store, _: &Node, rows: &mut Rows) {
    let Some(sockets) = store.get("socket") else {
        return;
    };
    let mut counts: BTreeMap<(Option<i64>, String, String), (usize, i64)> = BTreeMap::new();
    for row in 0..sockets.len() {
        let (protocol, state) = (sockets.text(row, "protocol"), sockets.text(row, "state"));
        let Some((protocol, state)) = protocol.zip(state) else {
            continue;
        };
        let key = (
            sockets.int(row, "pid"),
            protocol.to_owned(),
            state.to_owned(),
        );
        counts.entry(key).or_insert((row, 0)).1 += 1;
    }
    for ((pid, protocol, state), (example, count)) in counts {
        let is_host = match sockets.get(example, "is_host") {
            Cell::Bool(is_host) => Some(is_host),
            _ => None,
        };
        rows.add(sockets.text(example, "entry").unwrap_or_default(), None)
            .set("netns", sockets.int(example, "netns"))
            .set("is_host", is_host)
            .set("pid", pid)
            .set("protocol", protocol)
            .set("state", state)
            .set("count", count);
    }
}
