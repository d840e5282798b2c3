//! Kubelet's answers, and what becomes of a capture when they do not come, on the real binary.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fake::service::{Question, Recorded, Reply, Service, pki};
use fake::{FakeNode, bytes, stderr};
use freezeframe_bundle::{EntryRecord, Item, Outcome};
use serde_json::Value;

/// Every path but the profile and its big brothers.
const PATHS: [&str; 15] = [
    "/healthz?verbose",
    "/pods",
    "/stats/summary",
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
    "/debug/pprof/trace?seconds=1",
];

/// A node whose kubelet has these files: its place below `/`, the file of `testdata/pki`.
fn node(files: &[(&str, &str)]) -> FakeNode {
    let node = FakeNode::new();
    for (path, from) in files {
        node.file(path, std::fs::read(pki(from)).unwrap());
    }
    node
}

const OWN: (&str, &str) = (
    "var/lib/kubelet/pki/kubelet-client-current.pem",
    "kubelet-client-current.pem",
);
const SELF_SIGNED: (&str, &str) = ("var/lib/kubelet/pki/kubelet.crt", "kubelet.crt");

/// Answers as recorded to whoever shows a certificate.
fn healthy(question: &Question) -> Reply {
    if question.client.is_none() {
        return Reply::text(401, "Unauthorized");
    }
    if let Some((_, seconds)) = question.path.split_once("profile?seconds=") {
        std::thread::sleep(Duration::from_secs(seconds.parse().unwrap()));
    }
    Recorded::of("kubelet-1.36").reply(&question.path)
}

fn member(path: &str) -> String {
    format!("api/kubelet/{}", path.trim_matches('/'))
}

/// Captures; what `kubelet` came to is checked, and that nothing else suffered.
struct Captured {
    items: Vec<Item>,
    outcome: Outcome,
    stderr: String,
    took: Duration,
}

fn capture(node: &FakeNode, url: &str, more: &[&str]) -> Captured {
    let mut arguments = vec!["--kubelet-url", url, "--skip", "apiserver"];
    arguments.extend(more);
    let began = Instant::now();
    let output = node.collect(&arguments);
    let took = began.elapsed();
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{}",
        stderr(&output)
    );
    let (items, contents) = node.read();
    assert!(contents.damage.is_empty(), "{:?}", contents.damage);
    let summary = contents.summary.unwrap();
    assert!(summary.finished, "{}", summary.ended_by);
    for source in summary
        .sources
        .iter()
        .filter(|source| source.id != "kubelet")
    {
        assert!(!source.outcome.is_degraded(), "{source:?}");
    }
    assert!(bytes(&items, "root/proc/stat").is_some());
    let kubelet = summary
        .sources
        .into_iter()
        .find(|source| source.id == "kubelet");
    Captured {
        items,
        outcome: kubelet.unwrap().outcome,
        stderr: stderr(&output),
        took,
    }
}

impl Captured {
    fn bytes(&self, path: &str) -> Option<&[u8]> {
        bytes(&self.items, &member(path))
    }

    /// What became of a path, with or without bytes.
    fn record(&self, path: &str) -> &EntryRecord {
        let member = member(path);
        let records = self.items.iter().filter_map(|item| match item {
            Item::Record(record) => Some(record),
            Item::Entry(entry) => entry.record.as_ref(),
        });
        let mut records = records.filter(|record| record.path == member);
        records
            .next()
            .unwrap_or_else(|| panic!("{path}: {}", self.stderr))
    }

    fn outcome(&self, path: &str) -> &Outcome {
        &self.record(path).outcome
    }

    fn exchanges(&self) -> Vec<Value> {
        let lines = bytes(&self.items, "api/kubelet/exchanges.jsonl").unwrap();
        let lines = std::str::from_utf8(lines).unwrap().lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The exchange that gave a member.
    fn exchange(&self, path: &str) -> Value {
        let wanted = Value::from(member(path));
        let mut exchanges = self.exchanges().into_iter();
        exchanges
            .find(|exchange| exchange["member"] == wanted)
            .unwrap()
    }
}

#[test]
fn everything_is_asked_and_kept_as_it_came() {
    let kubelet = Service::https("kubelet", healthy);
    let node = node(&[OWN, SELF_SIGNED]);
    let captured = capture(&node, &kubelet.url("https"), &["--window", "3"]);
    let recorded = Recorded::of("kubelet-1.36");
    for path in PATHS {
        let expected = recorded.body(path).unwrap();
        if path == "/flagz" {
            // It has a password: of cAdvisor's database, which nobody uses.
            let flags = String::from_utf8_lossy(captured.bytes(path).unwrap()).into_owned();
            let line = "storage-driver-password: <redacted:";
            assert!(
                flags.contains(line) && flags.contains("port: 10250"),
                "{flags}"
            );
            continue;
        }
        assert!(captured.bytes(path) == Some(&expected[..]), "{path}");
        let exchange = captured.exchange(path);
        assert_eq!(exchange["status"], 200, "{exchange}");
        assert_eq!(exchange["bytes"], expected.len(), "{exchange}");
        assert_eq!(exchange["date"], "Fri, 20 Nov 2026 22:11:05 GMT");
        let credential = "certificate /var/lib/kubelet/pki/kubelet-client-current.pem";
        assert_eq!(exchange["asked_as"], credential);
        let tls = &exchange["tls"];
        assert_eq!(
            tls["verified"],
            "pinned by /var/lib/kubelet/pki/kubelet.crt"
        );
        assert_eq!(tls["subject"], "CN=node1@1795212364");
        assert_eq!(tls["not_after"], "2120-01-01T00:00:00Z");
        assert_eq!(tls["expired"], false);
        assert!(exchange["wait_us"].is_u64() && exchange["started_us"].is_u64());
    }
    // The profile lasts as long as what was left of the window.
    let profile = kubelet
        .questions()
        .into_iter()
        .find(|q| q.path.contains("profile?"));
    let path = profile.unwrap().path;
    assert!(
        [
            "/debug/pprof/profile?seconds=1",
            "/debug/pprof/profile?seconds=2"
        ]
        .contains(&&*path),
        "{path}"
    );
    assert!(captured.bytes(&path) == Some(&recorded.body(&path).unwrap()[..]));
    assert!(
        captured.took < Duration::from_secs(30),
        "{:?}",
        captured.took
    );
    // The big ones were not there: this version does not offer them.
    assert_eq!(captured.outcome("/metrics").name(), "absent");
    assert_eq!(captured.outcome, Outcome::Complete);
    assert_eq!(
        captured.exchange("/pods")["content_type"],
        "application/json"
    );
    let tried = &captured.exchanges()[0];
    assert_eq!(
        (&tried["member"], &tried["status"]),
        (&Value::Null, &200.into())
    );
}

#[test]
fn large_answers_of_real_nodes_are_kept_too() {
    for name in [
        "healthy-cluster-1.36",
        "healthy-1.36",
        "healthy-1.20",
        "faulty-pods-1.36",
    ] {
        let Some(recorded) = Recorded::elsewhere(&format!("{name}/kubelet")) else {
            return;
        };
        let kubelet = Service::https("kubelet", move |q| recorded.reply(&q.path));
        let node = node(&[OWN, SELF_SIGNED]);
        let captured = capture(&node, &kubelet.url("https"), &["--window", "0"]);
        let recorded = Recorded::elsewhere(&format!("{name}/kubelet")).unwrap();
        for path in [
            "/metrics",
            "/metrics/cadvisor",
            "/debug/pprof/goroutine?debug=2",
            "/pods",
        ] {
            assert!(
                captured.bytes(path) == recorded.body(path).as_deref(),
                "{name} {path}"
            );
        }
        assert_eq!(captured.outcome, Outcome::Complete, "{name}");
    }
}

#[test]
fn secrets_that_were_used_are_not_stored() {
    let kubelet = Service::https("serving", |question| {
        match question.token.as_deref() {
            Some("very.secret.token") => Recorded::of("kubelet-1.36").reply(&question.path),
            // A careless service.
            token => Reply::text(401, &format!("Unauthorized: Bearer {token:?}")),
        }
    });
    let node = node(&[OWN, ("etc/kubernetes/pki/ca.crt", "ca.crt")]);
    std::fs::write(node.folder.path().join("token"), "very.secret.token\n").unwrap();
    let token = node.folder.path().join("token");
    let flags = [
        "--window",
        "0",
        "--kubelet-token-file",
        token.to_str().unwrap(),
    ];
    let captured = capture(&node, &kubelet.url("https"), &flags);
    assert_eq!(captured.outcome, Outcome::Complete);
    assert!(captured.bytes("/pods").is_some());
    let verified = &captured.exchange("/pods")["tls"]["verified"];
    assert_eq!(verified, "signed by /etc/kubernetes/pki/ca.crt");
    let key = std::fs::read_to_string(pki("client.key")).unwrap();
    let key = key.lines().nth(1).unwrap().as_bytes();
    for item in &captured.items {
        if let Item::Entry(entry) = item {
            for secret in [&b"very.secret.token"[..], key] {
                let holds = entry.bytes.windows(secret.len()).any(|part| part == secret);
                assert!(!holds, "{}", entry.path);
            }
        }
    }
}

#[test]
fn the_user_of_a_kubeconfig_and_a_client_certificate_are_shown() {
    let config = format!(
        "clusters:\n- cluster:\n    certificate-authority: {}\nusers:\n- user:\n    client-certificate: {}\n    client-key: {}\n",
        pki("ca.crt").display(),
        pki("client.crt").display(),
        pki("client.key").display(),
    );
    let kubelet = Service::https("apiserver", healthy);
    let url = kubelet.url("https");
    let node = node(&[]);
    let path = node.folder.path().join("config");
    std::fs::write(&path, config).unwrap();
    let flags = ["--window", "0", "--kubeconfig", path.to_str().unwrap()];
    let captured = capture(&node, &url, &flags);
    assert!(captured.bytes("/pods").is_some(), "{}", captured.stderr);

    let node = FakeNode::new();
    let [certificate, key, authority] = ["client.crt", "client.key", "ca.crt"].map(pki);
    let flags = [
        "--window",
        "0",
        "--kubelet-cert",
        certificate.to_str().unwrap(),
        "--kubelet-key",
        key.to_str().unwrap(),
        "--kubelet-ca",
        authority.to_str().unwrap(),
    ];
    let captured = capture(&node, &url, &flags);
    assert!(captured.bytes("/pods").is_some(), "{}", captured.stderr);
}

#[test]
fn the_node_proxy_is_a_way_too() {
    let proxy =
        Service::http(
            |question| match question.path.strip_prefix("/api/v1/nodes/node1/proxy") {
                Some(path) => Recorded::of("kubelet-1.36").reply(path),
                None => Reply::text(404, ""),
            },
        );
    let url = format!("{}/api/v1/nodes/node1/proxy", proxy.url("http"));
    let captured = capture(&FakeNode::new(), &url, &["--window", "0"]);
    assert_eq!(captured.outcome, Outcome::Complete);
    assert!(captured.bytes("/stats/summary").is_some());
    assert_eq!(captured.exchange("/pods")["tls"], Value::Null);
}

#[test]
fn an_expired_certificate_that_lies_on_the_disk_is_evidence() {
    let kubelet = Service::https("expired", healthy);
    let node = node(&[OWN, ("var/lib/kubelet/pki/kubelet.crt", "expired.crt")]);
    let captured = capture(&node, &kubelet.url("https"), &["--window", "0"]);
    assert!(captured.bytes("/pods").is_some(), "{}", captured.stderr);
    let tls = &captured.exchange("/pods")["tls"];
    assert_eq!(tls["expired"], true);
    assert_eq!(tls["not_after"], "2021-01-01T00:00:00Z");
}

#[test]
fn a_certificate_that_nothing_proves_is_not_asked() {
    for (certificate, why) in [
        ("stranger", "no authority"),
        ("serving-expired", "has expired"),
        ("serving-node2", "another name"),
    ] {
        let kubelet = Service::https(certificate, healthy);
        let node = node(&[OWN, SELF_SIGNED, ("etc/kubernetes/pki/ca.crt", "ca.crt")]);
        let captured = capture(&node, &kubelet.url("https"), &["--window", "0"]);
        let Outcome::Denied(said) = captured.outcome("/healthz?verbose") else {
            panic!("{:?}", captured.outcome);
        };
        assert!(
            said.contains(why) && said.contains("--kubelet-ca"),
            "{said}"
        );
        assert!(captured.stderr.contains(why), "{}", captured.stderr);
        assert!(kubelet.questions().is_empty(), "nothing was said to it");
        let tried = &captured.exchanges()[0];
        assert!(tried["tls"]["subject"].is_string(), "{tried}");
        assert_eq!(captured.bytes("/pods"), None);
    }
    // The certificate itself may be named.
    let kubelet = Service::https("serving-expired", healthy);
    let authority = pki("serving-expired.crt");
    let flags = ["--window", "0", "--kubelet-ca", authority.to_str().unwrap()];
    let captured = capture(&node(&[OWN]), &kubelet.url("https"), &flags);
    assert!(captured.bytes("/pods").is_some(), "{}", captured.stderr);
}

#[test]
fn refusals_name_what_is_missing() {
    let kubelet = Service::https("kubelet", |_| Reply::text(401, "Unauthorized"));
    let captured = capture(
        &node(&[OWN, SELF_SIGNED]),
        &kubelet.url("https"),
        &["--window", "0"],
    );
    assert_eq!(captured.outcome("/healthz?verbose").name(), "denied");
    assert!(
        captured.stderr.contains("--kubelet-token-file"),
        "{}",
        captured.stderr
    );
    assert!(
        kubelet.questions().len() < 8,
        "it is not asked for everything"
    );

    // As a monitoring agent may: statistics and metrics, but no profiles.
    let kubelet = Service::https("kubelet", |question| {
        if question.path.starts_with("/metrics") || question.path.starts_with("/stats") {
            return healthy(question);
        }
        let why = "Forbidden (user=kube, verb=get, resource=nodes, subresource=proxy)";
        Reply::text(403, why)
    });
    let captured = capture(
        &node(&[OWN, SELF_SIGNED]),
        &kubelet.url("https"),
        &["--window", "0"],
    );
    let Outcome::Denied(why) = captured.outcome("/debug/pprof/heap") else {
        panic!("{:?}", captured.outcome);
    };
    assert!(why.contains("nodes/proxy"), "{why}");
    assert!(captured.bytes("/stats/summary").is_some());
    let said = captured.exchanges();
    let said = said
        .iter()
        .find(|e| e["url"].as_str().unwrap().ends_with("/heap"));
    assert!(
        said.unwrap()["says"]
            .as_str()
            .unwrap()
            .starts_with("Forbidden")
    );

    // The API server is down, so nobody is allowed anything.
    let kubelet = Service::https("kubelet", |_| {
        Reply::text(
            500,
            "Authorization error (user=kube, verb=get, resource=nodes, subresource=healthz)",
        )
    });
    let captured = capture(
        &node(&[OWN, SELF_SIGNED]),
        &kubelet.url("https"),
        &["--window", "0"],
    );
    assert!(
        captured.stderr.contains("API server"),
        "{}",
        captured.stderr
    );
    assert!(kubelet.questions().len() < 4);
}

#[test]
fn the_credential_that_may_ask_is_taken() {
    // A node's own certificate is known to kubelet, and allowed nothing.
    let kubelet = Service::https("kubelet", |question| match question.client {
        Some("admin") => healthy(question),
        Some(_) => Reply::text(403, "Forbidden (user=system:node:node1, verb=get)"),
        None => Reply::text(401, "Unauthorized"),
    });
    let node = node(&[
        OWN,
        SELF_SIGNED,
        ("etc/kubernetes/pki/admin.crt", "admin.crt"),
        ("etc/kubernetes/pki/admin.key", "admin.key"),
    ]);
    let config =
        "users:\n- user:\n    client-certificate: pki/admin.crt\n    client-key: pki/admin.key\n";
    node.file("etc/kubernetes/admin.conf", config);
    let captured = capture(&node, &kubelet.url("https"), &["--window", "0"]);
    assert_eq!(captured.outcome, Outcome::Complete);
    let asked_as = &captured.exchange("/pods")["asked_as"];
    assert_eq!(asked_as, "user of /etc/kubernetes/admin.conf");
    let tried = captured.exchanges();
    let statuses: Vec<_> = tried.iter().take(3).map(|e| e["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(403), Some(403), Some(200)]);
}

#[test]
fn a_path_that_hangs_costs_itself_alone() {
    // As with containerd stopped.
    let hangs = [
        "/stats/summary",
        "/metrics",
        "/metrics/resource",
        "/runningpods/",
    ];
    let kubelet = Service::https("kubelet", move |question| {
        if hangs.contains(&&*question.path) {
            return Reply::Hang;
        }
        healthy(question)
    });
    let flags = ["--window", "0", "--deadline", "20"];
    let captured = capture(&node(&[OWN, SELF_SIGNED]), &kubelet.url("https"), &flags);
    for path in PATHS {
        if hangs.contains(&path) {
            let outcome = captured.outcome(path);
            assert!(
                matches!(outcome, Outcome::TimedOut(_)),
                "{path} {outcome:?}"
            );
        } else {
            assert!(captured.bytes(path).is_some(), "{path}");
        }
    }
    assert!(
        captured.took < Duration::from_secs(25),
        "{:?}",
        captured.took
    );
    let exchanges = captured.exchanges();
    let late = exchanges
        .iter()
        .filter(|e| e["error"] == "it did not answer in time");
    assert_eq!(late.count(), hangs.len());
}

#[test]
fn a_kubelet_that_answers_nothing_is_given_up() {
    let flags = ["--window", "0", "--deadline", "40"];
    let mute = Service::mute();
    let captured = capture(&node(&[OWN, SELF_SIGNED]), &mute.url("https"), &flags);
    assert!(matches!(
        captured.outcome("/healthz?verbose"),
        Outcome::TimedOut(_)
    ));
    assert!(
        captured.took < Duration::from_secs(20),
        "{:?}",
        captured.took
    );

    let kubelet = Service::https("kubelet", |_| Reply::Hang);
    let captured = capture(&node(&[OWN, SELF_SIGNED]), &kubelet.url("https"), &flags);
    assert!(
        captured.took < Duration::from_secs(45),
        "{:?}",
        captured.took
    );
    assert!(kubelet.questions().len() < 12, "{:?}", kubelet.questions());
    assert!(
        captured.stderr.contains("none of the first questions"),
        "{}",
        captured.stderr
    );

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", closed.local_addr().unwrap());
    drop(closed);
    let captured = capture(&node(&[OWN]), &url, &["--window", "0"]);
    assert!(
        captured.stderr.contains("nothing listens there"),
        "{}",
        captured.stderr
    );
}

#[test]
fn broken_answers_are_kept_as_far_as_they_came() {
    let kubelet = Service::https("kubelet", |question| match &*question.path {
        "/pods" => Reply::text(200, "{\"kind\":\"PodList\",\"items\":[{"),
        "/stats/summary" => Reply::Truncated(b"{\"node\":{}}".to_vec()),
        "/metrics" => Reply::Huge(200 << 20),
        "/configz" => Reply::Drip,
        _ => healthy(question),
    });
    let flags = ["--window", "0", "--deadline", "20", "--max-memory", "64MiB"];
    let captured = capture(&node(&[OWN, SELF_SIGNED]), &kubelet.url("https"), &flags);
    // No JSON, but what kubelet said.
    assert_eq!(
        captured.bytes("/pods"),
        Some(&b"{\"kind\":\"PodList\",\"items\":[{"[..])
    );
    assert_eq!(captured.outcome("/pods"), &Outcome::Complete);
    let partial = |path: &str| match captured.outcome(path) {
        Outcome::Partial(why) => why.clone(),
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(
        partial("/stats/summary"),
        "cut: the server closed before its end"
    );
    assert_eq!(partial("/metrics"), "cut: longer than is kept");
    let metrics = captured.bytes("/metrics").unwrap().len();
    assert!((1 << 20..16 << 20).contains(&metrics), "{metrics}");
    let cut = captured.record("/metrics").cut.unwrap();
    assert_eq!(cut.of_bytes, Some(200 << 20));
    assert_eq!(partial("/configz"), "cut: the time was up");
    assert!(captured.bytes("/flagz").is_some());
}

#[test]
fn values_of_variables_in_pods_stay_on_the_node() {
    let pods = serde_json::json!({"kind": "PodList", "items": [{"spec": {"containers": [{
        "name": "web", "image": "web:1",
        "env": [{"name": "DATABASE_URL", "value": "postgres://u:hunter22@db/x"}, {"name": "GOGC", "value": "50"},
                {"name": "PLAN", "value": "hunter33"}],
        "args": ["--password=hunter44", "--v=2"],
    }]}}]});
    let kubelet = Service::https("kubelet", move |question| match &*question.path {
        "/pods" => Reply::Body(
            200,
            "application/json".into(),
            pods.to_string().into(),
            true,
        ),
        _ => healthy(question),
    });
    let captured = capture(
        &node(&[OWN, SELF_SIGNED]),
        &kubelet.url("https"),
        &["--window", "0"],
    );
    let pods = String::from_utf8_lossy(captured.bytes("/pods").unwrap());
    assert!(!pods.contains("hunter"), "{pods}");
    let pods: Value = serde_json::from_str(&pods).unwrap();
    let env = &pods["items"][0]["spec"]["containers"][0]["env"];
    assert_eq!(
        (&env[1]["value"], &env[2]["name"]),
        (&"50".into(), &"PLAN".into())
    );
}

/// Starts a capture whose kubelet does not answer for its metrics, and waits until all else is there.
fn start(node: &FakeNode, kubelet: &Service) -> std::process::Child {
    let child = fake::collect(node.folder.path())
        .arg("--root")
        .arg(node.root())
        .args(["--kubelet-url", &kubelet.url("https"), "--window", "30"])
        .args(["-o", "bundle.tar.zst", "-q"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !kubelet.was_asked("/debug/pprof/trace?seconds=1") {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(1500));
    child
}

fn without_metrics(question: &Question) -> Reply {
    match &*question.path {
        "/metrics" => Reply::Hang,
        _ => healthy(question),
    }
}

#[test]
fn a_signal_seals_what_came() {
    let kubelet = Service::https("kubelet", without_metrics);
    let node = node(&[OWN, SELF_SIGNED]);
    let mut child = start(&node, &kubelet);
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(sent.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let (items, contents) = node.read();
    assert_eq!(contents.summary.unwrap().ended_by, "SIGTERM");
    assert!(bytes(&items, "api/kubelet/pods").is_some());
    assert!(bytes(&items, "api/kubelet/exchanges.jsonl").is_some());
}

#[test]
fn death_takes_those_that_ask_along() {
    let kubelet = Service::https("kubelet", without_metrics);
    let node = node(&[OWN, SELF_SIGNED]);
    let mut child = start(&node, &kubelet);
    child.kill().unwrap();
    child.wait().unwrap();
    let (items, _) = fake::read(&node.folder.path().join("bundle.tar.zst.partial"));
    assert!(bytes(&items, "api/kubelet/pods").is_some());
    let name = node.folder.path().to_str().unwrap().to_owned();
    let is_left = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let mut lines = processes.filter_map(|one| std::fs::read(one.path().join("cmdline")).ok());
        lines.any(|line| String::from_utf8_lossy(&line).contains(&name))
    };
    let ends = Instant::now() + Duration::from_secs(20);
    while is_left() {
        assert!(Instant::now() < ends, "who asked is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn where_nothing_more_can_be_forked_whoever_reads_asks() {
    let kubelet = Service::https("kubelet", healthy);
    let node = node(&[OWN, SELF_SIGNED]);
    let all = |path: &Path| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(path, mode).unwrap();
    };
    all(node.folder.path());
    all(&node.root().join(OWN.0));
    // The limit counts the user's processes; root is exempt.
    for processes in ["1", "4"] {
        let binary = fake::collect(node.folder.path()).get_program().to_owned();
        let output = Command::new("setpriv")
            .args(["--reuid=54399", "--regid=54321", "--clear-groups", "--"])
            .args(["prlimit", &format!("--nproc={processes}"), "--"])
            .arg(binary)
            .arg("--root")
            .arg(node.root())
            .args(["--kubelet-url", &kubelet.url("https"), "--window", "2"])
            .args(["--only", "kubelet,system", "-o", processes])
            .current_dir(node.folder.path())
            .output();
        let output = output.ok();
        let Some(output) = output.filter(|output| matches!(output.status.code(), Some(0 | 3)))
        else {
            println!("skipped: nobody else can run the binary here");
            return;
        };
        let (items, _) = fake::read(&node.folder.path().join(processes));
        assert!(
            bytes(&items, "api/kubelet/pods").is_some(),
            "{}",
            stderr(&output)
        );
    }
}
