//! From the parts of a pprof file to profiles.

use std::collections::{BTreeMap, HashMap};

use super::file::File;
use super::frames::{Frames, Stack};
use super::proto::{Label, Sample, ValueType};
use crate::profile::{self, Profile, Task, TaskId, Unit};

/// Types of values that are read; heap profiles have four.
const TYPES: usize = 8;
/// Number of tasks, which labels tell apart.
const TASKS: usize = 65_536;
/// Labels of a sample that are looked at, and characters of each.
const LABELS: usize = 32;
const LABEL_CHARACTERS: usize = 200;
/// Binaries whose build ids are kept, the longest path (`PATH_MAX`), and the longest id, in digits.
const MAPPINGS: usize = 1 << 16;
const PATH_BYTES: usize = 4096;
const BUILD_ID: usize = 128;

/// Tags of numbers of the file.
const TIME_NANOS: u32 = 9;
const DURATION_NANOS: u32 = 10;
const PERIOD: u32 = 12;
const DEFAULT_SAMPLE_TYPE: u32 = 14;

/// What one wants to see first where the file does not say it.
const SHOWN_FIRST: [&str; 3] = ["cpu", "inuse_space", "delay"];

/// A sample with what was made of it.
struct Seen {
    stack: Stack,
    task: TaskId,
    values: Vec<i64>,
}

/// The profiles of a file, that which is wanted first as the first, and what is wrong with it.
///
/// `name` and `event` of each are the type of its value.
pub(super) fn profiles(file: &File, entry: &str) -> (Vec<Profile>, Vec<String>) {
    let mut damage = file.damage.clone();
    let mut frames = Frames::new(file);
    let mut tasks = Tasks::default();
    let seen = samples(file, &mut frames, &mut tasks, &mut damage);
    let mut profiles = Vec::new();
    for (place, value_type) in file.sample_types.iter().take(TYPES).enumerate() {
        let mut profile = empty(file, value_type, entry);
        profile.symbols = frames.symbols.clone();
        profile.stacks = frames.stacks.clone();
        profile.tasks.clone_from(&tasks.list);
        let negative = fill(&mut profile, &seen, place, file.text(value_type.unit));
        if negative > 0 {
            let what = &profile.event;
            damage.push(format!(
                "{negative} values of `{what}` are negative, as in a difference: they are left out"
            ));
        }
        profile.notes.extend(why_empty(&profile));
        profiles.push(profile);
    }
    if profiles.is_empty() {
        damage.push("it does not say what its values are".to_owned());
    }
    let first = first_shown(file, &profiles);
    if let Some(until_first) = profiles.get_mut(..=first) {
        until_first.rotate_right(1);
    }
    (profiles, damage)
}

/// That no contention was recorded may mean that none was looked for.
fn why_empty(profile: &Profile) -> Option<String> {
    let is_contention = ["contentions", "delay"].contains(&profile.event.as_str());
    (is_contention && profile.samples.is_empty()).then(|| {
        "Profiling is off: a Go program records contention only where it calls \
         runtime.SetMutexProfileFraction (mutex) or runtime.SetBlockProfileRate (block). This does \
         not say that nothing contends."
            .to_owned()
    })
}

/// Place of the profile that the file or habit shows first, else of the last, as `go tool pprof`.
fn first_shown(file: &File, profiles: &[Profile]) -> usize {
    let place = |name: &str| profiles.iter().position(|profile| profile.event == name);
    place(file.text(file.number(DEFAULT_SAMPLE_TYPE)))
        .or_else(|| SHOWN_FIRST.iter().find_map(|name| place(name)))
        .unwrap_or(profiles.len().saturating_sub(1))
}

/// Reads every sample; what is left out of them is told.
fn samples(
    file: &File,
    frames: &mut Frames<'_>,
    tasks: &mut Tasks,
    damage: &mut Vec<String>,
) -> Vec<Seen> {
    let types = file.sample_types.len();
    let mut seen = Vec::new();
    let mut broken = 0;
    for sample in file.samples() {
        match sample.filter(|sample| sample.value.len() == types) {
            None => broken += 1,
            // A file of millions of samples without value or stack would cost memory for nothing.
            Some(sample) if sample.value.iter().all(|value| *value == 0) => {}
            Some(mut sample) => {
                sample.value.truncate(TYPES);
                seen.push(Seen {
                    stack: frames.stack(&sample.location_id),
                    task: tasks.of(file, &sample),
                    values: sample.value,
                });
            }
        }
    }
    let counts = [
        (broken, "samples cannot be read"),
        (
            frames.unknown,
            "frames name an address that it does not have",
        ),
        (frames.cut, "stacks are cut: they are too deep or too many"),
        (
            tasks.left_out,
            "samples have lost their labels: these are too many",
        ),
    ];
    damage.extend(
        counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}")),
    );
    seen
}

/// A profile with all that the file says of this type of value, and no samples.
fn empty(file: &File, value_type: &ValueType, entry: &str) -> Profile {
    let event: String = file.text(value_type.r#type).chars().take(100).collect();
    let unit = unit(file.text(value_type.unit)).0;
    let mut profile = Profile::new(&event, &event, unit, entry);
    let period_is_time = file.text(file.period_type.unit) == "nanoseconds";
    let period_ns = u64::try_from(file.number(PERIOD)).ok();
    profile.frequency_hz = period_ns
        .filter(|period| *period > 0 && period_is_time)
        .map(|period| 1_000_000_000 / period);
    profile.build_ids = build_ids(file);
    let start = u64::try_from(file.number(TIME_NANOS)).ok();
    let duration = u64::try_from(file.number(DURATION_NANOS)).ok();
    profile.span_ns = start
        .zip(duration)
        .filter(|(start, _)| *start > 0)
        .map(|(start, duration)| (start, start.saturating_add(duration)));
    profile
}

/// Build ids by path.
fn build_ids(file: &File) -> BTreeMap<String, String> {
    let mappings = file.mappings.values().take(MAPPINGS);
    mappings
        .map(|mapping| (file.text(mapping.filename), file.text(mapping.build_id)))
        .filter(|(path, id)| path.len() <= PATH_BYTES && (1..=BUILD_ID).contains(&id.len()))
        .map(|(path, id)| (path.to_owned(), id.to_owned()))
        .collect()
}

/// The unit of a value, and how many of it one in the file is.
fn unit(name: &str) -> (Unit, u64) {
    match name {
        "nanoseconds" | "nanosecond" | "ns" => (Unit::Nanoseconds, 1),
        "microseconds" | "microsecond" | "us" => (Unit::Nanoseconds, 1_000),
        "milliseconds" | "millisecond" | "ms" => (Unit::Nanoseconds, 1_000_000),
        "seconds" | "second" | "s" => (Unit::Nanoseconds, 1_000_000_000),
        "bytes" | "byte" => (Unit::Bytes, 1),
        "kilobytes" | "kilobyte" | "kb" => (Unit::Bytes, 1 << 10),
        "megabytes" | "megabyte" | "mb" => (Unit::Bytes, 1 << 20),
        _ => (Unit::Count, 1),
    }
}

/// Puts the values at `place` into a profile; gives the number of those that are negative.
fn fill(profile: &mut Profile, seen: &[Seen], place: usize, unit_name: &str) -> u64 {
    let (_, factor) = unit(unit_name);
    let mut negative = 0;
    for one in seen {
        let value = one.values.get(place).copied().unwrap_or(0);
        negative += u64::from(value < 0);
        let Some(weight) = u64::try_from(value).ok().filter(|weight| *weight > 0) else {
            continue;
        };
        profile.frames_total += one.stack.frames;
        profile.frames_unnamed += one.stack.unnamed;
        profile.samples.push(profile::Sample {
            time_ns: None,
            cpu: None,
            task: one.task,
            stack: one.stack.id,
            weight: weight.saturating_mul(factor),
        });
    }
    negative
}

/// Tasks by what the labels of samples say.
struct Tasks {
    list: Vec<Task>,
    ids: HashMap<Task, TaskId>,
    left_out: u64,
}

impl Default for Tasks {
    /// The first is the one of which nothing is known.
    fn default() -> Self {
        Self {
            list: vec![Task::default()],
            ids: HashMap::from([(Task::default(), 0)]),
            left_out: 0,
        }
    }
}

impl Tasks {
    fn of(&mut self, file: &File, sample: &Sample) -> TaskId {
        if sample.label.is_empty() {
            return 0;
        }
        let task = task(file, &sample.label);
        if let Some(id) = self.ids.get(&task) {
            return *id;
        }
        if self.list.len() >= TASKS {
            self.left_out += 1;
            return 0;
        }
        let id = self.list.len() as TaskId;
        self.list.push(task.clone());
        self.ids.insert(task, id);
        id
    }
}

/// Labels of our own export say who ran. Texts that a program gave its work stand for the name of
/// a thread; numbers, such as the size of an object, tell nothing of that.
fn task(file: &File, labels: &[Label]) -> Task {
    let mut task = Task::default();
    let mut others = Vec::new();
    for label in labels.iter().take(LABELS) {
        let text: String = file
            .text(label.str)
            .chars()
            .take(LABEL_CHARACTERS)
            .collect();
        let number = text.parse().ok().or(u32::try_from(label.num).ok());
        match file.text(label.key) {
            "pid" => task.pid = number,
            "tid" => task.tid = number,
            _ if text.is_empty() => {}
            "process" => task.process = text,
            "thread" | "comm" => task.thread = text,
            "cgroup" => task.cgroup = Some(text),
            "container_id" => task.container_id = Some(text),
            "container" => task.container = Some(text),
            "pod_uid" => task.pod_uid = Some(text),
            "pod" => task.pod = Some(text),
            "unit" => task.unit = Some(text),
            key => others.push(format!(
                "{}={text}",
                key.chars().take(LABEL_CHARACTERS).collect::<String>()
            )),
        }
    }
    if task.thread.is_empty() {
        others.sort();
        task.thread = others.join(", ");
    }
    task
}
