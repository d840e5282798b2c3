//! Records of the ring buffer: `perf_event.h`, and `perf_event_open(2)`.
//!
//! They come from the kernel of this machine, but the copy of a buffer may be torn: every length is
//! checked.

/// `PERF_RECORD_*`.
pub(crate) mod kind {
    pub(crate) const MMAP: u32 = 1;
    pub(crate) const LOST: u32 = 2;
    pub(crate) const COMM: u32 = 3;
    pub(crate) const THROTTLE: u32 = 5;
    pub(crate) const FORK: u32 = 7;
    pub(crate) const EXIT: u32 = 4;
    pub(crate) const SAMPLE: u32 = 9;
    pub(crate) const MMAP2: u32 = 10;
    pub(crate) const LOST_SAMPLES: u32 = 13;
    pub(crate) const SWITCH_CPU_WIDE: u32 = 15;
    pub(crate) const KSYMBOL: u32 = 17;
    pub(crate) const BPF_EVENT: u32 = 18;
    pub(crate) const CGROUP: u32 = 19;
    /// Of `perf` itself: every record up to the last of these is in the file.
    pub(crate) const FINISHED_ROUND: u32 = 68;
}

/// `PERF_RECORD_MISC_MMAP_BUILD_ID`.
pub(crate) const MISC_BUILD_ID: u16 = 1 << 14;
/// `PERF_RECORD_MISC_COMM_EXEC`.
pub(crate) const MISC_EXEC: u16 = 1 << 13;
/// `PERF_RECORD_MISC_MMAP_DATA`: the mapping is not executable.
const MISC_DATA: u16 = 1 << 13;
/// `PERF_RECORD_MISC_SWITCH_OUT`: the thread leaves its CPU.
pub(crate) const MISC_SWITCH_OUT: u16 = 1 << 13;
/// From here on an address of a call chain is a mark: which side the following ones are of.
pub(crate) const CONTEXT_MAX: u64 = -4095_i64 as u64;
/// `PERF_CONTEXT_KERNEL`.
pub(crate) const CONTEXT_KERNEL: u64 = -128_i64 as u64;
/// `PERF_CONTEXT_USER`.
pub(crate) const CONTEXT_USER: u64 = -512_i64 as u64;
/// pid, tid, time, CPU: `sample_id` behind every record that is no sample.
pub(crate) const TRAILER_BYTES: usize = 24;
/// A call chain is cut here; `kernel.perf_event_max_stack` can be set to more.
const CHAIN: usize = 1024;

/// What samples consist of, as they were asked for: always ip, pid and tid, time, CPU and call chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Before the call chain.
    pub(crate) has_period: bool,
    /// Behind the call chain.
    pub(crate) has_cgroup: bool,
}

/// A record, as far as it is needed here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    Sample(Sample<'a>),
    Mapping(MappingRecord<'a>),
    /// A process executes another program.
    Exec {
        pid: u32,
        time: u64,
        comm: &'a [u8],
    },
    Fork {
        pid: u32,
        parent: u32,
        tid: u32,
        time: u64,
    },
    Lost(u64),
    Throttled,
    Other,
}

/// One sample.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sample<'a> {
    pub(crate) pid: u32,
    pub(crate) tid: u32,
    pub(crate) time: u64,
    pub(crate) cgroup: Option<u64>,
    chain: &'a [u8],
}

/// A new executable mapping.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MappingRecord<'a> {
    pub(crate) pid: u32,
    pub(crate) start: u64,
    pub(crate) length: u64,
    pub(crate) offset: u64,
    pub(crate) build_id: Option<&'a [u8]>,
    /// Major and minor number and inode, where there is no build id.
    pub(crate) file: Option<(u32, u32, u64)>,
    pub(crate) path: &'a [u8],
    pub(crate) time: u64,
}

/// An address that was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) address: u64,
    pub(crate) is_kernel: bool,
    /// The innermost of all frames: where the CPU was.
    pub(crate) is_leaf: bool,
}

impl Sample<'_> {
    /// The addresses to look up, innermost first: of callers the byte before the one they return
    /// to, which is within the call.
    pub(crate) fn hits(&self) -> impl Iterator<Item = Hit> {
        let mut is_kernel = false;
        let mut is_exact = true;
        let mut is_leaf = true;
        let words = self.chain.chunks_exact(8).take(CHAIN);
        words.filter_map(move |word| {
            let address = u64::from_ne_bytes(word.try_into().ok()?);
            if address >= CONTEXT_MAX {
                is_kernel = address == CONTEXT_KERNEL;
                is_exact = true;
                return None;
            }
            let hit = Hit {
                address: if is_exact {
                    address
                } else {
                    address.saturating_sub(1)
                },
                is_kernel,
                is_leaf,
            };
            (is_exact, is_leaf) = (false, false);
            Some(hit)
        })
    }
}

/// Which kind of record it is.
pub(crate) fn kind_of(bytes: &[u8]) -> Option<u32> {
    u32_at(bytes, 0)
}

/// Reads a record.
pub(crate) fn parse(bytes: &[u8], layout: Layout) -> Option<Record<'_>> {
    let kind = u32_at(bytes, 0)?;
    let misc = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let body = bytes.get(8..)?;
    let trailer = body.len().checked_sub(TRAILER_BYTES);
    let time = || {
        trailer
            .and_then(|at| u64_at(body, at + 8))
            .unwrap_or_default()
    };
    Some(match kind {
        kind::SAMPLE => Record::Sample(sample(body, layout)?),
        kind::MMAP | kind::MMAP2 if misc & MISC_DATA == 0 => {
            Record::Mapping(mapping(kind, misc, body.get(..trailer?)?, time())?)
        }
        kind::COMM if misc & MISC_EXEC != 0 => Record::Exec {
            pid: u32_at(body, 0)?,
            time: time(),
            comm: text(body.get(8..trailer?)?),
        },
        kind::FORK => Record::Fork {
            pid: u32_at(body, 0)?,
            parent: u32_at(body, 4)?,
            tid: u32_at(body, 8)?,
            time: u64_at(body, 16)?,
        },
        kind::LOST => Record::Lost(u64_at(body, 8)?),
        kind::LOST_SAMPLES => Record::Lost(u64_at(body, 0)?),
        kind::THROTTLE => Record::Throttled,
        _ => Record::Other,
    })
}

fn sample(body: &[u8], layout: Layout) -> Option<Sample<'_>> {
    // ip, pid and tid, time, cpu, perhaps period, then the chain behind its length.
    let count_at = if layout.has_period { 40 } else { 32 };
    let count = usize::try_from(u64_at(body, count_at)?).ok()?;
    let chain_at = count_at + 8;
    let chain_ends = count.checked_mul(8)?.checked_add(chain_at)?;
    Some(Sample {
        pid: u32_at(body, 8)?,
        tid: u32_at(body, 12)?,
        time: u64_at(body, 16)?,
        cgroup: if layout.has_cgroup {
            u64_at(body, chain_ends)
        } else {
            None
        },
        chain: body.get(chain_at..chain_ends)?,
    })
}

fn mapping(kind: u32, misc: u16, body: &[u8], time: u64) -> Option<MappingRecord<'_>> {
    let (mut build_id, mut file) = (None, None);
    let mut path_at = 32;
    if kind == kind::MMAP2 {
        path_at = 64;
        if misc & MISC_BUILD_ID == 0 {
            file = Some((u32_at(body, 32)?, u32_at(body, 36)?, u64_at(body, 40)?));
        } else {
            let length = usize::from(*body.get(32)?).min(20);
            build_id = body.get(36..36 + length).filter(|id| !id.is_empty());
        }
    }
    let path = text(body.get(path_at..)?);
    Some(MappingRecord {
        pid: u32_at(body, 0)?,
        start: u64_at(body, 8)?,
        length: u64_at(body, 16)?,
        offset: u64_at(body, 24)?,
        build_id,
        file,
        path,
        time,
    })
}

/// Whether a record tells what became of tasks, mappings, cgroups or the kernel's code.
pub(crate) fn is_side_record(bytes: &[u8]) -> bool {
    matches!(
        u32_at(bytes, 0),
        Some(
            kind::MMAP
                | kind::COMM
                | kind::EXIT
                | kind::FORK
                | kind::MMAP2
                | kind::KSYMBOL
                | kind::BPF_EVENT
                | kind::CGROUP
        )
    )
}

/// A text up to the zero that ends it.
fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Splits a run of records.
pub(crate) fn records(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = u16::from_ne_bytes(bytes.get(6..8)?.try_into().ok()?).into();
        let (record, rest) = bytes.split_at_checked(length).filter(|_| length >= 8)?;
        bytes = rest;
        Some(record)
    })
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Layout = Layout {
        has_period: true,
        has_cgroup: true,
    };

    fn record(kind: u32, misc: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = kind.to_ne_bytes().to_vec();
        bytes.extend(misc.to_ne_bytes());
        bytes.extend((body.len() as u16 + 8).to_ne_bytes());
        bytes.extend(body);
        bytes
    }

    fn sample_body(chain: &[u64], cgroup: u64) -> Vec<u8> {
        let mut body = 0x1000_u64.to_ne_bytes().to_vec();
        body.extend([7_u32, 8].map(u32::to_ne_bytes).concat());
        body.extend(
            [5_u64, 1, 99, chain.len() as u64]
                .map(u64::to_ne_bytes)
                .concat(),
        );
        body.extend(chain.iter().flat_map(|address| address.to_ne_bytes()));
        body.extend(cgroup.to_ne_bytes());
        body
    }

    #[test]
    fn callers_are_looked_up_within_their_call() {
        let chain = [
            CONTEXT_KERNEL,
            0xffff_0010,
            0xffff_0020,
            -512_i64 as u64,
            0x10,
            0x20,
        ];
        let bytes = record(kind::SAMPLE, 1, &sample_body(&chain, 42));
        let Some(Record::Sample(sample)) = parse(&bytes, WHOLE) else {
            panic!("no sample");
        };
        assert_eq!((sample.pid, sample.tid, sample.time), (7, 8, 5));
        assert_eq!(sample.cgroup, Some(42));
        let hits: Vec<_> = sample
            .hits()
            .map(|hit| (hit.address, hit.is_kernel))
            .collect();
        let expected = [
            (0xffff_0010, true),
            (0xffff_001f, true),
            (0x10, false),
            (0x1f, false),
        ];
        assert_eq!(hits, expected);
        assert_eq!(sample.hits().filter(|hit| hit.is_leaf).count(), 1);
    }

    #[test]
    fn samples_of_switches_have_no_period() {
        let mut body = sample_body(&[CONTEXT_KERNEL, 0xffff_0010], 42);
        body.drain(32..40);
        let layout = Layout {
            has_period: false,
            has_cgroup: true,
        };
        let bytes = record(kind::SAMPLE, 1, &body);
        let Some(Record::Sample(sample)) = parse(&bytes, layout) else {
            panic!("no sample");
        };
        assert_eq!((sample.pid, sample.time, sample.cgroup), (7, 5, Some(42)));
        assert_eq!(sample.hits().count(), 1);
    }

    #[test]
    fn a_torn_record_is_no_record() {
        let whole = record(kind::SAMPLE, 1, &sample_body(&[1, 2, 3], 42));
        for length in 0..whole.len() {
            let _ = parse(&whole[..length], WHOLE);
        }
        let mut wild = whole.clone();
        wild[48..56].copy_from_slice(&u64::MAX.to_ne_bytes());
        assert_eq!(parse(&wild, WHOLE), None);
        assert_eq!(records(&[0; 64]).count(), 0, "a length of zero ends it");
        assert_eq!(records(&[&whole[..], &whole[..20]].concat()).count(), 1);
    }

    #[test]
    fn mappings_have_a_build_id_or_a_file() {
        let mut body = [7_u32, 7].map(u32::to_ne_bytes).concat();
        body.extend(
            [0x400_000_u64, 0x1000, 0x2000]
                .map(u64::to_ne_bytes)
                .concat(),
        );
        let mut with_file = body.clone();
        with_file.extend([8_u32, 1].map(u32::to_ne_bytes).concat());
        with_file.extend([99_u64, 0, 0].map(u64::to_ne_bytes).concat());
        with_file.extend(b"/bin/a\0\0");
        with_file.extend([0; TRAILER_BYTES]);
        let bytes = record(kind::MMAP2, 2, &with_file);
        let Some(Record::Mapping(mapping)) = parse(&bytes, WHOLE) else {
            panic!("no mapping");
        };
        assert_eq!(mapping.file, Some((8, 1, 99)));
        assert_eq!(mapping.path, b"/bin/a");
        let mut with_id = body;
        with_id.extend([20, 0, 0, 0]);
        with_id.extend([0xab; 20]);
        with_id.extend([0; 8]);
        with_id.extend(b"/bin/a\0\0");
        with_id.extend([0; TRAILER_BYTES]);
        let bytes = record(kind::MMAP2, 2 | MISC_BUILD_ID, &with_id);
        let Some(Record::Mapping(mapping)) = parse(&bytes, WHOLE) else {
            panic!("no mapping");
        };
        assert_eq!(mapping.build_id, Some(&[0xab; 20][..]));
        assert_eq!(mapping.path, b"/bin/a");
    }
}
