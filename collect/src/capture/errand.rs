//! Errands: what workers of their own do for a source while the capture reads on.
//!
//! Services answer after seconds, and a CPU profile lasts as long as the window. So their questions
//! are asked beside everything else, a few at once, each with its own time. The answers are stored
//! when they have come; what has not come when all else is done is waited for, within the deadline
//! of the source. `run.rs` runs them.

mod run;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use freezeframe_bundle::{Cut, Outcome};

use super::Cx;
use super::context::Current;
use super::exchange::Answer;
use crate::source::Privacy;
use crate::worker::{Aside, Body};

/// Errands of a source at once: what a busy service bears.
const AT_ONCE: usize = 4;
/// Errands of all sources at once.
const ALL_AT_ONCE: usize = 10;
/// Those that last as long as the window, besides: each waits and does nothing.
const LONG_AT_ONCE: usize = 8;

/// Something to be done by a worker of its own.
pub(crate) struct Errand {
    /// Which of the source's calls.
    pub(crate) call: usize,
    /// Its argument.
    pub(crate) argument: Vec<u8>,
    /// What it is about, for people.
    pub(crate) label: String,
    /// How long it may take.
    pub(crate) time: Duration,
    /// Whether it lasts as long as the window. Such errands do not keep others waiting.
    pub(crate) is_long: bool,
    /// What happens with its answer, whose bytes are in [`Cx::bytes`].
    pub(crate) then: fn(&mut Cx<'_>, &Errand, Brought),
}

/// What came of an errand.
pub(crate) struct Brought {
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// How its bytes were shortened.
    pub(crate) cut: Option<Cut>,
    /// When its worker began, microseconds since boot.
    pub(crate) started_us: u64,
    /// How long it took.
    pub(crate) took_us: u64,
}

/// All errands of a capture.
#[derive(Default)]
pub(super) struct Errands {
    waiting: VecDeque<(&'static str, Errand)>,
    running: Vec<Running>,
    idle: Vec<Aside>,
    accounts: Vec<Account>,
    is_stepping: bool,
    stepped: Option<Instant>,
    /// Since when no worker has come.
    without_worker: Option<Instant>,
}

struct Running {
    source: &'static str,
    errand: Errand,
    aside: Aside,
    since: Instant,
    time: Duration,
}

/// What the errands of one source have come to.
struct Account {
    current: Current,
    began: Instant,
    last: Instant,
    /// Lines that were gathered, by member.
    lines: BTreeMap<String, Vec<u8>>,
    /// Answers that did not come, by who was asked; nothing once there was one.
    unanswered: BTreeMap<String, Option<u32>>,
}

impl Errands {
    fn is_any_left(&self) -> bool {
        !(self.waiting.is_empty() && self.running.is_empty())
    }

    fn account(&mut self, source: &str) -> Option<&mut Account> {
        self.accounts
            .iter_mut()
            .find(|account| account.current.id == source)
    }

    /// The next errand that there is a place for.
    fn next(&mut self) -> Option<(&'static str, Errand)> {
        let long = self.running.iter().filter(|r| r.errand.is_long).count();
        let short = self.running.len() - long;
        let of_source = |source: &str| {
            let own = self.running.iter().filter(|r| r.source == source);
            own.filter(|r| !r.errand.is_long).count()
        };
        let place = self.waiting.iter().position(|(source, errand)| {
            if errand.is_long {
                long < LONG_AT_ONCE
            } else {
                short < ALL_AT_ONCE && of_source(source) < AT_ONCE
            }
        })?;
        self.waiting.remove(place)
    }
}

impl Cx<'_> {
    /// Has an errand done for this source, after those that it sent before.
    pub(crate) fn send(&mut self, errand: Errand) {
        let source = self.current.id;
        if self.errands.account(source).is_none() {
            self.errands.accounts.push(Account {
                current: self.current.beside(),
                began: Instant::now(),
                last: Instant::now(),
                lines: BTreeMap::new(),
                unanswered: BTreeMap::new(),
            });
        }
        self.errands.waiting.push_back((source, errand));
    }

    /// Gives up the errands of this source that have not begun and whose label begins so.
    pub(crate) fn give_up_errands(&mut self, labels: &str, why: &'static str) {
        let before = self.errands.waiting.len();
        let source = self.current.id;
        self.errands
            .waiting
            .retain(|(of, errand)| *of != source || !errand.label.starts_with(labels));
        let count = before - self.errands.waiting.len();
        if count > 0 {
            self.leave_out(why, count as u64);
        }
    }

    /// Counts an answer of somebody whom this source asks, or that none came; how many did not come,
    /// 0 once there was one.
    pub(crate) fn count_answer(&mut self, of: &str, is_there: bool) -> u32 {
        let source = self.current.id;
        let Some(account) = self.errands.account(source) else {
            return 0;
        };
        let unanswered = account.unanswered.entry(of.to_owned()).or_insert(Some(0));
        *unanswered = unanswered.filter(|_| !is_there).map(|count| count + 1);
        unanswered.unwrap_or(0)
    }

    /// Adds a line to a member of this source that is written when its errands are done.
    pub(crate) fn add_line(&mut self, member: &str, line: &[u8]) {
        let source = self.current.id;
        if let Some(account) = self.errands.account(source) {
            let lines = account.lines.entry(member.to_owned()).or_default();
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
    }

    /// Stores the bytes that an errand brought, or that it brought none.
    pub(crate) fn store_brought(
        &mut self,
        member: &str,
        bytes: Vec<u8>,
        brought: Brought,
        privacy: Privacy,
    ) -> bool {
        if self.is_over() {
            self.leave_out("the capture ended", 1);
            return false;
        }
        self.buffer = bytes;
        let usual = std::mem::replace(&mut self.current.privacy, privacy);
        let answer = Answer {
            started_us: brought.started_us,
            took_us: brought.took_us,
            result: Ok(Body::Whole),
        };
        let mut record = answer.record(member.to_owned(), self.current.id, brought.outcome);
        record.kind = freezeframe_bundle::Kind::Answer;
        record.cut = brought.cut;
        let stored = self.store(record);
        self.current.privacy = usual;
        stored
    }

    /// Time left of the window.
    pub(crate) fn window_left(&self) -> Duration {
        self.limits.window.saturating_sub(self.began.elapsed())
    }

    /// Whether a source has errands: what it gives comes later.
    pub(super) fn has_errands(&mut self, source: &str) -> bool {
        self.errands.account(source).is_some()
    }

    /// Does something on the account of a source.
    fn within(&mut self, source: &'static str, act: impl FnOnce(&mut Self)) {
        let none = Current::none(Instant::now());
        let Some(account) = self.errands.account(source) else {
            return;
        };
        let own = std::mem::replace(&mut account.current, Current { id: source, ..none });
        let before = std::mem::replace(&mut self.current, own);
        let reading = std::mem::replace(&mut self.reading, 0);
        act(self);
        self.reading = reading;
        let own = std::mem::replace(&mut self.current, before);
        if let Some(account) = self.errands.account(source) {
            account.current = own;
            account.last = Instant::now();
        }
    }
}
