//! Which node, when, and how good the capture is.

use crate::finding::output;
use crate::query;
use crate::report::model::{Fact, Header, Quality};
use crate::report::view::{Show, view};
use crate::table::{Cell, Loaded};
use crate::text::visible;
use crate::units;

/// Facts of the header: column of `node_info`, name, how it is shown.
const FACTS: [(&str, &str, Show); 8] = [
    ("os_name", "System", Show::Text),
    ("kernel_release", "Kernel", Show::Text),
    ("machine_model", "Machine", Show::Text),
    ("cpu_count", "CPUs", Show::Count),
    ("memory_total_bytes", "Memory", Show::Bytes),
    ("uptime_us", "Up for", Show::Duration),
    ("load_1m", "Load", Show::Number),
    ("cgroup_version", "cgroups", Show::Text),
];

/// Which node, when.
pub fn header(loaded: &Loaded) -> Header {
    let capture = loaded.node.capture.as_ref();
    let grid = query::select(&loaded.tables, &[], "SELECT * FROM node_info").unwrap_or_default();
    let row = grid.rows.first();
    let mut facts: Vec<Fact> = FACTS
        .iter()
        .filter_map(|(column, name, show)| {
            let cell = row?.get(grid.place(column)?)?;
            (*cell != Cell::Null).then(|| Fact {
                name,
                value: view(cell, *show).text,
            })
        })
        .collect();
    if let Some(capture) = capture {
        let window = match capture.window_seconds {
            0 => "one reading".to_owned(),
            seconds => format!("{seconds} s"),
        };
        facts.push(Fact {
            name: "Window",
            value: window,
        });
    }
    Header {
        node: capture.map_or_else(|| "unknown node".to_owned(), |c| c.node.clone()),
        captured_at: capture.map_or_else(
            || "at an unknown time".to_owned(),
            |c| units::utc(c.started.realtime_us),
        ),
        facts,
    }
}

/// How good the capture is. Damage and missing sources are told before any finding.
pub fn quality(loaded: &Loaded) -> Quality {
    const SHOWN: usize = 20;
    let mut problems = Vec::new();
    match &loaded.contents.summary {
        None if loaded.kind.is_some() => {}
        None => problems.push(
            "The bundle was not sealed: the capture was killed, or the file is cut.".to_owned(),
        ),
        Some(summary) => {
            if !summary.finished {
                problems.push(format!(
                    "The capture was ended early by {}.",
                    summary.ended_by
                ));
            }
            for source in summary
                .sources
                .iter()
                .filter(|source| source.outcome.is_degraded())
            {
                let reason = source.outcome.reason().unwrap_or_default();
                problems.push(format!(
                    "{}: {}: {reason}",
                    source.id,
                    source.outcome.name()
                ));
            }
        }
    }
    problems.extend(hung_reads(loaded));
    let damage = &loaded.contents.damage;
    problems.extend(
        damage
            .iter()
            .take(SHOWN)
            .map(|one| format!("Damage at {one}")),
    );
    let more = damage.len().saturating_sub(SHOWN) as u64 + loaded.contents.more_damage;
    if more > 0 {
        problems.push(format!(
            "{more} more places of damage; `analyze verify` lists them."
        ));
    }
    let parsing = loaded.damage.list.len() as u64 + loaded.damage.more;
    if parsing > 0 {
        let first = loaded.damage.list.first();
        let example = first
            .map(|d| format!(" (first: {}: {})", d.entry, d.reason))
            .unwrap_or_default();
        problems.push(format!("{parsing} lines could not be read{example}"));
    }
    Quality {
        is_good: problems.is_empty(),
        sentence: output::quality(loaded),
        problems: problems.iter().map(|problem| visible(problem)).collect(),
    }
}

/// What is said of reads that never ended; the chapter of the capture lists them.
fn hung_reads(loaded: &Loaded) -> Option<String> {
    const SQL: &str =
        "SELECT count(*), sum(CASE WHEN abandoned THEN 1 ELSE 0 END), min(path) FROM hung_read";
    let grid = query::select(&loaded.tables, &[], SQL).ok()?;
    let number = |place: usize| match grid.rows.first()?.get(place)? {
        Cell::Int(number) => Some(*number),
        _ => None,
    };
    let hung = number(0).filter(|hung| *hung > 0)?;
    let reads = if hung == 1 { "read" } else { "reads" };
    // A path of the node may be long.
    let example = match grid.rows.first()?.get(2) {
        Some(Cell::Text(path)) => format!(": {}", path.chars().take(200).collect::<String>()),
        _ => String::new(),
    };
    let stuck = number(1).unwrap_or_default();
    Some(format!(
        "{hung} {reads} of the collector never ended, {stuck} of them not even killable{example}"
    ))
}
