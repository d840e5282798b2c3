//! What a Kubernetes node tells by its files: on a fake node, and beside a real containerd.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use fake::containerd::{Containerd, Pod};
use fake::{FakeNode, bytes, stderr};
use freezeframe_bundle::{EntryRecord, Item, Outcome};

const POD: &str = "shop_web-1_0b5a7bb2-5f5c-4a3e-9d1c-2f0f6e1d7a01";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIBdjCCAR2gAwIBAgIBADAKBggqhkjOPQQDAjAj\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIHNlY3JldHNlY3JldHNlY3JldA==\n-----END EC PRIVATE KEY-----\n";

fn text<'i>(items: &'i [Item], path: &str) -> &'i str {
    let found = bytes(items, path).unwrap_or_else(|| panic!("no {path}"));
    std::str::from_utf8(found).unwrap()
}

fn record<'i>(items: &'i [Item], path: &str) -> &'i EntryRecord {
    let found = items.iter().find_map(|item| match item {
        Item::Record(record) if record.path == path => Some(record),
        Item::Entry(entry) if entry.path == path => entry.record.as_ref(),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no record of {path}"))
}

fn holds(items: &[Item], word: &str) -> Vec<String> {
    let entries = items.iter().filter_map(|item| match item {
        Item::Entry(entry) => Some(entry),
        Item::Record(_) => None,
    });
    let of = entries.filter(|entry| String::from_utf8_lossy(&entry.bytes).contains(word));
    of.map(|entry| entry.path.clone()).collect()
}

#[test]
fn configuration_comes_without_its_secrets() {
    let node = FakeNode::new();
    let kubeconfig = "apiVersion: v1\nclusters:\n- cluster:\n    server: https://10.0.0.1:6443\nusers:\n- name: node\n  user:\n    token: abcdef.0123456789abcdef\n    client-key-data: LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0tCk1IY0NBUUVFSUhObFkzSmxkSE5sWTNKbGRITmxZM0psZEE9PQo=\n";
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd\nspec:\n  containers:\n  - name: etcd\n    command:\n    - etcd\n    - --password\n    - correct-horse-7\n    env:\n    - name: ETCD_ROOT_PASSWORD\n      value: correct-horse-7\n";
    node.file("etc/kubernetes/kubelet.conf", kubeconfig);
    node.file("etc/kubernetes/manifests/etcd.yaml", manifest);
    node.file(
        "etc/kubernetes/encryption-config.yaml",
        "secret: correct-horse-7\n",
    );
    node.file("etc/kubernetes/pki/apiserver.crt", CERTIFICATE);
    node.file("etc/kubernetes/pki/apiserver.key", KEY);
    node.file("etc/kubernetes/pki/etcd/server.crt", CERTIFICATE);
    node.file(
        "var/lib/kubelet/pki/kubelet-client-1.pem",
        format!("{CERTIFICATE}{KEY}"),
    );
    node.link(
        "var/lib/kubelet/pki/kubelet-client-current.pem",
        "kubelet-client-1.pem",
    );
    node.file(
        "var/lib/kubelet/config.yaml",
        "cgroupDriver: systemd\nstaticPodPath: /opt/pods\n",
    );
    node.file("opt/pods/own.yaml", manifest);
    node.file(
        "var/lib/kubelet/kubeadm-flags.env",
        "KUBELET_KUBEADM_ARGS=\"--max-pods=110\"\n",
    );
    node.file(
        "var/lib/kubelet/cpu_manager_state",
        "{\"policyName\":\"none\"}\n",
    );
    node.file(
        "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
        "{\"Data\":{}}\n",
    );
    node.file(
        "etc/containerd/config.toml",
        "version = 2\n[plugins.x.registry.configs.y.auth]\n  password = \"correct-horse-7\"\n",
    );
    node.file(
        "etc/containerd/certs.d/docker.io/hosts.toml",
        "server = \"https://docker.io\"\n",
    );
    node.file("etc/cni/net.d/10-lab.conflist", "{\"name\":\"lab\"}\n");
    node.file("opt/cni/bin/bridge", "ELF");
    node.file("var/lib/cni/networks/lab/10.88.0.2", "id\n");
    let only = "kubernetes_config,runtime_config,certificate";
    let output = node.collect(&["--window", "0", "--only", only]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (items, _) = node.read();

    let kubelet = text(&items, "root/etc/kubernetes/kubelet.conf");
    assert!(
        kubelet.contains("server: https://10.0.0.1:6443"),
        "{kubelet}"
    );
    assert!(kubelet.contains("token: <redacted:"), "{kubelet}");
    assert!(kubelet.contains("client-key-data: <redacted:"), "{kubelet}");
    assert!(text(&items, "root/etc/kubernetes/manifests/etcd.yaml").contains("ETCD_ROOT_PASSWORD"));
    assert!(text(&items, "root/opt/pods/own.yaml").contains("kind: Pod"));
    assert!(text(&items, "root/var/lib/kubelet/kubeadm-flags.env").contains("--max-pods=110"));
    for path in [
        "root/var/lib/kubelet/config.yaml",
        "root/var/lib/kubelet/cpu_manager_state",
        "root/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
        "root/etc/containerd/certs.d/docker.io/hosts.toml",
        "root/etc/cni/net.d/10-lab.conflist",
    ] {
        text(&items, path);
    }
    assert_eq!(text(&items, "root/opt/cni/bin"), "bridge\n");
    assert_eq!(text(&items, "root/var/lib/cni/networks/lab"), "10.88.0.2\n");

    for path in [
        "root/etc/kubernetes/pki/apiserver.crt",
        "root/etc/kubernetes/pki/etcd/server.crt",
        "root/var/lib/kubelet/pki/kubelet-client-1.pem",
        "root/var/lib/kubelet/pki/kubelet-client-current.pem",
    ] {
        assert_eq!(text(&items, path), CERTIFICATE, "{path}");
    }
    let pki = text(&items, "root/var/lib/kubelet/pki");
    assert!(
        pki.contains("kubelet-client-current.pem\tkubelet-client-1.pem"),
        "{pki}"
    );
    for secret in [
        "correct-horse-7",
        "MHcCAQEE",
        "MIY0NBUUVF",
        "0123456789abcdef",
    ] {
        assert_eq!(holds(&items, secret), Vec::<String>::new(), "{secret}");
    }
}

#[test]
fn not_even_without_redaction_is_a_key_read() {
    let node = FakeNode::new();
    node.file("etc/kubernetes/pki/ca.crt", format!("{KEY}{CERTIFICATE}"));
    node.file("etc/kubernetes/pki/ca.key", KEY);
    node.file(
        "var/lib/kubelet/pki/kubelet-client-current.pem",
        format!("{CERTIFICATE}{KEY}"),
    );
    node.collect(&["--window", "0", "--redact", "none"]);
    let (items, _) = node.read();
    assert_eq!(text(&items, "root/etc/kubernetes/pki/ca.crt"), CERTIFICATE);
    assert_eq!(holds(&items, "PRIVATE KEY"), Vec::<String>::new());
}

#[test]
fn pods_are_named_by_files_alone() {
    let node = FakeNode::new();
    let container = "ce6a2a9d38ca294b1bf9fd448fad2a8a7c262c673446da85125fbaf951c94677";
    let log = format!("var/log/pods/{POD}/app/0.log");
    node.file(&log, "2026-01-01T00:00:00.0Z stdout F up\n");
    node.link(
        &format!("var/log/containers/web-1_shop_app-{container}.log"),
        &format!("/{log}"),
    );
    let pods = "var/lib/kubelet/pods/0b5a7bb2-5f5c-4a3e-9d1c-2f0f6e1d7a01";
    node.file(&format!("{pods}/containers/app/1234"), "");
    node.file(
        &format!("{pods}/volumes/kubernetes.io~secret/db/password"),
        "correct-horse-7",
    );
    let description = r#"{"process":{"args":["/app","--token=correct-horse-7","--password","correct-horse-7"],"env":["PATH=/bin","PASSWORD=correct-horse-7"]},"annotations":{"io.kubernetes.cri.container-name":"app","io.kubernetes.cri.sandbox-name":"web-1"}}"#;
    let folder = format!("run/containerd/io.containerd.runtime.v2.task/k8s.io/{container}");
    node.file(&format!("{folder}/config.json"), description);
    node.file(&format!("{folder}/init.pid"), "4711");
    let output = node.collect(&["--window", "0"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (items, _) = node.read();
    assert_eq!(text(&items, "root/var/log/pods"), format!("{POD}\n"));
    let links = text(&items, "root/var/log/containers");
    assert_eq!(links, format!("web-1_shop_app-{container}.log\t/{log}\n"));
    assert_eq!(text(&items, &format!("root/{pods}/containers")), "app\n");
    let kept = text(&items, &format!("root/{folder}/config.json"));
    let kept: serde_json::Value = serde_json::from_str(kept).unwrap();
    assert_eq!(
        kept["annotations"]["io.kubernetes.cri.sandbox-name"],
        "web-1"
    );
    assert_eq!(kept["process"]["env"][0], "PATH=/bin");
    assert_eq!(text(&items, &format!("root/{folder}/init.pid")), "4711");
    assert_eq!(holds(&items, "correct-horse-7"), Vec::<String>::new());
    let touched = items.iter().any(|item| match item {
        Item::Record(record) => record.path.contains("volumes"),
        Item::Entry(entry) => entry.path.contains("volumes"),
    });
    assert!(!touched, "volumes are never looked at");
}

#[test]
fn logs_of_restarted_containers_survive_a_small_budget() {
    let node = FakeNode::new();
    let line = "2026-01-01T00:00:00.0Z stdout F working\n";
    for number in 0..200 {
        let path = format!("var/log/pods/shop_quiet-{number}_uid/app/0.log");
        node.file(&path, line.repeat(20_000));
    }
    let crash = format!("var/log/pods/{POD}/app");
    node.file(&format!("{crash}/7.log"), line);
    node.file(
        &format!("{crash}/6.log"),
        format!("{line}fatal: password=correct-horse-7\n"),
    );
    node.file(&format!("{crash}/5.log"), line);
    node.file(&format!("{crash}/6.log.20260101-000000.gz"), "zip");
    let output = node.collect(&["--window", "0", "--only", "container_log"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (items, _) = node.read();
    let before = text(&items, &format!("root/{crash}/6.log"));
    assert!(before.contains("fatal: password=<redacted:"), "{before}");
    text(&items, &format!("root/{crash}/7.log"));
    assert!(bytes(&items, &format!("root/{crash}/5.log")).is_none());
    let quiet = "root/var/log/pods/shop_quiet-150_uid/app/0.log";
    let tail = text(&items, quiet);
    assert!(
        (150 << 10..256 << 10).contains(&tail.len()),
        "{}",
        tail.len()
    );
    assert!(tail.starts_with("2026-"), "whole lines");
    let cut = record(&items, quiet).cut.unwrap();
    assert_eq!(cut.of_bytes, Some(line.len() as u64 * 20_000));
    let list = text(&items, "calls/container_logs.jsonl");
    assert_eq!(list.lines().count(), 204);
    let order: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            Item::Entry(entry) if entry.path.contains(".log") => Some(entry.path.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(
        order[..2],
        [format!("root/{crash}/7.log"), format!("root/{crash}/6.log")]
    );
}

#[test]
fn a_real_container_is_known_when_its_runtime_is_dead() {
    let node = FakeNode::new();
    let Some(mut containerd) = Containerd::on(&node) else {
        return;
    };
    let pod = Pod {
        namespace: "shop",
        name: "web-1",
        uid: "0b5a7bb2-5f5c-4a3e-9d1c-2f0f6e1d7a01",
    };
    let sandbox = containerd.run(pod);
    let id = containerd.start(
        pod,
        &sandbox,
        "app",
        "echo password=correct-horse-7; exec busybox sleep 1000",
    );
    containerd.pause();
    let only = "runtime,container_identity,container_log";
    let output = node.collect(&["--window", "0", "--only", only]);
    containerd.resume();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let (items, _) = node.read();
    assert!(matches!(
        record(&items, "cri/version.json").outcome,
        Outcome::TimedOut(_)
    ));
    let folder = format!("root/run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}");
    let description = text(&items, &format!("{folder}/config.json"));
    let description: serde_json::Value = serde_json::from_str(description).unwrap();
    let annotations = &description["annotations"];
    assert_eq!(annotations["io.kubernetes.cri.container-name"], "app");
    assert_eq!(annotations["io.kubernetes.cri.sandbox-name"], pod.name);
    assert_eq!(
        annotations["io.kubernetes.cri.sandbox-namespace"],
        pod.namespace
    );
    let pid: u32 = text(&items, &format!("{folder}/init.pid")).parse().unwrap();
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(groups.contains(&id), "{groups}");
    let said = text(&items, &format!("root/var/log/pods/{POD}/app/0.log"));
    assert!(said.contains("stdout F password=<redacted:"), "{said}");
    assert_eq!(holds(&items, "correct-horse-7"), Vec::<String>::new());
}
