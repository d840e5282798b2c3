//! Units of systemd, from their files; which of them run shows in the cgroups.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Ask, Cx, Estimate, Hazard, Privacy, Source};

/// A longer unit file is not one.
const LIMIT: usize = 64 << 10;
/// What a Kubernetes node depends on.
const PARTS: [&str; 14] = [
    "kubelet",
    "containerd",
    "docker",
    "cri-docker",
    "crio",
    "k3s",
    "rke2",
    "k0s",
    "kube",
    "etcd",
    "chrony",
    "systemd-timesyncd",
    "node-problem-detector",
    "system.slice",
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "systemd_unit",
    order: 320,
    about: "unit files and drop-ins of kubelet, runtimes and the node's own units",
    reads: &[
        "/etc/systemd/{system,system.conf.d}/**",
        "/run/systemd/system/**",
        "/{usr/,}lib/systemd/system/{kubelet,containerd,docker,crio,...}.service*",
        "/run/systemd/units/ (names)",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(5),
    max_bytes: 8 << 20,
    estimate: Estimate::Fixed(60),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    cx.try_listing("/run/systemd/units", 10_000);
    cx.try_read("/etc/systemd/system.conf");
    cx.try_read("/etc/systemd/journald.conf");
    for folder in ["/etc/systemd/system", "/run/systemd/system"] {
        units(cx, folder, &|_| true);
    }
    let is_merged = is_link(cx, "/lib");
    for folder in ["/usr/lib/systemd/system", "/lib/systemd/system"] {
        if !is_merged || folder.starts_with("/usr") {
            units(cx, folder, &|name| {
                PARTS.iter().any(|part| name.starts_with(part))
            });
        }
    }
    Ok(())
}

/// Reads the units of a folder and the drop-ins one level below.
fn units(cx: &mut Cx<'_>, folder: &str, wanted: &dyn Fn(&str) -> bool) {
    for name in cx.list(folder) {
        let Some(text) = name.text().filter(|text| wanted(text)) else {
            continue;
        };
        let path = format!("{folder}/{text}");
        if name.is_folder && text.strip_suffix(".d").is_some() {
            for drop_in in cx.list(&path) {
                if let Some(drop_in) = drop_in.text() {
                    cx.read_up_to(format!("{path}/{drop_in}"), LIMIT);
                }
            }
        } else if name.is_folder {
            // Links of `systemctl enable`.
            cx.read_listing(&path, 1000);
        } else if name.is_link {
            cx.read_link(&path);
        } else {
            cx.read_up_to(&path, LIMIT);
        }
    }
}

fn is_link(cx: &mut Cx<'_>, path: &str) -> bool {
    let mut found = false;
    let path = [path.as_bytes().to_vec()];
    cx.peek_each("", &path, Ask::Link, &mut |_, _| found = true);
    found
}
