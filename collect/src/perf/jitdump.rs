//! Names of generated code out of a jitdump: `jit-PID.dump`, which a process maps so that profilers
//! find it (tools/perf/Documentation/jitdump-specification.txt). Java agents, V8, .NET, LLVM and
//! Erlang write it.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use super::elf::{Source, u32_of, u64_of};
use super::names::Names;

/// `JiTD` in the byte order of the machine that wrote it.
const MAGIC: u32 = 0x4A69_5444;
const CODE_LOAD: u32 = 0;
const CODE_MOVE: u32 = 1;
/// Kind, size and time of a record.
const HEAD_BYTES: u64 = 16;
/// What stands before the name of a function that was loaded.
const NAME_AT: usize = 56;
const MOVE_BYTES: u64 = 64;
/// Longest name that is kept.
const NAME_BYTES: usize = 1024;
/// Functions that were moved to where hits are.
const MOVED: usize = 1 << 16;

/// Whether a path is that of a jitdump.
pub(crate) fn is_jitdump(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    let number = file
        .strip_prefix("jit-")
        .and_then(|f| f.strip_suffix(".dump"));
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Reads the names for all addresses that were hit. Of functions at the same address the later one
/// counts, as with perf maps.
pub(crate) fn symbols(source: &dyn Source, names: &mut Names, ends: Instant) {
    let mut moved = HashSet::new();
    records(source, ends, &mut |record| {
        if let Record::Move { index, to, size } = record
            && names.has_within(to, size)
            && moved.len() < MOVED
        {
            moved.insert(index);
        }
    });
    let mut known: HashMap<u64, String> = HashMap::new();
    records(source, ends, &mut |record| match record {
        Record::Load {
            index,
            at,
            size,
            name,
        } => {
            if !names.has_within(at, size) && !moved.contains(&index) {
                return;
            }
            let Some(name) = text(name) else {
                return;
            };
            names.replace(at, size, &name, "jitdump");
            if moved.contains(&index) {
                known.insert(index, name);
            }
        }
        Record::Move { index, to, size } => {
            if let Some(name) = known.get(&index) {
                names.replace(to, size, name, "jitdump");
            }
        }
    });
}

enum Record<'a> {
    Load {
        index: u64,
        at: u64,
        size: u64,
        /// The name and what comes behind it.
        name: &'a [u8],
    },
    Move {
        index: u64,
        to: u64,
        size: u64,
    },
}

/// Goes through a file of any length; of the code itself nothing is read.
fn records(source: &dyn Source, ends: Instant, each: &mut dyn FnMut(Record<'_>)) {
    let mut buffer = vec![0; NAME_AT + NAME_BYTES];
    let count = source.read_at(0, &mut buffer);
    let header = buffer.get(..count).unwrap_or_default();
    if u32_of(header, 0) != MAGIC {
        return;
    }
    let mut at = u64::from(u32_of(header, 8));
    while Instant::now() < ends {
        let count = source.read_at(at, &mut buffer);
        let size = u64::from(u32_of(buffer.get(..count).unwrap_or_default(), 4));
        if size < HEAD_BYTES {
            return;
        }
        let record = buffer.get(..count.min(size as usize)).unwrap_or_default();
        match u32_of(record, 0) {
            CODE_LOAD if record.len() > NAME_AT => each(Record::Load {
                at: u64_of(record, 32),
                size: u64_of(record, 40),
                index: u64_of(record, 48),
                name: record.get(NAME_AT..).unwrap_or_default(),
            }),
            CODE_MOVE if record.len() as u64 >= MOVE_BYTES => each(Record::Move {
                to: u64_of(record, 40),
                size: u64_of(record, 48),
                index: u64_of(record, 56),
            }),
            _ => {}
        }
        at = at.saturating_add(size);
    }
}

/// The name up to the zero that ends it; one that is longer is cut.
fn text(name: &[u8]) -> Option<String> {
    let end = name.iter().position(|byte| *byte == 0);
    let end = end.or((name.len() == NAME_BYTES).then_some(NAME_BYTES))?;
    let name = String::from_utf8_lossy(name.get(..end)?);
    let name = name.trim().replace('\t', " ");
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    fn header() -> Vec<u8> {
        let mut bytes = [MAGIC, 1, 40, 62, 0, 7].map(u32::to_le_bytes).concat();
        bytes.extend([5_u64, 0].map(u64::to_le_bytes).concat());
        bytes
    }

    fn record(kind: u32, words: &[u64], rest: &[u8]) -> Vec<u8> {
        let size = 24 + words.len() * 8 + rest.len();
        let mut bytes = [kind, size as u32].map(u32::to_le_bytes).concat();
        bytes.extend(9_u64.to_le_bytes());
        bytes.extend([7_u32, 7].map(u32::to_le_bytes).concat());
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(rest);
        bytes
    }

    fn load(at: u64, size: u64, index: u64, name: &str) -> Vec<u8> {
        let rest = [name.as_bytes(), &vec![0; 1 + size as usize]].concat();
        record(CODE_LOAD, &[at, at, size, index], &rest)
    }

    fn moves(from: u64, to: u64, size: u64, index: u64) -> Vec<u8> {
        record(CODE_MOVE, &[to, from, to, size, index], &[])
    }

    fn names(file: &[u8], addresses: &[u64]) -> Vec<Option<String>> {
        let mut names = Names::new(addresses.to_vec());
        symbols(&file, &mut names, soon());
        let name = |address: &u64| Some(names.get(*address)?.name.clone());
        addresses.iter().map(name).collect()
    }

    #[test]
    fn later_code_at_the_same_place_wins() {
        let file = [
            header(),
            load(0x1000, 0x100, 1, "old one"),
            // Of another kind, with lines of its source.
            record(2, &[0x1000, 1], &[0; 40]),
            load(0x2000, 0x80, 2, "Lambda::call(int, int)"),
            load(0x1000, 0x100, 3, "new one"),
            record(3, &[], &[]),
        ];
        let found = names(&file.concat(), &[0x1010, 0x2000, 0x2080]);
        let expected = [Some("new one"), Some("Lambda::call(int, int)"), None];
        assert_eq!(found, expected.map(|name| name.map(str::to_owned)));
    }

    #[test]
    fn code_that_was_moved_keeps_its_name() {
        let file = [
            header(),
            load(0x1000, 0x100, 1, "moved"),
            load(0x3000, 0x100, 2, "moved elsewhere"),
            moves(0x1000, 0x2000, 0x100, 1),
            moves(0x3000, 0x9000, 0x100, 2),
            moves(0x5000, 0x6000, 0x100, 99),
            load(0x1000, 0x100, 3, "in its place"),
        ];
        let found = names(&file.concat(), &[0x1010, 0x2010, 0x6000]);
        let expected = [Some("in its place"), Some("moved"), None];
        assert_eq!(found, expected.map(|name| name.map(str::to_owned)));
    }

    #[test]
    fn damage_ends_it() {
        let whole = [header(), load(0x1000, 0x100, 1, "name")].concat();
        for length in 0..whole.len() {
            let _ = names(&whole[..length], &[0x1010]);
        }
        let cut = &whole[..40 + NAME_AT + 2];
        assert_eq!(names(cut, &[0x1010]), [None], "the name is cut");
        let endless = [header(), vec![0; 64]].concat();
        assert_eq!(names(&endless, &[0x1010]), [None], "a size of zero");
        let long = load(0x1000, 0x100, 1, &"x".repeat(5000));
        let found = names(&[header(), long].concat(), &[0x1010]);
        assert_eq!(found[0].as_ref().map(String::len), Some(NAME_BYTES));
        let mut foreign = whole.clone();
        foreign[..4].reverse();
        assert_eq!(names(&foreign, &[0x1010]), [None]);
        // Without time nothing is read.
        let mut none = Names::new(vec![0x1010]);
        symbols(&whole.as_slice(), &mut none, Instant::now());
        assert_eq!(none.get(0x1010), None);
    }

    #[test]
    fn paths_of_jitdumps() {
        assert!(is_jitdump(
            "/tmp/.debug/jit/java-jit-2024.AbC/jit-4711.dump"
        ));
        assert!(!is_jitdump("/tmp/jit-.dump") && !is_jitdump("/tmp/perf-1.map"));
        assert!(!is_jitdump("/tmp/jit-4711.dump/libx.so"));
    }
}
