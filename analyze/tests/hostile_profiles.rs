//! Profiles that are cut, damaged or made to harm: their readers take them without a panic. `fuzz/`
//! searches further; here is what needs no nightly.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../../fuzz/drive/perf_data.rs"]
mod drive;

use std::path::{Path, PathBuf};

use freezeframe_bundle::{Item, Limits, Reader};

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for kind in ["corpus", "regressions"] {
        // Nothing has failed as long as there is no folder of what did.
        let files = std::fs::read_dir(folder(&format!("fuzz/{kind}/perf_data")));
        for file in files.into_iter().flatten() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            seeds.push((path.display().to_string(), bytes));
        }
    }
    seeds.sort();
    assert!(seeds.len() >= 6);
    seeds
}

/// The members of profiles in the captures of `testdata`, as the driver takes them.
fn captured() -> Vec<Vec<u8>> {
    let mut captured = Vec::new();
    for file in std::fs::read_dir(folder("testdata/bundles")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|end| end != "zst") {
            continue;
        }
        let mut members = Vec::new();
        let file = std::fs::File::open(&path).unwrap();
        let reader = Reader::from_file(&path, file, Limits::default()).unwrap();
        reader.read(&mut |item| match item {
            Item::Entry(entry) if entry.path.starts_with("perf/") => {
                members.extend(format!("@@ {}\n", entry.path).into_bytes());
                members.extend(entry.bytes);
                members.push(b'\n');
            }
            _ => {}
        });
        if !members.is_empty() {
            captured.push(members);
        }
    }
    captured
}

#[test]
fn cut_anywhere() {
    for (_, seed) in seeds() {
        for length in 0..seed.len() {
            drive::run(&seed[..length]);
        }
    }
}

#[test]
fn every_byte_another() {
    for (_, seed) in seeds() {
        for at in 0..seed.len() {
            for flip in [0xff, 0x80, 0x01] {
                let mut bytes = seed.clone();
                bytes[at] ^= flip;
                drive::run(&bytes);
            }
        }
    }
}

#[test]
fn lengths_and_addresses_without_end() {
    for (name, seed) in seeds() {
        println!("{name}");
        for at in (0..seed.len().saturating_sub(8)).step_by(2) {
            for wild in [u64::MAX, u64::MAX >> 1, u64::from(u32::MAX), 0] {
                let mut bytes = seed.clone();
                bytes[at..at + 8].copy_from_slice(&wild.to_le_bytes());
                drive::run(&bytes);
            }
        }
    }
}

#[test]
fn real_profiles_cut_and_damaged() {
    let captured = captured();
    if captured.is_empty() {
        println!("skipped: no capture of testdata has a profile");
    }
    for members in captured {
        drive::run(&members);
        let step = (members.len() / 60).max(97);
        for at in (0..members.len()).step_by(step) {
            drive::run(&members[..at]);
            let mut bytes = members.clone();
            bytes[at] ^= 0xff;
            drive::run(&bytes);
        }
    }
}
