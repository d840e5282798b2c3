//! Ends of the text logs that syslog daemons write, newest bytes first.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

const FILES: [&str; 6] = [
    "messages",
    "syslog",
    "kern.log",
    "daemon.log",
    "cloud-init.log",
    "wtmp",
];
/// A megabyte is some hours of a busy node.
const TAIL_BYTES: usize = 1 << 20;

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "system_log",
    order: 520,
    about: "the ends of messages, syslog, kern.log and of the last boots",
    reads: &[
        "/var/log/{messages,syslog,kern.log,daemon.log,cloud-init.log}",
        "/var/log/wtmp",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(5),
    max_bytes: 8 << 20,
    estimate: Estimate::Fixed(6),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for file in FILES {
        cx.try_tail(format!("/var/log/{file}"), TAIL_BYTES);
    }
    Ok(())
}
