//! What is sampled: rings, records, tables. It never waits for anything.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::io;

use rustix::io::Errno;

use super::event::{self, Attributes, Refusal, Ring};
use super::hits::Hits;
use super::perf_data;
use super::record::{self, Record};
use super::resolve::Wanted;
use super::seen::{Seen, Task};
use super::switches::Switched;
use super::tables::Tables;

/// Records that are kept: ten seconds of 128 busy CPUs take 25 MiB.
const RECORD_BYTES: usize = 48 << 20;
const CHUNK_BYTES: usize = 1 << 20;
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
    /// Since when it is offline; microseconds.
    pub(crate) offline_us: Option<u64>,
}

/// A CPU that could not be sampled.
pub(crate) struct Refused {
    pub(crate) number: u32,
    pub(crate) error: String,
}

/// The sampling.
pub(crate) struct Sampling {
    pub(crate) attributes: Attributes,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) cpus: Vec<Cpu>,
    pub(crate) refused: Vec<Refused>,
    ring_bytes: usize,
    online: BTreeSet<u32>,
    pub(crate) chunks: Vec<Vec<u8>>,
    kept: usize,
    scratch: Vec<u8>,
    pub(crate) tables: Tables,
    pub(crate) counts: Counts,
    /// What the assistant is to look at.
    pub(crate) queue: VecDeque<Task>,
    queued: HashSet<(u32, Option<u32>)>,
    /// Processes that are to be looked at again when that is done.
    again: HashSet<u32>,
}

impl Sampling {
    /// Opens the event on all these CPUs; it does not count yet.
    pub(crate) fn open(frequency: u64, online: &[u32]) -> Result<Self, Vec<Refusal>> {
        let ring_bytes = ring_bytes(frequency);
        let first = online.first().copied().unwrap_or(0);
        let (attributes, ring, refusals) = event::choose(frequency, &mut |attributes| {
            attributes.open(first, ring_bytes)
        })?;
        let mut sampling = Self {
            attributes,
            refusals,
            cpus: vec![Cpu {
                number: first,
                ring,
                lost: None,
                offline_us: None,
            }],
            refused: Vec::new(),
            ring_bytes,
            online: online.iter().copied().collect(),
            chunks: Vec::new(),
            kept: 0,
            scratch: Vec::new(),
            tables: Tables::new(),
            counts: Counts::default(),
            queue: VecDeque::new(),
            queued: HashSet::new(),
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
                offline_us: None,
            }),
            // It went offline meanwhile.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => {}
            Err(error) => self.refused.push(Refused {
                number: cpu,
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
                let _ = cpu.ring.enable();
            }
        }
        self.online = online;
    }

    /// Takes everything that is in the rings.
    pub(crate) fn drain(&mut self) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut cpus = std::mem::take(&mut self.cpus);
        for cpu in &mut cpus {
            cpu.ring.drain(&mut scratch, &mut |bytes| self.take(bytes));
        }
        self.cpus = cpus;
        self.scratch = scratch;
        self.keep(&perf_data::round());
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
        match (self.keep(bytes), is_sample) {
            (true, true) => self.counts.samples += 1,
            (true, false) => {}
            (false, true) => self.counts.no_room += 1,
            (false, false) => self.counts.records_no_room += 1,
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

    fn keep(&mut self, bytes: &[u8]) -> bool {
        if self.kept + bytes.len() > RECORD_BYTES {
            return false;
        }
        let is_full = |chunk: &Vec<u8>| chunk.len() + bytes.len() > CHUNK_BYTES;
        if self.chunks.last().is_none_or(is_full) {
            self.chunks.push(Vec::with_capacity(CHUNK_BYTES));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.extend_from_slice(bytes);
        }
        self.kept += bytes.len();
        true
    }

    /// Bytes of all records.
    pub(crate) fn kept(&self) -> usize {
        self.kept
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

    /// Counts where all samples were, and those of switches.
    pub(crate) fn hits(&mut self, switched: &mut Switched) -> Vec<Wanted> {
        let layout = self.attributes.layout();
        let mut hits = Hits::default();
        for chunk in &self.chunks {
            self.counts.broken += hits.count(&self.tables, chunk, layout);
        }
        switched.count(&mut hits, &self.tables);
        self.counts.not_counted = hits.not_counted;
        hits.by_module()
    }
}

/// A deep chain takes 1 KiB; between two drains a ring must not fill by half.
fn ring_bytes(frequency: u64) -> usize {
    if frequency <= 250 {
        128 << 10
    } else {
        512 << 10
    }
}

#[cfg(test)]
#[path = "sampling_tests.rs"]
mod tests;
