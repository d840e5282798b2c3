//! Whether the node's clock is kept by somebody, and how wrong it may be.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Brief, Cx, Estimate, Hazard, Privacy, Source, Told};
use crate::{kernel_calls, live, root};

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "time_sync",
    order: 15,
    about: "whether the clock is synchronised, its offset and its largest error",
    reads: &["adjtimex, without setting anything"],
    hazard: Hazard::Safe,
    privacy: Privacy::Harmless,
    deadline: Duration::from_secs(2),
    max_bytes: 1 << 20,
    estimate: Estimate::Fixed(1),
    capture,
    again: None,
    each_second: &[],
    calls: &[discipline],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    cx.call(0, b"/proc/uptime", "calls/adjtimex.json");
    Ok(())
}

fn discipline(brief: &Brief<'_>) -> Told {
    if let Err(outcome) = live::is_live(brief.root) {
        return Told::none(outcome);
    }
    match kernel_calls::clock_discipline() {
        Ok(clock) => Told {
            bytes: serde_json::to_vec(&clock).unwrap_or_default(),
            outcome: Outcome::Complete,
            cut: None,
        },
        Err(error) => Told::none(root::outcome(&error)),
    }
}
