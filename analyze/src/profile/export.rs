//! Profiles in the formats of others. One file per format; all of them tell the same samples, with
//! the same weights, of the scope that was asked for.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};

use freezeframe_bundle::Capture;

use super::scope::Scope;
use super::{Frame, FrameId, Profile, Sample, StackId, Task, TaskId, Unit, fold};

pub mod firefox;
pub mod pprof;
pub mod speedscope;

/// What is exported.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The profile.
    pub profile: &'a Profile,
    /// Which of its samples.
    pub scope: &'a Scope,
    /// Whether threads of a process are told apart.
    pub threads: bool,
    /// Tells what time it was.
    pub capture: Option<&'a Capture>,
}

/// A process, or a thread of it, with its samples in their order.
pub struct Owner<'a> {
    /// Who ran; of a process its first thread that was seen.
    pub task: Task,
    /// Its samples.
    pub samples: Vec<&'a Sample>,
    /// The sum of their weights.
    pub weight: u64,
}

impl<'a> Source<'a> {
    /// The samples.
    pub fn samples(&self) -> impl Iterator<Item = &'a Sample> + use<'a> {
        self.scope.samples(self.profile)
    }

    /// The frames of a stack that are shown, outermost first.
    pub fn frames(&self, stack: StackId) -> impl Iterator<Item = (FrameId, &'a Frame)> + use<'a> {
        let (profile, scope) = (self.profile, self.scope);
        let ids = profile.stacks.outermost_first(stack).into_iter();
        ids.filter_map(|id| Some((id, profile.symbols.get(id)?)))
            .filter(|(_, frame)| scope.has_frame(frame))
    }

    /// The samples by process, or by thread; the heaviest first.
    pub fn owners(&self) -> Vec<Owner<'a>> {
        let mut numbers: HashMap<Task, usize> = HashMap::new();
        let mut by_task: Vec<Option<usize>> = vec![None; self.profile.tasks.len() + 1];
        let mut owners: Vec<Owner<'a>> = Vec::new();
        for sample in self.samples() {
            let place = (sample.task as usize).min(self.profile.tasks.len());
            let number = by_task.get(place).copied().flatten().unwrap_or_else(|| {
                let task = self.profile.task(sample);
                let key = if self.threads {
                    task.clone()
                } else {
                    process(&task)
                };
                *numbers.entry(key).or_insert_with(|| {
                    owners.push(Owner {
                        task,
                        samples: Vec::new(),
                        weight: 0,
                    });
                    owners.len() - 1
                })
            });
            if let Some(known) = by_task.get_mut(place) {
                *known = Some(number);
            }
            if let Some(owner) = owners.get_mut(number) {
                owner.samples.push(sample);
                owner.weight = owner.weight.saturating_add(sample.weight);
            }
        }
        // Equal ones stay in the order in which they were seen.
        owners.sort_by_key(|owner| std::cmp::Reverse(owner.weight));
        owners
    }

    /// Nanoseconds between two samples of a CPU, where it was sampled by time.
    pub fn period_ns(&self) -> Option<u64> {
        let hz = self.profile.frequency_hz.filter(|hz| *hz > 0)?;
        (self.profile.unit == Unit::Count).then_some(1_000_000_000 / hz)
    }

    /// When the profile began, in nanoseconds since 1970.
    pub fn started_unix_ns(&self) -> Option<u64> {
        let (from, _) = self.profile.span_ns?;
        let has_times = self.profile.samples.iter().any(|s| s.time_ns.is_some());
        if !has_times {
            // pprof tells the time of the day.
            return Some(from);
        }
        let clocks = &self.capture?.started;
        let since_capture_ns = i128::from(from) - i128::from(clocks.monotonic_us) * 1_000;
        u64::try_from(i128::from(clocks.realtime_us) * 1_000 + since_capture_ns).ok()
    }

    /// How long it took, in nanoseconds.
    pub fn duration_ns(&self) -> Option<u64> {
        let (from, to) = self.profile.span_ns?;
        to.checked_sub(from)
    }
}

/// A task without what tells threads apart.
fn process(task: &Task) -> Task {
    Task {
        tid: None,
        thread: String::new(),
        ..task.clone()
    }
}

/// A process as people name it: `cart [100] shop/cart-0`.
pub fn process_name(task: &Task) -> String {
    let name = match task.process.as_str() {
        "" if task.pid.is_none() => "program",
        "" => "process",
        name => name,
    };
    let pid = task.pid.map(|pid| format!("[{pid}]"));
    let owner = task
        .pod
        .as_ref()
        .or(task.pod_uid.as_ref())
        .or(task.unit.as_ref());
    let parts = [Some(name.to_owned()), pid, owner.cloned()];
    fold::clean(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// A thread as people name it: `worker [101]`.
pub fn thread_name(task: &Task) -> String {
    let name = match task.thread.as_str() {
        "" => task.process.as_str(),
        name => name,
    };
    let tid = task.tid.map(|tid| format!(" [{tid}]")).unwrap_or_default();
    fold::clean(&format!("{name}{tid}"))
}

/// Samples that differ in nothing but their time, as one: for formats that know no time.
pub fn merged<S: Borrow<Sample>>(
    samples: impl Iterator<Item = S>,
) -> BTreeMap<(TaskId, StackId), u64> {
    let mut weights: BTreeMap<_, u64> = BTreeMap::new();
    for sample in samples {
        let sample = sample.borrow();
        let weight = weights.entry((sample.task, sample.stack)).or_default();
        *weight = weight.saturating_add(sample.weight);
    }
    weights
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::profile::pprof as reader;
    use crate::profile::scope::Who;
    use crate::profile::testing::{frame, profile};
    use crate::profile::{FrameKind, fold};

    fn source<'a>(profile: &'a Profile, scope: &'a Scope) -> Source<'a> {
        Source {
            profile,
            scope,
            threads: false,
            capture: None,
        }
    }

    fn folded(profile: &Profile, scope: &Scope) -> Vec<String> {
        let options = fold::Options { threads: true };
        fold::fold(profile, scope, options).lines().collect()
    }

    #[test]
    fn pprof_reads_back_as_it_was() {
        let mut profile = profile();
        let unnamed = Frame {
            function: "[cart]+0x2a1f0".into(),
            is_named: false,
            ..frame("", FrameKind::User)
        };
        let unnamed = profile.symbols.intern(unnamed);
        let mut sample = profile.samples[0];
        sample.stack = profile.stacks.push(sample.stack, unnamed);
        profile.samples.push(sample);
        profile
            .build_ids
            .insert("/usr/bin/cart".into(), "0badcafe".into());
        for scope in [Scope::node(), Scope::kernel(), Scope::of(Who::Process(100))] {
            let file = reader::read(&pprof::export(source(&profile, &scope)).unwrap(), "x");
            assert!(file.damage.is_empty(), "{:?}", file.damage);
            let [cpu, samples] = file.profiles.as_slice() else {
                panic!("{} profiles", file.profiles.len());
            };
            assert_eq!(
                (cpu.event.as_str(), samples.event.as_str()),
                ("cpu", "samples")
            );
            assert_eq!(folded(samples, &scope), folded(&profile, &scope));
            assert_eq!(cpu.total(), samples.total() * 10_101_010);
            assert_eq!(samples.frequency_hz, Some(99));
            let has_cart = scope != Scope::kernel();
            assert_eq!(samples.build_ids.contains_key("/usr/bin/cart"), has_cart);
        }
    }

    #[test]
    fn pprof_says_what_time_it_was() {
        let profile = profile();
        let scope = Scope::node();
        let mut capture = crate::table::testing::node().capture.unwrap();
        capture.started.monotonic_us = 4_000_000;
        let with_clock = Source {
            capture: Some(&capture),
            ..source(&profile, &scope)
        };
        let started = with_clock.started_unix_ns();
        assert_eq!(started, Some(1_700_000_001_000_000_000));
        assert_eq!(with_clock.duration_ns(), Some(6_000_000_000));
        assert_eq!(source(&profile, &scope).started_unix_ns(), None);
    }

    #[test]
    fn speedscope_has_a_profile_per_process_or_thread() {
        let (profile, scope) = (profile(), Scope::node());
        let export = |threads| -> Value {
            let source = Source {
                threads,
                ..source(&profile, &scope)
            };
            serde_json::from_slice(&speedscope::export(source).unwrap()).unwrap()
        };
        let names = |file: &Value| -> Vec<String> {
            let profiles = file["profiles"].as_array().unwrap().iter();
            profiles
                .map(|one| one["name"].as_str().unwrap().to_owned())
                .collect()
        };
        let file = export(false);
        assert_eq!(
            names(&file),
            [
                "cart [100] shop/cart-0",
                "kubelet [50] kubelet.service",
                "kworker/0:1 [9]"
            ]
        );
        assert_eq!(
            names(&export(true))[0],
            "cart [100] shop/cart-0, cart [100]"
        );
        let cart = &file["profiles"][0];
        assert_eq!(
            cart["weights"],
            serde_json::json!([10_101_010, 10_101_010, 10_101_010])
        );
        assert_eq!(cart["endValue"], 30_303_030);
        let frame = cart["samples"][0][2].as_u64().unwrap() as usize;
        assert_eq!(file["shared"]["frames"][frame]["name"], "vfs_read_[k]");
    }

    #[test]
    fn firefox_has_threads_over_time() {
        let (profile, scope) = (profile(), Scope::node());
        let file = firefox::export(source(&profile, &scope)).unwrap();
        let file: Value = serde_json::from_slice(&file).unwrap();
        let threads = file["threads"].as_array().unwrap();
        let names: Vec<&str> = threads
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "cart [100] shop/cart-0",
                "worker [101]",
                "kubelet [52]",
                "kworker/0:1 [9]"
            ]
        );
        let cart = &threads[0];
        assert_eq!(cart["processName"], "cart [100] shop/cart-0");
        assert_eq!(cart["samples"]["length"], 2);
        assert_eq!(
            cart["samples"]["timeDeltas"],
            serde_json::json!([0.0, 1000.0])
        );
        assert_eq!(
            cart["samples"]["threadCPUDelta"],
            serde_json::json!([10_101, 10_101])
        );
        let categories = file["meta"]["categories"].as_array().unwrap();
        assert!(
            categories
                .iter()
                .any(|one| one["name"] == "kernel" && one["color"] == "orange")
        );
    }

    #[test]
    fn weights_that_firefox_has_no_room_for() {
        let mut profile = profile();
        profile.samples.truncate(2);
        profile.frequency_hz = None;
        let scope = Scope::node();
        let weights = |profile: &Profile| {
            let file = firefox::export(source(profile, &scope)).unwrap();
            let file: Value = serde_json::from_slice(&file).unwrap();
            let weights = file["threads"][0]["samples"]["weight"]
                .as_array()
                .unwrap()
                .clone();
            weights
                .iter()
                .map(|one| one.as_i64().unwrap())
                .collect::<Vec<_>>()
        };
        profile.unit = Unit::Nanoseconds;
        profile.samples[0].weight = 1_600_000;
        profile.samples[1].weight = 400_000;
        assert_eq!(weights(&profile), [1, 1], "what is left goes to the next");
        profile.unit = Unit::Bytes;
        profile.samples[0].weight = 5 << 30;
        profile.samples[1].weight = u64::MAX;
        let bytes = weights(&profile);
        assert_eq!(bytes[..3].iter().sum::<i64>(), 5 << 30);
        assert_eq!(bytes.len(), 3 + 65);
    }

    #[test]
    fn hostile_names_do_no_harm() {
        let mut profile = profile();
        profile.name = "a\"b\u{202e}".into();
        profile.tasks[0].process = "x\";\n\u{1b}".into();
        profile.tasks[0].pid = None;
        let scope = Scope::node();
        for file in [
            speedscope::export(source(&profile, &scope)).unwrap(),
            firefox::export(source(&profile, &scope)).unwrap(),
        ] {
            let text = String::from_utf8(file).unwrap();
            assert!(serde_json::from_str::<Value>(&text).is_ok());
            assert!(!text.contains('\u{202e}') && !text.contains("\\u001b"));
        }
    }
}
