//! Block devices: geometry, queues, errors of file systems, RAID, device mapper and `NVMe`.
//!
//! Device attributes that talk to the device (temperature, SMART, identify) are never read.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

const DEVICE: [&str; 25] = [
    "dev",
    "size",
    "ro",
    "removable",
    "inflight",
    "queue/rotational",
    "queue/scheduler",
    "queue/nr_requests",
    "queue/max_sectors_kb",
    "queue/wbt_lat_usec",
    "queue/write_cache",
    "queue/io_timeout",
    "queue/logical_block_size",
    "device/model",
    "device/vendor",
    "device/state",
    "device/timeout",
    "device/queue_depth",
    "device/ioerr_cnt",
    "dm/name",
    "dm/suspended",
    "md/array_state",
    "md/degraded",
    "md/sync_action",
    "loop/backing_file",
];
const NVME: [&str; 5] = [
    "state",
    "model",
    "firmware_rev",
    "transport",
    "reconnect_delay",
];
const EXT4: [&str; 12] = [
    "errors_count",
    "warning_count",
    "msg_count",
    "first_error_time",
    "first_error_errcode",
    "first_error_func",
    "first_error_ino",
    "last_error_time",
    "last_error_errcode",
    "last_error_func",
    "last_error_ino",
    "lifetime_write_kbytes",
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "disk",
    order: 240,
    about: "block devices, their queues and state; errors that file systems counted",
    reads: &[
        "/sys/block/*/{size,ro,inflight,queue/*,device/{model,state,timeout},dm/*,md/*}",
        "/sys/class/nvme/*/{state,model,firmware_rev,transport}",
        "/sys/fs/ext4/*/{errors_count,first_error_*,last_error_*}",
        "/sys/fs/xfs/stats/stats",
        "/proc/{mdstat,partitions}",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Names,
    deadline: Duration::from_secs(5),
    max_bytes: 8 << 20,
    estimate: Estimate::Fixed(100),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for file in [
        "/proc/mdstat",
        "/proc/partitions",
        "/sys/fs/xfs/stats/stats",
    ] {
        cx.try_read(file);
    }
    each(cx, "/sys/block", &DEVICE);
    each(cx, "/sys/class/nvme", &NVME);
    each(cx, "/sys/fs/ext4", &EXT4);
    Ok(())
}

fn each(cx: &mut Cx<'_>, folder: &str, files: &[&str]) {
    for name in cx.list(folder) {
        let Some(name) = name.text() else { continue };
        cx.try_files(&format!("{folder}/{name}"), files);
    }
}
