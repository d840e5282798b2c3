//! What containers may use and what they use: requests and limits of kubelet or the runtime, use as
//! kubelet's summary, the runtime or at last the cgroup tells it.

use std::collections::HashMap;

use crate::kubernetes::{containers, merge};
use crate::table::{Cell, Column, Derived, Node, Rows, Store, float};

const COUNT: usize = containers::IDENTITY.len() + containers::RESOURCE.len() + 2;

const COLUMNS: [Column; COUNT] = {
    let mut all = [float("cpu_limit_used_ratio", "cpu_usage_cores / cpu_limit_cores"); COUNT];
    let mut n = 0;
    while n < containers::IDENTITY.len() {
        all[n] = containers::IDENTITY[n];
        n += 1;
    }
    all[n] = float(
        "memory_limit_used_ratio",
        "working_set_bytes / memory_limit_bytes",
    );
    n += 2;
    while n < COUNT {
        all[n] = containers::RESOURCE[n - containers::IDENTITY.len() - 2];
        n += 1;
    }
    all
};

/// The table.
pub static TABLE: Derived = Derived {
    name: "container_resource",
    about: "what the current containers may use and what they use",
    columns: &COLUMNS,
    needs: &["container_seen", "sandbox", "process", "cgroup"],
    rank: 0,
    build,
};

/// Columns of table `cgroup` that stand in where nobody else tells.
const FROM_GROUP: [(&str, &str); 8] = [
    ("cpu_limit_cores", "cpu_limit_cores"),
    ("memory_limit_bytes", "memory_limit_bytes"),
    ("cpu_usage_cores", "cpu_usage_ratio"),
    ("cpu_usage_us", "cpu_usage_us"),
    ("memory_bytes", "memory_bytes"),
    ("working_set_bytes", "working_set_bytes"),
    ("resident_bytes", "anon_bytes"),
    ("swap_bytes", "swap_bytes"),
];

fn build(store: &Store, _: &Node, rows: &mut Rows) {
    let Some(seen) = store.get("container_seen") else {
        return;
    };
    let groups = store.get("cgroup");
    let group_of = groups.map(by_container).unwrap_or_default();
    for container in merge::containers(store) {
        if container.is_current == Some(false) {
            continue;
        }
        merge::add(seen, &container.places, rows);
        let row = rows.len().saturating_sub(1);
        let group = rows.text(row, "id").and_then(|id| group_of.get(id));
        if let Some((groups, group)) = groups.zip(group) {
            for (column, from) in FROM_GROUP {
                rows.fill(row, column, groups.get(*group, from));
            }
        }
        for (column, used, limit) in [
            ("cpu_limit_used_ratio", "cpu_usage_cores", "cpu_limit_cores"),
            (
                "memory_limit_used_ratio",
                "working_set_bytes",
                "memory_limit_bytes",
            ),
        ] {
            let limit = rows.float(row, limit).filter(|limit| *limit > 0.0);
            if let Some((used, limit)) = rows.float(row, used).zip(limit) {
                rows.fill(row, column, Cell::from(used / limit));
            }
        }
    }
}

/// Rows of groups that are containers themselves, by the container's id.
fn by_container(groups: &Rows) -> HashMap<&str, usize> {
    let is_container = |row: &usize| groups.text(*row, "kind") == Some("container");
    (0..groups.len())
        .filter(is_container)
        .filter_map(|row| Some((groups.text(row, "container_id")?, row)))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, derive};

    #[test]
    fn what_is_used_of_the_limit_with_kubelet_and_without() {
        let uid = "28fcb1a0-a45c-44e7-b9bf-e3b9360bedba";
        let (one, two) = ("a".repeat(64), "b".repeat(64));
        let kubelet = format!(
            r#"{{"items":[{{"metadata":{{"name":"web-0","uid":"{uid}"}},"spec":{{"containers":[{{"name":"app","resources":{{"limits":{{"cpu":"500m","memory":"64Mi"}},"requests":{{"cpu":"50m"}}}}}}]}},"status":{{"containerStatuses":[{{"name":"app","containerID":"containerd://{one}","restartCount":0,"state":{{"running":{{}}}}}}]}}}}]}}"#
        );
        let summary = format!(
            r#"{{"pods":[{{"podRef":{{"name":"web-0","uid":"{uid}"}},"containers":[{{"name":"app","cpu":{{"usageNanoCores":250000000}},"memory":{{"workingSetBytes":33554432}}}}]}}]}}"#
        );
        let group = format!("root/sys/fs/cgroup/kubepods/pod{uid}/{two}");
        let rows = derive(
            "container_resource",
            &[
                ("api/kubelet/pods", kubelet.as_bytes()),
                ("api/kubelet/stats/summary", summary.as_bytes()),
                (&format!("{group}/cgroup.procs"), b"7\n"),
                (&format!("{group}/memory.current"), b"1000\n"),
                (&format!("{group}/memory.max"), b"2000\n"),
                (&format!("{group}/memory.stat"), b"inactive_file 500\n"),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "name",
                    "cpu_request_cores",
                    "cpu_limit_used_ratio",
                    "memory_limit_used_ratio",
                    "sources"
                ]
            ),
            "app,0.0500,0.5000,0.5000,kubelet,stats_summary\n,,,0.2500,cgroup\n"
        );
    }
}
