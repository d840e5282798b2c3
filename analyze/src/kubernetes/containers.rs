//! The columns of table `container_seen`, of which `container` and `container_resource` have a part
//! each, and what states of containers look like.

use super::json::Json;
use super::merge::ABOUT_SOURCES;
use super::moment::Moment;
use crate::table::{Column, bool, float, int, text};

/// Whose container it is: the first columns of all three tables.
pub const IDENTITY: [Column; 7] = [
    text("id", "null: told of without one, or not made yet"),
    text("name", ""),
    text("kind", "container, init or ephemeral; null: not known"),
    text("pod_uid", ""),
    text("namespace", ""),
    text("pod", "its name"),
    int(
        "attempt",
        "how many of this name and pod the runtime made before it",
    ),
];

/// What it does.
pub const STATE: [Column; 32] = [
    text("sandbox_id", "the sandbox of its pod"),
    text("state", "waiting, created, running, terminated or unknown"),
    text(
        "reason",
        "why it waits: CrashLoopBackOff, ImagePullBackOff, ContainerCreating ...",
    ),
    text("message", "the same in words"),
    int("exit_code", "of this one"),
    text("exit_reason", "Completed, Error, OOMKilled ..."),
    int(
        "last_exit_code",
        "of the last one of this pod and name that ended",
    ),
    text("last_exit_reason", "alike"),
    int("last_finished_ts_us", "when that was, since boot"),
    int(
        "last_finished_age_us",
        "when that was, before the capture began",
    ),
    bool("ready", "its readiness probe passes"),
    bool("started", "its startup probe has passed"),
    int("restarts_count", "since its pod began"),
    text("created_at", ""),
    int("created_ts_us", "since boot"),
    int("created_age_us", "before the capture began"),
    text("started_at", ""),
    int("started_ts_us", "since boot"),
    int("started_age_us", "before the capture began"),
    text("finished_at", ""),
    int("finished_ts_us", "since boot"),
    int("finished_age_us", "before the capture began"),
    int("pid", "its first process"),
    text("image", "as the pod asks for it"),
    text("image_id", "what it is made of"),
    text("image_pull_policy", "Always, IfNotPresent or Never"),
    text("ports", "declared: `8080/TCP`"),
    text(
        "liveness_probe",
        "`http :8080/healthz delay=0s timeout=1s period=10s failures=3`",
    ),
    text("readiness_probe", "alike"),
    text("startup_probe", "alike"),
    text("log_path", ""),
    text("cgroup", "path of its group"),
];

/// What it may use, and uses.
pub const RESOURCE: [Column; 18] = [
    float("cpu_request_cores", ""),
    float("cpu_limit_cores", "null: no limit"),
    int("memory_request_bytes", ""),
    int("memory_limit_bytes", "null: no limit"),
    int("ephemeral_request_bytes", "logs and writable layer"),
    int("ephemeral_limit_bytes", "null: no limit"),
    int("oom_score_adjust", "as the runtime set it"),
    float("cpu_usage_cores", ""),
    int("cpu_usage_us", "since it began"),
    int("memory_bytes", "page cache included"),
    int("working_set_bytes", "without inactive page cache"),
    int("resident_bytes", "memory of its programs"),
    int("swap_bytes", ""),
    int("major_faults_count", "page faults with I/O, since it began"),
    int("writable_layer_bytes", "files that it wrote into its image"),
    int("writable_layer_inodes_count", ""),
    int("log_bytes", ""),
    text("sources", ABOUT_SOURCES),
];

/// All of them.
pub const COLUMNS: [Column; IDENTITY.len() + STATE.len() + RESOURCE.len()] = {
    let mut all = [IDENTITY[0]; IDENTITY.len() + STATE.len() + RESOURCE.len()];
    let mut n = 0;
    while n < all.len() {
        all[n] = if n < IDENTITY.len() {
            IDENTITY[n]
        } else if n < IDENTITY.len() + STATE.len() {
            STATE[n - IDENTITY.len()]
        } else {
            RESOURCE[n - IDENTITY.len() - STATE.len()]
        };
        n += 1;
    }
    all
};

/// Lists of containers in a pod's spec, in its status, and their kind.
pub const LISTS: [(&str, &str, &str); 3] = [
    ("containers", "containerStatuses", "container"),
    ("initContainers", "initContainerStatuses", "init"),
    (
        "ephemeralContainers",
        "ephemeralContainerStatuses",
        "ephemeral",
    ),
];

/// A state of a container, as the API or the runtime tells it.
#[derive(Clone, Copy, Debug, Default)]
pub struct State<'a> {
    /// waiting, created, running, terminated or unknown.
    pub state: Option<&'static str>,
    /// Why.
    pub reason: Option<&'a str>,
    /// Why, in words.
    pub message: Option<&'a str>,
    /// What its first process ended with.
    pub exit_code: Option<i64>,
    /// The signal that ended it, where it is told.
    pub signal: Option<i64>,
    /// When it was made.
    pub created: Option<Moment>,
    /// When it began.
    pub started: Option<Moment>,
    /// When it ended.
    pub finished: Option<Moment>,
    /// The container that this is the state of.
    pub id: Option<&'a str>,
}

impl<'a> State<'a> {
    /// `ContainerState` of the API: one of `waiting`, `running`, `terminated`.
    pub fn of_api(state: Json<'a>) -> Option<Self> {
        let names = ["waiting", "running", "terminated"];
        let name = names.into_iter().find(|name| state.at(name).is_there())?;
        let told = state.at(name);
        Some(Self {
            state: Some(name),
            reason: told.at("reason").text(),
            message: told.at("message").text(),
            exit_code: told.at("exitCode").int(),
            signal: told.at("signal").int().filter(|signal| *signal != 0),
            created: None,
            started: told.at("startedAt").moment(),
            finished: told.at("finishedAt").moment(),
            id: told.at("containerID").text().map(bare_id),
        })
    }

    /// `ContainerStatus` of the runtime (`k8s.io/cri-api`).
    pub fn of_runtime(status: Json<'a>) -> Self {
        let state = runtime_state(status);
        let is_over = state == Some("terminated");
        Self {
            state,
            reason: status.at("reason").text(),
            message: status.at("message").text(),
            // Zero may be left out.
            exit_code: is_over.then(|| status.at("exitCode").int().unwrap_or(0)),
            signal: None,
            created: status.at("createdAt").moment(),
            started: status.at("startedAt").moment(),
            finished: status.at("finishedAt").moment(),
            id: status.at("id").text(),
        }
    }
}

/// A state of the runtime, by name or by number.
pub fn runtime_state(container: Json<'_>) -> Option<&'static str> {
    let state = container.at("state");
    match (state.text(), state.int()) {
        (Some("CONTAINER_CREATED"), _) | (None, Some(0)) => Some("created"),
        (Some("CONTAINER_RUNNING"), _) | (None, Some(1)) => Some("running"),
        (Some("CONTAINER_EXITED"), _) | (None, Some(2)) => Some("terminated"),
        (Some(_), _) | (None, Some(_)) => Some("unknown"),
        (None, None) => None,
    }
}

/// The id without its runtime: `containerd://3dc418...`.
pub fn bare_id(id: &str) -> &str {
    id.split_once("://").map_or(id, |(_, id)| id)
}

/// A probe in one line.
pub fn probe(probe: Json<'_>) -> Option<String> {
    let http = probe.at("httpGet");
    let port = |of: Json<'_>| {
        let port = of.at("port");
        port.text()
            .map(str::to_owned)
            .or_else(|| port.int().map(|port| port.to_string()))
            .unwrap_or_default()
    };
    let how = if http.is_there() {
        let path = http.at("path").text().unwrap_or("/");
        format!("http :{}{path}", port(http))
    } else if probe.at("tcpSocket").is_there() {
        format!("tcp :{}", port(probe.at("tcpSocket")))
    } else if probe.at("grpc").is_there() {
        format!("grpc :{}", port(probe.at("grpc")))
    } else if probe.at("exec").is_there() {
        let command = probe.at("exec").at("command");
        let words: Vec<&str> = command.list().filter_map(Json::text).collect();
        format!("exec {}", words.join(" "))
    } else {
        return None;
    };
    let number = |field: &str, default: i64| probe.at(field).int().unwrap_or(default);
    Some(format!(
        "{how} delay={}s timeout={}s period={}s failures={}",
        number("initialDelaySeconds", 0),
        number("timeoutSeconds", 1),
        number("periodSeconds", 10),
        number("failureThreshold", 3)
    ))
}
