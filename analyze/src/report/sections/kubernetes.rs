//! The node as the cluster sees it: conditions, events, answers of kubelet, runtime and API server,
//! certificates.

use crate::report::model::Section;
use crate::report::view::{Show, Spec, shown};
use crate::table::Tables;

/// The chapter.
pub(super) fn section(tables: &Tables) -> Section {
    Section {
        id: "kubernetes",
        title: "Kubernetes",
        blocks: vec![
            EXCHANGES.block(tables),
            CONDITIONS.block(tables),
            EVENTS.block(tables),
            OPERATIONS.block(tables),
            CERTIFICATES.block(tables),
            RESOURCES.block(tables),
        ],
    }
}

const EXCHANGES: Spec = Spec {
    title: "Answers of kubelet, runtime, API server and others, failures first, then the slowest",
    needs: &["http_exchange"],
    sql: "SELECT * FROM http_exchange ORDER BY ok, took_us DESC NULLS LAST, component, path",
    columns: &[
        shown("component", "asked", Show::Text),
        shown("path", "for", Show::Text),
        shown("status", "status", Show::Text),
        shown("took_us", "took", Show::Duration),
        shown("wait_us", "waited", Show::Duration),
        shown("bytes", "bytes", Show::Bytes),
        shown("error", "no answer because", Show::Text),
        shown("says", "it says", Show::Text),
        shown("asked_as", "asked as", Show::Text),
        shown("clock_offset_us", "its clock is ahead by", Show::Duration),
    ],
    limit: 200,
    anchor: None,
};

const CONDITIONS: Spec = Spec {
    title: "Conditions of the node",
    needs: &["node_condition"],
    sql: "SELECT * FROM node_condition ORDER BY is_trouble DESC NULLS LAST, type",
    columns: &[
        shown("type", "condition", Show::Text),
        shown("status", "status", Show::Text),
        shown("is_trouble", "trouble", Show::Text),
        shown("reason", "reason", Show::Text),
        shown("message", "message", Show::Text),
        shown("transition_age_us", "since", Show::Duration),
        shown("heartbeat_age_us", "last told before", Show::Duration),
    ],
    limit: 60,
    anchor: None,
};

const EVENTS: Spec = Spec {
    title: "Events, warnings first",
    needs: &["event"],
    sql: "SELECT * FROM event ORDER BY type DESC, last_age_us",
    columns: &[
        shown("type", "type", Show::Text),
        shown("reason", "reason", Show::Text),
        shown("object_kind", "about", Show::Text),
        shown("object_name", "name", Show::Text),
        shown("message", "message", Show::Text),
        shown("count", "times", Show::Count),
        shown("first_age_us", "first before", Show::Duration),
        shown("last_age_us", "last before", Show::Duration),
    ],
    limit: 200,
    anchor: None,
};

const OPERATIONS: Spec = Spec {
    title: "What kubelet and others wait for longest, since they began",
    needs: &["metric_histogram"],
    sql: "SELECT component, name, labels, count, mean, p50, p99 FROM metric_histogram WHERE name LIKE '%_duration_seconds' AND count > 0 ORDER BY p99 DESC, count DESC",
    columns: &[
        shown("component", "component", Show::Text),
        shown("name", "metric", Show::Text),
        shown("labels", "labels", Show::Text),
        shown("count", "times", Show::Count),
        shown("mean", "mean, s", Show::Number),
        shown("p50", "half below, s", Show::Number),
        shown("p99", "99 of 100 below, s", Show::Number),
    ],
    limit: 60,
    anchor: None,
};

const CERTIFICATES: Spec = Spec {
    title: "Certificates, the first to end first",
    needs: &["certificate"],
    sql: "SELECT * FROM certificate ORDER BY days_left, path, number",
    columns: &[
        shown("path", "file", Show::Text),
        shown("subject", "for", Show::Text),
        shown("issuer", "signed by", Show::Text),
        shown("not_before_at", "from", Show::Text),
        shown("not_after_at", "to", Show::Text),
        shown("days_left", "days left", Show::Number),
        shown("used_ratio", "of its life over", Show::Bar),
        shown("is_authority", "authority", Show::Text),
        shown("alternative_names", "names", Show::Text),
    ],
    limit: 100,
    anchor: None,
};

const RESOURCES: Spec = Spec {
    title: "What the node has, and what of it pods may use",
    needs: &["node_resource"],
    sql: "SELECT * FROM node_resource ORDER BY resource",
    columns: &[
        shown("resource", "resource", Show::Text),
        shown("capacity", "capacity", Show::Count),
        shown("allocatable", "for pods", Show::Count),
        shown("reserved", "kept back", Show::Number),
    ],
    limit: 60,
    anchor: None,
};
