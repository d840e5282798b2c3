//! Every table on any entries: no panic, and no more rows than the input can tell of.
//!
//! The input is text: a line `@@ <member path>` begins an entry, whose content reaches up to the
//! next such line.

use std::collections::BTreeMap;

use freezeframe_analyze::derived::DERIVED;
use freezeframe_analyze::table::pattern::{Router, split};
use freezeframe_analyze::table::{Damages, Derived, Input, Node, Rows, Store};
use freezeframe_analyze::tables::TABLES;
use freezeframe_bundle::{EntryRecord, Kind, Outcome};

/// Begins an entry, at the beginning of a line.
const MARK: &[u8] = b"@@ ";
/// Rows that a table may add of its own: one per resource, state or zone.
const OWN_ROWS: usize = 300;

/// Feeds the entries to the tables that read them, then builds every table.
pub(crate) fn run(data: &[u8]) {
    decode(&entries(data), data.len());
}

/// Path and content of each entry.
pub(crate) fn entries(data: &[u8]) -> Vec<(String, &[u8])> {
    let mut entries = Vec::new();
    let mut rest = data.strip_prefix(MARK);
    while let Some(text) = rest {
        let end = text.iter().position(|b| *b == b'\n').unwrap_or(text.len());
        let (path, content) = text.split_at(end);
        let content = content.strip_prefix(b"\n").unwrap_or(content);
        let next = (0..content.len()).find(|place| {
            content[*place..].starts_with(MARK) && (*place == 0 || content[place - 1] == b'\n')
        });
        let (content, behind) = content.split_at(next.unwrap_or(content.len()));
        entries.push((String::from_utf8_lossy(path).into_owned(), content));
        rest = behind.strip_prefix(MARK);
    }
    entries
}

/// Feeds entries to all tables as a bundle's would be.
pub(crate) fn decode(entries: &[(String, &[u8])], input_bytes: usize) -> Store {
    let mut router = Router::default();
    let mut decoders = Vec::new();
    for (number, table) in TABLES.iter().enumerate() {
        for pattern in table.reads {
            router.add(pattern, number);
        }
        decoders.push((table.decoder)());
    }
    let mut node = Node { capture: None };
    let mut damages = Damages::default();
    for (entry, bytes) in entries {
        if entry == "capture.json" {
            node.capture = serde_json::from_slice(bytes).ok();
        }
        let (reading, path) = split(entry);
        let record = record(entry, reading, bytes.len());
        let input = Input {
            entry,
            path,
            reading,
            bytes,
            record: Some(&record),
        };
        for number in router.tables(path) {
            decoders[number].entry(&input, &node, &mut damages);
        }
        let input = Input {
            path: "record",
            bytes: &[],
            ..input
        };
        for number in router.tables("record") {
            decoders[number].entry(&input, &node, &mut damages);
        }
    }
    let most = OWN_ROWS + input_bytes;
    let mut store = Store::new();
    for (table, decoder) in TABLES.iter().zip(decoders) {
        let mut rows = Rows::new(table.columns);
        decoder.finish(&node, &mut rows);
        assert!(rows.len() <= most, "{}: {} rows", table.name, rows.len());
        store.insert(table.name, rows);
    }
    let mut derived: Vec<&Derived> = DERIVED.to_vec();
    derived.sort_by_key(|table| (table.rank, table.name));
    for table in derived {
        let mut rows = Rows::new(table.columns);
        (table.build)(&store, &node, &mut rows);
        assert!(rows.len() <= most, "{}: {} rows", table.name, rows.len());
        store.insert(table.name, rows);
    }
    store
}

/// The record of a whole file; reading n began n seconds after boot.
fn record(path: &str, reading: u32, length: usize) -> EntryRecord {
    EntryRecord {
        path: path.to_owned(),
        source: "fuzz".into(),
        outcome: Outcome::Complete,
        started_us: u64::from(reading) * 1_000_000,
        took_us: 100,
        bytes: length as u64,
        sha256: None,
        kind: Kind::File,
        cut: None,
        redactions: BTreeMap::new(),
    }
}
