//! Network counters and sockets of the host and of every other network namespace.
//!
//! A namespace is read through one process in it, `/proc/<pid>/net`, without entering it.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::namespaces::one_process_each;
use crate::source::{Ask, Cx, Estimate, FILE, Hazard, Privacy, Source};

/// Counters: read again at the end of the window.
const COUNTERS: [&str; 7] = [
    "dev",
    "snmp",
    "snmp6",
    "netstat",
    "sockstat",
    "sockstat6",
    "stat/nf_conntrack",
];
/// Tables of the host that are counters too, but shared by all namespaces.
const HOST_COUNTERS: [&str; 2] = ["stat/arp_cache", "stat/ndisc_cache"];
/// Read once.
const FACTS: [&str; 20] = [
    "tcp",
    "tcp6",
    "udp",
    "udp6",
    "udplite",
    "raw",
    "raw6",
    "icmp",
    "unix",
    "packet",
    "netlink",
    "sctp/assocs",
    "arp",
    "route",
    "ipv6_route",
    "if_inet6",
    "fib_triestat",
    "ip_vs_stats",
    "xfrm_stat",
    "protocols",
];
/// A table of sockets is cut here; the counters in `sockstat` tell how many there are.
const TABLE_BYTES: usize = 4 << 20;

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "network",
    order: 70,
    about: "interfaces, protocol counters, sockets, routes and neighbours of every network namespace",
    reads: &[
        "/proc/1/net/{dev,snmp,snmp6,netstat,sockstat,tcp,udp,unix,arp,route,...}",
        "/proc/<one process per network namespace>/net/...",
        "/proc/sys/net/netfilter/nf_conntrack_{count,max,buckets}",
    ],
    hazard: Hazard::Costly,
    privacy: Privacy::Names,
    deadline: Duration::from_secs(10),
    max_bytes: 96 << 20,
    estimate: Estimate::Fixed(40),
    capture,
    again: Some(capture),
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for (place, pid) in one_process_each(cx, "net").iter().enumerate() {
        if cx.is_spent() {
            cx.leave_out(
                "network namespaces: the deadline or byte limit of this source",
                1,
            );
            continue;
        }
        let folder = format!("/proc/{pid}/net");
        let mut files = COUNTERS.to_vec();
        if place == 0 {
            files.extend(HOST_COUNTERS);
        }
        let mut items: Vec<_> = files.into_iter().map(|file| (file, FILE)).collect();
        if cx.reading() == 0 {
            items.extend(FACTS.map(|file| (file, Ask::Read(TABLE_BYTES))));
        }
        cx.try_each(&folder, &items, &mut |_, _| {});
    }
    for file in [
        "nf_conntrack_count",
        "nf_conntrack_max",
        "nf_conntrack_buckets",
    ] {
        cx.try_read(format!("/proc/sys/net/netfilter/{file}"));
    }
    Ok(())
}
