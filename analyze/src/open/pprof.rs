//! A file of pprof by itself, as `go tool pprof` and `curl .../debug/pprof/heap` leave it, and dumps
//! of goroutines.

use std::io::Read;

use anyhow::Context;
use freezeframe_bundle::OpenError;

use super::{Content, Found, Kind};
use crate::profile::{goroutine, pprof};

/// Largest file that is read; a dump of a million goroutines has some hundred megabytes.
const FILE_BYTES: u64 = 1 << 30;

/// Profiles of `profile.proto`, and dumps of goroutines.
pub static KIND: Kind = Kind {
    words: "a file of pprof",
    sniff,
    read,
};

/// Older formats, which are refused with a reason.
pub static OTHER: Kind = Kind {
    words: "a file of an older pprof",
    sniff: pprof::is_old,
    read: |content| Err(unreadable(content.name, pprof::OLD_FORMAT)),
};

/// Whether a file that begins like this is one.
pub fn sniff(head: &[u8]) -> bool {
    pprof::sniff(head) || goroutine::sniff(head)
}

/// Its profiles, named by what they count: `cpu`, `inuse_space`, `goroutine`.
pub fn read(content: &mut Content<'_>) -> anyhow::Result<Found> {
    let name = content.name;
    let mut bytes = Vec::new();
    content
        .stream
        .take(FILE_BYTES)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read `{name}`"))?;
    if goroutine::sniff(&bytes) {
        let dump = goroutine::parse(&String::from_utf8_lossy(&bytes));
        return Ok(Found {
            profiles: vec![goroutine::profile(&dump, "goroutine", name)],
            ..Found::default()
        });
    }
    let pprof = pprof::read(&bytes, name);
    if pprof.profiles.is_empty() {
        let why = format!(
            "of pprof's profile nothing can be read: {}",
            pprof.damage.join("; ")
        );
        return Err(unreadable(name, &why));
    }
    Ok(Found {
        profiles: pprof.profiles,
        ..Found::default()
    })
}

fn unreadable(name: &str, why: &str) -> anyhow::Error {
    OpenError::NotABundle(name.into(), why.to_owned()).into()
}
