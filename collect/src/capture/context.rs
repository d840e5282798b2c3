//! What a source may do: read, and nothing else. Every read is timed, bounded and recorded here.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use freezeframe_bundle::{Cut, EntryRecord, Kept, Kind, Outcome, Writer, member};

use super::{Limits, Run};
use crate::clock;
use crate::cost::Tally;
use crate::output::Output;
use crate::root::{self, Name, Root};
use crate::source::Source;
use crate::stop::Stop;

/// A file is cut here unless its source asks for more: the largest regular file of `/proc` on a
/// node with 20,000 processes is below it.
pub(crate) const FILE_BYTES: usize = 4 << 20;
/// Size of the buffer that small files are read into.
const BUFFER_BYTES: usize = 64 << 10;
/// Kept for the index and the summary when the bundle reaches its size limit.
const RESERVE_BYTES: u64 = 1 << 20;
/// How often waiting looks for a signal.
const NAP: Duration = Duration::from_millis(50);

/// The source's view of the capture.
pub(crate) struct Cx<'a> {
    root: &'a Root,
    stop: &'a Stop,
    limits: Limits,
    began: Instant,
    writer: Writer<Output>,
    failure: Option<io::Error>,
    buffer: Vec<u8>,
    /// Bytes of the last read.
    length: usize,
    tally: Tally,
    /// 0, or the number of the reading at the end of the window.
    reading: u32,
    current: Current,
    ticks: Ticks,
}

/// Whether a missing file is worth a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    /// Other nodes have it: its absence tells something.
    Recorded,
    /// Many nodes lack it.
    Usual,
}

impl Absence {
    /// Whether the outcome is an absence that is not worth a record.
    fn is_usual(self, outcome: &Outcome) -> bool {
        self == Self::Usual && matches!(outcome, Outcome::Absent(_))
    }
}

/// The source that is being read.
struct Current {
    id: &'static str,
    ends: Instant,
    bytes_left: u64,
    entries: u64,
    bytes: u64,
    reads: BTreeMap<&'static str, u64>,
    left_out: BTreeMap<&'static str, u64>,
    example: Option<String>,
}

/// Readings at 1 Hz between the first and the last.
struct Ticks {
    paths: Vec<(&'static str, &'static str)>,
    next: u32,
    next_at: Instant,
    last: u32,
}

impl<'a> Cx<'a> {
    pub(super) fn new(
        root: &'a Root,
        limits: Limits,
        stop: &'a Stop,
        writer: Writer<Output>,
        began: Instant,
    ) -> Self {
        Self {
            root,
            stop,
            limits,
            began,
            writer,
            failure: None,
            buffer: vec![0; BUFFER_BYTES],
            length: 0,
            tally: Tally::default(),
            reading: 0,
            current: Current {
                id: "",
                ends: began,
                bytes_left: 0,
                entries: 0,
                bytes: 0,
                reads: BTreeMap::new(),
                left_out: BTreeMap::new(),
                example: None,
            },
            ticks: Ticks {
                paths: Vec::new(),
                next: 1,
                next_at: began,
                last: 0,
            },
        }
    }

    /// 0 in the first reading, the seconds of the window in the last.
    pub(crate) fn reading(&self) -> u32 {
        self.reading
    }

    /// The node's files, for looks that are no evidence: names, types.
    pub(crate) fn root(&self) -> &Root {
        self.root
    }

    /// The bytes of the last successful read.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    /// Reads a file of the node and stores it; says whether there are bytes.
    pub(crate) fn read(&mut self, path: impl AsRef<[u8]>) -> bool {
        self.read_up_to(path, FILE_BYTES)
    }

    /// Reads a file that not every node has; that it does not exist is not worth a record.
    pub(crate) fn try_read(&mut self, path: impl AsRef<[u8]>) -> bool {
        self.read_file(path.as_ref(), FILE_BYTES, Absence::Usual)
    }

    /// Reads at most `limit` bytes from the beginning of a file.
    pub(crate) fn read_up_to(&mut self, path: impl AsRef<[u8]>, limit: usize) -> bool {
        self.read_file(path.as_ref(), limit, Absence::Recorded)
    }

    /// Reads at most `limit` bytes of a file that not every node has.
    pub(crate) fn try_read_up_to(&mut self, path: impl AsRef<[u8]>, limit: usize) -> bool {
        self.read_file(path.as_ref(), limit, Absence::Usual)
    }

    /// Reads a file without storing it: to decide what to read next.
    pub(crate) fn peek(&mut self, path: impl AsRef<[u8]>) -> bool {
        if self.refuse() {
            return false;
        }
        self.tally.reads += 1;
        let done = self.fill(path.as_ref(), FILE_BYTES).is_ok();
        if !done {
            self.length = 0;
        }
        done
    }

    /// Reads the last `limit` bytes of a file.
    pub(crate) fn read_tail(&mut self, path: impl AsRef<[u8]>, limit: usize) -> bool {
        let path = path.as_ref();
        if self.refuse() {
            return false;
        }
        let timer = Timer::start();
        let result = self.fill_tail(path, limit);
        let (outcome, cut) = match result {
            Ok(None) => (Outcome::Complete, None),
            // The end of a log is what was asked for: it is whole, and the index says that it is cut.
            Ok(Some(of_bytes)) => {
                let cut = Cut {
                    kept: Kept::Tail,
                    of_bytes: Some(of_bytes),
                };
                (Outcome::Complete, Some(cut))
            }
            Err(error) => (root::outcome(&error), None),
        };
        let member = self.member(path);
        self.store(timer.record(member, self.current.id, outcome, Kind::File, cut))
    }

    /// Reads the target of a symbolic link; says whether there is one.
    pub(crate) fn read_link(&mut self, path: impl AsRef<[u8]>) -> bool {
        self.link(path.as_ref(), Absence::Recorded)
    }

    /// Reads the target of a link that is not everywhere: a kernel thread has no program.
    pub(crate) fn try_link(&mut self, path: impl AsRef<[u8]>) -> bool {
        self.link(path.as_ref(), Absence::Usual)
    }

    /// Stores the names in a folder, links with their targets, at most `limit` of them.
    pub(crate) fn read_listing(&mut self, path: impl AsRef<[u8]>, limit: usize) -> bool {
        let path = path.as_ref();
        if self.refuse() {
            return false;
        }
        let timer = Timer::start();
        let (outcome, cut) = match self.root.list(path, limit) {
            Ok((names, more)) => {
                let listing = self.listing(path, &names);
                self.fill_with(&listing);
                if more {
                    let cut = Cut {
                        kept: Kept::Head,
                        of_bytes: None,
                    };
                    (
                        Outcome::Partial(format!("more than {limit} names")),
                        Some(cut),
                    )
                } else {
                    (Outcome::Complete, None)
                }
            }
            Err(error) => (root::outcome(&error), None),
        };
        let member = self.member(path);
        self.store(timer.record(member, self.current.id, outcome, Kind::Listing, cut))
    }

    /// Names in a folder, sorted; nothing where it cannot be read. Not stored.
    pub(crate) fn list(&mut self, path: impl AsRef<[u8]>) -> Vec<Name> {
        const LIMIT: usize = 1 << 20;
        if self.refuse() {
            return Vec::new();
        }
        self.tally.reads += 1;
        self.root
            .list(path.as_ref(), LIMIT)
            .map(|(names, _)| names)
            .unwrap_or_default()
    }

    /// Stores bytes that come from a system call or a service under a name of their own.
    pub(crate) fn answer(&mut self, member: &str, bytes: &[u8], outcome: Outcome, took: Duration) {
        self.answer_cut(member, bytes, outcome, took, None);
    }

    /// As [`Cx::answer`], for an answer that was cut on purpose.
    pub(crate) fn answer_cut(
        &mut self,
        member: &str,
        bytes: &[u8],
        outcome: Outcome,
        took: Duration,
        cut: Option<Cut>,
    ) {
        if self.refuse() {
            return;
        }
        self.fill_with(bytes);
        let mut timer = Timer::start();
        timer.started_us = timer.started_us.saturating_sub(took.as_micros() as u64);
        let mut record = timer.record(
            member.to_owned(),
            self.current.id,
            outcome,
            Kind::Answer,
            cut,
        );
        record.took_us = took.as_micros() as u64;
        self.store(record);
    }

    /// Notes what a source decided not to read, and why.
    pub(crate) fn leave_out(&mut self, why: &'static str, count: u64) {
        *self.current.left_out.entry(why).or_default() += count;
    }

    /// Whether nothing more is to be read: the deadline, a signal, the size limit, a full disk.
    pub(crate) fn is_over(&self) -> bool {
        self.ended_by().is_some()
    }

    /// Whether this source has used up its time or bytes.
    pub(crate) fn is_spent(&self) -> bool {
        self.is_over() || self.current.bytes_left == 0 || Instant::now() >= self.current.ends
    }

    /// Time until this source or the whole capture has to end.
    pub(crate) fn time_left(&self) -> Duration {
        let capture = self.limits.deadline.saturating_sub(self.began.elapsed());
        capture.min(self.current.ends.saturating_duration_since(Instant::now()))
    }

    /// What ended the capture, if something did.
    pub(super) fn ended_by(&self) -> Option<&'static str> {
        if self.failure.is_some() {
            Some("output")
        } else if let Some(signal) = self.stop.signal() {
            Some(signal)
        } else if self.began.elapsed() >= self.limits.deadline {
            Some("deadline")
        } else if self.writer.sink_bytes() + RESERVE_BYTES >= self.limits.max_bytes {
            Some("max_bytes")
        } else {
            None
        }
    }

    pub(super) fn each_second(
        &mut self,
        sources: impl Iterator<Item = &'static Source>,
        began: Instant,
    ) {
        for source in sources {
            self.ticks
                .paths
                .extend(source.each_second.iter().map(|path| (source.id, *path)));
        }
        self.ticks.next_at = began + Duration::from_secs(1);
        // The last reading of the window is a reading of everything.
        self.ticks.last = (self.limits.window.as_secs() as u32).saturating_sub(1);
    }

    pub(super) fn last_reading(&mut self, number: u32) {
        self.reading = number;
        self.ticks.last = 0;
    }

    pub(super) fn first_reading(&mut self) {
        self.reading = 0;
    }

    pub(super) fn wait_until(&mut self, end: Instant) {
        while !self.is_over() && Instant::now() < end {
            self.tick();
            let left = end.saturating_duration_since(Instant::now());
            let to_tick = if self.ticks.next <= self.ticks.last {
                self.ticks.next_at.saturating_duration_since(Instant::now())
            } else {
                left
            };
            std::thread::sleep(NAP.min(left).min(to_tick));
        }
    }

    pub(super) fn enter(&mut self, run: &Run, began: Instant) {
        self.current.id = run.source.id;
        self.current.ends = began + run.source.deadline;
        self.current.bytes_left = run.source.max_bytes.saturating_sub(run.bytes);
    }

    pub(super) fn leave(&mut self, run: &mut Run) {
        run.entries += std::mem::take(&mut self.current.entries);
        run.bytes += std::mem::take(&mut self.current.bytes);
        for (name, count) in std::mem::take(&mut self.current.reads) {
            *run.reads.entry(name.to_owned()).or_default() += count;
        }
        for (why, count) in std::mem::take(&mut self.current.left_out) {
            *run.left_out.entry(why).or_default() += count;
        }
        if run.example.is_none() {
            run.example = self.current.example.take();
        }
        self.current.example = None;
    }

    pub(super) fn into_parts(self) -> (Writer<Output>, Tally, Option<io::Error>) {
        (self.writer, self.tally, self.failure)
    }

    /// Whether the next read of this source has to be left out.
    fn refuse(&mut self) -> bool {
        self.tick();
        let why = if self.is_over() {
            "the capture ended"
        } else if self.current.bytes_left == 0 {
            "the byte limit of this source"
        } else if Instant::now() >= self.current.ends {
            "the deadline of this source"
        } else {
            return false;
        };
        *self.current.left_out.entry(why).or_default() += 1;
        self.length = 0;
        true
    }

    /// Makes the 1 Hz reading if it is due. A tick that was missed is not made up for.
    fn tick(&mut self) {
        if self.ticks.next > self.ticks.last || Instant::now() < self.ticks.next_at {
            return;
        }
        let reading = self.ticks.next;
        let elapsed = self.began.elapsed().as_secs() as u32;
        self.ticks.next = elapsed.max(reading) + 1;
        self.ticks.next_at = self.began + Duration::from_secs(self.ticks.next.into());
        let before = std::mem::replace(&mut self.reading, elapsed.max(reading));
        let source = self.current.id;
        for place in 0..self.ticks.paths.len() {
            let Some((id, path)) = self.ticks.paths.get(place).copied() else {
                break;
            };
            let timer = Timer::start();
            if self.fill(path.as_bytes(), FILE_BYTES).is_ok() {
                let member = self.member(path.as_bytes());
                let record = timer.record(member, id, Outcome::Complete, Kind::File, None);
                self.write(record);
            }
        }
        self.current.id = source;
        self.reading = before;
    }

    fn link(&mut self, path: &[u8], absence: Absence) -> bool {
        if self.refuse() {
            return false;
        }
        let timer = Timer::start();
        let outcome = match self.root.link(path) {
            Ok(target) => {
                self.fill_with(&target);
                Outcome::Complete
            }
            Err(error) => root::outcome(&error),
        };
        if absence.is_usual(&outcome) {
            self.tally.reads += 1;
            self.length = 0;
            return false;
        }
        let member = self.member(path);
        self.store(timer.record(member, self.current.id, outcome, Kind::Link, None))
    }

    fn read_file(&mut self, path: &[u8], limit: usize, absence: Absence) -> bool {
        if self.refuse() {
            return false;
        }
        let timer = Timer::start();
        let limit = limit.min(usize::try_from(self.current.bytes_left).unwrap_or(usize::MAX));
        let (outcome, cut) = match self.fill(path, limit) {
            Ok(true) => (Outcome::Complete, None),
            Ok(false) => {
                let cut = Cut {
                    kept: Kept::Head,
                    of_bytes: None,
                };
                (
                    Outcome::Partial(format!("longer than {limit} bytes")),
                    Some(cut),
                )
            }
            Err(error) => (root::outcome(&error), None),
        };
        if absence.is_usual(&outcome) {
            self.tally.reads += 1;
            self.length = 0;
            return false;
        }
        let member = self.member(path);
        self.store(timer.record(member, self.current.id, outcome, Kind::File, cut))
    }

    /// Reads a file into the buffer; whether it was read to its end.
    fn fill(&mut self, path: &[u8], limit: usize) -> io::Result<bool> {
        self.length = 0;
        let mut file = self.root.file(path)?;
        loop {
            if self.length == self.buffer.len() {
                if self.length >= limit {
                    return Ok(file.read(&mut [0])? == 0);
                }
                let larger = (self.buffer.len() * 2).min(limit.max(BUFFER_BYTES));
                self.buffer.resize(larger, 0);
            }
            let end = self.buffer.len().min(limit.max(1));
            let Some(space) = self
                .buffer
                .get_mut(self.length..end)
                .filter(|s| !s.is_empty())
            else {
                return Ok(file.read(&mut [0])? == 0);
            };
            match file.read(space) {
                Ok(0) => return Ok(true),
                Ok(count) => self.length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the end of a file; its whole length if it was longer.
    fn fill_tail(&mut self, path: &[u8], limit: usize) -> io::Result<Option<u64>> {
        self.length = 0;
        let mut file = self.root.file(path)?;
        let length = file.metadata()?.len();
        let from = length.saturating_sub(limit as u64);
        file.seek(SeekFrom::Start(from))?;
        // It may grow while it is read: what counts is the length found first.
        let mut bytes = Vec::with_capacity((length - from) as usize);
        file.take(limit as u64).read_to_end(&mut bytes)?;
        self.fill_with(&bytes);
        Ok((from > 0).then_some(length))
    }

    fn fill_with(&mut self, bytes: &[u8]) {
        if self.buffer.len() < bytes.len() {
            self.buffer.resize(bytes.len(), 0);
        }
        self.length = bytes.len();
        if let Some(space) = self.buffer.get_mut(..bytes.len()) {
            space.copy_from_slice(bytes);
        }
    }

    fn listing(&self, path: &[u8], names: &[Name]) -> Vec<u8> {
        let mut listing = Vec::with_capacity(names.len() * 32);
        for name in names {
            listing.extend_from_slice(member::escape(&name.bytes).as_bytes());
            if name.is_link {
                let target = self.root.link(&[path, b"/", &name.bytes].concat());
                if let Ok(target) = target {
                    listing.push(b'\t');
                    listing.extend_from_slice(member::escape(&target).as_bytes());
                }
            }
            listing.push(b'\n');
        }
        listing
    }

    fn member(&self, path: &[u8]) -> String {
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
    fn store(&mut self, record: EntryRecord) -> bool {
        let name = record.outcome.name();
        *self.current.reads.entry(name).or_default() += 1;
        self.tally.reads += 1;
        if record.outcome.is_degraded() && self.current.example.is_none() {
            let reason = record.outcome.reason().unwrap_or_default();
            self.current.example = Some(format!("`{}` {name}: {reason}", record.path));
        }
        if matches!(record.outcome, Outcome::Complete | Outcome::Partial(_)) {
            self.current.entries += 1;
            self.current.bytes += self.length as u64;
            self.current.bytes_left = self.current.bytes_left.saturating_sub(self.length as u64);
            self.write(record);
            true
        } else {
            self.length = 0;
            let result = self.writer.note(&record);
            self.check(result);
            false
        }
    }

    fn write(&mut self, record: EntryRecord) {
        let bytes = self.buffer.get(..self.length).unwrap_or_default();
        self.tally.read_bytes += bytes.len() as u64;
        let result = self.writer.entry(record, bytes);
        self.check(result);
        if self.buffer.len() > BUFFER_BYTES * 16 {
            // One huge file must not cost memory until the end.
            self.buffer.truncate(self.length.max(BUFFER_BYTES));
        }
    }

    fn check(&mut self, result: io::Result<()>) {
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

/// When a read began, on two clocks.
struct Timer {
    started_us: u64,
    began: Instant,
}

impl Timer {
    fn start() -> Self {
        Self {
            started_us: clock::boottime_us(),
            began: Instant::now(),
        }
    }

    fn record(
        &self,
        path: String,
        source: &'static str,
        outcome: Outcome,
        kind: Kind,
        cut: Option<Cut>,
    ) -> EntryRecord {
        EntryRecord {
            path,
            source: source.into(),
            outcome,
            started_us: self.started_us,
            took_us: self.began.elapsed().as_micros() as u64,
            bytes: 0,
            sha256: None,
            kind,
            cut,
            redactions: BTreeMap::new(),
        }
    }
}
