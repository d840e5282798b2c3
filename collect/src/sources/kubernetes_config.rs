//! What kubelet was told to do, what it has promised, and the pods that it runs by itself.
//!
//! Kubeconfigs are read for their addresses and names: their tokens and keys are taken out. Files
//! whose names tell of keys are not read at all.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::files;
use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

const KUBELET: &str = "/var/lib/kubelet";
/// Files below it: its configuration, and what it remembers of CPUs, memory and devices given away.
const OF_KUBELET: [&str; 15] = [
    "config.yaml",
    "config.json",
    "instance-config.yaml",
    "kubeadm-flags.env",
    "kubeconfig",
    "cpu_manager_state",
    "memory_manager_state",
    "dra_manager_state",
    "pod_status_manager_state",
    "allocated_pods_state",
    "actuated_pods_state",
    "graceful_node_shutdown_state",
    "device-plugins/kubelet_internal_checkpoint",
    "config/kubelet",
    "static-pods-path",
];
/// Sockets of drivers and device plug-ins.
const PLUGINS: [&str; 3] = ["plugins", "plugins_registry", "device-plugins"];
/// Files elsewhere.
const FILES: [&str; 9] = [
    "/etc/default/kubelet",
    "/etc/sysconfig/kubelet",
    "/etc/rancher/k3s/config.yaml",
    "/etc/rancher/rke2/config.yaml",
    "/etc/rancher/k3s/kubelet.config",
    "/var/lib/rancher/k3s/agent/kubelet.kubeconfig",
    "/var/lib/rancher/rke2/agent/kubelet.kubeconfig",
    "/etc/k0s/k0s.yaml",
    "/etc/eks/eni-max-pods.txt",
];
/// Folders, and how many levels of folders below them.
const FOLDERS: [(&str, u32); 9] = [
    ("/etc/kubernetes", 2),
    ("/etc/rancher/k3s/config.yaml.d", 0),
    ("/etc/rancher/rke2/config.yaml.d", 0),
    ("/var/lib/rancher/k3s/agent/pod-manifests", 0),
    ("/var/lib/rancher/rke2/agent/pod-manifests", 0),
    ("/var/lib/rancher/k3s/agent/etc/kubelet.conf.d", 0),
    ("/var/lib/rancher/rke2/agent/etc/kubelet.conf.d", 0),
    ("/var/lib/k0s/kubelet-config", 0),
    ("/var/snap/microk8s/current/args", 1),
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "kubernetes_config",
    order: 314,
    about: "configuration, flags and checkpoints of kubelet, static pods, kubeconfigs without their keys",
    reads: &[
        "/var/lib/kubelet/{config.yaml,kubeadm-flags.env,cpu_manager_state,memory_manager_state,...}",
        "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
        "/var/lib/kubelet/{plugins,plugins_registry,device-plugins}/ (names)",
        "/etc/kubernetes/** but pki and what is named after keys, the folder of static pods",
        "/etc/{default,sysconfig}/kubelet, the same of k3s, rke2, k0s, microk8s",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(5),
    max_bytes: 16 << 20,
    estimate: Estimate::Fixed(40),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let mut manifests = None;
    let items: Vec<_> = OF_KUBELET.map(|file| (file, crate::source::FILE)).into();
    cx.try_each(KUBELET, &items, &mut |name, bytes| {
        if name.starts_with("config.") {
            manifests = static_pods(&String::from_utf8_lossy(bytes)).or(manifests.take());
        }
    });
    for folder in PLUGINS {
        cx.try_listing(format!("{KUBELET}/{folder}"), 1000);
    }
    for file in FILES {
        cx.try_read(file);
    }
    for (folder, depth) in FOLDERS {
        files::read(cx, folder, depth);
    }
    // Its files below a folder that was read already are in the bundle once.
    if let Some(folder) = manifests.filter(|folder| !folder.starts_with("/etc/kubernetes/")) {
        files::read(cx, &folder, 0);
    }
    Ok(())
}

/// The folder of static pods in kubelet's configuration, YAML or JSON.
fn static_pods(config: &str) -> Option<String> {
    let path = config.lines().find_map(|line| {
        let line = line.trim().trim_start_matches('"');
        let rest = line.strip_prefix("staticPodPath")?;
        let value = rest
            .trim_start_matches('"')
            .trim_start()
            .strip_prefix(':')?;
        Some(value.trim().trim_end_matches(',').trim_matches(['"', '\'']))
    })?;
    let path = path.trim_end_matches('/');
    let is_folder = path.starts_with('/') && !path.contains(char::is_control);
    is_folder.then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_static_pods_is_found() {
        let of = |text| static_pods(text).unwrap_or_default();
        assert_eq!(
            of("a: b\nstaticPodPath: /etc/kubelet.d/\n"),
            "/etc/kubelet.d"
        );
        assert_eq!(of("{\n \"staticPodPath\": \"/x/y\",\n}"), "/x/y");
        assert_eq!(of("staticPodPath: \"\"\n"), "");
        assert_eq!(of("staticPodPath: ../x\n"), "");
        assert_eq!(of("staticPodPath: /\n"), "");
    }
}
