//! Answers of a real node as the members that they are in a bundle.

use std::path::{Path, PathBuf};

use freezeframe_analyze::table::Loaded;
use serde_json::Value;

pub(crate) type Entries = Vec<(String, Vec<u8>)>;

/// Files of a record and the members that they are in a bundle.
const MEMBERS: [(&str, &str); 13] = [
    ("kubelet/pods", "api/kubelet/pods"),
    ("kubelet/runningpods_", "api/kubelet/runningpods"),
    ("kubelet/stats_summary", "api/kubelet/stats/summary"),
    ("kubelet/configz", "api/kubelet/configz"),
    ("cri/crictl_pods_-o_json.out", "cri/pods.json"),
    ("cri/crictl_ps_-a_-o_json.out", "cri/containers.json"),
    (
        "cri/crictl_stats_-a_-o_json.out",
        "cri/container_stats.json",
    ),
    ("cri/crictl_images_-o_json.out", "cri/images.json"),
    ("cri/crictl_imagefsinfo.out", "cri/image_file_systems.json"),
    (
        "apiserver/api_v1_pods",
        "api/apiserver/api/v1/pods?fieldSelector=spec.nodeName=node1",
    ),
    ("apiserver/api_v1_nodes", "api/apiserver/api/v1/nodes/node1"),
    (
        "apiserver/api_v1_events",
        "api/apiserver/api/v1/events?limit=500",
    ),
    (
        "apiserver/apis_coordination.k8s.io_v1_namespaces_kube-node-lease_leases",
        "api/apiserver/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node1",
    ),
];

pub(crate) fn record(name: &str) -> Entries {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/records")
        .join(name);
    let mut entries: Entries = MEMBERS
        .iter()
        .filter_map(|(file, member)| {
            let bytes = std::fs::read(folder.join(file)).ok()?;
            Some(((*member).to_owned(), bytes))
        })
        .collect();
    if let Ok(text) = std::fs::read_to_string(folder.join("cri/inspect.out")) {
        entries.extend(inspected(&text));
    }
    if let Ok(text) = std::fs::read_to_string(folder.join("host/cgroup_dump.txt")) {
        entries.extend(groups(&text));
    }
    assert!(entries.len() >= 4, "{name}");
    entries
}

/// One answer behind the other, each beginning on a line of its own.
fn inspected(text: &str) -> Entries {
    let begin = text.find("\n{").map_or(0, |place| place + 1);
    let mut entries = Entries::new();
    for answer in text[begin..].split("\n}\n") {
        let Some(begin) = answer.find("{\n") else {
            continue;
        };
        let json = format!("{}\n}}\n", &answer[begin..]);
        let value: Value = serde_json::from_str(&json).unwrap();
        let id = value["status"]["id"].as_str().unwrap();
        entries.push((format!("cri/container_status/{id}.json"), json.into_bytes()));
    }
    assert!(!entries.is_empty());
    entries
}

/// `== ./kubepods.slice/cgroup.procs`, then the file.
fn groups(text: &str) -> Entries {
    text.split("== ./")
        .skip(1)
        .map(|file| {
            let (path, content) = file.split_once('\n').unwrap();
            let entry = format!("root/sys/fs/cgroup/{path}");
            (entry, content.as_bytes().to_vec())
        })
        .collect()
}

pub(crate) fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

pub(crate) fn sound(loaded: &Loaded) {
    assert!(
        loaded.damage.list.is_empty(),
        "{:?}",
        loaded.damage.list.first()
    );
}
