//! Conditions of the node as the API server has them: kubelet's own, and those that others add
//! (node-problem-detector, cloud agents).
//!
//! ```text
//! {"kind":"Node","status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2026-11-20T22:12:42Z",..
//! ```

use crate::kubernetes::json::{self, Json};
use crate::kubernetes::{moment, objects};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

const COLUMNS: [crate::table::Column; 12] = [
    text("node", ""),
    text(
        "type",
        "Ready, MemoryPressure, DiskPressure, PIDPressure, ...",
    ),
    text("status", "True, False or Unknown"),
    text("reason", ""),
    text("message", ""),
    bool(
        "is_trouble",
        "Ready is not True, or a pressure or a problem is; null: a type that is not known here",
    ),
    text("heartbeat_at", "when it was last told"),
    int("heartbeat_ts_us", "since boot"),
    int("heartbeat_age_us", "before the capture began"),
    text("transition_at", "when the status last changed"),
    int("transition_ts_us", "since boot"),
    int("transition_age_us", "before the capture began"),
];

/// The table.
pub static TABLE: Table = Table {
    name: "node_condition",
    about: "conditions of the node as the API server has them",
    columns: &COLUMNS,
    reads: &["api/apiserver/api/v1/nodes/*", "api/apiserver/node"],
    decoder: || {
        Box::new(Conditions {
            rows: Rows::new(&COLUMNS),
        })
    },
};

/// Types whose status True is trouble: kubelet's, and those of node-problem-detector's own rules.
const TROUBLES: [&str; 14] = [
    "MemoryPressure",
    "DiskPressure",
    "PIDPressure",
    "NetworkUnavailable",
    "OutOfDisk",
    "KernelDeadlock",
    "ReadonlyFilesystem",
    "CorruptDockerOverlay2",
    "FrequentUnregisterNetDevice",
    "FrequentKubeletRestart",
    "FrequentDockerRestart",
    "FrequentContainerdRestart",
    "KubeletUnhealthy",
    "ContainerRuntimeUnhealthy",
];

struct Conditions {
    rows: Rows,
}

impl Decode for Conditions {
    fn entry(&mut self, input: &Input<'_>, node: &Node, damages: &mut Damages) {
        let Some(answer) = json::parse(input, damages) else {
            return;
        };
        for object in objects::all(Json::new(&answer)) {
            for condition in object.at("status").at("conditions").list() {
                let kind = condition.at("type").text();
                let status = condition.at("status").text();
                let mut row = self.rows.add(input.entry, None);
                row.set("node", object.at("metadata").at("name").text())
                    .set("type", kind)
                    .set("status", status)
                    .set("reason", condition.at("reason").text())
                    .set("message", condition.at("message").text())
                    .set("is_trouble", is_trouble(kind, status));
                for (column, field) in [
                    ("heartbeat", "lastHeartbeatTime"),
                    ("transition", "lastTransitionTime"),
                ] {
                    moment::set(&mut row, column, condition.at(field).moment(), node);
                }
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        *rows = self.rows;
    }
}

/// True of a type that nobody knows may be healthy (`EtcdIsVoter` of k3s); False is.
fn is_trouble(kind: Option<&str>, status: Option<&str>) -> Option<bool> {
    match (kind?, status?) {
        ("Ready", status) => Some(status != "True"),
        (_, "False") => Some(false),
        (kind, "True") => TROUBLES.contains(&kind).then_some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn unknown_types_are_neither_sick_nor_healthy() {
        let node = br#"{"kind":"Node","metadata":{"name":"n1"},"status":{"conditions":[
            {"type":"Ready","status":"Unknown","reason":"NodeStatusUnknown","message":"Kubelet stopped posting node status.","lastHeartbeatTime":"2023-11-14T22:12:20Z","lastTransitionTime":"2023-11-14T22:13:00Z"},
            {"type":"DiskPressure","status":"False"},{"type":"KernelDeadlock","status":"True"},{"type":"EtcdIsVoter","status":"True"}]}}"#;
        let refusal = br#"{"kind":"Status","metadata":{},"status":"Failure","code":403}"#;
        let (rows, _) = run(
            "node_condition",
            &[
                ("api/apiserver/api/v1/nodes/n1", node),
                ("api/apiserver/node", refusal),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "node",
                    "type",
                    "is_trouble",
                    "heartbeat_age_us",
                    "transition_age_us"
                ]
            ),
            "n1,Ready,true,60000000,20000000\nn1,DiskPressure,false,,\nn1,KernelDeadlock,true,,\nn1,EtcdIsVoter,,,\n"
        );
    }
}
