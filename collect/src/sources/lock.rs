//! Locks on files.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "lock",
    order: 340,
    about: "who holds and who waits for file locks",
    reads: &["/proc/locks"],
    hazard: Hazard::Costly,
    privacy: Privacy::Names,
    deadline: Duration::from_secs(3),
    max_bytes: 4 << 20,
    estimate: Estimate::Fixed(1),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    cx.read("/proc/locks");
    Ok(())
}
