//! What tests of profiles share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Profile;

/// A folder or file of the corpus, if it is there.
pub(crate) fn corpus(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FREEZEFRAME_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: corpus not present");
    None
}

/// Weight by thread and stack, outermost function first.
pub(crate) fn folded(profile: &Profile) -> BTreeMap<String, u64> {
    let mut folded = BTreeMap::new();
    for sample in &profile.samples {
        let mut line = profile.task(sample).thread;
        for frame in profile.stacks.outermost_first(sample.stack) {
            line.push(';');
            line += &profile
                .symbols
                .get(frame)
                .unwrap()
                .function
                .replace(';', ":");
        }
        *folded.entry(line).or_insert(0) += sample.weight;
    }
    folded
}
