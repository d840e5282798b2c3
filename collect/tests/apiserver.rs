//! What the API server is asked for, on the real binary.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use std::time::{Duration, Instant};

use fake::service::{Question, Recorded, Reply, Service, pki};
use fake::{FakeNode, bytes, stderr};
use freezeframe_bundle::{Item, Outcome};

const NODE: &str = "/api/v1/nodes/node1";
const PODS: &str = "/api/v1/pods?fieldSelector=spec.nodeName=node1";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node1";
const EVENTS: &str =
    "/api/v1/events?fieldSelector=involvedObject.kind=Node,involvedObject.name=node1&limit=500";
const SICK: &str =
    "/api/v1/namespaces/default/events?fieldSelector=involvedObject.uid=7-a&limit=500";

/// Answers as recorded, lists of one for objects; the pods are given.
fn recorded(path: &str, pods: &str) -> Reply {
    let recorded = Recorded::of("apiserver-1.36");
    match path {
        NODE => recorded.reply("/api/v1/nodes"),
        PODS => Reply::Body(200, "application/json".into(), pods.into(), true),
        LEASE => recorded.reply(LEASE.rsplit_once('/').unwrap().0),
        path if path.contains("/events?") => recorded.reply("/api/v1/events"),
        path => recorded.reply(path),
    }
}

fn answer(question: &Question) -> Reply {
    if question.client.is_none() {
        return Reply::text(401, "Unauthorized");
    }
    let pods = r#"{"kind":"PodList","items":[
        {"metadata":{"namespace":"default","uid":"7-a"},"status":{"phase":"Pending"}},
        {"metadata":{"namespace":"../x","uid":"9"},"status":{"phase":"Failed"}},
        {"metadata":{"namespace":"default","uid":"8"},"status":{"phase":"Running"}}]}"#;
    recorded(&question.path, pods)
}

/// A node with a kubeconfig for this server; `collect`'s outcome of `apiserver` and what is there.
fn capture(url: &str, user: &str) -> (Outcome, Vec<Item>, String) {
    let node = FakeNode::new();
    let config = format!(
        "clusters:\n- cluster:\n    server: {url}\n    certificate-authority: {}\nusers:\n- user:\n{user}",
        pki("ca.crt").display()
    );
    let path = node.folder.path().join("config");
    std::fs::write(&path, config).unwrap();
    let began = Instant::now();
    let flags = ["--window", "0", "--kubeconfig", path.to_str().unwrap()];
    let output = node.collect(&flags);
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    let (items, contents) = node.read();
    let summary = contents.summary.unwrap();
    assert!(summary.finished);
    let source = summary.sources.into_iter().find(|s| s.id == "apiserver");
    (source.unwrap().outcome, items, stderr(&output))
}

fn certificate() -> String {
    format!(
        "    client-certificate: {}\n    client-key: {}\n",
        pki("client.crt").display(),
        pki("client.key").display()
    )
}

fn member(path: &str) -> String {
    format!("api/apiserver{path}")
}

#[test]
fn the_node_its_pods_lease_and_events_are_asked_for() {
    let server = Service::https("apiserver", answer);
    let (outcome, items, stderr) = capture(&server.url("https"), &certificate());
    assert_eq!(outcome, Outcome::Complete, "{stderr}");
    for path in [NODE, PODS, LEASE, EVENTS, SICK, "/readyz?verbose"] {
        assert!(bytes(&items, &member(path)).is_some(), "{path}");
    }
    let events = server.questions();
    let events = events
        .iter()
        .filter(|q| q.path.contains("/events?fieldSelector"));
    assert_eq!(
        events.count(),
        2,
        "of the node and of the pod that is not well"
    );
    let lines = bytes(&items, "api/apiserver/exchanges.jsonl").unwrap();
    let lines = String::from_utf8_lossy(lines);
    assert!(lines.contains("\"verified\":\"signed by "), "{lines}");
}

#[test]
fn what_a_node_may_not_see_is_named() {
    let server = Service::https("apiserver", |question| {
        if question.path.contains("/events?") {
            return Reply::text(
                403,
                "events is forbidden: User \"system:node:node1\" cannot list",
            );
        }
        answer(question)
    });
    let (outcome, items, _) = capture(&server.url("https"), &certificate());
    let Outcome::Partial(why) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(why.contains("denied") && why.contains("/events"), "{why}");
    assert!(bytes(&items, &member(NODE)).is_some());
}

#[test]
fn a_server_that_does_not_answer_costs_little() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", closed.local_addr().unwrap());
    drop(closed);
    let (outcome, ..) = capture(&url, &certificate());
    assert!(matches!(outcome, Outcome::Partial(why) if why.contains("nothing listens there")));

    let began = Instant::now();
    let (outcome, ..) = capture(&Service::mute().url("https"), &certificate());
    assert!(matches!(outcome, Outcome::Partial(why) if why.contains("timed_out")));
    assert!(began.elapsed() < Duration::from_secs(15));

    let (outcome, ..) = capture("https://api.example:6443", &certificate());
    assert!(matches!(outcome, Outcome::Partial(why) if why.contains("not resolved")));

    let server = Service::https("stranger", answer);
    let (outcome, ..) = capture(&server.url("https"), &certificate());
    assert!(matches!(outcome, Outcome::Partial(why) if why.contains("--kubeconfig")));
    assert!(server.questions().is_empty());

    let program = "    exec:\n      command: aws\n";
    let server = Service::https("apiserver", answer);
    let (outcome, ..) = capture(&server.url("https"), program);
    assert!(matches!(outcome, Outcome::Partial(why) if why.contains("exec")));
}
