//! Records: those of the kernel (`PERF_RECORD_*` of `linux/perf_event.h`).

use super::attribute::{Attribute, sample};
use super::bytes::Fields;
use super::sample::{Sample, Stamp};

/// Numbers of records.
pub(super) mod kind {
    pub(crate) const MMAP: u32 = 1;
    pub(crate) const LOST: u32 = 2;
    pub(crate) const COMM: u32 = 3;
    pub(crate) const EXIT: u32 = 4;
    pub(crate) const THROTTLE: u32 = 5;
    pub(crate) const FORK: u32 = 7;
    pub(crate) const SAMPLE: u32 = 9;
    pub(crate) const MMAP2: u32 = 10;
    pub(crate) const LOST_SAMPLES: u32 = 13;
    pub(crate) const SWITCH: u32 = 14;
    pub(crate) const SWITCH_CPU_WIDE: u32 = 15;
    pub(crate) const KSYMBOL: u32 = 17;
    pub(crate) const CGROUP: u32 = 19;
    /// The last one of the kernel that there may be soon; those of `perf` begin at 64.
    pub(crate) const LAST_OF_KERNEL: u32 = 31;
    pub(crate) const HEADER_ATTR: u32 = 64;
    pub(crate) const HEADER_TRACING_DATA: u32 = 66;
    pub(crate) const HEADER_BUILD_ID: u32 = 67;
    pub(crate) const AUXTRACE: u32 = 71;
    pub(crate) const EVENT_UPDATE: u32 = 78;
    pub(crate) const HEADER_FEATURE: u32 = 80;
    pub(crate) const COMPRESSED: u32 = 81;
    pub(crate) const COMPRESSED2: u32 = 83;
    pub(crate) const LAST_OF_PERF: u32 = 95;
}

/// Bits of `misc`.
const CPU_MODE: u16 = 7;
/// Of MMAP: the mapping is not executable.
const MAP_DATA: u16 = 1 << 13;
/// Of COMM: the process executes another program.
const COMM_EXEC: u16 = 1 << 13;
/// Of SWITCH: it leaves the CPU; and that it did not want to.
const SWITCH_OUT: u16 = 1 << 13;
const SWITCH_PREEMPTED: u16 = 1 << 14;
/// Of MMAP2: a build id stands where the inode stood.
const MAP_BUILD_ID: u16 = 1 << 14;
/// Longest build id.
const BUILD_ID_BYTES: usize = 20;

/// A record before it is decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    /// Where it begins in the file; of a compressed one, where that begins which holds it.
    pub(crate) offset: u64,
    pub(crate) kind: u32,
    pub(crate) misc: u16,
    pub(crate) body: &'a [u8],
}

/// Which side an address without context is of: `PERF_RECORD_MISC_CPUMODE_MASK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The kernel.
    Kernel,
    /// User space.
    User,
    /// A guest, whose addresses mean nothing here; a hypervisor; not told.
    Other,
}

impl Side {
    fn of(misc: u16) -> Self {
        match misc & CPU_MODE {
            1 => Self::Kernel,
            2 => Self::User,
            _ => Self::Other,
        }
    }
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// An observation.
    Sample(Sample<'a>),
    /// Executable memory.
    Mapping(Mapping<'a>),
    /// A thread has another name.
    Comm {
        /// Process.
        pid: u32,
        /// Thread.
        tid: u32,
        /// The name.
        name: &'a [u8],
        /// Because the process executes another program.
        is_exec: bool,
    },
    /// A thread or process begins.
    Fork {
        /// Process.
        pid: u32,
        /// Process of the thread that forked it.
        parent: u32,
        /// Thread.
        tid: u32,
        /// The thread that forked it.
        parent_tid: u32,
    },
    /// A thread ends.
    Exit {
        /// Thread.
        tid: u32,
    },
    /// Records that found no room in the ring buffer.
    Lost(u64),
    /// Samples that the hardware had no room for.
    LostSamples(u64),
    /// The kernel stops sampling, for it takes too long.
    Throttled,
    /// Code appears in the kernel: a BPF program, a trampoline.
    KernelSymbol {
        /// Where.
        address: u64,
        /// Bytes.
        length: u32,
        /// The name.
        name: &'a [u8],
    },
    /// The path of a cgroup.
    Cgroup {
        /// Its id in samples.
        id: u64,
        /// Path below the mount.
        path: &'a [u8],
    },
    /// A thread, that of the stamp, takes or leaves a CPU.
    Switch {
        /// It leaves.
        is_out: bool,
        /// It had to.
        is_preempted: bool,
    },
    /// What nothing here needs.
    Other,
}

/// Executable memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// Process; `u32::MAX` is the kernel.
    pub pid: u32,
    /// First address.
    pub start: u64,
    /// Bytes.
    pub length: u64,
    /// Offset in the file of the first byte.
    pub offset: u64,
    /// Path of the file.
    pub path: &'a [u8],
    /// Of the file.
    pub build_id: Option<&'a [u8]>,
    /// In the kernel or in user space.
    pub side: Side,
}

/// Decodes a record; nothing where it is too short for what it says.
pub(super) fn decode<'a>(
    raw: &Raw<'a>,
    attribute: &Attribute,
    event: usize,
) -> Option<(Record<'a>, Stamp)> {
    if raw.kind == kind::SAMPLE {
        let sample = Sample::decode(raw.body, Side::of(raw.misc), attribute, event)?;
        let stamp = sample.stamp();
        return Some((Record::Sample(sample), stamp));
    }
    let is_of_kernel = raw.kind <= kind::LAST_OF_KERNEL;
    let (body, stamp) = if attribute.sample_id_all && is_of_kernel {
        Stamp::split(raw.body, attribute)?
    } else {
        (raw.body, Stamp::default())
    };
    let record = other(raw.kind, raw.misc, Fields::new(body), attribute)?;
    Some((record, stamp))
}

fn other<'a>(
    kind: u32,
    misc: u16,
    mut fields: Fields<'a>,
    attribute: &Attribute,
) -> Option<Record<'a>> {
    Some(match kind {
        kind::MMAP | kind::MMAP2 if misc & MAP_DATA == 0 => {
            mapping(kind == kind::MMAP2, misc, fields)?
        }
        kind::COMM => Record::Comm {
            pid: fields.u32()?,
            tid: fields.u32()?,
            name: fields.text(),
            is_exec: misc & COMM_EXEC != 0,
        },
        kind::FORK => Record::Fork {
            pid: fields.u32()?,
            parent: fields.u32()?,
            tid: fields.u32()?,
            parent_tid: fields.u32()?,
        },
        kind::EXIT => {
            fields.take(8)?;
            Record::Exit { tid: fields.u32()? }
        }
        kind::LOST => {
            fields.u64()?;
            Record::Lost(fields.u64()?)
        }
        kind::LOST_SAMPLES => Record::LostSamples(fields.u64()?),
        kind::THROTTLE => Record::Throttled,
        kind::SWITCH | kind::SWITCH_CPU_WIDE if attribute.has(sample::TID) => Record::Switch {
            is_out: misc & SWITCH_OUT != 0,
            is_preempted: misc & SWITCH_PREEMPTED != 0,
        },
        kind::KSYMBOL => {
            let (address, length) = (fields.u64()?, fields.u32()?);
            let (_type, flags) = (fields.u16()?, fields.u16()?);
            // It disappears; samples of before keep its name.
            if flags & 1 != 0 {
                return Some(Record::Other);
            }
            Record::KernelSymbol {
                address,
                length,
                name: fields.text(),
            }
        }
        kind::CGROUP => Record::Cgroup {
            id: fields.u64()?,
            path: fields.text(),
        },
        _ => Record::Other,
    })
}

fn mapping(is_second: bool, misc: u16, mut fields: Fields<'_>) -> Option<Record<'_>> {
    let pid = fields.u32()?;
    fields.u32()?;
    let (start, length, offset) = (fields.u64()?, fields.u64()?, fields.u64()?);
    let mut build_id = None;
    if is_second {
        // Device and inode, or a build id behind its length; then protection and flags.
        let mut file = Fields::new(fields.take(24)?);
        if misc & MAP_BUILD_ID != 0 {
            let size = usize::from(*file.take(4)?.first()?).min(BUILD_ID_BYTES);
            build_id = file.take(size).filter(|id| !id.is_empty());
        }
        fields.take(8)?;
    }
    Some(Record::Mapping(Mapping {
        pid,
        start,
        length,
        offset,
        path: fields.text(),
        build_id,
        side: Side::of(misc),
    }))
}
