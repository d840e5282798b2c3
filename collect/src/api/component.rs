//! Processes of the node that answer questions, and where they listen.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::processes::pids;
use crate::source::{Ask, Cx};

/// Names that are looked at in a folder of open files.
const FILES: usize = 64 << 10;
/// Of `/proc/net/tcp`: listening sockets stand first, and behind some thousand of them nothing is
/// looked for.
const SOCKETS_BYTES: usize = 512 << 10;
/// Longest command line of a component.
const ARGUMENTS_BYTES: usize = 64 << 10;
/// Programs that are kubelet, or that it is part of.
const KUBELETS: [&str; 7] = [
    "kubelet",
    "hyperkube",
    "kubelite",
    "k3s-server",
    "k3s-agent",
    "rke2",
    "rke2-agent",
];
/// `TCP_LISTEN` and `TCP_ESTABLISHED` as `/proc/net/tcp` writes them.
const LISTEN: &str = "0A";
const ESTABLISHED: &str = "01";

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Its name as the kernel keeps it: 15 bytes at most.
    pub(crate) comm: String,
}

/// The process that kubelet is, or is part of.
pub(crate) fn kubelet_process(cx: &mut Cx<'_>) -> Option<Process> {
    named(cx, &KUBELETS).into_iter().next()
}

/// The processes with one of these names, the smallest pid first.
pub(crate) fn named(cx: &mut Cx<'_>, names: &[&str]) -> Vec<Process> {
    let pids = pids(cx);
    let paths: Vec<_> = pids
        .iter()
        .map(|pid| format!("{pid}/comm").into_bytes())
        .collect();
    let mut found = Vec::new();
    cx.peek_each("/proc", &paths, Ask::Read(64), &mut |path, comm| {
        let path = String::from_utf8_lossy(path);
        let comm = String::from_utf8_lossy(comm).trim_end().to_owned();
        let pid = path.split('/').next().and_then(|pid| pid.parse().ok());
        if let Some(pid) = pid.filter(|_| names.contains(&&*comm)) {
            found.push(Process { pid, comm });
        }
    });
    found
}

/// The arguments of a process.
pub(crate) fn arguments(cx: &mut Cx<'_>, pid: u32) -> Vec<String> {
    let mut arguments = Vec::new();
    let path = [format!("/proc/{pid}/cmdline").into_bytes()];
    cx.peek_each("", &path, Ask::Read(ARGUMENTS_BYTES), &mut |_, bytes| {
        let parts = bytes.split(|b| *b == 0).filter(|part| !part.is_empty());
        arguments = parts
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect();
    });
    arguments
}

/// The value of `--name=value` or `--name value`; the last one counts.
pub(crate) fn flag<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let mut found = None;
    let mut left = arguments.iter().map(String::as_str).peekable();
    while let Some(argument) = left.next() {
        let Some(rest) = argument
            .strip_prefix('-')
            .and_then(|rest| rest.strip_prefix('-').unwrap_or(rest).strip_prefix(name))
        else {
            continue;
        };
        if let Some(value) = rest.strip_prefix('=') {
            found = Some(value);
        } else if rest.is_empty() {
            found = left.next_if(|next| !next.starts_with('-'));
        }
    }
    found
}

/// Where a process listens for TCP, in its own network namespace.
pub(crate) fn listeners(cx: &mut Cx<'_>, pid: u32) -> Vec<SocketAddr> {
    sockets(cx, pid, LISTEN)
        .into_iter()
        .map(|socket| socket.local)
        .collect()
}

/// Whom a process is connected to.
pub(crate) fn peers(cx: &mut Cx<'_>, pid: u32) -> Vec<SocketAddr> {
    sockets(cx, pid, ESTABLISHED)
        .into_iter()
        .map(|socket| socket.remote)
        .collect()
}

/// The address of a process in another network namespace than the node's: a pod's.
pub(crate) fn pod_address(cx: &mut Cx<'_>, pid: u32) -> Option<IpAddr> {
    let mut namespaces = Vec::new();
    let links = ["1", &pid.to_string()].map(|pid| format!("{pid}/ns/net").into_bytes());
    cx.peek_each("/proc", &links, Ask::Link, &mut |_, target| {
        namespaces.push(target.to_vec());
    });
    let [node, own] = namespaces.as_slice() else {
        return None;
    };
    if node == own {
        return None;
    }
    let mut address = None;
    let routes = [format!("/proc/{pid}/net/fib_trie").into_bytes()];
    cx.peek_each("", &routes, Ask::Read(SOCKETS_BYTES), &mut |_, trie| {
        address = local_address(&String::from_utf8_lossy(trie));
    });
    address
}

/// An address of its own in `/proc/net/fib_trie`: behind `|--`, with `host LOCAL` in the next line.
fn local_address(trie: &str) -> Option<IpAddr> {
    let lines = trie.lines().zip(trie.lines().skip(1));
    let mut own = lines.filter_map(|(line, below)| {
        let address: Ipv4Addr = line.trim().strip_prefix("|-- ")?.parse().ok()?;
        let is_own = below.contains("host LOCAL") && !address.is_loopback();
        is_own.then_some(IpAddr::V4(address))
    });
    own.next()
}

/// A line of `/proc/net/tcp` or `tcp6`.
#[derive(Debug, PartialEq, Eq)]
struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    inode: u64,
}

/// The sockets of a process in a state.
fn sockets(cx: &mut Cx<'_>, pid: u32, state: &str) -> Vec<Socket> {
    let mut own = BTreeSet::new();
    let folder = [format!("/proc/{pid}/fd").into_bytes()];
    cx.peek_each("", &folder, Ask::Listing(FILES), &mut |_, listing| {
        let lines = listing.split(|b| *b == b'\n');
        own.extend(lines.filter_map(socket_inode));
    });
    let mut found = Vec::new();
    if own.is_empty() {
        return found;
    }
    let tables = ["tcp", "tcp6"].map(|name| format!("/proc/{pid}/net/{name}").into_bytes());
    cx.peek_each("", &tables, Ask::Read(SOCKETS_BYTES), &mut |_, table| {
        let table = String::from_utf8_lossy(table);
        let sockets = table.lines().filter_map(|line| socket(line, state));
        found.extend(sockets.filter(|socket| own.contains(&socket.inode)));
    });
    found
}

/// `27\tsocket:[4711]`.
fn socket_inode(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?;
    let (_, target) = line.split_once('\t')?;
    target
        .strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// A socket in this state.
fn socket(line: &str, wanted: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, remote, state) = (fields.next()?, fields.next()?, fields.next()?);
    if state != wanted {
        return None;
    }
    Some(Socket {
        local: socket_address(local)?,
        remote: socket_address(remote)?,
        inode: fields.nth(5)?.parse().ok()?,
    })
}

/// `0100007F:280A`: words of the address in the byte order of the machine (`net/ipv4/tcp_ipv4.c`).
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |from: usize| {
        let digits = address.get(from..from + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let mut bytes = [0; 16];
            for (space, byte) in bytes.iter_mut().zip(words.iter().flatten()) {
                *space = *byte;
            }
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Where to connect to for a socket that listens there: loopback for one that takes any address.
pub(crate) fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = if listener.ip().is_unspecified() {
        // A socket of IPv6 takes IPv4 as well, unless it was told not to, which no component does.
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        listener.ip()
    };
    SocketAddr::new(ip, listener.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a node of 1.36.
    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2808 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17731 1 00000000b4c6ff6f 100 0 0 10 0
   1: 0F02000A:0016 0202000A:8ADC 01 00000000:00000000 02:000A5BA7 00000000     0        0 16542 4 00000000f1b1a4e7 20 4 29 10 -1
";
    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:280A 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17733 1 000000008d3c25bc 100 0 0 10 0
   1: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 0 100 0 0 10 0
";

    #[test]
    fn listening_sockets_are_found() {
        let of = |text: &str| -> Vec<_> {
            let found = text.lines().filter_map(|line| socket(line, LISTEN));
            found
                .map(|socket| (socket.local.to_string(), socket.inode))
                .collect()
        };
        assert_eq!(of(TCP), [("127.0.0.1:10248".to_owned(), 17731)]);
        let tcp6 = [
            ("[::]:10250".to_owned(), 17733),
            ("[::1]:8080".to_owned(), 7),
        ];
        assert_eq!(of(TCP6), tcp6);
        let mut connected = TCP.lines().filter_map(|line| socket(line, ESTABLISHED));
        assert_eq!(
            connected.next().unwrap().remote.to_string(),
            "10.0.2.2:35548"
        );
        assert_eq!(socket_inode(b"27\tsocket:[4711]"), Some(4711));
        assert_eq!(socket_inode(b"27\tpipe:[4711]"), None);
        assert_eq!(socket_address("0100007F"), None);
        assert_eq!(socket_address("01\u{e4}007F:0050"), None);
    }

    #[test]
    fn flags_are_read_as_kubelet_reads_them() {
        let line = "kubelet --config=/a --configs /b -port=1 --config /c --flag";
        let line: Vec<_> = line.split(' ').map(str::to_owned).collect();
        assert_eq!(flag(&line, "config"), Some("/c"));
        assert_eq!(flag(&line, "port"), Some("1"));
        assert_eq!(flag(&line, "flag"), None);
    }

    #[test]
    fn the_address_of_a_pod_is_found() {
        let trie = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.88.0.0/24 2 0 2
        |-- 10.88.0.0
           /24 link UNICAST
        |-- 10.88.0.7
           /32 host LOCAL
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
";
        let address = local_address(trie).unwrap();
        assert_eq!(address.to_string(), "10.88.0.7");
        assert_eq!(local_address("|-- 127.0.0.1\n/32 host LOCAL\n"), None);
    }

    #[test]
    fn any_address_is_reached_by_loopback() {
        let of = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(of("[::]:10250"), "127.0.0.1:10250");
        assert_eq!(of("0.0.0.0:1"), "127.0.0.1:1");
        assert_eq!(of("[::1]:8080"), "[::1]:8080");
        assert_eq!(of("10.0.2.15:10250"), "10.0.2.15:10250");
    }
}
