//! Real files of nodes: no evidence is destroyed, and the pass is fast.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::super::scan::Span;
use super::super::{Shape, slice};
use super::{holds, redactor};

/// A folder of real files, if it is there.
fn folder(variable: &str, name: &str) -> Option<PathBuf> {
    let beside = || {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../shared")
            .join(name)
    };
    let path = std::env::var_os(variable).map_or_else(beside, PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: {name} not present");
    None
}

fn texts(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            texts(&path, files);
        } else if let Ok(bytes) = fs::read(&path) {
            let head = slice(&bytes, 0, 4096);
            let is_export = path.extension().is_some_and(|e| e == "export");
            if is_export
                || !head.contains(&0)
                || path.ends_with("cmdline")
                || path.ends_with("environ")
            {
                files.push((path, bytes));
            }
        }
    }
}

fn all() -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for (variable, name) in [
        ("FREEZEFRAME_CORPUS", "corpus"),
        ("FREEZEFRAME_RECORDS", "records"),
    ] {
        if let Some(folder) = folder(variable, name) {
            texts(&folder, &mut files);
        }
    }
    files
}

fn shape(path: &Path) -> Shape {
    match path.file_name().and_then(|name| name.to_str()) {
        Some("cmdline") => Shape::CommandLine,
        Some("environ") => Shape::Environment,
        Some(name) if name.ends_with(".export") => Shape::JournalExport,
        _ => Shape::Text,
    }
}

/// A pod's UID, a container's ID, a digest: they tie the evidence together.
fn identifier(text: &[u8]) -> bool {
    let is_hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    let uuid = |window: &[u8]| {
        window.iter().enumerate().all(|(place, b)| match place {
            8 | 13 | 18 | 23 => *b == b'-' || *b == b'_',
            _ => is_hex(b),
        })
    };
    text.windows(36).any(uuid)
        || text.windows(64).any(|window| window.iter().all(is_hex))
        || holds(text, b"kubepods")
        || holds(text, b"sha256:")
}

#[test]
fn evidence_of_real_nodes_is_not_altered() {
    let redactor = redactor();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut harmed = Vec::new();
    for (path, bytes) in all() {
        let shape = shape(&path);
        let spans: Vec<Span> = match shape {
            Shape::JournalExport => redactor.spans(Shape::Text, &bytes),
            shape => redactor.spans(shape, &bytes),
        };
        for span in spans {
            *counts.entry(span.kind).or_default() += 1;
            let secret = slice(&bytes, span.start, span.end);
            let shown =
                |from, to| String::from_utf8_lossy(slice(&bytes, from, to)).replace('\n', "⏎");
            if std::env::var_os("FREEZEFRAME_SHOW").is_some() {
                println!(
                    "{}\t{}\t{} [[{}]] {}",
                    span.kind,
                    path.display(),
                    shown(span.start.saturating_sub(60), span.start),
                    shown(span.start, span.end.min(span.start + 200)),
                    shown(span.end, span.end + 20)
                );
            }
            let is_kernel_log = path.ends_with("dmesg") || path.ends_with("kmsg");
            if is_kernel_log || identifier(secret) {
                harmed.push(format!(
                    "{}: {} {}",
                    path.display(),
                    span.kind,
                    shown(span.start, span.end)
                ));
            }
        }
    }
    println!("redacted: {counts:#?}");
    assert!(harmed.is_empty(), "{harmed:#?}");
}

/// `cargo test --release -p freezeframe-collect redact::tests::evidence::throughput -- --ignored --nocapture`
#[test]
#[ignore = "measures; needs the release profile and a quiet machine"]
fn throughput() {
    let Some(records) = folder("FREEZEFRAME_RECORDS", "records") else {
        return;
    };
    let redactor = redactor();
    let mut files = Vec::new();
    texts(&records, &mut files);
    let mut logs: Vec<_> = files
        .iter()
        .filter(|(_, bytes)| bytes.len() > 100_000)
        .collect();
    logs.sort_by_key(|(_, bytes)| std::cmp::Reverse(bytes.len()));
    for (path, bytes) in logs.into_iter().take(20) {
        let rounds = (64 << 20) / bytes.len() + 1;
        let began = Instant::now();
        let mut found = 0;
        for _ in 0..rounds {
            found = redactor
                .redact(shape(path), bytes)
                .map_or(0, |r| r.counts.values().sum());
        }
        let speed = (bytes.len() * rounds) as f64 / began.elapsed().as_secs_f64() / 1e6;
        println!(
            "{speed:7.0} MB/s {found:5} found {:9} bytes {}",
            bytes.len(),
            path.display()
        );
    }
}
