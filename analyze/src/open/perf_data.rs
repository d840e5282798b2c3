//! A file of `perf record` by itself.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};

use anyhow::{Context, bail};
use freezeframe_bundle::Damage;

use super::{Content, Found, Kind};
use crate::profile::recorded::Recorded;
use crate::profile::{perf_data, recorded};

/// Most bytes of standard input, which are kept in memory: the file is read twice.
const STREAM_BYTES: u64 = 1 << 30;

/// `perf.data`.
pub static KIND: Kind = Kind {
    words: "a file of `perf record`",
    sniff: perf_data::is_perf_data,
    read,
};

fn read(content: &mut Content<'_>) -> anyhow::Result<Found> {
    let name = content.name;
    let recorded = if let Some(path) = content.path {
        let file = File::open(path).with_context(|| format!("cannot read `{name}`"))?;
        recorded::read(BufReader::new(file), name, content.debug_files)
    } else {
        let mut bytes = Vec::new();
        let mut stream = (&mut content.stream).take(STREAM_BYTES + 1);
        let read = stream.read_to_end(&mut bytes);
        read.with_context(|| format!("cannot read {name}"))?;
        if bytes.len() as u64 > STREAM_BYTES {
            bail!("{name} has more than {STREAM_BYTES} bytes: put them into a file");
        }
        recorded::read(Cursor::new(bytes), name, content.debug_files)
    };
    match recorded {
        Ok(recorded) => Ok(found(recorded)),
        Err(reason) => bail!("`{name}` cannot be read: {reason}"),
    }
}

fn found(recorded: Recorded) -> Found {
    let problems = recorded.problems.list.into_iter();
    let damage = problems.map(|problem| Damage {
        member: None,
        offset: problem.offset,
        reason: problem.reason,
    });
    Found {
        profiles: recorded.profiles,
        damage: damage.collect(),
        more_damage: recorded.problems.more,
    }
}
