//! The node as the API server has it: versions, taints, whether pods may be put on it.

use crate::kubernetes::json::{self, Json};
use crate::kubernetes::{moment, objects};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

const COLUMNS: [crate::table::Column; 17] = [
    text("name", ""),
    text("kubelet_version", ""),
    text("runtime_version", "`containerd://1.6.20`"),
    text("proxy_version", ""),
    text("os_image", ""),
    text("kernel_version", ""),
    text("architecture", ""),
    text("boot_id", "of the boot that kubelet told of"),
    text("provider_id", "of the cloud"),
    bool("unschedulable", "cordoned"),
    text("taints", "`key=value:effect`, apart by commas"),
    text("roles", "labels `node-role.kubernetes.io/...`"),
    text("addresses", "`InternalIP 10.0.2.15`, apart by commas"),
    text("pod_cidr", ""),
    text("created_at", ""),
    int("created_ts_us", "since boot"),
    int("created_age_us", "before the capture began"),
];

/// The table.
pub static TABLE: Table = Table {
    name: "node_object",
    about: "the node as the API server has it",
    columns: &COLUMNS,
    reads: &["api/apiserver/api/v1/nodes/*", "api/apiserver/node"],
    decoder: || {
        Box::new(Objects {
            rows: Rows::new(&COLUMNS),
        })
    },
};

struct Objects {
    rows: Rows,
}

impl Decode for Objects {
    fn entry(&mut self, input: &Input<'_>, node: &Node, damages: &mut Damages) {
        let Some(answer) = json::parse(input, damages) else {
            return;
        };
        for object in objects::all(Json::new(&answer)) {
            let (metadata, spec) = (object.at("metadata"), object.at("spec"));
            let info = object.at("status").at("nodeInfo");
            let roles = metadata.at("labels").fields().filter_map(|(label, _)| {
                label
                    .strip_prefix("node-role.kubernetes.io/")
                    .map(str::to_owned)
            });
            let addresses = object.at("status").at("addresses").list().filter_map(|of| {
                let kind = of.at("type").text()?;
                Some(format!("{kind} {}", of.at("address").text()?))
            });
            let mut row = self.rows.add(input.entry, None);
            row.set("name", metadata.at("name").text())
                .set("kubelet_version", info.at("kubeletVersion").text())
                .set("runtime_version", info.at("containerRuntimeVersion").text())
                .set("proxy_version", info.at("kubeProxyVersion").text())
                .set("os_image", info.at("osImage").text())
                .set("kernel_version", info.at("kernelVersion").text())
                .set("architecture", info.at("architecture").text())
                .set("boot_id", info.at("bootID").text())
                .set("provider_id", spec.at("providerID").text())
                .set(
                    "unschedulable",
                    spec.at("unschedulable").bool().unwrap_or(false),
                )
                .set("taints", joined(spec.at("taints").list().filter_map(taint)))
                .set("roles", joined(roles))
                .set("addresses", joined(addresses))
                .set("pod_cidr", spec.at("podCIDR").text());
            moment::set(
                &mut row,
                "created",
                metadata.at("creationTimestamp").moment(),
                node,
            );
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        *rows = self.rows;
    }
}

fn taint(taint: Json<'_>) -> Option<String> {
    let effect = taint.at("effect").text()?;
    let key = taint.at("key").text()?;
    Some(match taint.at("value").text() {
        Some(value) => format!("{key}={value}:{effect}"),
        None => format!("{key}:{effect}"),
    })
}

/// Nothing for nothing.
fn joined(words: impl Iterator<Item = String>) -> Option<String> {
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| words.join(","))
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn a_cordoned_node() {
        let node = br#"{"kind":"NodeList","items":[{"metadata":{"name":"n1","labels":{"node-role.kubernetes.io/control-plane":"","a":"b"}},"spec":{"unschedulable":true,"taints":[{"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule"},{"key":"a","value":"b","effect":"NoExecute"}]},"status":{"nodeInfo":{"kubeletVersion":"v1.36.2"},"addresses":[{"type":"InternalIP","address":"10.0.2.15"}]}}]}"#;
        let (rows, _) = run("node_object", &[("api/apiserver/api/v1/nodes/n1", node)]);
        assert_eq!(
            csv(
                &rows,
                &[
                    "name",
                    "kubelet_version",
                    "unschedulable",
                    "taints",
                    "roles",
                    "addresses"
                ]
            ),
            "n1,v1.36.2,true,node.kubernetes.io/unschedulable:NoSchedule,a=b:NoExecute,control-plane,InternalIP 10.0.2.15\n"
        );
    }
}
