//! One pass over the records of a file, compressed ones included.

use std::io::{Read, Seek, SeekFrom};

use zstd::stream::raw::{Decoder, Operation};

use super::bytes::Fields;
use super::header::{Head, Section};
use super::record::{self, Raw, Record, kind};
use super::sample::{self, Stamp};
use super::split::{Next, Splitter};
use super::{Problems, read_up_to};

/// One pass over the records.
pub(super) struct Walk<'a> {
    head: Head,
    problems: Problems,
    /// Problems are told once, and a stream's head is taken in once.
    is_first: bool,
    /// Bytes of records that may still be read.
    left: u64,
    decoder: Option<Decoder<'static>>,
    unpacked: Splitter,
    give: &'a mut dyn FnMut(u64, Record<'_>, Stamp),
}

impl<'a> Walk<'a> {
    /// Bytes that are read at once.
    const PIECE: usize = 256 << 10;

    pub(super) fn new(
        head: Head,
        problems: Problems,
        is_first: bool,
        left: u64,
        give: &'a mut dyn FnMut(u64, Record<'_>, Stamp),
    ) -> Self {
        Self {
            head,
            problems,
            is_first,
            left,
            decoder: None,
            unpacked: Splitter::default(),
            give,
        }
    }

    /// What it learnt.
    pub(super) fn end(self) -> (Head, Problems) {
        (self.head, self.problems)
    }

    pub(super) fn problem(&mut self, offset: u64, reason: impl Into<String>) {
        if self.is_first {
            self.problems.add(offset, reason);
        }
    }

    /// Reads the records of a file.
    pub(super) fn file(
        &mut self,
        input: &mut (impl Read + Seek),
        data: Section,
    ) -> Result<(), (u64, std::io::Error)> {
        let at_start = |error| (data.offset, error);
        input.seek(SeekFrom::Start(data.offset)).map_err(at_start)?;
        let mut splitter = Splitter::plain(data.offset);
        let mut buffer = vec![0; Self::PIECE];
        let mut left = data.size;
        while left > 0 {
            let wanted = left.min(Self::PIECE as u64) as usize;
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            let length =
                read_up_to(input, piece).map_err(|error| (splitter.next_offset(), error))?;
            let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else {
                break;
            };
            if !self.may_read(length as u64, splitter.next_offset()) {
                return Ok(());
            }
            left -= length as u64;
            splitter.push(piece);
            self.records(&mut splitter, true);
        }
        self.ended(&splitter, left != 0 && data.size != u64::MAX);
        Ok(())
    }

    /// What is left at the end of the records is the beginning of one.
    fn ended(&mut self, splitter: &Splitter, is_cut: bool) {
        let offset = splitter.next_offset();
        if splitter.left() > 0 {
            let reason = format!("the last record is cut after {} bytes", splitter.left());
            self.problem(offset, reason);
        } else if is_cut {
            self.problem(offset, "the file ends before its last record");
        }
        if self.unpacked.left() > 0 {
            let offset = self.unpacked.next_offset();
            self.problem(offset, "the last compressed record is cut");
        }
    }

    fn may_read(&mut self, bytes: u64, offset: u64) -> bool {
        let is_in = self.left >= bytes;
        if !is_in && self.left > 0 {
            self.problem(offset, "too many bytes of records: the rest is left out");
        }
        self.left = if is_in { self.left - bytes } else { 0 };
        is_in
    }

    fn records(&mut self, splitter: &mut Splitter, is_outer: bool) {
        loop {
            match splitter.next() {
                Next::Record(range) => {
                    let Some(raw) = splitter.raw(range) else {
                        continue;
                    };
                    let behind = self.record(&raw, is_outer);
                    splitter.pass_over(behind);
                }
                Next::Damage { offset, bytes } => {
                    self.problem(offset, format!("{bytes} bytes are no records"));
                }
                Next::Empty => return,
            }
        }
    }

    /// Takes a record; says how many bytes behind it belong to it.
    fn record(&mut self, raw: &Raw<'_>, is_outer: bool) -> u64 {
        match raw.kind {
            kind::COMPRESSED | kind::COMPRESSED2 if is_outer => self.compressed(raw),
            kind::AUXTRACE => return Fields::new(raw.body).u64().unwrap_or(0),
            kind::HEADER_TRACING_DATA => {
                let size = Fields::new(raw.body).u32().unwrap_or(0);
                return u64::from(size).next_multiple_of(8);
            }
            number if number > kind::LAST_OF_KERNEL => {
                if self.is_first
                    && let Some(Err(reason)) = self.head.take(raw)
                {
                    self.problem(raw.offset, reason);
                }
            }
            _ => self.of_kernel(raw),
        }
        0
    }

    fn of_kernel(&mut self, raw: &Raw<'_>) {
        let Some(first) = self.head.events.first() else {
            self.problem(raw.offset, "a record before the attributes");
            return;
        };
        let is_sample = raw.kind == kind::SAMPLE;
        // Every event of a file has its id at the same place, or there is but one.
        let id = if self.head.events.len() > 1 && (is_sample || first.attribute.sample_id_all) {
            sample::identify(raw.body, is_sample, &first.attribute)
        } else {
            None
        };
        let event = match id {
            Some(id) => self.head.event_of(id),
            None => Some(0),
        };
        let Some(event) = event else {
            self.problem(raw.offset, "a record of an unknown event");
            return;
        };
        let attribute = self.head.events.get(event).map(|event| &event.attribute);
        let decoded = attribute.and_then(|attribute| record::decode(raw, attribute, event));
        if let Some((record, stamp)) = decoded {
            (self.give)(raw.offset, record, stamp);
        } else {
            let reason = format!("a record of kind {} is cut or damaged", raw.kind);
            self.problem(raw.offset, reason);
        }
    }

    /// `PERF_RECORD_COMPRESSED`: a piece of one stream of zstd, in which records go on from one
    /// piece to the next.
    fn compressed(&mut self, raw: &Raw<'_>) {
        let packed = if raw.kind == kind::COMPRESSED {
            Some(raw.body)
        } else {
            let mut fields = Fields::new(raw.body);
            let size = fields.u64();
            size.and_then(|size| fields.take_long(size))
        };
        let unpacked = packed.ok_or_else(|| "it is cut".to_owned());
        if let Err(reason) = unpacked.and_then(|packed| self.unpack(raw.offset, packed)) {
            self.problem(raw.offset, format!("a compressed record: {reason}"));
            // What follows may begin a frame of its own.
            self.decoder = None;
            self.unpacked = Splitter::default();
        }
    }

    fn unpack(&mut self, offset: u64, packed: &[u8]) -> Result<(), String> {
        let mut decoder = match self.decoder.take() {
            Some(decoder) => decoder,
            None => Decoder::new().map_err(|error| error.to_string())?,
        };
        let mut buffer = vec![0; Self::PIECE / 2];
        let mut rest = packed;
        loop {
            let status = decoder
                .run_on_buffers(rest, &mut buffer)
                .map_err(|error| error.to_string())?;
            rest = rest.get(status.bytes_read..).unwrap_or_default();
            if !self.may_read(status.bytes_written as u64, offset) {
                return Ok(());
            }
            let piece = buffer.get(..status.bytes_written).unwrap_or_default();
            self.unpacked.push_unpacked(offset, piece);
            let mut unpacked = std::mem::take(&mut self.unpacked);
            self.records(&mut unpacked, false);
            self.unpacked = unpacked;
            let is_full = status.bytes_written == buffer.len();
            if !is_full && (rest.is_empty() || status.bytes_read + status.bytes_written == 0) {
                break;
            }
        }
        self.decoder = Some(decoder);
        Ok(())
    }
}
