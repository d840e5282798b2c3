//! How many sockets a process holds in each state: the owner that `/proc/net/tcp` does not name.

use std::collections::{BTreeMap, HashMap};

use crate::table::{Derived, Node, Rows, Store, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "process_socket",
    about: "sockets counted by the process that holds them, protocol and state",
    columns: &[
        int(
            "pid",
            "null: no descriptor of a process that was listed points to them",
        ),
        int("netns", "inode of the namespace"),
        text("protocol", ""),
        text("state", ""),
        int("count", ""),
        int("rx_queue_bytes", "not yet read, of all of them"),
    ],
    needs: &["socket", "socket_owner"],
    rank: 0,
    build,
};

struct Group {
    count: i64,
    rx_queue: Option<i64>,
    example: usize,
}

fn build(store: &Store, _: &Node, rows: &mut Rows) {
    let Some(sockets) = store.get("socket") else {
        return;
    };
    let holders = store.get("socket_owner").map(holders).unwrap_or_default();
    let mut groups: BTreeMap<_, Group> = BTreeMap::new();
    for row in 0..sockets.len() {
        let inode = sockets.int(row, "inode").filter(|inode| *inode != 0);
        let known = inode.and_then(|inode| holders.get(&inode));
        let unknown = [None];
        let netns = sockets.int(row, "netns");
        let protocol = sockets.text(row, "protocol");
        let state = sockets.text(row, "state");
        for pid in known.map_or(&unknown[..], Vec::as_slice) {
            let group = groups
                .entry((*pid, netns, protocol, state))
                .or_insert(Group {
                    count: 0,
                    rx_queue: None,
                    example: row,
                });
            group.count += 1;
            if let Some(bytes) = sockets.int(row, "rx_queue_bytes") {
                group.rx_queue = Some(group.rx_queue.unwrap_or(0).saturating_add(bytes));
            }
        }
    }
    for ((pid, netns, protocol, state), group) in groups {
        let entry = sockets.text(group.example, "entry").unwrap_or_default();
        rows.add(entry, sockets.int(group.example, "line"))
            .set("pid", pid)
            .set("netns", netns)
            .set("protocol", protocol)
            .set("state", state)
            .set("count", group.count)
            .set("rx_queue_bytes", group.rx_queue);
    }
}

/// Processes by the inode of their sockets, each once.
fn holders(owners: &Rows) -> HashMap<i64, Vec<Option<i64>>> {
    let mut holders: HashMap<i64, Vec<Option<i64>>> = HashMap::new();
    for row in 0..owners.len() {
        let (Some(inode), pid) = (owners.int(row, "inode"), owners.int(row, "pid")) else {
            continue;
        };
        let pids = holders.entry(inode).or_default();
        // Rows of one process stand together.
        if pids.last() != Some(&pid) {
            pids.push(pid);
        }
    }
    holders
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, derive};

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn line(number: usize, state: &str, inode: u32) -> String {
        format!(
            "   {number}: 0A00000A:1F90 0B00000A:C350 {state} 00000000:00000001 00:00000000 00000000  1000        0 {inode} 1 0000000000000000 20 4 30 10 -1\n"
        )
    }

    #[test]
    fn by_the_inode_of_the_descriptor() {
        let tcp = format!(
            "{TCP}{}{}{}{}",
            line(0, "08", 11),
            line(1, "08", 12),
            line(2, "01", 13),
            line(3, "06", 0)
        );
        let rows = derive(
            "process_socket",
            &[
                ("root/proc/1/net/tcp", tcp.as_bytes()),
                (
                    "root/proc/7/fd",
                    b"3\tsocket:[11]\n4\tsocket:[12]\n5\tsocket:[12]\n",
                ),
                ("root/proc/8/fd", b"3\tsocket:[12]\n"),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &["pid", "protocol", "state", "count", "rx_queue_bytes"]
            ),
            ",tcp,ESTABLISHED,1,1\n,tcp,TIME_WAIT,1,1\n7,tcp,CLOSE_WAIT,2,2\n8,tcp,CLOSE_WAIT,1,1\n"
        );
    }
}
