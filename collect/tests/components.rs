//! Components that answer, found without a flag: by who listens, and by the node's files. The real binary
//! on this machine's own `/`.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fake::service::{Recorded, Reply, Service, pki};
use fake::{FakeNode, bytes, collect, read, stderr};
use freezeframe_bundle::Item;

/// A process of this name that listens at this port; nothing where that is not possible.
struct Component(Child);

impl Component {
    fn start(name: &str, port: u16, certificate: Option<&str>) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake/exporter.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(name).arg(port.to_string());
        if let Some(certificate) = certificate {
            command.args(["crt", "key"].map(|kind| pki(&format!("{certificate}.{kind}"))));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take()?)
            .read_line(&mut line)
            .ok()?;
        if line.is_empty() {
            eprintln!("skipped: port {port} is taken, or there is no python3");
            let _ = child.wait();
            return None;
        }
        Some(Self(child))
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Captures what this machine's own components say, where the commands before have made a node of it. All
/// of it happens in a mount namespace of its own.
fn capture(before: &str, only: &str) -> Option<(Vec<Item>, String)> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root sees who listens");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let collect = collect(folder.path());
    let script = format!(
        "mount --make-rprivate / && set -e\n{before}\nexec {} --only {only} --window 2 -o bundle.tar.zst",
        collect.get_program().to_str().unwrap(),
    );
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = stderr(&output);
    let path = folder.path().join("bundle.tar.zst");
    if !path.exists() {
        eprintln!("skipped: no mounts can be made here: {said}");
        return None;
    }
    let (items, _) = read(&path);
    Some((items, said))
}

#[test]
fn who_listens_is_asked_and_nobody_else() {
    // The port alone says nothing: it takes a process of the name.
    let (Some(exporter), Some(other), Some(scheduler)) = (
        Component::start("node_exporter", 9100, None),
        Component::start("something", 10249, None),
        Component::start("kube-scheduler", 10259, Some("stranger")),
    ) else {
        return;
    };
    let Some((items, stderr)) = capture("", "pprof") else {
        return;
    };
    drop((exporter, other));
    let text = |path: &str| bytes(&items, path).map(String::from_utf8_lossy);
    for path in [
        "metrics",
        "debug/pprof/goroutine?debug=2",
        "debug/pprof/heap",
        "debug/pprof/block",
    ] {
        let found = text(&format!("api/node_exporter/{path}"));
        assert!(
            found.is_some_and(|body| body.starts_with(&format!("/{path} "))),
            "{path} {stderr}"
        );
    }
    let has_profile = |item: &Item| {
        let Item::Entry(entry) = item else {
            return false;
        };
        entry
            .path
            .starts_with("api/node_exporter/debug/pprof/profile?seconds=")
    };
    assert!(items.iter().any(has_profile));
    let is_proxy = |item: &Item| matches!(item, Item::Entry(entry) if entry.path.starts_with("api/kube-proxy"));
    assert!(!items.iter().any(is_proxy));
    // Nothing proves this certificate but whose socket it is, so nobody asks.
    let health = text("api/kube-scheduler/livez?verbose").unwrap_or_default();
    assert!(health.ends_with(" None None\n"), "{health} {stderr}");
    let exchanges = text("api/kube-scheduler/exchanges.jsonl").unwrap();
    let pid = scheduler.0.id();
    let why = format!("not by its certificate: kube-scheduler (pid {pid}) listens there");
    assert!(exchanges.contains(&why), "{exchanges}");
    assert!(exchanges.contains("\"asked_as\":\"nobody\""), "{exchanges}");
    assert!(text("api/kube-scheduler/debug/pprof/heap").is_none());
}

#[test]
fn kubelet_is_found_by_its_files() {
    let (Some(_kubelet), Some(_health)) = (
        Component::start("kubelet", 10351, Some("kubelet")),
        Component::start("something", 10352, None),
    ) else {
        return;
    };
    let pki = pki("");
    let pki = pki.to_str().unwrap();
    let before = format!(
        "mount -t tmpfs x /var/lib && mkdir -p /var/lib/kubelet/pki\n\
         cp {pki}/kubelet.crt {pki}/kubelet-client-current.pem /var/lib/kubelet/pki\n\
         printf 'port: 10351\\nhealthzPort: 10352\\n' > /var/lib/kubelet/config.yaml"
    );
    let Some((items, stderr)) = capture(&before, "kubelet") else {
        return;
    };
    let text = |path: &str| bytes(&items, path).map(String::from_utf8_lossy);
    assert!(text("api/kubelet/metrics").is_some(), "{stderr}");
    let exchanges = text("api/kubelet/exchanges.jsonl").unwrap();
    for part in [
        "\"url\":\"http://127.0.0.1:10352/healthz\"",
        "\"url\":\"https://127.0.0.1:10351/metrics\"",
        "certificate /var/lib/kubelet/pki/kubelet-client-current.pem",
        "pinned by /var/lib/kubelet/pki/kubelet.crt",
    ] {
        assert!(exchanges.contains(part), "{part}: {exchanges}");
    }
}

#[test]
fn a_real_etcd_gives_its_profiles() {
    let data = tempfile::tempdir().unwrap();
    let pki = pki("");
    let pki = pki.to_str().unwrap();
    let url = "https://127.0.0.1:2379";
    let started = Command::new("etcd")
        .arg(format!("--data-dir={}", data.path().display()))
        .args(["--enable-pprof", "--client-cert-auth", "--log-level=error"])
        .args(["--listen-client-urls", url, "--advertise-client-urls", url])
        .args(["--listen-peer-urls", "http://127.0.0.1:23801"])
        .args(["--initial-advertise-peer-urls", "http://127.0.0.1:23801"])
        .args(["--initial-cluster", "default=http://127.0.0.1:23801"])
        .args(["--listen-metrics-urls", "http://127.0.0.1:2381"])
        .arg(format!("--cert-file={pki}/apiserver.crt"))
        .arg(format!("--key-file={pki}/apiserver.key"))
        .arg(format!("--trusted-ca-file={pki}/ca.crt"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(etcd) = started.map(Component) else {
        eprintln!("skipped: no etcd here");
        return;
    };
    let ends = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::net::TcpStream::connect("127.0.0.1:2379").is_err() {
        assert!(std::time::Instant::now() < ends, "etcd does not listen");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let before = format!(
        "mkdir -p etcd && cp {pki}/client.crt etcd/healthcheck-client.crt\n\
         cp {pki}/client.key etcd/healthcheck-client.key\n\
         mount -t tmpfs x /etc && mkdir -p /etc/kubernetes/pki && cp -r etcd /etc/kubernetes/pki/"
    );
    let Some((items, stderr)) = capture(&before, "pprof") else {
        return;
    };
    drop(etcd);
    for path in [
        "health",
        "metrics",
        "debug/pprof/heap",
        "debug/pprof/goroutine?debug=2",
    ] {
        let body = bytes(&items, &format!("api/etcd/{path}"));
        assert!(
            body.is_some_and(|body| !body.is_empty()),
            "{path}: {stderr}"
        );
    }
    let heap = bytes(&items, "api/etcd/debug/pprof/heap").unwrap();
    assert!(
        heap.starts_with(&[0x1f, 0x8b]),
        "a profile stays as it came"
    );
    let exchanges = bytes(&items, "api/etcd/exchanges.jsonl").unwrap();
    let exchanges = String::from_utf8_lossy(exchanges);
    assert!(
        exchanges.contains(&format!("pinned by {pki}/apiserver.crt")),
        "{exchanges}"
    );
}

#[test]
fn what_a_person_names_is_asked() {
    let recorded = |path: &str| Recorded::of("kubelet-1.36").reply(path);
    let agent = Service::http(move |question| match &*question.path {
        "/debug/pprof/goroutine?debug=2" => Reply::text(200, "goroutine 1 [running]:\n"),
        path => recorded(path),
    });
    let without = Service::http(|_| Reply::text(404, "404 page not found\n"));
    let node = FakeNode::new();
    let [first, second] = [
        format!("agent=http://{}/debug/pprof/", agent.address),
        format!("without=http://{}", without.address),
    ];
    let output = node.collect(&["--window", "0", "--pprof", &first, "--pprof", &second]);
    let (items, _) = node.read();
    for path in ["heap", "goroutine", "mutex", "goroutine?debug=2"] {
        let member = format!("api/agent/debug/pprof/{path}");
        assert!(
            bytes(&items, &member).is_some(),
            "{path} {}",
            stderr(&output)
        );
    }
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        without.questions().len(),
        1,
        "no profiles: it is asked once"
    );
    let exchanges = bytes(&items, "api/without/exchanges.jsonl").unwrap();
    assert!(String::from_utf8_lossy(exchanges).contains("\"status\":404"));
}

#[test]
fn a_service_that_is_named_and_not_there_is_said() {
    let node = FakeNode::new();
    let output = node.collect(&["--window", "0", "--pprof", "agent=unix:/run/agent.sock"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("nothing listens there"),
        "{}",
        stderr(&output)
    );
    for flag in [
        "agent",
        "=http://127.0.0.1",
        "a/b=http://127.0.0.1",
        "a=http://name",
    ] {
        let output = node.collect_to("other", &["--pprof", flag]);
        assert_eq!(output.status.code(), Some(2), "{flag}");
    }
}
