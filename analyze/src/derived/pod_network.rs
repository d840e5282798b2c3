//! Which network namespace a pod has, and which link of the node leads to it.
//!
//! A pod's namespace is that of its processes. The other end of its `eth0` is told by whatever there
//! is, the surest first: a route of the node to the pod's address (Calico, Cilium, ptp), a neighbour of
//! that address on a link of its own, the number of the peer that a veth names, the same counters on
//! both ends. What fits two links is left open.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::table::{Derived, Node, Rows, Store, bool, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "pod_network",
    about: "network namespace of each pod, its interfaces, and the node's link to them",
    columns: &[
        text("pod_uid", ""),
        text("namespace", ""),
        text("pod", "its name"),
        int("netns", "inode of the network namespace"),
        bool("host_network", "it is the node's own"),
        text(
            "interface",
            "as the pod sees it; null on the node's network",
        ),
        int("ifindex", "its number there"),
        text("ips", "addresses of the pod"),
        int("host_ifindex", "the other end, on the node"),
        text("host_interface", "its name"),
        text(
            "matched_by",
            "how the other end is known: route, neighbour, peer or counters",
        ),
        int(
            "candidates_count",
            "links of the node that may be the other end, where it is not known",
        ),
    ],
    needs: &[
        "process",
        "interface",
        "link",
        "route",
        "neighbour",
        "pod",
        "container",
        "sandbox",
    ],
    rank: 1,
    build,
};

/// A pod in its network namespace.
struct Place<'a> {
    uid: &'a str,
    netns: i64,
    entry: &'a str,
}

fn build(store: &Store, _: &Node, rows: &mut Rows) {
    let Some(processes) = store.get("process") else {
        return;
    };
    let ips = addresses(store);
    let ends = interfaces(store);
    let node_side = NodeSide::new(store);
    let host = (0..processes.len())
        .find(|row| processes.int(*row, "pid") == Some(1))
        .and_then(|row| processes.int(row, "netns"));
    for place in places(processes) {
        let is_host = host.map(|host| host == place.netns);
        let own = ips.get(place.uid).map(Vec::as_slice).unwrap_or_default();
        let known = (!own.is_empty()).then(|| own.join(","));
        let inside = ends.get(&place.netns).filter(|_| is_host != Some(true));
        let Some((interfaces, inside)) = store.get("interface").zip(inside) else {
            rows.add(place.entry, None)
                .set("pod_uid", place.uid)
                .set("netns", place.netns)
                .set("host_network", is_host)
                .set("ips", known);
            continue;
        };
        for row in inside {
            let other = node_side.other_end(interfaces, *row, own);
            let entry = interfaces.text(*row, "entry").unwrap_or_default();
            rows.add(entry, interfaces.int(*row, "line"))
                .set("pod_uid", place.uid)
                .set("netns", place.netns)
                .set("host_network", is_host)
                .set("interface", interfaces.get(*row, "name"))
                .set("ifindex", interfaces.get(*row, "ifindex"))
                .set("ips", known.clone())
                .set("host_ifindex", other.index)
                .set("host_interface", other.name)
                .set("matched_by", other.by)
                .set("candidates_count", other.candidates);
        }
    }
}

/// Each pod once in each namespace that its processes are in.
fn places(processes: &Rows) -> Vec<Place<'_>> {
    let mut seen = HashSet::new();
    let mut places = Vec::new();
    for row in 0..processes.len() {
        let (uid, netns) = (processes.text(row, "pod_uid"), processes.int(row, "netns"));
        let Some((uid, netns)) = uid.zip(netns) else {
            continue;
        };
        if seen.insert((uid, netns)) {
            places.push(Place {
                uid,
                netns,
                entry: processes.text(row, "entry").unwrap_or_default(),
            });
        }
    }
    places.sort_by_key(|place| (place.uid, place.netns));
    places
}

/// Addresses by pod, as kubelet, API server or runtime tell them.
fn addresses(store: &Store) -> BTreeMap<&str, Vec<&str>> {
    let mut ips: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (table, uid) in [("pod", "uid"), ("sandbox", "pod_uid")] {
        let Some(told) = store.get(table) else {
            continue;
        };
        for row in 0..told.len() {
            if let Some((uid, list)) = told.text(row, uid).zip(told.text(row, "ips")) {
                let known = ips.entry(uid).or_default();
                for ip in list.split(',') {
                    if !known.contains(&ip) {
                        known.push(ip);
                    }
                }
            }
        }
    }
    ips
}

/// The interfaces of each namespace but loopback and idle tunnels of the kernel.
fn interfaces(store: &Store) -> HashMap<i64, Vec<usize>> {
    const IDLE: [&str; 7] = [
        "lo", "tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip6tnl0",
    ];
    let mut by_netns: HashMap<i64, Vec<usize>> = HashMap::new();
    let Some(interfaces) = store.get("interface") else {
        return by_netns;
    };
    for row in 0..interfaces.len() {
        let name = interfaces.text(row, "name").unwrap_or_default();
        if let Some(netns) = interfaces
            .int(row, "netns")
            .filter(|_| !IDLE.contains(&name))
        {
            by_netns.entry(netns).or_default().push(row);
        }
    }
    by_netns
}

/// The link at the other end.
#[derive(Default)]
struct Other {
    index: Option<i64>,
    name: Option<String>,
    by: Option<&'static str>,
    candidates: Option<i64>,
}

/// Bytes and packets in both directions.
type Counts = [Option<i64>; 4];

/// What the node has to find the other end by.
#[derive(Default)]
struct NodeSide<'a> {
    links: Option<&'a Rows>,
    by_name: HashMap<&'a str, usize>,
    /// Those of kind veth, which have their end in another namespace.
    pairs: Vec<usize>,
    by_peer: HashMap<i64, Vec<usize>>,
    by_counts: HashMap<Counts, Vec<usize>>,
    /// Interfaces by the only address that a route leads to.
    routes: HashMap<&'a str, &'a str>,
    /// Devices by the address of a neighbour.
    neighbours: HashMap<&'a str, &'a str>,
}

impl<'a> NodeSide<'a> {
    fn new(store: &'a Store) -> Self {
        let mut side = Self {
            links: store.get("link"),
            routes: devices(store, "route", "destination", "interface"),
            neighbours: devices(store, "neighbour", "address", "device"),
            ..Self::default()
        };
        let Some(links) = side.links else { return side };
        for row in 0..links.len() {
            if let Some(name) = links.text(row, "name") {
                side.by_name.insert(name, row);
            }
            if links.text(row, "kind") != Some("veth") {
                continue;
            }
            side.pairs.push(row);
            if let Some(peer) = links.int(row, "parent_ifindex") {
                side.by_peer.entry(peer).or_default().push(row);
            }
            let counts = [
                "tx_bytes",
                "rx_bytes",
                "tx_packets_count",
                "rx_packets_count",
            ];
            let counts = counts.map(|column| links.int(row, column));
            side.by_counts.entry(counts).or_default().push(row);
        }
        side
    }

    fn other_end(&self, interfaces: &Rows, row: usize, ips: &[&str]) -> Other {
        let first = |devices: &HashMap<&str, &'a str>| {
            let device = ips.iter().find_map(|ip| devices.get(ip))?;
            self.by_name.get(device).copied()
        };
        if let Some(link) = first(&self.routes) {
            return self.found(link, "route");
        }
        // On a bridge all pods are neighbours: it is no pod's own link.
        let kind = |link: usize| self.links.and_then(|links| links.text(link, "kind"));
        if let Some(link) = first(&self.neighbours).filter(|link| kind(*link) == Some("veth")) {
            return self.found(link, "neighbour");
        }
        let index = interfaces.int(row, "ifindex");
        let peers = match index {
            Some(index) => self.by_peer.get(&index).map(Vec::as_slice),
            None => Some(self.pairs.as_slice()),
        };
        let peers = peers.unwrap_or_default();
        if let ([link], Some(_)) = (peers, index) {
            return self.found(*link, "peer");
        }
        let counts = [
            "rx_bytes",
            "tx_bytes",
            "rx_packets_count",
            "tx_packets_count",
        ];
        let counts = counts.map(|column| interfaces.int(row, column));
        let same = self.by_counts.get(&counts).filter(|_| counts[0] > Some(0));
        let peer = |link: usize| self.links?.int(link, "parent_ifindex");
        match same.map(Vec::as_slice) {
            Some([link]) if index.is_none() || index == peer(*link) => {
                self.found(*link, "counters")
            }
            _ => Other {
                candidates: self.links.map(|_| peers.len() as i64),
                ..Other::default()
            },
        }
    }

    fn found(&self, link: usize, by: &'static str) -> Other {
        let links = self.links;
        Other {
            index: links.and_then(|links| links.int(link, "ifindex")),
            name: links.and_then(|links| links.text(link, "name").map(str::to_owned)),
            by: Some(by),
            candidates: None,
        }
    }
}

/// Devices of the node by the address that they lead to.
fn devices<'a>(
    store: &'a Store,
    table: &'static str,
    address: &'static str,
    device: &'static str,
) -> HashMap<&'a str, &'a str> {
    let Some(rows) = store.get(table) else {
        return HashMap::new();
    };
    let is_host = |row: &usize| rows.get(*row, "is_host") == true.into();
    (0..rows.len())
        .filter(is_host)
        .filter_map(|row| {
            let to = rows.text(row, address)?;
            // Of routes those to one address alone.
            let to = if table == "route" {
                to.strip_suffix("/32")?
            } else {
                to
            };
            Some((to, rows.text(row, device)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, derive};

    const UID: &str = "28fcb1a0-a45c-44e7-b9bf-e3b9360bedba";
    const LINKS: &[u8] = include_bytes!("../../../testdata/netlink/link.bin");
    const DEV: &str = "Inter-|   Receive |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed\n";
    const COLUMNS: [&str; 7] = [
        "netns",
        "host_network",
        "interface",
        "ifindex",
        "ips",
        "host_interface",
        "matched_by",
    ];

    fn stat(pid: u32) -> String {
        format!("{pid} (app) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 100 0 0\n")
    }

    fn network(more: &[(&str, String)]) -> String {
        let dev = format!(
            "{DEV}    lo: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n  eth0: 70 1 0 0 0 0 0 0 70 1 0 0 0 0 0 0\n"
        );
        let pod = format!(
            r#"{{"items":[{{"metadata":{{"name":"web","uid":"{UID}"}},"status":{{"podIP":"10.88.0.4"}}}}]}}"#
        );
        let mut entries = vec![
            ("root/proc/1/stat", stat(1)),
            ("root/proc/1/ns/net", "net:[100]".to_owned()),
            ("root/proc/7/stat", stat(7)),
            (
                "root/proc/7/cgroup",
                format!("0::/kubepods/pod{UID}/{}\n", "a".repeat(64)),
            ),
            ("root/proc/7/ns/net", "net:[200]".to_owned()),
            ("root/proc/7/net/dev", dev),
            ("api/kubelet/pods", pod),
        ];
        // What a test tells stands for what is usual.
        entries.retain(|(path, _)| more.iter().all(|(other, _)| other != path));
        entries.extend_from_slice(more);
        let mut entries: Vec<(&str, &[u8])> = entries
            .iter()
            .map(|(path, text)| (*path, text.as_bytes()))
            .collect();
        entries.push(("netlink/link.bin", LINKS));
        csv(&derive("pod_network", &entries), &COLUMNS)
    }

    #[test]
    fn by_the_number_of_the_peer() {
        // The list has veth0p (3) and veth0 (4), each the other's peer.
        let inet6 = "fe80000000000000085a96fffe5c1f1b 03 40 20 80     eth0\n".to_owned();
        assert_eq!(
            network(&[("root/proc/7/net/if_inet6", inet6)]),
            "200,false,eth0,3,10.88.0.4,veth0,peer\n"
        );
    }

    #[test]
    fn by_a_route_of_its_own_or_a_neighbour() {
        let route = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\nveth0p\t0400580A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n".to_owned();
        assert_eq!(
            network(&[("root/proc/1/net/route", route)]),
            "200,false,eth0,,10.88.0.4,veth0p,route\n"
        );
        let arp = "IP address HW type Flags HW address Mask Device\n10.88.0.4 0x1 0x2 52:55:0a:00:02:02 * veth0\n".to_owned();
        assert_eq!(
            network(&[("root/proc/1/net/arp", arp)]),
            "200,false,eth0,,10.88.0.4,veth0,neighbour\n"
        );
    }

    #[test]
    fn by_the_same_counters_at_both_ends() {
        // veth0p in the list: what it sent is what the pod received.
        let (links, _) = crate::table::testing::run("link", &[("netlink/link.bin", LINKS)]);
        let count = |column: &str| links.int(2, column).unwrap();
        let dev = format!(
            "{DEV}  eth0: {} {} 0 0 0 0 0 0 {} {} 0 0 0 0 0 0\n",
            count("tx_bytes"),
            count("tx_packets_count"),
            count("rx_bytes"),
            count("rx_packets_count")
        );
        assert_eq!(
            network(&[("root/proc/7/net/dev", dev)]),
            "200,false,eth0,,10.88.0.4,veth0p,counters\n"
        );
    }

    #[test]
    fn two_that_fit_are_left_open_and_the_node_has_no_other_end() {
        assert_eq!(network(&[]), "200,false,eth0,,10.88.0.4,,\n");
        let host = network(&[("root/proc/7/ns/net", "net:[100]".to_owned())]);
        assert_eq!(host, "100,true,,,10.88.0.4,,\n");
    }
}
