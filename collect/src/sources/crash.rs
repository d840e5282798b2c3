//! Traces of earlier crashes: what firmware kept of the last one, counters of this kernel.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// Records of pstore are pages.
const LIMIT: usize = 256 << 10;

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "crash",
    order: 130,
    about: "oops, warning and lockup counters; what pstore kept of an earlier crash; core dumps by name",
    reads: &[
        "/sys/kernel/{oops_count,warn_count,softlockup_count,hardlockup_count}",
        "/sys/fs/pstore/*",
        "/var/lib/systemd/coredump/ (names)",
        "/var/crash/ (names)",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(3),
    max_bytes: 8 << 20,
    estimate: Estimate::Fixed(8),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for file in [
        "oops_count",
        "warn_count",
        "softlockup_count",
        "hardlockup_count",
        "rcu_stall_count",
    ] {
        cx.try_read(format!("/sys/kernel/{file}"));
    }
    for name in cx.list("/sys/fs/pstore") {
        if let Some(name) = name.text() {
            cx.read_up_to(format!("/sys/fs/pstore/{name}"), LIMIT);
        }
    }
    for folder in ["/var/lib/systemd/coredump", "/var/crash"] {
        cx.try_listing(folder, 1000);
    }
    Ok(())
}
