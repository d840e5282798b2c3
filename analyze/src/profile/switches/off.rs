//! How long a thread was off its CPU, by its switches.

/// From and until when, in nanoseconds.
pub(super) type Slice = (u64, u64);

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// A sample, by its place in the profile.
    Sample(usize),
    Out {
        is_preempted: bool,
    },
    In,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) time: u64,
    pub(super) cpu: Option<u32>,
    pub(super) what: What,
}

/// What is known of a thread.
#[derive(Debug, Default)]
pub(super) struct Thread {
    pub(super) pid: u32,
    pub(super) began: Option<u64>,
    pub(super) ended: Option<u64>,
    pub(super) events: Vec<Event>,
}

/// One reason to be off the CPU: having to, or waiting.
#[derive(Debug, Default)]
pub(super) struct Off {
    /// Nanoseconds in slices, all of them.
    pub(super) whole: u64,
    /// Samples, and how long each of these waits was.
    pub(super) samples: Vec<(usize, u64)>,
    pub(super) since: Option<u64>,
}

impl Thread {
    /// How long it was off its CPU: having to (true), and waiting.
    pub(super) fn off(&self, slices: &[Slice], lost: &[u64]) -> [(bool, Off); 2] {
        let (mut preempted, mut waiting) = (Off::default(), Off::default());
        let mut sampled = None;
        // What it waits for since when; before its first record nobody knows.
        let mut out = self.first_out(slices);
        let mut before = 0;
        for event in &self.events {
            let previous = std::mem::replace(&mut before, event.time);
            match event.what {
                What::Sample(place) => sampled = Some((place, event.cpu)),
                What::Out { is_preempted } => {
                    let sample = sampled.take().filter(|(_, cpu)| *cpu == event.cpu);
                    let place = sample.map(|(place, _)| place);
                    out = Some((event.time, is_preempted, place));
                }
                What::In => {
                    // It left between two slices.
                    let unseen = || {
                        let slice = slices.iter().rev().find(|s| s.0 <= event.time)?;
                        (previous > 0 && previous < slice.0).then_some((slice.0, false, None))
                    };
                    if let Some((since, is_preempted, place)) = out.take().or_else(unseen) {
                        let off = if is_preempted {
                            &mut preempted
                        } else {
                            &mut waiting
                        };
                        if !is_within(lost, since, event.time) {
                            off.add(slices, since, event.time, place);
                        }
                    }
                }
            }
        }
        if let Some((since, is_preempted, place)) = out {
            let until = self.ended.unwrap_or(u64::MAX);
            let off = if is_preempted {
                &mut preempted
            } else {
                &mut waiting
            };
            off.add(slices, since, until, place);
        }
        [(true, preempted), (false, waiting)]
    }

    /// A thread that comes first has been off its CPU since it began, or since before.
    fn first_out(&self, slices: &[Slice]) -> Option<(u64, bool, Option<usize>)> {
        let first = self.events.first()?;
        let comes = matches!(first.what, What::In) && self.began.is_none();
        comes.then(|| (slices.first().map_or(0, |slice| slice.0), false, None))
    }
}

impl Off {
    /// Adds a wait, as far as it was watched. Where the thread went in between slices is not known,
    /// only that it was off its CPU in what was seen of them.
    fn add(&mut self, slices: &[Slice], since: u64, until: u64, sample: Option<usize>) {
        self.since = self.since.or(Some(since));
        let seen = |slice: &Slice| until.min(slice.1).saturating_sub(since.max(slice.0));
        let length: u64 = slices.iter().map(seen).sum();
        self.whole = self.whole.saturating_add(length);
        if let Some(place) = sample {
            self.samples.push((place, length));
        }
    }
}

fn is_within(times: &[u64], since: u64, until: u64) -> bool {
    let next = times.partition_point(|time| *time < since);
    times.get(next).is_some_and(|time| *time <= until)
}
