//! The process that watches switches: it opens the event, drains its rings into a file in memory,
//! and closes it while the budget is spent.
//!
//! It stands apart from the sampler because the kernel lets nobody open this event before all CPUs
//! have passed a moment without readers of RCU: on a node whose CPU is stuck that never comes. What
//! is open costs every switch something even while it is disabled, so between slices it is closed.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, openat};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::assistant::READ;
use super::budget::{self, Budget, MODEST_RING_BYTES};
use super::event::{self, Feature, Refusal, Ring, is_forbidden};
use super::record::{MISC_SWITCH_OUT, kind, u32_at};
use super::sampler::online;
use super::switches::{Account, Begin, Report};
use super::{frame, helper};
use crate::clock;

/// The node's rate of switches is measured for so long, but not while processes are looked at for the
/// first time, which makes many.
const MEASURED: Duration = Duration::from_millis(200);
const SETTLED: Duration = Duration::from_millis(200);
/// Between two reports.
const REPORT: Duration = Duration::from_millis(250);
/// CPUs are looked for anew.
const LOOK: Duration = Duration::from_secs(1);
/// Longer than any window.
const NEVER: Duration = Duration::from_hours(24);
/// Longest `/proc/stat`: its line of interrupts grows with CPUs and devices.
const STAT_BYTES: u64 = 1 << 20;
/// Threads that the sampler is told of.
const TASKS: usize = 4096;

/// Where the node's files are, and where records go.
pub(crate) struct Places {
    pub(crate) proc: OwnedFd,
    pub(crate) system: Option<OwnedFd>,
    pub(crate) file: File,
    /// Records that are kept.
    pub(crate) limit_bytes: u64,
}

/// Watches from the beginning until it is told to end.
pub(crate) fn run(socket: &UnixStream, places: &Places) -> io::Result<()> {
    let begin: Begin = frame::receive(&mut &*socket)?;
    let mut watch = Watch::new(places, begin);
    while !helper::is_ready(socket.as_fd(), watch.until_due()) {
        if watch.turn() {
            frame::send(&mut &*socket, &watch.report(false))?;
        }
    }
    watch.close();
    frame::send(&mut &*socket, &watch.report(true))
}

/// What it is at.
#[derive(Clone, Copy)]
enum State {
    Settling,
    /// The rate is being measured: since when, and switches until then.
    Measuring(Instant, Option<u64>),
    /// Something has to be earned back.
    Paused,
    Watching {
        looked: Instant,
        drained: Instant,
    },
    Over,
}

struct Watch<'a> {
    places: &'a Places,
    begin: Begin,
    began: Instant,
    state: State,
    due: Instant,
    budget: Budget,
    period: u64,
    online: Vec<u32>,
    ring_bytes: usize,
    rings: Vec<Ring>,
    /// What has been counted and cost, the process's own time not included.
    counts: Counts,
    records: Vec<u8>,
    scratch: Vec<u8>,
    account: Account,
    seen: HashSet<(u32, u32)>,
    tasks: Vec<(u32, u32)>,
    reported: Instant,
}

/// Of everything that was in the rings, idle tasks included.
#[derive(Clone, Copy, Default)]
struct Counts {
    switches: u64,
    samples: u64,
    lost: u64,
}

impl<'a> Watch<'a> {
    fn new(places: &'a Places, begin: Begin) -> Self {
        let now = Instant::now();
        Self {
            state: State::Settling,
            began: now,
            due: now + SETTLED,
            budget: Budget::of(Duration::from_micros(begin.window_us)),
            period: 1,
            online: Vec::new(),
            ring_bytes: 0,
            rings: Vec::new(),
            counts: Counts::default(),
            records: Vec::new(),
            scratch: Vec::new(),
            account: Account::default(),
            seen: HashSet::new(),
            tasks: Vec::new(),
            reported: now,
            places,
            begin,
        }
    }

    fn until_due(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Does what is due; whether there is something to report.
    fn turn(&mut self) -> bool {
        let now = Instant::now();
        if now < self.due {
            return false;
        }
        match self.state {
            State::Settling => {
                self.state = State::Measuring(now, switches_since_boot(&self.places.proc));
                self.due = now + MEASURED;
            }
            State::Measuring(since, before) => self.measured(since, before),
            State::Paused => self.open(),
            State::Watching { looked, drained } => self.watched(looked, drained),
            State::Over => self.due = now + NEVER,
        }
        let has_ended = matches!(self.state, State::Over | State::Paused);
        has_ended || now.duration_since(self.reported) >= REPORT
    }

    fn measured(&mut self, since: Instant, before: Option<u64>) {
        let elapsed = since.elapsed().as_secs_f64();
        let after = switches_since_boot(&self.places.proc);
        let count = after
            .zip(before)
            .map(|(after, before)| after.saturating_sub(before));
        let rate = count.map(|count| (count as f64 / elapsed) as u64);
        self.account.switches_per_second = rate;
        self.period = budget::period(rate);
        self.open();
    }

    /// Begins a slice.
    fn open(&mut self) {
        self.online = online(self.places.system.as_ref());
        if let Err(refusal) = self.open_rings(budget::ring_bytes(self.online.len())) {
            let why = format!("the kernel does not give the event: {}", refusal.error);
            self.account.refused = Some(refusal);
            return self.end(why);
        }
        for ring in &mut self.rings {
            let _ = ring.enable();
        }
        let (now, now_us) = (Instant::now(), clock::now().monotonic_us);
        self.account.slices.push((now_us, now_us));
        self.state = State::Watching {
            looked: now,
            drained: now,
        };
        let rate = self.account.switches_per_second.unwrap_or(u64::MAX);
        self.due = now + self.budget.interval(rate, self.period, self.ring_bytes);
    }

    /// Opens the event on every CPU. The buffers may be more than this process may lock: then they
    /// are modest ones.
    fn open_rings(&mut self, ring_bytes: usize) -> Result<(), Refusal> {
        let is_too_much = |errno: i32| is_forbidden(errno) && ring_bytes > MODEST_RING_BYTES;
        let first = self.online.first().copied().unwrap_or(0);
        let without = &self.begin.without;
        let chosen = event::choose_switches(without, self.period, &mut |attributes| {
            attributes.open(first, ring_bytes)
        });
        let (attributes, ring) = match chosen {
            Err(refusal) if is_too_much(refusal.errno) => {
                return self.open_rings(MODEST_RING_BYTES);
            }
            chosen => chosen?,
        };
        self.rings = vec![ring];
        for cpu in self.online.iter().skip(1) {
            match attributes.open(*cpu, ring_bytes) {
                Ok(ring) => self.rings.push(ring),
                Err(error) if is_too_much(error.raw_os_error().unwrap_or_default()) => {
                    self.rings.clear();
                    return self.open_rings(MODEST_RING_BYTES);
                }
                // It went offline meanwhile, which is seen at the next look.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => {}
                Err(error) => self.account.refused(*cpu, &error),
            }
        }
        self.ring_bytes = ring_bytes;
        self.account.attributes = Some(attributes);
        Ok(())
    }

    /// Drains; ends the slice where the budget is spent or CPUs came or went.
    fn watched(&mut self, looked: Instant, drained: Instant) {
        let before = self.counts.switches;
        self.drain();
        if self.account.why.is_some() {
            return self.close();
        }
        self.budget.spent = budget::cost(self.counts.switches, self.counts.samples) + own_time();
        if self.budget.is_spent(self.began.elapsed()) {
            self.close();
            self.state = State::Paused;
            self.due = self.began + self.budget.is_back_at();
            return;
        }
        let now = Instant::now();
        let is_look_due = now.duration_since(looked) >= LOOK;
        if is_look_due && online(self.places.system.as_ref()) != self.online {
            self.close();
            return self.open();
        }
        let seconds = now.duration_since(drained).as_secs_f64().max(1e-6);
        let rate = (self.counts.switches - before) as f64 / seconds;
        let pause = self
            .budget
            .interval(rate as u64, self.period, self.ring_bytes);
        self.due = now + pause;
        self.state = State::Watching {
            looked: if is_look_due { now } else { looked },
            drained: now,
        };
    }

    /// Takes everything that is in the rings.
    fn drain(&mut self) {
        let drained_us = clock::now().monotonic_us;
        let mut rings = std::mem::take(&mut self.rings);
        let mut scratch = std::mem::take(&mut self.scratch);
        for ring in &mut rings {
            ring.drain(&mut scratch, &mut |bytes| self.take(bytes));
        }
        self.rings = rings;
        self.scratch = scratch;
        if let Some((_, end)) = self.account.slices.last_mut() {
            *end = drained_us;
        }
        match (&self.places.file).write_all(&self.records) {
            Ok(()) => self.account.bytes += self.records.len() as u64,
            Err(error) => self.end(format!("no memory for records: {error}")),
        }
        self.records.clear();
        if self.account.dropped > 0 {
            let mebibytes = self.places.limit_bytes >> 20;
            self.end(format!("more than {mebibytes} MiB of records"));
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let kind = u32_at(bytes, 0).unwrap_or_default();
        // Of samples behind the address, of records of switches behind the other thread.
        let task = u32_at(bytes, 16).zip(u32_at(bytes, 20)).unwrap_or_default();
        let misc = u32_at(bytes, 4).unwrap_or_default() as u16;
        match kind {
            kind::SAMPLE => {
                self.counts.samples += 1;
                if !self.has_records() {
                    self.counts.switches += self.period;
                }
            }
            kind::SWITCH_CPU_WIDE => self.counts.switches += u64::from(misc & MISC_SWITCH_OUT != 0),
            kind::LOST => self.counts.lost += u64::from(task.0),
            _ => {}
        }
        let is_of_task = matches!(kind, kind::SAMPLE | kind::SWITCH_CPU_WIDE);
        // Whatever the idle task does, another record tells.
        if is_of_task && task == (0, 0) {
            return;
        }
        let room = self.places.limit_bytes.saturating_sub(self.account.bytes);
        let is_room = (self.records.len() + bytes.len()) as u64 <= room;
        if !is_room {
            self.account.dropped += 1;
            return;
        }
        self.records.extend_from_slice(bytes);
        match kind {
            kind::SAMPLE => {
                self.account.samples += 1;
                if self.seen.len() < TASKS && self.seen.insert(task) {
                    self.tasks.push(task);
                }
            }
            kind::SWITCH_CPU_WIDE => self.account.records += 1,
            _ => {}
        }
    }

    fn has_records(&self) -> bool {
        let attributes = self.account.attributes.as_ref();
        attributes.is_none_or(|attributes| attributes.has(Feature::SwitchRecords))
    }

    /// Ends the slice.
    fn close(&mut self) {
        if self.rings.is_empty() {
            return;
        }
        let ended_us = clock::now().monotonic_us;
        for ring in &mut self.rings {
            ring.disable();
        }
        self.drain();
        if let Some((_, end)) = self.account.slices.last_mut() {
            *end = ended_us;
        }
        let counted: Option<u64> = self.rings.iter_mut().map(Ring::lost).sum();
        let told = std::mem::take(&mut self.counts.lost);
        self.account.lost += counted.unwrap_or(told);
        self.rings.clear();
    }

    /// Nothing more is watched.
    fn end(&mut self, why: String) {
        self.account.why.get_or_insert(why);
        self.state = State::Over;
        self.due = Instant::now() + NEVER;
    }

    fn report(&mut self, is_last: bool) -> Report {
        self.reported = Instant::now();
        let cost = budget::cost(self.counts.switches, self.counts.samples) + own_time();
        self.account.cost_us = cost.as_micros() as u64;
        Report {
            tasks: std::mem::take(&mut self.tasks),
            account: self.account.clone(),
            is_last,
        }
    }
}

/// CPU time of this process, which has one thread.
fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// `ctxt` in `/proc/stat` (proc(5)).
fn switches_since_boot(proc: &OwnedFd) -> Option<u64> {
    let file = openat(proc, "stat", READ, Mode::empty()).ok()?;
    let mut text = Vec::new();
    let _ = File::from(file).take(STAT_BYTES).read_to_end(&mut text);
    let mut lines = text.split(|byte| *byte == b'\n');
    let count = lines.find_map(|line| line.strip_prefix(b"ctxt "))?;
    std::str::from_utf8(count).ok()?.trim().parse().ok()
}

#[cfg(test)]
#[path = "switch_watch_tests.rs"]
mod tests;
