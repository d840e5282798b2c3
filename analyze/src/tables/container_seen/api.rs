//! Containers as kubelet and the API server tell of them.

use crate::kubernetes::containers::{LISTS, State, bare_id, probe};
use crate::kubernetes::json::Json;
use crate::kubernetes::{moment, quantity};
use crate::table::{Input, Node, Row, Rows};

/// The containers of a list of pods: each as declared and as its status tells, and the one before
/// it where that is another.
pub(super) fn pods(
    input: &Input<'_>,
    answer: Json<'_>,
    source: &'static str,
    node: &Node,
    rows: &mut Rows,
) {
    for pod in answer.at("items").list() {
        for (declared, statuses, kind) in LISTS {
            let statuses: Vec<Json<'_>> = pod.at("status").at(statuses).list().collect();
            for spec in pod.at("spec").at(declared).list() {
                let name = spec.at("name").text();
                let status = statuses
                    .iter()
                    .find(|status| status.at("name").text() == name)
                    .copied();
                let mut row = rows.add(input.entry, None);
                row.set("sources", source)
                    .set("kind", Some(kind).filter(|_| source != "running_pods"));
                identity(&mut row, pod.at("metadata"), name);
                specification(&mut row, spec);
                let Some(status) = status else { continue };
                current(&mut row, status, node);
                if let Some(last) = before(status) {
                    let mut row = rows.add(input.entry, None);
                    row.set("sources", source)
                        .set("kind", kind)
                        .set("id", last.id)
                        .set("state", last.state);
                    identity(&mut row, pod.at("metadata"), name);
                    ended(&mut row, &last, node);
                }
            }
        }
    }
}

fn identity(row: &mut Row<'_>, metadata: Json<'_>, name: Option<&str>) {
    let mirrored = metadata.at("annotations").at("kubernetes.io/config.mirror");
    row.set("name", name)
        .set("pod_uid", mirrored.text().or(metadata.at("uid").text()))
        .set("namespace", metadata.at("namespace").text())
        .set("pod", metadata.at("name").text());
}

fn specification(row: &mut Row<'_>, spec: Json<'_>) {
    let ports: Vec<String> = spec
        .at("ports")
        .list()
        .filter_map(|port| {
            let protocol = port.at("protocol").text().unwrap_or("TCP");
            Some(format!("{}/{protocol}", port.at("containerPort").int()?))
        })
        .collect();
    row.set("image", spec.at("image").text())
        .set("image_pull_policy", spec.at("imagePullPolicy").text())
        .set("ports", (!ports.is_empty()).then(|| ports.join(",")))
        .set("liveness_probe", probe(spec.at("livenessProbe")))
        .set("readiness_probe", probe(spec.at("readinessProbe")))
        .set("startup_probe", probe(spec.at("startupProbe")));
    resources(row, spec.at("resources"));
}

/// Requests and limits.
fn resources(row: &mut Row<'_>, resources: Json<'_>) {
    for (list, what) in [("requests", "request"), ("limits", "limit")] {
        let amount = |name: &str| resources.at(list).at(name).text();
        row.set(
            &format!("cpu_{what}_cores"),
            amount("cpu").and_then(quantity::parse),
        )
        .set(
            &format!("memory_{what}_bytes"),
            amount("memory").and_then(quantity::bytes),
        )
        .set(
            &format!("ephemeral_{what}_bytes"),
            amount("ephemeral-storage").and_then(quantity::bytes),
        );
    }
}

fn current(row: &mut Row<'_>, status: Json<'_>, node: &Node) {
    let state = State::of_api(status.at("state")).unwrap_or_default();
    let id = status.at("containerID").text().map(bare_id);
    let is_over = state.state == Some("terminated");
    row.set("id", id.or(state.id))
        .set("state", state.state)
        .set("reason", state.reason.filter(|_| !is_over))
        .set("message", state.message)
        .set("ready", status.at("ready").bool())
        .set("started", status.at("started").bool())
        .set("restarts_count", status.at("restartCount").int())
        .set("attempt", status.at("restartCount").int())
        .set("image_id", status.at("imageID").text());
    // What is in force, where kubelet tells it (1.27 on); it may be resized in place.
    resources(row, status.at("resources"));
    moment::set(row, "started", state.started, node);
    let last = ended_before(status).or(Some(state).filter(|_| is_over));
    if let Some(last) = last {
        let finished = last.finished;
        row.set("last_exit_code", last.exit_code)
            .set("last_exit_reason", last.reason)
            .set(
                "last_finished_ts_us",
                finished.and_then(|at| at.ts_us(node)),
            )
            .set(
                "last_finished_age_us",
                finished.and_then(|at| at.age_us(node)),
            );
    }
    if is_over {
        ended(row, &state, node);
    } else if let Some(last) =
        ended_before(status).filter(|last| last.id.is_none() || last.id == id)
    {
        // A container that waits to be made again is still the one that ended.
        ended(row, &last, node);
    }
}

fn ended_before(status: Json<'_>) -> Option<State<'_>> {
    State::of_api(status.at("lastState")).filter(|last| last.state == Some("terminated"))
}

/// The container before the current one.
fn before(status: Json<'_>) -> Option<State<'_>> {
    let current = status.at("containerID").text().map(bare_id);
    ended_before(status).filter(|last| last.id.is_some() && last.id != current)
}

fn ended(row: &mut Row<'_>, state: &State<'_>, node: &Node) {
    row.set("exit_code", state.exit_code)
        .set("exit_reason", state.reason)
        .set("message", state.message);
    moment::set(row, "started", state.started, node);
    moment::set(row, "finished", state.finished, node);
}

/// `ContainerStats` of kubelet's summary.
pub(super) fn summary(input: &Input<'_>, answer: Json<'_>, rows: &mut Rows) {
    for pod in answer.at("pods").list() {
        let reference = pod.at("podRef");
        for stats in pod.at("containers").list() {
            let (cpu, memory) = (stats.at("cpu"), stats.at("memory"));
            let cores = cpu.at("usageNanoCores").int();
            let used_us = cpu.at("usageCoreNanoSeconds").int().map(|ns| ns / 1000);
            rows.add(input.entry, None)
                .set("name", stats.at("name").text())
                .set("pod_uid", reference.at("uid").text())
                .set("namespace", reference.at("namespace").text())
                .set("pod", reference.at("name").text())
                .set("cpu_usage_cores", cores.map(|nano| nano as f64 / 1e9))
                .set("cpu_usage_us", used_us)
                .set("memory_bytes", memory.at("usageBytes").int())
                .set("working_set_bytes", memory.at("workingSetBytes").int())
                .set("resident_bytes", memory.at("rssBytes").int())
                .set("major_faults_count", memory.at("majorPageFaults").int())
                .set("swap_bytes", stats.at("swap").at("swapUsageBytes").int())
                .set(
                    "writable_layer_bytes",
                    stats.at("rootfs").at("usedBytes").int(),
                )
                .set(
                    "writable_layer_inodes_count",
                    stats.at("rootfs").at("inodesUsed").int(),
                )
                .set("log_bytes", stats.at("logs").at("usedBytes").int())
                .set("sources", "stats_summary");
        }
    }
}
