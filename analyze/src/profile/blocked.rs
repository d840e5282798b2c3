//! What threads waited for: uninterruptible (D) or not (S). No record of the kernel tells it; the
//! stack does, and the readings of `/proc` do.

use std::collections::{HashMap, HashSet};

use super::assemble::mark;
use super::switches::{NOT_SAMPLED, PREEMPTED};
use super::{Frame, FrameKind, Profile, Sample, StackId, Task, Unit};
use crate::table::identity::identify;
use crate::table::{Cell, Node, Rows, Store};

/// Roots of the stacks of threads that waited.
pub const UNINTERRUPTIBLE: &str = "[D]";
/// See [`UNINTERRUPTIBLE`].
pub const SLEEPING: &str = "[S]";
/// Of threads that waited at one place as long as anybody looked, and so made no switch.
pub const WHOLE_WINDOW: &str = "[the whole window]";

/// Functions of the scheduler: `/proc/<pid>/stack` leaves them out.
const SCHEDULER: [&str; 9] = [
    "__schedule",
    "schedule",
    "schedule_timeout",
    "schedule_hrtimeout_range",
    "schedule_hrtimeout_range_clock",
    "schedule_preempt_disabled",
    "io_schedule",
    "io_schedule_timeout",
    "preempt_schedule_common",
];
/// Beginnings of functions that wait without a signal being able to end it.
const UNINTERRUPTIBLE_WAITS: [&str; 32] = [
    "io_schedule",
    "folio_wait_bit",
    "folio_wait_writeback",
    "wait_on_page_bit",
    "wait_on_page_writeback",
    "__wait_on_buffer",
    "__wait_on_bit",
    "out_of_line_wait_on_bit",
    "bit_wait_io",
    "blkdev_issue_flush",
    "submit_bio_wait",
    "blk_mq_get_tag",
    "rq_qos_wait",
    "wbt_wait",
    "balance_dirty_pages",
    "__mutex_lock",
    "mutex_lock",
    "rwsem_down_",
    "percpu_rwsem_wait",
    "__down_common",
    "wait_for_completion",
    "wait_for_common",
    "schedule_timeout_uninterruptible",
    "schedule_timeout_killable",
    "msleep",
    "rpc_wait_bit_killable",
    "request_wait_answer",
    "jbd2_log_wait_commit",
    "wait_transaction_locked",
    "xlog_grant_head_wait",
    "synchronize_rcu",
    "__refrigerator",
];
/// Waits of `io_uring` count as I/O, but a signal ends them.
const SLEEPS: [&str; 1] = ["io_cqring_wait"];
/// A function that a signal can end calls others for it: so many frames.
const CALLERS: usize = 4;

/// Whether a thread with this kernel stack, innermost first, is uninterruptible.
fn is_uninterruptible(functions: &[&str]) -> bool {
    let waits = |function: &str| {
        UNINTERRUPTIBLE_WAITS
            .iter()
            .any(|begin| function.starts_with(begin))
    };
    let Some(place) = functions.iter().position(|function| waits(function)) else {
        return false;
    };
    let callers = functions.iter().skip(place).take(CALLERS);
    !callers.clone().any(|function| {
        SLEEPS.contains(function)
            || function.contains("_interruptible") && !function.contains("_uninterruptible")
    })
}

/// Functions of the kernel in a stack, innermost first, those of the scheduler left out.
pub(crate) fn waits_in(profile: &Profile, stack: StackId) -> Vec<&str> {
    let frames = profile.stacks.innermost_first(stack);
    let frames = frames.filter_map(|id| profile.symbols.get(id));
    frames
        .take_while(|frame| frame.kind == FrameKind::Kernel)
        .map(|frame| frame.function.as_str())
        .filter(|function| !SCHEDULER.contains(function))
        .collect()
}

/// Puts threads that waited under `[D]` or `[S]`, and adds those that never did anything else.
pub fn finish(profiles: &mut Vec<Profile>, store: &Store, node: &Node) {
    let threads = store.get("thread");
    let known = threads.map(uninterruptible).unwrap_or_default();
    let place = profiles
        .iter()
        .position(|profile| profile.name == "blocked");
    if let Some(profile) = place.and_then(|place| profiles.get_mut(place)) {
        states(profile, &known);
    }
    let Some(threads) = threads else {
        return;
    };
    let mut stuck = (0..threads.len())
        .filter(|row| is_stuck(threads, *row))
        .peekable();
    if stuck.peek().is_none() {
        return;
    }
    let place = place.unwrap_or_else(|| {
        profiles.push(Profile::new(
            "blocked",
            "sweeps",
            Unit::Nanoseconds,
            "root/proc",
        ));
        profiles.len() - 1
    });
    if let Some(profile) = profiles.get_mut(place) {
        add_stuck(profile, threads, &stuck.collect::<Vec<_>>(), node);
    }
}

/// Stacks of threads that the kernel said were uninterruptible.
fn uninterruptible(threads: &Rows) -> HashSet<String> {
    let is_blocked = |row: &usize| threads.text(*row, "state") == Some("D");
    let rows = (0..threads.len()).filter(is_blocked);
    rows.filter_map(|row| Some(threads.text(row, "stack")?.to_owned()))
        .collect()
}

fn states(profile: &mut Profile, known: &HashSet<String>) {
    let mut stacks: HashMap<StackId, StackId> = HashMap::new();
    let mut samples = std::mem::take(&mut profile.samples);
    for sample in &mut samples {
        let stack = match stacks.get(&sample.stack) {
            Some(stack) => *stack,
            None => with_state(profile, sample.stack, known),
        };
        stacks.insert(sample.stack, stack);
        sample.stack = stack;
    }
    profile.samples = samples;
}

/// The stack under the state that it tells, without the scheduler, in which every wait ends.
fn with_state(profile: &mut Profile, stack: StackId, known: &HashSet<String>) -> StackId {
    let ids = profile.stacks.outermost_first(stack);
    let functions: Vec<&str> = ids
        .iter()
        .filter_map(|id| Some(profile.symbols.get(*id)?.function.as_str()))
        .rev()
        .collect();
    let is_marked = functions
        .last()
        .is_none_or(|root| [PREEMPTED, NOT_SAMPLED].contains(root));
    let is_blocked =
        is_uninterruptible(&functions) || known.contains(&waits_in(profile, stack).join(";"));
    let is_scheduler = |function: &&str| SCHEDULER.contains(function);
    let scheduler = functions
        .iter()
        .copied()
        .take_while(|f| is_scheduler(f))
        .count();
    let kept = ids.len().saturating_sub(scheduler);
    let mut stack = super::stacks::EMPTY;
    if !is_marked {
        let state = if is_blocked {
            UNINTERRUPTIBLE
        } else {
            SLEEPING
        };
        let root = profile.symbols.intern(mark(state));
        stack = profile.stacks.push(stack, root);
    }
    for id in ids.into_iter().take(kept) {
        stack = profile.stacks.push(stack, id);
    }
    stack
}

/// Whether a thread waited at one place in every reading, from the first to the last.
fn is_stuck(threads: &Rows, row: usize) -> bool {
    threads.get(row, "same_stack") == Cell::Bool(true)
}

fn add_stuck(profile: &mut Profile, threads: &Rows, rows: &[usize], node: &Node) {
    let seconds = node.capture.as_ref().map_or(0, |c| c.window_seconds);
    let span = profile.span_ns;
    let window = span.map_or(seconds.saturating_mul(1_000_000_000), |(from, until)| {
        until.saturating_sub(from)
    });
    let seen: HashSet<Option<u32>> = profile.tasks.iter().map(|task| task.tid).collect();
    let mut added = 0;
    for row in rows {
        let task = task(threads, *row);
        // One that made switches is in the samples.
        if seen.contains(&task.tid) || window == 0 {
            continue;
        }
        added += 1;
        let state = match threads.text(*row, "state") {
            Some("D") => UNINTERRUPTIBLE,
            _ => SLEEPING,
        };
        let mut stack = super::stacks::EMPTY;
        for root in [state, WHOLE_WINDOW] {
            let frame = profile.symbols.intern(mark(root));
            stack = profile.stacks.push(stack, frame);
        }
        let functions = threads.text(*row, "stack").or(threads.text(*row, "wchan"));
        for function in functions.into_iter().flat_map(|text| text.rsplit(';')) {
            let frame = profile.symbols.intern(kernel(function));
            stack = profile.stacks.push(stack, frame);
            profile.frames_total += 1;
        }
        profile.samples.push(Sample {
            time_ns: span.map(|(from, _)| from),
            cpu: None,
            task: profile.tasks.len() as u32,
            stack,
            weight: window,
        });
        profile.tasks.push(task);
    }
    if added > 0 {
        profile.samples.sort_by_key(|sample| sample.time_ns);
        profile.notes.push(format!(
            "{added} threads waited at one place in every reading: they are under {WHOLE_WINDOW}."
        ));
    }
}

fn task(threads: &Rows, row: usize) -> Task {
    let number = |column| threads.int(row, column).and_then(|n| u32::try_from(n).ok());
    let text = |column| threads.text(row, column).map(str::to_owned);
    let comm = text("comm").unwrap_or_default();
    Task {
        pid: number("pid"),
        tid: number("tid"),
        process: comm.clone(),
        thread: comm,
        unit: text("cgroup").and_then(|path| identify(&path).unit),
        cgroup: text("cgroup"),
        container_id: text("container_id"),
        pod_uid: text("pod_uid"),
        ..Task::default()
    }
}

fn kernel(function: &str) -> Frame {
    Frame {
        function: function.to_owned(),
        module: "[kernel.kallsyms]".to_owned(),
        kind: FrameKind::Kernel,
        is_named: true,
    }
}

#[cfg(test)]
#[path = "blocked_tests.rs"]
mod tests;
