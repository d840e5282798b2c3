//! Health, metrics and profiles of every Go component on this node that has such an interface: of the
//! control plane, kube-proxy, etcd, network agents, exporters, and of what `--pprof` names.
//!
//! A component is asked where a process of its name listens (`api/interface.rs`), also in a pod's network.
//! Its goroutines are asked for first: whether it has profiles at all shows there. While the window runs, its
//! CPU profile does.

use std::collections::BTreeSet;
use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::api::{self, Found, Order, Scheme, Url, Way};
use crate::source::{Brought, Cx, Errand, Estimate, Hazard, Privacy, Source};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a profile may take beyond its own time.
const PROFILE_PATIENCE: Duration = Duration::from_secs(10);
/// Interfaces that are asked; a node with more of them has many of one kind.
const INTERFACES: usize = 32;
/// Where Go's profiles are (net/http/pprof).
const PPROF: &str = "/debug/pprof";
/// State and waiting time of each goroutine, as text.
const GOROUTINES: &str = "/debug/pprof/goroutine?debug=2";
/// The other profiles, by their names.
const PROFILES: [&str; 5] = ["heap", "goroutine", "mutex", "block", "threadcreate"];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "pprof",
    order: 106,
    about: "health, metrics, goroutines and profiles of Go components that listen on this node",
    reads: &[
        "http://127.0.0.1:10249 (kube-proxy), :2381 (etcd), :9100 (node_exporter), CNI agents, coredns",
        "https://127.0.0.1:6443 (API server), :10257, :10259 (controllers), :2379 (etcd)",
        "/debug/pprof/{profile,goroutine,heap,mutex,block,threadcreate}, /metrics, /livez, /readyz",
        "/proc/*/{comm,fd,net/tcp,net/tcp6} to find them; what --pprof names",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(45),
    max_bytes: 192 << 20,
    estimate: Estimate::Fixed(20),
    capture,
    again: None,
    each_second: &[],
    calls: &[api::ask],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let mut sent = 0;
    for named in cx.services().pprof.clone() {
        let Ok(url) = Url::parse(&named.url) else {
            continue;
        };
        let way = Way::named(named.url.clone());
        // `http://127.0.0.1:6060/debug/pprof/` means the same as `http://127.0.0.1:6060`.
        let is_given = url.scheme != Scheme::Unix && url.path.ends_with(PPROF);
        let base = named.url.trim_end_matches('/').trim_end_matches(PPROF);
        let way = if is_given {
            Way::named(base.to_owned())
        } else {
            way
        };
        ask_for_profiles(cx, &named.name, &way);
        sent += 1;
    }
    let found = api::interfaces(cx);
    let left = found.len().saturating_sub(INTERFACES);
    // Two interfaces of a component may offer the same.
    let mut asked = BTreeSet::new();
    for Found {
        name,
        way,
        interface,
    } in found.into_iter().take(INTERFACES)
    {
        for path in interface.paths {
            if asked.insert((name.clone(), *path)) {
                send(cx, &order(&name, &way, path), PATIENCE);
            }
        }
        if interface.has_pprof && asked.insert((name.clone(), PPROF)) {
            ask_for_profiles(cx, &name, &way);
        }
        sent += 1;
    }
    if left > 0 {
        cx.leave_out("interfaces beyond the first", left as u64);
    }
    if sent == 0 {
        return Err(Outcome::Absent(
            "no component with such an interface listens here".to_owned(),
        ));
    }
    Ok(())
}

fn order(component: &str, way: &Way, path: &str) -> Order {
    Order {
        component: component.to_owned(),
        way: way.clone(),
        path: path.to_owned(),
        next: None,
    }
}

fn send(cx: &mut Cx<'_>, order: &Order, time: Duration) {
    cx.send(order.errand(0, time));
}

/// Asks for the goroutines, and for everything else if there are any.
fn ask_for_profiles(cx: &mut Cx<'_>, component: &str, way: &Way) {
    let order = Order {
        next: Some(way.clone()),
        ..order(component, way, GOROUTINES)
    };
    cx.send(Errand {
        then: ask_for_the_others,
        ..order.errand(0, PATIENCE)
    });
}

fn ask_for_the_others(cx: &mut Cx<'_>, errand: &Errand, brought: Brought) {
    let has_any = matches!(brought.outcome, Outcome::Complete | Outcome::Partial(_));
    // One that hangs may still have a profile: it shows what it burns CPU for.
    let is_late = matches!(brought.outcome, Outcome::TimedOut(_));
    api::store(cx, errand, brought);
    let Ok(asked) = serde_json::from_slice::<Order>(&errand.argument) else {
        return;
    };
    if !has_any && !is_late {
        return;
    }
    let seconds = cx.window_left().as_secs();
    if seconds > 0 {
        let path = format!("{PPROF}/profile?seconds={seconds}");
        let time = Duration::from_secs(seconds) + PROFILE_PATIENCE;
        send(cx, &order(&asked.component, &asked.way, &path), time);
    }
    if is_late {
        return;
    }
    for profile in PROFILES {
        let path = format!("{PPROF}/{profile}");
        send(cx, &order(&asked.component, &asked.way, &path), PATIENCE);
    }
}
