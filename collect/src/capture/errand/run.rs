//! Runs errands: gives them to workers, takes answers, and gives up what does not come.

use std::time::{Duration, Instant};

use freezeframe_bundle::{Kind, Outcome};

use super::{Brought, Errand, Running};
use crate::capture::exchange::{Answer, CALL};
use crate::capture::{Cx, Run};
use crate::plan;
use crate::worker::{Ask, Body, Hung, Lost, Request};

/// Between two looks at them.
const LOOK: Duration = Duration::from_millis(5);
/// How long a worker may take to come where none is at work.
const FORK_PATIENCE: Duration = Duration::from_secs(2);

impl Cx<'_> {
    /// Looks after the errands: takes answers that have come, begins the next ones.
    pub(in crate::capture) fn step(&mut self) {
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
    pub(in crate::capture) fn finish_errands(&mut self) {
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
    pub(in crate::capture) fn settle(&mut self, run: &mut Run) -> bool {
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
                record.kind = Kind::Answer;
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
            return self.go_without_worker(source, errand, ask);
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

    /// No worker of its own has come yet: the errand waits, unless none comes at all.
    fn go_without_worker(&mut self, source: &'static str, errand: Errand, ask: Ask) -> bool {
        let since = *self.errands.without_worker.get_or_insert_with(Instant::now);
        let may_come = since.elapsed() < FORK_PATIENCE || !self.errands.running.is_empty();
        if may_come {
            self.errands.waiting.push_front((source, errand));
        } else {
            self.run_here(source, &errand, ask);
        }
        !may_come
    }

    /// Where nothing more can be forked, errands are done one after the other by whoever reads. One
    /// that lasts as long as the window would keep that from reading.
    fn run_here(&mut self, source: &'static str, errand: &Errand, ask: Ask) {
        let mut answer = None;
        if errand.is_long {
            self.buffer.clear();
            let why = "no process of its own could be forked for it".to_owned();
            answer = Some(Answer::lost(Duration::ZERO, Outcome::Skipped(why)));
        } else {
            let items = [(errand.argument.clone(), ask)];
            self.within(source, |cx| {
                cx.exchange(b"", &items, &mut |_, _, came| answer = Some(came));
            });
        }
        if let Some(answer) = answer {
            self.deliver(source, errand, answer);
        }
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
}

/// Place of a source among all.
fn place_of(id: &str) -> usize {
    let place = plan::all().iter().position(|source| source.id == id);
    place.unwrap_or(usize::MAX)
}
