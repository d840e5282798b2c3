//! Rules that choose a routing table, from `netlink/rule.bin` (messages `RTM_NEWRULE` of
//! `linux/fib_rules.h`).

use freezeframe_bundle::netlink::{Attributes, Message, attributes_after, u8_at, u32_at};

use crate::table::netlink::{self, messages, table_name, too_short};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "routing_rule",
    about: "rules that choose a routing table; the lowest priority number comes first",
    columns: &[
        text("family", "`ipv4` or `ipv6`"),
        int("priority", "the rules are tried from the lowest up"),
        text("source", "network that packets come from; null: any"),
        text("destination", "network that packets go to; null: any"),
        text("in_device", ""),
        text("out_device", ""),
        text("mark", "packet mark and its mask, hexadecimal"),
        text(
            "action",
            "`lookup`, `goto`, `blackhole`, `unreachable`, `prohibit` ...",
        ),
        text("table_name", "that is looked at: `main`, `local`, a number"),
    ],
    reads: &["netlink/rule.bin"],
    decoder: || Box::new(Rules::default()),
};

/// `RTM_NEWRULE`.
const NEW_RULE: u16 = 32;
/// Bytes of `struct fib_rule_hdr`.
const STRUCTURE_BYTES: usize = 12;
/// `FRA_DST` and its like.
const DESTINATION: u16 = 1;
const SOURCE: u16 = 2;
const IN_DEVICE: u16 = 3;
const PRIORITY: u16 = 6;
const MARK: u16 = 10;
const TABLE_NUMBER: u16 = 15;
const MARK_MASK: u16 = 16;
const OUT_DEVICE: u16 = 17;

#[derive(Default)]
struct Rules {
    rules: Vec<Rule>,
}

struct Rule {
    entry: String,
    family: u8,
    priority: u32,
    source: Option<String>,
    destination: Option<String>,
    in_device: Option<String>,
    out_device: Option<String>,
    mark: Option<String>,
    action: Option<String>,
    table: Option<u32>,
}

impl Decode for Rules {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        for message in messages(input, NEW_RULE, damages) {
            match rule(input, &message) {
                Some(rule) => self.rules.push(rule),
                None => too_short(input, damages),
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for rule in self.rules {
            let is_lookup = rule.action.as_deref() == Some("lookup");
            rows.add(&rule.entry, None)
                .set("family", netlink::family(rule.family))
                .set("priority", rule.priority)
                .set("source", rule.source)
                .set("destination", rule.destination)
                .set("in_device", rule.in_device)
                .set("out_device", rule.out_device)
                .set("mark", rule.mark)
                .set("action", rule.action)
                .set(
                    "table_name",
                    rule.table.filter(|_| is_lookup).map(table_name),
                );
        }
    }
}

fn rule(input: &Input<'_>, message: &Message<'_>) -> Option<Rule> {
    let body = message.body;
    let family = u8_at(body, 0)?;
    // The flags end the structure: with them it is whole.
    u32_at(body, 8)?;
    let attributes = attributes_after(body, STRUCTURE_BYTES);
    let mask = attributes.u32(MARK_MASK).unwrap_or(u32::MAX);
    Some(Rule {
        entry: input.entry.to_owned(),
        family,
        // Without one it is the first of all.
        priority: attributes.u32(PRIORITY).unwrap_or(0),
        source: network(&attributes, SOURCE, u8_at(body, 2)),
        destination: network(&attributes, DESTINATION, u8_at(body, 1)),
        in_device: attributes.text(IN_DEVICE),
        out_device: attributes.text(OUT_DEVICE),
        mark: attributes
            .u32(MARK)
            .map(|mark| format!("{mark:#x}/{mask:#x}")),
        action: u8_at(body, 7).map(action_name),
        table: attributes
            .u32(TABLE_NUMBER)
            .or_else(|| u8_at(body, 4).map(u32::from)),
    })
}

fn network(attributes: &Attributes<'_>, kind: u16, bits: Option<u8>) -> Option<String> {
    let address = netlink::address(attributes.get(kind)?)?;
    Some(format!("{address}/{}", bits?))
}

/// `FR_ACT_TO_TBL` and its like.
fn action_name(action: u8) -> String {
    match action {
        1 => "lookup".to_owned(),
        2 => "goto".to_owned(),
        3 => "nop".to_owned(),
        6 => "blackhole".to_owned(),
        7 => "unreachable".to_owned(),
        8 => "prohibit".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const RULES: &[u8] = include_bytes!("../../../testdata/netlink/rule.bin");

    #[test]
    fn the_usual_ones_and_one_by_source() {
        let (rows, damages) = run("routing_rule", &[("netlink/rule.bin", RULES)]);
        let columns = [
            "family",
            "priority",
            "source",
            "destination",
            "mark",
            "action",
            "table_name",
        ];
        let expected = "\
ipv4,0,,,,lookup,local
ipv4,500,10.244.0.0/24,,,lookup,100
ipv4,32766,,,,lookup,main
ipv4,32767,,,,lookup,default
ipv4 multicast,32767,,,,lookup,default
ipv6 multicast,32767,,,,lookup,main
ipv6,0,,,,lookup,local
ipv6,32766,,,,lookup,main
";
        assert_eq!(csv(&rows, &columns), expected);
        assert!(damages.list.is_empty());
    }

    #[test]
    fn a_dump_cut_anywhere_is_damage_at_most() {
        for length in 0..RULES.len() {
            let (_, damages) = run("routing_rule", &[("netlink/rule.bin", &RULES[..length])]);
            assert!(damages.list.len() <= 1);
        }
    }
}
