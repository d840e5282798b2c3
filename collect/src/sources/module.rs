//! Kernel modules.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "module",
    order: 300,
    about: "loaded kernel modules and the kernel's build id",
    reads: &["/proc/modules", "/sys/kernel/notes"],
    hazard: Hazard::Safe,
    privacy: Privacy::Harmless,
    deadline: Duration::from_secs(5),
    max_bytes: 8 << 20,
    estimate: Estimate::Fixed(2),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    cx.read("/proc/modules");
    cx.try_read("/sys/kernel/notes");
    Ok(())
}
