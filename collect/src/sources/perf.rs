//! The CPU profile of every process and the kernel while the window runs, and where threads waited, with
//! the names.
//!
//! The sampler (`perf.rs`) is a process of its own. It begins here, before the first readings, ends
//! with the window, and what it answers is stored after the last readings.

use std::time::{Duration, Instant};

use freezeframe_bundle::Outcome;

use crate::perf;
use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: perf::SOURCE_ID,
    order: 5,
    about: "CPU samples of every process and the kernel, switches between threads, with symbols",
    reads: &[
        "perf_event_open",
        "/proc/*/{stat,cgroup,status,maps,map_files/*}",
        "/proc/*/root/tmp/perf-*.map",
        "/proc/{kallsyms,stat}",
    ],
    hazard: Hazard::Safe,
    privacy: Privacy::Records,
    deadline: Duration::from_secs(8),
    max_bytes: 192 << 20,
    estimate: Estimate::PerProcess(4),
    capture: |cx| cx.start_sampling(),
    again: Some(store),
    each_second: &[],
    calls: &[],
};

fn store(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let mut began = Instant::now();
    while let Some(member) = cx.next_of_profile()? {
        cx.answer_whole(&member.name, member.bytes, member.outcome, began.elapsed());
        began = Instant::now();
    }
    Ok(())
}
