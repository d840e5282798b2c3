//! The functions of the stacks that samples have.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::table::{Derived, Node, Rows, Store, bool, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "stack_frame",
    about: "functions of sampled stacks; of more than a million the heaviest stacks",
    columns: &[
        text("profile", ""),
        int("stack", "number of the stack in its profile"),
        int("depth", "0 is the innermost function"),
        text(
            "function",
            "`[module]+offset` or an address where it has no name",
        ),
        text("module", "path of the binary, or the kernel's module"),
        text(
            "kind",
            "kernel, user, go_runtime, generated, or mark: no function",
        ),
        bool("is_named", "whether a name was found"),
    ],
    needs: &["profile"],
    rank: 1,
    build,
};

/// Most rows: 20,000 stacks of 50 functions.
const ROWS: usize = 1_000_000;

fn build(_: &Store, node: &Node, rows: &mut Rows) {
    for profile in &node.profiles {
        let mut weights: HashMap<u32, u64> = HashMap::new();
        for sample in &profile.samples {
            let weight = weights.entry(sample.stack).or_insert(0);
            *weight = weight.saturating_add(sample.weight);
        }
        let mut stacks: Vec<(u32, u64)> = weights.into_iter().collect();
        stacks.sort_by_key(|(stack, weight)| (Reverse(*weight), *stack));
        for (stack, _) in stacks {
            if rows.len() >= ROWS {
                return;
            }
            for (depth, id) in (0_i64..).zip(profile.stacks.innermost_first(stack)) {
                let Some(frame) = profile.symbols.get(id) else {
                    continue;
                };
                rows.add(&profile.entry, None)
                    .set("profile", profile.name.as_str())
                    .set("stack", stack)
                    .set("depth", depth)
                    .set("function", frame.function.as_str())
                    .set("module", Some(&*frame.module).filter(|m| !m.is_empty()))
                    .set("kind", frame.kind.name())
                    .set("is_named", frame.is_named);
            }
        }
    }
}
