//! What a reader of a profile must know of how it was made, in sentences.

use serde::Deserialize;

use super::assemble::broken_in;
use super::switches::{self, Watched};
use super::{Frame, FrameKind, Profile};

/// `perf/meta.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Meta {
    pub(super) event: Option<String>,
    pub(super) frequency_hz: Option<u64>,
    pub(super) clock: Option<String>,
    pub(super) started_us: Option<u64>,
    pub(super) ended_us: Option<u64>,
    pub(super) lost: Option<u64>,
    pub(super) dropped: Option<u64>,
    pub(super) cpus: Vec<Cpu>,
    pub(super) shares_pids: Option<bool>,
    pub(super) settings: Settings,
    pub(super) switches: Watched,
    samples: Option<u64>,
    refused: Vec<Refused>,
    without: Vec<String>,
    requested_frequency_hz: Option<u64>,
    throttled: Option<u64>,
    frames_not_counted: Option<u64>,
    refused_cpus: Vec<RefusedCpu>,
    processes_hung: Option<u64>,
    entries_left_out: Option<u64>,
    kernel_symbols_hidden: bool,
}

/// Values below `/proc/sys/kernel`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    pub(super) perf_event_max_stack: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Cpu {
    cpu: u32,
    offline_us: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Refused {
    event: String,
    error: String,
}

#[derive(Debug, Deserialize)]
struct RefusedCpu {
    cpu: u32,
    error: String,
}

impl Meta {
    /// From and until when samples were taken, in nanoseconds of their clock.
    pub(super) fn span(&self) -> Option<(u64, u64)> {
        if self.clock.as_deref() != Some("monotonic") {
            return None;
        }
        let (started, ended) = self.started_us.zip(self.ended_us)?;
        Some((started.saturating_mul(1000), ended.saturating_mul(1000)))
    }
}

/// What is missing and why.
pub(super) fn notes(meta: &Meta, profile: &Profile) -> Vec<String> {
    let mut notes = Vec::new();
    how(meta, &mut notes);
    losses(meta, profile, &mut notes);
    names(meta, &mut notes);
    notes.extend(switches::missing(&meta.switches).filter(|_| !meta.switches.was_watched()));
    notes
}

fn how(meta: &Meta, notes: &mut Vec<String>) {
    if meta.event.as_deref() == Some("cpu-clock") {
        let refused = meta.refused.iter();
        let refused: Vec<_> = refused
            .map(|one| format!("{}: {}", one.event, one.error))
            .collect();
        let why = if refused.is_empty() {
            String::new()
        } else {
            format!(" ({})", refused.join(", "))
        };
        notes.push(format!(
            "A timer was sampled, for there are no performance counters{why}: time with interrupts off shows where they are switched on again, and idle CPUs give no samples."
        ));
    }
    let lacks = |what: &str| meta.without.iter().any(|one| one == what);
    if lacks("kernel") {
        notes.push("Only user space could be sampled.".to_owned());
    }
    if lacks("clock") {
        notes.push(
            "Times are of the scheduler's clock, which may be off by some milliseconds.".to_owned(),
        );
    }
    if lacks("cgroups") {
        notes.push("This kernel does not tell the cgroup of a sample: it is that of the process when it was looked at.".to_owned());
    }
    if let Some((hz, asked)) = meta.frequency_hz.zip(meta.requested_frequency_hz)
        && hz < asked
    {
        notes.push(format!("{hz} samples per second and CPU instead of {asked}: kernel.perf_event_max_sample_rate allows no more."));
    }
    if meta.shares_pids == Some(false) {
        notes.push("The collector was in a pid namespace of its own: processes outside of it have pid 0 and no names; run it with hostPID.".to_owned());
    }
}

fn losses(meta: &Meta, profile: &Profile, notes: &mut Vec<String>) {
    let samples = meta.samples.unwrap_or(profile.samples.len() as u64);
    if let Some(lost) = meta.lost.filter(|lost| *lost > 0) {
        let all = samples.saturating_add(lost);
        notes.push(format!(
            "{lost} of {all} samples were lost: the collector could not keep up with the kernel."
        ));
    }
    if let Some(dropped) = meta.dropped.filter(|dropped| *dropped > 0) {
        notes.push(format!(
            "{dropped} samples found no room in the 48 MiB that the collector keeps."
        ));
    }
    if let Some(times) = meta.throttled.filter(|times| *times > 0) {
        notes.push(super::recorded::throttled(times));
    }
    for one in &meta.refused_cpus {
        notes.push(format!(
            "CPU {} could not be sampled: {}.",
            one.cpu, one.error
        ));
    }
    for one in meta.cpus.iter().filter(|cpu| cpu.offline_us.is_some()) {
        notes.push(format!("CPU {} went offline meanwhile.", one.cpu));
    }
    if let Some(hung) = meta.processes_hung.filter(|hung| *hung > 0) {
        notes.push(format!("{hung} processes hung when their mappings were looked at: their functions have no names."));
    }
    if let Some(count) = meta.entries_left_out.filter(|count| *count > 0) {
        notes.push(format!(
            "{count} processes, mappings or files found no room in the collector."
        ));
    }
}

fn names(meta: &Meta, notes: &mut Vec<String>) {
    if meta.kernel_symbols_hidden {
        notes.push("The kernel hid its symbols (kernel.kptr_restrict, or CAP_SYSLOG is missing): its functions have no names.".to_owned());
    }
    if let Some(count) = meta.frames_not_counted.filter(|count| *count > 0) {
        notes.push(format!(
            "{count} addresses beyond a million distinct ones were not looked up."
        ));
    }
}

/// How many stacks end in the middle, and in which binaries most.
pub(super) fn broken(profile: &Profile) -> Option<String> {
    const SHOWN: usize = 3;
    if profile.broken == 0 {
        return None;
    }
    let mut of_user = 0_u64;
    let mut by_module = std::collections::HashMap::<&str, u64>::new();
    for sample in &profile.samples {
        let frames = profile.stacks.outermost_first(sample.stack);
        let frames: Vec<&Frame> = frames
            .iter()
            .filter_map(|id| profile.symbols.get(*id))
            .collect();
        let broken = broken_in(&frames);
        let is_of_kernel =
            |frame: &&Frame| matches!(frame.kind, FrameKind::Kernel | FrameKind::Mark);
        of_user += u64::from(broken.is_some() || !frames.iter().all(is_of_kernel));
        if let Some(last) = broken.flatten() {
            *by_module.entry(&last.module).or_insert(0) += 1;
        }
    }
    let mut modules: Vec<_> = by_module.into_iter().collect();
    modules.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let shown: Vec<_> = modules
        .iter()
        .take(SHOWN)
        .map(|(module, count)| format!("{module} ({count})"))
        .collect();
    let most = if shown.is_empty() {
        String::new()
    } else {
        format!(", most in {}", shown.join(", "))
    };
    let broken = profile.broken;
    Some(format!(
        "The stacks of {broken} of {of_user} samples with user space end in the middle, where code has no frame pointers{most}."
    ))
}
