//! Which pod each container belongs to, told by files: the names are known with runtime, kubelet and
//! API server all dead.
//!
//! Names of pods stand in folders of logs, names of containers in kubelet's folders, and whatever a
//! container was started with in its runtime's own. Volumes of pods are never looked at: they may be
//! mounts that do not answer.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::root::Name;
use crate::source::{Ask, Cx, Estimate, Hazard, Privacy, Source};

/// Names in one folder: more than any node has pods or containers.
const NAMES: usize = 20_000;
/// A longer description is none: it holds arguments, variables, mounts.
const DESCRIPTION: usize = 256 << 10;
/// What runc had to say last.
const LOG: usize = 16 << 10;
/// Containers that are asked for at once.
const AT_ONCE: usize = 32;

/// Folders with one folder per container, and what is read there.
const RUNTIMES: [(&str, &[(&str, Ask)]); 4] = [
    ("/run/containerd/io.containerd.runtime.v2.task/k8s.io", TASK),
    (
        "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io",
        TASK,
    ),
    (
        "/run/containers/storage/overlay-containers",
        &[
            ("userdata/config.json", Ask::Read(DESCRIPTION)),
            ("userdata/pidfile", Ask::Read(64)),
        ],
    ),
    (
        "/var/lib/docker/containers",
        &[("config.v2.json", Ask::Read(DESCRIPTION))],
    ),
];
const TASK: &[(&str, Ask)] = &[
    ("config.json", Ask::Read(DESCRIPTION)),
    ("init.pid", Ask::Read(64)),
    ("log.json", Ask::Tail(LOG)),
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "container_identity",
    order: 114,
    about: "which pod each container belongs to, from files alone",
    reads: &[
        "/var/log/pods/, /var/log/containers/ (names and targets)",
        "/var/lib/kubelet/pods/, /var/lib/kubelet/pods/*/containers/ (names; never volumes)",
        "/run/{,k3s/}containerd/io.containerd.runtime.v2.task/k8s.io/*/{config.json,init.pid,log.json}",
        "/run/containers/storage/overlay-containers/*/userdata/{config.json,pidfile}",
        "/var/lib/docker/containers/*/config.v2.json",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(8),
    max_bytes: 64 << 20,
    estimate: Estimate::Fixed(200),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for folder in ["/var/log/pods", "/var/log/containers", PODS] {
        cx.try_listing(folder, NAMES);
    }
    for (folder, files) in RUNTIMES {
        containers(cx, folder, files);
    }
    let names = cx.list(PODS);
    for pod in folders(&names) {
        cx.try_listing(format!("{PODS}/{pod}/containers"), NAMES);
        if cx.is_spent() {
            break;
        }
    }
    Ok(())
}

const PODS: &str = "/var/lib/kubelet/pods";

fn containers(cx: &mut Cx<'_>, folder: &str, files: &[(&str, Ask)]) {
    let names = cx.list(folder);
    let ids: Vec<&str> = folders(&names).collect();
    for group in ids.chunks(AT_ONCE) {
        let items = group.iter().flat_map(|id| {
            let item = move |(file, ask): &(&str, Ask)| (format!("{id}/{file}"), *ask);
            files.iter().map(item)
        });
        let items: Vec<_> = items.collect();
        cx.try_each(folder, &items, &mut |_, _| {});
    }
}

fn folders(names: &[Name]) -> impl Iterator<Item = &str> {
    let folders = names.iter().filter(|name| name.is_folder);
    folders.filter_map(Name::text)
}
