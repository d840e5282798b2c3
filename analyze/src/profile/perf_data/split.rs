//! Bytes become records, whatever is between them.

use super::record::{Raw, kind};

/// Header of a record: kind, misc, size.
const HEADER: usize = 8;
/// Behind damage, this many records in a row that look like some are taken for such.
const CONVINCING: usize = 4;

/// Takes bytes in pieces, gives whole records.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    bytes: Vec<u8>,
    /// Place in `bytes` of the next record.
    at: usize,
    /// Offset in the file of `bytes`; of compressed records, that of the last piece.
    offset: u64,
    /// Whether pieces lie one after another in the file.
    is_plain: bool,
    /// Bytes still to be passed over.
    skip: u64,
}

/// What comes next.
pub(super) enum Next {
    /// A record, by its place.
    Record(std::ops::Range<usize>),
    /// So many bytes at this offset are no records.
    Damage { offset: u64, bytes: u64 },
    /// More bytes are needed.
    Empty,
}

impl Splitter {
    /// Splits bytes of the file from this offset on.
    pub(super) fn plain(offset: u64) -> Self {
        Self {
            offset,
            is_plain: true,
            ..Self::default()
        }
    }

    /// Splits what a compressed record at this offset holds.
    pub(super) fn push_unpacked(&mut self, offset: u64, bytes: &[u8]) {
        self.offset = offset;
        self.push(bytes);
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.is_plain {
            self.offset += self.at as u64;
        }
        self.bytes.drain(..self.at);
        self.at = 0;
        let skipped = bytes
            .len()
            .min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        self.skip -= skipped as u64;
        if self.is_plain && self.bytes.is_empty() {
            self.offset += skipped as u64;
        }
        self.bytes.extend(bytes.get(skipped..).unwrap_or_default());
    }

    /// Passes over bytes that follow the last record.
    pub(super) fn pass_over(&mut self, count: u64) {
        let here = (self.bytes.len() - self.at) as u64;
        self.at += count.min(here) as usize;
        self.skip = count.saturating_sub(here);
    }

    /// How many bytes wait for the rest of their record.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Offset in the file of the next record.
    pub(super) fn next_offset(&self) -> u64 {
        self.offset_of(self.at)
    }

    fn offset_of(&self, place: usize) -> u64 {
        if self.is_plain {
            self.offset + place as u64
        } else {
            self.offset
        }
    }

    /// Finds the next record.
    pub(super) fn next(&mut self) -> Next {
        let Some((number, size)) = self.header(self.at) else {
            return Next::Empty;
        };
        if size < HEADER || !is_known(number) {
            return self.resume();
        }
        if self.at + size > self.bytes.len() {
            return Next::Empty;
        }
        let range = self.at..self.at + size;
        self.at += size;
        Next::Record(range)
    }

    /// Goes on where records seem to begin again.
    fn resume(&mut self) -> Next {
        let offset = self.next_offset();
        let before = self.at;
        self.at += 1;
        while self.at < self.bytes.len() && !self.is_convincing(self.at) {
            self.at += 1;
        }
        Next::Damage {
            offset,
            bytes: (self.at - before) as u64,
        }
    }

    /// Whether records follow one another from here on.
    fn is_convincing(&self, mut at: usize) -> bool {
        for _ in 0..CONVINCING {
            match self.header(at) {
                Some((number, size)) if is_known(number) && size >= HEADER => at += size,
                _ => return at == self.bytes.len(),
            }
        }
        true
    }

    /// Kind and size of what stands here.
    fn header(&self, at: usize) -> Option<(u32, usize)> {
        let header: [u8; HEADER] = self.bytes.get(at..at + HEADER)?.try_into().ok()?;
        let [a, b, c, d, _, _, low, high] = header;
        let size = usize::from(u16::from_le_bytes([low, high]));
        Some((u32::from_le_bytes([a, b, c, d]), size))
    }

    /// The record at a place that was given.
    pub(super) fn raw(&self, range: std::ops::Range<usize>) -> Option<Raw<'_>> {
        let offset = self.offset_of(range.start);
        let (kind, _) = self.header(range.start)?;
        let bytes = self.bytes.get(range)?;
        let misc = bytes.get(4..6)?.try_into().ok().map(u16::from_le_bytes)?;
        Some(Raw {
            offset,
            kind,
            misc,
            body: bytes.get(HEADER..)?,
        })
    }
}

/// Whether a record of this number may be in a file.
fn is_known(number: u32) -> bool {
    (kind::MMAP..=kind::LAST_OF_KERNEL).contains(&number)
        || (kind::HEADER_ATTR..=kind::LAST_OF_PERF).contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, size: u16) -> Vec<u8> {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(size.to_le_bytes());
        bytes.resize(size.max(8).into(), 0xee);
        bytes
    }

    /// Offset, kind and length of each record; offset and length of damage.
    type Split = (Vec<(u64, u32, usize)>, Vec<(u64, u64)>);

    fn split(bytes: &[u8], piece: usize) -> Split {
        let mut splitter = Splitter::plain(1000);
        let (mut records, mut damage) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            splitter.push(piece);
            loop {
                match splitter.next() {
                    Next::Record(range) => {
                        let raw = splitter.raw(range).unwrap();
                        records.push((raw.offset, raw.kind, raw.body.len()));
                        if raw.kind == kind::AUXTRACE {
                            splitter.pass_over(40);
                        }
                    }
                    Next::Damage { offset, bytes } => damage.push((offset, bytes)),
                    Next::Empty => break,
                }
            }
        }
        (records, damage)
    }

    #[test]
    fn pieces_of_any_size_give_the_same_records() {
        let mut bytes = [record(9, 40), record(71, 16), vec![0; 40], record(3, 24)].concat();
        let expected = vec![(1000, 9, 32), (1040, 71, 8), (1096, 3, 16)];
        for piece in [1, 3, 8, 50, 1000] {
            assert_eq!(split(&bytes, piece), (expected.clone(), vec![]), "{piece}");
        }
        bytes.truncate(bytes.len() - 1);
        assert_eq!(split(&bytes, 7).0.len(), 2);
    }

    #[test]
    fn behind_damage_records_are_found_again() {
        let good: Vec<u8> = (0..6).flat_map(|_| record(9, 40)).collect();
        let bytes = [record(9, 40), record(9, 0), vec![0; 61], good].concat();
        let (records, damage) = split(&bytes, 10_000);
        assert_eq!(records.len(), 7);
        assert_eq!(damage, [(1040, 69)]);
    }
}
