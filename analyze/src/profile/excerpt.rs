//! A profile small enough to travel in the report: its samples, stacks and names in columns, each
//! stored once, for the page's own viewer, which folds whatever part a reader selects.
//!
//! It has a budget in bytes. What does not fit is left out evenly and counted: first stacks that
//! few samples have end earlier, then every second, fourth, ... sample is kept with its weight
//! multiplied. Same profile, same bytes.

use std::collections::HashMap;

use serde::Serialize;

use super::fold::{Options, clean, owners};
use super::scope::begin_ns;
use super::{Frame, FrameId, FrameKind, Profile, Sample, StackId, Task, TaskId};
use crate::profile::flamegraph::{fills, hex, words};
use crate::text::visible;

/// What a stack ends with where the rest was left out.
const CUT: &str = "[rare stacks left out]";
/// Every kind, in the order of [`Excerpt::kinds`].
const KINDS: [FrameKind; 5] = [
    FrameKind::Kernel,
    FrameKind::User,
    FrameKind::GoRuntime,
    FrameKind::Generated,
    FrameKind::Mark,
];

/// Number of a text in [`Excerpt::names`].
type NameId = u32;

/// A profile in columns.
#[derive(Clone, Debug, Serialize)]
pub struct Excerpt {
    /// The profile's name.
    pub profile: String,
    /// Unit of the weights: `count`, `nanoseconds`, `bytes`.
    pub unit: &'static str,
    /// How long it lasts, in milliseconds.
    pub span_ms: u64,
    /// 1 where every sample is here; n where every nth is, with n times its weight.
    pub every: u64,
    /// Stacks of so few samples end earlier; 0 where none does.
    pub rare: u64,
    /// Kinds of frames with their colours.
    pub kinds: Vec<Kind>,
    /// Texts, each once.
    pub names: Vec<String>,
    /// Functions.
    pub frames: Frames,
    /// The tree of stacks.
    pub stacks: Tree,
    /// Who ran.
    pub tasks: Tasks,
    /// What was seen.
    pub samples: Samples,
}

/// A kind of frames.
#[derive(Clone, Debug, Serialize)]
pub struct Kind {
    /// For people.
    pub words: &'static str,
    /// Shades of its colour.
    pub fills: Vec<String>,
}

/// Functions, one per place of the columns.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Frames {
    /// Name.
    pub name: Vec<NameId>,
    /// Place in [`Excerpt::kinds`].
    pub kind: Vec<u8>,
    /// Binary, library, kernel module.
    pub module: Vec<NameId>,
}

/// Stacks: each is that of its caller and one frame. Place 0 is the stack without frames.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tree {
    /// The caller's stack: a smaller place.
    pub caller: Vec<u32>,
    /// The frame.
    pub frame: Vec<u32>,
}

/// Tasks, one per place of the columns.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tasks {
    /// Who ran, from pod to process, as in folded stacks.
    pub owners: Vec<Vec<NameId>>,
    /// The thread.
    pub thread: Vec<NameId>,
    /// Process id.
    pub pid: Vec<Option<u32>>,
    /// Thread id.
    pub tid: Vec<Option<u32>>,
    /// `namespace/name` of the pod, or its UID.
    pub pod: Vec<Option<NameId>>,
    /// Its UID.
    pub pod_uid: Vec<Option<NameId>>,
    /// The container's id.
    pub container: Vec<Option<NameId>>,
    /// Path of the control group.
    pub cgroup: Vec<Option<NameId>>,
}

/// Samples, one per place of the columns.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Samples {
    /// Milliseconds since the sample before; nothing where samples have no time.
    pub time: Option<Vec<i64>>,
    /// CPU; nothing where no sample has one.
    pub cpu: Option<Vec<Option<u32>>>,
    /// Place in [`Excerpt::tasks`].
    pub task: Vec<u32>,
    /// Place in [`Excerpt::stacks`].
    pub stack: Vec<u32>,
    /// Weight; nothing where each has the same, [`Self::each`].
    pub weight: Option<Vec<u64>>,
    /// The weight of each, where it is the same.
    pub each: u64,
}

/// The excerpt of a profile in at most this many bytes of JSON; nothing where not even its names
/// fit.
pub fn excerpt(profile: &Profile, budget_bytes: usize) -> Option<Excerpt> {
    const TRIES: usize = 40;
    let (mut every, mut rare) = (1, 0);
    for _ in 0..TRIES {
        let excerpt = Builder::new(profile, every, rare).build();
        let bytes = |part: serde_json::Result<Vec<u8>>| part.map_or(usize::MAX, |json| json.len());
        let samples = bytes(serde_json::to_vec(&excerpt.samples));
        let all = bytes(serde_json::to_vec(&excerpt));
        if all <= budget_bytes {
            return Some(excerpt);
        }
        // Whichever takes more room gives way.
        if samples > all / 2 {
            every *= 2;
        } else {
            rare = rare * 2 + 1;
        }
    }
    None
}

/// Fills the columns.
struct Builder<'a> {
    profile: &'a Profile,
    every: u64,
    rare: u64,
    kept: Vec<Sample>,
    /// Samples in and below each stack.
    counts: Vec<u64>,
    out: Excerpt,
    names: HashMap<String, NameId>,
    frames: HashMap<FrameId, u32>,
    cut: Option<u32>,
    cut_stacks: HashMap<u32, u32>,
    stacks: HashMap<StackId, u32>,
    tasks: HashMap<TaskId, u32>,
}

impl<'a> Builder<'a> {
    fn new(profile: &'a Profile, every: u64, rare: u64) -> Self {
        let step = usize::try_from(every).unwrap_or(usize::MAX);
        let kept: Vec<Sample> = profile.samples.iter().step_by(step).copied().collect();
        let begin = begin_ns(profile);
        let end = profile.samples.iter().filter_map(|s| s.time_ns).max();
        let end = profile.span_ns.map(|(_, to)| to).max(end).unwrap_or(begin);
        let kinds = KINDS.map(|kind| Kind {
            words: words(kind),
            fills: fills(kind).into_iter().map(hex).collect(),
        });
        let out = Excerpt {
            profile: clean(&profile.name),
            unit: profile.unit.name(),
            span_ms: end.saturating_sub(begin).div_ceil(1_000_000),
            every,
            rare,
            kinds: kinds.into(),
            names: Vec::new(),
            frames: Frames::default(),
            stacks: Tree {
                caller: vec![0],
                frame: vec![0],
            },
            tasks: Tasks::default(),
            samples: Samples::default(),
        };
        Self {
            profile,
            every,
            rare,
            counts: counts(profile, &kept),
            kept,
            out,
            names: HashMap::new(),
            frames: HashMap::new(),
            cut: None,
            cut_stacks: HashMap::new(),
            stacks: HashMap::from([(super::stacks::EMPTY, 0)]),
            tasks: HashMap::new(),
        }
    }

    fn build(mut self) -> Excerpt {
        let kept = std::mem::take(&mut self.kept);
        for sample in &kept {
            let task = self.task(sample.task);
            let stack = self.stack(sample.stack);
            self.out.samples.task.push(task);
            self.out.samples.stack.push(stack);
        }
        let samples = &mut self.out.samples;
        if kept.iter().any(|sample| sample.cpu.is_some()) {
            samples.cpu = Some(kept.iter().map(|sample| sample.cpu).collect());
        }
        samples.time = times(self.profile, &kept);
        samples.each = kept.first().map_or(1, |sample| sample.weight);
        if kept.iter().any(|sample| sample.weight != samples.each) {
            let weigh = |sample: &Sample| sample.weight.saturating_mul(self.every);
            samples.weight = Some(kept.iter().map(weigh).collect());
        }
        samples.each = samples.each.saturating_mul(self.every);
        self.out
    }

    fn name(&mut self, text: &str) -> NameId {
        if let Some(id) = self.names.get(text) {
            return *id;
        }
        let id = self.out.names.len() as NameId;
        self.out.names.push(text.to_owned());
        self.names.insert(text.to_owned(), id);
        id
    }

    fn push_frame(&mut self, name: &str, module: &str, kind: FrameKind) -> u32 {
        let (name, module) = (self.name(name), self.name(module));
        let frames = &mut self.out.frames;
        frames.name.push(name);
        frames.module.push(module);
        let kind = KINDS.iter().position(|known| *known == kind);
        frames.kind.push(kind.unwrap_or_default() as u8);
        frames.name.len() as u32 - 1
    }

    fn frame(&mut self, id: FrameId) -> u32 {
        if let Some(place) = self.frames.get(&id) {
            return *place;
        }
        let unknown = Frame {
            function: String::new(),
            module: String::new(),
            kind: FrameKind::Mark,
            is_named: false,
        };
        let frame = self.profile.symbols.get(id).unwrap_or(&unknown);
        let module = match frame.module.as_str() {
            "" => String::new(),
            module => clean(module),
        };
        let place = self.push_frame(&clean(&frame.function), &module, frame.kind);
        self.frames.insert(id, place);
        place
    }

    fn push_stack(&mut self, caller: u32, frame: u32) -> u32 {
        let stacks = &mut self.out.stacks;
        stacks.caller.push(caller);
        stacks.frame.push(frame);
        stacks.caller.len() as u32 - 1
    }

    /// The place of a stack; that of a rare one is the place where it leaves the frequent ones.
    fn stack(&mut self, stack: StackId) -> u32 {
        let mut missing = Vec::new();
        let mut at = stack;
        while !self.stacks.contains_key(&at) {
            let Some((caller, frame)) = self.profile.stacks.node(at) else {
                break;
            };
            missing.push((at, frame));
            at = caller;
        }
        let mut place = self.stacks.get(&at).copied().unwrap_or_default();
        for (id, frame) in missing.into_iter().rev() {
            let count = self.counts.get(id as usize).copied().unwrap_or_default();
            if count <= self.rare {
                return self.cut_at(place);
            }
            let frame = self.frame(frame);
            place = self.push_stack(place, frame);
            self.stacks.insert(id, place);
        }
        place
    }

    fn cut_at(&mut self, caller: u32) -> u32 {
        if let Some(place) = self.cut_stacks.get(&caller) {
            return *place;
        }
        let frame = match self.cut {
            Some(frame) => frame,
            None => self.push_frame(CUT, "", FrameKind::Mark),
        };
        self.cut = Some(frame);
        let place = self.push_stack(caller, frame);
        self.cut_stacks.insert(caller, place);
        place
    }

    fn task(&mut self, id: TaskId) -> u32 {
        if let Some(place) = self.tasks.get(&id) {
            return *place;
        }
        let place = self.out.tasks.pid.len() as u32;
        self.tasks.insert(id, place);
        let task = self.profile.tasks.get(id as usize).cloned();
        let task = task.unwrap_or_default();
        let mut path = owners(&task, Options { threads: true });
        let thread = path.pop().unwrap_or_default();
        // A program's profile of itself does not say who it is.
        if task == Task::default() {
            path.clear();
        }
        let owners = path.iter().map(|name| self.name(name)).collect();
        let thread = self.name(&thread);
        let mut name = |text: &Option<String>| Some(self.name(&bounded(text.as_deref()?)));
        let pod = name(&task.pod.clone().or_else(|| task.pod_uid.clone()));
        let (uid, container) = (name(&task.pod_uid), name(&task.container_id));
        let cgroup = name(&task.cgroup);
        let tasks = &mut self.out.tasks;
        tasks.owners.push(owners);
        tasks.thread.push(thread);
        tasks.pid.push(task.pid);
        tasks.tid.push(task.tid);
        tasks.pod.push(pod);
        tasks.pod_uid.push(uid);
        tasks.container.push(container);
        tasks.cgroup.push(cgroup);
        place
    }
}

/// Text that a link names: as it is, but bounded and without tricks.
fn bounded(text: &str) -> String {
    const CHARS: usize = 1000;
    visible(&text.chars().take(CHARS).collect::<String>())
}

/// Samples in and below each stack.
fn counts(profile: &Profile, samples: &[Sample]) -> Vec<u64> {
    let mut counts = vec![0_u64; profile.stacks.len()];
    for sample in samples {
        if let Some(count) = counts.get_mut(sample.stack as usize) {
            *count += 1;
        }
    }
    // A caller's number is smaller than those of what it calls.
    for stack in (1..counts.len()).rev() {
        let below = counts.get(stack).copied().unwrap_or_default();
        let caller = profile.stacks.node(stack as StackId);
        if let Some(count) = caller.and_then(|(caller, _)| counts.get_mut(caller as usize)) {
            *count += below;
        }
    }
    counts
}

/// Milliseconds since the sample before; nothing where a sample has no time.
fn times(profile: &Profile, samples: &[Sample]) -> Option<Vec<i64>> {
    let begin = begin_ns(profile);
    let mut last = 0;
    let since_last = |sample: &Sample| {
        let at = (sample.time_ns?.saturating_sub(begin) / 1_000_000) as i64;
        let since = at - last;
        last = at;
        Some(since)
    };
    samples.iter().map(since_last).collect()
}

impl Excerpt {
    /// What was left out, in a sentence; nothing where nothing was.
    pub fn cut(&self) -> Option<String> {
        let rare = (self.rare > 0).then(|| {
            let s = if self.rare == 1 { "" } else { "s" };
            format!("stacks of {} sample{s} or fewer end earlier", self.rare)
        });
        let every = (self.every > 1).then(|| format!("one of {} samples is here", self.every));
        let parts: Vec<String> = every.into_iter().chain(rare).collect();
        (!parts.is_empty()).then(|| {
            format!(
                "To keep the page small {}; `analyze flamegraph` draws them all.",
                parts.join(", and ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::testing::{profile, sample};

    #[test]
    fn a_small_profile_is_whole() {
        let excerpt = excerpt(&profile(), 1 << 20).unwrap();
        assert_eq!((excerpt.every, excerpt.rare, excerpt.cut()), (1, 0, None));
        assert_eq!(excerpt.span_ms, 6000);
        let samples = &excerpt.samples;
        assert_eq!(
            samples.time.as_ref().unwrap()[..],
            [0, 1000, 1000, 1000, 1000, 1000]
        );
        assert_eq!((samples.weight.as_ref(), samples.each), (None, 1));
        assert_eq!(samples.stack[3], samples.stack[4]);
        let frames = |stack: u32| {
            let mut names = Vec::new();
            let mut at = stack as usize;
            while at != 0 {
                let frame = excerpt.stacks.frame[at] as usize;
                names.push(excerpt.names[excerpt.frames.name[frame] as usize].as_str());
                at = excerpt.stacks.caller[at] as usize;
            }
            names
        };
        assert_eq!(frames(samples.stack[0]), ["vfs_read", "read", "main"]);
        let owners: Vec<&str> = excerpt.tasks.owners[0]
            .iter()
            .map(|id| excerpt.names[*id as usize].as_str())
            .collect();
        assert_eq!(owners, ["pod shop/cart-0", "container cart", "cart"]);
        let json = serde_json::to_string(&excerpt).unwrap();
        assert_eq!(
            json,
            serde_json::to_string(&super::excerpt(&profile(), 1 << 20)).unwrap()
        );
    }

    #[test]
    fn a_large_one_fits_and_says_what_is_missing() {
        let mut profile = profile();
        for n in 0..20_000_u64 {
            let rare = format!("rare_{n}");
            let name = if n % 10 == 0 { "frequent" } else { &rare };
            let frames = [("main", FrameKind::User), (name, FrameKind::User)];
            sample(&mut profile, 5_000_000_000 + n * 300_000, 0, &frames);
        }
        let budget = 60_000;
        let excerpt = excerpt(&profile, budget).unwrap();
        assert!(serde_json::to_vec(&excerpt).unwrap().len() <= budget);
        assert!(excerpt.every > 1 && excerpt.rare > 0);
        let weight = excerpt.samples.task.len() as u64 * excerpt.samples.each;
        let real = profile.total();
        assert!(
            weight.abs_diff(real) <= excerpt.every,
            "{weight} for {real}"
        );
        assert!(excerpt.names.iter().any(|name| name == CUT));
        assert!(
            excerpt
                .cut()
                .unwrap()
                .contains("samples is here, and stacks of")
        );
        assert!(super::excerpt(&profile, 100).is_none());
    }
}
