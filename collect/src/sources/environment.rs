//! Environment of every process: the names of its variables, and the values that steer a runtime.
//!
//! `GOMAXPROCS`, `GOMEMLIMIT`, heap sizes and thread numbers explain what limits do to a process.
//! All other values are taken out before anything is stored. `environ` takes the process's mmap lock.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::processes::{self, pids};
use crate::source::{Ask, Cx, Estimate, Hazard, Privacy, Source};

/// A larger environment is itself the finding: a service per variable in a crowded namespace.
const LIMIT: usize = 256 << 10;

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "environment",
    order: 370,
    about: "names of every process's variables; values only of those that steer a runtime",
    reads: &["/proc/*/environ"],
    hazard: Hazard::Killable,
    privacy: Privacy::Environment,
    deadline: Duration::from_secs(5),
    max_bytes: 32 << 20,
    estimate: Estimate::PerProcess(1),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let pids = pids(cx);
    processes::try_each(cx, &pids, &[("environ", Ask::Read(LIMIT))], &mut |_, _| {});
    Ok(())
}
