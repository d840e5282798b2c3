//! GPUs and fabric, from files only: a broken driver hangs whoever asks it by ioctl.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "gpu",
    order: 360,
    about: "NVIDIA driver information, InfiniBand port state and error counters",
    reads: &[
        "/proc/driver/nvidia/{version,gpus/*/information}",
        "/sys/class/infiniband/*/ports/*/{state,phys_state,rate,counters/*}",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Harmless,
    deadline: Duration::from_secs(3),
    max_bytes: 4 << 20,
    estimate: Estimate::Fixed(4),
    capture,
    again: Some(ports),
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    cx.try_read("/proc/driver/nvidia/version");
    for gpu in cx.list("/proc/driver/nvidia/gpus") {
        if let Some(gpu) = gpu.text() {
            cx.try_read(format!("/proc/driver/nvidia/gpus/{gpu}/information"));
        }
    }
    ports(cx)
}

fn ports(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for device in cx.list("/sys/class/infiniband") {
        let Some(device) = device.text() else {
            continue;
        };
        let folder = format!("/sys/class/infiniband/{device}/ports");
        for port in cx.list(&folder) {
            let Some(port) = port.text() else { continue };
            for file in ["state", "phys_state", "rate", "link_layer"] {
                cx.try_read(format!("{folder}/{port}/{file}"));
            }
            for counter in cx.list(format!("{folder}/{port}/counters")) {
                if let Some(counter) = counter.text() {
                    cx.try_read(format!("{folder}/{port}/counters/{counter}"));
                }
            }
        }
    }
    Ok(())
}
