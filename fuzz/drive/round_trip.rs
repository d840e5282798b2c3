//! What was written comes back; of a bundle that is cut or altered in one place, what comes back is
//! what was written.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use freezeframe_bundle::{
    Capture, Clocks, Contents, Cost, EntryRecord, Item, Kind, Limits, Outcome, Reader, Summary,
    Writer, member, verify,
};

/// As wide a window as the writer uses: a broken header asks for more.
fn limits() -> Limits {
    Limits {
        window_log: 21,
        ..Limits::default()
    }
}

/// One fault of a disk or a transport, at a place.
#[derive(Clone, Copy)]
enum Fault {
    None,
    Cut,
    Flip(u8),
    Drop(usize),
    Repeat(usize),
}

/// Five bytes of fault; then entries: length of name and of content, name, content.
pub(crate) fn run(data: &[u8]) {
    let Some((fault, rest)) = data.split_first_chunk::<5>() else {
        return;
    };
    let (bundle, written) = write(rest);
    let (items, contents) = read(&bundle);
    assert_eq!(contents.damage, []);
    assert_eq!(
        items,
        written
            .iter()
            .map(|(p, b)| (p.clone(), b.clone()))
            .collect()
    );
    let reader = Reader::from_stream(&bundle[..], Path::new("fuzz"), limits()).unwrap();
    assert!(verify::verify_reader(reader).0.is_sound());

    let place = (usize::from(u16::from_le_bytes([fault[1], fault[2]])) * bundle.len()) >> 16;
    let length = usize::from(fault[3]) * (usize::from(fault[4]) + 1);
    let broken = break_it(
        bundle,
        place,
        match fault[0] % 5 {
            0 => Fault::None,
            1 => Fault::Cut,
            2 => Fault::Flip(fault[3].max(1)),
            3 => Fault::Drop(length),
            _ => Fault::Repeat(length),
        },
    );
    if let Ok(reader) = Reader::from_stream(&broken[..], Path::new("fuzz"), limits()) {
        for (path, bytes) in collect(reader).0 {
            assert_eq!(written.get(&path), Some(&bytes), "{path}");
        }
    }
}

type Entries = HashMap<String, Vec<u8>>;

fn read(bundle: &[u8]) -> (Entries, Contents) {
    collect(Reader::from_stream(bundle, Path::new("fuzz"), limits()).unwrap())
}

fn collect(reader: Reader) -> (Entries, Contents) {
    let mut entries = Entries::new();
    let contents = reader.read(&mut |item| {
        if let Item::Entry(entry) = item {
            let twice = entries.insert(entry.path, entry.bytes);
            assert!(twice.is_none());
        }
    });
    (entries, contents)
}

fn break_it(mut bundle: Vec<u8>, place: usize, fault: Fault) -> Vec<u8> {
    match fault {
        Fault::None => {}
        Fault::Cut => bundle.truncate(place),
        Fault::Flip(by) => bundle[place] ^= by,
        Fault::Drop(length) => drop(bundle.drain(place..(place + length).min(bundle.len()))),
        Fault::Repeat(length) => {
            let again = bundle[place..(place + length).min(bundle.len())].to_vec();
            bundle.splice(place..place, again);
        }
    }
    bundle
}

/// A bundle of the entries that the input describes, and what is in it.
fn write(mut data: &[u8]) -> (Vec<u8>, Entries) {
    let capture = capture();
    let mut writer = Writer::new(Vec::new(), "node-time", &capture).unwrap();
    let mut written = Entries::from([(
        "capture.json".to_owned(),
        serde_json::to_vec_pretty(&capture).unwrap(),
    )]);
    while let Some((lengths, rest)) = data.split_first_chunk::<3>() {
        let name_length = usize::from(lengths[0]).min(rest.len());
        let (name, rest) = rest.split_at(name_length);
        let content_length = usize::from(lengths[1]) * (1 + usize::from(lengths[2] >> 4));
        let (content, rest) = rest.split_at(content_length.min(rest.len()));
        data = rest;
        let path = member::escape(name);
        if path.starts_with("index/") || path == "summary.json" {
            continue;
        }
        match lengths[2] % 4 {
            0 => writer.end_batch().unwrap(),
            1 => drop(writer.note(&record(path, Outcome::Absent("none".into())))),
            _ => {
                let record = record(path.clone(), Outcome::Complete);
                if writer.entry(record, content).is_ok() {
                    written.insert(path, content.to_vec());
                }
            }
        }
    }
    (writer.seal(summary()).unwrap(), written)
}

fn record(path: String, outcome: Outcome) -> EntryRecord {
    EntryRecord {
        path,
        source: "fuzz".into(),
        outcome,
        started_us: 1,
        took_us: 1,
        bytes: 0,
        sha256: None,
        kind: Kind::File,
        cut: None,
        redactions: BTreeMap::new(),
    }
}

fn summary() -> Summary {
    Summary {
        finished: true,
        ended_by: "plan".into(),
        ended: Clocks::default(),
        sources: Vec::new(),
        cost: Cost::default(),
        batches: Vec::new(),
    }
}

fn capture() -> Capture {
    Capture {
        collector: "0.1.0".into(),
        node: "node".into(),
        kernel_release: "6.1.0".into(),
        kernel_version: "#1".into(),
        machine: "x86_64".into(),
        page_size_bytes: 4096,
        ticks_per_second: 100,
        root: "/".into(),
        deadline_seconds: 60,
        redaction: "default".into(),
        ..Capture::default()
    }
}
