//! Pressure stall information of the node: for how long tasks waited for CPU, memory, I/O.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// `irq` exists since 6.1 with `CONFIG_IRQ_TIME_ACCOUNTING`, all of them only with PSI on.
const FILES: [&str; 4] = [
    "/proc/pressure/cpu",
    "/proc/pressure/memory",
    "/proc/pressure/io",
    "/proc/pressure/irq",
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "pressure",
    order: 20,
    about: "pressure stall information of the node, each second of the window",
    reads: &["/proc/pressure/*"],
    hazard: Hazard::Safe,
    privacy: Privacy::Harmless,
    deadline: Duration::from_secs(2),
    max_bytes: 8 << 20,
    estimate: Estimate::Fixed(4),
    capture,
    again: Some(capture),
    each_second: &FILES,
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for file in FILES {
        cx.read(file);
    }
    Ok(())
}
