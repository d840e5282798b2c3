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
/// `TCP_LISTEN` as `/proc/net/tcp` writes it.
const LISTEN: &str = "0A";

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Its name as the kernel keeps it: 15 bytes at most.
    pub(crate) comm: String,
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

/// Where a process listens for TCP, in its own network namespace.
pub(crate) fn listeners(cx: &mut Cx<'_>, pid: u32) -> Vec<SocketAddr> {
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
        let sockets = table.lines().filter_map(listener);
        let own = sockets.filter(|(_, inode)| own.contains(inode));
        found.extend(own.map(|(address, _)| address));
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

/// A line of `/proc/net/tcp` or `tcp6` of a socket that listens: its address and inode.
fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (local, state) = (fields.next()?, fields.nth(1)?);
    if state != LISTEN {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    Some((socket_address(local)?, inode))
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
            let found = text.lines().filter_map(listener);
            found
                .map(|(address, inode)| (address.to_string(), inode))
                .collect()
        };
        assert_eq!(of(TCP), [("127.0.0.1:10248".to_owned(), 17731)]);
        let tcp6 = [
            ("[::]:10250".to_owned(), 17733),
            ("[::1]:8080".to_owned(), 7),
        ];
        assert_eq!(of(TCP6), tcp6);
        assert_eq!(socket_inode(b"27\tsocket:[4711]"), Some(4711));
        assert_eq!(socket_inode(b"27\tpipe:[4711]"), None);
        assert_eq!(socket_address("0100007F"), None);
        assert_eq!(socket_address("01\u{e4}007F:0050"), None);
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
