//! Profiles: stacks with weights, whatever made them.
//!
//! Each reader (the bundle's `perf/`, a bare `perf.data`, the text of `perf script`, pprof) gives
//! [`Profile`]s; tables, flamegraphs and exports take them and do not know where they are from.
//! Names, stacks and tasks are stored once and referred to by number: a node with 128 busy CPUs has
//! a hundred thousand samples of some thousand stacks.

use std::collections::BTreeMap;

mod assemble;
pub mod blocked;
pub mod bundled;
pub mod choice;
#[cfg(test)]
pub(crate) mod corpus;
pub mod debug_files;
mod demangle;
pub mod excerpt;
pub mod export;
pub mod flamegraph;
pub mod fold;
pub mod goroutine;
pub mod heat;
mod modules;
mod notes;
pub mod perf_data;
pub mod pprof;
mod processes;
pub mod recorded;
pub mod scope;
pub mod script;
mod space;
pub mod stacks;
mod switches;
mod tasks;
#[cfg(test)]
pub mod testing;
pub mod top;

pub use assemble::BROKEN_STACK;
pub(crate) use assemble::broken_in;
pub use debug_files::DebugFiles;
pub use stacks::{Stacks, Symbols};
pub use tasks::name_tasks;

/// Number of a frame in [`Symbols`].
pub type FrameId = u32;
/// Number of a stack in [`Stacks`]; [`stacks::EMPTY`] is the stack without frames.
pub type StackId = u32;
/// Number of a task in [`Profile::tasks`].
pub type TaskId = u32;

/// Where code runs; colours of a flamegraph follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FrameKind {
    /// The kernel or a module of it.
    Kernel,
    /// Native code of a binary or library.
    User,
    /// A function of the Go runtime.
    GoRuntime,
    /// Code that a process generated while it ran (JIT).
    Generated,
    /// Not a function: a name put into the stack by us, such as `[broken stack]`.
    Mark,
}

impl FrameKind {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::User => "user",
            Self::GoRuntime => "go_runtime",
            Self::Generated => "generated",
            Self::Mark => "mark",
        }
    }
}

/// A function in a stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Demangled; where nothing names it `[module]+0x<offset>` or the address. It is hostile text.
    pub function: String,
    /// Path of the binary, name of the kernel module; empty where not known.
    pub module: String,
    /// Where it runs.
    pub kind: FrameKind,
    /// Whether a name was found.
    pub is_named: bool,
}

/// Who ran: a thread with all that it belongs to. What is not known is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Task {
    /// Process id.
    pub pid: Option<u32>,
    /// Thread id.
    pub tid: Option<u32>,
    /// Name of the process.
    pub process: String,
    /// Name of the thread.
    pub thread: String,
    /// Path of the cgroup below its mount.
    pub cgroup: Option<String>,
    /// The container's id.
    pub container_id: Option<String>,
    /// The container's name, where a source tells it.
    pub container: Option<String>,
    /// The pod's UID.
    pub pod_uid: Option<String>,
    /// `namespace/name` of the pod, where a source tells it.
    pub pod: Option<String>,
    /// Unit of systemd.
    pub unit: Option<String>,
}

/// What a weight counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Samples, objects, goroutines, events: things that are counted.
    Count,
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// Its name, as pprof and tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Nanoseconds => "nanoseconds",
            Self::Bytes => "bytes",
        }
    }
}

/// One observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When, on the profile's clock (`CLOCK_MONOTONIC` in a bundle); profiles of pprof do not tell.
    pub time_ns: Option<u64>,
    /// On which CPU.
    pub cpu: Option<u32>,
    /// Who.
    pub task: TaskId,
    /// Where.
    pub stack: StackId,
    /// How much, in the profile's unit.
    pub weight: u64,
}

/// Stacks with weights.
#[derive(Clone, Debug)]
pub struct Profile {
    /// How it is chosen: `cpu`, `blocked`, `kubelet.cpu`, `kubelet.heap.inuse_space`.
    pub name: String,
    /// What was sampled, in the words of its maker: `cpu-clock`, `cycles`, `context-switches`,
    /// `inuse_space`.
    pub event: String,
    /// Unit of the weights.
    pub unit: Unit,
    /// Samples per second and CPU, where it was sampled by time.
    pub frequency_hz: Option<u64>,
    /// From when until when, on the samples' clock.
    pub span_ns: Option<(u64, u64)>,
    /// CPUs that were sampled.
    pub cpus: Option<u32>,
    /// Samples that the kernel or the collector had no room for.
    pub lost: u64,
    /// Samples whose user stack ends in the middle: a function without a frame pointer.
    pub broken: u64,
    /// Frames of all samples, and those of them without a name.
    pub frames_total: u64,
    /// Frames of all samples for which no name was found.
    pub frames_unnamed: u64,
    /// What a reader of its pictures must know: what is missing and why, in sentences.
    pub notes: Vec<String>,
    /// Paths of modules whose functions have no names, and why.
    pub missing_names: Vec<(String, String)>,
    /// Build id of modules in hexadecimal digits, by path; not of a path that had several.
    pub build_ids: BTreeMap<String, String>,
    /// The functions.
    pub symbols: Symbols,
    /// The stacks, outermost frame first.
    pub stacks: Stacks,
    /// Who ran.
    pub tasks: Vec<Task>,
    /// The observations, in the order of their time where they have one.
    pub samples: Vec<Sample>,
    /// Entry of the bundle, or file, that it was read from: the evidence.
    pub entry: String,
}

impl Profile {
    /// A profile without samples.
    pub fn new(name: &str, event: &str, unit: Unit, entry: &str) -> Self {
        Self {
            name: name.to_owned(),
            event: event.to_owned(),
            unit,
            frequency_hz: None,
            span_ns: None,
            cpus: None,
            lost: 0,
            broken: 0,
            frames_total: 0,
            frames_unnamed: 0,
            notes: Vec::new(),
            missing_names: Vec::new(),
            build_ids: BTreeMap::new(),
            symbols: Symbols::default(),
            stacks: Stacks::default(),
            tasks: Vec::new(),
            samples: Vec::new(),
            entry: entry.to_owned(),
        }
    }

    /// The task of a sample; an unknown number is a task of which nothing is known.
    pub fn task(&self, sample: &Sample) -> Task {
        self.tasks
            .get(sample.task as usize)
            .cloned()
            .unwrap_or_default()
    }

    /// The sum of all weights.
    pub fn total(&self) -> u64 {
        self.samples
            .iter()
            .fold(0, |sum, sample| sum.saturating_add(sample.weight))
    }
}
