//! What components say of themselves: the profiles that they were asked for, and what their
//! goroutines wait for.

use crate::profile::Profile;
use crate::report::flames;
use crate::report::model::{Block, Section};
use crate::report::view::{Show, Spec, shown};
use crate::table::Loaded;
use crate::text::visible;

/// Profiles that are drawn; each may take some hundred kilobytes of the page.
const DRAWN: usize = 12;
/// Profiles of the node, which have their place in another chapter.
const OF_NODE: [&str; 2] = ["cpu", "blocked"];
/// Values that tell little beside the others of the same file.
const LESS_TELLING: [&str; 5] = [
    "samples",
    "inuse_objects",
    "alloc_objects",
    "contentions",
    "threadcreate",
];

/// The chapter.
pub(super) fn section(loaded: &Loaded) -> Section {
    let mut blocks = Vec::new();
    let mut others = Vec::new();
    let profiles = loaded.node.profiles.iter();
    for profile in profiles.filter(|profile| !OF_NODE.contains(&profile.name.as_str())) {
        let name = visible(&profile.name);
        if profile.samples.is_empty() {
            others.extend(why_empty(profile).map(|why| format!("{name}: {why}")));
        } else if blocks.len() >= DRAWN || LESS_TELLING.contains(&profile.event.as_str()) {
            others.push(name);
        } else if let Some(flames) = flames::drawn(profile, name) {
            blocks.push(Block::Flames(Box::new(flames)));
        }
    }
    blocks.push(GOROUTINES.block(&loaded.tables));
    if !others.is_empty() {
        blocks.push(Block::Missing {
            title: "Not drawn here (`analyze flamegraph --profile NAME`)",
            reason: others.join("; "),
        });
    }
    Section {
        id: "profiles",
        title: "Profiles of components",
        blocks,
    }
}

/// The reason is told once per file.
fn why_empty(profile: &Profile) -> Option<String> {
    if LESS_TELLING.contains(&profile.event.as_str()) {
        return None;
    }
    let why = profile.notes.first();
    Some(why.map_or_else(|| "no samples".to_owned(), |why| visible(why)))
}

const GOROUTINES: Spec = Spec {
    title: "What goroutines wait for",
    needs: &["goroutine"],
    sql: "SELECT component, state, stack_top, created_by, COUNT(*) AS goroutines_count, MAX(wait_us) AS longest_us FROM goroutine GROUP BY component, state, stack_top, created_by ORDER BY goroutines_count DESC, longest_us DESC NULLS LAST, component, state, stack_top, created_by",
    columns: &[
        shown("component", "component", Show::Text),
        shown("state", "state", Show::Text),
        shown("stack_top", "in", Show::Text),
        shown("created_by", "started by", Show::Text),
        shown("goroutines_count", "goroutines", Show::Count),
        shown("longest_us", "longest wait", Show::Duration),
    ],
    limit: 25,
    anchor: None,
};
