//! The text of `perf script` by itself.

use anyhow::Context;
use freezeframe_bundle::Damage;

use super::{Content, Found, Kind};
use crate::profile::script;

/// The text of `perf script`.
pub static KIND: Kind = Kind {
    words: "the text of `perf script`",
    sniff: script::is_script,
    read,
};

fn read(content: &mut Content<'_>) -> anyhow::Result<Found> {
    let name = content.name;
    let script = script::read(&mut content.stream, name);
    let script = script.with_context(|| format!("cannot read `{name}`"))?;
    let damage = script.problems.into_iter().map(|problem| Damage {
        member: None,
        offset: problem.offset,
        reason: format!("line {}: {}", problem.line, problem.reason),
    });
    Ok(Found {
        profiles: script.profiles,
        damage: damage.collect(),
        more_damage: script.more_problems,
    })
}
