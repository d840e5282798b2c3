//! Proportional memory of the largest processes.
//!
//! `smaps_rollup` walks the page tables of a process under its mmap lock, about a millisecond each:
//! only the largest are asked.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::processes::pids;
use crate::source::{Cx, Estimate, FILE, Hazard, Privacy, Source};

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
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let statm = pids(cx).into_iter().map(|pid| format!("{pid}/statm"));
    let statm: Vec<_> = statm.map(String::into_bytes).collect();
    let mut sizes = Vec::new();
    cx.peek_each("/proc", &statm, FILE, &mut |name, bytes| {
        let pid = name.split(|b| *b == b'/').next().unwrap_or_default();
        let pid = std::str::from_utf8(pid).ok().and_then(|p| p.parse().ok());
        sizes.extend(pid.map(|pid: u32| (resident_pages(bytes), pid)));
    });
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
