//! Samples, and what stands behind every other record (`sample_id_all`).

use super::attribute::{Attribute, sample};
use super::bytes::{Fields, Words};
use super::record::Side;

/// Bits of `read_format`.
const READ_TIMES: [u64; 2] = [1 << 0, 1 << 1];
const READ_ID: u64 = 1 << 2;
const READ_GROUP: u64 = 1 << 3;
const READ_LOST: u64 = 1 << 4;

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// Place of its event in the file's list.
    pub event: usize,
    /// Where the CPU was.
    pub side: Side,
    /// The instruction.
    pub address: Option<u64>,
    /// Process and thread; no process: the task was exiting.
    pub task: Option<(u32, u32)>,
    /// Nanoseconds of the file's clock.
    pub time_ns: Option<u64>,
    /// The CPU.
    pub cpu: Option<u32>,
    /// Events since the sample before.
    pub period: Option<u64>,
    /// Addresses, innermost first, with marks of context between them.
    pub chain: Words<'a>,
    /// Id of the cgroup in the unified hierarchy.
    pub cgroup: Option<u64>,
}

impl<'a> Sample<'a> {
    pub(super) fn decode(
        body: &'a [u8],
        side: Side,
        attribute: &Attribute,
        event: usize,
    ) -> Option<Self> {
        let mut fields = Fields::new(body);
        let fields = &mut fields;
        word(fields, attribute, sample::IDENTIFIER)?;
        let address = word(fields, attribute, sample::IP)?;
        let task = pair(fields, attribute, sample::TID)?;
        let time_ns = word(fields, attribute, sample::TIME)?;
        word(fields, attribute, sample::ADDR)?;
        word(fields, attribute, sample::ID)?;
        word(fields, attribute, sample::STREAM_ID)?;
        let cpu = pair(fields, attribute, sample::CPU)?.map(|(cpu, _)| cpu);
        let period = word(fields, attribute, sample::PERIOD)?;
        if attribute.has(sample::READ) {
            skip_read(fields, attribute)?;
        }
        let mut chain = Words::EMPTY;
        if attribute.has(sample::CALLCHAIN) {
            let count = fields.u64()?;
            chain = fields.words(count)?;
        }
        let cgroup = if attribute.has(sample::CGROUP) {
            skip_to_cgroup(fields, attribute)?;
            Some(fields.u64()?)
        } else {
            None
        };
        Some(Self {
            event,
            side,
            address,
            task,
            time_ns,
            cpu,
            period,
            chain,
            cgroup,
        })
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp {
            task: self.task,
            time_ns: self.time_ns,
            cpu: self.cpu,
        }
    }
}

/// A field that is there if the attribute says so; the outer nothing is a field that should be.
fn word(fields: &mut Fields<'_>, attribute: &Attribute, field: u64) -> Option<Option<u64>> {
    if attribute.has(field) {
        fields.u64().map(Some)
    } else {
        Some(None)
    }
}

fn pair(fields: &mut Fields<'_>, attribute: &Attribute, field: u64) -> Option<Option<(u32, u32)>> {
    if attribute.has(field) {
        Some(Some((fields.u32()?, fields.u32()?)))
    } else {
        Some(None)
    }
}

/// `PERF_SAMPLE_READ`: values of counters.
fn skip_read(fields: &mut Fields<'_>, attribute: &Attribute) -> Option<()> {
    let has = |bit: u64| u64::from(attribute.read_format & bit != 0);
    let times: u64 = READ_TIMES.into_iter().map(has).sum();
    let of_each = 1 + has(READ_ID) + has(READ_LOST);
    if has(READ_GROUP) == 1 {
        let count = fields.u64()?;
        fields.words(times.checked_add(count.checked_mul(of_each)?)?)?;
    } else {
        fields.words(times + of_each)?;
    }
    Some(())
}

/// What stands between the call chain and the cgroup.
fn skip_to_cgroup(fields: &mut Fields<'_>, attribute: &Attribute) -> Option<()> {
    if attribute.has(sample::RAW) {
        let size = fields.u32()?;
        fields.take_long(size.into())?;
    }
    if attribute.has(sample::BRANCH_STACK) {
        let count = fields.u64()?;
        fields.words(u64::from(attribute.has_branch_index))?;
        fields.words(count.checked_mul(3)?)?;
    }
    if attribute.has(sample::REGS_USER) {
        skip_registers(fields, attribute.registers.0)?;
    }
    if attribute.has(sample::STACK_USER) {
        let size = fields.u64()?;
        fields.take_long(size)?;
        if size > 0 {
            fields.u64()?;
        }
    }
    for field in [
        sample::WEIGHT | sample::WEIGHT_STRUCT,
        sample::DATA_SRC,
        sample::TRANSACTION,
    ] {
        word(fields, attribute, field)?;
    }
    if attribute.has(sample::REGS_INTR) {
        skip_registers(fields, attribute.registers.1)?;
    }
    word(fields, attribute, sample::PHYS_ADDR)?;
    Some(())
}

fn skip_registers(fields: &mut Fields<'_>, count: u32) -> Option<()> {
    let abi = fields.u64()?;
    if abi != 0 {
        fields.words(count.into())?;
    }
    Some(())
}

/// Whose record it is, and when it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Process and thread.
    pub task: Option<(u32, u32)>,
    /// Nanoseconds of the file's clock; 0 in records that stand for what was there before.
    pub time_ns: Option<u64>,
    /// The CPU.
    pub cpu: Option<u32>,
}

impl Stamp {
    /// Fields of `sample_id`, in their order.
    const FIELDS: [u64; 6] = [
        sample::TID,
        sample::TIME,
        sample::ID,
        sample::STREAM_ID,
        sample::CPU,
        sample::IDENTIFIER,
    ];

    /// Takes the stamp off the end of a record.
    pub(super) fn split<'a>(body: &'a [u8], attribute: &Attribute) -> Option<(&'a [u8], Self)> {
        let count = Self::FIELDS.iter().filter(|field| attribute.has(**field));
        let at = body.len().checked_sub(8 * count.count())?;
        let (body, trailer) = body.split_at_checked(at)?;
        let mut fields = Fields::new(trailer);
        let fields = &mut fields;
        let task = pair(fields, attribute, sample::TID)?;
        let time_ns = word(fields, attribute, sample::TIME)?;
        word(fields, attribute, sample::ID)?;
        word(fields, attribute, sample::STREAM_ID)?;
        let cpu = pair(fields, attribute, sample::CPU)?.map(|(cpu, _)| cpu);
        let stamp = Self { task, time_ns, cpu };
        Some((body, stamp))
    }
}

/// Which event a record is of: its id, found without knowing the event. `None` where these
/// attributes do not tell.
pub(super) fn identify(body: &[u8], is_sample: bool, attribute: &Attribute) -> Option<u64> {
    let at = |fields: u64| 8 * (attribute.sample_type & fields).count_ones() as usize;
    let (front, back) = if attribute.has(sample::IDENTIFIER) {
        (0, 8)
    } else if attribute.has(sample::ID) {
        let before = sample::IP | sample::TID | sample::TIME | sample::ADDR;
        (at(before), 8 + at(sample::STREAM_ID | sample::CPU))
    } else {
        return None;
    };
    let start = if is_sample {
        front
    } else {
        body.len().checked_sub(back)?
    };
    Fields::new(body.get(start..)?).u64()
}
