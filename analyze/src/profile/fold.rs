//! Folds a profile: equal stacks become one line with the sum of their weights, names joined by
//! `;`, outermost first, as Brendan Gregg's tools, inferno and speedscope read them.
//!
//! In front of the functions stands who ran: pod and container (or unit, or control group), the
//! process, the thread if asked for. Names are hostile text: in a folded line they have no `;`, no
//! line end, no control character, and a bounded length.

use std::collections::{BTreeMap, HashMap};

use super::scope::Scope;
use super::{BROKEN_STACK, Frame, FrameId, FrameKind, Profile, StackId, Task, TaskId};
use crate::text::is_tricky;

/// Longest name in characters. Names of C++ templates reach some thousand.
const NAME_CHARS: usize = 400;
/// Deepest stack. The kernel's chains end at 127 frames; unwound ones may be endless recursion.
const DEPTH: usize = 512;
/// Digits of a container's id, as `docker ps` shows it.
const ID_DIGITS: usize = 12;

/// How stacks are folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Each thread apart. By default threads of a process are merged.
    pub threads: bool,
}

/// A folded profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Weight by stack, in the stacks' alphabetical order: same profile, same lines.
    pub stacks: BTreeMap<String, u64>,
    /// What each name is; who ran is a [`FrameKind::Mark`].
    pub kinds: BTreeMap<String, FrameKind>,
    /// Sum of the weights.
    pub total: u64,
    /// Samples in it.
    pub samples: u64,
    /// Their functions, and those of them without a name.
    pub frames_total: u64,
    /// See there.
    pub frames_unnamed: u64,
    /// Samples whose stack carries the mark [`BROKEN_STACK`].
    pub broken: u64,
}

impl Folded {
    /// The lines, `name;name;name weight`.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.stacks
            .iter()
            .map(|(stack, weight)| format!("{stack} {weight}"))
    }
}

/// Folds the samples of a scope.
pub fn fold(profile: &Profile, scope: &Scope, options: Options) -> Folded {
    let mut folded = Folded::default();
    let mut names = Names::new(profile);
    let mut weights: HashMap<(TaskId, StackId), (u64, u64)> = HashMap::new();
    for sample in scope.samples(profile) {
        let (weight, samples) = weights.entry((sample.task, sample.stack)).or_default();
        *weight = weight.saturating_add(sample.weight);
        *samples += 1;
    }
    // In a fixed order: which of two kinds a name has must not depend on the hash.
    let mut weights: Vec<_> = weights.into_iter().collect();
    weights.sort_unstable_by_key(|(key, _)| *key);
    for ((task, stack), (weight, samples)) in weights {
        let mut parts = match profile.tasks.get(task as usize) {
            _ if scope.kernel_only => Vec::new(),
            // A program's profile of itself does not say who it is.
            Some(task) if *task == Task::default() => Vec::new(),
            Some(task) => owners(task, options),
            None => owners(&Task::default(), options),
        };
        let mut kinds = vec![FrameKind::Mark; parts.len()];
        let mut is_broken = false;
        for (id, frame) in frames(profile, scope, stack) {
            is_broken |= frame.kind == FrameKind::Mark && frame.function == BROKEN_STACK;
            folded.frames_total += samples;
            folded.frames_unnamed += if frame.is_named { 0 } else { samples };
            parts.push(names.get(id, frame));
            kinds.push(frame.kind);
        }
        shorten(&mut parts, &mut kinds);
        let line = parts.join(";");
        for (name, kind) in parts.into_iter().zip(kinds) {
            folded.kinds.entry(name).or_insert(kind);
        }
        let sum = folded.stacks.entry(line).or_default();
        *sum = sum.saturating_add(weight);
        folded.total = folded.total.saturating_add(weight);
        folded.samples += samples;
        folded.broken += if is_broken { samples } else { 0 };
    }
    folded
}

/// The frames of a stack that a scope has, outermost first.
fn frames<'a>(
    profile: &'a Profile,
    scope: &'a Scope,
    stack: StackId,
) -> impl Iterator<Item = (FrameId, &'a Frame)> {
    let ids = profile.stacks.outermost_first(stack).into_iter();
    ids.filter_map(|id| Some((id, profile.symbols.get(id)?)))
        .filter(|(_, frame)| scope.has_frame(frame))
}

/// Takes the middle out of a stack that is too deep: both its ends say what it is.
fn shorten(parts: &mut Vec<String>, kinds: &mut Vec<FrameKind>) {
    let middle = DEPTH / 2..parts.len().saturating_sub(DEPTH / 2);
    if parts.len() > DEPTH {
        let mark = format!("[{} frames left out]", middle.len());
        parts.splice(middle.clone(), [mark]);
        kinds.splice(middle, [FrameKind::Mark]);
    }
}

/// Who ran, from the pod down to the process, and to the thread if asked for.
pub fn owners(task: &Task, options: Options) -> Vec<String> {
    let mut owners = Vec::with_capacity(4);
    if let Some(pod) = task.pod.as_ref().or(task.pod_uid.as_ref()) {
        owners.push(format!("pod {pod}"));
    }
    if let Some(container) = container(task) {
        owners.push(format!("container {container}"));
    }
    if owners.is_empty() {
        owners.push(match (&task.unit, &task.cgroup) {
            (Some(unit), _) => unit.clone(),
            (None, Some(cgroup)) => format!("cgroup {cgroup}"),
            (None, None) => "[unknown group]".to_owned(),
        });
    }
    owners.push(match (task.process.as_str(), task.pid) {
        ("", Some(pid)) => format!("[process {pid}]"),
        ("", None) => "[unknown process]".to_owned(),
        (name, _) => name.to_owned(),
    });
    if options.threads {
        let tid = task.tid.map(|tid| format!(" [{tid}]")).unwrap_or_default();
        owners.push(match task.thread.as_str() {
            "" => format!("[thread]{tid}"),
            name => format!("{name}{tid}"),
        });
    }
    owners.iter().map(|name| clean(name)).collect()
}

/// A container's name, else its id as far as people read it.
fn container(task: &Task) -> Option<String> {
    let id = || {
        Some(
            task.container_id
                .as_ref()?
                .chars()
                .take(ID_DIGITS)
                .collect(),
        )
    };
    task.container.clone().or_else(id)
}

/// The cleaned names of a profile's functions, each made once.
struct Names(Vec<Option<String>>);

impl Names {
    fn new(profile: &Profile) -> Self {
        Self(vec![None; profile.symbols.all().len()])
    }

    fn get(&mut self, id: FrameId, frame: &Frame) -> String {
        match self.0.get_mut(id as usize) {
            Some(name) => name.get_or_insert_with(|| function(frame)).clone(),
            None => function(frame),
        }
    }
}

/// A function as flamegraphs have it: `_[k]` marks the kernel's, `_[j]` generated ones.
pub fn function(frame: &Frame) -> String {
    let name = clean(&frame.function);
    match frame.kind {
        FrameKind::Kernel => name + "_[k]",
        FrameKind::Generated => name + "_[j]",
        // A program must not pass its functions off as the kernel's.
        _ if name.ends_with("_[k]") || name.ends_with("_[j]") => name + "_",
        _ => name,
    }
}

/// A name without what would end it in a folded line or trick who reads it; cut where it is long.
pub fn clean(name: &str) -> String {
    let mut chars = name.trim().chars();
    let mut clean: String = (&mut chars)
        .take(NAME_CHARS)
        .map(|c| match c {
            ';' => ':',
            // XML has no such characters.
            '\u{FFFE}' | '\u{FFFF}' => char::REPLACEMENT_CHARACTER,
            c if is_tricky(c) => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect();
    if chars.next().is_some() {
        clean.push('…');
    }
    // Readers take a number at the end for the weight, and `# ` in front for a remark.
    let number = clean.rfind(' ').filter(|at| is_number(&clean[at + 1..]));
    let remark = clean.starts_with("# ").then_some(1);
    for at in number.into_iter().chain(remark) {
        clean.replace_range(at..=at, "_");
    }
    if clean.is_empty() {
        clean.push_str("[unknown]");
    }
    clean
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::scope::Who;
    use crate::profile::testing::{frame, profile, sample};

    fn text(profile: &Profile, scope: &Scope, options: Options) -> String {
        let lines: Vec<String> = fold(profile, scope, options).lines().collect();
        lines.join("\n")
    }

    #[test]
    fn the_node_by_owner() {
        assert_eq!(
            text(&profile(), &Scope::node(), Options::default()),
            "cgroup /;kworker/0:1;kthread_[k];flush_[k] 1\n\
             kubelet.service;kubelet;main.sync;runtime.mallocgc 2\n\
             pod shop/cart-0;container cart;cart;loop;jitted_[j] 1\n\
             pod shop/cart-0;container cart;cart;main;hash 1\n\
             pod shop/cart-0;container cart;cart;main;read;vfs_read_[k] 1"
        );
    }

    #[test]
    fn threads_and_the_kernel() {
        let pod = Scope::of(Who::Pod("shop/cart-0".into()));
        let lines = text(&profile(), &pod, Options { threads: true });
        assert!(lines.contains(";cart;worker [101];loop;"), "{lines}");
        assert_eq!(
            text(&profile(), &Scope::kernel(), Options::default()),
            "kthread_[k];flush_[k] 1\nvfs_read_[k] 1"
        );
    }

    #[test]
    fn sums_and_kinds() {
        let folded = fold(&profile(), &Scope::node(), Options::default());
        assert_eq!((folded.total, folded.samples), (6, 6));
        assert_eq!((folded.frames_total, folded.frames_unnamed), (13, 0));
        let kind = |name: &str| folded.kinds.get(name).copied();
        assert_eq!(kind("vfs_read_[k]"), Some(FrameKind::Kernel));
        assert_eq!(kind("runtime.mallocgc"), Some(FrameKind::GoRuntime));
        assert_eq!(kind("pod shop/cart-0"), Some(FrameKind::Mark));
    }

    #[test]
    fn hostile_names_stay_one_name() {
        assert_eq!(
            clean("a;b\nc\u{202e}\u{1b}"),
            "a:b\u{fffd}c\u{fffd}\u{fffd}"
        );
        assert_eq!(clean(" \n"), "[unknown]");
        assert_eq!(clean("worker 7.5"), "worker_7.5");
        assert_eq!(clean("# x y"), "#_x y");
        assert_eq!(clean(&"x".repeat(100_000)).chars().count(), NAME_CHARS + 1);
        assert_eq!(function(&frame("evil_[k]", FrameKind::User)), "evil_[k]_");
        let mut profile = profile();
        sample(&mut profile, 0, 99, &[("a;b 7\n", FrameKind::User)]);
        let lines = text(&profile, &Scope::node(), Options::default());
        assert!(
            lines.contains("[unknown group];[unknown process];a:b_7 1"),
            "{lines}"
        );
    }

    #[test]
    fn an_endless_stack_keeps_its_ends() {
        let mut profile = profile();
        let mut deep = vec![("first", FrameKind::User)];
        deep.extend(vec![("again", FrameKind::User); 10_000]);
        deep.push(("last", FrameKind::User));
        sample(&mut profile, 0, 2, &deep);
        let folded = fold(&profile, &Scope::node(), Options::default());
        let line = folded.stacks.keys().find(|l| l.ends_with(";last")).unwrap();
        assert!(line.contains(";first;again;") && line.contains("[9492 frames left out]"));
        assert_eq!(line.split(';').count(), DEPTH + 1);
    }
}
