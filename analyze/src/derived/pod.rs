//! Pods, put together from all that tell of them.

use std::collections::BTreeMap;

use crate::kubernetes::{merge, pods};
use crate::table::{Derived, Node, Rows, Store};

/// The table.
pub static TABLE: Derived = Derived {
    name: "pod",
    about: "pods of this node, put together from all that tell of them (`pod_seen`)",
    columns: &pods::COLUMNS,
    needs: &["pod_seen"],
    rank: 0,
    build,
};

fn build(store: &Store, _: &Node, rows: &mut Rows) {
    let Some(seen) = store.get("pod_seen") else {
        return;
    };
    let mut by_uid: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut by_name: BTreeMap<(Option<&str>, &str), Vec<usize>> = BTreeMap::new();
    for row in 0..seen.len() {
        if let Some(uid) = seen.text(row, "uid") {
            by_uid.entry(uid).or_default().push(row);
        } else if let Some(name) = seen.text(row, "name") {
            let key = (seen.text(row, "namespace"), name);
            by_name.entry(key).or_default().push(row);
        }
    }
    for places in by_uid.values().chain(by_name.values()) {
        merge::add(seen, places, rows);
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, derive};

    #[test]
    fn a_mirror_and_its_cgroup_are_one_pod() {
        let hash = "208baeb1a6373df3c3e7772ba51175d4";
        let mirror = format!(
            r#"{{"items":[{{"metadata":{{"name":"etcd-n1","namespace":"kube-system","uid":"28fcb1a0-a45c-44e7-b9bf-e3b9360bedba","annotations":{{"kubernetes.io/config.mirror":"{hash}"}}}},"spec":{{"nodeName":"n1","hostNetwork":true}},"status":{{"phase":"Running"}}}}]}}"#
        );
        let rows = derive(
            "pod",
            &[
                (
                    "api/apiserver/api/v1/pods?fieldSelector=spec.nodeName=n1",
                    mirror.as_bytes(),
                ),
                (
                    &format!(
                        "root/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{hash}.slice/cgroup.procs"
                    ),
                    b"",
                ),
                (
                    "root/var/log/pods",
                    b"default_gone-0_28fcb1a0-a45c-44e7-b9bf-e3b9360bedbb\n",
                ),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "uid",
                    "api_uid",
                    "name",
                    "static",
                    "phase",
                    "qos",
                    "host_network",
                    "sources"
                ]
            ),
            format!(
                "{hash},28fcb1a0-a45c-44e7-b9bf-e3b9360bedba,etcd-n1,true,Running,burstable,true,api_server,cgroup\n28fcb1a0-a45c-44e7-b9bf-e3b9360bedbb,,gone-0,,,,,log_files\n"
            )
        );
    }
}
