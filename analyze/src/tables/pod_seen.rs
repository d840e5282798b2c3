//! Pods as each source tells of them: what kubelet, the API server and the runtime disagree about
//! stands side by side here. Table `pod` puts it together.
//!
//! ```text
//! api/kubelet/pods            {"kind":"PodList","items":[{"metadata":{"name":"web-0","uid":..},..
//! api/kubelet/stats/summary   {"pods":[{"podRef":{"name":"web-0",..},"cpu":{"usageNanoCores":..
//! cri/pods.json          {"items":[{"id":..,"metadata":{"name":"web-0","uid":..},"state":..
//! root/var/log/pods           default_web-0_28fcb1a0-a45c-44e7-b9bf-e3b9360bedba
//! root/run/containerd/io.containerd.runtime.v2.task/k8s.io/<id>/config.json
//! root/sys/fs/cgroup/kubepods.slice/../kubepods-pod28fcb1a0_....slice/cgroup.procs
//! ```
//!
//! A static pod is known by the hash of its manifest to kubelet, runtime and cgroups; the API server
//! has a mirror of it under a UID of its own, whose annotation `kubernetes.io/config.mirror` is that
//! hash.

use std::collections::HashSet;

use crate::kubernetes::json::{self, Json};
use crate::kubernetes::paths::{Bundle, PodName, log_folder, log_link};
use crate::kubernetes::{moment, pods};
use crate::table::identity::{self, identify};
use crate::table::{Damages, Decode, Input, Node, Row, Rows, Table};
use crate::tables::cgroup;

/// The table.
pub static TABLE: Table = Table {
    name: "pod_seen",
    about: "pods as each source tells of them, one row per pod and source",
    columns: &pods::COLUMNS,
    reads: &[
        "api/kubelet/pods",
        "api/kubelet/runningpods*",
        "api/kubelet/stats/summary",
        "api/apiserver/api/v1/pods*",
        "cri/pods.json",
        "/var/log/pods",
        "/var/log/containers",
        "/run/**/io.containerd.runtime.v2.task/k8s.io/*/config.json",
        "/run/containers/storage/overlay-containers/*/userdata/config.json",
        "/var/lib/docker/containers/*/config.v2.json",
        "/var/lib/kubelet/pods",
        "/sys/fs/cgroup/**/cgroup.procs",
        "/proc/*/cgroup",
    ],
    decoder: || {
        Box::new(PodsSeen {
            rows: Rows::new(&pods::COLUMNS),
            groups: HashSet::new(),
            bundles: HashSet::new(),
        })
    },
};

struct PodsSeen {
    rows: Rows,
    /// Groups of pods that have a row.
    groups: HashSet<String>,
    /// Pods that have a row from their bundles.
    bundles: HashSet<String>,
}

impl Decode for PodsSeen {
    fn entry(&mut self, input: &Input<'_>, node: &Node, damages: &mut Damages) {
        let path = input.path;
        match path {
            "/var/log/pods" | "/var/log/containers" => self.logs(input),
            "/var/lib/kubelet/pods" => self.folders(input),
            _ if path.starts_with("/proc/") => {
                let text = input.text();
                if let Some(group) = identity::cgroup_of_process(&text) {
                    self.group(input, group);
                }
            }
            _ if path.ends_with("/cgroup.procs") => {
                if let Some((group, _, _)) = cgroup::place(path) {
                    self.group(input, group);
                }
            }
            _ => {
                if let Some(answer) = json::parse(input, damages) {
                    self.answer(input, Json::new(&answer), node);
                }
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        *rows = self.rows;
    }
}

impl PodsSeen {
    fn answer(&mut self, input: &Input<'_>, answer: Json<'_>, node: &Node) {
        match input.path {
            "api/kubelet/stats/summary" => {
                for pod in answer.at("pods").list() {
                    self.summary(input, pod);
                }
            }
            "cri/pods.json" => {
                for sandbox in answer.at("items").list() {
                    let metadata = sandbox.at("metadata");
                    let mut row = self.rows.add(input.entry, None);
                    row.set("uid", metadata.at("uid").text())
                        .set("namespace", metadata.at("namespace").text())
                        .set("name", metadata.at("name").text())
                        .set("static", is_static(sandbox.at("annotations")))
                        .set("sources", "runtime");
                }
            }
            path if path.starts_with('/') => self.bundle(input, answer),
            path => {
                let source = if path.starts_with("api/apiserver") {
                    "api_server"
                } else if path == "api/kubelet/pods" {
                    "kubelet"
                } else {
                    "running_pods"
                };
                for pod in answer.at("items").list() {
                    let mut row = self.rows.add(input.entry, None);
                    row.set("sources", source);
                    specification(&mut row, pod.at("spec"));
                    metadata(&mut row, pod.at("metadata"), node);
                    status(&mut row, pod.at("status"), node);
                }
            }
        }
    }

    /// `PodStats` of kubelet's summary (`k8s.io/kubelet/pkg/apis/stats/v1alpha1`).
    fn summary(&mut self, input: &Input<'_>, pod: Json<'_>) {
        let reference = pod.at("podRef");
        let network = pod.at("network");
        let cores = pod.at("cpu").at("usageNanoCores").int();
        self.rows
            .add(input.entry, None)
            .set("uid", reference.at("uid").text())
            .set("namespace", reference.at("namespace").text())
            .set("name", reference.at("name").text())
            .set("cpu_usage_cores", cores.map(|nano| nano as f64 / 1e9))
            .set(
                "working_set_bytes",
                pod.at("memory").at("workingSetBytes").int(),
            )
            .set(
                "ephemeral_used_bytes",
                pod.at("ephemeral-storage").at("usedBytes").int(),
            )
            .set(
                "processes_count",
                pod.at("process_stats").at("process_count").int(),
            )
            .set("rx_bytes", network.at("rxBytes").int())
            .set("tx_bytes", network.at("txBytes").int())
            .set("sources", "stats_summary");
    }

    fn bundle(&mut self, input: &Input<'_>, spec: Json<'_>) {
        let Some(bundle) = Bundle::read(spec) else {
            return;
        };
        let Some(uid) = bundle.uid else { return };
        // Each container has a bundle that tells of the same pod.
        if self.bundles.insert(uid.clone()) {
            self.rows
                .add(input.entry, None)
                .set("uid", uid)
                .set("namespace", bundle.namespace)
                .set("name", bundle.pod)
                .set("sources", "runtime_files");
        }
    }

    fn logs(&mut self, input: &Input<'_>) {
        for (line, text) in input.lines() {
            let mut parts = text.split('\t');
            let (name, target) = (parts.next().unwrap_or_default(), parts.next());
            let pod = if input.path == "/var/log/pods" {
                log_folder(name)
            } else {
                // The folder that the link leads to has the UID too.
                let folder =
                    target.and_then(|target| target.split("/pods/").nth(1)?.split('/').next());
                folder
                    .and_then(log_folder)
                    .or_else(|| log_link(name).map(|(pod, _, _)| pod))
            };
            if let Some(PodName {
                namespace,
                name,
                uid: Some(uid),
            }) = pod
            {
                self.rows
                    .add(input.entry, Some(line))
                    .set("uid", uid)
                    .set("namespace", namespace)
                    .set("name", name)
                    .set("sources", "log_files");
            }
        }
    }

    /// Kubelet keeps a folder for each pod, named after its UID.
    fn folders(&mut self, input: &Input<'_>) {
        for (line, text) in input.lines() {
            if let Some(uid) = log_folder(&text).and_then(|pod| pod.uid) {
                self.rows
                    .add(input.entry, Some(line))
                    .set("uid", uid)
                    .set("sources", "kubelet_files");
            }
        }
    }

    fn group(&mut self, input: &Input<'_>, path: &str) {
        let (Some(group), _) = identity::groups(path) else {
            return;
        };
        if self.groups.contains(group) {
            return;
        }
        self.groups.insert(group.to_owned());
        let identity = identify(group);
        self.rows
            .add(input.entry, None)
            .set("uid", identity.pod_uid)
            .set("qos", identity.qos)
            .set("cgroup", group)
            .set("sources", "cgroup");
    }
}

fn is_static(annotations: Json<'_>) -> Option<bool> {
    if annotations.at("kubernetes.io/config.mirror").is_there() {
        return Some(true);
    }
    let source = annotations.at("kubernetes.io/config.source").text()?;
    Some(source != "api")
}

fn metadata(row: &mut Row<'_>, metadata: Json<'_>, node: &Node) {
    let annotations = metadata.at("annotations");
    let mirrored = annotations.at("kubernetes.io/config.mirror").text();
    let uid = metadata.at("uid").text();
    let owner = metadata.at("ownerReferences").list().next();
    let owner = owner.unwrap_or(Json(None));
    row.set("uid", mirrored.or(uid))
        .set("api_uid", uid.filter(|_| mirrored.is_some()))
        .set("namespace", metadata.at("namespace").text())
        .set("name", metadata.at("name").text())
        .set("static", is_static(annotations))
        .set("owner_kind", owner.at("kind").text())
        .set("owner_name", owner.at("name").text())
        .set(
            "grace_seconds",
            metadata.at("deletionGracePeriodSeconds").int(),
        );
    for (column, field) in [
        ("created", "creationTimestamp"),
        ("deletion", "deletionTimestamp"),
    ] {
        moment::set(row, column, metadata.at(field).moment(), node);
    }
}

fn specification(row: &mut Row<'_>, spec: Json<'_>) {
    let containers = spec.at("containers");
    let is_told = containers.is_there();
    row.set("node", spec.at("nodeName").text())
        .set("priority", spec.at("priority").int())
        .set("priority_class", spec.at("priorityClassName").text())
        // A pod without the field is in a network namespace of its own; one without containers is
        // told of by name alone.
        .set(
            "host_network",
            spec.at("hostNetwork")
                .bool()
                .or(spec.at("nodeName").is_there().then_some(false)),
        )
        .set(
            "containers_count",
            is_told.then(|| containers.list().count() as i64),
        );
    if let Some(seconds) = spec.at("terminationGracePeriodSeconds").int() {
        row.set("grace_seconds", seconds);
    }
}

fn status(row: &mut Row<'_>, status: Json<'_>, node: &Node) {
    let ready = status
        .at("conditions")
        .list()
        .find(|condition| condition.at("type").text() == Some("Ready"))
        .unwrap_or(Json(None));
    moment::set(row, "ready", ready.at("lastTransitionTime").moment(), node);
    moment::set(row, "started", status.at("startTime").moment(), node);
    let ips: Vec<&str> = status
        .at("podIPs")
        .list()
        .filter_map(|ip| ip.at("ip").text())
        .collect();
    let ips = if ips.is_empty() {
        status.at("podIP").text().map(str::to_owned)
    } else {
        Some(ips.join(","))
    };
    let all = ["containerStatuses", "initContainerStatuses"];
    let restarts = all
        .iter()
        .flat_map(|list| status.at(list).list())
        .filter_map(|container| container.at("restartCount").int());
    let is_told = status.at("containerStatuses").is_there();
    row.set("phase", status.at("phase").text())
        .set("reason", status.at("reason").text())
        .set("message", status.at("message").text())
        .set("qos", status.at("qosClass").text().map(str::to_lowercase))
        .set(
            "ready",
            ready.at("status").text().map(|status| status == "True"),
        )
        .set("ips", ips)
        .set("host_ip", status.at("hostIP").text())
        .set(
            "restarts_count",
            is_told.then(|| restarts.fold(0, i64::saturating_add)),
        )
        .set("conditions", conditions(status));
}

/// Conditions that something is wrong with: `Ready: ContainersNotReady (containers with unready
/// status: [c])`.
fn conditions(status: Json<'_>) -> Option<String> {
    /// True is bad for these.
    const TROUBLE: [&str; 3] = [
        "DisruptionTarget",
        "PodResizePending",
        "PodResizeInProgress",
    ];
    let told: Vec<String> = status
        .at("conditions")
        .list()
        .filter_map(|condition| {
            let kind = condition.at("type").text()?;
            let is_true = condition.at("status").text() == Some("True");
            (is_true == TROUBLE.contains(&kind)).then_some(())?;
            let reason = condition.at("reason").text().unwrap_or("False");
            Some(match condition.at("message").text() {
                Some(message) => format!("{kind}: {reason} ({message})"),
                None => format!("{kind}: {reason}"),
            })
        })
        .collect();
    (!told.is_empty()).then(|| told.join("; "))
}

#[cfg(test)]
#[path = "pod_seen/tests.rs"]
mod tests;
