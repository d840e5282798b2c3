//! Entries that are cut, damaged or made to harm: every table takes them without a panic, and with
//! no more rows than there is input. `fuzz/` searches further; here is what needs no nightly.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../fuzz/drive/tables.rs"]
mod drive;

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::bundle;
use drive::{decode, entries, router};
use freezeframe_analyze::table::Table;
use freezeframe_analyze::table::budget::Limits;
use freezeframe_analyze::table::load::load_with;
use freezeframe_analyze::table::pattern::split;
use freezeframe_analyze::tables::TABLES;
use freezeframe_bundle::{Item, Reader};

/// Mutations per table; `FREEZEFRAME_FUZZ_ROUNDS` asks for more.
const ROUNDS: usize = 2000;
/// Samples of a real capture per table, and their bytes.
const CAPTURED: usize = 30;
const CAPTURED_BYTES: usize = 4096;

type Entries = Vec<(String, Vec<u8>)>;

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn files(path: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder(path))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

fn open(bundle: &[u8]) -> Reader {
    let limits = freezeframe_bundle::Limits::default();
    Reader::from_stream(bundle, Path::new("test"), limits).unwrap()
}

#[test]
fn what_once_failed_and_what_was_found_since() {
    for kind in ["regressions", "corpus"] {
        let files = files(&format!("fuzz/{kind}/tables"));
        assert!(!files.is_empty());
        for (path, bytes) in files {
            println!("{}", path.display());
            drive::run(&bytes);
        }
    }
}

#[test]
fn what_tables_take_is_bounded_and_the_limit_is_named() {
    let entries: Vec<(String, Vec<u8>)> = (0..100)
        .map(|n| {
            let name = format!("journal/{n}.export");
            (name, format!("MESSAGE={n}\n\n").repeat(50).into_bytes())
        })
        .collect();
    let bytes = bundle(&entries);
    for (limits, reason) in [
        (
            Limits {
                lines: 1000,
                ..Limits::default()
            },
            "more than 1000 lines for tables: from this entry on nothing is in them",
        ),
        (
            Limits {
                bytes: 10_000,
                ..Limits::default()
            },
            "more than 10000 bytes for tables: from this entry on nothing is in them",
        ),
    ] {
        let loaded = load_with(open(&bytes), limits).unwrap();
        let damage: Vec<&str> = loaded
            .contents
            .damage
            .iter()
            .map(|damage| damage.reason.as_str())
            .collect();
        assert_eq!(damage, [reason]);
        let rows = loaded.tables["log_line"].frame.height();
        assert!((100..1000).contains(&rows), "{rows}");
    }
}

/// Damages entries, the same in every run (xorshift64).
struct Mutator(u64);

impl Mutator {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn one<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let begin = self.below(length + 1);
        begin..(begin + self.below(40)).min(length)
    }

    /// What parsers stumble over: ends of number types, signs, separators, bytes that are no text.
    fn odd(&mut self) -> &'static [u8] {
        const ODD: [&[u8]; 24] = [
            b"18446744073709551615",
            b"18446744073709551616",
            b"9223372036854775807",
            b"-9223372036854775808",
            b"4294967296",
            b"-1",
            b"0",
            b"0x",
            b"nan",
            b"1e999",
            b"max",
            b" ",
            b"\n",
            b"\t",
            b"\0",
            b":",
            b"=",
            b"(",
            b") ",
            b"\\",
            b"\"",
            b"\xff",
            "\u{e9}\u{202e}".as_bytes(),
            b"\n\n",
        ];
        self.one::<&[u8]>(&ODD)
    }

    /// Puts something else in the place of a number.
    fn number(&mut self, bytes: &mut Vec<u8>) {
        let from = self.below(bytes.len());
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        let Some(begin) = bytes.iter().skip(from).position(is_digit) else {
            return;
        };
        let begin = from + begin;
        let length = bytes[begin..].iter().take_while(|b| is_digit(b)).count();
        let odd = self.odd();
        bytes.splice(begin..begin + length, odd.iter().copied());
    }

    fn damage(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        if bytes.is_empty() {
            bytes.extend_from_slice(other);
            return;
        }
        let range = self.range(bytes.len());
        match self.below(8) {
            0 => {
                let place = self.below(bytes.len());
                bytes[place] ^= 1 << self.below(8);
            }
            1 => bytes.truncate(range.start),
            2 => drop(bytes.drain(range)),
            3 => {
                let again = bytes[range.clone()].to_vec();
                bytes.splice(range.start..range.start, again);
            }
            4 => {
                let from = other[self.range(other.len())].to_vec();
                bytes.splice(range, from);
            }
            5 => {
                let odd = self.odd();
                bytes.splice(range.start..range.start, odd.iter().copied());
            }
            _ => self.number(bytes),
        }
    }

    /// Damages some of the entries; at times one is lost, or is read twice or at another time.
    fn mutate(&mut self, sample: &Entries, other: &Entries) -> Entries {
        let mut entries = sample.clone();
        for _ in 0..=self.below(4) {
            let place = self.below(entries.len());
            match self.below(12) {
                0 if entries.len() > 1 => drop(entries.remove(place)),
                1 => {
                    let again = entries[place].clone();
                    entries.push(again);
                }
                2 => {
                    let (_, path) = split(&entries[place].0);
                    let later = path.starts_with('/').then(|| format!("window/9{path}"));
                    let bytes = entries[place].1.clone();
                    entries.extend(later.map(|path| (path, bytes)));
                }
                3 => {
                    let mut path = std::mem::take(&mut entries[place].0).into_bytes();
                    self.number(&mut path);
                    entries[place].0 = String::from_utf8_lossy(&path).into_owned();
                }
                _ => {
                    let other = self.one(other).1.clone();
                    self.damage(&mut entries[place].1, &other);
                }
            }
        }
        entries
    }
}

/// The entries that a table reads, file by file.
fn samples() -> BTreeMap<&'static str, Vec<Entries>> {
    let mut samples: BTreeMap<&str, Vec<Entries>> = BTreeMap::new();
    for (_, bytes) in files("fuzz/corpus/tables") {
        let mut tables: BTreeMap<&str, Entries> = BTreeMap::new();
        for (path, bytes) in entries(&bytes) {
            for number in router().tables(split(&path).1) {
                let entry = (path.clone(), bytes.clone());
                tables.entry(TABLES[number].name).or_default().push(entry);
            }
        }
        for (table, entries) in tables {
            samples.entry(table).or_default().push(entries);
        }
    }
    for (path, bytes) in files("testdata/bundles") {
        if path.extension().is_none_or(|extension| extension != "zst") {
            continue;
        }
        let mut counts = vec![0; TABLES.len()];
        open(&bytes).read(&mut |item| {
            let Item::Entry(entry) = item else { return };
            let bytes = &entry.bytes[..entry.bytes.len().min(CAPTURED_BYTES)];
            for number in router().tables(split(&entry.path).1) {
                counts[number] += 1;
                if counts[number] <= CAPTURED {
                    let entries = vec![(entry.path.clone(), bytes.to_vec())];
                    let table = samples.entry(TABLES[number].name).or_default();
                    table.push(entries);
                }
            }
        });
    }
    samples
}

/// Samples of all tables, under the names that this table reads.
fn borrowed(table: &Table, samples: &BTreeMap<&'static str, Vec<Entries>>) -> Vec<Entries> {
    let names = table.reads.iter().map(|pattern| pattern.replace('*', "1"));
    let names: Vec<String> = names.collect();
    let bytes = samples.values().flatten().flatten().map(|(_, bytes)| bytes);
    let entries = bytes.zip(names.iter().cycle());
    entries
        .map(|(bytes, name)| vec![(name.clone(), bytes.clone())])
        .collect()
}

fn rounds() -> usize {
    let asked = std::env::var("FREEZEFRAME_FUZZ_ROUNDS").ok();
    asked.map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

#[test]
fn every_table_survives_damage() {
    let samples = samples();
    for table in TABLES {
        let foreign;
        let samples = if let Some(samples) = samples.get(table.name) {
            samples
        } else {
            // A table without a sample of its own gets what others read under names that it reads.
            foreign = borrowed(table, &samples);
            &foreign
        };
        let mut mutator = Mutator(0x2545_F491_4F6C_DD1D);
        for _ in 0..rounds() {
            let (sample, other) = (mutator.one(samples), mutator.one(samples));
            let entries = mutator.mutate(sample, other);
            survives(&entries, || decode(&entries, |t| t.name == table.name));
        }
    }
}

#[test]
fn derived_tables_survive_damage() {
    let samples: Vec<Entries> = files("fuzz/corpus/tables")
        .iter()
        .map(|(_, bytes)| entries(bytes))
        .filter(|entries| !entries.is_empty())
        .collect();
    let mut mutator = Mutator(0x9E37_79B9_7F4A_7C15);
    for _ in 0..rounds() {
        // What one file tells of processes, another tells of groups.
        let (sample, other) = (mutator.one(&samples), mutator.one(&samples));
        let both = [sample.as_slice(), other].concat();
        let entries = mutator.mutate(&both, other);
        survives(&entries, || decode(&entries, |_| true));
    }
}

/// Shows what it did not survive, in the form of `fuzz/regressions/tables`.
fn survives(entries: &Entries, decode: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode)).is_err() {
        let mut text = Vec::new();
        for (path, bytes) in entries {
            text.extend(format!("@@ {path}\n").bytes());
            text.extend(bytes.iter().chain(b"\n"));
        }
        let path = std::env::temp_dir().join(format!("freezeframe-hostile-{}", text.len()));
        std::fs::write(&path, text).unwrap();
        panic!("this input is kept in {}", path.display());
    }
}
