//! Pods and containers: which are not well, what they use, where their network leads.

use crate::report::model::Section;
use crate::report::view::{Show, Spec, shown};
use crate::table::Tables;

/// The chapter.
pub(super) fn section(tables: &Tables) -> Section {
    Section {
        id: "pods",
        title: "Pods and containers",
        blocks: vec![
            TROUBLE.block(tables),
            PODS.block(tables),
            CONTAINERS.block(tables),
            NETWORK.block(tables),
        ],
    }
}

const TROUBLE: Spec = Spec {
    title: "Containers that wait, restart, failed or are not ready",
    needs: &["container"],
    sql: "SELECT namespace, pod, name, kind, state, reason, message, ready, restarts_count, last_exit_code, last_exit_reason, last_finished_age_us FROM container
        WHERE current = true AND (state = 'waiting' OR restarts_count > 0 OR exit_code <> 0 OR (ready = false AND state = 'running'))
        ORDER BY restarts_count DESC NULLS LAST, namespace, pod, name",
    columns: &[
        shown("namespace", "namespace", Show::Text),
        shown("pod", "pod", Show::Text),
        shown("name", "container", Show::Text),
        shown("state", "state", Show::Text),
        shown("reason", "why", Show::Text),
        shown("message", "in words", Show::Text),
        shown("ready", "ready", Show::Text),
        shown("restarts_count", "restarts", Show::Count),
        shown("last_exit_code", "last exit", Show::Text),
        shown("last_exit_reason", "as", Show::Text),
        shown("last_finished_age_us", "before the capture", Show::Duration),
    ],
    limit: 200,
    anchor: None,
};

const PODS: Spec = Spec {
    title: "Pods",
    needs: &["pod"],
    sql: "SELECT * FROM pod ORDER BY namespace, name, uid",
    columns: &[
        shown("namespace", "namespace", Show::Text),
        shown("name", "pod", Show::Text),
        shown("phase", "phase", Show::Text),
        shown("reason", "reason", Show::Text),
        shown("ready", "ready", Show::Text),
        shown("conditions", "conditions that do not hold", Show::Text),
        shown("restarts_count", "restarts", Show::Count),
        shown("qos", "class", Show::Text),
        shown("cpu_usage_cores", "CPUs used", Show::Number),
        shown("working_set_bytes", "memory", Show::Bytes),
        shown("ephemeral_used_bytes", "disk", Show::Bytes),
        shown("started_age_us", "running for", Show::Duration),
        shown("owner_kind", "made by", Show::Text),
        shown("ips", "addresses", Show::Text),
        shown("uid", "UID", Show::Text),
        shown("sources", "told by", Show::Text),
    ],
    limit: 400,
    anchor: Some(("pod", "uid")),
};

const CONTAINERS: Spec = Spec {
    title: "What containers use of what they may",
    needs: &["container_resource"],
    sql: "SELECT * FROM container_resource ORDER BY memory_limit_used_ratio DESC NULLS LAST, working_set_bytes DESC NULLS LAST, namespace, pod, name",
    columns: &[
        shown("namespace", "namespace", Show::Text),
        shown("pod", "pod", Show::Text),
        shown("name", "container", Show::Text),
        shown("cpu_usage_cores", "CPUs used", Show::Number),
        shown("cpu_request_cores", "requested", Show::Number),
        shown("cpu_limit_cores", "limit", Show::Number),
        shown("cpu_limit_used_ratio", "of limit", Show::Bar),
        shown("working_set_bytes", "memory", Show::Bytes),
        shown("memory_request_bytes", "requested", Show::Bytes),
        shown("memory_limit_bytes", "limit", Show::Bytes),
        shown("memory_limit_used_ratio", "of limit", Show::Bar),
        shown("writable_layer_bytes", "written files", Show::Bytes),
        shown("log_bytes", "logs", Show::Bytes),
        shown("id", "id", Show::Text),
    ],
    limit: 500,
    anchor: Some(("container", "id")),
};

const NETWORK: Spec = Spec {
    title: "Network of pods",
    needs: &["pod_network"],
    sql: "SELECT * FROM pod_network WHERE host_network = false OR host_network IS NULL ORDER BY namespace, pod, interface",
    columns: &[
        shown("namespace", "namespace", Show::Text),
        shown("pod", "pod", Show::Text),
        shown("interface", "interface", Show::Text),
        shown("ips", "addresses", Show::Text),
        shown("host_interface", "on the node", Show::Text),
        shown("matched_by", "known by", Show::Text),
        shown("netns", "network namespace", Show::Text),
    ],
    limit: 400,
    anchor: None,
};
