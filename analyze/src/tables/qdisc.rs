//! Queues of the links with what they dropped, from `netlink/qdisc.bin` (messages `RTM_NEWQDISC` of
//! `linux/rtnetlink.h`, counters of `linux/gen_stats.h`).

use std::collections::BTreeMap;

use freezeframe_bundle::netlink::{Attributes, attributes_after, u32_at, u64_at};

use crate::table::counter::Counters;
use crate::table::netlink::{LINKS, Names, messages, too_short};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "qdisc",
    about: "queues of the links in the node's network namespace",
    columns: &[
        int("ifindex", ""),
        text("device", ""),
        text("kind", "`fq_codel`, `mq`, `noqueue`, `clsact` ..."),
        text("handle", "as tc shows it, `8001:`"),
        text("parent", "`root`, `ingress`, or the class it hangs on"),
        int("tx_bytes", "since it was made"),
        int("tx_packets_count", ""),
        int("drops_count", "packets"),
        int("overlimits_count", "packets that had to wait"),
        int("requeues_count", ""),
        int("backlog_bytes", "waiting, first reading"),
        int("backlog_packets_count", ""),
        int("tx_bytes_delta", "in the window"),
        int("tx_packets_delta", ""),
        int("drops_delta", ""),
        int("overlimits_delta", ""),
        int("requeues_delta", ""),
        int("window_us", "time between the readings"),
    ],
    reads: &[QUEUES, "netlink/qdisc.*.bin", LINKS],
    decoder: || Box::new(Queues::default()),
};

const QUEUES: &str = "netlink/qdisc.bin";
/// `RTM_NEWQDISC`.
const NEW_QDISC: u16 = 36;
/// Bytes of `struct tcmsg`.
const STRUCTURE_BYTES: usize = 20;
/// `TCA_KIND`, `TCA_STATS2`.
const KIND: u16 = 1;
const STATS: u16 = 7;
/// `TCA_STATS_BASIC`, `TCA_STATS_QUEUE`, `TCA_STATS_PKT64` in `TCA_STATS2`.
const BASIC: u16 = 1;
const QUEUE: u16 = 3;
const PACKETS: u16 = 8;
/// Places of [`counters`].
const DELTAS: [&str; 5] = ["tx_bytes", "tx_packets", "drops", "overlimits", "requeues"];

#[derive(Default)]
struct Queues {
    names: Names,
    /// By link, handle and parent.
    queues: BTreeMap<(u32, u32, u32), Queue>,
}

struct Queue {
    kind: Option<String>,
    waiting: [Option<u32>; 2],
    counters: Counters,
}

impl Decode for Queues {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if self.names.take(input) {
            return;
        }
        for message in messages(input, NEW_QDISC, damages) {
            let number = |at| u32_at(message.body, at);
            let (Some(link), Some(handle), Some(parent)) = (number(4), number(8), number(12))
            else {
                too_short(input, damages);
                continue;
            };
            let attributes = attributes_after(message.body, STRUCTURE_BYTES);
            let stats = attributes.nested(STATS);
            let values = counters(&stats).unwrap_or_default();
            match self.queues.get_mut(&(link, handle, parent)) {
                Some(queue) if queue.counters.entry != input.entry => {
                    queue.counters.update(input, values);
                }
                Some(_) => {}
                None if input.path != QUEUES => {}
                None => {
                    let waiting = stats.get(QUEUE).unwrap_or_default();
                    let queue = Queue {
                        kind: attributes.text(KIND),
                        waiting: [u32_at(waiting, 0), u32_at(waiting, 4)],
                        counters: Counters::new(input, None, values),
                    };
                    self.queues.insert((link, handle, parent), queue);
                }
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for ((link, handle, parent), queue) in &self.queues {
            let counters = &queue.counters;
            let [packets, bytes] = queue.waiting;
            let mut row = rows.add(&counters.entry, None);
            row.set("ifindex", *link)
                .set("device", self.names.get(*link))
                .set("kind", queue.kind.clone())
                .set("handle", format!("{:x}:", handle >> 16))
                .set("parent", parent_name(*parent))
                .set("tx_bytes", counters.first(0))
                .set("tx_packets_count", counters.first(1))
                .set("drops_count", counters.first(2))
                .set("overlimits_count", counters.first(3))
                .set("requeues_count", counters.first(4))
                .set("backlog_bytes", bytes)
                .set("backlog_packets_count", packets)
                .set("window_us", counters.window_us());
            for (place, name) in DELTAS.iter().enumerate() {
                row.set(&format!("{name}_delta"), counters.delta(place));
            }
        }
    }
}

/// Counters in the order of [`DELTAS`].
fn counters(stats: &Attributes<'_>) -> Option<Vec<u64>> {
    let (basic, queue) = (stats.get(BASIC)?, stats.get(QUEUE)?);
    let packets = stats.get(PACKETS).and_then(|value| u64_at(value, 0));
    let packets = packets.or_else(|| u32_at(basic, 8).map(u64::from));
    Some(vec![
        u64_at(basic, 0)?,
        packets?,
        u32_at(queue, 8)?.into(),
        u32_at(queue, 16)?.into(),
        u32_at(queue, 12)?.into(),
    ])
}

/// `TC_H_ROOT`, `TC_H_INGRESS`, or major and minor number of a class.
fn parent_name(parent: u32) -> String {
    match parent {
        u32::MAX => "root".to_owned(),
        0xffff_fff1 => "ingress".to_owned(),
        class => format!("{:x}:{:x}", class >> 16, class & 0xffff),
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const LINKS: &[u8] = include_bytes!("../../../testdata/netlink/link.bin");
    const FIRST: &[u8] = include_bytes!("../../../testdata/netlink/qdisc.bin");
    const LAST: &[u8] = include_bytes!("../../../testdata/netlink/qdisc.1.bin");

    #[test]
    fn a_bucket_that_drops() {
        let (rows, damages) = run(
            "qdisc",
            &[
                ("netlink/link.bin", LINKS),
                ("netlink/qdisc.bin", FIRST),
                ("netlink/qdisc.1.bin", LAST),
            ],
        );
        let columns = [
            "device",
            "kind",
            "handle",
            "parent",
            "tx_packets_count",
            "drops_count",
            "overlimits_count",
            "backlog_packets_count",
            "drops_delta",
        ];
        let expected = "\
lo,noqueue,0:,root,0,0,0,0,0
br0,noqueue,0:,root,0,0,0,0,0
veth0p,tbf,8002:,root,57,2,24,0,9
veth0,noqueue,0:,root,0,0,0,0,0
vx0,noqueue,0:,root,0,0,0,0,0
";
        assert_eq!(csv(&rows, &columns), expected);
        assert!(damages.list.is_empty());
    }

    #[test]
    fn a_dump_cut_anywhere_is_damage_at_most() {
        for length in 0..FIRST.len() {
            let (_, damages) = run("qdisc", &[("netlink/qdisc.bin", &FIRST[..length])]);
            assert!(damages.list.len() <= 1);
        }
    }
}
