//! Everything that kubelet tells over HTTPS: pods, statistics, metrics, configuration, and what it is
//! doing, by profiles and the stacks of its goroutines.
//!
//! A worker first finds out where it is and as whom it answers (`api/kubelet.rs`). Then the questions
//! are asked side by side, each with a time of its own: with containerd stopped some paths hang while
//! others answer at once. Every question leaves a line in `api/kubelet/exchanges.jsonl`.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::api::{self, Clues, Order, Survey, Way};
use crate::source::{Brought, Cx, Errand, Estimate, Hazard, Privacy, Source};

/// How long finding out may take: some tries.
const SURVEY: Duration = Duration::from_secs(12);
/// How long an answer may take. A kubelet short of CPU was seen to take 16 s.
const PATIENCE: Duration = Duration::from_secs(18);
/// What a profile may take beyond its own time.
const PROFILE_PATIENCE: Duration = Duration::from_secs(10);

/// The member that says why there is none of the others.
const HEALTH: &str = "api/kubelet/healthz?verbose";
/// What tells most comes first.
const PATHS: [&str; 17] = [
    "/healthz?verbose",
    "/debug/pprof/goroutine?debug=2",
    "/pods",
    "/stats/summary",
    "/metrics",
    "/metrics/cadvisor",
    "/metrics/resource",
    "/metrics/probes",
    "/configz",
    "/runningpods/",
    "/debug/pprof/heap",
    "/debug/pprof/goroutine",
    "/debug/pprof/mutex",
    "/debug/pprof/block",
    "/debug/pprof/threadcreate",
    "/flagz",
    "/statusz",
];
/// Execution trace of the scheduler: large, so it comes last.
const TRACE: &str = "/debug/pprof/trace?seconds=1";
/// All that the port without rights has.
const READ_ONLY_PATHS: [&str; 6] = [
    "/pods",
    "/stats/summary",
    "/metrics",
    "/metrics/cadvisor",
    "/metrics/resource",
    "/metrics/probes",
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "kubelet",
    order: 100,
    about: "kubelet's pods, statistics, metrics, configuration, goroutines, profiles; of the window its CPU profile",
    reads: &[
        "https://127.0.0.1:10250 /{healthz,pods,runningpods,stats/summary,configz,flagz,statusz}",
        "https://127.0.0.1:10250 /metrics, /metrics/{cadvisor,resource,probes}",
        "https://127.0.0.1:10250 /debug/pprof/{profile,goroutine,heap,mutex,block,threadcreate,trace}",
        "http://127.0.0.1:10248/healthz, http://127.0.0.1:10255 where nothing else is open",
        "/var/lib/kubelet/{config.yaml,pki/*}, /etc/kubernetes/{*.conf,pki/ca.crt} to ask it; not stored",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(45),
    max_bytes: 192 << 20,
    estimate: Estimate::Fixed(22),
    capture,
    again: None,
    each_second: &[],
    calls: &[api::survey, api::ask],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let services = cx.services().clone();
    let process = api::kubelet_process(cx);
    let is_expected = services.kubelet_url.is_some() || cx.exists("/var/lib/kubelet");
    if process.is_none() && !is_expected {
        return Err(Outcome::Absent("no kubelet runs here".to_owned()));
    }
    let mut clues = Clues {
        services,
        is_running: process.is_some(),
        ..Clues::default()
    };
    if let Some(process) = process {
        clues.listeners = api::listeners(cx, process.pid);
        clues.arguments = api::arguments(cx, process.pid);
    }
    cx.send(Errand {
        call: 0,
        argument: serde_json::to_vec(&clues).unwrap_or_default(),
        label: "kubelet".to_owned(),
        time: SURVEY,
        is_long: false,
        then: ask_all,
    });
    Ok(())
}

/// Asks for everything in the way that was found.
fn ask_all(cx: &mut Cx<'_>, _: &Errand, brought: Brought) {
    let Ok(survey) = serde_json::from_slice::<Survey>(cx.bytes()) else {
        cx.store_brought(HEALTH, Vec::new(), brought, Privacy::Text);
        return;
    };
    for line in &survey.tried {
        cx.add_line("api/kubelet/exchanges.jsonl", line.as_bytes());
    }
    if let Some(health) = survey.health {
        send(cx, &health, "/healthz", PATIENCE);
    }
    let way = match survey.way {
        Ok(way) => way,
        Err(outcome) => {
            let none = Brought { outcome, ..brought };
            cx.store_brought(HEALTH, Vec::new(), none, Privacy::Text);
            return;
        }
    };
    if survey.is_read_only {
        for path in READ_ONLY_PATHS {
            send(cx, &way, path, PATIENCE);
        }
        return;
    }
    let seconds = cx.window_left().as_secs();
    if seconds > 0 {
        let path = format!("/debug/pprof/profile?seconds={seconds}");
        send(
            cx,
            &way,
            &path,
            Duration::from_secs(seconds) + PROFILE_PATIENCE,
        );
    }
    for path in PATHS.iter().chain([&TRACE]) {
        send(cx, &way, path, PATIENCE);
    }
}

fn send(cx: &mut Cx<'_>, way: &Way, path: &str, time: Duration) {
    let order = Order {
        component: "kubelet".to_owned(),
        way: way.clone(),
        path: path.to_owned(),
        next: None,
    };
    cx.send(order.errand(1, time));
}
