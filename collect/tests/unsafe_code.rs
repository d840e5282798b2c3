//! Unsafe code stands where the architecture says, and nowhere else.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};

/// Each says beside every block why it is sound.
const ALLOWED: [&str; 2] = ["src/worker/fork.rs", "src/kernel_calls.rs"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn unsafe_code_is_where_it_is_allowed() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for part in ["src", "../bundle/src", "../analyze/src"] {
        files(&top.join(part), &mut found);
    }
    assert!(found.len() > 100);
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let blocks = text.matches("unsafe {").count() + text.matches("unsafe fn").count();
        let name = path.strip_prefix(top).unwrap().to_str().unwrap();
        if ALLOWED.contains(&name) {
            assert_eq!(blocks, text.matches("// SAFETY:").count(), "{name}");
        } else {
            assert_eq!(blocks, 0, "{name}");
        }
    }
}
