//! States of containers as kubelet, the API server and the runtime tell them, each for itself: what
//! a container does now, and how the one before it ended.
//!
//! ```text
//! api/kubelet/pods   "state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":137,..
//! cri/container_status/<id>.json   {"status":{"state":"CONTAINER_EXITED","exitCode":137,"reason":"OOMKilled",..
//! ```

use crate::kubernetes::containers::{LISTS, State, bare_id};
use crate::kubernetes::json::{self, Json};
use crate::kubernetes::moment;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

const COLUMNS: [crate::table::Column; 20] = [
    text("container_id", "null: it was not made yet"),
    text("name", ""),
    text("pod_uid", ""),
    text("namespace", ""),
    text("pod", "its name"),
    text("source", "kubelet, api_server or runtime"),
    text(
        "which",
        "`current`, or `last`: that of the container before it",
    ),
    text("state", "waiting, created, running, terminated or unknown"),
    text("reason", "CrashLoopBackOff, OOMKilled, Error ..."),
    text("message", ""),
    int("exit_code", ""),
    int("signal", "that ended it: told, or exit code - 128"),
    int(
        "attempt",
        "restarts of it as kubelet counts, or the runtime",
    ),
    text("started_at", ""),
    int("started_ts_us", "since boot"),
    int("started_age_us", "before the capture began"),
    text("finished_at", ""),
    int("finished_ts_us", "since boot"),
    int("finished_age_us", "before the capture began"),
    int("ran_us", "from its beginning to its end"),
];

/// The table.
pub static TABLE: Table = Table {
    name: "container_state",
    about: "states of containers as each source tells them: now, and before the last restart",
    columns: &COLUMNS,
    reads: &[
        "api/kubelet/pods",
        "api/apiserver/api/v1/pods*",
        "cri/container_status/*.json",
    ],
    decoder: || {
        Box::new(States {
            rows: Rows::new(&COLUMNS),
        })
    },
};

struct States {
    rows: Rows,
}

/// Whose state it is.
#[derive(Clone, Copy)]
struct Whose<'a> {
    source: &'static str,
    which: &'static str,
    name: Option<&'a str>,
    uid: Option<&'a str>,
    namespace: Option<&'a str>,
    pod: Option<&'a str>,
    attempt: Option<i64>,
}

impl Decode for States {
    fn entry(&mut self, input: &Input<'_>, node: &Node, damages: &mut Damages) {
        let Some(answer) = json::parse(input, damages) else {
            return;
        };
        let answer = Json::new(&answer);
        if input.path.starts_with("cri/") {
            let status = answer.at("status");
            let labels = status.at("labels");
            let whose = Whose {
                source: "runtime",
                which: "current",
                name: labels.at("io.kubernetes.container.name").text(),
                uid: labels.at("io.kubernetes.pod.uid").text(),
                namespace: labels.at("io.kubernetes.pod.namespace").text(),
                pod: labels.at("io.kubernetes.pod.name").text(),
                attempt: status.at("metadata").at("attempt").int(),
            };
            self.add(input, &whose, &State::of_runtime(status), node);
            return;
        }
        let source = if input.path.starts_with("api/apiserver") {
            "api_server"
        } else {
            "kubelet"
        };
        for pod in answer.at("items").list() {
            self.pod(input, source, pod, node);
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        *rows = self.rows;
    }
}

impl States {
    fn pod(&mut self, input: &Input<'_>, source: &'static str, pod: Json<'_>, node: &Node) {
        let metadata = pod.at("metadata");
        let mirrored = metadata.at("annotations").at("kubernetes.io/config.mirror");
        for (_, statuses, _) in LISTS {
            for status in pod.at("status").at(statuses).list() {
                let restarts = status.at("restartCount").int();
                for (which, field) in [("current", "state"), ("last", "lastState")] {
                    let Some(mut state) = State::of_api(status.at(field)) else {
                        continue;
                    };
                    let id = status.at("containerID").text().map(bare_id);
                    let is_current = which == "current";
                    state.id = state.id.or(id.filter(|_| is_current));
                    let whose = Whose {
                        source,
                        which,
                        name: status.at("name").text(),
                        uid: mirrored.text().or(metadata.at("uid").text()),
                        namespace: metadata.at("namespace").text(),
                        pod: metadata.at("name").text(),
                        attempt: restarts.filter(|_| is_current),
                    };
                    self.add(input, &whose, &state, node);
                }
            }
        }
    }

    fn add(&mut self, input: &Input<'_>, whose: &Whose<'_>, state: &State<'_>, node: &Node) {
        let ran_us = state
            .started
            .zip(state.finished)
            .and_then(|(from, to)| to.realtime_us.checked_sub(from.realtime_us))
            .filter(|us| *us >= 0);
        let by_code = |code: i64| (129..=192).contains(&code).then(|| code - 128);
        let mut row = self.rows.add(input.entry, None);
        row.set("container_id", state.id)
            .set("name", whose.name)
            .set("pod_uid", whose.uid)
            .set("namespace", whose.namespace)
            .set("pod", whose.pod)
            .set("source", whose.source)
            .set("which", whose.which)
            .set("state", state.state)
            .set("reason", state.reason)
            .set("message", state.message)
            .set("exit_code", state.exit_code)
            .set("signal", state.signal.or(state.exit_code.and_then(by_code)))
            .set("attempt", whose.attempt)
            .set("ran_us", ran_us);
        moment::set(&mut row, "started", state.started, node);
        moment::set(&mut row, "finished", state.finished, node);
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn kubelet_says_error_and_the_runtime_oom() {
        let kubelet = br#"{"items":[{"metadata":{"name":"p","uid":"u"},"status":{"containerStatuses":[{"name":"c","containerID":"containerd://b","restartCount":3,"state":{"running":{"startedAt":"2023-11-14T22:13:20Z"}},"lastState":{"terminated":{"exitCode":137,"reason":"Error","startedAt":"2023-11-14T22:13:00Z","finishedAt":"2023-11-14T22:13:10Z","containerID":"containerd://a"}}}]}}]}"#;
        let runtime = br#"{"status":{"id":"a","metadata":{"name":"c","attempt":2},"state":"CONTAINER_EXITED","exitCode":137,"reason":"OOMKilled","finishedAt":"1700000000000000000","labels":{"io.kubernetes.container.name":"c"}}}"#;
        let (rows, _) = run(
            "container_state",
            &[
                ("api/kubelet/pods", kubelet),
                ("cri/container_status/a.json", runtime),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "container_id",
                    "source",
                    "which",
                    "state",
                    "reason",
                    "exit_code",
                    "signal",
                    "attempt",
                    "finished_age_us",
                    "ran_us"
                ]
            ),
            "b,kubelet,current,running,,,,3,,\na,kubelet,last,terminated,Error,137,9,,10000000,10000000\na,runtime,current,terminated,OOMKilled,137,9,2,0,\n"
        );
    }
}
