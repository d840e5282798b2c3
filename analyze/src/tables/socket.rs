//! Sockets of every network namespace, from `/proc/<pid>/net/{tcp,tcp6,udp,udp6,raw,raw6,unix}`.
//!
//! ```text
//!   sl  local_address rem_address   st tx_queue:rx_queue tr:tm->when retrnsmt   uid  timeout inode
//!    0: 0100007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 20123 1 ...
//! ```
//!
//! Addresses are hexadecimal words in the byte order of the machine: 0100007F is 127.0.0.1 on every
//! machine that Kubernetes is built for but s390x.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::table::netns::{self, LINKS, Namespaces};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "socket",
    about: "sockets of every network namespace",
    columns: &[
        int("netns", "inode of the namespace"),
        bool("is_host", "in the host's namespace"),
        int(
            "pid",
            "process through which the namespace was read; not the owner",
        ),
        text("protocol", "tcp, tcp6, udp, udp6, raw, raw6 or unix"),
        text("local_address", "path for unix"),
        int("local_port", ""),
        text("remote_address", ""),
        int("remote_port", ""),
        text("state", "ESTABLISHED, LISTEN, CLOSE_WAIT ..."),
        int(
            "rx_queue_bytes",
            "not yet read by the program; of a listener: connections that wait",
        ),
        int(
            "tx_queue_bytes",
            "not yet acknowledged; of a listener: the length of its queue",
        ),
        int("uid", "owner"),
        int("inode", "matches `socket:[...]` of open files"),
    ],
    reads: &[
        "/proc/*/net/tcp",
        "/proc/*/net/tcp6",
        "/proc/*/net/udp",
        "/proc/*/net/udp6",
        "/proc/*/net/raw",
        "/proc/*/net/raw6",
        "/proc/*/net/unix",
        LINKS,
    ],
    decoder: || Box::new(Sockets::default()),
};

/// States by number (kernel's `net/tcp_states.h`).
const STATES: [&str; 13] = [
    "UNKNOWN",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];
/// States of unix sockets (`include/uapi/linux/net.h`).
const UNIX_STATES: [&str; 5] = [
    "FREE",
    "UNCONNECTED",
    "CONNECTING",
    "CONNECTED",
    "DISCONNECTING",
];

#[derive(Default)]
struct Sockets {
    sockets: Vec<Socket>,
    namespaces: Namespaces,
}

struct Socket {
    entry: String,
    line: i64,
    pid: Option<u32>,
    protocol: String,
    local: (Option<String>, Option<u16>),
    remote: (Option<String>, Option<u16>),
    state: &'static str,
    queues: Option<(u64, u64)>,
    uid: Option<u64>,
    inode: Option<u64>,
}

impl Decode for Sockets {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if self.namespaces.take(input) || input.reading > 0 {
            return;
        }
        let protocol = input.path.rsplit('/').next().unwrap_or_default();
        for (number, line) in input.lines().skip(1).filter(|(_, line)| !line.is_empty()) {
            let socket = if protocol == "unix" {
                unix(&line)
            } else {
                internet(&line)
            };
            let Some(mut socket) = socket else {
                damages.add(
                    input,
                    Some(number),
                    format!("not a line of net/{protocol}: `{line}`"),
                );
                continue;
            };
            input.entry.clone_into(&mut socket.entry);
            protocol.clone_into(&mut socket.protocol);
            socket.line = number;
            socket.pid = netns::reader(input);
            self.sockets.push(socket);
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for socket in self.sockets {
            let (tx, rx) = socket.queues.unzip();
            rows.add(&socket.entry, Some(socket.line))
                .set("netns", self.namespaces.inode(socket.pid))
                .set("is_host", netns::is_host(socket.pid))
                .set("pid", socket.pid)
                .set("protocol", socket.protocol)
                .set("local_address", socket.local.0)
                .set("local_port", socket.local.1.map(u32::from))
                .set("remote_address", socket.remote.0)
                .set("remote_port", socket.remote.1.map(u32::from))
                .set("state", socket.state)
                .set("rx_queue_bytes", rx)
                .set("tx_queue_bytes", tx)
                .set("uid", socket.uid)
                .set("inode", socket.inode);
        }
    }
}

fn internet(line: &str) -> Option<Socket> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let word = |place: usize| words.get(place).copied();
    let state = usize::from_str_radix(word(3)?, 16).ok()?;
    let (tx, rx) = word(4)?.split_once(':')?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    Some(Socket {
        entry: String::new(),
        line: 0,
        pid: None,
        protocol: String::new(),
        local: address(word(1)?)?,
        remote: address(word(2)?)?,
        state: STATES.get(state).copied().unwrap_or("UNKNOWN"),
        queues: hex(tx).zip(hex(rx)),
        uid: word(7).and_then(|w| w.parse().ok()),
        inode: word(9).and_then(|w| w.parse().ok()),
    })
}

/// `0100007F:0035`, or 32 digits for IPv6.
fn address(text: &str) -> Option<(Option<String>, Option<u16>)> {
    let (host, port) = text.split_once(':')?;
    let word = |place: usize| {
        let digits = host.get(place * 8..place * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.swap_bytes())
    };
    let ip = if host.len() == 32 {
        let words = [word(0)?, word(1)?, word(2)?, word(3)?];
        let number = words
            .iter()
            .fold(0_u128, |number, word| number << 32 | u128::from(*word));
        let address = Ipv6Addr::from_bits(number);
        address
            .to_ipv4_mapped()
            .map_or(IpAddr::V6(address), IpAddr::V4)
    } else {
        IpAddr::V4(Ipv4Addr::from_bits(word(0)?))
    };
    Some((
        Some(ip.to_string()),
        Some(u16::from_str_radix(port, 16).ok()?),
    ))
}

/// `Num RefCount Protocol Flags Type St Inode Path`; the flag 00010000 marks a listener.
fn unix(line: &str) -> Option<Socket> {
    let mut words = line.split_ascii_whitespace().skip(3);
    let flags = u64::from_str_radix(words.next()?, 16).ok()?;
    let state = usize::from_str_radix(words.nth(1)?, 16).ok()?;
    let inode = words.next()?.parse().ok()?;
    let name = words.collect::<Vec<_>>().join(" ");
    let state = if flags & 0x1_0000 == 0 {
        UNIX_STATES.get(state).copied()
    } else {
        Some("LISTEN")
    };
    Some(Socket {
        entry: String::new(),
        line: 0,
        pid: None,
        protocol: String::new(),
        local: (Some(name).filter(|name| !name.is_empty()), None),
        remote: (None, None),
        state: state.unwrap_or("UNKNOWN"),
        queues: None,
        uid: None,
        inode: Some(inode),
    })
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn addresses_states_and_queues() {
        let (rows, damages) = run(
            "socket",
            &[
                ("root/proc/1/net/tcp", b"  sl  local_address ...\n   0: 0100007F:0035 00000000:0000 0A 00000080:00000003 00:00000000 00000000   101        0 20123 1\n   1: short\n"),
                ("root/proc/1/net/tcp6", b"head\n   0: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000001000000:A0B1 08 00000000:00000000 00:00000000 00000000     0        0 7 1\n"),
                ("root/proc/1/net/unix", b"Num RefCount ...\n0000000000000000: 00000002 00000000 00010000 0001 01 555 /run/containerd/containerd.sock\n0000000000000000: 00000003 00000000 00000000 0001 03 556\n"),
            ],
        );
        let columns = [
            "protocol",
            "local_address",
            "local_port",
            "remote_address",
            "remote_port",
            "state",
            "rx_queue_bytes",
            "inode",
        ];
        assert_eq!(
            csv(&rows, &columns),
            "tcp,127.0.0.1,53,0.0.0.0,0,LISTEN,3,20123\n\
             tcp6,127.0.0.1,8080,::1,41137,CLOSE_WAIT,0,7\n\
             unix,/run/containerd/containerd.sock,,,,LISTEN,,555\n\
             unix,,,,,CONNECTED,,556\n"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
