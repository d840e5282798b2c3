//! What the collector promises of a node that has nothing to give.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use fake::{FakeNode, bytes, collect, read, stderr};
use freezeframe_bundle::Outcome;

/// Runs a live capture through a tool that takes something away; nothing where it is missing.
fn through(folder: &Path, tool: &[&str]) -> Option<Output> {
    let binary = collect(folder).get_program().to_owned();
    let output = Command::new(tool[0])
        .args(&tool[1..])
        .arg(binary)
        .args(["--window", "1", "--deadline", "20", "-o", "bundle.tar.zst"])
        .current_dir(folder)
        .output();
    match output {
        Ok(output) if output.status.code() != Some(127) => Some(output),
        _ => {
            println!("skipped: `{}` is missing here", tool[0]);
            None
        }
    }
}

/// The capture came back in time with what could be read.
fn assert_captured(folder: &Path, output: &Output, took: Duration) {
    assert!(took < Duration::from_secs(59), "{took:?}");
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{}",
        stderr(output)
    );
    let (items, contents) = read(&folder.join("bundle.tar.zst"));
    assert!(contents.summary.unwrap().finished);
    assert!(bytes(&items, "root/proc/meminfo").is_some());
    assert!(
        bytes(&items, "root/proc/self/mountinfo").is_some()
            || bytes(&items, "root/proc/1/mountinfo").is_some()
    );
}

#[test]
fn few_open_files_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let tool = ["prlimit", "--nofile=64", "--"];
    if let Some(output) = through(folder.path(), &tool) {
        assert_captured(folder.path(), &output, began.elapsed());
    }
}

#[test]
fn without_rights_it_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    let began = Instant::now();
    let tool = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--",
    ];
    let Some(output) = through(folder.path(), &tool) else {
        return;
    };
    if stderr(&output).contains("Permission denied") && output.status.code() == Some(126) {
        println!("skipped: the binary lies where nobody else may run it");
        return;
    }
    assert_captured(folder.path(), &output, began.elapsed());
    let said = stderr(&output);
    assert!(
        said.contains("CAP_SYS_PTRACE") && said.contains("privileged"),
        "{said}"
    );
    let (_, contents) = read(&folder.path().join("bundle.tar.zst"));
    assert!(!contents.capture.unwrap().lacks.is_empty());
}

#[test]
fn without_any_process_to_fork_it_reads_by_itself() {
    // The limit counts the user's processes; root is exempt. Each number stops another fork.
    for processes in [1, 2, 3, 4, 5, 8] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o777),
        )
        .unwrap();
        let began = Instant::now();
        let user = format!("--reuid={}", 54321 + processes);
        let limit = format!("--nproc={processes}");
        let tool = [
            "setpriv",
            &user,
            "--regid=54321",
            "--clear-groups",
            "--",
            "prlimit",
            &limit,
            "--",
        ];
        let Some(output) = through(folder.path(), &tool) else {
            return;
        };
        if output.status.code() == Some(126) {
            println!("skipped: the binary lies where nobody else may run it");
            return;
        }
        assert_captured(folder.path(), &output, began.elapsed());
        let is_said = stderr(&output).contains("forked");
        match processes {
            1..=3 => assert!(is_said, "{processes}: {}", stderr(&output)),
            8 => assert!(!is_said, "{processes}: {}", stderr(&output)),
            _ => {}
        }
    }
}

#[test]
fn little_memory_is_enough() {
    let node = FakeNode::new();
    node.file("var/log/syslog", "line of a log\n".repeat(400_000));
    for pid in 2..500 {
        node.process(pid, "worker", "S");
    }
    let output = node.collect(&["--window", "0", "--max-memory", "16MiB"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (items, contents) = node.read();
    assert!(bytes(&items, "root/var/log/syslog").is_some());
    let peak = contents.summary.unwrap().cost.peak_rss_bytes;
    assert!(peak < 24 << 20, "{peak}");
    let output = node.collect_to("other.tar.zst", &["--max-memory", "1MiB"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn huge_files_and_folders_are_cut_and_said() {
    let node = FakeNode::new();
    // 50 GiB of nothing, and a folder of many names.
    let log = node.root().join("var/log/messages");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::File::create(&log)
        .unwrap()
        .set_len(50 << 30)
        .unwrap();
    for descriptor in 0..30_000 {
        node.link(&format!("proc/1/fd/{descriptor}"), "/dev/null");
    }
    let mounts: String = (0..30_000)
        .map(|n| format!("{n} 1 0:{n} / /m/{n} rw - tmpfs tmpfs rw\n"))
        .collect();
    node.file("proc/1/mountinfo", &mounts);
    // Names of unit files beyond number.
    let units = node.root().join("etc/systemd/system");
    std::fs::create_dir_all(&units).unwrap();
    for number in 0..140_000 {
        std::fs::File::create(units.join(format!("{number}.service"))).unwrap();
    }
    let began = Instant::now();
    let output = node.collect(&["--window", "0", "--deadline", "30"]);
    assert!(began.elapsed() < Duration::from_secs(90));
    let summary = node.read().1.summary.unwrap();
    let peak = summary.cost.peak_rss_bytes;
    assert!(peak < 64 << 20, "{peak}");
    let unit = summary.sources.iter().find(|s| s.id == "systemd_unit");
    let outcome = &unit.unwrap().outcome;
    assert!(
        outcome.reason().is_some_and(|why| why.contains("names")),
        "{outcome:?}"
    );
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let (items, _) = node.read();
    let listing = items.iter().find_map(|item| match item {
        freezeframe_bundle::Item::Entry(entry) if entry.path == "root/proc/1/fd" => {
            entry.record.clone()
        }
        _ => None,
    });
    let listing = listing.unwrap();
    assert!(
        matches!(listing.outcome, Outcome::Partial(_)),
        "{listing:?}"
    );
    assert!(bytes(&items, "root/var/log/messages").unwrap().len() <= 1 << 20);
    assert!(bytes(&items, "calls/statvfs.jsonl").is_some());
}

#[test]
fn a_file_that_grows_for_ever_ends() {
    let node = FakeNode::new();
    node.file("var/log/syslog", "begin\n");
    let path = node.root().join("var/log/syslog");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = stop.clone();
    let writer = std::thread::spawn(move || {
        use std::io::Write;
        let mut file = std::fs::File::options().append(true).open(path).unwrap();
        let line = b"a line that comes again and again\n".repeat(1000);
        let mut written = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) && written < 1 << 30 {
            file.write_all(&line).unwrap();
            written += line.len();
        }
    });
    let output = node.collect(&["--window", "0"]);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (items, _) = node.read();
    assert!(bytes(&items, "root/var/log/syslog").unwrap().len() <= 1 << 20);
}

#[test]
fn in_a_container_it_says_that_it_sees_only_that() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let tool = ["unshare", "--pid", "--fork", "--mount-proc", "--"];
    let Some(output) = through(folder.path(), &tool) else {
        return;
    };
    if stderr(&output).contains("unshare") {
        println!("skipped: no pid namespace can be made here");
        return;
    }
    assert_captured(folder.path(), &output, began.elapsed());
    assert!(stderr(&output).contains("hostPID"), "{}", stderr(&output));
}
