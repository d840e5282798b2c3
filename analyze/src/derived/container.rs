//! Containers, put together from all that tell of them; sandboxes are in a table of their own.

use std::collections::HashMap;

use crate::kubernetes::merge::ABOUT_SOURCES;
use crate::kubernetes::{containers, merge};
use crate::table::{Column, Derived, Node, Rows, Store, bool, text};

const COUNT: usize = containers::IDENTITY.len() + containers::STATE.len() + 2;

const COLUMNS: [Column; COUNT] = {
    let mut all = [text("sources", ABOUT_SOURCES); COUNT];
    let mut n = 0;
    while n < containers::IDENTITY.len() {
        all[n] = containers::IDENTITY[n];
        n += 1;
    }
    all[n] = bool(
        "current",
        "the newest of its pod and name; the others have ended",
    );
    n += 1;
    while n < COUNT - 1 {
        all[n] = containers::STATE[n - containers::IDENTITY.len() - 1];
        n += 1;
    }
    all
};

/// The table.
pub static TABLE: Derived = Derived {
    name: "container",
    about: "containers of this node, ended ones too, put together from all that tell of them (`container_seen`)",
    columns: &COLUMNS,
    needs: &["container_seen", "sandbox", "process"],
    rank: 0,
    build,
};

/// What the last one that ended tells the current one, where kubelet does not.
const LAST: [(&str, &str); 4] = [
    ("last_exit_code", "exit_code"),
    ("last_exit_reason", "exit_reason"),
    ("last_finished_ts_us", "finished_ts_us"),
    ("last_finished_age_us", "finished_age_us"),
];

fn build(store: &Store, _: &Node, rows: &mut Rows) {
    let Some(seen) = store.get("container_seen") else {
        return;
    };
    let mut ended = HashMap::new();
    let mut current = Vec::new();
    for container in merge::containers(store) {
        merge::add(seen, &container.places, rows);
        let row = rows.len().saturating_sub(1);
        rows.fill(row, "current", container.is_current.into());
        let Some(slot) = container.slot(seen) else {
            continue;
        };
        if let Some(finished) = rows.int(row, "finished_ts_us") {
            let newest = ended.entry(slot).or_insert((finished, row));
            *newest = (*newest).max((finished, row));
        }
        if container.is_current == Some(true) {
            current.push((slot, row));
        }
    }
    for (slot, row) in current {
        if let Some((_, last)) = ended.get(&slot) {
            for (column, from) in LAST {
                let cell = rows.get(*last, from);
                rows.fill(row, column, cell);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, derive};

    const UID: &str = "28fcb1a0-a45c-44e7-b9bf-e3b9360bedba";

    fn id(digit: char) -> String {
        String::from(digit).repeat(64)
    }

    #[test]
    fn kubelet_runtime_logs_and_cgroup_tell_of_one_container() {
        let (now, before) = (id('a'), id('b'));
        let kubelet = format!(
            r#"{{"items":[{{"metadata":{{"name":"web-0","namespace":"default","uid":"{UID}"}},"spec":{{"containers":[{{"name":"app","image":"app:1"}},{{"name":"new","image":"new:1"}}]}},"status":{{"containerStatuses":[{{"name":"app","containerID":"containerd://{now}","restartCount":2,"ready":false,"state":{{"waiting":{{"reason":"CrashLoopBackOff","message":"back-off 10s"}}}},"lastState":{{"terminated":{{"exitCode":137,"reason":"Error","containerID":"containerd://{now}","finishedAt":"2023-11-14T22:13:10Z"}}}}}},{{"name":"new","state":{{"waiting":{{"reason":"ContainerCreating"}}}}}}]}}}}]}}"#
        );
        let runtime = format!(
            r#"{{"containers":[{{"id":"{before}","podSandboxId":"s","metadata":{{"name":"app","attempt":1}},"state":"CONTAINER_EXITED","labels":{{"io.kubernetes.pod.uid":"{UID}","io.kubernetes.container.name":"app"}}}}]}}"#
        );
        let status = format!(
            r#"{{"status":{{"id":"{now}","metadata":{{"name":"app","attempt":2}},"state":"CONTAINER_EXITED","exitCode":137,"reason":"OOMKilled"}},"info":{{"pid":0}}}}"#
        );
        let summary = format!(
            r#"{{"pods":[{{"podRef":{{"name":"web-0","namespace":"default","uid":"{UID}"}},"containers":[{{"name":"app","cpu":{{"usageNanoCores":5}}}}]}}]}}"#
        );
        let rows = derive(
            "container",
            &[
                ("api/kubelet/pods", kubelet.as_bytes()),
                ("api/kubelet/stats/summary", summary.as_bytes()),
                ("cri/containers.json", runtime.as_bytes()),
                (
                    &format!("cri/container_status/{now}.json"),
                    status.as_bytes(),
                ),
                (
                    "root/proc/7/cgroup",
                    format!("0::/kubepods/pod{UID}/{}\n", id('c')).as_bytes(),
                ),
            ],
        );
        let columns = [
            "name",
            "current",
            "attempt",
            "state",
            "reason",
            "exit_code",
            "exit_reason",
            "restarts_count",
            "finished_age_us",
            "last_exit_code",
            "sources",
        ];
        let mut lines: Vec<String> = csv(&rows, &columns).lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                ",,,,,,,,,,cgroup",
                "app,false,1,terminated,,,,,,,runtime",
                "app,true,2,waiting,CrashLoopBackOff,137,Error,2,10000000,137,kubelet,runtime,stats_summary",
                "new,true,,waiting,ContainerCreating,,,,,,kubelet",
            ]
        );
    }
}
