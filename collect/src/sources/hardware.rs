//! What the hardware says of itself: CPUs, memory errors, heat, firmware. No serial numbers.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

const CPU: [&str; 4] = [
    "thermal_throttle/core_throttle_count",
    "thermal_throttle/package_throttle_count",
    "cpufreq/scaling_cur_freq",
    "cpufreq/cpuinfo_max_freq",
];
const MEMORY_CONTROLLER: [&str; 5] = [
    "mc_name",
    "size_mb",
    "ce_count",
    "ue_count",
    "seconds_since_reset",
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "hardware",
    order: 260,
    about: "CPU topology, EDAC memory errors, thermal throttling, machine model",
    reads: &[
        "/sys/devices/system/cpu/{online,possible,isolated,vulnerabilities/*}",
        "/sys/devices/system/cpu/cpu*/thermal_throttle/*",
        "/sys/devices/system/edac/mc/**",
        "/sys/class/dmi/id/{sys_vendor,product_name,bios_*}",
        "/sys/class/thermal/*/{type,temp}",
    ],
    hazard: Hazard::Safe,
    privacy: Privacy::Harmless,
    deadline: Duration::from_secs(5),
    max_bytes: 8 << 20,
    estimate: Estimate::Fixed(80),
    capture,
    again: Some(counters),
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for file in [
        "online",
        "offline",
        "possible",
        "present",
        "isolated",
        "nohz_full",
        "smt/control",
    ] {
        cx.try_read(format!("/sys/devices/system/cpu/{file}"));
    }
    for name in cx.list("/sys/devices/system/cpu/vulnerabilities") {
        if let Some(name) = name.text() {
            cx.try_read(format!("/sys/devices/system/cpu/vulnerabilities/{name}"));
        }
    }
    for file in [
        "sys_vendor",
        "product_name",
        "product_version",
        "bios_vendor",
        "bios_version",
        "bios_date",
    ] {
        cx.try_read(format!("/sys/class/dmi/id/{file}"));
    }
    counters(cx)
}

fn counters(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    each(cx, "/sys/devices/system/cpu", "cpu", &CPU);
    each(cx, "/sys/devices/system/edac/mc", "mc", &MEMORY_CONTROLLER);
    each(cx, "/sys/class/thermal", "thermal_zone", &["type", "temp"]);
    Ok(())
}

/// Reads files of every folder called `prefix<number>`.
fn each(cx: &mut Cx<'_>, folder: &str, prefix: &str, files: &[&str]) {
    for name in cx.list(folder) {
        let Some(name) = name.text() else { continue };
        let is_numbered = name
            .strip_prefix(prefix)
            .is_some_and(|n| n.parse::<u32>().is_ok());
        if is_numbered {
            cx.try_files(&format!("{folder}/{name}"), files);
        }
    }
}
