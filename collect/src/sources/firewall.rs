//! How many rules a packet may meet: tables of nftables with the number of their chains, rules and
//! sets, and which tables the old iptables has.
//!
//! Rules themselves are not stored: tens of thousands of kube-proxy's say no more than their number.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use freezeframe_bundle::Outcome;
use freezeframe_bundle::netlink::{Message, attributes_after, u8_at};
use rustix::net::netlink::NETFILTER;
use serde::Serialize;

use crate::live;
use crate::netlink::{Request, dump};
use crate::source::{Brief, Cx, Estimate, Hazard, Privacy, Source, Told};

/// `NFNL_SUBSYS_NFTABLES`, the upper byte of a message's type.
const NFTABLES: u16 = 10 << 8;
/// Bytes of `struct nfgenmsg`.
const STRUCTURE_BYTES: usize = 4;
/// The attribute that names the table is the first of tables, chains, rules and sets alike; that
/// of a chain's own name is the third (`linux/netfilter/nf_tables.h`).
const TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
/// Tables that are told apart; a pod has a few.
const TABLES: usize = 10_000;

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "firewall",
    order: 270,
    about: "tables of nftables with the number of chains, rules and sets; tables of iptables",
    reads: &[
        "nfnetlink: NFT_MSG_GET{TABLE,CHAIN,RULE,SET}, counted",
        "/proc/1/net/{ip,ip6,arp}_tables_names",
    ],
    hazard: Hazard::Costly,
    privacy: Privacy::Names,
    deadline: Duration::from_secs(5),
    max_bytes: 4 << 20,
    estimate: Estimate::Fixed(4),
    capture,
    again: None,
    each_second: &[],
    calls: &[tables],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let names = ["ip_tables_names", "ip6_tables_names", "arp_tables_names"];
    cx.try_files("/proc/1/net", &names);
    cx.call(0, b"/proc/net/netfilter", "calls/nftables.json");
    Ok(())
}

/// One of the list `calls/nftables.json`.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Table {
    family: String,
    name: String,
    chains: u64,
    /// Chains of kube-proxy and of the kubelet.
    kubernetes_chains: u64,
    rules: u64,
    sets: u64,
}

/// What is listed, by the number of its request.
#[derive(Clone, Copy)]
enum List {
    Tables = 1,
    Chains = 4,
    Rules = 7,
    Sets = 10,
}

type Tables = BTreeMap<(u8, String), Table>;

fn tables(brief: &Brief<'_>) -> Told {
    let allowed = live::shares_network(brief.root)
        .and_then(|()| live::has_module(brief.root, "nfnetlink"))
        .and_then(|()| live::has_module(brief.root, "nf_tables"));
    if let Err(outcome) = allowed {
        return Told::none(outcome);
    }
    let mut tables = Tables::new();
    let mut result = Outcome::Complete;
    // Rules last: there are most of them.
    for list in [List::Tables, List::Chains, List::Sets, List::Rules] {
        let request = Request {
            protocol: Some(NETFILTER),
            kind: NFTABLES | list as u16,
            body: &[0; STRUCTURE_BYTES],
        };
        let outcome = dump(&request, brief.ends, &mut |message| {
            count(&mut tables, list, message);
            ControlFlow::Continue(())
        });
        match outcome {
            Outcome::Complete => {}
            outcome if tables.is_empty() => return Told::none(outcome),
            outcome => {
                let why = outcome.reason().unwrap_or_default();
                result = Outcome::Partial(format!("counts are too low: {why}"));
            }
        }
    }
    let tables: Vec<Table> = tables.into_values().collect();
    Told {
        bytes: serde_json::to_vec(&tables).unwrap_or_default(),
        outcome: result,
        cut: None,
    }
}

fn count(tables: &mut Tables, list: List, message: &Message<'_>) {
    let attributes = attributes_after(message.body, STRUCTURE_BYTES);
    let Some((family, name)) = u8_at(message.body, 0).zip(attributes.text(TABLE)) else {
        return;
    };
    let key = (family, name);
    if tables.len() >= TABLES && !tables.contains_key(&key) {
        return;
    }
    let table = tables
        .entry(key)
        .or_insert_with_key(|(family, name)| Table {
            family: family_name(*family),
            name: name.clone(),
            ..Table::default()
        });
    match list {
        List::Tables => {}
        List::Rules => table.rules += 1,
        List::Sets => table.sets += 1,
        List::Chains => {
            table.chains += 1;
            let name = attributes.text(CHAIN_NAME);
            let is_kubernetes = name.is_some_and(|name| name.starts_with("KUBE-"));
            table.kubernetes_chains += u64::from(is_kubernetes);
        }
    }
}

/// `NFPROTO_INET` and its like, as `nft` names them.
fn family_name(family: u8) -> String {
    match family {
        1 => "inet".to_owned(),
        2 => "ip".to_owned(),
        3 => "arp".to_owned(),
        5 => "netdev".to_owned(),
        7 => "bridge".to_owned(),
        10 => "ip6".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use freezeframe_bundle::netlink::{message, messages};

    use super::*;
    use crate::root::Root;

    /// A message about something named in a table.
    fn about(family: u8, table: &str, name: &str) -> Vec<u8> {
        let mut body = vec![family, 0, 0, 0];
        for (kind, text) in [(1u8, table), (3, name)] {
            body.extend([text.len() as u8 + 5, 0, kind, 0]);
            body.extend(text.as_bytes());
            body.push(0);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        message(0xa03, 2, 1, &body)
    }

    #[test]
    fn things_are_counted_by_table() {
        let mut tables = Tables::new();
        let mut take = |list, bytes: &[u8]| {
            for message in messages(bytes).flatten() {
                count(&mut tables, list, &message);
            }
        };
        take(List::Tables, &about(2, "nat", ""));
        take(List::Tables, &about(10, "nat", ""));
        take(List::Chains, &about(2, "nat", "KUBE-SERVICES"));
        take(List::Chains, &about(2, "nat", "PREROUTING"));
        take(List::Rules, &about(2, "nat", ""));
        take(List::Sets, &about(10, "nat", "s"));
        let bytes = about(2, "other", "KUBE-SERVICES");
        for length in 0..bytes.len() {
            take(List::Rules, &bytes[..length]);
        }
        let found: Vec<Table> = tables.into_values().collect();
        let table = |family: &str, chains, kubernetes_chains, rules, sets| Table {
            family: family.to_owned(),
            name: "nat".to_owned(),
            chains,
            kubernetes_chains,
            rules,
            sets,
        };
        assert_eq!(found, [table("ip", 2, 1, 1, 0), table("ip6", 0, 0, 0, 1)]);
    }

    #[test]
    fn this_kernel_answers_or_the_outcome_says_why_not() {
        let root = Root::open(Path::new("/")).unwrap();
        let told = tables(&Brief {
            root: &root,
            argument: b"",
            ends: Instant::now() + Duration::from_secs(5),
            bytes: 1 << 20,
        });
        match told.outcome {
            Outcome::Complete => assert!(told.bytes.starts_with(b"[")),
            outcome => assert!(!outcome.reason().unwrap_or_default().is_empty()),
        }
    }
}
