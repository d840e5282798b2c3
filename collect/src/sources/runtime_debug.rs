//! What container runtimes tell by HTTP beside CRI: goroutines, heap, counters, information.
//!
//! A runtime that hangs shows in its goroutines what it waits for, and that it does not answer is the
//! evidence where it shows nothing. One that does not answer once is not asked again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use freezeframe_bundle::{Cut, Kept, Outcome};
use serde::{Deserialize, Serialize};

use crate::api;
use crate::cri::endpoint;
use crate::http::{self, Answer, Endpoint};
use crate::source::{Brief, Cx, Estimate, Hazard, Part, Privacy, Source, Told};
use crate::{clock, live, root};

/// A whole dump of goroutines of a busy containerd has some megabytes.
const LIMIT: usize = 8 << 20;
/// How long one answer may take: the runtime stops the world to dump its goroutines.
const PATIENCE: Duration = Duration::from_secs(3);
/// Where containerd's own configuration may be.
const CONFIGS: [&str; 3] = [
    "/etc/containerd/config.toml",
    "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
];

const GOROUTINES: &str = "/debug/pprof/goroutine?debug=2";
const HEAP: &str = "/debug/pprof/heap";
const CRIO_HEAP: &str = "/debug/heap";
const VARIABLES: &str = "/debug/vars";

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "runtime_debug",
    order: 111,
    about: "goroutines, heap, counters and information that container runtimes give by HTTP",
    reads: &[
        "unix:/run/containerd/debug.sock or [debug] of its config.toml: /debug/{pprof/goroutine,pprof/heap,vars}",
        "http://<[metrics] of config.toml>/v1/metrics (containerd)",
        "unix:/run/crio/crio.sock /info, /config, /debug/{goroutines,heap}",
        "unix:/run/docker.sock /info, /containers/json, /debug/{pprof/goroutine,pprof/heap,vars}",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(12),
    max_bytes: 48 << 20,
    estimate: Estimate::Fixed(8),
    capture,
    again: None,
    each_second: &[],
    calls: &[ask],
};

/// A runtime that is asked.
struct Service {
    /// Its name under `api/`.
    name: &'static str,
    /// A path, or an address with a port.
    place: String,
    paths: &'static [&'static str],
}

/// How a question went: a line of `api/<name>/exchanges.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
struct Exchange {
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    member: Option<String>,
    started_us: u64,
    took_us: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What a worker answers; the body comes behind it.
#[derive(Serialize, Deserialize)]
struct Head {
    exchange: Exchange,
    outcome: Outcome,
    cut: Option<Cut>,
}

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let services = services(cx);
    if services.is_empty() && !cx.is_spent() {
        let why = "no container runtime of this node gives it";
        return Err(Outcome::Absent(why.to_owned()));
    }
    let mut names: Vec<_> = services.iter().map(|service| service.name).collect();
    names.dedup();
    for name in names {
        let mut exchanges = Vec::new();
        for service in services.iter().filter(|service| service.name == name) {
            question(cx, service, &mut exchanges);
        }
        let member = format!("api/{name}/exchanges.jsonl");
        cx.answer(&member, &exchanges, Outcome::Complete, Duration::ZERO);
    }
    Ok(())
}

/// The runtimes of this node, as far as their sockets and configuration tell.
fn services(cx: &mut Cx<'_>) -> Vec<Service> {
    let (mut debug, mut metrics) = (Some("/run/containerd/debug.sock".to_owned()), None);
    for config in CONFIGS {
        if cx.peek(config) {
            let text = String::from_utf8_lossy(cx.bytes());
            let address = endpoint::setting(&text, "[debug]", "address");
            debug = address
                .and_then(endpoint::path)
                .map(str::to_owned)
                .or(debug);
            metrics = endpoint::setting(&text, "[metrics]", "address").and_then(reachable);
            break;
        }
    }
    let containerd = |place, paths| Service {
        name: "containerd",
        place,
        paths,
    };
    let mut found: Vec<Service> = Vec::new();
    found.extend(debug.map(|place| containerd(place, &[GOROUTINES, HEAP, VARIABLES])));
    found.extend(metrics.map(|address| containerd(address, &["/v1/metrics"])));
    found.push(Service {
        name: "crio",
        place: "/run/crio/crio.sock".to_owned(),
        paths: &["/debug/goroutines", CRIO_HEAP, "/info", "/config"],
    });
    found.push(Service {
        name: "docker",
        place: "/run/docker.sock".to_owned(),
        paths: &[
            GOROUTINES,
            HEAP,
            VARIABLES,
            "/info",
            "/containers/json?all=1",
        ],
    });
    found.retain(|service| !service.place.starts_with('/') || cx.exists(&service.place));
    found
}

/// An address that a runtime listens on, as it is reached from here. Names are not resolved.
fn reachable(address: &str) -> Option<String> {
    let address = match address.strip_prefix(':') {
        Some(port) => format!("127.0.0.1:{port}"),
        None => address.replacen("localhost:", "127.0.0.1:", 1),
    };
    let address = address.parse().ok().filter(|a: &SocketAddr| a.port() > 0)?;
    Some(api::reachable(address).to_string())
}

/// Asks a runtime for all that it may have.
fn question(cx: &mut Cx<'_>, service: &Service, exchanges: &mut Vec<u8>) {
    for path in service.paths {
        let member = format!("api/{}{path}", service.name);
        let argument = format!("{}\n{path}\n{member}", service.place);
        let told = match cx.consult(0, argument.as_bytes()) {
            Ok(told) => told,
            // The worker is gone, the time is over: nothing is gained by another try.
            Err(outcome) => {
                if !matches!(outcome, Outcome::Skipped(_)) {
                    let started_us = clock::boottime_us();
                    cx.part(part(member, Vec::new(), outcome, (started_us, 0)));
                }
                return;
            }
        };
        let end = memchr::memchr(b'\n', &told).unwrap_or(told.len());
        let (line, body) = told.split_at(end);
        let Ok(head) = serde_json::from_slice::<Head>(line) else {
            return;
        };
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut *exchanges, &head.exchange);
        exchanges.push(b'\n');
        let Head {
            exchange,
            outcome,
            cut,
        } = head;
        let body = body.get(1..).unwrap_or_default().to_vec();
        let times = (exchange.started_us, exchange.took_us);
        cx.part(Part {
            cut,
            privacy: api::privacy(&body),
            ..part(member, body, outcome, times)
        });
        let has_answered = exchange.status.is_some();
        if !has_answered {
            return;
        }
    }
}

fn part(
    member: String,
    bytes: Vec<u8>,
    outcome: Outcome,
    (started_us, took_us): (u64, u64),
) -> Part {
    Part {
        member,
        bytes,
        outcome,
        cut: None,
        started_us,
        took_us,
        privacy: Privacy::Text,
    }
}

/// Asks one service for one path.
fn ask(brief: &Brief<'_>) -> Told {
    let argument = String::from_utf8_lossy(brief.argument).into_owned();
    let mut words = argument.split('\n');
    let mut word = || words.next().unwrap_or_default();
    let (place, path, member) = (word(), word(), word());
    let (started_us, began) = (clock::boottime_us(), Instant::now());
    let ends = brief.ends.min(began + PATIENCE);
    // Room for the line before the body.
    let limit = LIMIT.min(brief.bytes.saturating_sub(4 << 10));
    let answer = to(brief, place).and_then(|endpoint| {
        http::get(&endpoint, path, limit, ends).map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => Outcome::TimedOut(began.elapsed().as_micros() as u64),
            std::io::ErrorKind::ConnectionRefused => {
                Outcome::Failed(format!("nothing listens on {place}: the runtime is down"))
            }
            _ => root::outcome(&error),
        })
    });
    let mut exchange = Exchange {
        url: url(place, path),
        member: None,
        started_us,
        took_us: began.elapsed().as_micros() as u64,
        status: None,
        bytes: 0,
        error: None,
    };
    let (outcome, cut, body) = match answer {
        Ok(answer) => {
            exchange.status = Some(answer.status);
            exchange.bytes = answer.body.len() as u64;
            judge(answer)
        }
        Err(outcome) => {
            let why = outcome
                .reason()
                .unwrap_or_else(|| "no answer in time".into());
            exchange.error = Some(why.to_string());
            (outcome, None, Vec::new())
        }
    };
    if matches!(outcome, Outcome::Complete | Outcome::Partial(_)) {
        exchange.member = Some(member.to_owned());
    }
    let head = Head {
        exchange,
        outcome,
        cut,
    };
    let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend(body);
    Told {
        bytes,
        outcome: Outcome::Complete,
        cut: None,
    }
}

fn judge(answer: Answer) -> (Outcome, Option<Cut>, Vec<u8>) {
    let outcome = match (answer.status, answer.is_cut) {
        (200..300, false) => Outcome::Complete,
        (200..300, true) => Outcome::Partial("the answer was cut".to_owned()),
        // Debugging is off, or the runtime is too old.
        (404, _) => {
            let why = "HTTP status 404: it does not offer this";
            return (Outcome::Absent(why.to_owned()), None, Vec::new());
        }
        (status, _) => Outcome::Partial(format!("HTTP status {status}")),
    };
    let cut = answer.is_cut.then_some(Cut {
        kept: Kept::Head,
        of_bytes: None,
    });
    (outcome, cut, answer.body)
}

fn url(place: &str, path: &str) -> String {
    if place.starts_with('/') {
        format!("unix:{place}:{path}")
    } else {
        format!("http://{place}{path}")
    }
}

fn to(brief: &Brief<'_>, place: &str) -> Result<Endpoint, Outcome> {
    if place.starts_with('/') {
        let socket = brief.root.place(place.as_bytes());
        return socket
            .map(Endpoint::Unix)
            .map_err(|error| root::outcome(&error));
    }
    // An address is the node's own only where its network is.
    live::shares_network(brief.root)?;
    let address: Result<SocketAddr, _> = place.parse();
    address
        .map(Endpoint::Address)
        .map_err(|error| Outcome::Failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_reached_from_here() {
        let of = |address| reachable(address).unwrap_or_default();
        assert_eq!(of("127.0.0.1:1338"), "127.0.0.1:1338");
        assert_eq!(of("0.0.0.0:1338"), "127.0.0.1:1338");
        assert_eq!(of(":1338"), "127.0.0.1:1338");
        assert_eq!(of("localhost:1338"), "127.0.0.1:1338");
        assert_eq!(of("[::]:1338"), "127.0.0.1:1338");
        assert_eq!(of("10.0.0.5:1338"), "10.0.0.5:1338");
        for none in ["", "metrics.local:1338", "127.0.0.1:0", "127.0.0.1"] {
            assert_eq!(of(none), "", "{none}");
        }
    }
}
