//! Sockets in use and their memory, from `net/sockstat` and `net/sockstat6`.
//!
//! ```text
//! TCP: inuse 5 orphan 0 tw 2 alloc 9 mem 1
//! ```
//!
//! `mem` counts pages and is the same in every namespace: the limits are the node's.

use crate::table::netns::{self, LINKS, Namespaces};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "socket_memory",
    about: "sockets in use and their memory, per namespace and protocol",
    columns: &[
        int("netns", "inode of the namespace"),
        bool("is_host", "in the host's namespace"),
        text("protocol", "TCP, UDP, TCP6 ..."),
        int("in_use_count", ""),
        int("orphan_count", "without a process; the node's"),
        int("time_wait_count", ""),
        int("allocated_count", "the node's"),
        int("memory_pages_count", "of the node"),
    ],
    reads: &["/proc/*/net/sockstat", "/proc/*/net/sockstat6", LINKS],
    decoder: || Box::new(SocketMemory::default()),
};

#[derive(Default)]
struct SocketMemory {
    lines: Vec<(String, i64, Option<u32>, String)>,
    namespaces: Namespaces,
}

impl Decode for SocketMemory {
    fn entry(&mut self, input: &Input<'_>, _: &Node, _: &mut Damages) {
        if self.namespaces.take(input) || input.reading > 0 {
            return;
        }
        for (number, line) in input.lines().filter(|(_, line)| line.contains(" inuse ")) {
            let pid = netns::reader(input);
            self.lines
                .push((input.entry.to_owned(), number, pid, line.into_owned()));
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, number, pid, line) in &self.lines {
            let Some((protocol, values)) = line.split_once(':') else {
                continue;
            };
            let words: Vec<&str> = values.split_ascii_whitespace().collect();
            let value = |name: &str| {
                let pair = words.chunks(2).find(|pair| pair.first() == Some(&name))?;
                pair.get(1)?.parse::<u64>().ok()
            };
            rows.add(entry, Some(*number))
                .set("netns", self.namespaces.inode(*pid))
                .set("is_host", netns::is_host(*pid))
                .set("protocol", protocol)
                .set("in_use_count", value("inuse"))
                .set("orphan_count", value("orphan"))
                .set("time_wait_count", value("tw"))
                .set("allocated_count", value("alloc"))
                .set("memory_pages_count", value("mem"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn named_values() {
        let (rows, _) = run(
            "socket_memory",
            &[(
                "root/proc/1/net/sockstat",
                b"sockets: used 163\nTCP: inuse 5 orphan 1 tw 2 alloc 9 mem 3\nRAW: inuse 0\n",
            )],
        );
        let columns = [
            "protocol",
            "in_use_count",
            "orphan_count",
            "memory_pages_count",
        ];
        assert_eq!(csv(&rows, &columns), "TCP,5,1,3\nRAW,0,,\n");
    }
}
