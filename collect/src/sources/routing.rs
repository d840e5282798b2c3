//! Links, addresses, rules, routes, neighbours and queues of the node's own network namespace, as
//! rtnetlink lists them: what `/proc/net` does not tell of them.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::live;
use crate::netlink::{Request, store};
use crate::source::{Brief, Cx, Estimate, Hazard, Privacy, Source, Told};

/// Bytes of one list: ten thousand links, or sixty thousand routes.
const LIST_BYTES: usize = 8 << 20;
/// `IFLA_EXT_MASK` with `RTEXT_FILTER_SKIP_STATS`: not the IPv6 counters of each link, which are
/// summed over all CPUs.
const WITHOUT_IPV6_COUNTERS: [u8; 8] = [8, 0, 29, 0, 8, 0, 0, 0];

/// One list: name of its member, request, bytes of the structure that follows the header
/// (`linux/rtnetlink.h`), and whether it holds counters.
struct List {
    name: &'static str,
    kind: u16,
    structure_bytes: usize,
    attributes: &'static [u8],
    is_counter: bool,
}

const fn list(name: &'static str, kind: u16, structure_bytes: usize) -> List {
    List {
        name,
        kind,
        structure_bytes,
        attributes: &[],
        is_counter: false,
    }
}

/// `RTM_GETLINK` and its like; the order is that of the calls of the source.
const LISTS: [List; 6] = [
    List {
        attributes: &WITHOUT_IPV6_COUNTERS,
        is_counter: true,
        ..list("link", 18, 16)
    },
    List {
        is_counter: true,
        ..list("qdisc", 38, 20)
    },
    list("neighbour", 30, 12),
    list("address", 22, 8),
    list("rule", 34, 12),
    list("route", 26, 12),
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "routing",
    order: 80,
    about: "links with their kind and counters, queues, addresses, rules, routes, neighbours",
    reads: &["rtnetlink: RTM_GET{LINK,QDISC,NEIGH,ADDR,RULE,ROUTE}"],
    hazard: Hazard::Costly,
    privacy: Privacy::Names,
    deadline: Duration::from_secs(4),
    max_bytes: 48 << 20,
    estimate: Estimate::Fixed(6),
    capture,
    again: Some(capture),
    each_second: &[],
    calls: &[
        |brief| answer(brief, 0),
        |brief| answer(brief, 1),
        |brief| answer(brief, 2),
        |brief| answer(brief, 3),
        |brief| answer(brief, 4),
        |brief| answer(brief, 5),
    ],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let reading = cx.reading();
    for (call, list) in LISTS.iter().enumerate() {
        let name = list.name;
        match reading {
            0 => cx.call(call, b"/proc/net/netlink", &format!("netlink/{name}.bin")),
            n if list.is_counter => {
                let member = format!("netlink/{name}.{n}.bin");
                cx.call(call, b"/proc/net/netlink", &member)
            }
            _ => false,
        };
    }
    Ok(())
}

fn answer(brief: &Brief<'_>, call: usize) -> Told {
    let Some(list) = LISTS.get(call) else {
        return Told::none(Outcome::Failed("no such list".to_owned()));
    };
    if let Err(outcome) = live::shares_network(brief.root) {
        return Told::none(outcome);
    }
    let mut body = vec![0; list.structure_bytes];
    body.extend_from_slice(list.attributes);
    let request = Request {
        protocol: None,
        kind: list.kind,
        body: &body,
    };
    store(&request, brief, LIST_BYTES)
}
