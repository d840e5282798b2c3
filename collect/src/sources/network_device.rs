//! Network devices as sysfs shows them: link, speed, queues.
//!
//! `speed` may ask a driver for a moment; counters come from `/proc/net/dev` instead.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

const FILES: [&str; 13] = [
    "operstate",
    "carrier",
    "carrier_changes",
    "mtu",
    "speed",
    "duplex",
    "type",
    "ifindex",
    "iflink",
    "flags",
    "tx_queue_len",
    "statistics/rx_missed_errors",
    "statistics/rx_no_dma_resources",
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "network_device",
    order: 250,
    about: "link state, MTU, speed and queues of the host's network devices",
    reads: &["/sys/class/net/*/{operstate,carrier,carrier_changes,mtu,speed,type,master,...}"],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Names,
    deadline: Duration::from_secs(5),
    max_bytes: 8 << 20,
    estimate: Estimate::Fixed(60),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for name in cx.list("/sys/class/net") {
        let Some(name) = name.text() else { continue };
        cx.try_files(&format!("/sys/class/net/{name}"), &FILES);
        cx.try_link(format!("/sys/class/net/{name}/device"));
    }
    Ok(())
}
