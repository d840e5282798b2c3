//! How container runtimes and the network of pods were set up.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::files;
use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// Files that a runtime reads.
const FILES: [&str; 9] = [
    "/etc/crictl.yaml",
    "/etc/docker/daemon.json",
    "/etc/containers/registries.conf",
    "/etc/containers/storage.conf",
    "/etc/containers/containers.conf",
    "/etc/nvidia-container-runtime/config.toml",
    "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
    "/var/snap/microk8s/current/args/containerd.toml",
];
/// Folders, and how many levels of folders below them: registries have one each.
const FOLDERS: [(&str, u32); 5] = [
    ("/etc/containerd", 2),
    ("/etc/crio", 1),
    ("/etc/cni/net.d", 0),
    ("/var/lib/rancher/k3s/agent/etc/cni/net.d", 0),
    ("/etc/nvidia-container-runtime", 0),
];
/// Programs of the network: what a configuration names has to be there.
const PROGRAMS: [&str; 2] = ["/opt/cni/bin", "/usr/lib/cni"];
/// Addresses that were given out, one folder per network.
const ADDRESSES: &str = "/var/lib/cni/networks";

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "runtime_config",
    order: 316,
    about: "configuration of containerd, CRI-O, docker and CNI, addresses given to pods",
    reads: &[
        "/etc/{containerd,crio,cni/net.d}/**, /etc/containers/*.conf, /etc/docker/daemon.json, /etc/crictl.yaml",
        "/{opt/cni/bin,usr/lib/cni}/ (names), /var/lib/cni/networks/*/ (names)",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(5),
    max_bytes: 8 << 20,
    estimate: Estimate::Fixed(20),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for file in FILES {
        cx.try_read(file);
    }
    for (folder, depth) in FOLDERS {
        files::read(cx, folder, depth);
    }
    for folder in PROGRAMS {
        cx.try_listing(folder, 1000);
    }
    for network in cx.list(ADDRESSES) {
        if let Some(name) = network.text().filter(|_| network.is_folder) {
            cx.try_listing(format!("{ADDRESSES}/{name}"), 70_000);
        }
    }
    Ok(())
}
