//! Every table on any entries: no panic, and no more rows than the input can tell of.
//!
//! The input is text: a line `@@ <member path>` begins an entry, whose content reaches up to the
//! next such line.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use freezeframe_analyze::derived::DERIVED;
use freezeframe_analyze::kubernetes::names;
use freezeframe_analyze::table::pattern::{Router, split};
use freezeframe_analyze::table::{Damages, Decode, Derived, Input, Node, Rows, Store, Table};
use freezeframe_analyze::tables::TABLES;
use freezeframe_bundle::{EntryRecord, Kind, Outcome};

/// Begins an entry, at the beginning of a line.
const MARK: &[u8] = b"@@ ";
/// Rows that a table may add of its own: one per resource, state or zone.
const OWN_ROWS: usize = 300;
/// Bytes that a reason of damage may have: 300 characters.
const REASON_BYTES: usize = 4 * 300;

/// Feeds the entries to the tables that read them, then builds every table.
pub(crate) fn run(data: &[u8]) {
    decode(&entries(data), |_| true);
}

/// Path and content of each entry.
pub(crate) fn entries(data: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut entries: Vec<(String, Vec<u8>)> = Vec::new();
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if let Some(path) = line.strip_prefix(MARK) {
            let path = String::from_utf8_lossy(path.trim_ascii_end());
            entries.push((path.into_owned(), Vec::new()));
        } else if let Some((_, content)) = entries.last_mut() {
            content.extend(line);
        }
    }
    entries
}

/// Feeds entries to the wanted tables as a bundle's would be; builds derived tables from them.
pub(crate) fn decode(entries: &[(String, Vec<u8>)], wanted: impl Fn(&Table) -> bool) {
    let mut decoders: Vec<Option<Box<dyn Decode>>> = TABLES
        .iter()
        .map(|table| wanted(table).then(table.decoder))
        .collect();
    let mut node = Node::default();
    let mut damages = Damages::default();
    let mut input_bytes = 0;
    for (entry, bytes) in entries {
        input_bytes += entry.len() + bytes.len();
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
        let as_record = Input {
            path: "record",
            bytes: &[],
            ..input
        };
        for input in [input, as_record] {
            for number in router().tables(input.path) {
                if let Some(decoder) = &mut decoders[number] {
                    decoder.entry(&input, &node, &mut damages);
                }
            }
        }
    }
    for damage in damages.list {
        assert!(damage.reason.len() <= REASON_BYTES, "{damage:?}");
    }
    finish(decoders, &node, OWN_ROWS + input_bytes);
}

fn finish(decoders: Vec<Option<Box<dyn Decode>>>, node: &Node, most_rows: usize) {
    let mut store = Store::new();
    for (table, decoder) in TABLES.iter().zip(decoders) {
        let Some(decoder) = decoder else { continue };
        let mut rows = Rows::new(table.columns);
        decoder.finish(node, &mut rows);
        let count = rows.len();
        assert!(count <= most_rows, "{}: {count} rows", table.name);
        store.insert(table.name, rows);
    }
    let mut derived: Vec<&Derived> = DERIVED.to_vec();
    derived.sort_by_key(|table| (table.rank, table.name));
    for table in derived {
        if table.rank > 0 {
            names::fill(&mut store);
        }
        let mut rows = Rows::new(table.columns);
        (table.build)(&store, node, &mut rows);
        let count = rows.len();
        assert!(count <= most_rows, "{}: {count} rows", table.name);
        store.insert(table.name, rows);
    }
}

/// Which tables read a path.
pub(crate) fn router() -> &'static Router {
    static ROUTER: OnceLock<Router> = OnceLock::new();
    ROUTER.get_or_init(|| {
        let mut router = Router::default();
        for (number, table) in TABLES.iter().enumerate() {
            for pattern in table.reads {
                router.add(pattern, number);
            }
        }
        router
    })
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
