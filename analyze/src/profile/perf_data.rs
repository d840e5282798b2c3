//! Reads `perf.data`: files of `perf record`, its streams (`perf record -o -`) and what `collect`
//! writes.
//!
//! ```text
//! file    header, ids, attributes, records, features (build ids, names of events, ...)
//! stream  magic, records; attributes and features are records too
//! record  u32 kind, u16 misc, u16 size, body
//! ```
//!
//! The file is hostile input: every length is checked, memory is bounded by [`Limits`] and not by
//! the file, and damage is told with its offset while the rest is read. That is why this is no
//! crate: `linux-perf-data`, which is well kept, takes lengths of the file at their word and ends at
//! the first error.
//!
//! Records of several CPUs are not in the order of time. Who needs it reads the file twice: first
//! what happened to processes, then samples.

mod attribute;
mod bytes;
mod header;
mod record;
mod sample;
mod split;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod walk;

use std::io::{Read, Seek, SeekFrom};

pub use attribute::Attribute;
pub(crate) use attribute::without_modifiers;
pub use bytes::Words;
pub use header::{Event, Head};
use header::{FILE_HEADER, FileHeader, MAGIC, MAGIC_SWAPPED, PIPE_HEADER, Section, feature};
pub use record::{Mapping, Record, Side};
pub use sample::{Sample, Stamp};
use walk::Walk;

/// Bounds of what is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one feature, and of the attributes.
    pub section_bytes: u64,
    /// Bytes of records, decompressed ones included.
    pub record_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            section_bytes: 32 << 20,
            record_bytes: 16 << 30,
        }
    }
}

/// Something that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where in the file.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} (offset {})", self.reason, self.offset)
    }
}

/// What cannot be read: the first ones, and how many more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// The first ones.
    pub list: Vec<Problem>,
    /// How many more.
    pub more: u64,
}

impl Problems {
    const KEPT: usize = 100;

    fn add(&mut self, offset: u64, reason: impl Into<String>) {
        if self.list.len() < Self::KEPT {
            let reason = reason.into();
            self.list.push(Problem { offset, reason });
        } else {
            self.more += 1;
        }
    }
}

/// Whether this is the beginning of a `perf.data`, of any order of bytes.
pub fn is_perf_data(beginning: &[u8]) -> bool {
    beginning.starts_with(MAGIC) || beginning.starts_with(MAGIC_SWAPPED)
}

/// A file that was opened.
pub struct PerfData<R> {
    input: R,
    limits: Limits,
    /// What it says of itself. Of a stream it is whole when its records were read once.
    pub head: Head,
    /// Where the records are; a stream, or a file whose writer was killed, has them to its end.
    data: Section,
    is_walked: bool,
    problems: Problems,
}

impl<R: Read + Seek> PerfData<R> {
    /// Reads what stands around the records. The error says why this is no `perf.data`.
    pub fn open(mut input: R, limits: Limits) -> Result<Self, String> {
        let mut start = [0; FILE_HEADER];
        input.rewind().map_err(|error| error.to_string())?;
        let length = read_up_to(&mut input, &mut start).map_err(|error| error.to_string())?;
        let start = start.get(..length).unwrap_or_default();
        if start.starts_with(MAGIC_SWAPPED) {
            return Err(
                "it was recorded on a big-endian machine, which is not supported".to_owned(),
            );
        }
        if !start.starts_with(MAGIC) {
            return Err("it does not begin with `PERFILE2` (offset 0)".to_owned());
        }
        let mut file = Self {
            input,
            limits,
            head: Head::default(),
            data: Section {
                offset: PIPE_HEADER as u64,
                size: u64::MAX,
            },
            is_walked: false,
            problems: Problems::default(),
        };
        match start.get(8..16) {
            Some(size) if size == (PIPE_HEADER as u64).to_le_bytes() => {}
            _ => file.read_head(start)?,
        }
        Ok(file)
    }

    fn read_head(&mut self, start: &[u8]) -> Result<(), String> {
        let header = FileHeader::parse(start).ok_or("it ends inside its header")?;
        self.data = header.data;
        // 0: its writer was killed before it could tell.
        if self.data.size == 0 {
            self.data.size = u64::MAX;
            self.problems
                .add(40, "`perf record` did not finish the file");
        }
        self.attributes(&header);
        if self.head.events.is_empty() {
            return Err(format!(
                "no event can be read (offset {})",
                header.attributes.offset
            ));
        }
        if self.data.size != u64::MAX {
            self.features(&header);
        }
        Ok(())
    }

    /// Attributes, each with the place of its ids behind it.
    fn attributes(&mut self, header: &FileHeader) {
        let section = header.attributes;
        let size = usize::try_from(header.attribute_bytes).unwrap_or(usize::MAX);
        let Some(bytes) = self.section(section, "attributes").filter(|_| size > 16) else {
            return;
        };
        for (number, entry) in (0..).zip(bytes.chunks_exact(size)) {
            let at = section.offset.saturating_add(number * size as u64);
            let Some((attribute, ids)) = entry.split_last_chunk::<16>() else {
                return;
            };
            let ids = Section::parse(&mut bytes::Fields::new(ids)).unwrap_or_default();
            let Some(attribute) = Attribute::parse(attribute) else {
                self.problems.add(at, "an attribute is too short");
                continue;
            };
            let ids = if ids.size == 0 {
                Vec::new()
            } else {
                self.section(ids, "ids of an event").unwrap_or_default()
            };
            let words = bytes::Fields::new(&ids).words(ids.len() as u64 / 8);
            if !self.head.add(attribute, words.unwrap_or_default().iter()) {
                self.problems
                    .add(at, "too many events: the others are left out");
                return;
            }
        }
    }

    fn features(&mut self, header: &FileHeader) {
        let numbers = header.features();
        let table = Section {
            offset: self.data.offset.saturating_add(self.data.size),
            size: numbers.len() as u64 * 16,
        };
        if numbers.is_empty() {
            return;
        }
        let Some(table) = self.section(table, "the list of features") else {
            return;
        };
        let wanted = [
            feature::BUILD_ID,
            feature::OS_RELEASE,
            feature::CPUS,
            feature::EVENT_DESC,
        ];
        for (number, entry) in numbers.into_iter().zip(table.chunks_exact(16)) {
            let Some(section) = Section::parse(&mut bytes::Fields::new(entry)) else {
                continue;
            };
            if !wanted.contains(&number) {
                continue;
            }
            let bytes = self.section(section, "a feature");
            if bytes.is_some_and(|bytes| self.head.feature(number, &bytes).is_none()) {
                let reason = format!("feature {number} is cut");
                self.problems.add(section.offset, reason);
            }
        }
    }

    /// The bytes of a section; one that is not there is a problem.
    fn section(&mut self, section: Section, what: &str) -> Option<Vec<u8>> {
        if section.size > self.limits.section_bytes {
            let reason = format!("{what} would have {} bytes", section.size);
            self.problems.add(section.offset, reason);
            return None;
        }
        let mut bytes = Vec::new();
        let read = self
            .input
            .seek(SeekFrom::Start(section.offset))
            .and_then(|_| (&mut self.input).take(section.size).read_to_end(&mut bytes));
        match read {
            Ok(read) if read as u64 == section.size => Some(bytes),
            _ => {
                self.problems
                    .add(section.offset, format!("the file ends inside {what}"));
                None
            }
        }
    }

    /// What could not be read so far.
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    /// Gives every record, in the order of the file, with its offset.
    pub fn walk(&mut self, give: &mut dyn FnMut(u64, Record<'_>, Stamp)) {
        let mut walk = Walk::new(
            std::mem::take(&mut self.head),
            std::mem::take(&mut self.problems),
            !self.is_walked,
            self.limits.record_bytes,
            give,
        );
        let read = walk.file(&mut self.input, self.data);
        if let Err((offset, error)) = read {
            walk.problem(offset, format!("cannot read: {error}"));
        }
        (self.head, self.problems) = walk.end();
        self.is_walked = true;
    }
}

/// Fills the buffer as far as there are bytes.
fn read_up_to(input: &mut impl Read, mut buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while !buffer.is_empty() {
        match input.read(buffer) {
            Ok(0) => break,
            Ok(count) => {
                length += count;
                buffer = buffer.get_mut(count..).unwrap_or_default();
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
