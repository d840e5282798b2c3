//! The processed format of Firefox's profiler (profiler.firefox.com): each thread over time, each
//! frame in a category of its kind.

use std::collections::HashMap;
use std::time::Duration;

use fxprof_processed_profile::{
    CategoryColor, CategoryPairHandle, CpuDelta, Frame as Label, FrameFlags, FrameHandle,
    FrameInfo, Profile, ReferenceTimestamp, SamplingInterval, StackHandle, ThreadHandle, Timestamp,
    WeightType,
};

use super::{Owner, Source, process, process_name, thread_name};
use crate::profile::flamegraph::words;
use crate::profile::scope::begin_ns;
use crate::profile::{Frame, FrameId, FrameKind, StackId, Unit, fold};

/// What stands for the time of samples that have none: each is so long after the one before.
const STEP_NS: u64 = 1_000_000;
/// Samples that a weight too large for one is split into, at most.
const SPLITS: u64 = 64;

/// The file.
pub fn export(source: Source<'_>) -> serde_json::Result<Vec<u8>> {
    // Its views are of threads.
    let source = Source {
        threads: true,
        ..source
    };
    let started = Duration::from_nanos(source.started_unix_ns().unwrap_or(0));
    let interval = source.period_ns().unwrap_or(STEP_NS);
    let mut file = File {
        profile: Profile::new(
            &product(source),
            ReferenceTimestamp::from_duration_since_unix_epoch(started),
            SamplingInterval::from_nanos(interval),
        ),
        categories: HashMap::new(),
        source,
    };
    file.profile.set_os_name("Linux");
    file.profile.set_symbolicated(true);
    for kind in [
        FrameKind::User,
        FrameKind::Kernel,
        FrameKind::GoRuntime,
        FrameKind::Generated,
        FrameKind::Mark,
    ] {
        let category = file.profile.add_category(words(kind), color(kind));
        file.categories.insert(kind, category.into());
    }
    file.threads();
    serde_json::to_vec(&file.profile)
}

/// What was profiled: node and profile.
fn product(source: Source<'_>) -> String {
    let node = source.capture.map(|capture| capture.node.as_str());
    let parts = [node, Some(source.profile.name.as_str())];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    fold::clean(&text)
}

fn color(kind: FrameKind) -> CategoryColor {
    match kind {
        FrameKind::User => CategoryColor::Yellow,
        FrameKind::Kernel => CategoryColor::Orange,
        FrameKind::GoRuntime => CategoryColor::Green,
        FrameKind::Generated => CategoryColor::Purple,
        FrameKind::Mark => CategoryColor::Gray,
    }
}

struct File<'a> {
    profile: Profile,
    categories: HashMap<FrameKind, CategoryPairHandle>,
    source: Source<'a>,
}

impl<'a> File<'a> {
    fn threads(&mut self) {
        let mut processes = HashMap::new();
        let start = Timestamp::from_nanos_since_reference(0);
        for owner in self.source.owners() {
            let pid = owner.task.pid.unwrap_or(0);
            let process = *processes.entry(process(&owner.task)).or_insert_with(|| {
                let name = process_name(&owner.task);
                self.profile.add_process(&name, pid, start)
            });
            let tid = owner.task.tid.unwrap_or(pid);
            let thread = self.profile.add_thread(process, tid, start, tid == pid);
            self.profile
                .set_thread_name(thread, &thread_name(&owner.task));
            self.profile.set_thread_samples_weight_type(
                thread,
                match self.source.profile.unit {
                    Unit::Count => WeightType::Samples,
                    Unit::Nanoseconds => WeightType::TracingMs,
                    Unit::Bytes => WeightType::Bytes,
                },
            );
            self.samples(thread, &owner);
        }
    }

    fn samples(&mut self, thread: ThreadHandle, owner: &Owner<'a>) {
        let begin = begin_ns(self.source.profile);
        let cpu = self
            .source
            .period_ns()
            .map_or(CpuDelta::ZERO, CpuDelta::from_nanos);
        let mut frames = HashMap::new();
        let mut stacks: HashMap<StackId, Option<StackHandle>> = HashMap::new();
        // Weights of time are whole milliseconds: what is left of one goes to the next.
        let unit = match self.source.profile.unit {
            Unit::Nanoseconds => 1_000_000,
            Unit::Count | Unit::Bytes => 1,
        };
        let mut left = 0;
        for (place, sample) in (0..).zip(&owner.samples) {
            let stack = *stacks
                .entry(sample.stack)
                .or_insert_with(|| self.stack(thread, sample.stack, &mut frames));
            let since = match sample.time_ns {
                Some(at) => at.saturating_sub(begin),
                None => STEP_NS * place,
            };
            left = sample.weight.saturating_add(left);
            let weight = left / unit;
            left %= unit;
            for part in parts(weight) {
                let at = Timestamp::from_nanos_since_reference(since);
                self.profile.add_sample(thread, at, stack, cpu, part);
            }
        }
    }

    fn stack(
        &mut self,
        thread: ThreadHandle,
        stack: StackId,
        frames: &mut HashMap<FrameId, FrameHandle>,
    ) -> Option<StackHandle> {
        let mut handle = None;
        for (id, frame) in self.source.frames(stack) {
            let frame = *frames
                .entry(id)
                .or_insert_with(|| self.frame(thread, frame));
            handle = Some(self.profile.intern_stack(thread, handle, frame));
        }
        handle
    }

    fn frame(&mut self, thread: ThreadHandle, frame: &Frame) -> FrameHandle {
        let name = self.profile.intern_string(&fold::clean(&frame.function));
        let category = self.categories.get(&frame.kind).copied();
        let info = FrameInfo {
            frame: Label::Label(name),
            category_pair: category
                .unwrap_or_else(|| fxprof_processed_profile::CategoryHandle::OTHER.into()),
            flags: FrameFlags::empty(),
        };
        self.profile.intern_frame(thread, info)
    }
}

/// A weight in parts that the format has room for.
fn parts(weight: u64) -> impl Iterator<Item = i32> {
    let most = i32::MAX as u64;
    let whole = (weight / most).min(SPLITS);
    let rest = i32::try_from(weight - whole * most).unwrap_or(i32::MAX);
    let whole = std::iter::repeat_n(i32::MAX, whole as usize);
    whole.chain(Some(rest).filter(|rest| *rest > 0 || weight == 0))
}
