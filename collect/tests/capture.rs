//! The real binary on fake nodes.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use std::process::Command;
use std::time::{Duration, Instant};

use fake::{FakeNode, bytes, collect, read, stderr};
use freezeframe_bundle::{Item, Outcome, verify};

#[test]
fn a_node_becomes_a_bundle_that_verifies() {
    let node = FakeNode::new();
    let output = node.collect(&["--window", "0"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(output.stdout, b"bundle.tar.zst\n");
    let (report, contents) = verify::verify(&node.folder.path().join("bundle.tar.zst")).unwrap();
    assert!(report.is_sound(), "{report:?}");
    let capture = contents.capture.unwrap();
    assert_eq!(capture.node, "node1");
    assert!(capture.plan.is_sorted_by_key(|source| source.order));
    let summary = contents.summary.unwrap();
    assert!(summary.finished);
    assert_eq!(summary.sources.len(), capture.plan.len());
    let names: Vec<_> = std::fs::read_dir(node.folder.path()).unwrap().collect();
    assert_eq!(names.len(), 2, "no temporary file is left: {names:?}");
}

#[test]
fn bytes_are_stored_as_read() {
    let node = FakeNode::new();
    let hostile = b"<script>alert(1)</script>\0--x=\x1b[31m\0\xff\xfe\0";
    node.file("proc/1/cmdline", hostile);
    node.link("proc/1/exe", "/usr/sbin/init");
    node.process(7, "odd) name\n", "D");
    node.collect(&["--window", "0"]);
    let (items, _) = node.read();
    assert_eq!(bytes(&items, "root/proc/1/cmdline"), Some(&hostile[..]));
    assert_eq!(
        bytes(&items, "root/proc/1/exe"),
        Some(&b"/usr/sbin/init"[..])
    );
    assert!(
        bytes(&items, "root/proc/7/task/7/stack").is_some(),
        "a blocked thread has its stack"
    );
    assert!(
        bytes(&items, "root/proc/1/task/1/stack").is_none(),
        "a sleeping one has none"
    );
}

#[test]
fn a_file_that_two_sources_read_is_stored_once() {
    let node = FakeNode::new();
    // `system` and `sysctl` read the one, `network` and `sysctl` the other.
    node.file("proc/sys/fs/file-nr", "9280\t0\t9223372036854775807\n");
    node.file("proc/sys/net/netfilter/nf_conntrack_count", "17\n");
    node.collect(&["--window", "0"]);
    let path = node.folder.path().join("bundle.tar.zst");
    let (report, _) = verify::verify(&path).unwrap();
    assert!(report.is_sound(), "{report:?}");
    let (items, _) = node.read();
    assert!(bytes(&items, "root/proc/sys/fs/file-nr").is_some());
}

#[test]
fn counters_are_read_twice_and_some_each_second() {
    let node = FakeNode::new();
    let began = Instant::now();
    node.collect(&["--window", "2"]);
    assert!(began.elapsed() >= Duration::from_secs(2));
    let (items, _) = node.read();
    for path in [
        "root/proc/stat",
        "window/1/proc/stat",
        "window/2/proc/stat",
        "window/2/proc/1/stat",
    ] {
        assert!(bytes(&items, path).is_some(), "{path}");
    }
    assert!(bytes(&items, "window/1/proc/1/stat").is_none());
}

#[test]
fn cgroups_of_both_versions_are_walked() {
    let node = FakeNode::new();
    node.file(
        "proc/1/mountinfo",
        "1 0 0:1 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n\
         2 0 0:2 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
         3 0 0:3 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    );
    let pod = "kubepods.slice/kubepods-pod1.slice";
    node.file(
        &format!("sys/fs/cgroup/unified/{pod}/cpu.pressure"),
        "some avg10=0.00\n",
    );
    node.file(
        &format!("sys/fs/cgroup/cpu,cpuacct/{pod}/cpu.stat"),
        "nr_periods 1\n",
    );
    node.file(
        &format!("sys/fs/cgroup/memory/{pod}/memory.stat"),
        "cache 1\n",
    );
    node.file(
        &format!("sys/fs/cgroup/memory/{pod}/memory.force_empty"),
        "",
    );
    node.file(
        &format!("sys/fs/cgroup/memory/{pod}/memory.kmem.slabinfo"),
        "",
    );
    node.collect(&["--window", "0"]);
    let (items, _) = node.read();
    for file in [
        "unified/{}/cpu.pressure",
        "cpu,cpuacct/{}/cpu.stat",
        "memory/{}/memory.stat",
    ] {
        let path = format!("root/sys/fs/cgroup/{}", file.replace("{}", pod));
        assert!(bytes(&items, &path).is_some(), "{path}");
    }
    let forbidden = ["force_empty", "slabinfo"];
    let read = items.iter().any(
        |item| matches!(item, Item::Entry(e) if forbidden.iter().any(|f| e.path.ends_with(f))),
    );
    assert!(!read, "files that act when they are read are never read");
}

#[test]
fn absence_has_a_reason_and_is_no_error() {
    let node = FakeNode::new();
    let output = node.collect(&["--window", "0"]);
    assert_eq!(output.status.code(), Some(0));
    let (items, _) = node.read();
    let pressure = items.iter().find_map(|item| match item {
        Item::Record(record) if record.path == "root/proc/pressure/cpu" => Some(record),
        _ => None,
    });
    assert_eq!(
        pressure.unwrap().outcome,
        Outcome::Absent("no such file".into())
    );
}

#[test]
fn a_node_without_proc_is_said_to_be_one() {
    let node = FakeNode::new();
    std::fs::remove_dir_all(node.root().join("proc")).unwrap();
    let output = node.collect(&["--window", "0"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("there is no /proc here"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_fifo_in_a_files_place_does_not_hang() {
    let node = FakeNode::new();
    std::fs::create_dir_all(node.root().join("var/log")).unwrap();
    for place in ["var/log/syslog", "proc/loadavg", "proc/1/io"] {
        let made = Command::new("mkfifo")
            .arg(node.root().join(place))
            .status()
            .unwrap();
        assert!(made.success());
    }
    let output = node.collect(&["--window", "0", "--deadline", "20"]);
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{}",
        stderr(&output)
    );
    assert!(node.read().1.summary.unwrap().finished);
}

#[test]
fn links_do_not_lead_out_of_the_root() {
    let node = FakeNode::new();
    let secret = node.folder.path().join("outside");
    std::fs::write(&secret, "host's own").unwrap();
    node.link("etc/os-release", secret.to_str().unwrap());
    node.collect(&["--window", "0"]);
    assert_eq!(bytes(&node.read().0, "root/etc/os-release"), None);
}

#[test]
fn a_log_keeps_its_end() {
    let node = FakeNode::new();
    let log: Vec<u8> = (0..300_000)
        .flat_map(|n| format!("line {n}\n").into_bytes())
        .collect();
    node.file("var/log/syslog", &log);
    node.collect(&["--window", "0"]);
    let (items, _) = node.read();
    let kept = bytes(&items, "root/var/log/syslog").unwrap();
    // Whole lines: half of one could hold half a secret.
    assert!(kept.len() <= 1 << 20 && kept.len() > (1 << 20) - 100);
    assert!(log.ends_with(kept) && kept.starts_with(b"line "));
}

#[test]
fn the_deadline_and_the_size_limit_seal_what_is_there() {
    let node = FakeNode::new();
    let output = node.collect(&["--window", "30", "--deadline", "1"]);
    assert_eq!(output.status.code(), Some(3));
    let (items, contents) = node.read();
    assert_eq!(contents.summary.unwrap().ended_by, "deadline");
    assert!(bytes(&items, "root/proc/stat").is_some());

    let node = FakeNode::new();
    for pid in 2..300 {
        node.process(pid, "worker", "S");
    }
    let output = node.collect(&["--window", "0", "--max-bytes", "80KiB"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(node.read().1.summary.unwrap().ended_by, "max_bytes");
    let path = node.folder.path().join("bundle.tar.zst");
    assert!(path.metadata().unwrap().len() <= 80 << 10);
}

#[test]
fn signals_seal_the_bundle() {
    for signal in ["TERM", "INT", "HUP"] {
        let node = FakeNode::new();
        let mut child = collect(node.folder.path())
            .arg("--root")
            .arg(node.root())
            .args(["-o", "bundle.tar.zst", "--window", "30", "-q"])
            .spawn()
            .unwrap();
        let partial = node.folder.path().join("bundle.tar.zst.partial");
        while !partial.exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(300));
        let pid = child.id().to_string();
        Command::new("kill")
            .args(["-s", signal, &pid])
            .status()
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(3), "{signal}");
        let summary = node.read().1.summary.unwrap();
        assert_eq!(summary.ended_by, format!("SIG{signal}"));
    }
}

#[test]
fn death_leaves_the_finished_batches() {
    let node = FakeNode::new();
    let mut child = collect(node.folder.path())
        .arg("--root")
        .arg(node.root())
        .args(["-o", "bundle.tar.zst", "--window", "30", "-q"])
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    child.kill().unwrap();
    child.wait().unwrap();
    let (items, contents) = read(&node.folder.path().join("bundle.tar.zst.partial"));
    assert!(contents.summary.is_none());
    assert!(
        bytes(&items, "root/proc/stat").is_some(),
        "{:?}",
        contents.damage
    );
}

#[test]
fn standard_output_takes_the_bundle() {
    let node = FakeNode::new();
    let output = collect(node.folder.path())
        .arg("--root")
        .arg(node.root())
        .args(["-o", "-", "--window", "0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let path = node.folder.path().join("streamed");
    std::fs::write(&path, output.stdout).unwrap();
    assert!(read(&path).1.summary.unwrap().finished);
}

#[test]
fn nothing_is_overwritten_or_followed() {
    let node = FakeNode::new();
    node.collect(&["--window", "0"]);
    let again = node.collect(&["--window", "0"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        stderr(&again).contains("exists already"),
        "{}",
        stderr(&again)
    );

    let missing = collect(node.folder.path())
        .args(["-o", "no/such/x.tar.zst"])
        .output()
        .unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        stderr(&missing).contains("cannot create `no/such/x.tar.zst.partial`"),
        "{}",
        stderr(&missing)
    );
}

#[test]
fn live_proc_is_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new("sleep")
        .arg("60")
        .env("FREEZEFRAME_SECRET", "hunter2")
        .spawn()
        .unwrap();
    let output = collect(folder.path())
        .args(["-o", "bundle.tar.zst", "--window", "1"])
        .output()
        .unwrap();
    let pid = child.id();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{}",
        stderr(&output)
    );
    let (items, contents) = read(&folder.path().join("bundle.tar.zst"));
    assert!(contents.damage.is_empty(), "{:?}", contents.damage);
    assert_eq!(
        bytes(&items, &format!("root/proc/{pid}/cmdline")),
        Some(&b"sleep\x0060\0"[..])
    );
    assert!(bytes(&items, &format!("window/1/proc/{pid}/stat")).is_some());
    let environment = items
        .iter()
        .any(|item| matches!(item, Item::Entry(e) if e.bytes.windows(7).any(|w| w == b"hunter2")));
    assert!(!environment, "environments are never read");
}
