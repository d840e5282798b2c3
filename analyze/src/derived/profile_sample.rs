//! Profiles that components made of themselves, stack by stack.

use std::collections::BTreeMap;

use crate::profile::pprof::members::Member;
use crate::profile::{Profile, StackId};
use crate::table::{Derived, Node, Rows, Store, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "profile_sample",
    about: "stacks of the profiles that kubelet, containerd and others give of themselves (pprof)",
    columns: &[
        text("component", "`kubelet`, `containerd`"),
        text(
            "profile",
            "`cpu`, `heap`, `goroutine`, `mutex`, `block`, `threadcreate`",
        ),
        text(
            "value_name",
            "what is counted: `cpu`, `inuse_space`, `alloc_objects`, `delay`",
        ),
        text("unit", "of the value: `count`, `nanoseconds`, `bytes`"),
        int("value", "of all samples with this stack"),
        text("stack", "functions, innermost first, joined by `;`"),
        text("stack_top", "the innermost"),
    ],
    needs: &[],
    rank: 0,
    build,
};

fn build(_: &Store, node: &Node, rows: &mut Rows) {
    for profile in &node.profiles {
        let Some(member) = Member::of(&profile.entry) else {
            continue;
        };
        for (stack, value) in by_stack(profile) {
            let functions = profile.stacks.innermost_first(stack);
            let names: Vec<&str> = functions
                .filter_map(|frame| Some(profile.symbols.get(frame)?.function.as_str()))
                .collect();
            rows.add(&profile.entry, None)
                .set("component", member.component)
                .set("profile", member.kind)
                .set("value_name", profile.event.as_str())
                .set("unit", profile.unit.name())
                .set("value", value)
                .set("stack", names.join(";"))
                .set("stack_top", names.first().copied());
        }
    }
}

fn by_stack(profile: &Profile) -> BTreeMap<StackId, u64> {
    let mut values: BTreeMap<StackId, u64> = BTreeMap::new();
    for sample in &profile.samples {
        let value = values.entry(sample.stack).or_default();
        *value = value.saturating_add(sample.weight);
    }
    values
}
