//! Counters and gauges of the whole node from `/proc`.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// Counters: read again at the end of the window.
const COUNTERS: [&str; 11] = [
    "/proc/loadavg",
    "/proc/stat",
    "/proc/meminfo",
    "/proc/vmstat",
    "/proc/schedstat",
    "/proc/diskstats",
    "/proc/net/softnet_stat",
    "/proc/softirqs",
    "/proc/interrupts",
    "/proc/zoneinfo",
    "/proc/buddyinfo",
];

/// Read once. None of them takes a lock that a sick node holds for long.
const GAUGES: [&str; 4] = [
    "/proc/swaps",
    "/proc/sys/fs/file-nr",
    "/proc/key-users",
    "/proc/cgroups",
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "system",
    order: 30,
    about: "CPU time, memory, virtual memory, disks, interrupts of the node; the main ones each second",
    reads: &[
        "/proc/{loadavg,stat,meminfo,vmstat,schedstat,diskstats,softirqs,interrupts}",
        "/proc/{zoneinfo,buddyinfo,swaps,key-users,cgroups,net/softnet_stat,sys/fs/file-nr}",
    ],
    hazard: Hazard::Safe,
    privacy: Privacy::Harmless,
    deadline: Duration::from_secs(5),
    max_bytes: 64 << 20,
    estimate: Estimate::Fixed(15),
    capture,
    again: Some(again),
    each_second: &[
        "/proc/stat",
        "/proc/meminfo",
        "/proc/vmstat",
        "/proc/diskstats",
        "/proc/net/dev",
        "/proc/loadavg",
    ],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    if !cx.exists("/proc/stat") {
        let why = "there is no /proc here: mount it, or name the node's folder by --root";
        return Err(Outcome::Failed(why.to_owned()));
    }
    again(cx)?;
    for file in GAUGES {
        cx.read(file);
    }
    Ok(())
}

fn again(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for file in COUNTERS {
        cx.read(file);
    }
    cx.read("/proc/net/dev");
    Ok(())
}
