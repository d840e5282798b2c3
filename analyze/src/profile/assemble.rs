//! Samples become a profile: addresses become functions, call chains become stacks.

use std::collections::HashMap;

use super::demangle::is_entry;
use super::perf_data::{Sample as Observation, Side, Words};
use super::processes::{self, ModuleId, NameId};
use super::space::Space;
use super::stacks::EMPTY;
use super::{Frame, FrameId, FrameKind, Profile, Sample, StackId, TaskId};
use crate::profile::modules;

/// The root of the user part of a stack that ends in the middle.
pub const BROKEN_STACK: &str = "[broken stack]";

/// Most samples of a profile: a day of a busy CPU at 99 Hz.
const SAMPLES: usize = 8 << 20;
/// Most functions, stacks and tasks. What goes beyond is put together.
const FRAMES: usize = 1 << 20;
const STACKS: usize = 8 << 20;
const TASKS: usize = 1 << 18;
/// Bytes of call chains that are remembered with their stacks.
const REMEMBERED_BYTES: usize = 64 << 20;
/// Addresses of one call chain; `kernel.perf_event_max_stack` is far below.
const CHAIN: usize = 1024;

/// Marks of context between the addresses of a call chain (`enum perf_callchain_context`).
const CONTEXT_MAX: u64 = -4095_i64 as u64;
const CONTEXT_KERNEL: u64 = -128_i64 as u64;
const CONTEXT_USER: u64 = -512_i64 as u64;
/// The user's part comes in a record of its own; the word behind is its number.
const CONTEXT_USER_DEFERRED: u64 = -640_i64 as u64;

/// A call chain as a stack.
#[derive(Clone, Copy)]
struct Chain {
    stack: StackId,
    frames: u32,
    unnamed: u32,
    is_broken: bool,
}

/// Process and thread, the names of both, the cgroup.
type TaskKey = (u32, u32, [Option<NameId>; 2], Option<u64>);

/// Stacks of call chains.
type Chains = HashMap<Box<[u8]>, Chain>;

/// Fills one profile.
pub(super) struct Assembler {
    pub(super) profile: Profile,
    /// Weights are periods, not samples.
    weighs_periods: bool,
    frames: HashMap<(ModuleId, u64), FrameId>,
    /// By process, stretch between its changes, and side.
    chains: HashMap<(u32, usize, Side), Chains>,
    chain_bytes: usize,
    tasks: HashMap<TaskKey, TaskId>,
    /// Samples that found no room.
    pub(super) left_out: u64,
}

impl Assembler {
    pub(super) fn new(profile: Profile, weighs_periods: bool) -> Self {
        Self {
            profile,
            weighs_periods,
            frames: HashMap::new(),
            chains: HashMap::new(),
            chain_bytes: 0,
            tasks: HashMap::new(),
            left_out: 0,
        }
    }

    /// Takes a sample; `time` is its own, or the last one before it.
    pub(super) fn sample(&mut self, space: &mut Space<'_>, sample: &Observation<'_>, time: u64) {
        let weight = match sample.period {
            Some(period) if self.weighs_periods => period,
            _ => 1,
        };
        self.weigh(space, sample, time, weight);
    }

    /// Takes an observation with a weight of its own.
    pub(super) fn weigh(
        &mut self,
        space: &mut Space<'_>,
        sample: &Observation<'_>,
        time: u64,
        weight: u64,
    ) -> Option<usize> {
        if self.profile.samples.len() >= SAMPLES {
            self.left_out += 1;
            return None;
        }
        let (pid, tid) = sample.task.unwrap_or((u32::MAX, u32::MAX));
        let chain = self.chain(space, pid, time, sample);
        let task = self.task(space, pid, tid, time, sample.cgroup);
        let profile = &mut self.profile;
        profile.frames_total += u64::from(chain.frames);
        profile.frames_unnamed += u64::from(chain.unnamed);
        profile.broken += u64::from(chain.is_broken);
        profile.samples.push(Sample {
            time_ns: sample.time_ns,
            cpu: sample.cpu,
            task,
            stack: chain.stack,
            weight,
        });
        Some(profile.samples.len() - 1)
    }

    fn task(
        &mut self,
        space: &Space<'_>,
        pid: u32,
        tid: u32,
        time: u64,
        cgroup: Option<u64>,
    ) -> TaskId {
        // Names change at most as often as the process and the thread do.
        let names = [pid, tid].map(|tid| space.processes.thread_name(tid, time));
        let key = (pid, tid, names, cgroup);
        if let Some(task) = self.tasks.get(&key) {
            return *task;
        }
        if self.profile.tasks.len() >= TASKS {
            return TaskId::MAX;
        }
        let task = self.profile.tasks.len() as TaskId;
        self.profile.tasks.push(space.task(pid, tid, time, cgroup));
        self.tasks.insert(key, task);
        task
    }

    /// The stack of a call chain. Most chains were seen before, in the same process.
    fn chain(
        &mut self,
        space: &mut Space<'_>,
        pid: u32,
        time: u64,
        sample: &Observation<'_>,
    ) -> Chain {
        let alone = sample.address.unwrap_or_default().to_le_bytes();
        let has_addresses = sample.chain.iter().any(|word| word < CONTEXT_MAX);
        let bytes = if has_addresses {
            sample.chain.bytes()
        } else {
            &alone
        };
        let epoch = space.processes.epoch(pid, time);
        let key = (pid, epoch, sample.side);
        if let Some(chain) = self.chains.get(&key).and_then(|known| known.get(bytes)) {
            return *chain;
        }
        let chain = self.new_chain(space, pid, time, sample.side, Words::of(bytes));
        self.chain_bytes += bytes.len() + 64;
        if self.chain_bytes > REMEMBERED_BYTES {
            self.chains.clear();
            self.chain_bytes = 0;
        }
        let known = self.chains.entry(key).or_default();
        known.insert(bytes.into(), chain);
        chain
    }

    fn new_chain(
        &mut self,
        space: &mut Space<'_>,
        pid: u32,
        time: u64,
        side: Side,
        words: Words<'_>,
    ) -> Chain {
        let mut of_kernel = Vec::new();
        let mut of_user = Vec::new();
        let mut is_broken = false;
        for (side, address) in addresses(side, words) {
            match side {
                Side::Kernel => of_kernel.push(self.kernel_frame(space, address, time)),
                Side::User if is_broken => {}
                Side::User => match space.processes.find(pid, address, time) {
                    Some((module, offset)) => of_user.push(self.frame(space, module, offset)),
                    None => is_broken = true,
                },
                Side::Other => of_kernel.push(self.mark("[guest or hypervisor]")),
            }
        }
        let frames = of_kernel.len() + of_user.len();
        is_broken |= frames < space.most_frames && self.ends_in_the_middle(space, &of_user);
        if is_broken {
            of_user.push(self.mark(BROKEN_STACK));
        }
        let symbols = &self.profile.symbols;
        let is_unnamed = |id: &&FrameId| symbols.get(**id).is_some_and(|frame| !frame.is_named);
        let unnamed = of_kernel.iter().chain(&of_user).filter(is_unnamed).count();
        Chain {
            stack: self.stack(of_user.iter().rev().chain(of_kernel.iter().rev())),
            frames: frames as u32,
            unnamed: unnamed as u32,
            is_broken,
        }
    }

    /// Whether the outermost function is one that something must have called.
    fn ends_in_the_middle(&self, space: &Space<'_>, of_user: &[FrameId]) -> bool {
        let outermost = of_user.last().and_then(|id| self.profile.symbols.get(*id));
        !space.has_stack_dumps
            && outermost.is_some_and(|frame| {
                let is_code = matches!(frame.kind, FrameKind::User | FrameKind::GoRuntime);
                is_code && frame.is_named && !is_entry(&frame.function, frame.kind)
            })
    }

    fn stack<'f>(&mut self, frames: impl Iterator<Item = &'f FrameId>) -> StackId {
        let mut stack = EMPTY;
        for frame in frames {
            if self.profile.stacks.len() >= STACKS {
                break;
            }
            stack = self.profile.stacks.push(stack, *frame);
        }
        stack
    }

    fn kernel_frame(&mut self, space: &mut Space<'_>, address: u64, time: u64) -> FrameId {
        let of_module = if space.modules.is_named(modules::KERNEL, address) {
            None
        } else {
            space.processes.find(processes::KERNEL, address, time)
        };
        let (module, offset) = of_module.unwrap_or((modules::KERNEL, address));
        self.frame(space, module, offset)
    }

    fn frame(&mut self, space: &mut Space<'_>, module: ModuleId, offset: u64) -> FrameId {
        if let Some(frame) = self.frames.get(&(module, offset)) {
            return *frame;
        }
        let frame = space.modules.frame(module, offset, space.debug_files);
        if self.profile.symbols.all().len() >= FRAMES {
            return self.mark("[too many functions]");
        }
        let id = self.profile.symbols.intern(frame);
        if self.frames.len() < 4 * FRAMES {
            self.frames.insert((module, offset), id);
        }
        id
    }

    fn mark(&mut self, name: &str) -> FrameId {
        self.profile.symbols.intern(mark(name))
    }
}

/// A name that is no function.
pub(super) fn mark(name: &str) -> Frame {
    Frame {
        function: name.to_owned(),
        module: String::new(),
        kind: FrameKind::Mark,
        is_named: true,
    }
}

/// Of a stack that ends in the middle, outermost first: the last function that could be told of it,
/// if there is one.
pub(crate) fn broken_in<'f>(frames: &[&'f Frame]) -> Option<Option<&'f Frame>> {
    let marks = frames
        .iter()
        .take_while(|frame| frame.kind == FrameKind::Mark);
    let broken = marks
        .clone()
        .position(|mark| mark.function == BROKEN_STACK)?;
    let next = frames.get(broken + 1).copied();
    Some(next.filter(|frame| frame.kind != FrameKind::Kernel))
}

/// The addresses to look up, innermost first: of callers the byte before the one they return to,
/// which is within the call.
fn addresses(side: Side, words: Words<'_>) -> impl Iterator<Item = (Side, u64)> {
    let mut side = side;
    let mut is_exact = true;
    let mut is_number = false;
    words.iter().take(CHAIN).filter_map(move |word| {
        if std::mem::take(&mut is_number) {
            return None;
        }
        if word >= CONTEXT_MAX {
            side = match word {
                CONTEXT_KERNEL => Side::Kernel,
                CONTEXT_USER | CONTEXT_USER_DEFERRED => Side::User,
                _ => Side::Other,
            };
            is_number = word == CONTEXT_USER_DEFERRED;
            is_exact = true;
            return None;
        }
        let address = if is_exact {
            word
        } else {
            word.saturating_sub(1)
        };
        is_exact = false;
        Some((side, address))
    })
}
