//! What `fuzz/` has found: inputs that once failed, and those that reach every part of the code.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

#[path = "../../fuzz/drive/member.rs"]
mod member;
#[path = "../../fuzz/drive/reader.rs"]
mod reader;
#[path = "../../fuzz/drive/round_trip.rs"]
mod round_trip;

fn replay(target: &str, run: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut count = 0;
    for kind in ["regressions", "corpus"] {
        // No regressions is no folder.
        let Ok(files) = fuzz.join(kind).join(target).read_dir() else {
            continue;
        };
        for file in files {
            let path = file.unwrap().path();
            println!("{}", path.display());
            run(&std::fs::read(&path).unwrap());
            count += 1;
        }
    }
    assert!(count > 0);
}

#[test]
fn reader_takes_them() {
    replay("reader", reader::run);
}

#[test]
fn round_trip_takes_them() {
    replay("round_trip", round_trip::run);
}

#[test]
fn member_takes_them() {
    replay("member", member::run);
}
