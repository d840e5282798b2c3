//! Links of the node's network namespace: kind, who they belong to, counters of 64 bits, from
//! `netlink/link.bin` (messages `RTM_NEWLINK` of `linux/if_link.h`).

use std::collections::BTreeMap;

use freezeframe_bundle::netlink::{
    Attributes, Message, attributes_after, u8_at, u16_at, u32_at, u64_at,
};

use crate::table::counter::Counters;
use crate::table::netlink::{LINK_BYTES, LINK_NAME, LINKS, NEW_LINK, messages, too_short};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "link",
    about: "links of the node's network namespace, as rtnetlink lists them",
    columns: &[
        int("ifindex", ""),
        text("name", ""),
        text(
            "kind",
            "`veth`, `bridge`, `vxlan`, `bond` ...; null for hardware and loopback",
        ),
        bool("is_loopback", ""),
        text("master", "the bridge, bond or VRF that it belongs to"),
        int(
            "parent_ifindex",
            "the other end of a veth, the device under a VLAN; see netnsid",
        ),
        int(
            "netnsid",
            "the namespace of parent_ifindex, if it is another one",
        ),
        int("mtu_bytes", ""),
        text("state", "`up`, `down`, `lowerlayerdown`, `unknown` ..."),
        bool("is_up", "it was switched on"),
        text("qdisc", "the root queue"),
        int("carrier_changes_count", ""),
        int("rx_bytes", "since it was made"),
        int("tx_bytes", ""),
        int("rx_packets_count", ""),
        int("tx_packets_count", ""),
        int("rx_errors_count", ""),
        int("tx_errors_count", ""),
        int("rx_dropped_count", ""),
        int("tx_dropped_count", ""),
        int("rx_bytes_delta", "in the window"),
        int("tx_bytes_delta", ""),
        int("rx_packets_delta", ""),
        int("tx_packets_delta", ""),
        int("rx_errors_delta", ""),
        int("tx_errors_delta", ""),
        int("rx_dropped_delta", ""),
        int("tx_dropped_delta", ""),
        int("window_us", "time between the readings"),
    ],
    reads: &[LINKS, "netlink/link.*.bin"],
    decoder: || Box::new(Links::default()),
};

/// Counters at the beginning of `struct rtnl_link_stats64`, in its order.
const COUNTERS: [&str; 8] = [
    "rx_packets",
    "tx_packets",
    "rx_bytes",
    "tx_bytes",
    "rx_errors",
    "tx_errors",
    "rx_dropped",
    "tx_dropped",
];
/// Names of `operstate` (RFC 2863), from 0.
const STATES: [&str; 7] = [
    "unknown",
    "notpresent",
    "down",
    "lowerlayerdown",
    "testing",
    "dormant",
    "up",
];
/// `IFLA_MTU` and its like.
const MTU: u16 = 4;
const LINK: u16 = 5;
const QDISC: u16 = 6;
const MASTER: u16 = 10;
const OPERSTATE: u16 = 16;
const LINKINFO: u16 = 18;
const STATS64: u16 = 23;
const CARRIER_CHANGES: u16 = 35;
const NETNSID: u16 = 37;
/// `IFLA_INFO_KIND` in `IFLA_LINKINFO`.
const INFO_KIND: u16 = 1;
/// `IFF_UP`.
const UP: u32 = 1;
/// `ARPHRD_LOOPBACK`.
const LOOPBACK: u16 = 772;

#[derive(Default)]
struct Links {
    links: BTreeMap<u32, Link>,
}

struct Link {
    name: Option<String>,
    kind: Option<String>,
    is_loopback: Option<bool>,
    master: Option<u32>,
    parent: Option<u32>,
    netnsid: Option<i32>,
    mtu: Option<u32>,
    state: Option<String>,
    is_up: Option<bool>,
    qdisc: Option<String>,
    carrier_changes: Option<u32>,
    counters: Counters,
}

impl Decode for Links {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        for message in messages(input, NEW_LINK, damages) {
            let Some(index) = u32_at(message.body, 4) else {
                too_short(input, damages);
                continue;
            };
            let attributes = attributes_after(message.body, LINK_BYTES);
            let values = counters(&attributes);
            match self.links.get_mut(&index) {
                // A list that changed while it was made may hold a link twice.
                Some(link) if link.counters.entry != input.entry => {
                    link.counters.update(input, values);
                }
                Some(_) => {}
                // A link that came later has no first reading.
                None if input.path != LINKS => {}
                None => {
                    let link = link(&message, &attributes, Counters::new(input, None, values));
                    self.links.insert(index, link);
                }
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (index, link) in &self.links {
            let master = link.master.map(|index| {
                let name = self.links.get(&index).and_then(|link| link.name.clone());
                name.unwrap_or_else(|| index.to_string())
            });
            let counters = &link.counters;
            let mut row = rows.add(&counters.entry, None);
            row.set("ifindex", *index)
                .set("name", link.name.clone())
                .set("kind", link.kind.clone())
                .set("is_loopback", link.is_loopback)
                .set("master", master)
                .set("parent_ifindex", link.parent)
                .set("netnsid", link.netnsid)
                .set("mtu_bytes", link.mtu)
                .set("state", link.state.clone())
                .set("is_up", link.is_up)
                .set("qdisc", link.qdisc.clone())
                .set("carrier_changes_count", link.carrier_changes)
                .set("window_us", counters.window_us());
            for (place, name) in COUNTERS.iter().enumerate() {
                let unit = if name.ends_with("bytes") {
                    ""
                } else {
                    "_count"
                };
                row.set(&format!("{name}{unit}"), counters.first(place))
                    .set(&format!("{name}_delta"), counters.delta(place));
            }
        }
    }
}

fn link(message: &Message<'_>, attributes: &Attributes<'_>, counters: Counters) -> Link {
    let state = attributes.get(OPERSTATE).and_then(|value| u8_at(value, 0));
    Link {
        name: attributes.text(LINK_NAME),
        kind: attributes.nested(LINKINFO).text(INFO_KIND),
        is_loopback: u16_at(message.body, 2).map(|kind| kind == LOOPBACK),
        master: attributes.u32(MASTER),
        parent: attributes.u32(LINK),
        netnsid: attributes.u32(NETNSID).map(u32::cast_signed),
        mtu: attributes.u32(MTU),
        state: state.map(|state| {
            let name = STATES.get(usize::from(state));
            name.map_or_else(|| state.to_string(), |name| (*name).to_owned())
        }),
        is_up: u32_at(message.body, 8).map(|flags| flags & UP != 0),
        qdisc: attributes.text(QDISC),
        carrier_changes: attributes.u32(CARRIER_CHANGES),
        counters,
    }
}

/// The counters, as many as there are.
fn counters(attributes: &Attributes<'_>) -> Vec<u64> {
    let stats = attributes.get(STATS64).unwrap_or_default();
    (0..COUNTERS.len())
        .map_while(|place| u64_at(stats, place * 8))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const FIRST: &[u8] = include_bytes!("../../../testdata/netlink/link.bin");
    const LAST: &[u8] = include_bytes!("../../../testdata/netlink/link.1.bin");

    #[test]
    fn a_bridge_a_veth_pair_and_a_vxlan() {
        let (rows, damages) = run(
            "link",
            &[("netlink/link.bin", FIRST), ("netlink/link.1.bin", LAST)],
        );
        let columns = [
            "ifindex",
            "name",
            "kind",
            "is_loopback",
            "master",
            "parent_ifindex",
            "mtu_bytes",
            "state",
            "is_up",
            "qdisc",
            "rx_bytes_delta",
        ];
        let expected = "\
1,lo,,true,,,65536,unknown,true,noqueue,0
2,br0,bridge,false,,,1500,up,true,noqueue,132
3,veth0p,veth,false,,4,1500,up,true,tbf,540
4,veth0,veth,false,br0,3,1500,up,true,noqueue,125614
5,vx0,vxlan,false,,,1450,unknown,true,noqueue,0
";
        assert_eq!(csv(&rows, &columns), expected);
        assert!(damages.list.is_empty());
    }

    #[test]
    fn a_dump_cut_anywhere_is_damage_at_most() {
        for length in 0..FIRST.len() {
            let (rows, damages) = run("link", &[("netlink/link.bin", &FIRST[..length])]);
            assert!(rows.len() <= 7 && damages.list.len() <= 1);
        }
    }

    #[test]
    fn any_byte_may_be_wrong() {
        let mut bytes = FIRST.to_vec();
        for place in (0..bytes.len()).step_by(7) {
            for wrong in [0, 0xff] {
                let right = std::mem::replace(&mut bytes[place], wrong);
                run("link", &[("netlink/link.bin", &bytes)]);
                bytes[place] = right;
            }
        }
    }
}
