//! Reads the files of systemd's journal, newest entries first, without journald and without
//! executing `journalctl`.
//!
//! Format: systemd.io, `JOURNAL_FILE_FORMAT`. A file may be written to while it is read, cut, or
//! damaged: every offset and size is checked against the file, and an object that makes no sense
//! costs itself alone. Files are read by `pread`, never mapped: a file that is cut meanwhile, or a
//! disk that fails, is an error instead of a signal.

mod blocks;
mod entry;
mod file;
mod object;
mod unpack;

pub(crate) use unpack::xz_unpacked_bytes;

use std::fs::File;
use std::time::Instant;

pub(crate) use entry::Entry;
use file::{At, JournalFile, Step};
use object::{Damage, Reader};

/// How much of the journal is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Bytes of the export.
    pub(crate) bytes: usize,
    /// Entries looked at, wanted or not.
    pub(crate) entries: usize,
    /// When reading has to end.
    pub(crate) ends: Instant,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Harvest {
    /// Entries in journal export format, oldest first.
    pub(crate) export: Vec<u8>,
    /// How many they are.
    pub(crate) entries: usize,
    /// What ended the reading before the oldest entry.
    pub(crate) stopped_by: Option<&'static str>,
    /// Files and objects that could not be read: file, offset, reason. The first of each reason.
    pub(crate) damage: Vec<(String, u64, String)>,
}

/// Damage that is kept.
const DAMAGE_COUNT: usize = 20;
/// Steps between two looks at the clock.
const STEPS_PER_LOOK: usize = 16;

/// Reads entries of several files, newest first, and keeps those that are wanted.
pub(crate) fn harvest(
    files: Vec<(String, File)>,
    budget: Budget,
    wanted: fn(&Entry) -> bool,
) -> Harvest {
    let mut walk = Walk {
        budget,
        reader: Reader::new(),
        steps: 0,
        kept: Backwards::new(budget.bytes),
        harvest: Harvest::default(),
    };
    let mut sources: Vec<Source> = files
        .into_iter()
        .enumerate()
        .filter_map(|(number, (name, file))| walk.open(number, name, file))
        .collect();
    while let Some((source, at)) = newest(&mut sources) {
        walk.keep(source, at, wanted);
        walk.advance(source);
        if walk.harvest.stopped_by.is_some() {
            break;
        }
    }
    walk.harvest.export = walk.kept.into_bytes();
    walk.harvest
}

/// A file and the newest of its entries that was not yet looked at.
struct Source {
    name: String,
    journal: JournalFile,
    next: Option<At>,
}

/// The source whose next entry is the newest, and that entry.
fn newest(sources: &mut [Source]) -> Option<(&mut Source, At)> {
    let source = sources
        .iter_mut()
        .filter(|source| source.next.is_some())
        .max_by_key(|source| source.next.map(|at| at.realtime_us))?;
    let at = source.next.take()?;
    Some((source, at))
}

struct Walk {
    budget: Budget,
    reader: Reader,
    /// Entries that were looked at, broken ones too.
    steps: usize,
    kept: Backwards,
    harvest: Harvest,
}

impl Walk {
    fn open(&mut self, number: usize, name: String, file: File) -> Option<Source> {
        match JournalFile::open(file, number, &mut self.reader, self.budget.ends) {
            Ok((journal, damage)) => {
                for damage in damage {
                    self.note(&name, damage);
                }
                let mut source = Source {
                    name,
                    journal,
                    next: None,
                };
                self.advance(&mut source);
                Some(source)
            }
            Err(damage) => {
                self.note(&name, damage);
                None
            }
        }
    }

    /// Walks on to the next older entry of a file.
    fn advance(&mut self, source: &mut Source) {
        while self.goes_on() {
            match source.journal.previous(&mut self.reader) {
                Step::Entry(at) => {
                    source.next = Some(at);
                    return;
                }
                Step::Damage(damage) => self.note(&source.name, damage),
                Step::Items => {}
                Step::End => return,
            }
        }
    }

    /// Counts a step against the budget.
    fn goes_on(&mut self) -> bool {
        if self.harvest.stopped_by.is_none() {
            if self.steps >= self.budget.entries {
                self.harvest.stopped_by = Some("the limit of entries");
            } else if self.steps.is_multiple_of(STEPS_PER_LOOK)
                && Instant::now() >= self.budget.ends
            {
                self.harvest.stopped_by = Some("the deadline");
            }
        }
        self.steps += 1;
        self.harvest.stopped_by.is_none()
    }

    /// Reads an entry and keeps it if it is wanted.
    fn keep(&mut self, source: &mut Source, at: At, wanted: fn(&Entry) -> bool) {
        match source.journal.entry(&at, &mut self.reader) {
            Ok((entry, damage)) => {
                if let Some(damage) = damage {
                    self.note(&source.name, damage);
                }
                if !wanted(&entry) {
                    return;
                }
                if self.kept.prepend(&entry.export()) {
                    self.harvest.entries += 1;
                } else {
                    self.harvest.stopped_by = Some("the byte limit");
                }
            }
            Err(damage) => self.note(&source.name, damage),
        }
    }

    /// Keeps damage; a file that is cut has the same one again and again.
    fn note(&mut self, file: &str, damage: Damage) {
        let known = &mut self.harvest.damage;
        let is_known = known
            .iter()
            .any(|(name, _, reason)| name == file && *reason == damage.reason);
        if !is_known && known.len() < DAMAGE_COUNT {
            known.push((file.to_owned(), damage.offset, damage.reason));
        }
    }
}

/// A buffer that is filled from its end: entries come newest first and are written oldest first.
/// Pages that are not used cost no memory.
struct Backwards {
    bytes: Vec<u8>,
    begin: usize,
}

impl Backwards {
    fn new(limit: usize) -> Self {
        Self {
            bytes: vec![0; limit],
            begin: limit,
        }
    }

    /// Puts this before what is there; false if there is no room for it.
    fn prepend(&mut self, part: &[u8]) -> bool {
        let Some(begin) = self.begin.checked_sub(part.len()) else {
            return false;
        };
        if let Some(room) = self.bytes.get_mut(begin..self.begin) {
            room.copy_from_slice(part);
        }
        self.begin = begin;
        true
    }

    fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.copy_within(self.begin.., 0);
        self.bytes.truncate(self.bytes.len() - self.begin);
        self.bytes
    }
}

#[cfg(test)]
mod tests;
