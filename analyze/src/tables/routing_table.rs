//! Routes counted by table and by who made them, from `netlink/route.bin` (messages `RTM_NEWROUTE`
//! of `linux/rtnetlink.h`). `/proc/net/route` tells of the main table alone.

use std::collections::BTreeMap;

use freezeframe_bundle::netlink::{attributes_after, u8_at, u32_at};

use crate::table::netlink::{self, messages, table_name, too_short};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "routing_table",
    about: "routes of the node's network namespace, counted by family, table and protocol",
    columns: &[
        text("family", "`ipv4` or `ipv6`"),
        text("table_name", "`main`, `local`, a number"),
        text(
            "protocol",
            "who made the routes: `kernel`, `boot`, `static`, `bird`, `dhcp` ...",
        ),
        int("routes_count", ""),
        bool("has_default", "one of them goes anywhere"),
    ],
    reads: &["netlink/route.bin"],
    decoder: || Box::new(Routes::default()),
};

/// `RTM_NEWROUTE`.
const NEW_ROUTE: u16 = 24;
/// Bytes of `struct rtmsg`.
const STRUCTURE_BYTES: usize = 12;
/// `RTA_TABLE`.
const TABLE_NUMBER: u16 = 15;
/// `RTN_UNICAST`.
const UNICAST: u8 = 1;

#[derive(Default)]
struct Routes {
    entry: String,
    /// By family, table and protocol.
    counts: BTreeMap<(u8, u32, u8), (u64, bool)>,
}

impl Decode for Routes {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        input.entry.clone_into(&mut self.entry);
        for message in messages(input, NEW_ROUTE, damages) {
            let body = message.body;
            // The flags end the structure: with them it is whole.
            let (Some(family), Some(table), Some(protocol), Some(_)) = (
                u8_at(body, 0),
                u8_at(body, 4),
                u8_at(body, 5),
                u32_at(body, 8),
            ) else {
                too_short(input, damages);
                continue;
            };
            let table = attributes_after(body, STRUCTURE_BYTES)
                .u32(TABLE_NUMBER)
                .unwrap_or(table.into());
            let is_default = u8_at(body, 1) == Some(0) && u8_at(body, 7) == Some(UNICAST);
            let (count, has_default) = self.counts.entry((family, table, protocol)).or_default();
            *count += 1;
            *has_default |= is_default;
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for ((family, table, protocol), (count, has_default)) in &self.counts {
            rows.add(&self.entry, None)
                .set("family", netlink::family(*family))
                .set("table_name", table_name(*table))
                .set("protocol", protocol_name(*protocol))
                .set("routes_count", *count)
                .set("has_default", *has_default);
        }
    }
}

/// `RTPROT_KERNEL` and its like.
fn protocol_name(protocol: u8) -> String {
    match protocol {
        1 => "redirect".to_owned(),
        2 => "kernel".to_owned(),
        3 => "boot".to_owned(),
        4 => "static".to_owned(),
        9 => "ra".to_owned(),
        11 => "zebra".to_owned(),
        12 => "bird".to_owned(),
        16 => "dhcp".to_owned(),
        186 => "bgp".to_owned(),
        188 => "ospf".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const ROUTES: &[u8] = include_bytes!("../../../testdata/netlink/route.bin");

    #[test]
    fn counted_by_table() {
        let (rows, damages) = run("routing_table", &[("netlink/route.bin", ROUTES)]);
        let columns = [
            "family",
            "table_name",
            "protocol",
            "routes_count",
            "has_default",
        ];
        let expected = "\
ipv4,main,kernel,2,false
ipv4,main,boot,1,false
ipv4,local,kernel,7,false
ipv6,main,kernel,4,false
ipv6,local,kernel,5,false
";
        assert_eq!(csv(&rows, &columns), expected);
        assert!(damages.list.is_empty());
    }

    #[test]
    fn a_dump_cut_anywhere_is_damage_at_most() {
        for length in 0..ROUTES.len() {
            let (_, damages) = run("routing_table", &[("netlink/route.bin", &ROUTES[..length])]);
            assert!(damages.list.len() <= 1);
        }
    }
}
