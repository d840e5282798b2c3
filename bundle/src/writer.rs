//! Writes a bundle to any sink, batch by batch.
//!
//! A batch is a run of entries followed by its index, in a zstd frame of its own. Whatever happens
//! after a batch has ended, the batch can be read.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::frame::FrameWriter;
use crate::{BatchRecord, Capture, EntryRecord, Kind, Outcome, Summary, member};

/// A batch ends after so many bytes of tar and index ...
const BATCH_BYTES: u64 = 4 << 20;
/// ... or after so long, whichever is first: the most that a crash can cost.
const BATCH_AGE: Duration = Duration::from_secs(1);

/// Longest member name in bytes, the top folder included: what readers accept.
const NAME_BYTES: usize = 4096;
/// A tar consists of blocks.
const BLOCK_BYTES: u64 = 512;

/// SHA-256 in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest(pub String);

impl Digest {
    /// Digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut hex = String::with_capacity(64);
        for byte in Sha256::digest(bytes) {
            hex.push(char::from(HEX[usize::from(byte >> 4)]));
            hex.push(char::from(HEX[usize::from(byte & 15)]));
        }
        Self(hex)
    }
}

/// Writes one bundle.
pub struct Writer<W: Write> {
    tar: tar::Builder<FrameWriter<W>>,
    top: String,
    modified_s: u64,
    index: Vec<u8>,
    index_records: u64,
    input_bytes: u64,
    batch_began: Instant,
    batches: Vec<BatchRecord>,
    /// Hashes of the paths written.
    written: HashSet<u64>,
}

impl<W: Write> Writer<W> {
    /// Begins a bundle: writes `capture.json` as a batch of its own.
    ///
    /// `top` is the name of the top folder, usually `<node>-<UTC>`.
    pub fn new(sink: W, top: &str, capture: &Capture) -> io::Result<Self> {
        let mut writer = Self {
            tar: tar::Builder::new(FrameWriter::new(sink)?),
            top: top.to_owned(),
            modified_s: u64::try_from(capture.started.realtime_us / 1_000_000).unwrap_or(0),
            index: Vec::new(),
            index_records: 0,
            input_bytes: 0,
            batch_began: Instant::now(),
            batches: Vec::new(),
            written: HashSet::new(),
        };
        let record = EntryRecord {
            path: "capture.json".to_owned(),
            source: "capture".into(),
            outcome: Outcome::Complete,
            started_us: capture.started.boottime_us,
            took_us: 0,
            bytes: 0,
            sha256: None,
            kind: Kind::Answer,
            cut: None,
            redactions: BTreeMap::new(),
        };
        writer.entry(record, &serde_json::to_vec_pretty(capture)?)?;
        writer.end_batch()?;
        Ok(writer)
    }

    /// Adds an entry and its record; `bytes` and `sha256` of the record are filled in here.
    ///
    /// Two errors leave the bundle as it was, and writing may go on: `InvalidInput` for a path that
    /// no reader would accept (see [`member::escape`]), `AlreadyExists` for one that has an entry.
    pub fn entry(&mut self, mut record: EntryRecord, bytes: &[u8]) -> io::Result<()> {
        self.member(&record.path, bytes)?;
        record.bytes = bytes.len() as u64;
        record.sha256 = Some(Digest::of(bytes).0);
        self.note(&record)
    }

    /// Adds the record of a read that gave no bytes; `InvalidInput` as for [`Writer::entry`].
    pub fn note(&mut self, record: &EntryRecord) -> io::Result<()> {
        check_name(&record.path)?;
        serde_json::to_writer(&mut self.index, record)?;
        self.index.push(b'\n');
        self.index_records += 1;
        self.end_due_batch()
    }

    /// Ends the batch if it is large or old enough. Whoever waits calls this meanwhile.
    pub fn end_due_batch(&mut self) -> io::Result<()> {
        if self.pending_bytes() >= BATCH_BYTES || self.batch_began.elapsed() >= BATCH_AGE {
            self.end_batch()?;
        }
        Ok(())
    }

    /// Ends the batch: writes its index, ends the frame and flushes the sink.
    pub fn end_batch(&mut self) -> io::Result<()> {
        if self.index.is_empty() && self.input_bytes == 0 {
            return Ok(());
        }
        let index = std::mem::take(&mut self.index);
        let name = format!("index/{}.jsonl", self.batches.len());
        self.member(&name, &index)?;
        self.tar.get_mut().end_frame()?;
        self.batches.push(BatchRecord {
            sha256: Digest::of(&index).0,
            records: self.index_records,
        });
        // The buffer is kept for the next batch.
        self.index = index;
        self.index.clear();
        self.index_records = 0;
        self.input_bytes = 0;
        self.batch_began = Instant::now();
        Ok(())
    }

    /// Bytes given to the sink so far, the unfinished batch not counted.
    pub fn sink_bytes(&self) -> u64 {
        self.tar.get_ref().sink_bytes()
    }

    /// Bytes of the unfinished batch before compression.
    pub fn pending_bytes(&self) -> u64 {
        self.input_bytes + self.index.len() as u64
    }

    /// Ends the last batch, writes `summary.json` and returns the sink.
    pub fn seal(mut self, mut summary: Summary) -> io::Result<W> {
        self.end_batch()?;
        summary.cost.bundle_bytes = self.sink_bytes();
        summary.batches = std::mem::take(&mut self.batches);
        let bytes = serde_json::to_vec_pretty(&summary)?;
        self.member("summary.json", &bytes)?;
        self.tar.into_inner()?.into_sink()
    }

    fn member(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(self.modified_s);
        header.set_entry_type(tar::EntryType::Regular);
        let hash = member::hash(path);
        let path = format!("{}/{path}", self.top);
        check_name(&path)?;
        if !self.written.insert(hash) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.tar.append_data(&mut header, path, bytes)?;
        self.input_bytes += BLOCK_BYTES + (bytes.len() as u64).next_multiple_of(BLOCK_BYTES);
        Ok(())
    }
}

fn check_name(path: &str) -> io::Result<()> {
    member::check(path.as_bytes(), NAME_BYTES)
        .map(|_| ())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}
