//! The clocks, so that kernel log, journal and readings can be laid on one line.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "clock",
    order: 10,
    about: "all clocks at one instant, uptime, boot id, clock source and time zone",
    reads: &[
        "clock_gettime",
        "/proc/uptime",
        "/proc/sys/kernel/random/boot_id",
        "/sys/devices/system/clocksource/clocksource0/*",
        "/etc/timezone",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Harmless,
    deadline: Duration::from_secs(2),
    max_bytes: 1 << 20,
    estimate: Estimate::Fixed(6),
    capture,
    again: Some(again),
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    clocks(cx);
    cx.read("/proc/uptime");
    cx.read("/proc/sys/kernel/random/boot_id");
    for name in ["current_clocksource", "available_clocksource"] {
        cx.try_read(format!(
            "/sys/devices/system/clocksource/clocksource0/{name}"
        ));
    }
    cx.try_read("/etc/timezone");
    Ok(())
}

/// A clock that was set during the capture shows as another distance between the clocks.
fn again(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    clocks(cx);
    cx.read("/proc/uptime");
    Ok(())
}

fn clocks(cx: &mut Cx<'_>) {
    let member = match cx.reading() {
        0 => "calls/clock.json".to_owned(),
        n => format!("calls/clock.{n}.json"),
    };
    let bytes = serde_json::to_vec(&crate::clock::now()).unwrap_or_default();
    cx.answer(&member, &bytes, Outcome::Complete, Duration::ZERO);
}
