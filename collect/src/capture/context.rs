//! What a source may do: read, and nothing else. Every read is timed, bounded and recorded here.
//!
//! The reads themselves happen in workers (`exchange.rs`), the API for sources is in `read.rs`, and
//! `store.rs` writes what came of them.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use freezeframe_bundle::{Outcome, Writer};

use super::errand::Errands;
use super::hang::Hangs;
use super::{Bundle, Limits, Run, Staff};
use crate::cli::Services;
use crate::cost::{Tally, Usage};
use crate::encrypt::Sink;
use crate::output::Gauge;
use crate::perf::{Member, Sampler};
use crate::redact::Redactor;
use crate::source::{Hazard, Privacy, Source};
use crate::stop::Stop;
use crate::sweep::Sweep;
use crate::worker::{Ask, Pool};

/// A file is cut here unless its source asks for more: the largest regular file of `/proc` on a
/// node with 20,000 processes is below it.
pub(crate) const FILE_BYTES: usize = 4 << 20;
/// Kept for the summary and the last index when the bundle reaches its size limit.
const RESERVE_BYTES: u64 = 80 << 10;
/// What a reading at 1 Hz may take: the next one is due then.
const TICK_PATIENCE: Duration = Duration::from_secs(1);
/// What all sweeps of threads may store.
const SWEEP_BYTES: u64 = 16 << 20;
/// What looking up the names of a profile may take.
const NAMES_TIME: Duration = Duration::from_secs(4);
/// How often waiting looks for a signal.
const NAP: Duration = Duration::from_millis(50);

/// The source's view of the capture.
pub(crate) struct Cx<'a> {
    pub(super) pool: Pool,
    /// Samples the CPUs; in the end nothing more of it is there.
    pub(super) sampler: Option<Sampler>,
    /// What it has cost.
    pub(super) sampling_cost: Usage,
    pub(super) stop: &'a Stop,
    pub(super) limits: Limits,
    pub(super) began: Instant,
    pub(super) writer: Writer<Sink>,
    pub(super) gauge: Rc<Gauge>,
    pub(super) redactor: Redactor,
    pub(super) failure: Option<io::Error>,
    /// Bytes of the last read.
    pub(super) buffer: Vec<u8>,
    pub(super) tally: Tally,
    /// 0, or the number of the reading at the end of the window.
    pub(super) reading: u32,
    pub(super) current: Current,
    pub(super) hangs: Hangs,
    pub(super) errands: Errands,
    services: Services,
    ticks: Ticks,
}

/// The source that is being read.
pub(super) struct Current {
    pub(super) id: &'static str,
    pub(super) hazard: Hazard,
    pub(super) privacy: Privacy,
    pub(super) ends: Instant,
    pub(super) bytes_left: u64,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) reads: BTreeMap<&'static str, u64>,
    pub(super) left_out: BTreeMap<&'static str, u64>,
    pub(super) example: Option<String>,
    /// Workers that this source has left stuck.
    pub(super) abandoned: u32,
}

impl Current {
    /// Between sources: whatever is read then has until `ends`.
    pub(super) fn none(ends: Instant) -> Self {
        Self {
            id: "",
            hazard: Hazard::Safe,
            privacy: Privacy::Names,
            ends,
            bytes_left: u64::MAX,
            entries: 0,
            bytes: 0,
            reads: BTreeMap::new(),
            left_out: BTreeMap::new(),
            example: None,
            abandoned: 0,
        }
    }
}

impl Current {
    /// Takes over what was read at another time.
    fn add(&mut self, other: Self) {
        self.bytes_left = self.bytes_left.saturating_sub(other.bytes);
        self.entries += other.entries;
        self.bytes += other.bytes;
        for (name, count) in other.reads {
            *self.reads.entry(name).or_default() += count;
        }
        for (why, count) in other.left_out {
            *self.left_out.entry(why).or_default() += count;
        }
        self.example = self.example.take().or(other.example);
    }

    /// An account of its own for what is done for this source later.
    pub(super) fn beside(&self) -> Self {
        Self {
            id: self.id,
            hazard: self.hazard,
            privacy: self.privacy,
            bytes_left: self.bytes_left,
            ..Self::none(self.ends)
        }
    }
}

/// Readings at 1 Hz between the first and the last.
struct Ticks {
    paths: Vec<(&'static str, &'static str)>,
    /// Looks at threads, and what came of its reads.
    sweep: Option<(Sweep, Current)>,
    next: u32,
    next_at: Instant,
    last: u32,
}

impl<'a> Cx<'a> {
    pub(super) fn new(
        staff: Staff,
        limits: Limits,
        stop: &'a Stop,
        bundle: Bundle,
        began: Instant,
    ) -> Self {
        Self {
            pool: staff.pool,
            sampler: staff.sampler,
            sampling_cost: Usage::default(),
            stop,
            limits,
            began,
            writer: bundle.writer,
            gauge: bundle.gauge,
            redactor: bundle.redactor,
            failure: None,
            buffer: Vec::new(),
            tally: Tally::default(),
            reading: 0,
            current: Current::none(began),
            hangs: Hangs::default(),
            errands: Errands::default(),
            services: staff.services,
            ticks: Ticks {
                paths: Vec::new(),
                sweep: None,
                next: 1,
                next_at: began,
                last: 0,
            },
        }
    }

    /// How services are to be reached.
    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    /// 0 in the first reading, the seconds of the window in the last.
    pub(crate) fn reading(&self) -> u32 {
        self.reading
    }

    /// The bytes of the last successful read.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Begins to sample the CPUs.
    pub(crate) fn start_sampling(&mut self) -> Result<(), Outcome> {
        let Limits {
            window,
            frequency,
            call_graph,
            ..
        } = self.limits;
        if window.is_zero() {
            return Err(Outcome::Skipped("no window: --window 0".to_owned()));
        }
        let Some(sampler) = &mut self.sampler else {
            return Err(Outcome::Failed("no process could be forked".to_owned()));
        };
        let started = sampler.start(self.pool.root_path(), window, frequency, call_graph);
        if started.is_err() {
            self.end_sampling();
        }
        started
    }

    /// Whether this source is at work while others are read: what it gives comes later.
    pub(super) fn is_sampling(&self, id: &str) -> bool {
        id == crate::perf::SOURCE_ID && self.sampler.is_some()
    }

    /// Ends the sampling when the window does; names are then looked up while others read.
    pub(super) fn stop_sampling(&mut self) {
        if let Some(sampler) = &mut self.sampler {
            sampler.stop(NAMES_TIME);
        }
    }

    /// The next member of the profile.
    pub(crate) fn next_of_profile(&mut self) -> Result<Option<Member>, Outcome> {
        let ends = self.current.ends;
        let Some(mut sampler) = self.sampler.take() else {
            return Ok(None);
        };
        let next = sampler.next(ends, &|| self.is_over());
        self.sampler = Some(sampler);
        if !matches!(next, Ok(Some(_))) {
            self.end_sampling();
        }
        next
    }

    /// Lets the sampler go, whatever it is doing.
    pub(super) fn end_sampling(&mut self) {
        if let Some(sampler) = self.sampler.take() {
            self.sampling_cost = sampler.usage();
        }
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
        self.why_not().is_some()
    }

    /// Time until this source or the whole capture has to end.
    pub(crate) fn time_left(&self) -> Duration {
        let capture = self.limits.deadline.saturating_sub(self.began.elapsed());
        capture.min(self.current.ends.saturating_duration_since(Instant::now()))
    }

    /// How large the bundle may become, and what limits it.
    fn limit(&self) -> (u64, &'static str) {
        match self.gauge.limit_bytes() {
            Some(bytes) if bytes < self.limits.max_bytes => (bytes, "a full disk"),
            _ => (self.limits.max_bytes, "max_bytes"),
        }
    }

    /// Bytes that still fit into the bundle, as if nothing could be compressed.
    pub(super) fn room(&self) -> u64 {
        let used = self.gauge.written_bytes() + self.writer.pending_bytes() + RESERVE_BYTES;
        self.limit().0.saturating_sub(used)
    }

    /// What ended the capture, if something did.
    pub(super) fn ended_by(&self) -> Option<&'static str> {
        if self.failure.is_some() {
            Some("output")
        } else if let Some(signal) = self.stop.signal() {
            Some(signal)
        } else if self.began.elapsed() >= self.limits.deadline {
            Some("deadline")
        } else if self.room() == 0 {
            Some(self.limit().1)
        } else {
            self.hangs.end_the_capture()
        }
    }

    /// Why the next read of this source has to be left out, if it has.
    pub(super) fn why_not(&self) -> Option<&'static str> {
        if self.is_over() {
            Some("the capture ended")
        } else if self.current.bytes_left == 0 {
            Some("the byte limit of this source")
        } else if Instant::now() >= self.current.ends {
            Some("the deadline of this source")
        } else {
            self.hangs
                .give_up(self.current.hazard, self.current.abandoned)
        }
    }

    /// Whether the next read of this source has to be left out; counts it then.
    pub(super) fn refuse(&mut self, count: u64) -> bool {
        self.tick();
        self.step();
        let Some(why) = self.why_not() else {
            return false;
        };
        self.leave_out(why, count);
        self.buffer.clear();
        true
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
            self.step();
            let result = self.writer.end_due_batch();
            self.check(result);
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
        self.current.hazard = run.source.hazard;
        self.current.privacy = run.source.privacy;
        self.current.ends = began + run.source.deadline;
        self.current.bytes_left = run.source.max_bytes.saturating_sub(run.bytes);
        self.current.abandoned = 0;
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
        let between = Current::none(Instant::now() + TICK_PATIENCE);
        let source = std::mem::replace(&mut self.current, between);
        let items = self.ticks.paths.iter();
        let items = items.map(|(_, path)| (path.as_bytes().to_vec(), Ask::Read(FILE_BYTES)));
        let items: Vec<_> = items.collect();
        self.exchange(b"", &items, &mut |cx, place, answer| {
            let Some((id, path)) = cx.ticks.paths.get(place).copied() else {
                return;
            };
            if answer.result.is_ok() {
                cx.current.id = id;
                let member = cx.member(path.as_bytes());
                let record = answer.record(member, id, Outcome::Complete);
                cx.write(record);
            }
        });
        if let Some((mut sweep, account)) = self.ticks.sweep.take() {
            let between = std::mem::replace(&mut self.current, account);
            self.current.ends = Instant::now() + TICK_PATIENCE;
            sweep.run(self);
            let account = std::mem::replace(&mut self.current, between);
            self.ticks.sweep = Some((sweep, account));
        }
        self.current = source;
        self.reading = before;
    }

    /// Has threads looked at in every reading at 1 Hz, for this source.
    pub(crate) fn sweep_each_second(&mut self, sweep: Sweep) {
        let account = Current {
            id: self.current.id,
            bytes_left: SWEEP_BYTES,
            ..Current::none(self.began)
        };
        self.ticks.sweep = Some((sweep, account));
    }

    /// Ends that; what it has read is this source's.
    pub(crate) fn end_sweeps(&mut self) -> Option<Sweep> {
        let (sweep, account) = self.ticks.sweep.take()?;
        self.current.add(account);
        Some(sweep)
    }
}
