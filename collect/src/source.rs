//! What a source is: a declaration and two functions.
//!
//! One file per source in `sources/`; its presence registers it. A source says what it reads and
//! what that may cost; it reads only through [`Cx`], so that every read is timed, bounded and
//! recorded.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::redact::Shape;

pub(crate) use crate::capture::{Brought, Cx, Errand, FILE, Part};
pub(crate) use crate::worker::{Ask, Brief, Call, Told};

/// How a read of a source may hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hazard {
    /// Bounded and without locks that a sick node holds.
    Safe,
    /// May block, ends at SIGKILL: takes a process's mmap lock.
    Killable,
    /// May block in the kernel for ever: touches a file system or a device.
    Unkillable,
    /// Takes a global lock or grows with the node.
    Costly,
}

impl Hazard {
    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Killable => "killable",
            Self::Unkillable => "unkillable",
            Self::Costly => "costly",
        }
    }
}

/// What the bytes of a source may give away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// Numbers and names of the system.
    Harmless,
    /// Names and addresses: hosts, users, pods, peers.
    Names,
    /// Names and addresses within records whose lengths must stay.
    Records,
    /// Compressed: names of functions and of files of source code.
    Packed,
    /// Text that programs and people wrote: logs, configuration.
    Text,
    /// Arguments of processes.
    Arguments,
    /// Variables of processes.
    Environment,
    /// The journal in its export format.
    Journal,
}

impl Privacy {
    /// Its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Harmless => "harmless",
            Self::Names => "names",
            Self::Records => "records",
            Self::Packed => "packed",
            Self::Text => "text",
            Self::Arguments => "arguments",
            Self::Environment => "environment",
            Self::Journal => "journal",
        }
    }

    /// Where secrets are looked for in such bytes.
    pub(crate) fn shape(self) -> Shape {
        match self {
            Self::Harmless | Self::Names => Shape::Binary,
            Self::Records => Shape::Records,
            Self::Packed => Shape::Packed,
            Self::Text => Shape::Text,
            Self::Arguments => Shape::CommandLine,
            Self::Environment => Shape::Environment,
            Self::Journal => Shape::JournalExport,
        }
    }
}

/// How many reads a source makes, for `collect plan`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Estimate {
    /// So many in all.
    Fixed(u64),
    /// So many per process.
    PerProcess(u64),
    /// So many per cgroup folder.
    PerCgroup(u64),
}

/// A source's declaration.
pub(crate) struct Source {
    /// Unique, `snake_case`.
    pub(crate) id: &'static str,
    /// Place in the order of volatility; smaller is more perishable.
    pub(crate) order: u32,
    /// What it captures and why, in one line.
    pub(crate) about: &'static str,
    /// The files it reads, `*` and `**` standing for names and paths.
    pub(crate) reads: &'static [&'static str],
    /// How a read may hurt.
    pub(crate) hazard: Hazard,
    /// What the bytes may give away.
    pub(crate) privacy: Privacy,
    /// Wall time for one reading of it; what is left then is not read.
    pub(crate) deadline: Duration,
    /// Bytes that all its readings may store together.
    pub(crate) max_bytes: u64,
    /// How many reads to expect.
    pub(crate) estimate: Estimate,
    /// The first reading.
    pub(crate) capture: Capture,
    /// The reading at the end of the window: whatever is a counter.
    pub(crate) again: Option<Capture>,
    /// Files read each second of the window.
    pub(crate) each_second: &'static [&'static str],
    /// What workers do for it besides reading files.
    pub(crate) calls: &'static [Call],
}

/// Makes one reading. An error is the outcome of the whole source; without one the outcome follows
/// from its reads.
pub(crate) type Capture = fn(&mut Cx<'_>) -> Result<(), Outcome>;
