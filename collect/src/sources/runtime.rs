//! What the container runtime knows of pods, containers and images, asked by CRI.
//!
//! A runtime that does not answer is asked once, not once for each call: every further call would
//! cost its whole patience and tell the same. How long each took is itself evidence. Containers that
//! do not run or were restarted come first; statistics, which are known to stall runtimes, last.

use std::cmp::Reverse;
use std::time::Duration;

use freezeframe_bundle::Outcome;
use serde::Deserialize;

use crate::api;
use crate::cri::{self, Method, Talk, Wanted, endpoint};
use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// Pods and containers that are asked for one by one. The lists hold all of them.
const ONE_BY_ONE: usize = 4000;
/// Where kubelet's flags may be written down.
const FLAGS: [&str; 3] = [
    "/var/lib/kubelet/kubeadm-flags.env",
    "/etc/default/kubelet",
    "/etc/sysconfig/kubelet",
];
const CONFIGS: [&str; 2] = [
    "/var/lib/kubelet/config.yaml",
    "/etc/kubernetes/kubelet/kubelet-config.json",
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "runtime",
    order: 112,
    about: "pods, containers, images and statistics of the container runtime, asked by CRI",
    reads: &[
        "unix:{containerd,crio,cri-dockerd,dockershim}.sock, the first that answers, or --runtime-endpoint",
        "/var/lib/kubelet/{config.yaml,kubeadm-flags.env}, kubelet's arguments (for its endpoint)",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(20),
    max_bytes: 96 << 20,
    estimate: Estimate::Fixed(60),
    capture,
    again: None,
    each_second: &[],
    calls: &[cri::perform],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let sockets = sockets(cx);
    if sockets.is_empty() && !cx.is_spent() {
        let why = "no socket of a container runtime is on this node";
        return Err(Outcome::Absent(why.to_owned()));
    }
    let mut exchanges = Vec::new();
    talk(cx, &sockets, &mut exchanges);
    cx.answer(
        "cri/exchanges.jsonl",
        &exchanges,
        Outcome::Complete,
        Duration::ZERO,
    );
    Ok(())
}

/// Paths of sockets that may be the runtime's.
fn sockets(cx: &mut Cx<'_>) -> Vec<String> {
    if let Some(path) = cx.services().runtime_endpoint.clone() {
        return vec![path];
    }
    let mut paths: Vec<String> = told(cx).into_iter().collect();
    for path in endpoint::USUAL {
        if !paths.iter().any(|known| is_same(known, path)) && cx.exists(path) {
            paths.push(path.to_owned());
        }
    }
    paths
}

/// `/var/run` is `/run`.
fn is_same(a: &str, b: &str) -> bool {
    let [a, b] = [a, b].map(|path| path.strip_prefix("/var").unwrap_or(path));
    a == b
}

/// The endpoint that kubelet was told.
fn told(cx: &mut Cx<'_>) -> Option<String> {
    // A flag counts more than the configuration.
    for file in FLAGS {
        if cx.peek(file)
            && let Some(path) = endpoint::of_flags(&String::from_utf8_lossy(cx.bytes()))
        {
            return Some(path.to_owned());
        }
    }
    for file in CONFIGS {
        if cx.peek(file)
            && let Some(path) = endpoint::of_config(&String::from_utf8_lossy(cx.bytes()))
        {
            return Some(path.to_owned());
        }
    }
    let kubelet = api::kubelet_process(cx)?;
    let arguments = api::arguments(cx, kubelet.pid);
    api::flag(&arguments, "container-runtime-endpoint")
        .and_then(endpoint::path)
        .map(str::to_owned)
}

fn talk(cx: &mut Cx<'_>, sockets: &[String], exchanges: &mut Vec<u8>) {
    let Some(mut talk) = Talk::begin(cx, sockets, exchanges) else {
        return;
    };
    let lists = [
        Method::Status,
        Method::ListPodSandbox,
        Method::ListContainers,
    ];
    let lists = talk.ask(cx, &lists.map(Method::of_all));
    let list_of = |method| {
        let part = lists.iter().find(|part| part.wanted.method == method);
        serde_json::from_slice(part.map_or(b"{}", |part| &part.json)).unwrap_or_default()
    };
    let (pods, containers) = (
        list_of(Method::ListPodSandbox),
        list_of(Method::ListContainers),
    );
    drop(lists);
    talk.ask(cx, &[Method::RuntimeConfig.of_all()]);
    talk.each(cx, &in_order(containers, pods));
    for method in [
        Method::ImageFsInfo,
        Method::ListImages,
        Method::ListContainerStats,
        Method::ListPodSandboxStats,
    ] {
        talk.ask(cx, &[method.of_all()]);
    }
}

/// A list of pod sandboxes or containers, as far as their order takes.
#[derive(Debug, Default, Deserialize)]
struct List {
    #[serde(default, alias = "items", alias = "containers")]
    all: Vec<One>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct One {
    id: String,
    state: String,
    created_at: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    attempt: u64,
}

impl One {
    /// What does not run first, then what was restarted; the newest of each first.
    fn rank(&self) -> (u8, Reverse<u64>) {
        let is_running = matches!(&*self.state, "CONTAINER_RUNNING" | "SANDBOX_READY");
        let rank = match (is_running, self.metadata.attempt) {
            (false, _) => 0,
            (true, 1..) => 1,
            (true, 0) => 2,
        };
        (rank, Reverse(self.created_at.parse().unwrap_or(0)))
    }
}

/// All that is asked for one by one, what tells most first.
fn in_order(containers: List, pods: List) -> Vec<Wanted> {
    let of = |method: Method, list: List| {
        let wanted = list.all.into_iter();
        wanted.map(move |one| (one.rank(), method.of(&one.id)))
    };
    let containers = of(Method::ContainerStatus, containers);
    let mut all: Vec<_> = containers
        .chain(of(Method::PodSandboxStatus, pods))
        .collect();
    all.sort_by_key(|(rank, _)| *rank);
    all.truncate(ONE_BY_ONE);
    let wanted = all.into_iter().map(|(_, wanted)| wanted);
    wanted.filter(|wanted| wanted.member().is_some()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_most_is_asked_for_first() {
        let containers = r#"{"containers": [
            {"id": "runs", "state": "CONTAINER_RUNNING", "createdAt": "9", "metadata": {"attempt": 0}},
            {"id": "restarted", "state": "CONTAINER_RUNNING", "createdAt": "5", "metadata": {"attempt": 3}},
            {"id": "exited", "state": "CONTAINER_EXITED", "createdAt": "1", "metadata": {"attempt": 2}},
            {"id": "exited-later", "state": "CONTAINER_EXITED", "createdAt": "2"},
            {"id": "../hostile", "state": "CONTAINER_EXITED", "createdAt": "x"}]}"#;
        let pods = r#"{"items": [
            {"id": "ready", "state": "SANDBOX_READY", "createdAt": "10", "metadata": {"attempt": 0}},
            {"id": "gone", "state": "SANDBOX_NOTREADY", "createdAt": "0", "metadata": {"attempt": 0}}]}"#;
        let order = in_order(
            serde_json::from_str(containers).unwrap(),
            serde_json::from_str(pods).unwrap(),
        );
        let order: Vec<_> = order.iter().map(|wanted| wanted.id.as_str()).collect();
        assert_eq!(
            order,
            [
                "exited-later",
                "exited",
                "gone",
                "restarted",
                "ready",
                "runs"
            ]
        );
    }
}
