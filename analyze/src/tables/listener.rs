//! TCP sockets that listen in the node's network namespace, from `calls/socket_diag.json`: how many
//! connections wait to be accepted, and how many may.
//!
//! ```text
//! {"states":[...],"listeners":[{"family":"ipv4","address":"0.0.0.0","port":10250,"accept_queue":0,"backlog":4096,"inode":1677,"user_id":0}],"listeners_left_out":0}
//! ```

use serde::Deserialize;

use crate::table::answer;
use crate::table::counter::ratio;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "listener",
    about: "TCP sockets that listen in the node's network namespace",
    columns: &[
        text("family", "`ipv4` or `ipv6`"),
        text("address", "`0.0.0.0` and `::` are all of them"),
        int("port", ""),
        int("accept_queue_count", "connections that wait to be accepted"),
        int(
            "backlog_count",
            "how many may wait; with more the queue is full and connections are dropped",
        ),
        float("accept_queue_ratio", "accept_queue_count / backlog_count"),
        int("inode", "of the socket, as processes' open files name it"),
        int("user_id", ""),
    ],
    reads: &["calls/socket_diag.json"],
    decoder: || Box::new(Listeners::default()),
};

#[derive(Deserialize)]
struct Answer {
    listeners: Vec<Listener>,
}

#[derive(Deserialize)]
struct Listener {
    family: String,
    address: String,
    port: u16,
    accept_queue: u32,
    backlog: u32,
    inode: u32,
    user_id: u32,
}

#[derive(Default)]
struct Listeners {
    listeners: Vec<(String, Listener)>,
}

impl Decode for Listeners {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let answer: Option<Answer> = answer::parse(input, damages);
        let listeners = answer.into_iter().flat_map(|answer| answer.listeners);
        self.listeners
            .extend(listeners.map(|listener| (input.entry.to_owned(), listener)));
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, listener) in self.listeners {
            let (queue, backlog) = (listener.accept_queue, listener.backlog);
            rows.add(&entry, None)
                .set("family", listener.family)
                .set("address", listener.address)
                .set("port", i64::from(listener.port))
                .set("accept_queue_count", queue)
                .set("backlog_count", backlog)
                .set(
                    "accept_queue_ratio",
                    ratio(Some(queue.into()), Some(backlog.into())),
                )
                .set("inode", listener.inode)
                .set("user_id", listener.user_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn a_full_queue() {
        let (rows, damages) = run(
            "listener",
            &[("calls/socket_diag.json", br#"{"states":[],"listeners":[
{"family":"ipv4","address":"127.0.0.1","port":8080,"accept_queue":3,"backlog":2,"inode":7,"user_id":0},
{"family":"ipv6","address":"::","port":10250,"accept_queue":0,"backlog":0,"inode":8,"user_id":1}],"listeners_left_out":0}"#)],
        );
        let columns = ["family", "address", "port", "accept_queue_ratio", "user_id"];
        let expected = "ipv4,127.0.0.1,8080,1.5000,0\nipv6,::,10250,,1\n";
        assert_eq!(csv(&rows, &columns), expected);
        assert!(damages.list.is_empty());
    }

    #[test]
    fn nonsense_is_damage() {
        let (rows, damages) = run(
            "listener",
            &[("calls/socket_diag.json", b"{\"listeners\":")],
        );
        assert!(rows.is_empty());
        assert_eq!(damages.list.len(), 1);
    }
}
