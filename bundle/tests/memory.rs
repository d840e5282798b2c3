//! Memory is bounded by the limits, not by what a bundle holds or claims.
//!
//! Each case is read by a process of its own (this test program again), whose peak resident set
//! the kernel counts, the memory of the C library of zstd included.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{TOP, capture, first_frame, header, member, record, summary, zstd_frame};
use freezeframe_bundle::{Limits, Outcome, Reader, Writer, verify};
use tar::EntryType;

const MEBIBYTE: u64 = 1 << 20;
/// The variable that tells the child which file to read.
const FILE: &str = "FREEZEFRAME_TEST_BUNDLE";

/// What the program takes by itself: code, stacks, buffers, zstd's tables.
const PROGRAM: u64 = 24 * MEBIBYTE;

fn limits() -> Limits {
    Limits {
        entry_bytes: 16 * MEBIBYTE,
        batch_bytes: 8 * MEBIBYTE,
        entry_count: 200_000,
        total_bytes: 2 << 30,
        window_log: 23,
        ..Limits::default()
    }
}

/// Not a test of its own: reads and verifies a bundle when the parent asks for it.
#[test]
fn child() {
    let Ok(path) = std::env::var(FILE) else {
        return;
    };
    let open = || Reader::open_with(Path::new(&path), limits()).unwrap();
    let mut given = 0;
    open().read(&mut |_| given += 1);
    let (report, _) = verify::verify_reader(open());
    println!("given {given} damage {}", report.damage.len());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!(
        "{}",
        status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap()
    );
}

fn peak_bytes(bundle: &[u8]) -> u64 {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bundle).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(FILE, file.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let (_, rest) = text.split_once("VmHWM:").expect("a peak");
    let kibibytes: u64 = rest.split_whitespace().next().unwrap().parse().unwrap();
    println!("{text}");
    kibibytes << 10
}

#[test]
fn a_large_sound_bundle() {
    let mut writer = Writer::new(Vec::new(), TOP, &capture()).unwrap();
    let mut random = common::Random(3);
    for n in 0..100_000 {
        let text = format!(
            "Name:\tsh\nPid:\t{n}\nVmRSS:\t{} kB\n",
            random.below(1 << 20)
        );
        let record = record(&format!("root/proc/{n}/status"), Outcome::Complete);
        writer.entry(record, text.as_bytes()).unwrap();
    }
    let peak = peak_bytes(&writer.seal(summary()).unwrap());
    // A hundred thousand names take a few MiB, whatever is in them.
    assert!(peak < PROGRAM + 24 * MEBIBYTE, "{peak}");
}

#[test]
fn large_entries_without_an_index() {
    let mut tar = Vec::new();
    for n in 0..20 {
        let path = format!("{TOP}/root/{n}");
        tar.extend(member(
            path.as_bytes(),
            EntryType::Regular,
            &vec![0; 15 << 20],
        ));
    }
    let peak = peak_bytes(&[first_frame(), zstd_frame(&tar)].concat());
    let limits = limits();
    assert!(
        peak < PROGRAM + 2 * limits.entry_bytes + limits.batch_bytes,
        "{peak}"
    );
}

#[test]
fn members_without_end() {
    let mut tar = Vec::new();
    for n in 0..300_000 {
        let path = format!("{TOP}/root/{n}");
        tar.extend(header(path.as_bytes(), EntryType::Regular, 0));
    }
    let peak = peak_bytes(&[first_frame(), zstd_frame(&tar)].concat());
    assert!(
        peak < PROGRAM + 2 * limits().batch_bytes + 16 * MEBIBYTE,
        "{peak}"
    );
}

#[test]
fn an_index_of_notes_and_damage() {
    let line = r#"{"path":"root/a","source":"s","outcome":{"is":"complete"},"started_us":1,"took_us":1,"bytes":1,"sha256":"x"}"#;
    let lines = format!("{line}\ngarbage\n").repeat(60_000);
    let name = format!("{TOP}/index/1.jsonl");
    let tar = member(name.as_bytes(), EntryType::Regular, lines.as_bytes());
    let peak = peak_bytes(&[first_frame(), zstd_frame(&tar)].concat());
    assert!(peak < PROGRAM + 2 * limits().batch_bytes, "{peak}");
}

#[test]
fn sizes_that_are_only_claimed() {
    let path = format!("{TOP}/root/a");
    let tar = header(path.as_bytes(), EntryType::Regular, 15 << 20);
    let peak = peak_bytes(&[first_frame(), zstd_frame(&tar)].concat());
    assert!(peak < PROGRAM, "{peak}");
}
