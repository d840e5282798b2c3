//! Containers as the runtime tells of them by CRI.

use serde_json::Value;

use crate::kubernetes::containers::{State, runtime_state};
use crate::kubernetes::json::Json;
use crate::kubernetes::moment;
use crate::kubernetes::paths::Bundle;
use crate::table::{Input, Node, Row, Rows};

/// `ListContainersResponse`.
pub(super) fn list(input: &Input<'_>, answer: Json<'_>, node: &Node, rows: &mut Rows) {
    for container in answer.at("containers").list() {
        let mut row = rows.add(input.entry, None);
        row.set("id", container.at("id").text())
            .set("sandbox_id", container.at("podSandboxId").text())
            .set("state", runtime_state(container))
            .set("image_id", container.at("imageRef").text())
            .set("sources", "runtime");
        identity(&mut row, container);
        moment::set(
            &mut row,
            "created",
            container.at("createdAt").moment(),
            node,
        );
    }
}

/// Name, pod and attempt: in the labels and annotations that kubelet gave the container.
fn identity(row: &mut Row<'_>, container: Json<'_>) {
    let labels = container.at("labels");
    let metadata = container.at("metadata");
    // Zero may be left out.
    let attempt = metadata.at("attempt").int();
    let attempt = attempt.or(metadata.is_there().then_some(0));
    row.set(
        "name",
        labels
            .at("io.kubernetes.container.name")
            .text()
            .or(metadata.at("name").text()),
    )
    .set("pod_uid", labels.at("io.kubernetes.pod.uid").text())
    .set("namespace", labels.at("io.kubernetes.pod.namespace").text())
    .set("pod", labels.at("io.kubernetes.pod.name").text())
    .set("attempt", attempt);
}

/// `ContainerStatusResponse`, verbose: `info` is text in JSON, or what crictl made of it.
pub(super) fn status(input: &Input<'_>, answer: Json<'_>, node: &Node, rows: &mut Rows) {
    let status = answer.at("status");
    let state = State::of_runtime(status);
    let mut row = rows.add(input.entry, None);
    row.set("id", state.id)
        .set("state", state.state)
        .set("exit_code", state.exit_code)
        .set("exit_reason", state.reason)
        .set("message", state.message)
        .set("image", status.at("image").at("image").text())
        .set("image_id", status.at("imageRef").text())
        .set("log_path", status.at("logPath").text())
        .set("sources", "runtime");
    identity(&mut row, status);
    for (column, time) in [
        ("created", state.created),
        ("started", state.started),
        ("finished", state.finished),
    ] {
        moment::set(&mut row, column, time, node);
    }
    limits(&mut row, status.at("resources").at("linux"));
    let told = info(answer);
    let info = told.as_ref().map_or(answer.at("info"), Json::new);
    let bundle = Bundle::read(info.at("runtimeSpec")).unwrap_or_default();
    row.set(
        "sandbox_id",
        info.at("sandboxID").text().or(bundle.sandbox_id),
    )
    .set("pid", info.at("pid").int().filter(|pid| *pid > 0));
}

/// The verbose part, where it is text.
pub(crate) fn info(answer: Json<'_>) -> Option<Value> {
    let text = answer.at("info").at("info").text()?;
    serde_json::from_str(text).ok()
}

/// `LinuxContainerResources`: 0 is no limit.
fn limits(row: &mut Row<'_>, linux: Json<'_>) {
    let positive = |name: &str| linux.at(name).int().filter(|value| *value > 0);
    let cores = positive("cpuQuota")
        .zip(positive("cpuPeriod"))
        .map(|(quota, period)| quota as f64 / period as f64);
    row.set("cpu_limit_cores", cores)
        .set("memory_limit_bytes", positive("memoryLimitInBytes"))
        .set("oom_score_adjust", linux.at("oomScoreAdj").int());
}

/// `ListContainerStatsResponse`.
pub(super) fn stats(input: &Input<'_>, answer: Json<'_>, rows: &mut Rows) {
    for stats in answer.at("stats").list() {
        let (cpu, memory) = (stats.at("cpu"), stats.at("memory"));
        let cores = cpu.at("usageNanoCores").int();
        let used_us = cpu
            .at("usageCoreNanoSeconds")
            .int()
            .map(|nanoseconds| nanoseconds / 1000);
        let layer = stats.at("writableLayer");
        let mut row = rows.add(input.entry, None);
        row.set("id", stats.at("attributes").at("id").text())
            .set("cpu_usage_cores", cores.map(|nano| nano as f64 / 1e9))
            .set("cpu_usage_us", used_us)
            .set("memory_bytes", memory.at("usageBytes").int())
            .set("working_set_bytes", memory.at("workingSetBytes").int())
            .set("resident_bytes", memory.at("rssBytes").int())
            .set("major_faults_count", memory.at("majorPageFaults").int())
            .set("swap_bytes", stats.at("swap").at("swapUsageBytes").int())
            .set("writable_layer_bytes", layer.at("usedBytes").int())
            .set("writable_layer_inodes_count", layer.at("inodesUsed").int())
            .set("sources", "runtime");
        identity(&mut row, stats.at("attributes"));
    }
}

/// The state that docker keeps on disk.
pub(super) fn docker(row: &mut Row<'_>, state: Json<'_>, node: &Node) {
    if !state.is_there() {
        return;
    }
    let is_running = state.at("Running").bool() == Some(true);
    let finished = state.at("FinishedAt").moment();
    let is_over = !is_running && finished.is_some();
    let reason = match (state.at("OOMKilled").bool(), state.at("ExitCode").int()) {
        (Some(true), _) => "OOMKilled",
        (_, Some(0)) => "Completed",
        _ => "Error",
    };
    row.set("state", if is_running { "running" } else { "terminated" })
        .set("pid", state.at("Pid").int().filter(|pid| *pid > 0))
        .set("exit_code", state.at("ExitCode").int().filter(|_| is_over))
        .set("exit_reason", is_over.then_some(reason));
    moment::set(row, "started", state.at("StartedAt").moment(), node);
    moment::set(row, "finished", finished.filter(|_| is_over), node);
}
