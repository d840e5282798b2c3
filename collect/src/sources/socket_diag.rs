//! TCP sockets of the node's own network namespace: how many in which state, and how long the
//! queues of the listening ones are.
//!
//! A list of all sockets would be as long as the node is busy, so the worker counts them and keeps
//! only those that listen (`linux/inet_diag.h`). `/proc/net/tcp` has no backlog.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;
use std::time::Duration;

use freezeframe_bundle::Outcome;
use freezeframe_bundle::netlink::{Message, u8_at, u32_at};
use rustix::net::netlink::SOCK_DIAG;
use serde::Serialize;

use crate::live;
use crate::netlink::{Request, dump};
use crate::source::{Brief, Cx, Estimate, Hazard, Privacy, Source, Told};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `AF_INET`, `AF_INET6` and the names that the answer gives them.
const FAMILIES: [(u8, &str); 2] = [(2, "ipv4"), (10, "ipv6")];
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// `TCP_LISTEN`.
const LISTEN: u8 = 10;
/// Bits of the states: listening sockets are asked for first, they are few and tell most.
const STATES: [u32; 2] = [1 << LISTEN, 0x1fff & !(1 << LISTEN)];
/// Names of `enum` in `net/tcp_states.h`, from 1.
const STATE_NAMES: [&str; 12] = [
    "established",
    "syn_sent",
    "syn_recv",
    "fin_wait1",
    "fin_wait2",
    "time_wait",
    "close",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
    "new_syn_recv",
];
/// Listening sockets that are kept.
const LISTENERS: usize = 10_000;

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "socket_diag",
    order: 90,
    about: "TCP sockets counted by state, accept queue and backlog of those that listen",
    reads: &["sock_diag: TCP over IPv4 and IPv6"],
    hazard: Hazard::Costly,
    privacy: Privacy::Names,
    deadline: Duration::from_secs(5),
    max_bytes: 4 << 20,
    estimate: Estimate::Fixed(1),
    capture,
    again: None,
    each_second: &[],
    calls: &[sockets],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    cx.call(0, b"/proc/net/tcp", "calls/socket_diag.json");
    Ok(())
}

/// `calls/socket_diag.json`.
#[derive(Default, Serialize)]
struct Sockets {
    states: Vec<State>,
    listeners: Vec<Listener>,
    /// Listening sockets beyond those kept.
    listeners_left_out: u64,
}

#[derive(Serialize)]
struct State {
    family: &'static str,
    state: String,
    sockets: u64,
    /// Whether all were counted.
    complete: bool,
}

#[derive(Debug, PartialEq, Serialize)]
struct Listener {
    family: &'static str,
    address: String,
    port: u16,
    /// Connections that wait to be accepted.
    accept_queue: u32,
    /// How many may wait.
    backlog: u32,
    inode: u32,
    user_id: u32,
}

fn sockets(brief: &Brief<'_>) -> Told {
    let allowed = live::shares_network(brief.root)
        .and_then(|()| live::has_module(brief.root, "inet_diag"))
        .and_then(|()| live::has_module(brief.root, "tcp_diag"));
    if let Err(outcome) = allowed {
        return Told::none(outcome);
    }
    let mut answer = Sockets::default();
    let mut result = Outcome::Complete;
    for states in STATES {
        for (number, family) in FAMILIES {
            let mut body = vec![0; 56];
            body.splice(..8, request(number, states));
            let request = Request {
                protocol: Some(SOCK_DIAG),
                kind: BY_FAMILY,
                body: &body,
            };
            let mut counts = BTreeMap::new();
            let outcome = dump(&request, brief.ends, &mut |message| {
                answer.take(family, message, &mut counts);
                ControlFlow::Continue(())
            });
            let complete = outcome == Outcome::Complete;
            answer.count(family, &counts, complete);
            // A kernel without IPv6 offers one family alone.
            let is_absent = matches!(outcome, Outcome::Absent(_));
            if !complete && (!is_absent || result == Outcome::Complete) {
                result = outcome;
            }
        }
    }
    if answer.states.is_empty() && result != Outcome::Complete {
        return Told::none(result);
    }
    if matches!(result, Outcome::Absent(_)) {
        result = Outcome::Complete;
    } else if let Some(why) = result.reason() {
        result = Outcome::Partial(format!("not all sockets were counted: {why}"));
    }
    Told {
        bytes: serde_json::to_vec(&answer).unwrap_or_default(),
        outcome: result,
        cut: None,
    }
}

/// The beginning of `struct inet_diag_req_v2`; the rest is 0.
fn request(family: u8, states: u32) -> [u8; 8] {
    let [a, b, c, d] = states.to_le_bytes();
    [family, TCP, 0, 0, a, b, c, d]
}

impl Sockets {
    /// Takes one `struct inet_diag_msg`.
    fn take(
        &mut self,
        family: &'static str,
        message: &Message<'_>,
        counts: &mut BTreeMap<u8, u64>,
    ) {
        let Some(state) = u8_at(message.body, 1) else {
            return;
        };
        *counts.entry(state).or_default() += 1;
        if state != LISTEN {
            return;
        }
        if self.listeners.len() >= LISTENERS {
            self.listeners_left_out += 1;
            return;
        }
        self.listeners.extend(listener(family, message.body));
    }

    fn count(&mut self, family: &'static str, counts: &BTreeMap<u8, u64>, complete: bool) {
        for (state, sockets) in counts {
            let name = STATE_NAMES.get(usize::from(state.wrapping_sub(1)));
            self.states.push(State {
                family,
                state: name.map_or_else(|| state.to_string(), |name| (*name).to_owned()),
                sockets: *sockets,
                complete,
            });
        }
    }
}

/// A listening socket: of it `idiag_rqueue` is what waits, `idiag_wqueue` what may.
fn listener(family: &'static str, body: &[u8]) -> Option<Listener> {
    let port = body.get(4..6)?.try_into().ok().map(u16::from_be_bytes)?;
    let address: [u8; 16] = body.get(8..24)?.try_into().ok()?;
    let [a, b, c, d, ..] = address;
    Some(Listener {
        family,
        address: if family == "ipv4" {
            Ipv4Addr::new(a, b, c, d).to_string()
        } else {
            Ipv6Addr::from(address).to_string()
        },
        port,
        accept_queue: u32_at(body, 56)?,
        backlog: u32_at(body, 60)?,
        user_id: u32_at(body, 64)?,
        inode: u32_at(body, 68)?,
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::path::Path;
    use std::time::Instant;

    use super::*;
    use crate::root::Root;

    #[test]
    fn a_listener_of_this_process_is_found_or_the_outcome_says_why_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let root = Root::open(Path::new("/")).unwrap();
        let told = sockets(&Brief {
            root: &root,
            argument: b"",
            ends: Instant::now() + Duration::from_secs(5),
            bytes: 1 << 20,
        });
        if told.bytes.is_empty() {
            assert_ne!(told.outcome, Outcome::Complete);
            return;
        }
        let answer: serde_json::Value = serde_json::from_slice(&told.bytes).unwrap();
        let found = answer["listeners"].as_array().unwrap();
        let found = found.iter().find(|l| l["port"] == port).unwrap();
        assert_eq!(found["address"], "127.0.0.1");
        assert_eq!(found["accept_queue"], 0);
        assert_ne!(found["backlog"], 0);
    }

    #[test]
    fn a_message_may_be_short() {
        let body = [0u8; 72];
        assert!(listener("ipv4", &body).is_some());
        for length in 0..body.len() {
            assert_eq!(listener("ipv6", &body[..length]), None);
        }
    }
}
