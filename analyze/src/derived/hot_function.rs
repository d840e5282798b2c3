//! Functions by what was spent in them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::profile::{FrameId, FrameKind, Profile, Task};
use crate::table::{Derived, Node, Rows, Store, float, int, text};
use crate::tables::profile::ratio;

/// The table.
pub static TABLE: Derived = Derived {
    name: "hot_function",
    about: "functions of profiles by what was spent in them, the heaviest first",
    columns: &[
        text("profile", ""),
        text(
            "function",
            "`[module]+offset` or an address where it has no name",
        ),
        text("module", "path of the binary, or the kernel's module"),
        text("kind", "kernel, user, go_runtime, generated"),
        int(
            "self_weight",
            "in itself, in the profile's unit; of a CPU profile samples",
        ),
        int("total_weight", "in itself and in what it called"),
        float("self_ratio", "of the whole profile"),
        float("total_ratio", "of the whole profile"),
        text("process", "the process with most of `total_weight`"),
        float("process_ratio", "its share of it"),
        text("container", "the container with most of it: name, else id"),
        text("pod", "the pod with most of it: namespace/name, else UID"),
        text("unit", "the unit of systemd with most of it"),
    ],
    needs: &["profile"],
    rank: 1,
    build,
};

/// Most functions of a profile that get a row.
const ROWS: usize = 20_000;

/// What was spent in a function.
#[derive(Default)]
struct Spent {
    own: u64,
    total: u64,
    /// By owner.
    owners: HashMap<usize, u64>,
}

fn build(_: &Store, node: &Node, rows: &mut Rows) {
    for profile in &node.profiles {
        let owners = Owners::of(profile);
        let mut functions: Vec<(FrameId, Spent)> = spent(profile, &owners).into_iter().collect();
        functions.sort_by_key(|(id, spent)| (Reverse((spent.own, spent.total)), *id));
        let total = profile.total();
        for (id, spent) in functions.iter().take(ROWS) {
            let Some(frame) = profile.symbols.get(*id) else {
                continue;
            };
            let (process, of_process) = owners.most(spent, |task| Some(task.process.as_str()));
            let container =
                |task: &'_ Task| task.container.clone().or_else(|| task.container_id.clone());
            let pod = |task: &'_ Task| task.pod.clone().or_else(|| task.pod_uid.clone());
            rows.add(&profile.entry, None)
                .set("profile", profile.name.as_str())
                .set("function", frame.function.as_str())
                .set("module", Some(&*frame.module).filter(|m| !m.is_empty()))
                .set("kind", frame.kind.name())
                .set("self_weight", spent.own)
                .set("total_weight", spent.total)
                .set("self_ratio", ratio(spent.own, total))
                .set("total_ratio", ratio(spent.total, total))
                .set("process", process)
                .set("process_ratio", ratio(of_process, spent.total))
                .set("container", owners.most(spent, container).0)
                .set("pod", owners.most(spent, pod).0)
                .set("unit", owners.most(spent, |task| task.unit.clone()).0);
        }
    }
}

/// Adds up what each function has, by owner. A function that calls itself counts once.
fn spent(profile: &Profile, owners: &Owners<'_>) -> HashMap<FrameId, Spent> {
    let mut stacks: BTreeMap<(u32, usize), u64> = BTreeMap::new();
    for sample in &profile.samples {
        let key = (sample.stack, owners.of_task(sample.task));
        let weight = stacks.entry(key).or_insert(0);
        *weight = weight.saturating_add(sample.weight);
    }
    let mut functions: HashMap<FrameId, Spent> = HashMap::new();
    for ((stack, owner), weight) in stacks {
        let is_function = |id: &FrameId| {
            let frame = profile.symbols.get(*id);
            frame.is_some_and(|frame| frame.kind != FrameKind::Mark)
        };
        let frames = profile.stacks.innermost_first(stack).filter(is_function);
        let mut frames: Vec<FrameId> = frames.collect();
        if let Some(leaf) = frames.first() {
            let own = &mut functions.entry(*leaf).or_default().own;
            *own = own.saturating_add(weight);
        }
        frames.sort_unstable();
        frames.dedup();
        for frame in frames {
            let spent = functions.entry(frame).or_default();
            spent.total = spent.total.saturating_add(weight);
            let of_owner = spent.owners.entry(owner).or_insert(0);
            *of_owner = of_owner.saturating_add(weight);
        }
    }
    functions
}

/// Processes, containers and pods: threads of one are one owner.
struct Owners<'a> {
    /// The owner of each task.
    by_task: Vec<usize>,
    /// A task of each owner.
    examples: Vec<&'a Task>,
}

impl<'a> Owners<'a> {
    fn of(profile: &'a Profile) -> Self {
        let mut numbers = HashMap::new();
        let mut owners = Self {
            by_task: Vec::new(),
            examples: Vec::new(),
        };
        for task in &profile.tasks {
            let key = (&task.process, &task.container_id, &task.pod_uid, &task.unit);
            let number = *numbers.entry(key).or_insert(owners.examples.len());
            if number == owners.examples.len() {
                owners.examples.push(task);
            }
            owners.by_task.push(number);
        }
        owners
    }

    fn of_task(&self, task: u32) -> usize {
        let owner = self.by_task.get(task as usize);
        owner.copied().unwrap_or(usize::MAX)
    }

    /// What most of it belongs to, and how much that is.
    fn most<N: Ord>(
        &'a self,
        spent: &Spent,
        name: impl Fn(&'a Task) -> Option<N>,
    ) -> (Option<N>, u64) {
        let mut sums: BTreeMap<N, u64> = BTreeMap::new();
        for (owner, weight) in &spent.owners {
            if let Some(name) = self.examples.get(*owner).and_then(|task| name(task)) {
                *sums.entry(name).or_insert(0) += weight;
            }
        }
        let most = sums.into_iter().rev().max_by_key(|(_, weight)| *weight);
        most.map_or((None, 0), |(name, weight)| (Some(name), weight))
    }
}
