//! Runs one table on literal entries.

use freezeframe_bundle::{Capture, Clocks, EntryRecord, Kind, Outcome};

use super::pattern::{matches, split};
use super::{Cell, Damages, Input, Node, Rows, Store};
use crate::derived::DERIVED;
use crate::kubernetes::names;
use crate::tables::TABLES;

/// A node with 4096-byte pages and 100 ticks per second.
pub(crate) fn node() -> Node {
    let clocks = Clocks {
        realtime_us: 1_700_000_000_000_000,
        boottime_us: 0,
        monotonic_us: 0,
    };
    Node {
        capture: Some(Capture {
            collector: "0.0.0".into(),
            node: "node1".into(),
            started: clocks,
            kernel_release: "6.1.0".into(),
            kernel_version: "#1".into(),
            machine: "x86_64".into(),
            page_size_bytes: 4096,
            ticks_per_second: 100,
            command_line: vec!["collect".into()],
            root: "/".into(),
            window_seconds: 10,
            deadline_seconds: 60,
            redaction: "default".into(),
            ..Capture::default()
        }),
        ..Node::default()
    }
}

/// Feeds entries (member path, content) to a table. Reading n began n seconds after boot and took
/// 100 us.
pub(crate) fn run(table: &str, entries: &[(&str, &[u8])]) -> (Rows, Damages) {
    let table = TABLES
        .iter()
        .find(|t| t.name == table)
        .expect("a table of this name");
    let mut decoder = (table.decoder)();
    let mut damages = Damages::default();
    for (entry, bytes) in entries {
        let (reading, path) = split(entry);
        let read = table.reads.iter().any(|pattern| matches(pattern, path));
        assert!(read, "table `{}` does not read `{path}`", table.name);
        let record = EntryRecord {
            path: (*entry).to_owned(),
            source: "test".into(),
            outcome: Outcome::Complete,
            started_us: u64::from(reading) * 1_000_000,
            took_us: 100,
            bytes: bytes.len() as u64,
            sha256: None,
            kind: Kind::File,
            cut: None,
            redactions: std::collections::BTreeMap::new(),
        };
        let input = Input {
            entry,
            path,
            reading,
            bytes,
            record: Some(&record),
        };
        decoder.entry(&input, &node(), &mut damages);
    }
    let mut rows = Rows::new(table.columns);
    decoder.finish(&node(), &mut rows);
    (rows, damages)
}

/// Feeds entries to the tables that a derived table needs, and builds it.
pub(crate) fn derive(table: &str, entries: &[(&str, &[u8])]) -> Rows {
    let mut store = Store::new();
    build(table, entries, &mut store);
    store.remove(table).expect("it was built")
}

/// Builds a table and what it needs.
fn build(name: &str, entries: &[(&str, &[u8])], store: &mut Store) {
    if store.contains_key(name) {
        return;
    }
    if let Some(plain) = TABLES.iter().find(|t| t.name == name) {
        let reads = |entry: &str| plain.reads.iter().any(|r| matches(r, split(entry).1));
        let its: Vec<_> = entries.iter().copied().filter(|(e, _)| reads(e)).collect();
        store.insert(plain.name, run(plain.name, &its).0);
        return;
    }
    let table = DERIVED
        .iter()
        .find(|t| t.name == name)
        .expect("a table of this name");
    for need in table.needs {
        build(need, entries, store);
    }
    let names = names::fill(store);
    let mut rows = Rows::new(table.columns);
    (table.build)(store, &node(), &mut rows);
    names.fill(&mut rows);
    store.insert(table.name, rows);
}

/// Some columns of rows as comma-separated text, one line a row, null as nothing.
pub(crate) fn csv(rows: &Rows, columns: &[&str]) -> String {
    let mut text = String::new();
    for row in 0..rows.len() {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| match rows.get(row, column) {
                Cell::Null => String::new(),
                Cell::Text(value) => value,
                Cell::Int(value) => value.to_string(),
                Cell::Float(value) => format!("{value:.4}"),
                Cell::Bool(value) => value.to_string(),
            })
            .collect();
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}
