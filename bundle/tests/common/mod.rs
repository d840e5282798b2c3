//! Bundles to test with.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::{BTreeMap, HashMap};
use std::io::{Seek, Write};
use std::path::Path;

use freezeframe_bundle::{
    Capture, Clocks, Contents, Cost, EntryRecord, Item, Kind, Limits, OpenError, Outcome,
    PlannedSource, Reader, SourceRecord, Summary, Writer,
};

pub(crate) const TOP: &str = "node1-20240101T000000Z";

pub(crate) fn capture() -> Capture {
    Capture {
        collector: "0.1.0".into(),
        node: "node1".into(),
        started: Clocks {
            realtime_us: 1_704_067_200_000_000,
            boottime_us: 5_000_000,
            monotonic_us: 4_000_000,
        },
        kernel_release: "6.1.0".into(),
        kernel_version: "#1 SMP".into(),
        machine: "x86_64".into(),
        page_size_bytes: 4096,
        ticks_per_second: 100,
        command_line: vec!["collect".into(), "--window".into(), "10".into()],
        root: "/".into(),
        window_seconds: 10,
        deadline_seconds: 60,
        redaction: "default".into(),
        plan: vec![PlannedSource {
            id: "host".into(),
            order: 10,
        }],
        ..Capture::default()
    }
}

pub(crate) fn summary() -> Summary {
    Summary {
        finished: true,
        ended_by: "plan".into(),
        ended: Clocks {
            realtime_us: 1_704_067_210_000_000,
            boottime_us: 15_000_000,
            monotonic_us: 14_000_000,
        },
        sources: vec![SourceRecord {
            id: "host".into(),
            outcome: Outcome::Complete,
            started_us: 5_000_000,
            took_us: 1_000,
            entries: 3,
            bytes: 300,
            reads: BTreeMap::from([("complete".to_owned(), 3)]),
        }],
        cost: Cost::default(),
        batches: Vec::new(),
    }
}

pub(crate) fn record(path: &str, outcome: Outcome) -> EntryRecord {
    EntryRecord {
        path: path.into(),
        source: "host".into(),
        outcome,
        started_us: 5_000_123,
        took_us: 45,
        bytes: 0,
        sha256: None,
        kind: Kind::File,
        cut: None,
        redactions: BTreeMap::new(),
    }
}

/// Numbers without a pattern, the same in every run (xorshift64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// What was put into one batch.
pub(crate) struct Batch {
    /// Offset of its frame and of the byte behind it.
    pub(crate) range: std::ops::Range<usize>,
    /// Path and bytes of each entry, `None` for a read without bytes.
    pub(crate) items: Vec<(String, Option<Vec<u8>>)>,
}

/// A bundle and what is in it.
pub(crate) struct Built {
    pub(crate) bytes: Vec<u8>,
    pub(crate) batches: Vec<Batch>,
}

impl Built {
    /// A bundle of so many batches of so many entries; every seventh read gives no bytes. Half of
    /// the content is text, half cannot be compressed.
    pub(crate) fn new(batches: usize, entries: usize, entry_bytes: usize) -> Self {
        let mut random = Random(42);
        let mut writer = Writer::new(Vec::new(), TOP, &capture()).unwrap();
        let mut end = writer.sink_bytes() as usize;
        let capture_json = serde_json::to_vec_pretty(&capture()).unwrap();
        let mut built = vec![Batch {
            range: 0..end,
            items: vec![("capture.json".into(), Some(capture_json))],
        }];
        for batch in 0..batches {
            let mut items = Vec::new();
            for entry in 0..entries {
                let path = format!("root/proc/{batch}/{entry}/status");
                if entry % 7 == 6 {
                    let absent = Outcome::Absent("the process has ended".into());
                    writer.note(&record(&path, absent)).unwrap();
                    items.push((path, None));
                    continue;
                }
                let bytes = content(&mut random, entry % 2 == 0, entry_bytes);
                let record = record(&path, Outcome::Complete);
                writer.entry(record, &bytes).unwrap();
                items.push((path, Some(bytes)));
            }
            writer.end_batch().unwrap();
            let begin = std::mem::replace(&mut end, writer.sink_bytes() as usize);
            built.push(Batch {
                range: begin..end,
                items,
            });
        }
        Self {
            bytes: writer.seal(summary()).unwrap(),
            batches: built,
        }
    }

    /// The bytes that were captured, by path.
    pub(crate) fn originals(&self) -> HashMap<String, Vec<u8>> {
        let items = self.batches.iter().flat_map(|batch| batch.items.clone());
        items
            .filter_map(|(path, bytes)| Some((path, bytes?)))
            .collect()
    }
}

fn content(random: &mut Random, is_text: bool, length: usize) -> Vec<u8> {
    let length = length / 2 + random.below(length + 1);
    let mut bytes = Vec::with_capacity(length + 32);
    while bytes.len() < length {
        if is_text {
            let number = random.below(1000);
            writeln!(bytes, "VmRSS:\t{number:8} kB").unwrap();
        } else {
            bytes.extend(random.next().to_le_bytes());
        }
    }
    bytes
}

/// Puts bytes into a file and opens it.
pub(crate) fn open(bytes: &[u8], limits: Limits) -> Result<Reader, OpenError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Reader::from_file(Path::new("test.tar.zst"), file, limits)
}

/// Reads a file that opens.
pub(crate) fn read(bytes: &[u8]) -> (Vec<Item>, Contents) {
    read_all(open(bytes, Limits::default()).unwrap())
}

pub(crate) fn read_all(reader: Reader) -> (Vec<Item>, Contents) {
    let mut items = Vec::new();
    let contents = reader.read(&mut |item| items.push(item));
    (items, contents)
}

/// The damage as lines of text.
pub(crate) fn damage(contents: &Contents) -> Vec<String> {
    contents.damage.iter().map(ToString::to_string).collect()
}

/// One line per item: its path, how many bytes, its outcome.
pub(crate) fn lines(items: &[Item]) -> Vec<String> {
    let line = |item: &Item| match item {
        Item::Entry(entry) => {
            let record = entry.record.as_ref();
            let outcome = record.map_or("no record", |r| r.outcome.name());
            format!("{} {} {outcome}", entry.path, entry.bytes.len())
        }
        Item::Record(record) => {
            let reason = record.outcome.reason().unwrap_or_default();
            format!("{} - {}: {reason}", record.path, record.outcome.name())
        }
    };
    items.iter().map(line).collect()
}

/// Compresses by hand: one frame with a checksum.
pub(crate) fn zstd_frame(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar header whose name may be anything that fits.
pub(crate) fn header(name: &[u8], kind: tar::EntryType, size: u64) -> [u8; 512] {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o600);
    header.set_cksum();
    *header.as_bytes()
}

/// A whole member, padded; a long name gets a GNU header of its own.
pub(crate) fn member(name: &[u8], kind: tar::EntryType, bytes: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    let mut short = name;
    if name.len() > 100 {
        let long = [name, &[0]].concat();
        tar.extend(member(b"././@LongLink", tar::EntryType::GNULongName, &long));
        short = &name[..100];
    }
    tar.extend(header(short, kind, bytes.len() as u64));
    tar.extend(bytes);
    tar.resize(tar.len().next_multiple_of(512), 0);
    tar
}

/// The first frame of a bundle: `capture.json` and its index.
pub(crate) fn first_frame() -> Vec<u8> {
    let writer = Writer::new(Vec::new(), TOP, &capture()).unwrap();
    let length = writer.sink_bytes() as usize;
    let mut bytes = writer.seal(summary()).unwrap();
    bytes.truncate(length);
    bytes
}

/// A bundle whose second frame holds this tar.
pub(crate) fn with_frame(tar: &[u8]) -> Vec<u8> {
    [first_frame(), zstd_frame(tar)].concat()
}
