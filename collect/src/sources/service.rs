//! What kubelet and kube-proxy say of themselves on the ports that need no rights: health. That one
//! does not answer is evidence as well.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use freezeframe_bundle::{Cut, Kept, Outcome};

use crate::http::{self, Endpoint};
use crate::live;
use crate::root;
use crate::source::{Brief, Cx, Estimate, Hazard, Privacy, Source, Told};

/// Longest answer.
const LIMIT: usize = 1 << 20;
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// A service: the name under `api/`, where it listens, what it is asked for.
struct Service {
    name: &'static str,
    endpoint: &'static str,
    paths: &'static [&'static str],
}

const SERVICES: [Service; 2] = [
    Service {
        name: "kubelet",
        endpoint: "127.0.0.1:10248",
        paths: &["/healthz"],
    },
    Service {
        name: "kube-proxy",
        endpoint: "127.0.0.1:10256",
        paths: &["/healthz"],
    },
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "service",
    order: 110,
    about: "health of kubelet and kube-proxy, where they answer anybody",
    reads: &["http://127.0.0.1:10248/healthz (kubelet), :10256 (kube-proxy)"],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(10),
    max_bytes: 4 << 20,
    estimate: Estimate::Fixed(2),
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
    // An address is the node's own only where its network is.
    live::shares_network(brief.root)?;
    let address: Result<SocketAddr, _> = place.parse();
    address
        .map(Endpoint::Address)
        .map_err(|error| Outcome::Failed(error.to_string()))
}
