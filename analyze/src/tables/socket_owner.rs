//! Who holds a socket: the descriptors of `/proc/PID/fd` that point to one.
//!
//! ```text
//! 3<TAB>socket:[40513]
//! ```
//!
//! The number is the inode of table `socket` (proc(5), `/proc/PID/fd`). Processes that inherited a
//! socket hold it too. A socket without owner was closed, or its process was not listed.

use crate::table::{Damages, Decode, Input, Node, Rows, Table, int};

/// The table.
pub static TABLE: Table = Table {
    name: "socket_owner",
    about: "descriptors that are sockets, one row each",
    columns: &[
        int("pid", ""),
        int("fd", "number of the descriptor"),
        int("inode", "of the socket, as in table `socket`"),
    ],
    reads: &["/proc/*/fd"],
    decoder: || Box::new(SocketOwners::default()),
};

#[derive(Default)]
struct SocketOwners {
    owners: Vec<Owner>,
    /// Most rows come from few listings: their paths are kept once.
    entries: Vec<String>,
}

struct Owner {
    entry: usize,
    line: i64,
    pid: u32,
    fd: u32,
    inode: u64,
}

impl Decode for SocketOwners {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let Some(pid) = input.part(1).and_then(|pid| pid.parse().ok()) else {
            return;
        };
        if input.reading > 0 {
            return;
        }
        let entry = self.entries.len();
        self.entries.push(input.entry.to_owned());
        for (line, text) in input.lines() {
            let Some((fd, inode)) = text.split_once("\tsocket:[") else {
                continue;
            };
            let inode = inode.strip_suffix(']').and_then(|inode| inode.parse().ok());
            let (Ok(fd), Some(inode)) = (fd.parse(), inode) else {
                damages.add(input, Some(line), "not a descriptor of a socket");
                continue;
            };
            self.owners.push(Owner {
                entry,
                line,
                pid,
                fd,
                inode,
            });
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for owner in self.owners {
            let entry = self.entries.get(owner.entry);
            rows.add(entry.map_or("", String::as_str), Some(owner.line))
                .set("pid", owner.pid)
                .set("fd", owner.fd)
                .set("inode", owner.inode);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn sockets_alone() {
        let listing = b"0\t/dev/null\n1\tsocket:[40513]\n2\tpipe:[7]\n3\tsocket:[40514]\n9\n";
        let (rows, damages) = run("socket_owner", &[("root/proc/7/fd", listing)]);
        assert_eq!(
            csv(&rows, &["pid", "fd", "inode", "line"]),
            "7,1,40513,2\n7,3,40514,4\n"
        );
        assert!(damages.list.is_empty());
    }

    #[test]
    fn nonsense_is_damage_and_a_later_listing_is_no_second_owner() {
        let (rows, damages) = run(
            "socket_owner",
            &[
                (
                    "root/proc/7/fd",
                    b"1\tsocket:[40513\nx\tsocket:[5]\n2\tsocket:[99999999999999999999]\n\xff\xfe\n4\tsocket:[6]\n",
                ),
                ("window/10/proc/7/fd", b"4\tsocket:[6]\n"),
            ],
        );
        assert_eq!(csv(&rows, &["pid", "fd", "inode"]), "7,4,6\n");
        assert_eq!(damages.list.len(), 3);
    }
}
