//! The reads that a source can make.

use std::time::Duration;

use freezeframe_bundle::{Cut, Kept, Kind, Outcome};

use super::Cx;
use super::context::FILE_BYTES;
use super::exchange::{Answer, Item, absolute};
use crate::clock;
use crate::plan;
use crate::root::{FileSystemSize, Name};
use crate::source::Privacy;
use crate::worker::{Ask, Body};

/// Names that are looked at in a folder: more than any node has processes, groups or interfaces,
/// and some megabytes of memory.
const NAMES: usize = 128 << 10;

/// How often an answer is in the memory of one process at most, buffers that double included.
const COPIES: u64 = 8;

/// Whether a missing file is worth a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    /// Other nodes have it: its absence tells something.
    Recorded,
    /// Many nodes lack it.
    Usual,
}

/// A part of what a worker answered.
pub(crate) struct Part {
    pub(crate) member: String,
    /// Nothing where its outcome says why.
    pub(crate) bytes: Vec<u8>,
    pub(crate) outcome: Outcome,
    pub(crate) cut: Option<Cut>,
    pub(crate) started_us: u64,
    pub(crate) took_us: u64,
    /// What it may give away, whatever the source's other reads do.
    pub(crate) privacy: Privacy,
}

impl Cx<'_> {
    /// Reads a file of the node and stores it; says whether there are bytes.
    pub(crate) fn read(&mut self, path: impl AsRef<[u8]>) -> bool {
        self.one(path.as_ref(), Ask::Read(FILE_BYTES), Absence::Recorded)
    }

    /// Reads a file that not every node has; that it does not exist is not worth a record.
    pub(crate) fn try_read(&mut self, path: impl AsRef<[u8]>) -> bool {
        self.one(path.as_ref(), Ask::Read(FILE_BYTES), Absence::Usual)
    }

    /// Reads at most `limit` bytes from the beginning of a file.
    pub(crate) fn read_up_to(&mut self, path: impl AsRef<[u8]>, limit: usize) -> bool {
        self.one(path.as_ref(), Ask::Read(limit), Absence::Recorded)
    }

    /// Reads the last `limit` bytes of a file that not every node has.
    pub(crate) fn try_tail(&mut self, path: impl AsRef<[u8]>, limit: usize) -> bool {
        self.one(path.as_ref(), Ask::Tail(limit), Absence::Usual)
    }

    /// Reads the target of a symbolic link; says whether there is one.
    pub(crate) fn read_link(&mut self, path: impl AsRef<[u8]>) -> bool {
        self.one(path.as_ref(), Ask::Link, Absence::Recorded)
    }

    /// Reads the target of a link that is not everywhere: a kernel thread has no program.
    pub(crate) fn try_link(&mut self, path: impl AsRef<[u8]>) -> bool {
        self.one(path.as_ref(), Ask::Link, Absence::Usual)
    }

    /// Stores the names in a folder, links with their targets, at most `limit` of them.
    pub(crate) fn read_listing(&mut self, path: impl AsRef<[u8]>, limit: usize) -> bool {
        self.one(path.as_ref(), Ask::Listing(limit), Absence::Recorded)
    }

    /// Stores the names in a folder that not every node has.
    pub(crate) fn try_listing(&mut self, path: impl AsRef<[u8]>, limit: usize) -> bool {
        self.one(path.as_ref(), Ask::Listing(limit), Absence::Usual)
    }

    /// Reads several files of a folder at once, which costs less than one by one; those that do
    /// not exist are not worth a record. `seen` gets the bytes of each that was read.
    pub(crate) fn try_each(
        &mut self,
        folder: &str,
        items: &[(impl AsRef<str>, Ask)],
        seen: &mut dyn FnMut(&str, &[u8]),
    ) {
        if self.refuse(items.len() as u64) {
            return;
        }
        let asked = items
            .iter()
            .map(|(name, ask)| self.item(name.as_ref(), *ask));
        let asked: Vec<Item> = asked.collect();
        self.exchange(folder.as_bytes(), &asked, &mut |cx, place, answer| {
            let Some((name, ask)) = items.get(place) else {
                return;
            };
            let name = name.as_ref();
            let path = absolute(folder.as_bytes(), name.as_bytes());
            if cx.take(&path, *ask, Absence::Usual, &answer) {
                seen(name, &cx.buffer);
            }
        });
    }

    /// Files of a folder, as [`Cx::try_each`].
    pub(crate) fn try_files(&mut self, folder: &str, names: &[&str]) {
        let items: Vec<_> = names.iter().map(|name| (*name, FILE)).collect();
        self.try_each(folder, &items, &mut |_, _| {});
    }

    /// Reads a file without storing it: to decide what to read next.
    pub(crate) fn peek(&mut self, path: impl AsRef<[u8]>) -> bool {
        let mut found = false;
        self.peek_each("", &[path.as_ref().to_vec()], FILE, &mut |_, _| {
            found = true;
        });
        if !found {
            self.buffer.clear();
        }
        found
    }

    /// Looks at several files or links of a folder without storing them.
    pub(crate) fn peek_each(
        &mut self,
        folder: &str,
        names: &[Vec<u8>],
        ask: Ask,
        seen: &mut dyn FnMut(&[u8], &[u8]),
    ) {
        if self.refuse(names.len() as u64) {
            return;
        }
        let items: Vec<Item> = names.iter().map(|name| (name.clone(), ask)).collect();
        self.exchange(folder.as_bytes(), &items, &mut |cx, place, answer| {
            let Some(name) = names.get(place) else { return };
            match &answer.result {
                Ok(body) => {
                    cx.tally.reads += 1;
                    if let (Ask::Names(_), Body::Cut(_)) = (ask, body) {
                        cx.leave_out("folders with more names than are looked at", 1);
                    }
                    seen(name, &cx.buffer);
                }
                // What hangs is told, although nothing of it would have been stored.
                Err(outcome @ (Outcome::TimedOut(_) | Outcome::Skipped(_))) => {
                    let member = cx.member(&absolute(folder.as_bytes(), name));
                    let record = answer.record(member, cx.current.id, outcome.clone());
                    cx.store(record);
                }
                Err(_) => cx.tally.reads += 1,
            }
        });
    }

    /// Whether a path exists.
    pub(crate) fn exists(&mut self, path: &str) -> bool {
        let mut found = false;
        let path = [path.as_bytes().to_vec()];
        self.peek_each("", &path, Ask::Exists, &mut |_, _| found = true);
        found
    }

    /// Names in a folder, sorted; nothing where it cannot be read. Not stored.
    pub(crate) fn list(&mut self, path: impl AsRef<[u8]>) -> Vec<Name> {
        let mut found = Vec::new();
        let path = [path.as_ref().to_vec()];
        self.list_each(&path, &mut |_, names| found = names);
        found
    }

    /// Names in several folders, as [`Cx::list`].
    pub(crate) fn list_each(&mut self, paths: &[Vec<u8>], seen: &mut dyn FnMut(&[u8], Vec<Name>)) {
        self.peek_each("", paths, Ask::Names(NAMES), &mut |path, bytes| {
            let names = bytes.split(|b| *b == 0).filter_map(Name::decode);
            seen(path, names.collect());
        });
    }

    /// What the file system at a path says of itself, and how long it took.
    pub(crate) fn statvfs(&mut self, path: &[u8]) -> (Result<FileSystemSize, Outcome>, u64) {
        let left_out = Outcome::Skipped("the capture ended".to_owned());
        let mut result = (Err(left_out), 0);
        let items = [(path.to_vec(), Ask::Statvfs)];
        self.exchange(b"", &items, &mut |cx, _, answer| {
            cx.tally.reads += 1;
            let size = answer.result.and_then(|_| {
                serde_json::from_slice(&cx.buffer)
                    .map_err(|error| Outcome::Failed(error.to_string()))
            });
            result = (size, answer.took_us);
        });
        result
    }

    /// Has a call of this source done by a worker and stores its answer.
    pub(crate) fn call(&mut self, call: usize, argument: &[u8], member: &str) -> bool {
        if self.refuse(1) {
            return false;
        }
        let items = [(argument.to_vec(), self.ask_call(call))];
        let mut done = false;
        self.exchange(b"", &items, &mut |cx, _, mut answer| {
            let (outcome, cut) = match std::mem::replace(&mut answer.result, Ok(Body::Whole)) {
                Ok(Body::Told(outcome, cut)) => (outcome, cut),
                Ok(_) => (Outcome::Complete, None),
                Err(outcome) => (outcome, None),
            };
            let mut record = answer.record(member.to_owned(), cx.current.id, outcome);
            record.kind = Kind::Answer;
            record.cut = cut;
            done = cx.store(record);
        });
        done
    }

    /// Has a call of this source done by a worker, which answers what the source takes apart and
    /// stores itself, by [`Cx::part`].
    pub(crate) fn consult(&mut self, call: usize, argument: &[u8]) -> Result<Vec<u8>, Outcome> {
        let left_out = Err(Outcome::Skipped("no time or room was left".to_owned()));
        if self.refuse(1) {
            return left_out;
        }
        let items = [(argument.to_vec(), self.ask_call(call))];
        let mut told = left_out;
        self.exchange(b"", &items, &mut |cx, _, answer| {
            told = match answer.result {
                Ok(Body::Told(outcome, _)) if outcome != Outcome::Complete => Err(outcome),
                Ok(_) => Ok(std::mem::take(&mut cx.buffer)),
                Err(outcome) => Err(outcome),
            };
        });
        told
    }

    /// Stores a part of what a worker answered, or what became of it where there are no bytes.
    pub(crate) fn part(&mut self, part: Part) {
        if self.is_over() {
            self.leave_out("the capture ended", 1);
            return;
        }
        let answer = Answer {
            started_us: part.started_us,
            took_us: part.took_us,
            result: Ok(Body::Whole),
        };
        let mut record = answer.record(part.member, self.current.id, part.outcome);
        record.kind = Kind::Answer;
        record.cut = part.cut;
        self.buffer = part.bytes;
        let usual = std::mem::replace(&mut self.current.privacy, part.privacy);
        self.store(record);
        self.current.privacy = usual;
    }

    fn ask_call(&self, call: usize) -> Ask {
        let source = plan::all().iter().position(|s| s.id == self.current.id);
        Ask::Call {
            source: source.unwrap_or(usize::MAX),
            call,
            // It ends before its source does, so that one that hangs is told from one that is cut.
            time_us: (self.time_left() * 4 / 5).as_micros() as u64,
            bytes: self.bytes_at_once(),
        }
    }

    /// Stores bytes that the capture itself made under a name of their own.
    pub(crate) fn answer(&mut self, member: &str, bytes: &[u8], outcome: Outcome, took: Duration) {
        self.answer_whole(member, bytes.to_vec(), outcome, took);
    }

    /// As [`Cx::answer`], for what is too large to be copied.
    pub(crate) fn answer_whole(
        &mut self,
        member: &str,
        bytes: Vec<u8>,
        outcome: Outcome,
        took: Duration,
    ) {
        // What was gathered until the source's deadline is kept.
        if self.is_over() {
            self.leave_out("the capture ended", 1);
            return;
        }
        self.buffer = bytes;
        let took_us = took.as_micros() as u64;
        let answer = Answer {
            started_us: clock::boottime_us().saturating_sub(took_us),
            took_us,
            result: Ok(Body::Whole),
        };
        let mut record = answer.record(member.to_owned(), self.current.id, outcome);
        record.kind = Kind::Answer;
        self.store(record);
    }

    fn item(&self, name: &str, ask: Ask) -> Item {
        (name.as_bytes().to_vec(), self.within_budget(ask))
    }

    /// What one read may bring: the rest of the source's bytes, and what fits into memory, where
    /// an answer is held several times: read, sent, received, without its secrets, compressed.
    pub(super) fn bytes_at_once(&self) -> usize {
        let fitting = self.limits.max_memory_bytes / COPIES;
        usize::try_from(self.current.bytes_left.min(fitting)).unwrap_or(usize::MAX)
    }

    /// A read is cut where the source's bytes end.
    fn within_budget(&self, ask: Ask) -> Ask {
        let left = self.bytes_at_once();
        match ask {
            Ask::Read(limit) => Ask::Read(limit.min(left)),
            Ask::Tail(limit) => Ask::Tail(limit.min(left)),
            other => other,
        }
    }

    fn one(&mut self, path: &[u8], ask: Ask, absence: Absence) -> bool {
        if self.refuse(1) {
            return false;
        }
        let items = [(path.to_vec(), self.within_budget(ask))];
        let mut done = false;
        self.exchange(b"", &items, &mut |cx, _, answer| {
            done = cx.take(path, ask, absence, &answer);
        });
        if !done {
            self.buffer.clear();
        }
        done
    }

    /// Stores what came of a read; whether there are bytes.
    fn take(&mut self, path: &[u8], ask: Ask, absence: Absence, answer: &Answer) -> bool {
        let (outcome, cut) = match &answer.result {
            Ok(Body::Cut(of_bytes)) => cut(ask, *of_bytes, self.buffer.len()),
            Ok(_) => (Outcome::Complete, None),
            Err(outcome) => (outcome.clone(), None),
        };
        if absence == Absence::Usual && matches!(outcome, Outcome::Absent(_)) {
            self.tally.reads += 1;
            return false;
        }
        let mut record = answer.record(self.member(path), self.current.id, outcome);
        record.cut = cut;
        record.kind = match ask {
            Ask::Link => Kind::Link,
            Ask::Listing(_) => Kind::Listing,
            _ => Kind::File,
        };
        self.store(record)
    }
}

/// The usual ask: a whole file.
pub(crate) const FILE: Ask = Ask::Read(FILE_BYTES);

/// What it means that an answer is shorter than what it is from.
fn cut(ask: Ask, of_bytes: Option<u64>, length: usize) -> (Outcome, Option<Cut>) {
    let cut = |kept| Some(Cut { kept, of_bytes });
    match ask {
        // The end of a log is what was asked for: it is whole, and the index says that it is cut.
        Ask::Tail(_) => (Outcome::Complete, cut(Kept::Tail)),
        Ask::Listing(limit) => {
            let why = format!("more than {limit} names");
            (Outcome::Partial(why), cut(Kept::Head))
        }
        _ => {
            let why = format!("longer than {length} bytes");
            (Outcome::Partial(why), cut(Kept::Head))
        }
    }
}
