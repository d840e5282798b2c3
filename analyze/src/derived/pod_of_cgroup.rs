//! Which pod and container a cgroup is of, with their names, whichever source knows them: the way
//! from a process, a group or a sample of the CPU to a pod.

use std::collections::BTreeMap;

use crate::table::identity::identify;
use crate::table::{Derived, Node, Rows, Store, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "pod_of_cgroup",
    about: "pod and container of each cgroup that belongs to one",
    columns: &[
        text("cgroup", "path of the group"),
        text(
            "kind",
            "pod, container, sandbox, or inner: made by what runs in a container",
        ),
        text("pod_uid", ""),
        text("namespace", ""),
        text("pod", "its name"),
        text("container_id", ""),
        text("container", "its name; `POD` of a sandbox"),
        text("qos", "guaranteed, burstable or besteffort"),
        text(
            "runtime",
            "containerd, crio or docker, where the path tells it",
        ),
        int("processes_count", "processes of table `process` in it"),
    ],
    needs: &["cgroup", "process", "pod", "container", "sandbox"],
    rank: 1,
    build,
};

fn build(store: &Store, _: &Node, rows: &mut Rows) {
    // Path: where it was seen, its processes.
    let mut paths: BTreeMap<&str, (&str, i64)> = BTreeMap::new();
    for (table, column) in [("cgroup", "path"), ("process", "cgroup")] {
        let Some(seen) = store.get(table) else {
            continue;
        };
        for row in 0..seen.len() {
            let Some(path) = seen.text(row, column) else {
                continue;
            };
            let entry = seen.text(row, "entry").unwrap_or_default();
            let (_, processes) = paths.entry(path).or_insert((entry, 0));
            *processes += i64::from(table == "process");
        }
    }
    let is_sandbox = crate::kubernetes::merge::sandboxes(store);
    for (path, (entry, processes)) in paths {
        let identity = identify(path);
        if identity.pod_uid.is_none() && identity.container_id.is_none() {
            continue;
        }
        let id = identity.container_id;
        let kind = match identity.kind {
            "container" if id.as_deref().is_some_and(|id| is_sandbox.contains(id)) => "sandbox",
            "container" => "container",
            "pod" => "pod",
            _ => "inner",
        };
        rows.add(entry, None)
            .set("cgroup", path)
            .set("kind", kind)
            .set("pod_uid", identity.pod_uid)
            .set("container_id", id)
            .set("qos", identity.qos)
            .set("runtime", identity.runtime)
            .set("processes_count", processes);
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, derive};

    const UID: &str = "28fcb1a0-a45c-44e7-b9bf-e3b9360bedba";

    /// Both drivers name the same three groups: pod, sandbox, container.
    #[test]
    fn both_drivers_and_every_class() {
        let (pause, app) = ("a".repeat(64), "b".repeat(64));
        let flat = UID.replace('-', "_");
        for (class, systemd, plain) in [
            ("guaranteed", "kubepods.slice/kubepods-pod", "kubepods/pod"),
            (
                "burstable",
                "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod",
                "kubepods/burstable/pod",
            ),
            (
                "besteffort",
                "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod",
                "kubepods/besteffort/pod",
            ),
        ] {
            let systemd = |id: &str| format!("/{systemd}{flat}.slice/cri-containerd-{id}.scope");
            let plain = |id: &str| format!("/{plain}{UID}/{id}");
            let drivers: [&dyn Fn(&str) -> String; 2] = [&systemd, &plain];
            for group in drivers {
                let links = format!(
                    "web-0_default_app-{app}.log\t/var/log/pods/default_web-0_{UID}/app/0.log\n"
                );
                let stat = |pid: u32, comm: &str| {
                    format!("{pid} ({comm}) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 100 0 0\n")
                };
                let inner = format!("{}/init.scope", group(&app));
                let groups = [group(&pause), group(&app), inner];
                let mut entries = vec![("root/var/log/containers".to_owned(), links)];
                for (pid, (comm, group)) in
                    ["pause", "java", "systemd"].iter().zip(&groups).enumerate()
                {
                    entries.push((format!("root/proc/{pid}/stat"), stat(pid as u32, comm)));
                    entries.push((format!("root/proc/{pid}/cgroup"), format!("0::{group}\n")));
                }
                let entries: Vec<(&str, &[u8])> = entries
                    .iter()
                    .map(|(path, text)| (path.as_str(), text.as_bytes()))
                    .collect();
                let columns = [
                    "kind",
                    "pod_uid",
                    "namespace",
                    "pod",
                    "container",
                    "qos",
                    "processes_count",
                ];
                assert_eq!(
                    csv(&derive("pod_of_cgroup", &entries), &columns),
                    format!(
                        "sandbox,{UID},default,web-0,POD,{class},1\ncontainer,{UID},default,web-0,app,{class},1\ninner,{UID},default,web-0,app,{class},1\n"
                    )
                );
            }
        }
    }
}
