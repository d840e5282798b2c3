//! What is asked of the container runtime: a real one, and ones that are sick.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use fake::containerd::{Containerd, Pod, field};
use fake::grpc::{self, Reply};
use fake::{FakeNode, bytes, stderr};
use freezeframe_bundle::{Item, Outcome, SourceRecord};
use serde_json::Value;

const POD: Pod = Pod {
    namespace: "shop",
    name: "web-1",
    uid: "0b5a7bb2-5f5c-4a3e-9d1c-2f0f6e1d7a01",
};

fn json(items: &[Item], path: &str) -> Value {
    let found = bytes(items, path).unwrap_or_else(|| panic!("no {path}"));
    serde_json::from_slice(found).unwrap()
}

fn exchanges(items: &[Item]) -> Vec<Value> {
    let lines = bytes(items, "cri/exchanges.jsonl").unwrap();
    let lines = std::str::from_utf8(lines).unwrap().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn pods_of_a_real_containerd_are_named() {
    let node = FakeNode::new();
    let Some(mut containerd) = Containerd::on(&node) else {
        return;
    };
    let sandbox = containerd.run(POD);
    let serves = containerd.start(POD, &sandbox, "serves", "echo up; exec busybox sleep 1000");
    let crashes = containerd.start(POD, &sandbox, "crashes", "echo dying; exit 42");
    containerd.wait_for_end(&crashes);
    let output = node.collect(&["--window", "0", "--only", "runtime"]);
    let (items, _) = node.read();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    assert_eq!(
        json(&items, "cri/version.json")["runtimeName"],
        "containerd"
    );
    let conditions = &json(&items, "cri/status.json")["status"]["conditions"];
    assert_eq!(conditions[0]["type"], "RuntimeReady");
    assert_eq!(conditions[0]["status"], true);

    let pod = &json(&items, "cri/pods.json")["items"][0];
    assert_eq!(pod["id"], *sandbox);
    assert_eq!(pod["state"], "SANDBOX_READY");
    assert_eq!(pod["metadata"]["name"], POD.name);
    assert_eq!(pod["metadata"]["namespace"], POD.namespace);
    assert_eq!(pod["metadata"]["uid"], POD.uid);

    let list = json(&items, "cri/containers.json");
    let list = list["containers"].as_array().unwrap();
    let state = |id: &str| list.iter().find(|one| one["id"] == *id).unwrap()["state"].clone();
    assert_eq!(list.len(), 2);
    assert_eq!(state(&serves), "CONTAINER_RUNNING");
    assert_eq!(state(&crashes), "CONTAINER_EXITED");

    let ended = json(&items, &format!("cri/container_status/{crashes}.json"));
    assert_eq!(ended["status"]["exitCode"], 42);
    assert_eq!(ended["status"]["reason"], "Error");
    assert_eq!(ended["status"]["metadata"]["name"], "crashes");
    let log = ended["status"]["logPath"].as_str().unwrap();
    assert!(log.ends_with("/crashes/0.log"), "{log}");
    let running = json(&items, &format!("cri/container_status/{serves}.json"));
    let pid = running["info"]["pid"].as_u64().unwrap();
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(groups.contains(&serves), "{groups}");
    assert_eq!(running["info"]["sandboxID"], *sandbox);

    let pod = json(&items, &format!("cri/pod_status/{sandbox}.json"));
    let options = &pod["status"]["linux"]["namespaces"]["options"];
    assert_eq!(options["network"], "NODE");
    assert!(pod["info"]["pid"].as_u64().unwrap() > 0);

    let usage = json(&items, "cri/container_stats.json");
    assert_eq!(
        usage["stats"][0]["attributes"]["metadata"]["name"],
        "serves"
    );
    let usage = json(&items, "cri/pod_stats.json");
    let pod = &usage["stats"][0];
    assert_eq!(pod["attributes"]["metadata"]["uid"], POD.uid);
    assert!(pod["linux"]["memory"]["workingSetBytes"]["value"].is_string());
    let images = json(&items, "cri/images.json");
    assert_eq!(images["images"].as_array().unwrap().len(), 2);
    let disk = json(&items, "cri/image_file_systems.json");
    assert!(disk["status"]["imageFilesystems"][0]["usedBytes"]["value"].is_string());
}

#[test]
fn a_real_containerd_shows_its_goroutines() {
    let node = FakeNode::new();
    let Some(_containerd) = Containerd::on(&node) else {
        return;
    };
    // In the node's own eyes the socket lies elsewhere than in this machine's.
    let config = node.root().join("etc/containerd/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace(node.root().to_str().unwrap(), "");
    std::fs::write(&config, text).unwrap();
    let output = node.collect(&["--window", "0", "--only", "runtime_debug"]);
    let (items, contents) = node.read();
    let goroutines = bytes(&items, "api/containerd/debug/pprof/goroutine?debug=2").unwrap();
    assert!(goroutines.starts_with(b"goroutine "));
    let heap = bytes(&items, "api/containerd/debug/pprof/heap").unwrap();
    assert!(heap.starts_with(b"\x1f\x8b"), "packed, as it came");
    assert!(json(&items, "api/containerd/debug/vars")["memstats"].is_object());
    let lines = bytes(&items, "api/containerd/exchanges.jsonl").unwrap();
    let lines = std::str::from_utf8(lines).unwrap().lines();
    let lines: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(
        lines[..3].iter().all(|line| line["status"] == 200),
        "{lines:?}"
    );
    assert_eq!(lines[1]["member"], "api/containerd/debug/pprof/heap");
    assert_eq!(lines[1]["bytes"], heap.len());
    // A folder that stands for a node has no network of its own: its address is not this machine's.
    assert!(lines[3]["url"].as_str().unwrap().ends_with("/v1/metrics"));
    assert!(lines[3]["status"].is_null(), "{lines:?}");
    let source = contents.summary.unwrap().sources.pop().unwrap();
    assert_eq!(output.status.code(), Some(0), "{source:?}");
}

#[test]
fn what_a_runtime_does_not_offer_is_absent() {
    let node = FakeNode::new();
    let path = node.root().join("run");
    std::fs::create_dir_all(&path).unwrap();
    let listener = UnixListener::bind(path.join("docker.sock")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            let answer: &[u8] = if request[..length].starts_with(b"GET /info ") {
                b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"Driver\":\"overlay2\"}\n"
            } else {
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
            };
            let _ = stream.write_all(answer);
        }
    });
    let output = node.collect(&["--window", "0", "--only", "runtime_debug"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (items, _) = node.read();
    assert_eq!(json(&items, "api/docker/info")["Driver"], "overlay2");
    assert!(bytes(&items, "api/docker/debug/vars").is_none());
}

#[test]
fn variables_of_containers_stay_where_they_are() {
    let node = FakeNode::new();
    let Some(mut containerd) = Containerd::on(&node) else {
        return;
    };
    let sandbox = containerd.run(POD);
    let serves = containerd.start(POD, &sandbox, "serves", "exec busybox sleep 1000");
    node.collect(&["--window", "0", "--only", "runtime"]);
    let (items, _) = node.read();
    let status = json(&items, &format!("cri/container_status/{serves}.json"));
    // Once as the runtime was told, once as it told runc: the name stays, the value goes.
    let variable = &status["info"]["config"]["envs"][0];
    assert_eq!(variable["key"], "DATABASE_PASSWORD");
    let told = &status["info"]["runtimeSpec"]["process"]["env"];
    let told = told.as_array().unwrap();
    let told: Vec<_> = told.iter().map(|one| one.as_str().unwrap()).collect();
    assert!(
        told.iter()
            .any(|one| one.starts_with("DATABASE_PASSWORD=<redacted:")),
        "{told:?}"
    );
    assert!(told.contains(&"PATH=/bin"));
    // So do the credentials of registries in the runtime's own configuration.
    let config = &json(&items, "cri/status.json")["config"];
    let registry = &config["registry"]["configs"]["registry.test"]["auth"];
    assert_eq!(registry["username"], "robot", "{config}");
    for item in &items {
        if let Item::Entry(entry) = item {
            let text = String::from_utf8_lossy(&entry.bytes);
            assert!(!text.contains("correct-horse-7"), "{}", entry.path);
        }
    }
}

#[test]
fn what_the_runtime_does_not_know_is_told_in_its_own_words() {
    let node = FakeNode::new();
    let Some(_containerd) = Containerd::on(&node) else {
        return;
    };
    node.collect(&["--window", "0", "--only", "runtime"]);
    let (items, _) = node.read();
    // containerd 1.6 and 1.7 do not have it; it is said in text that is Huffman-coded.
    let exchanges = exchanges(&items);
    let call = exchanges
        .iter()
        .find(|one| one["call"] == "RuntimeConfig")
        .unwrap();
    if call["grpc_status"] == 12 {
        let why = call["grpc_message"].as_str().unwrap();
        assert!(
            why.contains("unknown method RuntimeConfig for service runtime.v1.RuntimeService"),
            "{why}"
        );
    }
    assert!(
        exchanges
            .iter()
            .all(|one| one["took_us"].as_u64().unwrap() > 0)
    );
    assert!(exchanges.iter().all(|one| one["error"].is_null()));
}

/// Captures a node whose runtime is a server that does `serve` with each caller.
fn sick(
    serve: impl Fn(std::os::unix::net::UnixStream) + Send + 'static,
) -> (SourceRecord, Vec<Item>, Duration) {
    let node = FakeNode::new();
    let path = node.root().join("run/containerd");
    std::fs::create_dir_all(&path).unwrap();
    let listener = UnixListener::bind(path.join("containerd.sock")).unwrap();
    std::thread::spawn(move || {
        listener
            .incoming()
            .for_each(|stream| serve(stream.unwrap()));
    });
    capture(&node)
}

fn capture(node: &FakeNode) -> (SourceRecord, Vec<Item>, Duration) {
    let began = Instant::now();
    let output = node.collect(&["--window", "0", "--only", "runtime"]);
    let took = began.elapsed();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let (items, contents) = node.read();
    let mut sources = contents.summary.unwrap().sources;
    (sources.pop().unwrap(), items, took)
}

#[test]
fn a_runtime_that_hangs_is_asked_once() {
    let kept = std::sync::Mutex::new(Vec::new());
    let (source, items, took) = sick(move |stream| kept.lock().unwrap().push(stream));
    let Outcome::Partial(why) = &source.outcome else {
        panic!("{source:?}");
    };
    assert!(
        why.contains("1 timed_out") && why.contains("cri/version.json"),
        "{why}"
    );
    assert!(took < Duration::from_secs(20), "{took:?}");
    let exchanges = exchanges(&items);
    assert_eq!(exchanges.len(), 1, "{exchanges:?}");
    assert_eq!(exchanges[0]["error"], "no answer in time");
    assert!(exchanges[0]["grpc_status"].is_null());
}

/// Pods and containers of the same ids.
fn list(ids: &[&str]) -> Vec<u8> {
    ids.iter().flat_map(|id| field(1, field(1, id))).collect()
}

#[test]
fn a_runtime_of_older_days_is_understood() {
    let node = FakeNode::new();
    grpc::serve(&node, |path| match path {
        "v1alpha2.RuntimeService/Version" => {
            Reply::Message([field(2, "containerd"), field(3, "1.4.13")].concat())
        }
        "v1alpha2.RuntimeService/ListContainers" => Reply::Message(list(&["c1"])),
        "v1alpha2.RuntimeService/RuntimeConfig" => Reply::Status("12"),
        path if path.starts_with("v1alpha2.") => Reply::Message(Vec::new()),
        _ => Reply::Status("12"),
    });
    let output = node.collect(&["--window", "0", "--only", "runtime"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (items, _) = node.read();
    assert_eq!(json(&items, "cri/version.json")["runtimeVersion"], "1.4.13");
    assert_eq!(
        json(&items, "cri/containers.json")["containers"][0]["id"],
        "c1"
    );
    assert_eq!(
        json(&items, "cri/container_status/c1.json"),
        serde_json::json!({})
    );
    let exchanges = exchanges(&items);
    assert_eq!(exchanges[0]["version"], "v1");
    assert_eq!(exchanges[0]["grpc_status"], 12);
    assert!(
        exchanges[1..]
            .iter()
            .all(|one| one["version"] == "v1alpha2")
    );
}

#[test]
fn containers_whose_state_hangs_are_named_and_the_rest_left_alone() {
    let node = FakeNode::new();
    grpc::serve(&node, |path| match path {
        "v1.RuntimeService/ListContainers" => Reply::Message(list(&["c1", "c2", "c3", "c4"])),
        "v1.RuntimeService/ListPodSandbox" => Reply::Message(list(&["p1"])),
        "v1.RuntimeService/ContainerStatus" => Reply::Silence,
        _ => Reply::Message(Vec::new()),
    });
    let (source, items, _) = capture(&node);
    let Outcome::Partial(why) = &source.outcome else {
        panic!("{source:?}");
    };
    assert!(why.starts_with("2 timed_out"), "{why}");
    assert!(why.contains("3 left out: pods and containers"), "{why}");
    assert!(why.contains("4 left out: calls"), "{why}");
    assert!(bytes(&items, "cri/containers.json").is_some());
    let silent: Vec<_> = exchanges(&items)
        .into_iter()
        .filter(|one| one["error"] == "no answer in time")
        .collect();
    assert_eq!(silent.len(), 2, "{silent:?}");
    assert!(silent.iter().all(|one| one["call"] == "ContainerStatus"));
}

#[test]
fn a_runtime_that_is_down_is_said_to_be() {
    let node = FakeNode::new();
    let path = node.root().join("run/containerd");
    std::fs::create_dir_all(&path).unwrap();
    drop(UnixListener::bind(path.join("containerd.sock")).unwrap());
    let (source, items, _) = capture(&node);
    let Outcome::Partial(why) = &source.outcome else {
        panic!("{source:?}");
    };
    assert!(
        why.contains("nothing listens on /run/containerd/containerd.sock"),
        "{why}"
    );
    assert_eq!(exchanges(&items).len(), 1);
}

#[test]
fn a_server_that_is_no_runtime_is_named() {
    let (source, _, _) = sick(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let Outcome::Partial(why) = &source.outcome else {
        panic!("{source:?}");
    };
    assert!(why.contains("the server speaks HTTP/1, not gRPC"), "{why}");
}

#[test]
fn the_endpoint_that_is_named_is_the_only_one() {
    let node = FakeNode::new();
    let path = node.root().join("run/containerd");
    std::fs::create_dir_all(&path).unwrap();
    let _listener = UnixListener::bind(path.join("containerd.sock")).unwrap();
    let asked = [
        "--window",
        "0",
        "--only",
        "runtime",
        "--runtime-endpoint",
        "unix:///run/other.sock",
    ];
    node.collect(&asked);
    let (items, _) = node.read();
    let exchanges = exchanges(&items);
    assert_eq!(exchanges.len(), 1);
    assert_eq!(exchanges[0]["endpoint"], "/run/other.sock");
}

#[test]
fn a_node_without_runtime_is_no_sick_one() {
    let node = FakeNode::new();
    let output = node.collect(&["--window", "0", "--only", "runtime"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (_, contents) = node.read();
    let source = contents.summary.unwrap().sources.pop().unwrap();
    assert!(matches!(source.outcome, Outcome::Absent(_)), "{source:?}");
}
