//! Command line and program of every process.
//!
//! `cmdline` takes the process's mmap lock, so it comes after everything that does not.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::processes::{self, pids};
use crate::source::{Ask, Cx, Estimate, Hazard, Privacy, Source};

/// Longer command lines are cut: the program and its first options tell what it is.
const LIMIT: usize = 16 << 10;

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "command_line",
    order: 210,
    about: "command line and program of every process",
    reads: &["/proc/*/cmdline", "/proc/*/exe (target)"],
    hazard: Hazard::Killable,
    privacy: Privacy::Arguments,
    deadline: Duration::from_secs(10),
    max_bytes: 64 << 20,
    estimate: Estimate::PerProcess(2),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let pids = pids(cx);
    // Other users' programs are hidden from a collector without rights, their command lines are
    // not; a kernel thread has neither.
    let asks = [("exe", Ask::Link), ("cmdline", Ask::Read(LIMIT))];
    processes::try_each(cx, &pids, &asks, &mut |_, _| {});
    Ok(())
}
