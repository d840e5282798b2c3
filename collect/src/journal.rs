//! Reads the files of systemd's journal, newest entries first, without journald and without
//! executing `journalctl`.
//!
//! Format: systemd.io, `JOURNAL_FILE_FORMAT`. A file may be written to while it is read, cut, or
//! damaged: every offset and size is checked against the file, and an object that makes no sense
//! costs itself alone.

mod entry;
mod file;
mod object;

use std::fs::File;
use std::time::Instant;

pub(crate) use entry::Entry;
use file::JournalFile;

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
    /// Files and objects that could not be read: file, offset, reason. The first ones.
    pub(crate) damage: Vec<(String, u64, String)>,
}

/// Damage that is kept.
const DAMAGE_COUNT: usize = 20;

/// Reads entries of several files, newest first, and keeps those that are wanted.
pub(crate) fn harvest(
    files: Vec<(String, File)>,
    budget: Budget,
    wanted: fn(&Entry) -> bool,
) -> Harvest {
    let mut harvest = Harvest::default();
    let mut sources = Vec::new();
    for (name, file) in files {
        match JournalFile::open(file) {
            Ok(mut journal) => {
                let newest = journal.previous();
                sources.push((name, journal, newest));
            }
            Err((offset, reason)) => harvest.damaged(&name, offset, reason),
        }
    }
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let (mut bytes, mut looked_at) = (0, 0);
    loop {
        let newest = sources
            .iter_mut()
            .filter(|(_, _, next)| next.is_some())
            .max_by_key(|(_, _, next)| next.as_ref().map(|at| at.realtime_us));
        let Some((name, journal, next)) = newest else {
            break;
        };
        let Some(at) = next.take() else { break };
        looked_at += 1;
        match journal.entry(&at) {
            Ok(entry) if wanted(&entry) => {
                let export = entry.export();
                bytes += export.len();
                if bytes > budget.bytes {
                    harvest.stopped_by = Some("the byte limit");
                    break;
                }
                kept.push(export);
            }
            Ok(_) => {}
            Err((offset, reason)) => {
                let name = name.clone();
                harvest.damaged(&name, offset, reason);
            }
        }
        *next = journal.previous();
        if looked_at >= budget.entries {
            harvest.stopped_by = Some("the limit of entries");
            break;
        }
        if looked_at.is_multiple_of(64_usize) && Instant::now() >= budget.ends {
            harvest.stopped_by = Some("the deadline");
            break;
        }
    }
    harvest.entries = kept.len();
    harvest.export = kept.into_iter().rev().flatten().collect();
    harvest
}

impl Harvest {
    fn damaged(&mut self, name: &str, offset: u64, reason: String) {
        if self.damage.len() < DAMAGE_COUNT {
            self.damage.push((name.to_owned(), offset, reason));
        }
    }
}

#[cfg(test)]
mod tests;
