//! Whatever becomes of a bundle, what is intact is read, what is given is what was captured, and
//! what is missing is told.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use common::{Built, Random, damage, read_all};
use freezeframe_bundle::{Contents, Item, Limits, OpenError, Reader, verify};

const NAME: &str = "test.tar.zst";

/// A bundle as a file that is cut and altered in place.
struct Subject {
    built: Built,
    originals: HashMap<String, Vec<u8>>,
    file: tempfile::NamedTempFile,
}

impl Subject {
    fn small() -> Self {
        Self::of(Built::new(4, 8, 60))
    }

    /// About 3 MB of input in 80 batches.
    fn big() -> Self {
        Self::of(Built::new(80, 5, 8000))
    }

    fn of(built: Built) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &built.bytes).unwrap();
        Self {
            originals: built.originals(),
            built,
            file,
        }
    }

    fn writable(&self) -> File {
        let mut options = OpenOptions::new();
        options.write(true).open(self.file.path()).unwrap()
    }

    fn open(&self) -> Result<Reader, OpenError> {
        let file = File::open(self.file.path()).unwrap();
        Reader::from_file(Path::new(NAME), file, Limits::default())
    }

    /// Every entry that is given is what was captured. Returns what was given whole.
    fn check_items<'a>(&self, items: &'a [Item], what: &str) -> HashSet<&'a str> {
        let mut given = HashSet::new();
        for item in items {
            match item {
                Item::Entry(entry) => {
                    let original = self.originals.get(&entry.path);
                    assert_eq!(original, Some(&entry.bytes), "{what}: {}", entry.path);
                    if let Some(record) = &entry.record {
                        assert_eq!(record.path, entry.path);
                        given.insert(&entry.path[..]);
                    }
                }
                Item::Record(record) if record.outcome.name() == "absent" => {
                    given.insert(&record.path[..]);
                }
                Item::Record(_) => {}
            }
        }
        given
    }

    fn check_cut(&self, length: usize) {
        let what = format!("cut at {length}");
        let reader = match self.open() {
            Ok(reader) => reader,
            Err(error) => {
                let text = error.to_string();
                assert!(length < self.built.batches[0].range.end, "{what}: {text}");
                let start = format!("`{NAME}` is not a bundle: ");
                let reason = text.strip_prefix(&start).expect(&text);
                let expected = [
                    "it is empty",
                    "it ends inside its first frame (offset 0)",
                    "no member can be read; offset 0: the file ends inside this frame",
                ];
                assert!(expected.contains(&reason), "{what}: {text}");
                return;
            }
        };
        let (items, contents) = read_all(reader);
        let given = self.check_items(&items, &what);
        for batch in &self.built.batches {
            if batch.range.end <= length {
                for (path, _) in &batch.items {
                    assert!(given.contains(&path[..]), "{what}: `{path}` is not given");
                }
            }
        }
        self.check_tells_cut(length, &contents);
    }

    fn check_tells_cut(&self, length: usize, contents: &Contents) {
        let texts = damage(contents);
        let frame = self.frame_of(length);
        if length == self.built.bytes.len() {
            assert_eq!(texts, [""; 0]);
        } else if frame.start == length {
            assert_eq!(
                texts,
                [
                    "offset 0: `summary.json`: missing: the capture was killed or the file is cut; finished batches are read"
                ]
            );
        } else {
            let here = format!("offset {}: the file ends inside this frame", frame.start);
            let garbage = format!(
                "offset {}: here should be a zstd frame and is none",
                frame.start
            );
            let told = texts.contains(&here) || texts.contains(&garbage);
            assert!(told, "cut at {length}: {texts:?}");
        }
    }

    /// The frame in which this byte lies; the last one holds the summary.
    fn frame_of(&self, offset: usize) -> std::ops::Range<usize> {
        let mut batches = self.built.batches.iter().map(|batch| batch.range.clone());
        let last = self.built.batches.last().unwrap().range.end;
        batches
            .find(|range| range.contains(&offset))
            .unwrap_or(last..self.built.bytes.len())
    }

    /// Alters one byte, reads, and puts it back.
    fn check_flip(&self, offset: usize, mask: u8) {
        let what = format!("byte {offset} ^ {mask:#x}");
        let file = self.writable();
        let byte = self.built.bytes[offset];
        file.write_all_at(&[byte ^ mask], offset as u64).unwrap();
        match self.open() {
            Ok(reader) => self.check_altered(offset, reader, &what),
            Err(OpenError::NotABundle(..)) if offset < 4 => {}
            Err(error) => panic!("{what}: {error}"),
        }
        file.write_all_at(&[byte], offset as u64).unwrap();
    }

    fn check_altered(&self, offset: usize, reader: Reader, what: &str) {
        let (items, contents) = read_all(reader);
        let given = self.check_items(&items, what);
        let (report, _) = verify::verify_reader(self.open().unwrap());
        let named: HashSet<&str> = report
            .damage
            .iter()
            .filter_map(|damage| damage.member.as_deref())
            .chain(report.unlisted.iter().map(String::as_str))
            .collect();
        for (number, batch) in self.built.batches.iter().enumerate() {
            let index = format!("index/{number}.jsonl");
            for (path, _) in &batch.items {
                if given.contains(&path[..]) {
                    continue;
                }
                assert!(
                    batch.range.contains(&offset),
                    "{what}: `{path}` of an intact batch is not given: {:?}",
                    damage(&contents)
                );
                let told = named.contains(&path[..]) || named.contains(&index[..]);
                assert!(told, "{what}: verify does not name `{path}`");
            }
        }
        if contents.summary.is_none() {
            assert!(named.contains("summary.json"), "{what}");
        }
        assert_eq!(report.is_sound(), contents.damage.is_empty(), "{what}");
    }
}

#[test]
fn a_small_bundle_can_be_cut_at_every_byte() {
    let subject = Subject::small();
    let file = subject.writable();
    for length in (0..=subject.built.bytes.len()).rev() {
        file.set_len(length as u64).unwrap();
        subject.check_cut(length);
    }
}

#[test]
fn a_big_bundle_can_be_cut_anywhere() {
    let subject = Subject::big();
    let mut random = Random(7);
    let length = subject.built.bytes.len();
    assert!(length > 1_000_000, "{length}");
    let mut cuts: Vec<usize> = (0..10_000).map(|_| random.below(length + 1)).collect();
    cuts.sort_unstable();
    let file = subject.writable();
    for length in cuts.into_iter().rev() {
        file.set_len(length as u64).unwrap();
        subject.check_cut(length);
    }
}

#[test]
fn each_byte_of_a_small_bundle_can_be_altered() {
    let subject = Subject::small();
    for offset in 0..subject.built.bytes.len() {
        for mask in [0xFF, 1 << (offset % 8)] {
            subject.check_flip(offset, mask);
        }
    }
}

#[test]
fn a_big_bundle_can_be_altered_anywhere() {
    let subject = Subject::big();
    let mut random = Random(11);
    for _ in 0..1000 {
        let offset = random.below(subject.built.bytes.len());
        let mask = (1 + random.below(255)) as u8;
        subject.check_flip(offset, mask);
    }
}

/// A whole stretch of the file is gone: zeros of a bad disk, or another file's content.
#[test]
fn a_hole_costs_the_batches_that_it_touches() {
    let subject = Subject::big();
    let mut random = Random(13);
    let length = subject.built.bytes.len();
    for round in 0..100 {
        let begin = random.below(length);
        let end = length.min(begin + random.below(200_000));
        let filler: Vec<u8> = (begin..end)
            .map(|_| {
                if round % 2 == 0 {
                    0
                } else {
                    random.next() as u8
                }
            })
            .collect();
        let file = subject.writable();
        file.write_all_at(&filler, begin as u64).unwrap();
        if let Ok(reader) = subject.open() {
            let (items, _) = read_all(reader);
            let given = subject.check_items(&items, "hole");
            for batch in &subject.built.batches {
                let intact = batch.range.end <= begin || end <= batch.range.start;
                for (path, _) in batch.items.iter().filter(|_| intact) {
                    assert!(given.contains(&path[..]), "{begin}..{end}: `{path}`");
                }
            }
        } else {
            assert!(begin < subject.built.batches[0].range.end);
        }
        let old = &subject.built.bytes[begin..end];
        file.write_all_at(old, begin as u64).unwrap();
    }
}
