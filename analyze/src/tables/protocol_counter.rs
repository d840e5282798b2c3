//! Counters of the network protocols per namespace, from `net/snmp`, `net/snmp6`, `net/netstat`.
//!
//! ```text
//! TcpExt: SyncookiesSent SyncookiesRecv ListenOverflows
//! TcpExt: 0 0 12
//! Ip6InReceives                     10
//! ```

use std::collections::BTreeMap;

use crate::table::counter::Counters;
use crate::table::netns::{self, LINKS, Namespaces};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "protocol_counter",
    about: "counters of the network protocols of every namespace",
    columns: &[
        int("netns", "inode of the namespace"),
        bool("is_host", "in the host's namespace"),
        int("pid", "process through which the namespace was read"),
        text("protocol", "Ip, Icmp, Tcp, TcpExt, Udp, Ip6 ..."),
        text("name", "as the kernel calls it"),
        int("value", "first reading"),
        int("delta", "gain until the last reading"),
        int("window_us", "time between the readings"),
    ],
    reads: &[
        "/proc/*/net/snmp",
        "/proc/*/net/snmp6",
        "/proc/*/net/netstat",
        LINKS,
    ],
    decoder: || Box::new(ProtocolCounters::default()),
};

#[derive(Default)]
struct ProtocolCounters {
    counters: BTreeMap<(Option<u32>, String, String), Counters>,
    namespaces: Namespaces,
}

impl ProtocolCounters {
    fn add(&mut self, input: &Input<'_>, line: i64, protocol: &str, name: &str, value: &str) {
        // Some values are negative (`Tcp: MaxConn -1`): they are settings, not counters.
        let Ok(value) = value.parse::<u64>() else {
            return;
        };
        self.counters
            .entry((netns::reader(input), protocol.to_owned(), name.to_owned()))
            .and_modify(|counters| counters.update(input, vec![value]))
            .or_insert_with(|| Counters::new(input, Some(line), vec![value]));
    }
}

impl Decode for ProtocolCounters {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if self.namespaces.take(input) {
            return;
        }
        if input.path.ends_with("/snmp6") {
            for (number, line) in input.lines() {
                let mut words = line.split_ascii_whitespace();
                if let Some((name, value)) = words.next().zip(words.next()) {
                    let digit = name.find('6').map_or(0, |place| place + 1);
                    let (protocol, rest) = name.split_at(digit);
                    self.add(input, number, protocol, rest, value);
                }
            }
            return;
        }
        let lines: Vec<_> = input.lines().collect();
        for pair in lines.chunks(2) {
            let [(_, names), (number, values)] = pair else {
                continue;
            };
            let (Some((protocol, names)), Some((again, values))) =
                (names.split_once(':'), values.split_once(':'))
            else {
                damages.add(input, Some(*number), "not a pair of lines of counters");
                continue;
            };
            if protocol != again {
                damages.add(
                    input,
                    Some(*number),
                    format!("`{protocol}` is followed by `{again}`"),
                );
                continue;
            }
            for (name, value) in names
                .split_ascii_whitespace()
                .zip(values.split_ascii_whitespace())
            {
                self.add(input, *number, protocol, name, value);
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for ((pid, protocol, name), counters) in &self.counters {
            rows.add(&counters.entry, counters.line)
                .set("netns", self.namespaces.inode(*pid))
                .set("is_host", netns::is_host(*pid))
                .set("pid", *pid)
                .set("protocol", protocol.as_str())
                .set("name", name.as_str())
                .set("value", counters.first(0))
                .set("delta", counters.delta(0))
                .set("window_us", counters.window_us());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn pairs_and_lists() {
        let (rows, damages) = run(
            "protocol_counter",
            &[
                (
                    "root/proc/1/net/netstat",
                    b"TcpExt: ListenOverflows ListenDrops\nTcpExt: 5 6\n",
                ),
                (
                    "root/proc/1/net/snmp",
                    b"Tcp: MaxConn RetransSegs\nTcp: -1 7\nIp: A\nUdp: 1\n",
                ),
                (
                    "root/proc/1/net/snmp6",
                    b"Ip6InReceives                   \t10\n",
                ),
                (
                    "window/10/proc/1/net/netstat",
                    b"TcpExt: ListenOverflows ListenDrops\nTcpExt: 9 6\n",
                ),
            ],
        );
        assert_eq!(
            csv(&rows, &["protocol", "name", "value", "delta"]),
            "Ip6,InReceives,10,\nTcp,RetransSegs,7,\nTcpExt,ListenDrops,6,0\nTcpExt,ListenOverflows,5,4\n"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
