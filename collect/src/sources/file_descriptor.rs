//! What every process has open: names and targets, never the files behind them.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::processes::{self, pids};
use crate::source::{Ask, Cx, Estimate, Hazard, Privacy, Source};

/// Open files listed per process; one with more is leaking and shows it by then.
const LIMIT: usize = 20_000;

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "file_descriptor",
    order: 200,
    about: "open files of every process: number, kind, deleted ones",
    reads: &["/proc/*/fd/ (names and targets)"],
    hazard: Hazard::Safe,
    privacy: Privacy::Names,
    deadline: Duration::from_secs(10),
    max_bytes: 64 << 20,
    estimate: Estimate::PerProcess(1),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let pids = pids(cx);
    let asks = [("fd", Ask::Listing(LIMIT))];
    processes::try_each(cx, &pids, &asks, &mut |_, _| {});
    Ok(())
}
