//! The columns of tables `pod_seen` and `pod`, which are the same.

use super::merge::ABOUT_SOURCES;
use crate::table::{Column, bool, float, int, text};

/// What is told of a pod.
pub const COLUMNS: [Column; 42] = [
    text(
        "uid",
        "as kubelet and cgroups have it: of a static pod the hash of its manifest",
    ),
    text("namespace", ""),
    text("name", ""),
    text(
        "api_uid",
        "as the API server has it, where it is another: that of a static pod's mirror",
    ),
    bool("static", "from a manifest on the node"),
    text("owner_kind", "ReplicaSet, DaemonSet, Job, Node ..."),
    text("owner_name", ""),
    text("node", "where it was scheduled to"),
    text("phase", "Pending, Running, Succeeded, Failed or Unknown"),
    text("reason", "of the phase: Evicted, NodeLost ..."),
    text("message", "of the phase"),
    text("qos", "guaranteed, burstable or besteffort"),
    int("priority", ""),
    text("priority_class", ""),
    bool("host_network", "in the node's network namespace"),
    bool("ready", "condition Ready"),
    text("ready_at", "when that changed"),
    int("ready_ts_us", "when that changed, since boot"),
    int(
        "ready_age_us",
        "when that changed, before the capture began",
    ),
    text("created_at", ""),
    int("created_ts_us", "since boot"),
    int("created_age_us", "before the capture began"),
    text("started_at", "when kubelet took it up"),
    int("started_ts_us", "since boot"),
    int("started_age_us", "before the capture began"),
    text("deletion_at", "when it is to be gone, grace included"),
    int("deletion_ts_us", "since boot"),
    int(
        "deletion_age_us",
        "before the capture began: more than 0 is overdue",
    ),
    int("grace_seconds", "time to end in, when it is deleted"),
    text("ips", "addresses, the first one first"),
    text("host_ip", ""),
    int("containers_count", "declared, without init containers"),
    int("restarts_count", "of all its containers together"),
    float(
        "cpu_usage_cores",
        "as kubelet's summary or the runtime tells",
    ),
    int("working_set_bytes", "memory without inactive page cache"),
    int(
        "ephemeral_used_bytes",
        "logs, writable layers and emptyDir volumes",
    ),
    int("processes_count", ""),
    int("rx_bytes", "received by its first interface"),
    int("tx_bytes", "sent by its first interface"),
    text("conditions", "those that are not True, with their reasons"),
    text("cgroup", "path of its group"),
    text("sources", ABOUT_SOURCES),
];
