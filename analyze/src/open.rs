//! What can be opened besides a bundle: files that hold profiles and nothing else. One file per
//! kind; what a file is its first bytes say, not its name.

use std::io::{BufRead, Read};

use crate::profile::Profile;

pub mod pprof;

/// A kind of file.
pub struct Kind {
    /// Whether a file that begins like this is one.
    pub sniff: fn(&[u8]) -> bool,
    /// Its profiles; the text is its name. The one to show first is the first.
    pub read: fn(&mut dyn Read, &str) -> anyhow::Result<Vec<Profile>>,
}

static KINDS: [&Kind; 2] = [&pprof::KIND, &pprof::OTHER];

/// The kind of a file that is no bundle; takes nothing of the stream. A file that cannot be read is
/// of none.
pub fn kind(stream: &mut dyn BufRead) -> Option<&'static Kind> {
    let head = stream.fill_buf().ok()?;
    KINDS.into_iter().find(|kind| (kind.sniff)(head))
}
