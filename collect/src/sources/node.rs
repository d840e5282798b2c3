//! What kind of node it is: distribution, kernel, boot options, machine id, resolver.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

const PROC: [&str; 7] = [
    "version",
    "cmdline",
    "cpuinfo",
    "filesystems",
    "devices",
    "misc",
    "consoles",
];
/// What only some kernels or architectures have.
const RARE: [&str; 9] = [
    "crypto",
    "dma",
    "execdomains",
    "iomem",
    "ioports",
    "bootconfig",
    "sysvipc/msg",
    "sysvipc/sem",
    "sysvipc/shm",
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "node",
    order: 330,
    about: "distribution, kernel build and options, boot command line, CPU model, resolver",
    reads: &[
        "/etc/{os-release,hostname,machine-id,resolv.conf,hosts,nsswitch.conf}",
        "/proc/{version,cmdline,cpuinfo,filesystems,devices,misc,consoles,crypto,iomem,ioports,sysvipc/*}",
        "/boot/config-<release>",
        "/var/lib/cloud/data/instance-id",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(5),
    max_bytes: 8 << 20,
    estimate: Estimate::Fixed(20),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for file in PROC {
        cx.read(format!("/proc/{file}"));
    }
    for file in RARE {
        cx.try_read(format!("/proc/{file}"));
    }
    if !cx.try_read("/etc/os-release") {
        cx.try_read("/usr/lib/os-release");
    }
    for file in [
        "hostname",
        "machine-id",
        "resolv.conf",
        "hosts",
        "nsswitch.conf",
        "debian_version",
    ] {
        cx.try_read(format!("/etc/{file}"));
    }
    cx.try_read("/var/lib/cloud/data/instance-id");
    cx.try_read("/run/systemd/container");
    if cx.peek("/proc/sys/kernel/osrelease") {
        let release = String::from_utf8_lossy(cx.bytes()).trim().to_owned();
        if !release.contains('/') && !cx.try_read(format!("/boot/config-{release}")) {
            cx.try_read("/proc/config.gz");
        }
    }
    Ok(())
}
