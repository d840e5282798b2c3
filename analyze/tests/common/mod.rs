//! Bundles out of literal entries, and real data that is read in place.

#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use freezeframe_analyze::query::{self, Grid};
use freezeframe_analyze::table::{Cell, Loaded, load};
use freezeframe_bundle::{
    Capture, Clocks, Cost, EntryRecord, Kind, Limits, Outcome, Reader, Summary, Writer,
};

pub(crate) fn capture() -> Capture {
    Capture {
        collector: "0.1.0".into(),
        node: "node1".into(),
        started: Clocks {
            realtime_us: 1_795_236_300_000_000,
            boottime_us: 500_000_000_000,
            monotonic_us: 500_000_000_000,
        },
        kernel_release: "6.1.0".into(),
        kernel_version: "#1 SMP".into(),
        machine: "x86_64".into(),
        page_size_bytes: 4096,
        ticks_per_second: 100,
        command_line: vec!["collect".into()],
        root: "/".into(),
        window_seconds: 10,
        deadline_seconds: 60,
        redaction: "default".into(),
        ..Capture::default()
    }
}

pub(crate) fn summary() -> Summary {
    Summary {
        finished: true,
        ended_by: "plan".into(),
        ended: capture().started,
        sources: Vec::new(),
        cost: Cost::default(),
        batches: Vec::new(),
    }
}

/// A bundle with these entries (member path, content); reading n began n seconds after the start.
pub(crate) fn bundle<P: AsRef<str>, B: AsRef<[u8]>>(entries: &[(P, B)]) -> Vec<u8> {
    bundle_of(&capture(), entries)
}

/// The same, of another capture.
pub(crate) fn bundle_of<P: AsRef<str>, B: AsRef<[u8]>>(
    capture: &Capture,
    entries: &[(P, B)],
) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), "node1-20261121T044500Z", capture).unwrap();
    for (path, bytes) in entries {
        let seconds = path
            .as_ref()
            .strip_prefix("window/")
            .and_then(|rest| rest.split('/').next()?.parse::<u64>().ok());
        let record = EntryRecord {
            path: path.as_ref().to_owned(),
            source: "test".into(),
            outcome: Outcome::Complete,
            started_us: capture.started.boottime_us + seconds.unwrap_or(0) * 1_000_000,
            took_us: 10,
            bytes: 0,
            sha256: None,
            kind: Kind::File,
            cut: None,
            redactions: BTreeMap::new(),
        };
        writer.entry(record, bytes.as_ref()).unwrap();
    }
    writer.seal(summary()).unwrap()
}

pub(crate) fn loaded<P: AsRef<str>, B: AsRef<[u8]>>(entries: &[(P, B)]) -> Loaded {
    let bytes = bundle(entries);
    let reader = Reader::from_stream(&bytes[..], Path::new("test"), Limits::default()).unwrap();
    load::load(reader).unwrap()
}

/// The same of a capture that began at another time.
pub(crate) fn loaded_at<P: AsRef<str>, B: AsRef<[u8]>>(
    started: Clocks,
    entries: &[(P, B)],
) -> Loaded {
    let capture = Capture {
        started,
        ..capture()
    };
    let bytes = bundle_of(&capture, entries);
    let reader = Reader::from_stream(&bytes[..], Path::new("test"), Limits::default()).unwrap();
    load::load(reader).unwrap()
}

pub(crate) fn select(loaded: &Loaded, sql: &str) -> Grid {
    query::select(&loaded.tables, &[], sql).unwrap()
}

/// The answer as comma-separated lines.
pub(crate) fn csv(loaded: &Loaded, sql: &str) -> String {
    let mut text = String::new();
    for row in select(loaded, sql).rows {
        let cells: Vec<String> = row
            .iter()
            .map(|cell| match cell {
                Cell::Null => String::new(),
                Cell::Text(value) => value.clone(),
                Cell::Int(value) => value.to_string(),
                Cell::Float(value) => format!("{value:.3}"),
                Cell::Bool(value) => value.to_string(),
            })
            .collect();
        text += &cells.join(",");
        text.push('\n');
    }
    text
}

/// A folder of real data by others, if it is there.
pub(crate) fn corpus(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FREEZEFRAME_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    let found = Some(root.join(path)).filter(|path| path.exists());
    if found.is_none() {
        println!(
            "skipped: corpus not present ({})",
            root.join(path).display()
        );
    }
    found
}

/// Lines of a console or of dmesg as records of /dev/kmsg; a line without a time is of the time
/// before.
pub(crate) fn kmsg(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut ts_us = 0;
    for (sequence, line) in text.lines().enumerate() {
        let line = line
            .trim_start_matches(|c| c == '<' || char::is_ascii_digit(&c))
            .trim_start_matches('>');
        let stamped = line
            .trim_start()
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'));
        let time = stamped.and_then(|(time, rest)| Some((time.trim().parse::<f64>().ok()?, rest)));
        let message = match time {
            Some((seconds, rest)) => {
                ts_us = (seconds * 1e6) as u64;
                rest.strip_prefix(' ').unwrap_or(rest)
            }
            None => line,
        };
        // Newer consoles name the task or CPU behind the time.
        let message = match message
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("] "))
        {
            Some((caller, rest)) if caller.trim().starts_with(['T', 'C']) => rest,
            _ => message,
        };
        out.extend_from_slice(format!("6,{sequence},{ts_us},-;{message}\n").as_bytes());
    }
    out
}
