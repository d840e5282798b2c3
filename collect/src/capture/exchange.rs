//! Asks a worker and survives it: an item that hangs or kills the worker costs itself alone.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use freezeframe_bundle::{Cut, EntryRecord, Kind, Outcome};

use super::Cx;
use super::hang;
use crate::source::Hazard;
use crate::worker::{Ask, Body, Hung, Lost, Reply, Request};
use crate::{clock, root};

/// How long a read may take before its worker is given up. What never waits for more than a lock
/// of the kernel ...
const SAFE: Duration = Duration::from_secs(2);
/// ... what waits for the mmap lock of a process: twice what the largest healthy ones need ...
const KILLABLE: Duration = Duration::from_millis(300);
/// ... what waits for a disk ...
const UNKILLABLE: Duration = Duration::from_secs(2);
/// ... and what adds up all CPUs under a global lock: seconds on nodes that are worth a capture.
const COSTLY: Duration = Duration::from_secs(8);
/// What a call gets on top of its own limit.
pub(super) const CALL: Duration = Duration::from_millis(500);

/// What one item of a request came to. Its bytes are in the buffer.
pub(super) struct Answer {
    pub(super) started_us: u64,
    pub(super) took_us: u64,
    pub(super) result: Result<Body, Outcome>,
}

impl Answer {
    pub(super) fn of(reply: Reply) -> Self {
        Self {
            started_us: reply.started_us,
            took_us: reply.took_us,
            result: reply.result.map_err(|error| root::outcome(&error)),
        }
    }

    pub(super) fn lost(took: Duration, outcome: Outcome) -> Self {
        let took_us = took.as_micros() as u64;
        Self {
            started_us: clock::boottime_us().saturating_sub(took_us),
            took_us,
            result: Err(outcome),
        }
    }

    /// Its line in the index.
    pub(super) fn record(
        &self,
        path: String,
        source: &'static str,
        outcome: Outcome,
    ) -> EntryRecord {
        EntryRecord {
            path,
            source: source.into(),
            outcome,
            started_us: self.started_us,
            took_us: self.took_us,
            bytes: 0,
            sha256: None,
            kind: Kind::File,
            cut: None::<Cut>,
            redactions: BTreeMap::new(),
        }
    }
}

/// A name or absolute path, and what is to be done with it.
pub(super) type Item = (Vec<u8>, Ask);

impl Cx<'_> {
    /// Has all items done, in order; `each` gets the answers, unless the capture ends meanwhile.
    pub(super) fn exchange(
        &mut self,
        folder: &[u8],
        items: &[Item],
        each: &mut dyn FnMut(&mut Self, usize, Answer),
    ) {
        // Where a lost worker stays, each answer is sent at once, so that it is known which item
        // hangs. Elsewhere a batch is much cheaper, and is asked for again one by one.
        let is_risky = self.current.hazard == Hazard::Unkillable;
        let mut one_by_one = is_risky || items.len() == 1;
        let mut place = 0;
        while let Some(rest) = items.get(place..).filter(|rest| !rest.is_empty()) {
            if let Some(why) = self.why_not() {
                self.leave_out(why, rest.len() as u64);
                return;
            }
            if let Some(answer) = self.avoid(folder, rest) {
                self.buffer.clear();
                each(self, place, answer);
                place += 1;
                continue;
            }
            // Once something hung, each path is looked at before it is asked for.
            let is_careful = is_risky || self.current.hazard == Hazard::Killable;
            let count = if is_careful && self.hangs.count > 0 {
                1
            } else {
                rest.len()
            };
            let asked = rest.get(..count).unwrap_or(rest);
            let (answered, lost) = self.ask(folder, asked, one_by_one, place, each);
            place += answered;
            match lost {
                None => {}
                Some(Lost::Stopped) => {
                    let why = self.why_not().unwrap_or("the deadline of this source");
                    self.leave_out(why, (items.len() - place) as u64);
                    return;
                }
                // Which item it was is known only when each is answered at once.
                Some(_) if !one_by_one => one_by_one = true,
                Some(lost) => {
                    if let Some(item) = items.get(place) {
                        let answer = self.explain(folder, item, lost);
                        self.buffer.clear();
                        each(self, place, answer);
                    }
                    place += 1;
                }
            }
        }
    }

    /// Sends a request and takes its answers; how many came, and what became of the next.
    fn ask(
        &mut self,
        folder: &[u8],
        items: &[Item],
        one_by_one: bool,
        first: usize,
        each: &mut dyn FnMut(&mut Self, usize, Answer),
    ) -> (usize, Option<Lost>) {
        let request = Request {
            folder: folder.to_vec(),
            items: items.to_vec(),
            one_by_one,
        };
        if let Err(lost) = self.pool.send(&request) {
            return (0, Some(lost));
        }
        for (place, (_, ask)) in items.iter().enumerate() {
            let patience = self.patience(*ask);
            let (stop, ends) = (self.stop, self.began + self.limits.deadline);
            let ends = ends.min(self.current.ends);
            let is_over = || stop.signal().is_some() || Instant::now() >= ends;
            match self.pool.receive(&mut self.buffer, patience, &is_over) {
                Ok(reply) => each(self, first + place, Answer::of(reply)),
                Err(lost) => return (place, Some(lost)),
            }
            if place + 1 < items.len() && self.why_not().is_some() {
                self.pool.interrupt();
                return (place + 1, Some(Lost::Stopped));
            }
        }
        (items.len(), None)
    }

    fn patience(&self, ask: Ask) -> Duration {
        if let Ask::Call { time_us, .. } = ask {
            return Duration::from_micros(time_us) + CALL;
        }
        match self.current.hazard {
            Hazard::Safe => SAFE,
            Hazard::Killable => KILLABLE,
            Hazard::Unkillable => UNKILLABLE,
            Hazard::Costly => COSTLY,
        }
    }

    /// The answer for the first item, if it is better not asked for.
    fn avoid(&self, folder: &[u8], items: &[Item]) -> Option<Answer> {
        let path = path_of(folder, items.first()?);
        let real = self.real(&path);
        let why = self.hangs.reason(&path, &real, self.current.hazard)?;
        Some(Answer::lost(Duration::ZERO, Outcome::Skipped(why)))
    }

    /// What a lost worker means for the item that it was at.
    fn explain(&mut self, folder: &[u8], item: &Item, lost: Lost) -> Answer {
        let hung = match lost {
            Lost::Hung(hung) => hung,
            Lost::Died | Lost::Stopped => {
                let why = if self.pool.is_protected() {
                    "the process that read it died"
                } else {
                    "it could not be read"
                };
                return Answer::lost(Duration::ZERO, Outcome::Failed(why.to_owned()));
            }
        };
        let path = path_of(folder, item);
        self.remember(&path, &hung);
        Answer::lost(
            Duration::from_micros(hung.after_us),
            Outcome::TimedOut(hung.after_us),
        )
    }

    /// Keeps what a stuck worker shows, and what is better not read after it.
    fn remember(&mut self, path: &[u8], hung: &Hung) {
        let real = self.real(path);
        // What is no path, as a service's address, lies below no mount.
        let mounts = path.starts_with(b"/").then(|| self.pool.own_mounts());
        let mount = mounts.flatten().and_then(|m| hang::mount_of(&m, &real));
        self.keep_hung(path, hung, mount);
    }

    /// Keeps what a stuck worker shows; `mount` does not answer, if that is known.
    pub(super) fn keep_hung(&mut self, path: &[u8], hung: &Hung, mount: Option<PathBuf>) {
        self.current.abandoned += u32::from(hung.abandoned);
        self.hangs.add(path, self.current.hazard, hung, mount);
        let evidence = serde_json::json!({
            "path": String::from_utf8_lossy(path),
            "source": self.current.id,
            "worker": hung,
        });
        let bytes = serde_json::to_vec(&evidence).unwrap_or_default();
        let member = format!("calls/hung/{}.json", self.hangs.count);
        let answer = Answer::lost(Duration::from_micros(hung.after_us), Outcome::Complete);
        let mut record = answer.record(member, self.current.id, Outcome::Complete);
        record.kind = Kind::Answer;
        self.buffer.clear();
        self.buffer.extend_from_slice(&bytes);
        self.write(record);
    }

    /// A path of the node as this process sees it, `--root` before it.
    fn real(&self, path: &[u8]) -> PathBuf {
        let path = Path::new(OsStr::from_bytes(path));
        let root = self.pool.root_path();
        root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// The path that an item is about; a call names those that it reads, one a line.
fn path_of(folder: &[u8], (name, ask): &Item) -> Vec<u8> {
    match ask {
        Ask::Call { .. } => name
            .split(|b| *b == b'\n')
            .next()
            .unwrap_or_default()
            .to_vec(),
        _ => absolute(folder, name),
    }
}

pub(super) fn absolute(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if name.starts_with(b"/") {
        name.to_vec()
    } else {
        [folder, b"/", name].concat()
    }
}
