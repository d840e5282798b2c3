//! How long threads were off their CPU, and where they waited: the profile `blocked`, of
//! `perf/switches.data` (docs/bundle-format.md, "Switches").
//!
//! Every switch is recorded while switches are watched, in slices of the window; of some there is a
//! sample, whose call chain is where the thread waits. So how long a thread was off its CPU is known
//! exactly, and is divided among its samples by how long each of these waits was. What a slice is of
//! the window is made up for in proportion.

mod off;

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek};

use serde::Deserialize;

use off::{Event, Slice, Thread, What};

use super::assemble::{Assembler, mark};
use super::perf_data::{PerfData, Record, Sample, Side, Words};
use super::space::Space;
use super::{Profile, StackId, Unit};

/// Root of the stacks of threads that had to let others run.
pub(super) const PREEMPTED: &str = "[preempted]";
/// What threads without a sample did.
pub(super) const NOT_SAMPLED: &str = "[not sampled]";

/// Records of switches that are kept; the collector keeps less than half a million.
const EVENTS: usize = 8 << 20;
/// Slices of the window; the collector makes some dozens.
const SLICES: usize = 10_000;

/// `switches` in `perf/meta.json`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Watched {
    pub(super) why: Option<String>,
    without: Vec<String>,
    period: Option<u64>,
    slices_us: Vec<(u64, u64)>,
    lost: Option<u64>,
    dropped: Option<u64>,
    refused_cpus: Vec<serde::de::IgnoredAny>,
}

impl Watched {
    /// Whether it began at all.
    pub(super) fn was_watched(&self) -> bool {
        self.period.is_some() && self.without.iter().all(|one| one != "switch_records")
    }
}

/// Makes the profile; `span` is the window.
pub(super) fn read<R: Read + Seek>(
    file: &mut PerfData<R>,
    space: &mut Space<'_>,
    watched: &Watched,
    span: Option<Slice>,
    entry: &str,
) -> Option<Profile> {
    let mut profile = Profile::new("blocked", "context-switches", Unit::Nanoseconds, entry);
    profile.lost = watched.lost.unwrap_or(0);
    let mut reader = Reader {
        assembler: Assembler::new(profile, false),
        threads: BTreeMap::new(),
        lost: Vec::new(),
        kept: 0,
        left_out: 0,
        has_switches: false,
    };
    let mut last = 0;
    file.walk(&mut |_, record, stamp| {
        let time = stamp.time_ns.unwrap_or(last);
        last = last.max(time);
        reader.record(space, &record, stamp, time);
    });
    if !reader.has_switches {
        return None;
    }
    let slices = reader.slices(watched);
    reader.finish(space, watched, &slices, span)
}

struct Reader {
    assembler: Assembler,
    threads: BTreeMap<u32, Thread>,
    /// When records were lost.
    lost: Vec<u64>,
    kept: usize,
    left_out: u64,
    has_switches: bool,
}

impl Reader {
    fn record(
        &mut self,
        space: &mut Space<'_>,
        record: &Record<'_>,
        stamp: super::perf_data::Stamp,
        time: u64,
    ) {
        match record {
            Record::Sample(sample) => {
                let place = self.assembler.weigh(space, sample, time, 0);
                if let Some((place, task)) = place.zip(sample.task) {
                    self.event(task, time, sample.cpu, What::Sample(place));
                }
            }
            Record::Switch {
                is_out,
                is_preempted,
            } => {
                self.has_switches = true;
                let what = if *is_out {
                    What::Out {
                        is_preempted: *is_preempted,
                    }
                } else {
                    What::In
                };
                if let Some(task) = stamp.task.filter(|(_, tid)| *tid != 0) {
                    self.event(task, time, stamp.cpu, what);
                }
            }
            Record::Fork { pid, tid, .. } if time > 0 => {
                let thread = self.threads.entry(*tid).or_default();
                (thread.pid, thread.began) = (*pid, Some(time));
            }
            Record::Exit { tid } => {
                self.threads.entry(*tid).or_default().ended = Some(time);
            }
            Record::Lost(_) if self.lost.len() < EVENTS => self.lost.push(time),
            _ => {}
        }
    }

    fn event(&mut self, (pid, tid): (u32, u32), time: u64, cpu: Option<u32>, what: What) {
        if self.kept >= EVENTS {
            self.left_out += 1;
            return;
        }
        self.kept += 1;
        let thread = self.threads.entry(tid).or_default();
        thread.pid = pid;
        thread.events.push(Event { time, cpu, what });
    }

    /// When was watched; where it is not told, from the first record to the last.
    fn slices(&self, watched: &Watched) -> Vec<Slice> {
        let slices = watched.slices_us.iter().take(SLICES);
        let told =
            slices.map(|(from, until)| (from.saturating_mul(1000), until.saturating_mul(1000)));
        let mut slices: Vec<Slice> = told.filter(|(from, until)| from < until).collect();
        slices.sort_unstable();
        // They do not overlap, so that no sum of them is longer than the clock.
        slices.dedup_by(|next, before| {
            let overlaps = next.0 <= before.1;
            before.1 = before.1.max(if overlaps { next.1 } else { 0 });
            overlaps
        });
        if slices.is_empty() {
            let times = || {
                self.threads
                    .values()
                    .flat_map(|t| &t.events)
                    .map(|e| e.time)
            };
            slices.extend(times().min().zip(times().max()));
        }
        slices
    }

    fn finish(
        mut self,
        space: &mut Space<'_>,
        watched: &Watched,
        slices: &[Slice],
        span: Option<Slice>,
    ) -> Option<Profile> {
        let whole = span.or_else(|| Some((slices.first()?.0, slices.last()?.1)))?;
        let enabled: u64 = slices.iter().map(|(from, until)| until - from).sum();
        let scale = Scale {
            window: whole.1.saturating_sub(whole.0).max(enabled),
            enabled,
        };
        self.lost.sort_unstable();
        let mut weights: HashMap<usize, (u64, bool)> = HashMap::new();
        for (tid, mut thread) in std::mem::take(&mut self.threads) {
            thread.events.sort_by_key(|event| event.time);
            for (is_preempted, off) in thread.off(slices, &self.lost) {
                let sampled: u64 = off.samples.iter().map(|(_, length)| length).sum();
                for (place, length) in &off.samples {
                    let share = portion(off.whole, *length, sampled);
                    weights.insert(*place, (scale.apply(share), is_preempted));
                }
                if off.samples.is_empty() && off.whole > 0 {
                    let since = off.since.unwrap_or(whole.0);
                    let weight = scale.apply(off.whole);
                    if let Some(place) =
                        self.without_sample(space, (thread.pid, tid), since, weight)
                    {
                        weights.insert(place, (weight, is_preempted));
                    }
                }
            }
        }
        let mut profile = self.assembler.profile;
        let samples = std::mem::take(&mut profile.samples);
        for (place, mut sample) in samples.into_iter().enumerate() {
            let Some((weight, is_preempted)) = weights.get(&place).filter(|(w, _)| *w > 0) else {
                continue;
            };
            sample.weight = *weight;
            if *is_preempted {
                sample.stack = with_root(&mut profile, sample.stack, PREEMPTED);
            }
            profile.samples.push(sample);
        }
        profile.samples.sort_by_key(|sample| sample.time_ns);
        profile.span_ns = Some(whole);
        profile.notes = notes(watched, &scale, slices.len(), self.left_out);
        profile.notes.extend(super::notes::broken(&profile));
        Some(profile)
    }

    /// An observation of a thread that was off its CPU nobody knows where.
    fn without_sample(
        &mut self,
        space: &mut Space<'_>,
        task: (u32, u32),
        time: u64,
        weight: u64,
    ) -> Option<usize> {
        let sample = Sample {
            event: 0,
            side: Side::Other,
            address: None,
            task: Some(task),
            time_ns: Some(time),
            cpu: None,
            period: None,
            chain: Words::default(),
            cgroup: None,
        };
        let place = self.assembler.weigh(space, &sample, time, weight)?;
        let profile = &mut self.assembler.profile;
        let frame = profile.symbols.intern(mark(NOT_SAMPLED));
        let stack = profile.stacks.push(super::stacks::EMPTY, frame);
        profile.samples.get_mut(place)?.stack = stack;
        Some(place)
    }
}

/// What is seen of the window stands for all of it.
struct Scale {
    window: u64,
    enabled: u64,
}

impl Scale {
    fn apply(&self, seen: u64) -> u64 {
        portion(self.window, seen, self.enabled)
    }
}

/// `whole * part / of`; nothing of nothing.
fn portion(whole: u64, part: u64, of: u64) -> u64 {
    let product = u128::from(whole) * u128::from(part);
    let share = product.checked_div(u128::from(of)).unwrap_or(0);
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// The stack with a mark as its root.
fn with_root(profile: &mut Profile, stack: StackId, root: &str) -> StackId {
    let frames = profile.stacks.outermost_first(stack);
    let root = profile.symbols.intern(mark(root));
    let root = profile.stacks.push(super::stacks::EMPTY, root);
    let stacks = &mut profile.stacks;
    frames
        .into_iter()
        .fold(root, |caller, frame| stacks.push(caller, frame))
}

fn notes(watched: &Watched, scale: &Scale, slices: usize, left_out: u64) -> Vec<String> {
    let mut notes = Vec::new();
    let share = scale.enabled as f64 / scale.window.max(1) as f64;
    if share < 0.99 {
        notes.push(format!(
            "Switches between threads were watched in {slices} slices, {:.0} % of the window: weights are scaled up to all of it.",
            share * 100.0
        ));
    }
    if let Some(period) = watched.period.filter(|period| *period > 1) {
        notes.push(format!(
            "One switch of {period} has a call chain; a thread's time is divided among those it has."
        ));
    }
    if let Some(why) = &watched.why {
        notes.push(format!("Watching switches ended early: {why}."));
    }
    if let Some(lost) = watched.lost.filter(|lost| *lost > 0) {
        notes.push(format!(
            "{lost} records of switches were lost: waits around them are left out."
        ));
    }
    if let Some(dropped) = watched.dropped.filter(|dropped| *dropped > 0) {
        notes.push(format!(
            "{dropped} records of switches found no room in the collector."
        ));
    }
    if !watched.refused_cpus.is_empty() {
        let cpus = watched.refused_cpus.len();
        notes.push(format!("{cpus} CPUs could not be watched."));
    }
    if left_out > 0 {
        notes.push(format!(
            "{left_out} records of switches are more than are kept."
        ));
    }
    notes
}

/// Why there is no profile of switches, where the collector tells it.
pub(super) fn missing(watched: &Watched) -> Option<String> {
    if watched.without.iter().any(|one| one == "switch_records") {
        return Some("This kernel has no records of switches between threads: how long they waited is not known.".to_owned());
    }
    let why = watched.why.as_ref()?;
    Some(format!("Switches between threads were not watched: {why}."))
}

#[cfg(test)]
mod tests;
