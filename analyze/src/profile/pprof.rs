//! Profiles of Go programs, and of all else that writes pprof.
//!
//! A file of pprof is a message of `profile.proto`, packed by gzip. Each sample has a value for
//! each of some types: bytes and objects of a heap that were allocated, and those still in use. Every
//! type becomes a [`Profile`].

mod convert;
mod file;
mod frames;
pub mod members;
pub mod proto;
mod prune;
#[cfg(test)]
mod tests;

use super::Profile;

/// The profiles of a file.
#[derive(Debug, Default)]
pub struct Pprof {
    /// One per type of value, the one to show first as the first; named by it.
    pub profiles: Vec<Profile>,
    /// What is wrong with the file, in sentences.
    pub damage: Vec<String>,
}

/// Whether the bytes, or the first thousands of them, are those of a pprof file.
pub fn sniff(bytes: &[u8]) -> bool {
    file::is_profile(bytes)
}

/// Reads a file; `entry` is its name. What is wrong with it also stands in the notes of each profile.
pub fn read(bytes: &[u8], entry: &str) -> Pprof {
    read_within(bytes, entry, file::Limits::default())
}

fn read_within(bytes: &[u8], entry: &str, limits: file::Limits) -> Pprof {
    let file = file::File::read(bytes, limits);
    let (mut profiles, damage) = convert::profiles(&file, entry);
    for profile in &mut profiles {
        let notes = damage
            .iter()
            .map(|what| format!("The file is damaged: {what}."));
        profile.notes.extend(notes);
    }
    Pprof { profiles, damage }
}

/// What is to be said of an [older format](is_old).
pub const OLD_FORMAT: &str = "it is an old format of pprof: ask for it without `?debug=1`, or convert it \
                              with `go tool pprof -proto`";

/// Whether the bytes are of a format that pprof had before `profile.proto`: a text, or the samples
/// of gperftools.
pub fn is_old(bytes: &[u8]) -> bool {
    const TEXTS: [&str; 8] = [
        "heap profile:",
        "heapz ",
        "goroutine profile:",
        "threadcreate profile:",
        "--- heapz",
        "--- contention",
        "--- mutex:",
        "--- threadz",
    ];
    // Words of 8 or 4 bytes: 0 and 3, which is the length of the header.
    const BINARY: [&[u8]; 2] = [
        &[0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0],
        &[0, 0, 0, 0, 3, 0, 0, 0],
    ];
    TEXTS.iter().any(|text| bytes.starts_with(text.as_bytes()))
        || BINARY.iter().any(|head| bytes.starts_with(head))
}
