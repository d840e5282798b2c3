//! Sandboxes of pods: what holds a pod's namespaces, in most runtimes a container that does nothing
//! but `pause`. They are told apart from containers here.
//!
//! ```text
//! cri/pods.json             {"items":[{"id":..,"metadata":{"name":"web-0",..},"state":"SANDBOX_READY",..
//! cri/pod_status/<id>.json   {"status":{"network":{"ip":"10.88.0.4"},..},"info":{"pid":8797,..
//! root/run/containerd/io.containerd.runtime.v2.task/k8s.io/<id>/config.json
//! ```

use std::collections::BTreeMap;

use crate::kubernetes::json::{self, Json};
use crate::kubernetes::paths::{Bundle, bundle_id};
use crate::kubernetes::{merge, moment};
use crate::table::{Damages, Decode, Input, Node, Row, Rows, Table, int, text};
use crate::tables::container_seen;

const COLUMNS: [crate::table::Column; 14] = [
    text("id", ""),
    text("pod_uid", ""),
    text("namespace", ""),
    text("pod", "its name"),
    int("attempt", "how many the pod had before it"),
    text("state", "ready or not_ready"),
    text("created_at", ""),
    int("created_ts_us", "since boot"),
    int("created_age_us", "before the capture began"),
    text("ips", "addresses of the pod, the first one first"),
    text("network", "pod, or node: the node's own network namespace"),
    text("runtime_handler", "null: the default one"),
    int("pid", "its process"),
    text("sources", "who tells of it: runtime, runtime_files"),
];

/// The table.
pub static TABLE: Table = Table {
    name: "sandbox",
    about: "sandboxes of pods, which hold their namespaces",
    columns: &COLUMNS,
    reads: &[
        "cri/pods.json",
        "cri/pod_status/*.json",
        "/run/**/io.containerd.runtime.v2.task/k8s.io/*/config.json",
        "/run/containers/storage/overlay-containers/*/userdata/config.json",
        "/var/lib/docker/containers/*/config.v2.json",
    ],
    decoder: || {
        Box::new(Sandboxes {
            seen: Rows::new(&COLUMNS),
        })
    },
};

struct Sandboxes {
    seen: Rows,
}

impl Decode for Sandboxes {
    fn entry(&mut self, input: &Input<'_>, node: &Node, damages: &mut Damages) {
        let Some(answer) = json::parse(input, damages) else {
            return;
        };
        let answer = Json::new(&answer);
        if input.path == "cri/pods.json" {
            for sandbox in answer.at("items").list() {
                told(&mut self.seen.add(input.entry, None), sandbox, node);
            }
        } else if input.path.starts_with("cri/") {
            let mut row = self.seen.add(input.entry, None);
            told(&mut row, answer.at("status"), node);
            let told = container_seen::info(answer);
            let info = told.as_ref().map_or(answer.at("info"), Json::new);
            row.set("pid", info.at("pid").int().filter(|pid| *pid > 0));
        } else if let Some(bundle) = Bundle::read(answer).filter(|bundle| bundle.is_sandbox) {
            self.seen
                .add(input.entry, None)
                .set("id", bundle.sandbox_id.or(bundle_id(input.path)))
                .set("pod_uid", bundle.uid)
                .set("namespace", bundle.namespace)
                .set("pod", bundle.pod)
                .set("sources", "runtime_files");
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        let mut by_id: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for row in 0..self.seen.len() {
            if let Some(id) = self.seen.text(row, "id") {
                by_id.entry(id).or_default().push(row);
            }
        }
        for places in by_id.values() {
            merge::add(&self.seen, places, rows);
        }
    }
}

/// `PodSandbox` of a list, or `PodSandboxStatus`.
fn told(row: &mut Row<'_>, sandbox: Json<'_>, node: &Node) {
    let metadata = sandbox.at("metadata");
    let state = sandbox.at("state");
    let is_ready = state.text() == Some("SANDBOX_READY") || state.int() == Some(0);
    let addresses = sandbox.at("network");
    let more = addresses.at("additionalIps").list();
    let ips: Vec<&str> = [addresses]
        .into_iter()
        .chain(more)
        .filter_map(|of| of.at("ip").text())
        .collect();
    let options = sandbox.at("linux").at("namespaces").at("options");
    let network = options.at("network").text().map(|mode| match mode {
        "NODE" => "node",
        _ => "pod",
    });
    row.set("id", sandbox.at("id").text())
        .set("pod_uid", metadata.at("uid").text())
        .set("namespace", metadata.at("namespace").text())
        .set("pod", metadata.at("name").text())
        // Zero may be left out.
        .set("attempt", metadata.at("attempt").int().unwrap_or(0))
        .set(
            "state",
            state
                .is_there()
                .then_some(if is_ready { "ready" } else { "not_ready" }),
        )
        .set("ips", (!ips.is_empty()).then(|| ips.join(",")))
        .set("network", network)
        .set("runtime_handler", sandbox.at("runtimeHandler").text())
        .set("sources", "runtime");
    moment::set(row, "created", sandbox.at("createdAt").moment(), node);
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn by_list_by_status_and_by_bundle() {
        let list = br#"{"items":[{"id":"a","metadata":{"name":"web","uid":"u","namespace":"default","attempt":1},"state":"SANDBOX_READY","createdAt":"1700000000000000000","runtimeHandler":""}]}"#;
        let status = br#"{"status":{"id":"a","metadata":{"name":"web","uid":"u","namespace":"default","attempt":1},"state":"SANDBOX_READY","network":{"ip":"10.88.0.4","additionalIps":[{"ip":"fd00::4"}]},"linux":{"namespaces":{"options":{"network":"POD"}}}},"info":{"info":"{\"pid\":42}"}}"#;
        let bundle = br#"{"annotations":{"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-id":"b","io.kubernetes.cri.sandbox-name":"old"}}"#;
        let container = br#"{"annotations":{"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-id":"a"}}"#;
        let folder = "root/run/containerd/io.containerd.runtime.v2.task/k8s.io";
        let (rows, damages) = run(
            "sandbox",
            &[
                ("cri/pods.json", list),
                ("cri/pod_status/a.json", status),
                (&format!("{folder}/b/config.json"), bundle),
                (&format!("{folder}/c/config.json"), container),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "id",
                    "pod",
                    "attempt",
                    "state",
                    "created_age_us",
                    "ips",
                    "network",
                    "pid",
                    "sources"
                ]
            ),
            "a,web,1,ready,0,10.88.0.4,fd00::4,pod,42,runtime\nb,old,,,,,,,runtime_files\n"
        );
        assert!(damages.list.is_empty());
    }
}
