//! Profiles: one row for each, with what has to be known to read its pictures. The samples are in
//! `sample` and `stack_frame`, sums of them in `hot_function` and `profile_module`.
//!
//! What it is read from (`docs/bundle-format.md`) becomes a [`crate::profile::Profile`] before any
//! table is finished.

use crate::profile::Profile;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "profile",
    about: "profiles, and how far they can be trusted",
    columns: &[
        text(
            "profile",
            "`cpu`: where CPUs were; `blocked`: where threads waited; others by the program that made them",
        ),
        text(
            "event",
            "what was sampled: `cycles`, `cpu-clock`, `context-switches`",
        ),
        text("unit", "of weights: count, nanoseconds, bytes"),
        int("frequency_hz", "samples per second and CPU"),
        int("samples_count", ""),
        int("weight", "of all samples together, in the unit"),
        int("lost_count", "samples that found no room"),
        float("lost_ratio", "of all samples, lost ones included"),
        float(
            "broken_ratio",
            "samples whose user stack ends in the middle: code without frame pointers",
        ),
        float("unnamed_ratio", "functions in stacks without a name"),
        int("cpus_count", "CPUs that were sampled"),
        int("start_ts_us", "since boot"),
        int("span_us", "from the first to the last moment"),
        int("stacks_count", "different ones"),
        int("threads_count", "that were sampled"),
        text("notes", "what is missing and why, in sentences"),
    ],
    reads: &[
        "perf/perf.data",
        "perf/meta.json",
        "perf/symbols.jsonl",
        "perf/modules.jsonl",
        "perf/mappings.jsonl",
        "perf/processes.jsonl",
        "perf/switches.data",
    ],
    decoder: || Box::new(Profiles),
};

struct Profiles;

impl Decode for Profiles {
    fn entry(&mut self, _: &Input<'_>, _: &Node, _: &mut Damages) {}

    fn finish(self: Box<Self>, node: &Node, rows: &mut Rows) {
        for profile in &node.profiles {
            row(profile, node, rows);
        }
    }
}

fn row(profile: &Profile, node: &Node, rows: &mut Rows) {
    let samples = profile.samples.len() as u64;
    let mut stacks: Vec<_> = profile.samples.iter().map(|sample| sample.stack).collect();
    stacks.sort_unstable();
    stacks.dedup();
    let span_us = profile
        .span_ns
        .map(|(from, until)| until.saturating_sub(from) / 1000);
    rows.add(&profile.entry, None)
        .set("profile", profile.name.as_str())
        .set("event", profile.event.as_str())
        .set("unit", profile.unit.name())
        .set("frequency_hz", profile.frequency_hz)
        .set("samples_count", samples)
        .set("weight", profile.total())
        .set("lost_count", profile.lost)
        .set(
            "lost_ratio",
            ratio(profile.lost, samples.saturating_add(profile.lost)),
        )
        .set("broken_ratio", ratio(profile.broken, samples))
        .set(
            "unnamed_ratio",
            ratio(profile.frames_unnamed, profile.frames_total),
        )
        .set("cpus_count", profile.cpus)
        .set(
            "start_ts_us",
            profile.span_ns.map(|(from, _)| node.since_boot_us(from)),
        )
        .set("span_us", span_us)
        .set("stacks_count", stacks.len() as u64)
        .set("threads_count", profile.tasks.len() as u64)
        .set("notes", profile.notes.join(" "));
}

/// A share; null of nothing.
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
