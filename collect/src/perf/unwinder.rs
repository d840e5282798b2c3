//! The process that unwinds stacks for the sampler.
//!
//! Stacks come in a file in memory that both hold: the sampler writes it, tells how much it is, and
//! never waits. The unwinder notes in the same file how far it is, so that the sampler knows whose
//! tables it died of or hangs at.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::elf::Source;
use super::frame;
use super::module::{ModuleId, VDSO};
use super::record::u32_at;
use super::resolve::own_vdso;
use super::seen::{PACKET_BYTES, receive, send};
use super::space::{self, Extent};
use super::stack::Registers;
use super::unwind::{Chain, End, Unwinding};

/// Tables of all files together.
const TABLES_BYTES: usize = 64 << 20;
/// CPU time that it may take from the beginning: tables have to be read.
const ALLOWANCE: Duration = Duration::from_millis(300);
/// And then, of every second: a tenth of one CPU. 128 busy CPUs at 99 Hz take 80 ms.
const SHARE: u32 = 10;
/// A single stack takes microseconds.
const STACK_TIME: Duration = Duration::from_millis(20);
/// Answers that are sent together: those that were not sent are lost with the process.
const ANSWERS: usize = 16;
/// Where the work lies in the file, behind [`Progress`].
pub(crate) const WORK_AT: u64 = 8;

/// A piece of work, in the file. The bytes of a stack follow it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Item {
    /// All memory of processes is to be forgotten.
    Forget,
    /// The memory of a process.
    Space { pid: u32, extents: Vec<Extent> },
    Stack {
        pid: u32,
        registers: Registers,
        /// What frame pointers gave.
        chain: Vec<u64>,
        bytes: u32,
    },
}

/// What the sampler says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// With the open file of a module.
    File(ModuleId),
    /// So many bytes of work are in the file.
    Work(u64),
}

/// What became of one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Unwound(End),
    /// Nothing was known of the memory of its process.
    MemoryUnknown,
    /// There was no CPU time left for it.
    NoTime,
    /// Its process took too much of it before, or an unwinder died of it.
    LeftAlone,
}

/// The answer to one stack.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Unwound {
    pub(crate) outcome: Outcome,
    /// Nothing where frame pointers gave no less.
    pub(crate) chain: Option<Vec<u64>>,
}

/// What the unwinder says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Told {
    /// In the order of the stacks.
    Unwound(Vec<Unwound>),
    Done(State),
}

/// What it has cost so far.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) cpu_us: u64,
    pub(crate) tables_bytes: u64,
    /// Tables that found no room.
    pub(crate) tables_left_out: u64,
}

/// How far it is: the stack it is at, and the module that it reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) stack: u32,
    pub(crate) module: Option<ModuleId>,
}

impl Progress {
    fn note(self, file: &OwnedFd) {
        let module = self.module.map_or(0, |module| module.saturating_add(1));
        let words = [self.stack, module].map(u32::to_ne_bytes).concat();
        let _ = rustix::io::pwrite(file, &words, 0);
    }

    /// What was noted last.
    pub(crate) fn of(file: &OwnedFd) -> Self {
        let mut words = [0; 8];
        file.read_at(0, &mut words);
        let word = |at| u32_at(&words, at).unwrap_or_default();
        Self {
            stack: word(0),
            module: word(4).checked_sub(1),
        }
    }

    /// At the beginning of new work.
    pub(crate) fn reset(file: &OwnedFd) {
        Self::default().note(file);
    }
}

/// A part of the memory that this process may take (`--max-memory`), and no more than so much.
pub(crate) fn part_of_memory(most: usize, part: u64) -> usize {
    let limit = getrlimit(Resource::Data).current;
    limit.map_or(most, |limit| most.min((limit / part) as usize))
}

/// Works until the sampler is gone; stacks of the processes in `left_alone` are not looked at.
pub(crate) fn run(socket: &OwnedFd, file: &OwnedFd, left_alone: &HashSet<u32>) -> io::Result<()> {
    let mut worker = Worker {
        unwinding: Unwinding::new(part_of_memory(TABLES_BYTES, 4)),
        files: HashMap::new(),
        left_alone: left_alone.clone(),
        began: Instant::now(),
    };
    let mut packet = Vec::new();
    loop {
        match receive::<Order>(socket, &mut packet, RecvFlags::empty())? {
            (Order::File(module), Some(opened)) => {
                worker.files.insert(module, opened);
                worker.unwinding.has_come(module);
            }
            (Order::File(_), None) => {}
            (Order::Work(bytes), _) => {
                let mut work = vec![0; bytes as usize];
                let count = file.read_at(WORK_AT, &mut work);
                work.truncate(count);
                worker.work(&work, socket, file)?;
            }
        }
    }
}

struct Worker {
    unwinding: Unwinding,
    files: HashMap<ModuleId, OwnedFd>,
    /// Processes whose stacks are left alone.
    left_alone: HashSet<u32>,
    began: Instant,
}

impl Worker {
    fn work(&mut self, mut work: &[u8], socket: &OwnedFd, file: &OwnedFd) -> io::Result<()> {
        let mut answers = Answers::default();
        let mut progress = Progress::default();
        while let Ok(item) = frame::receive::<Item>(&mut work) {
            match item {
                Item::Forget => self.unwinding.forget_spaces(),
                Item::Space { pid, extents } => self.unwinding.set_space(pid, extents),
                Item::Stack {
                    pid,
                    registers,
                    chain,
                    bytes,
                } => {
                    let Some((stack, rest)) = work.split_at_checked(bytes as usize) else {
                        break;
                    };
                    work = rest;
                    progress.note(file);
                    let answer = self.unwind(pid, registers, &chain, stack, &mut |module| {
                        Progress { module, ..progress }.note(file);
                    });
                    answers.add(answer, socket)?;
                    progress.stack += 1;
                }
            }
        }
        answers.send(socket)?;
        let state = State {
            cpu_us: cpu_time().as_micros() as u64,
            tables_bytes: self.unwinding.tables_bytes,
            tables_left_out: self.unwinding.left_out,
        };
        send(socket, &Told::Done(state), None)
    }

    fn unwind(
        &mut self,
        pid: u32,
        registers: Registers,
        chain: &[u64],
        stack: &[u8],
        reads: &mut dyn FnMut(Option<ModuleId>),
    ) -> Unwound {
        let no = |outcome| Unwound {
            outcome,
            chain: None,
        };
        if self.left_alone.contains(&pid) {
            return no(Outcome::LeftAlone);
        }
        if self.unwinding.extents(pid).is_empty() {
            return no(Outcome::MemoryUnknown);
        }
        let allowed = ALLOWANCE + self.began.elapsed() / SHARE;
        let files = &self.files;
        let mut open = |module| {
            reads(Some(module));
            open(files, module)
        };
        let is_prepared = self
            .unwinding
            .prepare(pid, &mut open, &|| cpu_time() < allowed);
        reads(None);
        let before = cpu_time();
        if !is_prepared || before >= allowed {
            return no(Outcome::NoTime);
        }
        let Some(unwound) = self.unwinding.unwind(pid, registers, stack) else {
            return no(Outcome::MemoryUnknown);
        };
        if cpu_time().saturating_sub(before) > STACK_TIME {
            self.left_alone.insert(pid);
        }
        chosen(unwound, chain, self.unwinding.extents(pid))
    }
}

fn open(files: &HashMap<ModuleId, OwnedFd>, module: ModuleId) -> Option<Box<dyn Source>> {
    if module == VDSO {
        return own_vdso().map(|image| Box::new(image) as Box<dyn Source>);
    }
    let file = files.get(&module)?.try_clone().ok()?;
    Some(Box::new(file))
}

/// What goes through to the beginning counts; else the longer one of what was unwound and what frame
/// pointers gave, as far as that leads through code.
fn chosen(unwound: Chain, frame_pointers: &[u64], extents: &[Extent]) -> Unwound {
    let is_code = |address: &&u64| space::find(extents, address.saturating_sub(1)).is_some();
    let callers = frame_pointers.iter().skip(1).take_while(is_code).count();
    let is_longer = unwound.end == End::Whole || unwound.addresses.len() > callers + 1;
    Unwound {
        outcome: Outcome::Unwound(unwound.end),
        chain: is_longer.then_some(unwound.addresses),
    }
}

/// Answers that are yet to be sent.
#[derive(Default)]
struct Answers {
    answers: Vec<Unwound>,
    bytes: usize,
}

impl Answers {
    fn add(&mut self, answer: Unwound, socket: &OwnedFd) -> io::Result<()> {
        // An address has 20 digits at most.
        self.bytes += 64 + answer.chain.as_ref().map_or(0, |chain| chain.len() * 21);
        self.answers.push(answer);
        if self.bytes > PACKET_BYTES / 2 || self.answers.len() >= ANSWERS {
            self.send(socket)?;
        }
        Ok(())
    }

    fn send(&mut self, socket: &OwnedFd) -> io::Result<()> {
        self.bytes = 0;
        send(
            socket,
            &Told::Unwound(std::mem::take(&mut self.answers)),
            None,
        )
    }
}

/// What this process has taken.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
