//! What the collector promises of a sick node, on the real binary.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fake::mounts::{DeadMount, Tmpfs};
use fake::{FakeNode, bytes, collect, read, stderr};
use freezeframe_bundle::{EntryRecord, Item, Outcome, Reader, verify};

/// What `collect` may need beyond its deadline. It promises two seconds, which docs/benchmarks.md
/// measures; a busy machine that runs tests gets more.
const GRACE: Duration = Duration::from_secs(15);

fn records(items: &[Item]) -> BTreeMap<&str, &EntryRecord> {
    let records = items.iter().filter_map(|item| match item {
        Item::Record(record) => Some((record.path.as_str(), record)),
        Item::Entry(_) => None,
    });
    records.collect()
}

/// Processes whose command line names this folder.
fn survivors(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let names = std::fs::read_dir("/proc").unwrap();
    let lines = names.filter_map(|entry| {
        let path = entry.ok()?.path();
        let line = std::fs::read(path.join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (line.contains(name) && line.contains("collect")).then_some(line)
    });
    lines.collect()
}

fn wait_for_no_survivor(folder: &Path) {
    let ends = Instant::now() + Duration::from_secs(30);
    while !survivors(folder).is_empty() {
        assert!(Instant::now() < ends, "{:?}", survivors(folder));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_dead_mount_costs_the_reads_below_it() {
    let node = FakeNode::new();
    node.file("etc/os-release", "ID=debian\n");
    let logs = node.root().join("var/log");
    let Some(mount) = DeadMount::at(&logs, &[]) else {
        return;
    };
    let began = Instant::now();
    let output = node.collect(&["--window", "0", "--deadline", "20"]);
    let took = began.elapsed();
    drop(mount);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(took < Duration::from_secs(20) + GRACE, "{took:?}");
    let (items, contents) = node.read();
    let records = records(&items);
    let summary = contents.summary.unwrap();
    assert!(summary.finished, "{summary:?}");
    let hung: Vec<_> = records
        .values()
        .filter(|record| matches!(record.outcome, Outcome::TimedOut(_)))
        .collect();
    assert_eq!(hung.len(), 1, "one dead mount costs one read: {hung:?}");
    let others = records.values().filter(|record| {
        matches!(&record.outcome, Outcome::Skipped(why) if why.contains("did not answer before"))
    });
    assert!(others.count() > 0, "the others are named and left alone");
    assert!(bytes(&items, "root/etc/os-release").is_some());
    let evidence = bytes(&items, "calls/hung/1.json").unwrap();
    let evidence: serde_json::Value = serde_json::from_slice(evidence).unwrap();
    assert_eq!(evidence["worker"]["abandoned"], true, "{evidence}");
    let wait_channel = &evidence["worker"]["wait_channel"];
    assert!(
        wait_channel.as_str().unwrap().contains("request_wait"),
        "{evidence}"
    );
    let path = evidence["path"].as_str().unwrap();
    assert!(path.starts_with("/var/log/"), "{evidence}");
    wait_for_no_survivor(node.folder.path());
}

#[test]
fn a_dead_root_is_survived_too() {
    let node = FakeNode::new();
    let root = node.folder.path().join("dead");
    let Some(_mount) = DeadMount::at(&root, &["all"]) else {
        return;
    };
    let began = Instant::now();
    let output = collect(node.folder.path())
        .args(["--window", "0", "--deadline", "3", "-o", "bundle.tar.zst"])
        .arg("--root")
        .arg(&root)
        .output()
        .unwrap();
    assert!(began.elapsed() < Duration::from_secs(3) + GRACE);
    assert_ne!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_dead_output_is_survived_too() {
    let node = FakeNode::new();
    let target = node.folder.path().join("dead");
    let Some(_mount) = DeadMount::at(&target, &[]) else {
        return;
    };
    let began = Instant::now();
    let output = collect(node.folder.path())
        .args([
            "--window",
            "0",
            "--deadline",
            "2",
            "-o",
            "dead/bundle.tar.zst",
        ])
        .arg("--root")
        .arg(node.root())
        .output()
        .unwrap();
    assert!(began.elapsed() < Duration::from_secs(2) + GRACE);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("-o"), "{}", stderr(&output));
    // The one that writes waits for the disk; what it forked is gone.
    let ends = Instant::now() + Duration::from_secs(30);
    while survivors(node.folder.path()).len() > 2 {
        assert!(Instant::now() < ends, "{:?}", survivors(node.folder.path()));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_fifo_in_a_logs_place_is_passed() {
    let node = FakeNode::new();
    let logs = node.root().join("var/log");
    std::fs::create_dir_all(&logs).unwrap();
    for name in ["syslog", "messages"] {
        let made = Command::new("mkfifo").arg(logs.join(name)).status();
        assert!(made.unwrap().success());
    }
    // One has a writer that never writes, the other has none.
    let writer = std::fs::File::options()
        .read(true)
        .write(true)
        .open(logs.join("syslog"))
        .unwrap();
    let began = Instant::now();
    node.collect(&["--window", "0"]);
    assert!(began.elapsed() < Duration::from_secs(50));
    drop(writer);
    let (items, contents) = node.read();
    assert!(contents.summary.unwrap().finished);
    let outcome = &records(&items)["root/var/log/syslog"].outcome;
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
}

/// A service on the node's containerd debug socket; how many connections came.
fn serve(
    node: &FakeNode,
    answer: impl Fn(&mut std::os::unix::net::UnixStream) + Send + 'static,
) -> std::sync::Arc<std::sync::atomic::AtomicU32> {
    let folder = node.root().join("run/containerd");
    std::fs::create_dir_all(&folder).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(folder.join("debug.sock")).unwrap();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            answer(&mut stream);
            open.push(stream);
        }
    });
    count
}

#[test]
fn a_service_that_answers_is_captured_without_its_secrets() {
    let node = FakeNode::new();
    serve(&node, |stream| {
        let _ = stream.read(&mut [0; 4096]);
        let body = "goroutine 1 [select]: Authorization: Bearer abcdefghijklmnop12345\n";
        let length = body.len();
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
        );
    });
    node.collect(&["--window", "0"]);
    let (items, _) = node.read();
    let body = bytes(&items, "api/containerd/debug/pprof/goroutine?debug=2").unwrap();
    let body = String::from_utf8_lossy(body);
    assert!(body.starts_with("goroutine 1 [select]"), "{body}");
    assert!(!body.contains("abcdefghijklmnop"), "{body}");
}

#[test]
fn a_service_that_never_answers_is_asked_once() {
    for is_slow in [false, true] {
        let node = FakeNode::new();
        let count = serve(&node, move |stream| {
            if is_slow {
                // A byte a second; nobody waits for the rest.
                let mut stream = stream.try_clone().unwrap();
                std::thread::spawn(move || {
                    for byte in b"HTTP/1.1 200 OK\r\nX-Header: never ends" {
                        std::thread::sleep(Duration::from_secs(1));
                        if stream.write_all(&[*byte]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let began = Instant::now();
        let output = node.collect(&["--window", "0", "--deadline", "20"]);
        assert!(
            began.elapsed() < Duration::from_secs(19),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        let (items, contents) = node.read();
        assert!(contents.summary.unwrap().finished);
        let records = records(&items);
        let outcome = &records["api/containerd/debug/pprof/goroutine?debug=2"].outcome;
        assert!(matches!(outcome, Outcome::TimedOut(_)), "{outcome:?}");
        assert_eq!(
            count.load(std::sync::atomic::Ordering::Relaxed),
            1,
            "one dial"
        );
    }
}

/// Starts a capture of a node with some hundred processes.
fn start(node: &FakeNode, output: &str) -> Child {
    collect(node.folder.path())
        .args(["--window", "0", "-q", "-o", output])
        .arg("--root")
        .arg(node.root())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn crowd() -> FakeNode {
    let node = FakeNode::new();
    for pid in 2..400 {
        node.process(pid, "worker", if pid % 50 == 0 { "D" } else { "S" });
    }
    node
}

#[test]
fn death_at_any_moment_leaves_what_was_finished() {
    let node = crowd();
    let began = Instant::now();
    let mut whole = start(&node, "whole.tar.zst");
    whole.wait().unwrap();
    let time = began.elapsed();
    let mut left = 0;
    for round in 0..200_u32 {
        let name = format!("{round}.tar.zst");
        let mut child = start(&node, &name);
        std::thread::sleep(time * round / 200);
        child.kill().unwrap();
        child.wait().unwrap();
        let sealed = node.folder.path().join(&name);
        let partial = node.folder.path().join(format!("{name}.partial"));
        for path in [sealed, partial].iter().filter(|path| path.exists()) {
            left += 1;
            let mut entries = 0;
            if let Ok(reader) = Reader::open(path) {
                let contents = reader.read(&mut |item| {
                    entries += u32::from(matches!(item, Item::Entry(_)));
                });
                assert!(contents.capture.is_some(), "round {round}");
                assert!(entries > 0, "round {round}");
            } else {
                // Killed before its first bytes.
                assert!(path.metadata().unwrap().len() < 200, "round {round}");
            }
            std::fs::remove_file(path).unwrap();
        }
    }
    assert!(left > 20, "{left} files were left behind");
    wait_for_no_survivor(node.folder.path());
}

#[test]
fn signals_seal_what_is_there() {
    let node = crowd();
    for (round, signal) in ["TERM", "INT", "HUP"].iter().cycle().take(600).enumerate() {
        let name = format!("{round}.tar.zst");
        let mut child = collect(node.folder.path())
            .args(["--window", "30", "-q", "-o", &name])
            .arg("--root")
            .arg(node.root())
            .spawn()
            .unwrap();
        // It listens before it creates its file; the moment after that is any.
        let partial = node.folder.path().join(format!("{name}.partial"));
        while !partial.exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(7 * round as u64 % 150));
        let pid = child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
        let began = Instant::now();
        let status = child.wait().unwrap();
        assert!(
            began.elapsed() < GRACE,
            "{signal} took {:?}",
            began.elapsed()
        );
        assert_eq!(status.code(), Some(3), "{signal}: {:?}", status.signal());
        let path = node.folder.path().join(&name);
        let (report, contents) = verify::verify(&path).unwrap();
        assert!(report.is_sound(), "{report:?}");
        let ended_by = contents.summary.unwrap().ended_by;
        assert_eq!(ended_by, format!("SIG{signal}"));
    }
    wait_for_no_survivor(node.folder.path());
}

#[test]
fn a_full_disk_seals_what_fits() {
    let node = crowd();
    let log = "2026-11-21T07:00:00 host daemon[1]: message that is not like the others ";
    let mut text = String::new();
    for number in 0..20_000_u64 {
        let noise = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        text += &format!("{log}{noise:016x}{:016x}\n", noise.rotate_left(29) ^ number);
    }
    node.file("var/log/syslog", &text);
    let target = node.folder.path().join("small");
    for kilobytes in [4, 64, 128, 160, 200, 256, 300, 384, 512, 700, 1024, 2048] {
        let Some(small) = Tmpfs::at(&target, &format!("size={kilobytes}k")) else {
            return;
        };
        let output = node.collect_to("small/bundle.tar.zst", &["--window", "0"]);
        let path = small.folder.join("bundle.tar.zst");
        match output.status.code() {
            Some(0 | 3) => {
                let (report, contents) = verify::verify(&path).unwrap();
                assert!(report.is_sound(), "{kilobytes} KiB: {report:?}");
                let summary = contents.summary.unwrap();
                let is_whole = summary.finished;
                assert_eq!(is_whole, summary.ended_by == "plan");
                assert!(kilobytes < 2048 || is_whole, "{kilobytes} KiB are enough");
            }
            Some(1) => {
                assert!(kilobytes <= 128, "{kilobytes} KiB: {}", stderr(&output));
                assert!(stderr(&output).contains("space"), "{}", stderr(&output));
            }
            other => panic!("{other:?}: {}", stderr(&output)),
        }
    }
}

#[test]
fn a_target_that_cannot_be_written_is_said_at_once() {
    let node = FakeNode::new();
    let target = node.folder.path().join("readonly");
    let Some(_mount) = Tmpfs::at(&target, "size=1m,ro") else {
        return;
    };
    for path in ["readonly/x.tar.zst", "missing/x.tar.zst"] {
        let output = node.collect_to(path, &["--window", "30"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(path), "{}", stderr(&output));
    }
}

#[test]
fn a_slow_reader_does_not_hold_the_capture() {
    let node = crowd();
    let noise: String = (0..400_000_u64)
        .map(|n| format!("{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        .collect();
    node.file("var/log/syslog", &noise);
    let began = Instant::now();
    let mut child = collect(node.folder.path())
        .args(["--window", "0", "--deadline", "2", "-o", "-"])
        .arg("--root")
        .arg(node.root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Nobody reads.
    let status = child.wait().unwrap();
    assert!(began.elapsed() < Duration::from_secs(2) + GRACE);
    assert_eq!(status.code(), Some(1));
    let mut bytes = Vec::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    let path = node.folder.path().join("cut.tar.zst");
    std::fs::File::create(&path)
        .unwrap()
        .write_all(&bytes)
        .unwrap();
    let (_, contents) = read(&path);
    assert!(contents.capture.is_some(), "what was taken can be read");
}

#[test]
fn a_reader_that_goes_away_ends_the_run() {
    let node = crowd();
    let mut child = collect(node.folder.path())
        .args(["--window", "5", "-o", "-"])
        .arg("--root")
        .arg(node.root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let began = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(50));
    let mut message = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut message)
        .unwrap();
    assert!(message.contains("pipe"), "{message}");
}
