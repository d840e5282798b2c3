//! Writes what was read: the entry and its record, or the record alone.

use std::io;

use freezeframe_bundle::{Cut, EntryRecord, Kept, Kind, Outcome, Writer, member};

use super::Cx;
use crate::cost::{Tally, Usage};
use crate::encrypt::Sink;
use crate::redact::Shape;
use crate::source::Privacy;

/// A longer line is none.
const LINE_BYTES: usize = 64 << 10;
/// Tar header, padding and record of an entry.
const OVERHEAD_BYTES: u64 = 2048;

impl Cx<'_> {
    pub(super) fn into_parts(mut self) -> (Writer<Sink>, Tally, Usage, Option<io::Error>) {
        self.end_sampling();
        let usage = self.pool.end().and(self.sampling_cost);
        (self.writer, self.tally, usage, self.failure)
    }

    /// The member that a path of the node becomes.
    pub(super) fn member(&self, path: &[u8]) -> String {
        match (self.reading, std::str::from_utf8(path)) {
            // Nearly every path is plain text.
            (0, Ok(text)) if !text.contains(|c: char| c.is_control() || c == '%') => {
                ["root", text].concat()
            }
            (0, _) => ["root", &member::escape(path)].concat(),
            (reading, _) => format!("window/{reading}{}", member::escape(path)),
        }
    }

    /// Counts a read and writes its entry, or its record alone; whether there are bytes.
    pub(super) fn store(&mut self, record: EntryRecord) -> bool {
        let name = record.outcome.name();
        *self.current.reads.entry(name).or_default() += 1;
        self.tally.reads += 1;
        if record.outcome.is_degraded() && self.current.example.is_none() {
            let reason = record.outcome.reason().unwrap_or_default();
            self.current.example = Some(format!("`{}` {name}: {reason}", record.path));
        }
        if matches!(record.outcome, Outcome::Complete | Outcome::Partial(_)) {
            let length = self.buffer.len() as u64;
            self.current.entries += 1;
            self.current.bytes += length;
            self.current.bytes_left = self.current.bytes_left.saturating_sub(length);
            self.write(record);
            true
        } else {
            self.buffer.clear();
            let result = self.writer.note(&record);
            self.check(result);
            false
        }
    }

    /// Writes an entry with the bytes in the buffer, as many as there is room for.
    pub(super) fn write(&mut self, mut record: EntryRecord) {
        self.tally.read_bytes += self.buffer.len() as u64;
        self.redact(&mut record);
        let needed = self.buffer.len() as u64 + OVERHEAD_BYTES;
        if self.room() < needed {
            // What waits for the end of its batch takes less room once it is compressed.
            let result = self.writer.end_batch();
            self.check(result);
        }
        if self.room() < needed {
            let kept = self.room().saturating_sub(OVERHEAD_BYTES) as usize;
            record.outcome = Outcome::Partial(format!("room for {kept} bytes was left"));
            record.cut = Some(Cut {
                kept: Kept::Head,
                of_bytes: Some(self.buffer.len() as u64),
            });
            self.buffer.truncate(kept);
        }
        let result = self.writer.entry(record, &self.buffer);
        self.check(result);
        // One huge file must not cost memory until the end.
        self.buffer.shrink_to(1 << 20);
    }

    /// Takes secrets out of the buffer.
    fn redact(&mut self, record: &mut EntryRecord) {
        match self.current.privacy {
            Privacy::Text => self.cut_at(b'\n', record),
            Privacy::Arguments | Privacy::Environment => self.cut_at(0, record),
            Privacy::Harmless
            | Privacy::Names
            | Privacy::Journal
            | Privacy::Records
            | Privacy::Packed => {}
        }
        // A program's path is one word, not its arguments.
        let shape = match record.kind {
            Kind::Link => Shape::Text,
            _ => self.current.privacy.shape(),
        };
        if let Some(redacted) = self.redactor.redact(shape, &self.buffer) {
            self.buffer = redacted.bytes;
            record.redactions = redacted.counts;
        }
    }

    /// A line or argument that is cut may hold half a secret, which looks like none: it goes.
    fn cut_at(&mut self, separator: u8, record: &EntryRecord) {
        let bytes = &self.buffer;
        match record.cut.map(|cut| cut.kept) {
            Some(Kept::Tail) => {
                let first = bytes.iter().take(LINE_BYTES).position(|b| *b == separator);
                if let Some(end) = first {
                    self.buffer.drain(..=end);
                }
            }
            Some(Kept::Head) => {
                let last = bytes.iter().rev().take(LINE_BYTES);
                if let Some(length) = last.into_iter().position(|b| *b == separator) {
                    self.buffer.truncate(bytes.len() - length);
                }
            }
            None => {}
        }
    }

    pub(super) fn check(&mut self, result: io::Result<()>) {
        let Err(error) = result else { return };
        match error.kind() {
            _ if error.raw_os_error().is_some() => {
                self.failure.get_or_insert(error);
            }
            // Another source has read the same file: one copy is enough.
            io::ErrorKind::AlreadyExists => {}
            io::ErrorKind::InvalidInput => self.leave_out("a name that no bundle can hold", 1),
            _ => {
                self.failure.get_or_insert(error);
            }
        }
    }
}
