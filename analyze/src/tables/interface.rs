//! Network interfaces of every namespace, from `/proc/<pid>/net/dev`.
//!
//! ```text
//! Inter-|   Receive                                                |  Transmit
//!  face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
//!   eth0: 1296    16      0    0    0    0     0          0         1296    16      0    0    0    0     0       0
//! ```

use std::collections::{BTreeMap, HashMap};

use crate::table::counter::Counters;
use crate::table::netns::{self, LINKS, Namespaces};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, float, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "interface",
    about: "network interfaces of every namespace",
    columns: &[
        int("netns", "inode of the namespace"),
        bool("is_host", "in the host's namespace"),
        int("pid", "process through which the namespace was read"),
        text("name", ""),
        int("ifindex", "its number; null where it has no IPv6 address"),
        int("rx_bytes", "since it was made"),
        int("tx_bytes", ""),
        int("rx_packets_count", ""),
        int("tx_packets_count", ""),
        int("rx_errors_count", ""),
        int("rx_dropped_count", ""),
        int("tx_errors_count", ""),
        int("tx_dropped_count", ""),
        float("rx_bytes_per_second", "in the window"),
        float("tx_bytes_per_second", ""),
        float("rx_packets_per_second", ""),
        float("tx_packets_per_second", ""),
        int("rx_errors_delta", "in the window"),
        int("rx_dropped_delta", ""),
        int("tx_errors_delta", ""),
        int("tx_dropped_delta", ""),
        text("state", "up, down, unknown ...; host only"),
        int("mtu_bytes", "host only"),
        int(
            "speed_mbit_per_second",
            "host only; null where the device has none",
        ),
        int("carrier_changes_count", "host only"),
        bool("is_virtual", "no device on a bus behind it; host only"),
        int("window_us", "time between the readings"),
    ],
    reads: &[
        "/proc/*/net/dev",
        "/proc/net/dev",
        "/proc/*/net/if_inet6",
        LINKS,
        "/sys/class/net/*/operstate",
        "/sys/class/net/*/mtu",
        "/sys/class/net/*/speed",
        "/sys/class/net/*/carrier_changes",
        "/sys/class/net/*/device",
    ],
    decoder: || Box::new(Interfaces::default()),
};

#[derive(Default)]
struct Interfaces {
    interfaces: BTreeMap<(Option<u32>, String), Counters>,
    namespaces: Namespaces,
    indexes: HashMap<(Option<u32>, String), i64>,
    facts: HashMap<(String, String), String>,
}

impl Decode for Interfaces {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if self.namespaces.take(input) {
            return;
        }
        if input.part(0) == Some("sys") {
            if let Some((device, file)) = input.part(3).zip(input.part(4)) {
                let key = (device.to_owned(), file.to_owned());
                self.facts.insert(key, input.text().trim().to_owned());
            }
            return;
        }
        let pid = netns::reader(input);
        if input.path.ends_with("/if_inet6") {
            for (_, line) in input.lines() {
                if let Some((name, index)) = numbered(&line) {
                    self.indexes.insert((pid, name.to_owned()), index);
                }
            }
            return;
        }
        for (number, line) in input.lines().skip(2) {
            let Some((name, values)) = parse(&line) else {
                damages.add(
                    input,
                    Some(number),
                    format!("not a line of net/dev: `{line}`"),
                );
                continue;
            };
            if let Some(counters) = self.interfaces.get_mut(&(pid, name.to_owned())) {
                counters.update(input, values);
            } else {
                let counters = Counters::new(input, Some(number), values);
                self.interfaces.insert((pid, name.to_owned()), counters);
            }
        }
    }

    fn finish(mut self: Box<Self>, _: &Node, rows: &mut Rows) {
        // The host is read as process 1's namespace, and each second as one's own: once is enough.
        if self.interfaces.keys().any(|(pid, _)| *pid == Some(1)) {
            self.interfaces.retain(|(pid, _), _| pid.is_some());
        }
        for ((pid, name), io) in &self.interfaces {
            let is_host = netns::is_host(*pid);
            let fact = |file: &str| {
                let fact = self.facts.get(&(name.clone(), file.to_owned()));
                fact.filter(|_| is_host).map(String::as_str)
            };
            let number = |file: &str| fact(file).and_then(|text| text.parse::<i64>().ok());
            let known = is_host && fact("mtu").is_some();
            rows.add(&io.entry, io.line)
                .set("netns", self.namespaces.inode(*pid))
                .set("is_host", is_host)
                .set("pid", *pid)
                .set("name", name.as_str())
                .set("ifindex", self.indexes.get(&(*pid, name.clone())).copied())
                .set("rx_bytes", io.first(0))
                .set("tx_bytes", io.first(8))
                .set("rx_packets_count", io.first(1))
                .set("tx_packets_count", io.first(9))
                .set("rx_errors_count", io.first(2))
                .set("rx_dropped_count", io.first(3))
                .set("tx_errors_count", io.first(10))
                .set("tx_dropped_count", io.first(11))
                .set("rx_bytes_per_second", io.per_second(0))
                .set("tx_bytes_per_second", io.per_second(8))
                .set("rx_packets_per_second", io.per_second(1))
                .set("tx_packets_per_second", io.per_second(9))
                .set("rx_errors_delta", io.delta(2))
                .set("rx_dropped_delta", io.delta(3))
                .set("tx_errors_delta", io.delta(10))
                .set("tx_dropped_delta", io.delta(11))
                .set("state", fact("operstate"))
                .set("mtu_bytes", number("mtu"))
                .set(
                    "speed_mbit_per_second",
                    number("speed").filter(|speed| *speed > 0),
                )
                .set("carrier_changes_count", number("carrier_changes"))
                .set("is_virtual", known.then(|| fact("device").is_none()))
                .set("window_us", io.window_us());
        }
    }
}

/// Name and the sixteen counters.
pub(crate) fn parse(line: &str) -> Option<(&str, Vec<u64>)> {
    // Aliases hold colons: the last one ends the name.
    let (name, values) = line.rsplit_once(':')?;
    let values: Option<Vec<u64>> = values
        .split_ascii_whitespace()
        .map(|v| v.parse().ok())
        .collect();
    values
        .filter(|values| values.len() >= 16)
        .map(|values| (name.trim(), values))
}

/// Name and number of an interface in a line of `if_inet6`: address, number, length of the prefix,
/// scope and flags in hexadecimal, then the name.
fn numbered(line: &str) -> Option<(&str, i64)> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let index = i64::from_str_radix(words.next()?, 16).ok()?;
    Some((words.nth(3)?, index))
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const HEAD: &str = "Inter-| Receive | Transmit\n face |bytes ...\n";

    #[test]
    fn host_and_pod() {
        let first = format!("{HEAD}  eth0: 100 1 0 0 0 0 0 0 200 2 0 0 0 0 0 0\nbad\n");
        let last = format!("{HEAD}  eth0: 10100 11 0 5 0 0 0 0 200 2 0 0 0 0 0 0\n");
        let (rows, damages) = run(
            "interface",
            &[
                ("root/proc/1/ns/net", b"net:[4026531840]"),
                ("root/proc/1/net/dev", first.as_bytes()),
                ("root/proc/77/net/dev", first.as_bytes()),
                ("root/proc/net/dev", first.as_bytes()),
                ("root/sys/class/net/eth0/mtu", b"1500\n"),
                ("root/sys/class/net/eth0/speed", b"-1\n"),
                ("window/10/proc/1/net/dev", last.as_bytes()),
            ],
        );
        let columns = [
            "pid",
            "netns",
            "is_host",
            "name",
            "rx_bytes_per_second",
            "rx_dropped_delta",
            "mtu_bytes",
            "speed_mbit_per_second",
            "is_virtual",
        ];
        assert_eq!(
            csv(&rows, &columns),
            "1,4026531840,true,eth0,1000.0000,5,1500,,true\n77,,false,eth0,,,,,\n"
        );
        assert_eq!(damages.list.len(), 3);
    }
}
