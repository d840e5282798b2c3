//! What the API server knows of this node, when it still answers: the Node object, its lease, its pods,
//! events of the node and of those pods that are not well.
//!
//! It is asked as kubelet is, or as the user of `--kubeconfig`, within a short deadline: on most sick
//! nodes it answers, and where it does not, everything else is captured all the same.

use std::time::Duration;

use freezeframe_bundle::Outcome;
use serde::Deserialize;

use crate::api::{self, NodeClues, Order, ServerSurvey, Way};
use crate::source::{Brought, Cx, Errand, Estimate, Hazard, Privacy, Source};

/// How long finding it may take, ...
const SURVEY: Duration = Duration::from_secs(7);
/// ... and an answer.
const PATIENCE: Duration = Duration::from_secs(6);
/// Events of one object; they live for an hour.
const EVENTS: u32 = 500;
/// Pods whose events are asked for.
const SICK_PODS: usize = 16;
/// The member that says why there is none of the others.
const NODE: &str = "api/apiserver/node";

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "apiserver",
    order: 102,
    about: "what the API server knows of this node when it answers: Node, lease, pods, events",
    reads: &[
        "https://API-SERVER /api/v1/nodes/NODE, /api/v1/pods of this node, its lease, /readyz",
        "https://API-SERVER /api/v1/events of this node, and of its pods that are not well",
        "/etc/kubernetes/{kubelet,admin}.conf to ask it; not stored",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(20),
    max_bytes: 64 << 20,
    estimate: Estimate::Fixed(8),
    capture,
    again: None,
    each_second: &[],
    calls: &[api::survey_server, api::ask],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let services = cx.services().clone();
    let process = api::kubelet_process(cx);
    if process.is_none() && services.kubeconfig.is_none() && !cx.exists("/etc/kubernetes") {
        return Err(Outcome::Absent("no kubeconfig is here".to_owned()));
    }
    let mut clues = NodeClues {
        services,
        ..NodeClues::default()
    };
    if let Some(process) = process {
        let arguments = api::arguments(cx, process.pid);
        clues.node = api::flag(&arguments, "hostname-override").map(str::to_owned);
        clues.peers = api::peers(cx, process.pid);
    }
    cx.send(Errand {
        call: 0,
        argument: serde_json::to_vec(&clues).unwrap_or_default(),
        label: "apiserver".to_owned(),
        time: SURVEY,
        is_long: false,
        then: ask_all,
    });
    Ok(())
}

fn ask_all(cx: &mut Cx<'_>, _: &Errand, brought: Brought) {
    let Ok(survey) = serde_json::from_slice::<ServerSurvey>(cx.bytes()) else {
        cx.store_brought(NODE, Vec::new(), brought, Privacy::Text);
        return;
    };
    for line in &survey.tried {
        cx.add_line("api/apiserver/exchanges.jsonl", line.as_bytes());
    }
    let (way, name) = match survey.node {
        Ok(found) => found,
        Err(outcome) => {
            let none = Brought { outcome, ..brought };
            cx.store_brought(NODE, Vec::new(), none, Privacy::Text);
            return;
        }
    };
    // Where nobody may see events, the refusal says which right is missing.
    let events = survey.events.unwrap_or_else(|| way.clone());
    let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    let order = |path: String, way: &Way| Order {
        component: "apiserver".to_owned(),
        way: way.clone(),
        path,
        next: None,
    };
    let pods = Order {
        next: Some(events.clone()),
        ..order(
            format!("/api/v1/pods?fieldSelector=spec.nodeName={name}"),
            &way,
        )
    };
    cx.send(Errand {
        then: ask_for_events,
        ..pods.errand(1, PATIENCE)
    });
    let of_node = format!("involvedObject.kind=Node,involvedObject.name={name}");
    for order in [
        order(format!("/api/v1/nodes/{name}"), &way),
        order(format!("{lease}/{name}"), &way),
        order(
            format!("/api/v1/events?fieldSelector={of_node}&limit={EVENTS}"),
            &events,
        ),
        order("/readyz?verbose".to_owned(), &way),
    ] {
        cx.send(order.errand(1, PATIENCE));
    }
}

/// Stores the pods; the events of those that are not well are asked for.
fn ask_for_events(cx: &mut Cx<'_>, errand: &Errand, brought: Brought) {
    let order = serde_json::from_slice::<Order>(&errand.argument).ok();
    let end = memchr::memchr(b'\n', cx.bytes()).map_or(0, |end| end + 1);
    let pods: List =
        serde_json::from_slice(cx.bytes().get(end..).unwrap_or_default()).unwrap_or_default();
    api::store(cx, errand, brought);
    let Some((order, way)) = order.and_then(|order| Some((order.clone(), order.next?))) else {
        return;
    };
    let sick = pods.items.iter().filter(|pod| pod.is_sick());
    for pod in sick.take(SICK_PODS) {
        let Metadata { namespace, uid, .. } = &pod.metadata;
        // They become part of a path (RFC 1123).
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if namespace.chars().chain(uid.chars()).all(is_part) {
            let selector = format!("fieldSelector=involvedObject.uid={uid}&limit={EVENTS}");
            let order = Order {
                way: way.clone(),
                path: format!("/api/v1/namespaces/{namespace}/events?{selector}"),
                next: None,
                ..order.clone()
            };
            cx.send(order.errand(1, PATIENCE));
        }
    }
}

/// As much of a list of pods as it takes to know who is not well.
#[derive(Default, Deserialize)]
#[serde(default)]
struct List {
    items: Vec<Pod>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pod {
    metadata: Metadata,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    namespace: String,
    uid: String,
    deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    container_statuses: Vec<Container>,
    init_container_statuses: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    ready: bool,
    restart_count: u64,
}

impl Pod {
    fn is_sick(&self) -> bool {
        let Status {
            phase,
            container_statuses,
            init_container_statuses,
        } = &self.status;
        let mut all = container_statuses.iter().chain(init_container_statuses);
        self.metadata.deletion_timestamp.is_some()
            || !matches!(&**phase, "Running" | "Succeeded")
            || all.any(|container| container.restart_count > 0)
            || (phase == "Running" && container_statuses.iter().any(|container| !container.ready))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_sick(status: &str) -> bool {
        let pod = format!("{{\"metadata\":{{\"uid\":\"1\"}},\"status\":{status}}}");
        serde_json::from_str::<Pod>(&pod).unwrap().is_sick()
    }

    #[test]
    fn pods_that_are_not_well_are_known() {
        assert!(!is_sick(
            r#"{"phase":"Running","containerStatuses":[{"ready":true,"restartCount":0}]}"#
        ));
        assert!(!is_sick(
            r#"{"phase":"Succeeded","containerStatuses":[{"ready":false,"restartCount":0}]}"#
        ));
        assert!(is_sick(
            r#"{"phase":"Running","containerStatuses":[{"ready":true,"restartCount":3}]}"#
        ));
        assert!(is_sick(
            r#"{"phase":"Running","containerStatuses":[{"ready":false}]}"#
        ));
        assert!(is_sick(r#"{"phase":"Pending"}"#));
        let leaving = r#"{"metadata":{"deletionTimestamp":"x"},"status":{"phase":"Running"}}"#;
        assert!(serde_json::from_str::<Pod>(leaving).unwrap().is_sick());
    }
}
