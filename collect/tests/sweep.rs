//! Threads that wait, each second of the window.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use std::process::{Command, Stdio};
use std::time::Duration;

use fake::load::{Load, compile};
use fake::{FakeNode, bytes, collect, read, stderr};
use freezeframe_bundle::{Item, Outcome};
use serde_json::Value;

/// The lines of `calls/sweep.jsonl`.
fn sweeps(items: &[Item]) -> Vec<Value> {
    let lines = bytes(items, "calls/sweep.jsonl").unwrap();
    let lines = lines.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// Readings at 1 Hz in which a file is.
fn readings(items: &[Item], path: &str) -> Vec<u32> {
    (0..10)
        .filter(|n| bytes(items, &format!("window/{n}/{path}")).is_some())
        .collect()
}

fn number(line: &Value, name: &str) -> u32 {
    line[name].as_u64().unwrap() as u32
}

fn set_state(node: &FakeNode, pid: u32, command: &str, state: &str) {
    let stat = format!("{pid} ({command}) {state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n");
    node.file(&format!("proc/{pid}/stat"), &stat);
    node.file(&format!("proc/{pid}/task/{pid}/stat"), &stat);
}

#[test]
fn blocked_threads_are_followed_until_they_go_on() {
    let node = FakeNode::new();
    node.process(7, "stuck", "D");
    node.process(8, "brief", "D");
    node.process(9, "late", "S");
    node.process(10, "containerd-shim", "S");
    node.file("proc/10/task/10/schedstat", "1000 20 7\n");
    node.file("proc/10/task/10/wchan", "pipe_read");
    node.file("proc/10/task/11/schedstat", "1000 20 9\n");
    node.file("proc/10/task/11/wchan", "futex_do_wait");
    let output = std::thread::scope(|scope| {
        let run = scope.spawn(|| node.collect(&["--only", "process", "--window", "6"]));
        std::thread::sleep(Duration::from_millis(2500));
        set_state(&node, 8, "brief", "S");
        set_state(&node, 9, "late", "D");
        run.join().unwrap()
    });
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (items, contents) = node.read();
    let lines = sweeps(&items);
    // A reading that is late is left out, so that they may not be all.
    let mut all: Vec<_> = lines.iter().map(|line| number(line, "reading")).collect();
    assert!(all.len() >= 3, "{all:?}");
    let late_readings = all.split_off(2);
    let stacks = |pid: u32| readings(&items, &format!("proc/{pid}/task/{pid}/stack"));
    assert_eq!(stacks(7), [&all[..], &late_readings, &[6]].concat());
    let brief = stacks(8);
    assert!(!brief.contains(&6), "{brief:?}");
    // That it went on is told once.
    assert_eq!(
        readings(&items, "proc/8/task/8/stat").len(),
        brief.len() + 1
    );
    let late = stacks(9);
    assert!(late.contains(&6) && !late.contains(&1), "{late:?}");
    // It has not run since the reading before, and is not idle.
    assert_eq!(readings(&items, "proc/10/task/10/stat"), late_readings);
    assert_eq!(readings(&items, "proc/10/task/11/stat"), [0_u32; 0]);
    assert!(lines.iter().all(|line| line["complete"] == true));
    assert!(lines.iter().all(|line| number(line, "processes") == 5));
    assert!(lines.iter().any(|line| number(line, "blocked") == 2));
    let source = &contents.summary.unwrap().sources[0];
    assert_eq!(source.outcome, Outcome::Complete);
    let is_of_proc =
        |item: &&Item| matches!(item, Item::Entry(entry) if entry.path.contains("/proc/"));
    let entries = items.iter().filter(is_of_proc);
    assert_eq!(source.entries, entries.count() as u64 + 1, "sweeps count");
}

/// One waits for a child of `vfork`, as nothing can wake it; the other for a pipe.
const WAITS: &str = r"
#define _GNU_SOURCE
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(int count, char **arguments) {
  char byte;
  if (count > 1) return read(0, &byte, 1);
  if (vfork() == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pause();
    _exit(0);
  }
}
";

#[test]
fn this_kernel_says_what_threads_wait_for() {
    if Command::new("cc").arg("--version").output().is_err() {
        println!("skipped: no C compiler");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = compile(folder.path(), "containerd-shim", WAITS, &[]);
    let blocked = Load::start(&mut Command::new(&program));
    let mut waiting = Command::new(&program);
    let waiting = Load::start(waiting.arg("pipe").stdin(Stdio::piped()));
    let mut command = collect(folder.path());
    command.args(["--only", "process", "--window", "5", "-o", "b.tar.zst"]);
    command.output().unwrap();
    let (items, _) = read(&folder.path().join("b.tar.zst"));
    for (load, function, first) in [(&blocked, "vfork", 1), (&waiting, "pipe_read", 3)] {
        let pid = load.pid();
        let file = |name: &str| {
            let path = format!("window/{first}/proc/{pid}/task/{pid}/{name}");
            bytes(&items, &path).map(String::from_utf8_lossy)
        };
        let Some(stack) = file("stack") else {
            println!("skipped: stacks are not to be had here");
            return;
        };
        assert!(stack.contains(function), "{stack}");
        assert!(file("stat").unwrap().contains("(containerd-shim)"));
        assert!(file("wchan").is_some() && file("syscall").is_some());
    }
    let state = |pid: u32| {
        let path = format!("window/3/proc/{pid}/task/{pid}/stat");
        let stat = String::from_utf8_lossy(bytes(&items, &path).unwrap()).into_owned();
        stat.rsplit(") ").next().unwrap().chars().next().unwrap()
    };
    assert_eq!([state(blocked.pid()), state(waiting.pid())], ['D', 'S']);
}
