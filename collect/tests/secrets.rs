//! Secrets that lie on a node do not get into the bundle.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use std::collections::BTreeSet;

use fake::plant::{Planted, Shape, all};
use fake::{FakeNode, bytes, stderr};
use freezeframe_bundle::Item;

/// Puts every text where a capture of a node would find such a text.
fn plant(node: &FakeNode, planted: &[Planted]) {
    let mut log = Vec::new();
    for (number, planted) in planted.iter().enumerate() {
        let pid = 1000 + number as u32;
        match planted.shape {
            Shape::CommandLine => {
                node.process(pid, "app", "S");
                node.file(&format!("proc/{pid}/cmdline"), &planted.text);
            }
            Shape::Environment => {
                node.process(pid, "app", "S");
                node.file(&format!("proc/{pid}/environ"), &planted.text);
            }
            Shape::Text | Shape::JournalExport => {
                let places = [
                    format!("etc/systemd/system/app{number}.service"),
                    format!("sys/fs/pstore/dmesg-efi-{number}"),
                    format!("run/systemd/system/app{number}.service.d/env.conf"),
                ];
                node.file(&places[number % places.len()], &planted.text);
                log.extend_from_slice(&planted.text);
                log.push(b'\n');
            }
        }
    }
    for name in [
        "syslog",
        "messages",
        "kern.log",
        "daemon.log",
        "cloud-init.log",
    ] {
        node.file(&format!("var/log/{name}"), &log);
    }
    node.file("etc/fstab", &log);
    node.file("etc/hosts", &log);
    node.file("proc/cmdline", &log);
    node.file("proc/1/mountinfo", &log);
}

#[test]
fn none_of_some_hundred_planted_secrets_is_captured() {
    let node = FakeNode::new();
    let planted = all();
    plant(&node, &planted);
    let output = node.collect(&["--window", "1"]);
    assert!(
        output.status.code().is_some_and(|code| code != 1),
        "{}",
        stderr(&output)
    );
    let (items, _) = node.read();
    let secrets: BTreeSet<&str> = planted
        .iter()
        .flat_map(|planted| planted.secrets.iter().map(String::as_str))
        .collect();
    let kinds: BTreeSet<&str> = planted.iter().map(|planted| planted.kind).collect();
    assert!(secrets.len() >= 300 && kinds.len() >= 30);
    let mut counted = 0;
    for item in &items {
        let Item::Entry(entry) = item else { continue };
        counted += entry
            .record
            .as_ref()
            .map_or(0, |r| r.redactions.values().sum());
        for secret in &secrets {
            assert!(
                memchr::memmem::find(&entry.bytes, secret.as_bytes()).is_none(),
                "{secret} is in {}",
                entry.path
            );
        }
    }
    assert!(counted > 1000, "{counted} redactions are in the index");
    println!(
        "{} secrets of {} kinds, {counted} redactions",
        secrets.len(),
        kinds.len()
    );
}

#[test]
fn a_secret_that_a_cut_halves_is_gone() {
    const LIMIT: usize = 1 << 20;
    let token = "Zt8".repeat(40);
    let secret = format!("level=info authorization=\"Bearer {token}\" x\n");
    // The tail begins in the middle of the token.
    let filler = "2026-11-21T07:00:00Z line of a log\n".repeat(LIMIT / 35 + 1);
    let filler = &filler[filler.len() - (LIMIT - 60)..];
    let node = FakeNode::new();
    node.file("var/log/syslog", format!("{secret}{filler}"));
    node.collect(&["--window", "0"]);
    let (items, _) = node.read();
    let log = bytes(&items, "root/var/log/syslog").unwrap();
    assert!(log.len() < LIMIT);
    assert!(memchr::memmem::find(log, b"Zt8Zt8").is_none());
}

#[test]
fn an_argument_that_a_cut_halves_is_gone() {
    const LIMIT: usize = 16 << 10;
    let filler = "a".repeat(LIMIT - 60);
    // The limit lies within the token's first part, which by itself is no token.
    let token = format!(
        "eyJhbGciOiJSUzI1NiIs{}.eyJpc3MiOiJ4In0.c2lnbmF0dXJl",
        "Zt8".repeat(40)
    );
    let node = FakeNode::new();
    node.file("proc/1/cmdline", format!("/bin/app\0{filler}\0{token}\0"));
    node.collect(&["--window", "0"]);
    let (items, _) = node.read();
    let arguments = bytes(&items, "root/proc/1/cmdline").unwrap();
    assert!(arguments.starts_with(b"/bin/app\0aaa") && arguments.ends_with(b"a\0"));
    assert!(memchr::memmem::find(arguments, b"eyJ").is_none());
}

#[test]
fn names_stay_and_harmless_values_stay() {
    let node = FakeNode::new();
    node.file(
        "proc/1/environ",
        "GOMAXPROCS=4\0DB_PASSWORD=hunter22\0HOME=/root\0",
    );
    node.file("proc/1/cmdline", "/bin/app\0--token\0hunter33\0--port=80\0");
    node.collect(&["--window", "0"]);
    let (items, _) = node.read();
    let text = |path| String::from_utf8(bytes(&items, path).unwrap().to_vec()).unwrap();
    let environment = text("root/proc/1/environ");
    assert!(environment.contains("GOMAXPROCS=4\0") && environment.contains("DB_PASSWORD="));
    assert!(!environment.contains("hunter"), "{environment}");
    let arguments = text("root/proc/1/cmdline");
    assert!(arguments.contains("--port=80") && arguments.contains("--token\0<redacted:"));
}

#[test]
fn strict_hides_names_and_none_hides_nothing() {
    let node = FakeNode::new();
    node.file("etc/hosts", "10.9.8.7 node1 db.example.com\n");
    node.file("proc/1/cmdline", "/bin/app\0--token\0hunter33\0");
    node.collect(&["--window", "0", "--redact", "strict"]);
    let (items, contents) = node.read();
    let capture = contents.capture.unwrap();
    assert!(capture.node.starts_with("node-") && capture.node != "node1");
    assert_eq!(capture.redaction, "strict");
    let hosts = String::from_utf8(bytes(&items, "root/etc/hosts").unwrap().to_vec()).unwrap();
    for gone in ["10.9.8.7", "node1", "example.com"] {
        assert!(!hosts.contains(gone), "{hosts}");
    }
    let arguments = bytes(&items, "root/proc/1/cmdline").unwrap();
    assert!(arguments.starts_with(b"/bin/app\0<redacted:arguments:"));

    std::fs::remove_file(node.folder.path().join("bundle.tar.zst")).unwrap();
    node.collect(&["--window", "0", "--redact", "none"]);
    let (items, _) = node.read();
    let arguments = bytes(&items, "root/proc/1/cmdline").unwrap();
    assert_eq!(arguments, b"/bin/app\0--token\0hunter33\0");
}
