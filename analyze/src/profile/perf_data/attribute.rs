//! `struct perf_event_attr` (`linux/perf_event.h`): what was sampled, and what its records hold.

use super::bytes::Fields;

/// `PERF_SAMPLE_*`: fields of a sample.
pub(super) mod sample {
    pub(crate) const IP: u64 = 1 << 0;
    pub(crate) const TID: u64 = 1 << 1;
    pub(crate) const TIME: u64 = 1 << 2;
    pub(crate) const ADDR: u64 = 1 << 3;
    pub(crate) const READ: u64 = 1 << 4;
    pub(crate) const CALLCHAIN: u64 = 1 << 5;
    pub(crate) const ID: u64 = 1 << 6;
    pub(crate) const CPU: u64 = 1 << 7;
    pub(crate) const PERIOD: u64 = 1 << 8;
    pub(crate) const STREAM_ID: u64 = 1 << 9;
    pub(crate) const RAW: u64 = 1 << 10;
    pub(crate) const BRANCH_STACK: u64 = 1 << 11;
    pub(crate) const REGS_USER: u64 = 1 << 12;
    pub(crate) const STACK_USER: u64 = 1 << 13;
    pub(crate) const WEIGHT: u64 = 1 << 14;
    pub(crate) const DATA_SRC: u64 = 1 << 15;
    pub(crate) const IDENTIFIER: u64 = 1 << 16;
    pub(crate) const TRANSACTION: u64 = 1 << 17;
    pub(crate) const REGS_INTR: u64 = 1 << 18;
    pub(crate) const PHYS_ADDR: u64 = 1 << 19;
    pub(crate) const CGROUP: u64 = 1 << 21;
    pub(crate) const WEIGHT_STRUCT: u64 = 1 << 24;
}

/// Bits of the attribute's flags.
const FREQUENCY: u64 = 1 << 10;
const SAMPLE_ID_ALL: u64 = 1 << 18;
const USE_CLOCK: u64 = 1 << 25;
/// `PERF_SAMPLE_BRANCH_HW_INDEX`: one word more in front of the branches.
const BRANCH_INDEX: u64 = 1 << 17;

/// Names of `PERF_TYPE_HARDWARE` and `PERF_TYPE_SOFTWARE` as `perf list` has them.
const HARDWARE: [&str; 10] = [
    "cycles",
    "instructions",
    "cache-references",
    "cache-misses",
    "branches",
    "branch-misses",
    "bus-cycles",
    "stalled-cycles-frontend",
    "stalled-cycles-backend",
    "ref-cycles",
];
const SOFTWARE: [&str; 12] = [
    "cpu-clock",
    "task-clock",
    "page-faults",
    "context-switches",
    "cpu-migrations",
    "minor-faults",
    "major-faults",
    "alignment-faults",
    "emulation-faults",
    "dummy",
    "bpf-output",
    "cgroup-switches",
];

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribute {
    /// `PERF_TYPE_*`.
    pub kind: u32,
    /// Which event of that kind.
    pub config: u64,
    /// Events between two samples; samples per second where `is_frequency`.
    pub period: u64,
    /// Whether `period` is a frequency.
    pub is_frequency: bool,
    /// Number of the clock, where one was chosen (`clock_gettime(2)`).
    pub clock: Option<i32>,
    pub(super) sample_type: u64,
    pub(super) read_format: u64,
    pub(super) sample_id_all: bool,
    pub(super) has_branch_index: bool,
    /// Registers in a sample: of user space, and where it was interrupted.
    pub(super) registers: (u32, u32),
}

impl Attribute {
    /// Reads an attribute of any age; what an old one lacks is zero.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        // The first version ends behind `config1`.
        if bytes.len() < 64 {
            return None;
        }
        let mut whole = [0; 128];
        let known = bytes.len().min(whole.len());
        whole.get_mut(..known)?.copy_from_slice(bytes.get(..known)?);
        let mut fields = Fields::new(&whole);
        let kind = fields.u32()?;
        let _size = fields.u32()?;
        let config = fields.u64()?;
        let period = fields.u64()?;
        let sample_type = fields.u64()?;
        let read_format = fields.u64()?;
        let flags = fields.u64()?;
        // wakeup_events, bp_type, config1, config2.
        fields.take(4 + 4 + 8 + 8)?;
        let branch_sample_type = fields.u64()?;
        let registers_user = fields.u64()?;
        let _stack_user = fields.u32()?;
        let clock = fields.u32()? as i32;
        let registers_interrupted = fields.u64()?;
        Some(Self {
            kind,
            config,
            period,
            is_frequency: flags & FREQUENCY != 0,
            clock: (flags & USE_CLOCK != 0).then_some(clock),
            sample_type,
            read_format,
            sample_id_all: flags & SAMPLE_ID_ALL != 0,
            has_branch_index: branch_sample_type & BRANCH_INDEX != 0,
            registers: (
                registers_user.count_ones(),
                registers_interrupted.count_ones(),
            ),
        })
    }

    /// Whether samples hold dumps of the user's stack (`perf record --call-graph dwarf`).
    pub fn has_stack_dumps(&self) -> bool {
        self.has(sample::STACK_USER)
    }

    /// Whether samples have this field.
    pub(super) fn has(&self, field: u64) -> bool {
        self.sample_type & field != 0
    }

    /// The name as `perf list` has it, where the file does not tell one.
    pub(super) fn name(&self) -> String {
        let names: &[&str] = match self.kind {
            0 => &HARDWARE,
            1 => &SOFTWARE,
            2 => return format!("tracepoint:{}", self.config),
            _ => &[],
        };
        // On hybrid CPUs the upper half tells which kind of core.
        let place = (self.config & 0xffff_ffff) as usize;
        match names.get(place) {
            Some(name) => (*name).to_owned(),
            None => format!("event-{}:{:#x}", self.kind, self.config),
        }
    }
}

/// The name without its modifiers: `cycles:ppp` and `cpu-clock:HG` count the same as without.
pub(crate) fn without_modifiers(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((event, modifiers))
            if !event.is_empty() && modifiers.chars().all(|c| "ukhHGpPSDWeIb".contains(c)) =>
        {
            event
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_events() {
        let name = |kind, config| {
            let attribute = Attribute {
                kind,
                config,
                ..Attribute::default()
            };
            attribute.name()
        };
        assert_eq!(name(0, 0), "cycles");
        assert_eq!(name(0, 4 << 32), "cycles");
        assert_eq!(name(1, 0), "cpu-clock");
        assert_eq!(name(1, 99), "event-1:0x63");
        assert_eq!(name(2, 372), "tracepoint:372");
        assert_eq!(without_modifiers("cpu-clock:HG"), "cpu-clock");
        assert_eq!(without_modifiers("cycles:u"), "cycles");
        assert_eq!(
            without_modifiers("sched:sched_switch"),
            "sched:sched_switch"
        );
        assert_eq!(without_modifiers("cpu_core/cycles/P"), "cpu_core/cycles/P");
        assert_eq!(without_modifiers("cycles:"), "cycles");
    }

    #[test]
    fn a_short_attribute_is_none() {
        assert_eq!(Attribute::parse(&[0xff; 63]), None);
        assert!(Attribute::parse(&[0xff; 64]).is_some());
        assert!(Attribute::parse(&[0xff; 300]).is_some());
    }
}
