//! What can be opened besides a bundle: files that hold profiles and nothing else. One file per
//! kind; what a file is its first bytes say, not its name.

use std::io::BufRead;
use std::path::Path;

use freezeframe_bundle::Damage;

use crate::profile::{DebugFiles, Profile};

pub mod perf_data;
pub mod perf_script;
pub mod pprof;

/// A kind of file.
pub struct Kind {
    /// What it is, in words: `a file of pprof`.
    pub words: &'static str,
    /// Whether a file that begins like this is one.
    pub sniff: fn(&[u8]) -> bool,
    /// Its profiles. The one to show first is the first.
    pub read: fn(&mut Content<'_>) -> anyhow::Result<Found>,
}

/// A file that is to be read.
pub struct Content<'a> {
    /// From its beginning.
    pub stream: &'a mut dyn BufRead,
    /// Its name in messages, and in the column `entry` of tables.
    pub name: &'a str,
    /// Where it is; nothing of standard input.
    pub path: Option<&'a Path>,
    /// What may know names that the file lacks.
    pub debug_files: Option<&'a DebugFiles>,
}

/// What is in a file.
#[derive(Debug, Default)]
pub struct Found {
    /// The profiles.
    pub profiles: Vec<Profile>,
    /// What could not be read.
    pub damage: Vec<Damage>,
    /// Damage beyond what the list holds.
    pub more_damage: u64,
}

/// A file that was read.
pub struct Opened {
    /// What it is, in words.
    pub kind: &'static str,
    /// What is in it.
    pub found: Found,
}

static KINDS: [&Kind; 4] = [
    &pprof::KIND,
    &pprof::OTHER,
    &perf_data::KIND,
    &perf_script::KIND,
];

/// The kind of a file that is no bundle; takes nothing of the stream. A file that cannot be read is
/// of none.
pub fn kind(stream: &mut dyn BufRead) -> Option<&'static Kind> {
    let head = stream.fill_buf().ok()?;
    KINDS.into_iter().find(|kind| (kind.sniff)(head))
}

impl Kind {
    /// Reads a file of this kind.
    pub fn open(&self, content: &mut Content<'_>) -> anyhow::Result<Opened> {
        Ok(Opened {
            kind: self.words,
            found: (self.read)(content)?,
        })
    }
}
