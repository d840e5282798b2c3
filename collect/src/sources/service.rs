//! What containerd says of itself on the socket that needs no rights: goroutines, heap.
//!
//! A service that hangs shows in its goroutines what it waits for, and that it does not answer is the
//! evidence where it shows nothing. One that does not answer once is not asked again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use freezeframe_bundle::{Cut, Kept, Outcome};

use crate::http::{self, Endpoint};
use crate::live;
use crate::root;
use crate::source::{Brief, Cx, Estimate, Hazard, Privacy, Source, Told};

/// A whole dump of goroutines of a busy containerd has some megabytes.
const LIMIT: usize = 8 << 20;
/// How long one answer may take: containerd stops the world to dump its goroutines.
const PATIENCE: Duration = Duration::from_secs(3);

/// A service: the name under `api/`, where it listens, what it is asked for.
struct Service {
    name: &'static str,
    endpoint: &'static str,
    paths: &'static [&'static str],
}

const SERVICES: [Service; 1] = [Service {
    name: "containerd",
    endpoint: "/run/containerd/debug.sock",
    paths: &[
        "/debug/pprof/goroutine?debug=2",
        "/debug/pprof/heap",
        "/debug/vars",
    ],
}];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "service",
    order: 110,
    about: "goroutines and heap of containerd, where they answer anybody",
    reads: &["unix:/run/containerd/debug.sock /debug/{pprof/goroutine,pprof/heap,vars}"],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(10),
    max_bytes: 32 << 20,
    estimate: Estimate::Fixed(3),
    capture,
    again: None,
    each_second: &[],
    calls: &[ask],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for service in &SERVICES {
        // One dead socket costs one dial, not one for each path.
        for path in service.paths {
            let argument = format!("{}\n{path}", service.endpoint);
            let member = format!("api/{}{path}", service.name);
            if !cx.call(0, argument.as_bytes(), &member) {
                break;
            }
        }
    }
    Ok(())
}

/// Asks one service for one path.
fn ask(brief: &Brief<'_>) -> Told {
    let argument = String::from_utf8_lossy(brief.argument).into_owned();
    let (place, path) = argument.split_once('\n').unwrap_or((&argument, "/"));
    let ends = brief.ends.min(Instant::now() + PATIENCE);
    let endpoint = match endpoint(brief, place) {
        Ok(endpoint) => endpoint,
        Err(outcome) => return Told::none(outcome),
    };
    match http::get(&endpoint, path, LIMIT.min(brief.bytes), ends) {
        Ok(answer) => {
            let outcome = match (answer.status, answer.is_cut) {
                (200..300, false) => Outcome::Complete,
                (200..300, true) => Outcome::Partial("the answer was cut".to_owned()),
                (status, _) => Outcome::Partial(format!("HTTP status {status}")),
            };
            Told {
                cut: answer.is_cut.then_some(Cut {
                    kept: Kept::Head,
                    of_bytes: None,
                }),
                bytes: answer.body,
                outcome,
            }
        }
        Err(error) => Told::none(match error.kind() {
            std::io::ErrorKind::TimedOut => Outcome::TimedOut(PATIENCE.as_micros() as u64),
            std::io::ErrorKind::ConnectionRefused => {
                Outcome::Absent("nothing listens there".to_owned())
            }
            _ => root::outcome(&error),
        }),
    }
}

fn endpoint(brief: &Brief<'_>, place: &str) -> Result<Endpoint, Outcome> {
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
