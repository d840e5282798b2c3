//! Samples that wait for their stacks to be unwound (`--call-graph dwarf`), the sampler's side of it.
//!
//! The sampler gives the stacks of one drain away at the next one, when the memory of new processes
//! is known as a rule, and goes on. What comes back in time replaces what frame pointers gave; all
//! others keep that, and are counted with the reason.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::RecvFlags;
use rustix::process::{Signal, kill_process};
use serde::Serialize;

use super::frame;
use super::helper::{collect_children, wait_a_moment};
use super::hired::Unwinder;
use super::module::ModuleId;
use super::seen::{receive, send};
use super::stack::{self, Stack};
use super::tables::Tables;
use super::unwind::End;
use super::unwinder::{self, Item, Order, Outcome, Progress, State, Told, Unwound, part_of_memory};
use crate::cost::Usage;

/// Stacks that wait: 100 ms of 128 busy CPUs are 10 MiB.
const STACKS_BYTES: usize = 24 << 20;
/// After so many that died or hung no stack is unwound any more.
const LOST: u32 = 8;
/// Counts for the bundle.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) whole: u64,
    pub(crate) truncated: u64,
    pub(crate) broken: u64,
    /// Of the truncated and broken ones those that frame pointers gave no less of.
    pub(crate) frame_pointers_longer: u64,
    /// Stacks that were not unwound, by the reason.
    pub(crate) fell_back: BTreeMap<&'static str, u64>,
    /// Samples that have none, as those of kernel threads.
    pub(crate) without_stack: u64,
    /// Samples that made no sense.
    pub(crate) torn: u64,
    /// Unwinders that died or hung.
    pub(crate) unwinders_lost: u32,
    #[serde(flatten)]
    pub(crate) state: State,
}

/// Samples of one drain.
#[derive(Default)]
struct Batch {
    /// The records without their stacks.
    records: VecDeque<Vec<u8>>,
    /// Rounds that were complete when the first one came.
    round: u64,
}

/// The samples that wait.
#[derive(Default)]
pub(crate) struct Backlog {
    filling: Batch,
    /// The stacks of these, as [`Item`]s.
    stacks: Vec<u8>,
    processes: BTreeSet<u32>,
    /// What the unwinder is at, until it says that it is done.
    flight: Batch,
    is_busy: bool,
    answered: u32,
    done: Vec<Vec<u8>>,
    file: Option<OwnedFd>,
    unwinder: Option<Unwinder>,
    /// Whose stacks an unwinder died of.
    left_alone: HashSet<u32>,
    /// Whose tables it died of.
    unread: HashSet<ModuleId>,
    packet: Vec<u8>,
    /// Bytes that may wait.
    room: usize,
    /// CPU time of those that were lost, microseconds.
    lost_us: u64,
    pub(crate) counts: Counts,
}

impl Backlog {
    pub(crate) fn new() -> Self {
        Self {
            room: part_of_memory(STACKS_BYTES, 8),
            ..Self::default()
        }
    }

    /// Takes a sample; whether it did. `round` is the number of rounds that are complete.
    pub(crate) fn add(&mut self, record: &[u8], stack: &Stack<'_>, round: u64) -> bool {
        let pid = stack::pid(record).unwrap_or_default();
        let Some(registers) = stack.registers else {
            return self.fall_back("other_word_size");
        };
        if self.counts.unwinders_lost >= LOST {
            return self.fall_back("given_up");
        }
        if self.left_alone.contains(&pid) {
            return self.fall_back("left_alone");
        }
        if self.stacks.len() + stack.bytes.len() > self.room {
            return self.fall_back("no_room");
        }
        let item = Item::Stack {
            pid,
            registers,
            chain: stack::user_chain(record),
            bytes: stack.bytes.len() as u32,
        };
        if frame::send(&mut self.stacks, &item).is_err() {
            return self.fall_back("no_room");
        }
        self.stacks.extend_from_slice(stack.bytes);
        if self.filling.records.is_empty() {
            self.filling.round = round;
        }
        self.filling.records.push_back(record.to_vec());
        self.processes.insert(pid);
        true
    }

    fn fall_back(&mut self, why: &'static str) -> bool {
        *self.counts.fell_back.entry(why).or_default() += 1;
        false
    }

    /// Where to wait for an answer.
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.unwinder
            .as_ref()
            .map(|unwinder| unwinder.socket.as_fd())
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.filling.records.is_empty() && !self.is_busy
    }

    /// Rounds that were complete when the oldest sample came that waits.
    pub(crate) fn round(&self) -> Option<u64> {
        let batches = [&self.flight, &self.filling];
        let oldest = batches.iter().find(|batch| !batch.records.is_empty());
        oldest.map(|batch| batch.round)
    }

    /// Takes what has come back, and lets nobody wait for one that hangs; the samples that are ready.
    pub(crate) fn work(&mut self) -> Vec<Vec<u8>> {
        self.receive();
        if self.is_stuck() {
            self.lose();
        }
        std::mem::take(&mut self.done)
    }

    /// Gives the stacks away that came until now, if the unwinder is at none.
    pub(crate) fn dispatch(&mut self, tables: &Tables) {
        if self.is_busy || self.filling.records.is_empty() {
            return;
        }
        self.flight = std::mem::take(&mut self.filling);
        (self.answered, self.is_busy) = (0, true);
        if self.give(tables).is_err() {
            self.lose();
        }
        self.stacks.clear();
        self.processes.clear();
    }

    /// What still waits has to do with frame pointers.
    pub(crate) fn end(&mut self) -> Vec<Vec<u8>> {
        self.flight.records.append(&mut self.filling.records);
        self.give_up("no_time");
        if let Some(unwinder) = self.unwinder.take() {
            let _ = kill_process(unwinder.pid, Signal::KILL);
            wait_a_moment(unwinder.pid);
        }
        (self.file, self.stacks) = (None, Vec::new());
        std::mem::take(&mut self.done)
    }

    fn give_up(&mut self, why: &'static str) {
        let count = self.flight.records.len() as u64;
        if count > 0 {
            *self.counts.fell_back.entry(why).or_default() += count;
        }
        self.done.extend(self.flight.records.drain(..));
    }

    fn give(&mut self, tables: &Tables) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(memfd_create("stacks", MemfdFlags::CLOEXEC)?);
        }
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        Progress::reset(file);
        if self.unwinder.is_none() {
            self.unwinder = Some(Unwinder::hire(file, &self.left_alone)?);
        }
        let unwinder = self.unwinder.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let spaces = unwinder.tell(tables, &self.processes, &self.unread);
        write(file, &spaces, unwinder::WORK_AT)?;
        write(file, &self.stacks, unwinder::WORK_AT + spaces.len() as u64)?;
        let bytes = spaces.len() + self.stacks.len();
        send(&unwinder.socket, &Order::Work(bytes as u64), None)?;
        unwinder.is_alive(Progress::default());
        Ok(())
    }

    fn receive(&mut self) {
        while let Some(unwinder) = &mut self.unwinder {
            match receive(&unwinder.socket, &mut self.packet, RecvFlags::DONTWAIT) {
                Ok((Told::Unwound(answers), _)) => {
                    unwinder.since = Instant::now();
                    for answer in answers {
                        self.answer(answer);
                    }
                }
                Ok((Told::Done(state), _)) => {
                    (self.counts.state, self.is_busy) = (state, false);
                    self.counts.state.cpu_us += self.lost_us;
                    self.give_up("unwinder_lost");
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.lose(),
            }
        }
    }

    fn answer(&mut self, answer: Unwound) {
        let Some(mut record) = self.flight.records.pop_front() else {
            return;
        };
        self.answered += 1;
        match answer.outcome {
            Outcome::Unwound(End::Whole) => self.counts.whole += 1,
            Outcome::Unwound(End::Truncated) => self.counts.truncated += 1,
            Outcome::Unwound(End::Broken) => self.counts.broken += 1,
            Outcome::MemoryUnknown => _ = self.fall_back("memory_unknown"),
            Outcome::NoTime => _ = self.fall_back("no_time"),
            Outcome::LeftAlone => _ = self.fall_back("left_alone"),
        }
        if let Some(chain) = answer.chain {
            let mut unwound = record.clone();
            if stack::set_user_chain(&mut unwound, &chain).is_some() {
                record = unwound;
            }
        } else if matches!(answer.outcome, Outcome::Unwound(_)) {
            self.counts.frame_pointers_longer += 1;
        }
        self.done.push(record);
    }

    fn is_stuck(&mut self) -> bool {
        let (Some(unwinder), Some(file)) = (&mut self.unwinder, &self.file) else {
            return false;
        };
        self.is_busy && unwinder.is_stuck(Progress::of(file))
    }

    /// The unwinder died or is stuck: so that the next one is not, what it was at is left alone.
    fn lose(&mut self) {
        self.counts.unwinders_lost += 1;
        self.is_busy = false;
        if let Some(unwinder) = self.unwinder.take() {
            self.lost_us += Usage::of(unwinder.pid).cpu_time().as_micros() as u64;
            self.counts.state.cpu_us = self.lost_us;
            let _ = kill_process(unwinder.pid, Signal::KILL);
            collect_children();
        }
        // The one that is killed may still write into the old one.
        let progress = self.file.take().map(|file| Progress::of(&file));
        let progress = progress.unwrap_or_default();
        let place = progress.stack.saturating_sub(self.answered) as usize;
        let record = self.flight.records.get(place);
        if let Some(module) = progress.module {
            self.unread.insert(module);
        } else if let Some(pid) = record.and_then(|record| stack::pid(record)) {
            self.left_alone.insert(pid);
        }
        self.give_up("unwinder_lost");
    }
}

/// Writes all of it at a place of a file in memory.
fn write(file: &OwnedFd, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = rustix::io::pwrite(file, bytes, at)?;
        bytes = bytes.get(count..).unwrap_or_default();
        at += count as u64;
    }
    Ok(())
}

#[cfg(test)]
#[path = "backlog_tests.rs"]
mod tests;
