//! Gives items to the caller and remembers what is told at the end.

use super::index;
use super::{Contents, Entry, Item};
use crate::damage::Damages;
use crate::{Digest, EntryRecord, Limits, Outcome};

/// Where the items of a bundle go.
pub(super) struct Output<'a> {
    pub(super) limits: Limits,
    pub(super) damages: Damages,
    contents: Contents,
    give: &'a mut dyn FnMut(Item),
}

impl<'a> Output<'a> {
    pub(super) fn new(limits: Limits, give: &'a mut dyn FnMut(Item)) -> Self {
        Self {
            limits,
            damages: Damages::new(limits.damage_count),
            contents: Contents::default(),
            give,
        }
    }

    /// Gives an entry.
    pub(super) fn entry(&mut self, entry: Entry) {
        self.contents.entries += 1;
        if entry.path == "capture.json" {
            match serde_json::from_slice(&entry.bytes) {
                Ok(capture) => self.contents.capture = Some(capture),
                Err(error) => self.bad_member(&entry.path, entry.frame_offset, &error.to_string()),
            }
        }
        (self.give)(Item::Entry(entry));
    }

    /// Gives the records of an index in their order, with the entries that `find` has for them.
    /// `find` tells why an entry is lost.
    pub(super) fn index(
        &mut self,
        (path, bytes): (&str, &[u8]),
        frame: u64,
        find: &mut dyn FnMut(&EntryRecord, &mut Damages) -> Result<Entry, String>,
    ) {
        self.contents.entries += 1;
        if let Some(number) = index::number(path) {
            let digest = Digest::of(bytes).0;
            let records = index::count(bytes);
            self.contents.indexes.insert(number, (digest, records));
        }
        for record in index::records(bytes, &self.limits.clone()) {
            match record {
                Ok(record) if record.sha256.is_none() => (self.give)(Item::Record(record)),
                Ok(record) => match find(&record, &mut self.damages) {
                    Ok(entry) => self.entry(Entry {
                        record: Some(record),
                        ..entry
                    }),
                    Err(why) => (self.give)(Item::Record(lost(record, &why))),
                },
                Err(why) => self.bad_member(path, frame, &why),
            }
        }
    }

    /// Takes `summary.json`.
    pub(super) fn summary(&mut self, bytes: &[u8], frame: u64) {
        self.contents.entries += 1;
        match serde_json::from_slice(bytes) {
            Ok(summary) => self.contents.summary = Some(summary),
            Err(error) => self.bad_member("summary.json", frame, &error.to_string()),
        }
    }

    fn bad_member(&mut self, path: &str, frame: u64, why: &str) {
        self.damages.member(path.as_bytes(), frame, why);
    }

    /// Tells the rest.
    pub(super) fn finish(mut self, top: Option<String>) -> Contents {
        if self.contents.capture.is_none() {
            let why = "missing: node, clocks and page size are unknown";
            self.bad_member("capture.json", 0, why);
        }
        if self.contents.summary.is_none() {
            let why =
                "missing: the capture was killed or the file is cut; finished batches are read";
            self.bad_member("summary.json", 0, why);
        }
        Contents {
            top,
            damage: self.damages.list,
            more_damage: self.damages.more,
            ..self.contents
        }
    }
}

/// The record of an entry that was captured and cannot be given.
fn lost(record: EntryRecord, why: &str) -> EntryRecord {
    EntryRecord {
        outcome: Outcome::Failed(format!("lost from the bundle: {why}")),
        bytes: 0,
        sha256: None,
        ..record
    }
}
