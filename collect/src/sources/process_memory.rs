//! Proportional memory of the largest processes.
//!
//! `smaps_rollup` walks the page tables of a process under its mmap lock, about a millisecond each:
//! only the largest are asked.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// How many processes are asked.
const LARGEST: usize = 40;

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "process_memory",
    order: 350,
    about: "proportional set size of the largest processes",
    reads: &["/proc/*/statm", "/proc/<the 40 largest>/smaps_rollup"],
    hazard: Hazard::Killable,
    privacy: Privacy::Harmless,
    deadline: Duration::from_secs(5),
    max_bytes: 4 << 20,
    estimate: Estimate::Fixed(40),
    capture,
    again: None,
    each_second: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let mut sizes = Vec::new();
    for name in cx.list("/proc") {
        let Some(pid) = name.text().and_then(|t| t.parse::<u32>().ok()) else {
            continue;
        };
        if cx.peek(format!("/proc/{pid}/statm")) {
            sizes.push((resident_pages(cx.bytes()), pid));
        }
    }
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    for (pages, pid) in sizes.into_iter().take(LARGEST) {
        if pages > 0 {
            cx.try_read(format!("/proc/{pid}/smaps_rollup"));
        }
    }
    Ok(())
}

/// The second number of `statm` (proc(5)).
fn resident_pages(statm: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(statm);
    text.split_ascii_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(0)
}
