//! Neighbours counted by state, both families, from `netlink/neighbour.bin` (messages
//! `RTM_NEWNEIGH` of `linux/neighbour.h`).

use std::collections::BTreeMap;

use freezeframe_bundle::netlink::{u8_at, u16_at, u32_at};

use crate::table::netlink::{self, LINKS, Names, messages, too_short};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "neighbour_state",
    about: "neighbours of the node's network namespace, counted by family, device and state",
    columns: &[
        text("family", "`ipv4` or `ipv6`"),
        text("device", ""),
        text(
            "state",
            "`reachable`, `stale`, `incomplete`, `failed`, `permanent`, `noarp` ...",
        ),
        int("neighbours_count", ""),
    ],
    reads: &["netlink/neighbour.bin", LINKS],
    decoder: || Box::new(Neighbours::default()),
};

/// `RTM_NEWNEIGH`.
const NEW_NEIGHBOUR: u16 = 28;
/// `NUD_INCOMPLETE` and its like, from bit 0.
const STATES: [&str; 8] = [
    "incomplete",
    "reachable",
    "stale",
    "delay",
    "probe",
    "failed",
    "noarp",
    "permanent",
];

#[derive(Default)]
struct Neighbours {
    names: Names,
    entry: String,
    /// By family, link and state.
    counts: BTreeMap<(u8, u32, u16), u64>,
}

impl Decode for Neighbours {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if self.names.take(input) {
            return;
        }
        input.entry.clone_into(&mut self.entry);
        for message in messages(input, NEW_NEIGHBOUR, damages) {
            let body = message.body;
            match (u8_at(body, 0), u32_at(body, 4), u16_at(body, 8)) {
                (Some(family), Some(link), Some(state)) => {
                    *self.counts.entry((family, link, state)).or_default() += 1;
                }
                _ => too_short(input, damages),
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for ((family, link, state), count) in &self.counts {
            rows.add(&self.entry, None)
                .set("family", netlink::family(*family))
                .set("device", self.names.get(*link))
                .set("state", state_name(*state))
                .set("neighbours_count", *count);
        }
    }
}

fn state_name(state: u16) -> String {
    let name = STATES.get(state.trailing_zeros() as usize);
    match name.filter(|_| state.is_power_of_two()) {
        Some(name) => (*name).to_owned(),
        None if state == 0 => "none".to_owned(),
        None => format!("{state:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const LINKS: &[u8] = include_bytes!("../../../testdata/netlink/link.bin");
    const NEIGHBOURS: &[u8] = include_bytes!("../../../testdata/netlink/neighbour.bin");

    #[test]
    fn counted_by_state() {
        let (rows, damages) = run(
            "neighbour_state",
            &[
                ("netlink/link.bin", LINKS),
                ("netlink/neighbour.bin", NEIGHBOURS),
            ],
        );
        let columns = ["family", "device", "state", "neighbours_count"];
        let expected = "\
ipv4,lo,noarp,1
ipv4,br0,noarp,1
ipv4,br0,permanent,1
ipv4,veth0p,permanent,1
ipv6,br0,noarp,2
ipv6,veth0p,noarp,2
ipv6,veth0,noarp,2
ipv6,vx0,noarp,1
";
        assert_eq!(csv(&rows, &columns), expected);
        assert!(damages.list.is_empty());
    }

    #[test]
    fn a_dump_cut_anywhere_is_damage_at_most() {
        for length in 0..NEIGHBOURS.len() {
            let cut = &NEIGHBOURS[..length];
            let (_, damages) = run("neighbour_state", &[("netlink/neighbour.bin", cut)]);
            assert!(damages.list.len() <= 1);
        }
    }
}
