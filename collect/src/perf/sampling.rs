//! What is sampled: rings, records, tables. It never waits for anything.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::io;
use std::time::Instant;

use rustix::io::Errno;

use super::backlog::Backlog;
use super::event::{self, Attributes, Refusal, Ring, is_forbidden};
use super::hits::Hits;
use super::kept::Kept;
use super::record::{self, Record};
use super::resolve::Wanted;
use super::rings::{MODEST_BYTES, ring_bytes};
use super::seen::{Seen, Task};
use super::stack::{self, Stack};
use super::switches::Switched;
use super::tables::Tables;

/// Processes and threads that may wait to be looked at.
const QUEUE: usize = 1 << 17;

/// Counts of what happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) samples: u64,
    /// Samples that found no room here.
    pub(crate) no_room: u64,
    /// Other records that found no room here.
    pub(crate) records_no_room: u64,
    /// As `PERF_RECORD_LOST` tells; it misses those at the end.
    pub(crate) lost_records: u64,
    pub(crate) throttled: u64,
    /// Samples whose call chain broke.
    pub(crate) broken: u64,
    /// Addresses beyond those that are counted.
    pub(crate) not_counted: u64,
}

/// One CPU.
pub(crate) struct Cpu {
    pub(crate) number: u32,
    ring: Ring,
    pub(crate) lost: Option<u64>,
    /// Since when it is online, if it was not from the beginning; microseconds.
    pub(crate) online_us: Option<u64>,
    /// Since when it is offline; microseconds.
    pub(crate) offline_us: Option<u64>,
}

/// A CPU that could not be sampled.
pub(crate) struct Refused {
    pub(crate) number: u32,
    errno: i32,
    pub(crate) error: String,
}

/// The sampling.
pub(crate) struct Sampling {
    pub(crate) attributes: Attributes,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) cpus: Vec<Cpu>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) ring_bytes: usize,
    online: BTreeSet<u32>,
    pub(crate) kept: Kept,
    /// Samples whose stacks are unwound, where that was asked for and can be done.
    pub(crate) backlog: Option<Backlog>,
    scratch: Vec<u8>,
    /// A sample without its stack.
    record: Vec<u8>,
    pub(crate) tables: Tables,
    pub(crate) counts: Counts,
    /// What the assistant is to look at.
    pub(crate) queue: VecDeque<Task>,
    queued: HashSet<(u32, Option<u32>)>,
    /// Processes that were looked at before others.
    hurried: HashSet<u32>,
    /// Processes that are to be looked at again when that is done.
    again: HashSet<u32>,
}

impl Sampling {
    /// Opens the event on all these CPUs; it does not count yet.
    ///
    /// `stack_bytes` of user stacks are copied and unwound; 0: none. The buffers may be more than this
    /// process may lock: then they are modest ones.
    pub(crate) fn open(
        frequency: u64,
        stack_bytes: u32,
        online: &[u32],
    ) -> Result<Self, Vec<Refusal>> {
        let ring_bytes = ring_bytes(frequency, stack_bytes, online.len());
        let sampling = Self::open_rings(frequency, stack_bytes, online, ring_bytes);
        let is_forbidden = match &sampling {
            Ok(sampling) => sampling.refused.iter().any(|cpu| is_forbidden(cpu.errno)),
            Err(refusals) => refusals.iter().any(|refusal| is_forbidden(refusal.errno)),
        };
        if is_forbidden && ring_bytes > MODEST_BYTES {
            drop(sampling);
            return Self::open_rings(frequency, stack_bytes, online, MODEST_BYTES);
        }
        sampling
    }

    fn open_rings(
        frequency: u64,
        stack_bytes: u32,
        online: &[u32],
        ring_bytes: usize,
    ) -> Result<Self, Vec<Refusal>> {
        let first = online.first().copied().unwrap_or(0);
        let (attributes, ring, refusals) =
            event::choose(frequency, stack_bytes, &mut |attributes| {
                attributes.open(first, ring_bytes)
            })?;
        let mut sampling = Self {
            backlog: attributes.has_stacks().then(Backlog::new),
            attributes,
            refusals,
            cpus: vec![Cpu {
                number: first,
                ring,
                lost: None,
                online_us: None,
                offline_us: None,
            }],
            refused: Vec::new(),
            ring_bytes,
            online: online.iter().copied().collect(),
            kept: Kept::new(),
            scratch: Vec::new(),
            record: Vec::new(),
            tables: Tables::new(),
            counts: Counts::default(),
            queue: VecDeque::new(),
            queued: HashSet::new(),
            hurried: HashSet::new(),
            again: HashSet::new(),
        };
        for cpu in online.iter().skip(1) {
            sampling.add(*cpu);
        }
        Ok(sampling)
    }

    fn add(&mut self, cpu: u32) {
        match self.attributes.open(cpu, self.ring_bytes) {
            Ok(ring) => self.cpus.push(Cpu {
                number: cpu,
                ring,
                lost: None,
                online_us: None,
                offline_us: None,
            }),
            // It went offline meanwhile.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => {}
            Err(error) => self.refused.push(Refused {
                number: cpu,
                errno: error.raw_os_error().unwrap_or_default(),
                error: error.to_string(),
            }),
        }
    }

    pub(crate) fn enable(&mut self) -> io::Result<()> {
        for cpu in &mut self.cpus {
            cpu.ring.enable()?;
        }
        Ok(())
    }

    /// CPUs come and go.
    pub(crate) fn follow(&mut self, online: &[u32], now_us: u64) {
        let online: BTreeSet<u32> = online.iter().copied().collect();
        if online == self.online || online.is_empty() {
            return;
        }
        for cpu in &mut self.cpus {
            if !online.contains(&cpu.number) && cpu.offline_us.is_none() {
                cpu.offline_us = Some(now_us);
            }
        }
        let added: Vec<u32> = online.difference(&self.online).copied().collect();
        for number in added {
            let before = self.cpus.len();
            self.add(number);
            if let Some(cpu) = self.cpus.get_mut(before) {
                cpu.online_us = Some(now_us);
                let _ = cpu.ring.enable();
            }
        }
        self.online = online;
    }

    /// Takes everything that is in the rings, when the stacks of before have been given away.
    pub(crate) fn drain(&mut self) {
        if let Some(backlog) = &mut self.backlog {
            backlog.dispatch(&self.tables);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut cpus = std::mem::take(&mut self.cpus);
        for cpu in &mut cpus {
            cpu.ring.drain(&mut scratch, &mut |bytes| self.take(bytes));
        }
        self.cpus = cpus;
        self.scratch = scratch;
        // `perf` bears samples that are late by one round.
        let late = self.backlog.as_ref().and_then(Backlog::round);
        if late.is_none_or(|round| round == self.kept.rounds) {
            self.kept.end_round();
        }
    }

    /// Keeps the samples whose stacks have been unwound.
    pub(crate) fn unwound(&mut self) {
        let ready = self.backlog.as_mut().map(Backlog::work);
        for record in ready.unwrap_or_default() {
            self.keep_sample(&record);
        }
    }

    /// Keeps the others, too.
    pub(crate) fn end_unwinding(&mut self) {
        let rest = self.backlog.as_mut().map(Backlog::end);
        for record in rest.unwrap_or_default() {
            self.keep_sample(&record);
        }
        self.kept.end_round();
    }

    /// Stops counting and takes the rest.
    pub(crate) fn end(&mut self) {
        for cpu in &mut self.cpus {
            cpu.ring.disable();
        }
        self.drain();
        for cpu in &mut self.cpus {
            cpu.lost = cpu.ring.lost();
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.backlog.is_some() && record::kind_of(bytes) == Some(record::kind::SAMPLE) {
            self.take_apart(bytes);
        } else {
            self.take_record(bytes, None);
        }
    }

    /// Whatever becomes of a sample, its stack is not kept, and so nothing of one that is torn.
    fn take_apart(&mut self, bytes: &[u8]) {
        let mut record = std::mem::take(&mut self.record);
        if let Some(stack) = stack::split(bytes, self.attributes.layout(), &mut record) {
            self.take_record(&record, stack);
        } else if let Some(backlog) = &mut self.backlog {
            backlog.counts.torn += 1;
        }
        self.record = record;
    }

    fn take_record(&mut self, bytes: &[u8], stack: Option<Stack<'_>>) {
        let parsed = record::parse(bytes, self.attributes.layout()).unwrap_or(Record::Other);
        let is_sample = matches!(parsed, Record::Sample(_));
        match parsed {
            Record::Sample(sample) => self.sampled(sample.pid, sample.tid),
            Record::Mapping(mapping) => {
                if self.tables.map(&mapping) {
                    self.ask_anew(mapping.pid);
                }
            }
            Record::Exec { pid, time, comm } => {
                self.tables.exec(pid, time, comm);
                self.ask_anew(pid);
            }
            Record::Fork {
                pid,
                parent,
                tid,
                time,
            } if pid == tid => {
                self.tables.fork(pid, parent, time);
            }
            // A thread has its name from the one that made it.
            Record::Fork { .. } | Record::Other => {}
            Record::Lost(count) => self.counts.lost_records += count,
            Record::Throttled => self.counts.throttled += 1,
        }
        if is_sample {
            if !self.waits(bytes, stack) {
                self.keep_sample(bytes);
            }
        } else if !self.kept.add(bytes) {
            self.counts.records_no_room += 1;
        }
    }

    /// Whether the sample is kept later, when its stack has been unwound.
    fn waits(&mut self, bytes: &[u8], stack: Option<Stack<'_>>) -> bool {
        let Some(backlog) = &mut self.backlog else {
            return false;
        };
        let Some(stack) = stack else {
            backlog.counts.without_stack += 1;
            return false;
        };
        let waits = backlog.add(bytes, &stack, self.kept.rounds);
        if let Some(pid) = stack::pid(bytes).filter(|_| waits) {
            self.hurry(pid);
        }
        waits
    }

    fn keep_sample(&mut self, bytes: &[u8]) {
        if self.kept.add(bytes) {
            self.counts.samples += 1;
        } else {
            self.counts.no_room += 1;
        }
    }

    /// Whoever is sampled gets looked at once.
    pub(crate) fn sampled(&mut self, pid: u32, tid: u32) {
        if pid == 0 || pid > i32::MAX as u32 {
            return;
        }
        if tid != pid
            && !self.tables.threads.contains_key(&tid)
            && self.tables.threads.len() < QUEUE
        {
            self.tables.threads.insert(tid, (pid, None));
            self.ask(pid, Some(tid));
        }
        if !self
            .tables
            .processes
            .get(&pid)
            .is_some_and(|process| process.is_asked)
        {
            self.ask(pid, None);
        }
    }

    /// Its stacks wait to be unwound: it is the next one to be looked at.
    fn hurry(&mut self, pid: u32) {
        if !self.hurried.insert(pid) {
            return;
        }
        let is_it = |task: &Task| task.pid == pid && task.tid.is_none();
        let place = self.queue.iter().position(is_it);
        if let Some(task) = place.and_then(|place| self.queue.remove(place)) {
            self.queue.push_front(task);
        }
    }

    /// Has a process or thread looked at.
    pub(crate) fn ask(&mut self, pid: u32, tid: Option<u32>) {
        if self.queue.len() >= QUEUE {
            self.tables.left_out += 1;
        } else if self.queued.insert((pid, tid)) {
            self.queue.push_back(Task { pid, tid });
        }
    }

    /// Has a process looked at once more: what is being looked at now may be what it was before.
    fn ask_anew(&mut self, pid: u32) {
        if self.queued.contains(&(pid, None)) {
            self.again.insert(pid);
        } else {
            self.ask(pid, None);
        }
    }

    /// Notes what the assistant saw.
    pub(crate) fn saw(&mut self, seen: Seen, file: Option<std::os::fd::OwnedFd>) {
        match seen {
            Seen::Process(process) => self.tables.saw_process(process),
            Seen::Mappings(pid, mappings) => {
                for mapping in &mappings {
                    self.tables.saw_mapping(pid, mapping);
                }
            }
            Seen::File {
                pid,
                path,
                key,
                size_bytes,
                modified_us,
            } => self
                .tables
                .saw_file(pid, &path, key, size_bytes, modified_us, file),
            Seen::PerfMap { pid, path } => self.tables.saw_perf_map(pid, &path, file),
            Seen::Thread { pid, tid, comm } => {
                self.tables.threads.insert(tid, (pid, Some(comm)));
            }
            Seen::Done(task) => {
                self.queued.remove(&(task.pid, task.tid));
                if task.tid.is_none() && self.again.remove(&task.pid) {
                    self.ask(task.pid, None);
                } else if task.tid.is_none()
                    && let Some(process) = self.tables.process(task.pid)
                {
                    process.is_asked = true;
                }
            }
        }
    }

    /// Counts where all samples were, and those of switches, as far as the time for it goes.
    pub(crate) fn hits(&mut self, switched: &mut Switched, ends: Instant) -> Vec<Wanted> {
        let layout = self.attributes.layout();
        let mut hits = Hits::until(ends);
        for chunk in &self.kept.chunks {
            self.counts.broken += hits.count(&self.tables, chunk, layout);
        }
        switched.count(&mut hits, &self.tables);
        self.counts.not_counted = hits.not_counted;
        hits.by_module()
    }
}

#[cfg(test)]
#[path = "sampling_tests.rs"]
mod tests;
