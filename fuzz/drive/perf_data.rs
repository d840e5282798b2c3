//! Readers of CPU profiles on any file: no panic, and no more than the input can tell of.
//!
//! A line `@@ <member path>` in front makes the input members of a bundle, as for the tables; what
//! begins as a `perf.data` is one, the rest is text of `perf script`.

use std::io::Cursor;

use freezeframe_analyze::profile::bundled::Members;
use freezeframe_analyze::profile::perf_data::is_perf_data;
use freezeframe_analyze::profile::{Profile, recorded, script};

/// Begins a member, at the beginning of a line.
const MARK: &[u8] = b"@@ ";
/// Names and marks that a reader adds of its own to a profile of nothing.
const OWN: usize = 100;
/// A kilobyte of compressed records may hold a megabyte.
const UNPACKED: usize = 1 << 20;

/// Reads the input as what it seems to be.
pub(crate) fn run(data: &[u8]) {
    if data.starts_with(MARK) {
        members(data);
    } else if is_perf_data(data) {
        if let Ok(recorded) = recorded::read(Cursor::new(data), "fuzz", None) {
            assert!(recorded.problems.list.len() <= 100);
            check(&recorded.profiles, data.len() + UNPACKED);
        }
    } else if let Ok(script) = script::read(data, "fuzz") {
        assert!(script.problems.len() <= 100);
        check(&script.profiles, data.len());
    }
}

fn members(data: &[u8]) {
    let mut members = Members::default();
    let mut member: Option<(String, Vec<u8>)> = None;
    for line in data.split_inclusive(|byte| *byte == b'\n').chain([MARK]) {
        if let Some(path) = line.strip_prefix(MARK) {
            if let Some((path, bytes)) = member.take() {
                members.take(&path, &bytes, None);
            }
            let path = String::from_utf8_lossy(path.trim_ascii_end()).into_owned();
            member = Some((path, Vec::new()));
        } else if let Some((_, bytes)) = &mut member {
            bytes.extend(line);
        }
    }
    let profiles = members.read(None, &mut |_, _, reason| assert!(!reason.is_empty()));
    // Each thread of a profile of switches may have one sample more.
    check(&profiles, 2 * data.len() + 2 * UNPACKED);
}

/// Every number leads somewhere, and nothing is larger than what it was made of.
fn check(profiles: &[Profile], input: usize) {
    for profile in profiles {
        assert!(profile.samples.len() <= input, "{}", profile.samples.len());
        assert!(profile.stacks.len() <= input + OWN);
        assert!(profile.symbols.all().len() <= input + OWN);
        assert!(profile.tasks.len() <= input);
        assert!(profile.broken <= input as u64);
        assert!(profile.frames_unnamed <= profile.frames_total);
        for sample in &profile.samples {
            assert!((sample.stack as usize) < profile.stacks.len());
            let mut frames = profile.stacks.innermost_first(sample.stack);
            assert!(frames.all(|frame| profile.symbols.get(frame).is_some()));
        }
        assert!(profile.samples.is_sorted_by_key(|sample| sample.time_ns));
    }
}
