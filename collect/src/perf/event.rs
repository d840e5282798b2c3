//! The system call: which event, which of its features this kernel has, one ring buffer per CPU.
//!
//! Nothing else in the crate touches `perf-event2`. A kernel that does not know a feature answers
//! EINVAL without saying which one, so features are given up one by one, the newest first, and what
//! was given up is told.

use std::io;

use perf_event::events::{Hardware, Software};
use perf_event::{Builder, Clock, ReadFormat, SampleFlag, Sampler};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::record::Layout;
use super::stack::REGISTERS;

/// What is counted between two samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// Cycles of the CPU, by its performance counters.
    #[serde(rename = "cycles")]
    Cycles,
    /// A timer. It cannot interrupt where interrupts are off: that time shows where they are
    /// switched on again.
    #[serde(rename = "cpu-clock")]
    CpuClock,
    /// A thread leaves its CPU: its call chain is where it waits.
    #[serde(rename = "context-switches")]
    ContextSwitches,
}

/// How often a sample is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Rate {
    /// Samples per second and CPU.
    Frequency(u64),
    /// Events per sample.
    Period(u64),
}

/// What a kernel may not know or not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Feature {
    /// A count of lost samples per event (`PERF_FORMAT_LOST`, Linux 6.0).
    LostCount,
    /// Build ids in records of mappings (Linux 5.12).
    BuildIds,
    /// The cgroup of each sample (Linux 5.7).
    Cgroups,
    /// Names of code that appears in the kernel: BPF programs, trampolines (Linux 5.1).
    KernelSymbols,
    /// Records of every switch between threads (Linux 4.3).
    SwitchRecords,
    /// A choice of the clock (Linux 4.1). Without it the clock is `sched_clock`.
    Clock,
    /// Device and inode in records of mappings, and which change of name is an exec (Linux 3.16).
    Mmap2,
    /// Leaving idle CPUs out.
    ExcludeIdle,
    /// Copies of user stacks (Linux 3.7, on arm64 3.19).
    UserStacks,
    /// The kernel's side of the samples.
    Kernel,
}

/// What is given up at EINVAL, the newest first.
pub(crate) const LADDER: [Feature; 8] = [
    Feature::LostCount,
    Feature::BuildIds,
    Feature::Cgroups,
    Feature::KernelSymbols,
    Feature::Clock,
    Feature::Mmap2,
    Feature::ExcludeIdle,
    Feature::UserStacks,
];

/// What a copy of a user stack is made of.
const STACKS: SampleFlag = SampleFlag::REGS_USER.union(SampleFlag::STACK_USER);

/// How to sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    pub(crate) event: Event,
    pub(crate) rate: Rate,
    /// Bytes that are copied of each user stack; 0: none.
    pub(crate) stack_bytes: u32,
    /// What this kernel does not know or allow.
    pub(crate) without: Vec<Feature>,
}

/// What the kernel said to an event that it does not give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) event: Event,
    pub(crate) errno: i32,
    /// The errno in words.
    pub(crate) error: String,
}

impl Refusal {
    pub(crate) fn new(event: Event, error: &io::Error) -> Self {
        Self {
            event,
            errno: error.raw_os_error().unwrap_or_default(),
            error: error.to_string(),
        }
    }
}

impl Attributes {
    /// Whether records have this.
    pub(crate) fn has(&self, feature: Feature) -> bool {
        !self.without.contains(&feature)
    }

    /// Whether samples have a copy of the user's stack.
    pub(crate) fn has_stacks(&self) -> bool {
        self.stack_bytes() > 0
    }

    /// Bytes that are copied of each.
    pub(crate) fn stack_bytes(&self) -> u32 {
        if self.has(Feature::UserStacks) {
            self.stack_bytes
        } else {
            0
        }
    }

    /// What the samples consist of.
    pub(crate) fn layout(&self) -> Layout {
        Layout {
            has_period: matches!(self.rate, Rate::Frequency(_)),
            has_cgroup: self.has(Feature::Cgroups),
        }
    }

    fn builder(&self) -> Builder<'static> {
        let mut builder = match self.event {
            Event::Cycles => Builder::new(Hardware::CPU_CYCLES),
            Event::CpuClock => Builder::new(Software::CPU_CLOCK),
            Event::ContextSwitches => Builder::new(Software::CONTEXT_SWITCHES),
        };
        let mut sample = SampleFlag::IP
            | SampleFlag::TID
            | SampleFlag::TIME
            | SampleFlag::CPU
            | SampleFlag::CALLCHAIN;
        if self.layout().has_cgroup {
            sample |= SampleFlag::CGROUP;
        }
        // Asked for it, software events take every event as a sample, whatever the period.
        if self.layout().has_period {
            sample |= SampleFlag::PERIOD;
        }
        if self.has_stacks() {
            sample |= STACKS;
            builder.sample_regs_user(REGISTERS);
            builder.sample_stack_user(self.stack_bytes);
        }
        let mut format = ReadFormat::TOTAL_TIME_ENABLED | ReadFormat::TOTAL_TIME_RUNNING;
        if self.has(Feature::LostCount) {
            format |= ReadFormat::LOST;
        }
        match self.rate {
            Rate::Frequency(frequency) => builder.sample_frequency(frequency),
            Rate::Period(period) => builder.sample_period(period),
        };
        builder
            .any_pid()
            .exclude_kernel(!self.has(Feature::Kernel))
            .exclude_hv(!self.has(Feature::Kernel))
            // Hardware counters stop by themselves in deep idle.
            .exclude_idle(self.event == Event::CpuClock && self.has(Feature::ExcludeIdle))
            .sample(sample)
            .read_format(format)
            .sample_id_all(true);
        if self.event == Event::ContextSwitches {
            builder.context_switch(self.has(Feature::SwitchRecords));
        } else {
            self.tell_of_tasks(&mut builder);
        }
        if self.has(Feature::Clock) {
            builder.clockid(Clock::MONOTONIC);
        }
        builder
    }

    /// One event tells what becomes of tasks, their mappings and cgroups.
    fn tell_of_tasks(&self, builder: &mut Builder<'_>) {
        let mapped = self.has(Feature::Mmap2);
        let symbols = self.has(Feature::KernelSymbols);
        builder
            .mmap(true)
            .comm(true)
            .task(true)
            .mmap2(mapped)
            .comm_exec(mapped)
            .ksymbol(symbols)
            .bpf_event(symbols)
            .cgroup(self.has(Feature::Cgroups))
            .build_id(mapped && self.has(Feature::BuildIds));
    }

    /// The first 128 bytes of `struct perf_event_attr` (`linux/perf_event.h`), as `perf.data` has it:
    /// older `perf` refuses a longer one. Stacks are taken out of the records that are kept.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let builder = self.builder();
        let attr = builder.attrs();
        let mut bytes = Vec::with_capacity(128);
        bytes.extend(attr.type_.to_ne_bytes());
        bytes.extend(128_u32.to_ne_bytes());
        bytes.extend(attr.config.to_ne_bytes());
        let (Rate::Frequency(rate) | Rate::Period(rate)) = self.rate;
        bytes.extend(rate.to_ne_bytes());
        bytes.extend((attr.sample_type & !STACKS.bits()).to_ne_bytes());
        bytes.extend(attr.read_format.to_ne_bytes());
        bytes.extend(attr._bitfield_1.get(0, 64).to_ne_bytes());
        bytes.resize(92, 0);
        bytes.extend(attr.clockid.to_ne_bytes());
        bytes.resize(128, 0);
        bytes
    }

    /// Opens the event on a CPU, its buffer being `bytes` long.
    pub(crate) fn open(&self, cpu: u32, bytes: usize) -> io::Result<Ring> {
        let counter = self.builder().one_cpu(cpu as usize).build()?;
        let sampler = counter.sampled(bytes)?;
        Ok(Ring { sampler })
    }
}

/// The samples of one CPU as they come.
pub(crate) struct Ring {
    sampler: Sampler,
}

impl Ring {
    pub(crate) fn enable(&mut self) -> io::Result<()> {
        self.sampler.as_counter_mut().enable()
    }

    pub(crate) fn disable(&mut self) {
        let _ = self.sampler.as_counter_mut().disable();
    }

    /// Hands over every record that is there, its header included.
    pub(crate) fn drain(&mut self, record: &mut Vec<u8>, take: &mut dyn FnMut(&[u8])) {
        while let Some(next) = self.sampler.next_record() {
            let length = next.len() + 8;
            record.clear();
            record.extend(next.ty().to_ne_bytes());
            record.extend(next.misc().to_ne_bytes());
            record.extend((length as u16).to_ne_bytes());
            for part in next.data() {
                record.extend_from_slice(part);
            }
            take(record);
        }
    }

    /// Samples that found no room in the buffer; nothing where the kernel does not count them.
    pub(crate) fn lost(&mut self) -> Option<u64> {
        self.sampler.as_counter_mut().read_full().ok()?.lost()
    }
}

/// Opens the best event that this kernel gives, with as many features as it knows; `open` opens it
/// on one CPU.
pub(crate) fn choose<T>(
    frequency: u64,
    stack_bytes: u32,
    open: &mut dyn FnMut(&Attributes) -> io::Result<T>,
) -> Result<(Attributes, T, Vec<Refusal>), Vec<Refusal>> {
    let mut refusals = Vec::new();
    let attempts = [
        (Event::Cycles, &[][..]),
        (Event::CpuClock, &[]),
        // An unprivileged user may be allowed to look at user space.
        (Event::CpuClock, &[Feature::Kernel]),
    ];
    for (event, without) in attempts {
        let is_forbidden = |refusal: &Refusal| is_forbidden(refusal.errno);
        if !without.is_empty() && !refusals.last().is_some_and(is_forbidden) {
            break;
        }
        let mut attributes = Attributes {
            event,
            rate: Rate::Frequency(frequency),
            stack_bytes,
            without: without.to_vec(),
        };
        let error = match climb_down(&mut attributes, &LADDER, open) {
            Ok(opened) => return Ok((attributes, opened, refusals)),
            Err(error) => error,
        };
        refusals.push(Refusal::new(event, &error));
        // Nothing else will be opened either.
        if matches!(
            Errno::from_io_error(&error),
            Some(Errno::MFILE | Errno::NFILE | Errno::NOSYS)
        ) {
            break;
        }
    }
    Err(refusals)
}

/// Opens the event of context switches as the other one could be opened, without records of every
/// switch where the kernel has none.
pub(crate) fn choose_switches<T>(
    without: &[Feature],
    period: u64,
    open: &mut dyn FnMut(&Attributes) -> io::Result<T>,
) -> Result<(Attributes, T), Refusal> {
    let event = Event::ContextSwitches;
    let mut attributes = Attributes {
        event,
        rate: Rate::Period(period),
        stack_bytes: 0,
        without: without.to_vec(),
    };
    match climb_down(&mut attributes, &[Feature::SwitchRecords], open) {
        Ok(opened) => Ok((attributes, opened)),
        Err(error) => Err(Refusal::new(event, &error)),
    }
}

/// Gives up one feature after the other while the kernel answers EINVAL.
fn climb_down<T>(
    attributes: &mut Attributes,
    ladder: &[Feature],
    open: &mut dyn FnMut(&Attributes) -> io::Result<T>,
) -> io::Result<T> {
    let mut ladder = ladder.iter();
    loop {
        match open(attributes) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => {
                match ladder.next() {
                    Some(feature) => attributes.without.push(*feature),
                    None => return Err(error),
                }
            }
            result => return result,
        }
    }
}

/// Whether the kernel has the event but does not give it.
pub(crate) fn is_forbidden(errno: i32) -> bool {
    matches!(Errno::from_raw_os_error(errno), Errno::ACCESS | Errno::PERM)
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
