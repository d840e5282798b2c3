//! The ways onto a node: the kubectl plugin before a fake `kubectl`, the manifests before the API's schema.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use fake::FakeNode;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A `kubectl` that notes how it is called and runs the collector where it is to `exec`.
const KUBECTL: &str = r#"#!/bin/sh
echo "$*" >>"$LOG"
case "$1" in
    create) cat >"$LOG.manifest" ;;
    get) case "$*" in *component=daemon*) [ -z "${DAEMON:-}" ] || echo "pod/$DAEMON" ;; esac ;;
    wait) exit "${WAIT:-0}" ;;
    exec)
        while [ "$1" != -- ]; do shift; done
        shift 4 # -- /collect run --root
        [ -z "${SLOW:-}" ] || { sleep 60 & echo $! >"$LOG.sleep"; wait; }
        "$COLLECT" run --root "$NODE" --only system,mount --window 0 "${@:2}" | head -c "${CUT:-999999999}"
        exit "${EXEC:-0}" ;;
esac
"#;

struct Cluster {
    folder: tempfile::TempDir,
    node: FakeNode,
}

impl Cluster {
    fn new() -> Self {
        let cluster = Self {
            folder: tempfile::tempdir().unwrap(),
            node: FakeNode::new(),
        };
        let kubectl = cluster.path("kubectl");
        fs::write(&kubectl, KUBECTL.replace("#!/bin/sh", "#!/bin/bash")).unwrap();
        fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755)).unwrap();
        cluster
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(project().join("deploy/kubectl-freezeframe"));
        let path = std::env::var("PATH").unwrap();
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.folder.path().display()))
            .env("LOG", self.path("log"))
            .env("COLLECT", env!("CARGO_BIN_EXE_collect"))
            .env("NODE", self.node.root());
        command
    }

    fn run(&self, arguments: &[&str], set: &[(&str, &str)]) -> Output {
        let mut command = self.command(arguments);
        command.envs(set.iter().copied());
        command.output().unwrap()
    }

    /// How `kubectl` was called.
    fn calls(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn was_removed(&self) -> bool {
        self.calls()
            .lines()
            .any(|call| call.starts_with("delete pod -n kube-system freezeframe-worker-7-"))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_node_is_frozen_and_the_pod_removed() {
    let cluster = Cluster::new();
    let output = cluster.run(
        &["worker-7", "-o", "b.tar.zst", "--", "--redact", "strict"],
        &[],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "b.tar.zst\n");
    let (items, contents) = fake::read(&cluster.path("b.tar.zst"));
    assert!(contents.summary.is_some_and(|summary| summary.finished));
    let capture: serde_json::Value =
        serde_json::from_slice(fake::bytes(&items, "capture.json").unwrap()).unwrap();
    assert_eq!(capture["redaction"], "strict");
    assert!(cluster.was_removed());
    let manifest = fs::read_to_string(cluster.path("log.manifest")).unwrap();
    assert!(manifest.contains("nodeName: worker-7\n"));
    assert!(!cluster.path("b.tar.zst.partial").exists());
}

#[test]
fn gaps_of_the_capture_are_told_by_the_exit_code() {
    let cluster = Cluster::new();
    let output = cluster.run(&["worker-7"], &[("EXEC", "3")]);
    assert_eq!(output.status.code(), Some(3));
    let bundle = text(&output.stdout);
    assert!(bundle.starts_with("worker-7-20") && cluster.path(bundle.trim()).exists());
}

#[test]
fn a_stream_that_breaks_off_is_no_bundle_and_nothing_is_drained() {
    let cluster = Cluster::new();
    for (name, value) in [("CUT", "300"), ("EXEC", "1"), ("EXEC", "137")] {
        let output = cluster.run(&["drain", "worker-7", "-o", "b.tar.zst"], &[(name, value)]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(!cluster.path("b.tar.zst").exists());
        assert!(
            text(&output.stderr).contains("b.tar.zst.partial"),
            "{}",
            text(&output.stderr)
        );
    }
    assert!(!cluster.calls().contains("drain"));
    assert!(cluster.was_removed());
}

#[test]
fn a_drain_comes_behind_the_bundle() {
    let cluster = Cluster::new();
    let output = cluster.run(&["drain", "worker-7", "--", "--ignore-daemonsets"], &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let calls = cluster.calls();
    let place = |what: &str| calls.find(what).unwrap();
    assert!(
        place("exec -n") < place("drain worker-7 --ignore-daemonsets"),
        "{calls}"
    );
    assert!(!calls.contains("collect run --root /host -o - --ignore-daemonsets"));
}

#[test]
fn a_daemon_is_used_and_stays() {
    let cluster = Cluster::new();
    let output = cluster.run(&["worker-7"], &[("DAEMON", "freezeframe-abcde")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let calls = cluster.calls();
    assert!(calls.contains("exec -n kube-system freezeframe-abcde -c collect"));
    assert!(
        !calls.contains("create") && !calls.contains("delete"),
        "{calls}"
    );
}

#[test]
fn a_pod_that_does_not_start_is_removed_and_another_way_named() {
    let cluster = Cluster::new();
    let output = cluster.run(&["worker-7"], &[("WAIT", "1")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("ssh root@worker-7"));
    assert!(cluster.was_removed());
}

#[test]
fn interrupted_it_removes_the_pod() {
    let cluster = Cluster::new();
    let mut command = cluster.command(&["worker-7"]);
    // As a terminal does it: the signal goes to the whole group.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command
        .env("SLOW", "1")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ends = Instant::now() + Duration::from_mins(1);
    while !cluster.path("log.sleep").exists() && Instant::now() < ends {
        std::thread::sleep(Duration::from_millis(20));
    }
    let group = format!("-{}", child.id());
    let killed = Command::new("kill").args(["-TERM", "--", &group]).status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(cluster.was_removed(), "{}", cluster.calls());
}

#[test]
fn wrong_use_is_told_before_anything_is_done() {
    let cluster = Cluster::new();
    let wrong: [&[&str]; 6] = [
        &[],
        &["Worker_7"],
        &["a", "b"],
        &["worker-7\nspec:"],
        &["a", "--frequency"],
        &["a", "--image", "x y"],
    ];
    for arguments in wrong {
        assert_eq!(
            cluster.run(arguments, &[]).status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
    fs::write(cluster.path("there"), "").unwrap();
    let output = cluster.run(&["worker-7", "-o", "there"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(cluster.calls(), "");
}

/// Manifests before the schema that Kubernetes publishes.
#[test]
fn manifests_are_valid() {
    let is_there = Command::new("kubernetes-validate")
        .arg("--version")
        .output();
    if is_there.is_err() {
        println!("skipped: pip install kubernetes-validate");
        return;
    }
    let cluster = Cluster::new();
    let pod = cluster.run(&["worker-7", "--dry-run"], &[]);
    assert!(pod.status.success());
    fs::write(cluster.path("pod.yaml"), pod.stdout).unwrap();
    let deploy = project().join("deploy");
    let names = ["rbac.yaml", "job.yaml", "daemonset.yaml"];
    let mut files: Vec<PathBuf> = names.iter().map(|name| deploy.join(name)).collect();
    files.push(cluster.path("pod.yaml"));
    for file in files {
        let mut check = Command::new("kubernetes-validate");
        let output = check
            .args(["-k", "1.36", "--strict"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            file.display(),
            text(&output.stderr)
        );
    }
}

/// Every layer, the configuration and the manifest of the image are what their digests say.
#[test]
fn the_image_holds_the_binary_alone() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let archive = folder.path().join(name);
        let mut script = Command::new(project().join("scripts/image.sh"));
        let status = script
            .arg(env!("CARGO_BIN_EXE_collect"))
            .arg(&archive)
            .status();
        assert!(status.unwrap().success());
        fs::read(archive).unwrap()
    };
    assert!(
        make("a.tar") == make("b.tar"),
        "the same binary, the same bytes"
    );
    let check = "mkdir i && tar -xf a.tar -C i && cd i/blobs/sha256 && for f in *; do echo \"$f  $f\"; done | sha256sum -c --quiet \
        && tar -tf \"$(ls -S | head -n 1)\"";
    let output = Command::new("sh")
        .args(["-c", check])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(
        (text(&output.stdout).as_str(), text(&output.stderr).as_str()),
        ("./\n./collect\n", "")
    );
}
