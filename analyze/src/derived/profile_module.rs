//! Binaries of a profile: which have broken stacks, which have functions without names, and why.

use std::collections::BTreeMap;

use crate::profile::{Frame, FrameKind, Profile, broken_in};
use crate::table::{Derived, Node, Rows, Store, float, int, text};
use crate::tables::profile::ratio;

/// The table.
pub static TABLE: Derived = Derived {
    name: "profile_module",
    about: "binaries of profiles: what was spent in them, and how well their stacks and names can be trusted",
    columns: &[
        text("profile", ""),
        text("module", "path of the binary, or the kernel's module"),
        int("self_weight", "in its functions, in the profile's unit"),
        float("self_ratio", "of the whole profile"),
        int(
            "broken_count",
            "samples whose stack ends in it, in the middle: it has no frame pointers",
        ),
        float("broken_ratio", "of the samples with it in their user stack"),
        float(
            "unnamed_ratio",
            "of its functions in stacks, without a name",
        ),
        text("why", "why names are missing"),
    ],
    needs: &["profile"],
    rank: 1,
    build,
};

#[derive(Default)]
struct Module {
    own: u64,
    /// Samples with it in their stack.
    samples: u64,
    broken: u64,
    frames: u64,
    unnamed: u64,
}

fn build(_: &Store, node: &Node, rows: &mut Rows) {
    for profile in &node.profiles {
        let total = profile.total();
        let why: BTreeMap<&str, &str> = profile
            .missing_names
            .iter()
            .map(|(module, why)| (module.as_str(), why.as_str()))
            .collect();
        let modules = modules(profile);
        let mut modules: Vec<(&str, Module)> = modules.into_iter().collect();
        modules.sort_by(|a, b| b.1.own.cmp(&a.1.own).then(a.0.cmp(b.0)));
        for (path, module) in modules {
            rows.add(&profile.entry, None)
                .set("profile", profile.name.as_str())
                .set("module", Some(path).filter(|path| !path.is_empty()))
                .set("self_weight", module.own)
                .set("self_ratio", ratio(module.own, total))
                .set("broken_count", module.broken)
                .set("broken_ratio", ratio(module.broken, module.samples))
                .set("unnamed_ratio", ratio(module.unnamed, module.frames))
                .set("why", why.get(path).copied());
        }
    }
}

fn modules(profile: &Profile) -> BTreeMap<&str, Module> {
    let mut stacks: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for sample in &profile.samples {
        let (count, weight) = stacks.entry(sample.stack).or_insert((0, 0));
        *count += 1;
        *weight = weight.saturating_add(sample.weight);
    }
    let mut modules: BTreeMap<&str, Module> = BTreeMap::new();
    for (stack, (count, weight)) in stacks {
        let ids = profile.stacks.outermost_first(stack);
        let frames: Vec<&Frame> = ids
            .iter()
            .filter_map(|id| profile.symbols.get(*id))
            .collect();
        let functions = || frames.iter().filter(|frame| frame.kind != FrameKind::Mark);
        for frame in functions() {
            let module = modules.entry(&frame.module).or_default();
            module.frames += count;
            module.unnamed += if frame.is_named { 0 } else { count };
        }
        let mut paths: Vec<&str> = functions().map(|frame| frame.module.as_str()).collect();
        paths.sort_unstable();
        paths.dedup();
        for path in paths {
            modules.entry(path).or_default().samples += count;
        }
        if let Some(leaf) = functions().next_back() {
            let own = &mut modules.entry(&leaf.module).or_default().own;
            *own = own.saturating_add(weight);
        }
        if let Some(frame) = broken_in(&frames).flatten() {
            modules.entry(&frame.module).or_default().broken += count;
        }
    }
    modules
}
