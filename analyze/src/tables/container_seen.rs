//! Containers as each source tells of them. Tables `container` and `container_resource` put it
//! together.
//!
//! ```text
//! api/kubelet/pods             spec.containers[], status.containerStatuses[]
//! cri/containers.json          {"containers":[{"id":..,"metadata":{"name":"app","attempt":3},"state":..
//! cri/container_status/<id>.json   {"status":{"exitCode":137,..},"info":{"pid":4711,"runtimeSpec":..
//! cri/container_stats.json     {"stats":[{"attributes":{"id":..},"cpu":{"usageNanoCores":{"value":..
//! root/var/log/containers      web-0_default_app-<id>.log -> /var/log/pods/default_web-0_<uid>/app/3.log
//! root/run/containerd/io.containerd.runtime.v2.task/k8s.io/<id>/config.json
//! root/sys/fs/cgroup/.../cri-containerd-<id>.scope/cgroup.procs
//! ```

use std::collections::{BTreeMap, HashSet};

use crate::kubernetes::containers;
use crate::kubernetes::json::{self, Json};
use crate::kubernetes::paths::{Bundle, LogPath, bundle_id, log_link, log_path};
use crate::table::identity::{self, identify};
use crate::table::{Damages, Decode, Input, Node, Rows, Table};
use crate::tables::cgroup;

#[path = "container_seen/api.rs"]
mod api;
#[path = "container_seen/runtime.rs"]
mod runtime;
pub(crate) use runtime::info;

/// The table.
pub static TABLE: Table = Table {
    name: "container_seen",
    about: "containers as each source tells of them, one row per container and source",
    columns: &containers::COLUMNS,
    reads: &[
        "api/kubelet/pods",
        "api/kubelet/runningpods*",
        "api/kubelet/stats/summary",
        "api/apiserver/api/v1/pods*",
        "cri/containers.json",
        "cri/container_status/*.json",
        "cri/container_stats.json",
        "/var/log/containers",
        "calls/container_logs.jsonl",
        "/var/lib/kubelet/pods/*/containers",
        "/run/**/io.containerd.runtime.v2.task/k8s.io/*/config.json",
        "/run/containers/storage/overlay-containers/*/userdata/config.json",
        "/var/lib/docker/containers/*/config.v2.json",
        "/run/**/io.containerd.runtime.v2.task/k8s.io/*/init.pid",
        "/run/containers/storage/overlay-containers/*/userdata/pidfile",
        "/sys/fs/cgroup/**/cgroup.procs",
        "/proc/*/cgroup",
    ],
    decoder: || {
        Box::new(ContainersSeen {
            rows: Rows::new(&containers::COLUMNS),
            groups: HashSet::new(),
        })
    },
};

struct ContainersSeen {
    rows: Rows,
    /// Groups of containers that have a row.
    groups: HashSet<String>,
}

/// Longest line that tells of a log.
const LOG_LINE: usize = 16 << 10;

/// The logs of one container.
#[derive(Default)]
struct Logs {
    line: i64,
    path: Option<String>,
    attempt: Option<i64>,
    bytes: i64,
}

impl Decode for ContainersSeen {
    fn entry(&mut self, input: &Input<'_>, node: &Node, damages: &mut Damages) {
        let path = input.path;
        if path == "/var/log/containers" {
            self.log_links(input);
        } else if path == "calls/container_logs.jsonl" {
            self.logs(input);
        } else if path.starts_with("/var/lib/kubelet/pods/") {
            self.folders(input);
        } else if path.ends_with("/init.pid") || path.ends_with("/pidfile") {
            let pid: Option<i64> = input.text().trim().parse().ok();
            self.rows
                .add(input.entry, None)
                .set("id", bundle_id(path))
                .set("pid", pid)
                .set("sources", "runtime_files");
        } else if path.starts_with("/proc/") {
            let text = input.text();
            if let Some(group) = identity::cgroup_of_process(&text) {
                self.group(input, group);
            }
        } else if path.ends_with("/cgroup.procs") {
            if let Some((group, _, _)) = cgroup::place(path) {
                self.group(input, group);
            }
        } else if let Some(answer) = json::parse(input, damages) {
            self.answer(input, Json::new(&answer), node);
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        *rows = self.rows;
    }
}

impl ContainersSeen {
    fn answer(&mut self, input: &Input<'_>, answer: Json<'_>, node: &Node) {
        let rows = &mut self.rows;
        match input.path {
            "api/kubelet/stats/summary" => api::summary(input, answer, rows),
            "cri/containers.json" => runtime::list(input, answer, node, rows),
            "cri/container_stats.json" => runtime::stats(input, answer, rows),
            path if path.starts_with("cri/") => runtime::status(input, answer, node, rows),
            path if path.starts_with('/') => self.bundle(input, answer, node),
            path if path.starts_with("api/apiserver") => {
                api::pods(input, answer, "api_server", node, rows);
            }
            "api/kubelet/pods" => api::pods(input, answer, "kubelet", node, rows),
            _ => api::pods(input, answer, "running_pods", node, rows),
        }
    }

    fn bundle(&mut self, input: &Input<'_>, spec: Json<'_>, node: &Node) {
        let Some(bundle) = Bundle::read(spec).filter(|bundle| !bundle.is_sandbox) else {
            return;
        };
        let adjust = spec.at("process").at("oomScoreAdj").int();
        let mut row = self.rows.add(input.entry, None);
        row.set("id", bundle_id(input.path))
            .set("name", bundle.container)
            .set("pod_uid", bundle.uid)
            .set("namespace", bundle.namespace)
            .set("pod", bundle.pod)
            .set("sandbox_id", bundle.sandbox_id)
            .set("image", bundle.image)
            .set("oom_score_adjust", adjust)
            .set("sources", "runtime_files");
        runtime::docker(&mut row, spec.at("State"), node);
    }

    fn log_links(&mut self, input: &Input<'_>) {
        for (line, text) in input.lines() {
            let mut parts = text.split('\t');
            let (name, target) = (parts.next().unwrap_or_default(), parts.next());
            let Some((pod, container, id)) = log_link(name) else {
                continue;
            };
            let log = target.and_then(log_path);
            self.rows
                .add(input.entry, Some(line))
                .set("id", id)
                .set("name", container)
                .set("attempt", log.as_ref().and_then(|log| log.attempt))
                .set("pod_uid", log.and_then(|log| log.pod.uid))
                .set("namespace", pod.namespace)
                .set("pod", pod.name)
                .set("log_path", target)
                .set("sources", "log_files");
        }
    }

    /// Logs of a container by the number of its restarts: the last one counts.
    fn logs(&mut self, input: &Input<'_>) {
        let mut newest: BTreeMap<LogPath, Logs> = BTreeMap::new();
        for (line, text) in input.lines().filter(|(_, text)| text.len() < LOG_LINE) {
            let Ok(told) = serde_json::from_str(&text) else {
                continue;
            };
            let told = Json::new(&told);
            let Some(path) = told.at("path").text() else {
                continue;
            };
            let Some(mut log) = log_path(path) else {
                continue;
            };
            let attempt = log.attempt.take();
            let logs = newest.entry(log).or_default();
            let bytes = told.at("size_bytes").int().unwrap_or(0);
            logs.bytes = logs.bytes.saturating_add(bytes);
            if logs.path.is_none() || attempt >= logs.attempt {
                logs.attempt = attempt;
                logs.line = line;
                logs.path = Some(path.to_owned());
            }
        }
        for (log, logs) in newest {
            self.rows
                .add(input.entry, Some(logs.line))
                .set("name", log.container)
                .set("attempt", logs.attempt)
                .set("pod_uid", log.pod.uid)
                .set("namespace", log.pod.namespace)
                .set("pod", log.pod.name)
                .set("log_path", logs.path)
                .set("log_bytes", logs.bytes)
                .set("sources", "log_files");
        }
    }

    /// Kubelet keeps a folder for each container of a pod.
    fn folders(&mut self, input: &Input<'_>) {
        let Some(uid) = input.part(4).map(str::to_owned) else {
            return;
        };
        for (line, name) in input.lines() {
            let name = name.split('\t').next().unwrap_or_default();
            if !name.is_empty() {
                self.rows
                    .add(input.entry, Some(line))
                    .set("name", name)
                    .set("pod_uid", uid.clone())
                    .set("sources", "kubelet_files");
            }
        }
    }

    fn group(&mut self, input: &Input<'_>, path: &str) {
        let (_, Some(group)) = identity::groups(path) else {
            return;
        };
        if self.groups.contains(group) {
            return;
        }
        self.groups.insert(group.to_owned());
        let identity = identify(group);
        // conmon of CRI-O watches a container in a group of its own.
        if group.contains("/crio-conmon-") {
            return;
        }
        self.rows
            .add(input.entry, None)
            .set("id", identity.container_id)
            .set("pod_uid", identity.pod_uid)
            .set("cgroup", group)
            .set("sources", "cgroup");
    }
}

#[cfg(test)]
#[path = "container_seen/tests.rs"]
mod tests;
