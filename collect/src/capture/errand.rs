//! Errands: what workers of their own do for a source while the capture reads on.
//!
//! Services answer after seconds, and a CPU profile lasts as long as the window. So their questions
//! are asked beside everything else, a few at once, each with its own time. The answers are stored
//! when they have come; what has not come when all else is done is waited for, within the deadline
//! of the source.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use freezeframe_bundle::{Cut, Outcome};

use super::context::Current;
use super::exchange::{Answer, CALL};
use super::{Cx, Run};
use crate::plan;
use crate::source::Privacy;
use crate::worker::{Aside, Ask, Body, Hung, Lost, Request};

/// Errands of a source at once: what a busy service bears.
const AT_ONCE: usize = 4;
/// Errands of all sources at once.
const ALL_AT_ONCE: usize = 10;
/// Those that last as long as the window, besides: each waits and does nothing.
const LONG_AT_ONCE: usize = 8;
/// Between two looks at them.
const LOOK: Duration = Duration::from_millis(5);
/// How long a worker may take to come where none is at work.
const FORK_PATIENCE: Duration = Duration::from_secs(2);

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

    /// Looks after the errands: takes answers that have come, begins the next ones.
    pub(super) fn step(&mut self) {
        let errands = &mut self.errands;
        let was_just_here = errands.stepped.is_some_and(|at| at.elapsed() < LOOK);
        if !errands.is_any_left() || was_just_here || errands.is_stepping {
            return;
        }
        // An answer may lead to reads, which come by here.
        errands.is_stepping = true;
        for _ in 0..self.errands.running.len() {
            let running = self.errands.running.remove(0);
            self.look_at(running);
        }
        while self.begin_next() {}
        self.errands.is_stepping = false;
        self.errands.stepped = Some(Instant::now());
    }

    /// Waits for what has not come.
    pub(super) fn finish_errands(&mut self) {
        while self.errands.is_any_left() && !self.is_over() {
            self.step();
            let result = self.writer.end_due_batch();
            self.check(result);
            std::thread::sleep(LOOK);
        }
        for running in std::mem::take(&mut self.errands.running) {
            running.aside.end();
            self.within(running.source, |cx| {
                cx.leave_out("the capture ended", 1);
            });
            self.pool.take_back(&running.aside);
        }
        for (source, _) in std::mem::take(&mut self.errands.waiting) {
            self.within(source, |cx| cx.leave_out("the capture ended", 1));
        }
        for aside in std::mem::take(&mut self.errands.idle) {
            self.pool.take_back(&aside);
        }
    }

    /// Closes the account of a source, if it has one.
    pub(super) fn settle(&mut self, run: &mut Run) -> bool {
        let accounts = &mut self.errands.accounts;
        let place = accounts.iter().position(|a| a.current.id == run.source.id);
        let Some(account) = place.map(|place| accounts.swap_remove(place)) else {
            return false;
        };
        self.current = account.current;
        for (member, lines) in account.lines {
            // Whatever ended the capture, that the questions were asked is to be known.
            if self.failure.is_none() && self.room() > lines.len() as u64 {
                self.buffer = lines;
                let answer = Answer::lost(Duration::ZERO, Outcome::Complete);
                let mut record = answer.record(member, self.current.id, Outcome::Complete);
                record.kind = freezeframe_bundle::Kind::Answer;
                self.store(record);
            }
        }
        self.leave(run);
        run.took = run
            .took
            .max(account.last.saturating_duration_since(account.began));
        true
    }

    /// Takes the answer if it has come, or gives it up if it should have.
    fn look_at(&mut self, mut running: Running) {
        let lost = if running.aside.is_ready() {
            let (stop, ends) = (self.stop, self.began + self.limits.deadline);
            let is_over = || stop.signal().is_some() || Instant::now() >= ends;
            match running.aside.receive(&mut self.buffer, &is_over) {
                Ok(reply) => {
                    self.errands.idle.push(running.aside);
                    self.deliver(running.source, &running.errand, Answer::of(reply));
                    return;
                }
                Err(lost) => lost,
            }
        } else {
            match running.aside.look(running.since, running.time + CALL) {
                Ok(()) => {
                    self.errands.running.push(running);
                    return;
                }
                Err(lost) => lost,
            }
        };
        self.pool.take_back(&running.aside);
        self.buffer.clear();
        let answer = self.explain_errand(running.source, &running.errand, lost);
        self.deliver(running.source, &running.errand, answer);
    }

    /// What a lost worker means for its errand.
    fn explain_errand(&mut self, source: &'static str, errand: &Errand, lost: Lost) -> Answer {
        match lost {
            Lost::Hung(hung) => {
                let Hung { after_us, .. } = hung;
                self.within(source, |cx| {
                    cx.keep_hung(errand.label.as_bytes(), &hung, None);
                });
                self.buffer.clear();
                let after = Duration::from_micros(after_us);
                Answer::lost(after, Outcome::TimedOut(after_us))
            }
            Lost::Died | Lost::Stopped => {
                let why = "the process that asked died".to_owned();
                Answer::lost(Duration::ZERO, Outcome::Failed(why))
            }
        }
    }

    /// Begins the next errand; whether it is worth trying again.
    fn begin_next(&mut self) -> bool {
        if self.is_over() {
            return false;
        }
        let Some((source, errand)) = self.errands.next() else {
            return false;
        };
        let mut refused = None;
        let mut time = Duration::ZERO;
        let mut bytes = 0;
        self.within(source, |cx| {
            refused = cx.why_not();
            // It ends before its source and the capture do, so that it can be told that it was late.
            time = errand.time.min(cx.time_left() * 4 / 5);
            bytes = cx.bytes_at_once();
            if let Some(why) = refused {
                cx.leave_out(why, 1);
            }
        });
        if refused.is_some() {
            return true;
        }
        let ask = Ask::Call {
            source: place_of(source),
            call: errand.call,
            time_us: time.as_micros() as u64,
            bytes,
        };
        if !self.pool.is_protected() {
            self.run_here(source, &errand, ask);
            return true;
        }
        let Some(mut aside) = self.errands.idle.pop().or_else(|| self.pool.lend()) else {
            return self.wait_for_worker(source, errand);
        };
        self.errands.without_worker = None;
        let request = Request {
            folder: Vec::new(),
            items: vec![(errand.argument.clone(), ask)],
            one_by_one: true,
        };
        if let Err(lost) = aside.send(&request) {
            self.pool.take_back(&aside);
            self.buffer.clear();
            let answer = self.explain_errand(source, &errand, lost);
            self.deliver(source, &errand, answer);
            return true;
        }
        self.errands.running.push(Running {
            source,
            errand,
            aside,
            since: Instant::now(),
            time,
        });
        true
    }

    /// No worker has come yet: the errand waits, unless none comes at all.
    fn wait_for_worker(&mut self, source: &'static str, errand: Errand) -> bool {
        let since = *self.errands.without_worker.get_or_insert_with(Instant::now);
        if since.elapsed() < FORK_PATIENCE || !self.errands.running.is_empty() {
            self.errands.waiting.push_front((source, errand));
            return false;
        }
        self.buffer.clear();
        let why = "no process could be forked".to_owned();
        let answer = Answer::lost(since.elapsed(), Outcome::Failed(why));
        self.deliver(source, &errand, answer);
        true
    }

    /// Where nothing can be forked, errands are done one after the other.
    fn run_here(&mut self, source: &'static str, errand: &Errand, ask: Ask) {
        let items = [(errand.argument.clone(), ask)];
        self.exchange(b"", &items, &mut |cx, _, answer| {
            cx.deliver(source, errand, answer);
        });
    }

    fn deliver(&mut self, source: &'static str, errand: &Errand, answer: Answer) {
        let (outcome, cut) = match answer.result {
            Ok(Body::Told(outcome, cut)) => (outcome, cut),
            Ok(_) => (Outcome::Complete, None),
            Err(outcome) => (outcome, None),
        };
        let brought = Brought {
            outcome,
            cut,
            started_us: answer.started_us,
            took_us: answer.took_us,
        };
        self.within(source, |cx| (errand.then)(cx, errand, brought));
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

/// Place of a source among all.
fn place_of(id: &str) -> usize {
    let place = plan::all().iter().position(|source| source.id == id);
    place.unwrap_or(usize::MAX)
}
