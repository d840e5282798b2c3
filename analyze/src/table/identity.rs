//! Whose cgroup it is, told by its path alone: works with kubelet, runtime and API server dead.
//!
//! Both cgroup drivers of kubelet are read (systemd and cgroupfs), every runtime's names, nested
//! clusters (kind), and systemd's own units.

/// What the path of a cgroup tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `root`, `slice`, `pod`, `container`, `sandbox`..., `service`, `scope` or `other`.
    pub kind: &'static str,
    /// UID of the pod, with dashes where the API has them.
    pub pod_uid: Option<String>,
    /// The container's id of 64 hexadecimal digits.
    pub container_id: Option<String>,
    /// Quality of service of the pod.
    pub qos: Option<&'static str>,
    /// The runtime, where the name tells it.
    pub runtime: Option<&'static str>,
    /// The unit of systemd that the group belongs to.
    pub unit: Option<String>,
}

/// Prefixes of container scopes (systemd driver) and their runtimes.
const SCOPES: [(&str, &str); 5] = [
    ("cri-containerd-", "containerd"),
    ("crio-conmon-", "crio"),
    ("crio-", "crio"),
    ("docker-", "docker"),
    ("libpod-", "podman"),
];

/// Reads the path of a cgroup, relative to its mount.
pub fn identify(path: &str) -> Identity {
    walk(path).0
}

/// The groups of the pod and of its container in a path.
pub fn groups(path: &str) -> (Option<&str>, Option<&str>) {
    let (_, pod_end, container_end) = walk(path);
    let group = |end: Option<usize>| path.get(..end?);
    (group(pod_end), group(container_end))
}

/// The identity, and where the groups of the pod and of its container end in the path.
fn walk(path: &str) -> (Identity, Option<usize>, Option<usize>) {
    let mut identity = Identity {
        kind: "other",
        ..Identity::default()
    };
    let (mut pod_end, mut container_end) = (None, None);
    if path.trim_matches('/').is_empty() {
        identity.kind = "root";
        return (identity, None, None);
    }
    let mut begin = 0;
    for part in path.split('/') {
        let end = begin + part.len();
        begin = end + 1;
        if part.is_empty() {
            continue;
        }
        identity.kind = "other";
        // The outermost pod is the one that this node's kubelet knows, and the first container in it
        // the one that its runtime made; what runs inside made the rest.
        if container_end.is_some() {
            continue;
        }
        if pod_end.is_none() {
            identity.qos = quality(part).or(identity.qos);
        }
        if let Some(uid) = pod_uid(part).filter(|_| pod_end.is_none()) {
            identity.pod_uid = Some(uid);
            identity.container_id = None;
            identity.kind = "pod";
            // Guaranteed pods have no group of their class.
            identity.qos.get_or_insert("guaranteed");
            pod_end = Some(end);
        } else if let Some((id, runtime)) = container(part, pod_end.is_some()) {
            identity.container_id = Some(id);
            identity.runtime = runtime;
            identity.kind = "container";
            container_end = pod_end.map(|_| end);
        } else if has_suffix(part, "slice") {
            identity.kind = "slice";
        } else if has_suffix(part, "service") {
            identity.kind = "service";
            identity.unit = Some(part.to_owned());
        } else if has_suffix(part, "scope") {
            identity.kind = "scope";
            identity.unit = Some(part.to_owned());
        }
    }
    (identity, pod_end, container_end)
}

/// The class of pods that a group is for.
fn quality(part: &str) -> Option<&'static str> {
    if part == "besteffort" || part.contains("-besteffort") {
        Some("besteffort")
    } else if part == "burstable" || part.contains("-burstable") {
        Some("burstable")
    } else {
        None
    }
}

fn has_suffix(part: &str, suffix: &str) -> bool {
    part.rsplit_once('.').is_some_and(|(_, s)| s == suffix)
}

/// `pod<uid>` of the cgroupfs driver, `kubepods-burstable-pod<uid>.slice` of the systemd driver,
/// which writes `_` for `-`. Static pods have a hash of 32 digits.
fn pod_uid(part: &str) -> Option<String> {
    let uid = match part.strip_suffix(".slice") {
        Some(slice) => slice.rsplit_once("-pod")?.1,
        None => part.strip_prefix("pod")?,
    };
    let uid = uid.replace('_', "-");
    let is_uuid = uid.len() == 36
        && uid.char_indices().all(|(n, c)| match n {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        });
    let is_hash = uid.len() == 32 && uid.chars().all(|c| c.is_ascii_hexdigit());
    (is_uuid || is_hash).then_some(uid)
}

/// `cri-containerd-<id>.scope` of the systemd driver, the bare id of the cgroupfs driver.
fn container(part: &str, inside_pod: bool) -> Option<(String, Option<&'static str>)> {
    let is_id = |id: &str| id.len() == 64 && id.chars().all(|c| c.is_ascii_hexdigit());
    if let Some(scope) = part.strip_suffix(".scope") {
        for (prefix, runtime) in SCOPES {
            if let Some(id) = scope.strip_prefix(prefix).filter(|id| is_id(id)) {
                return Some((id.to_owned(), Some(runtime)));
            }
        }
    }
    // containerd names pods' groups `<namespace>:<pod>:<id>` with some drivers.
    let id = part.rsplit(':').next().unwrap_or(part);
    let id = id.strip_prefix("crio-").unwrap_or(id);
    if is_id(id) {
        return Some((id.to_owned(), None));
    }
    // Sandboxes of tests and old dockers have shorter names; inside a pod they are containers all
    // the same.
    let is_short = inside_pod && part.len() >= 12 && part.chars().all(|c| c.is_ascii_hexdigit());
    is_short.then(|| (part.to_owned(), None))
}

/// The cgroup of a process out of `/proc/PID/cgroup`: the unified one unless it is the root, else
/// that of the memory controller, else the first.
pub fn cgroup_of_process(content: &str) -> Option<&str> {
    let mut first = None;
    let mut memory = None;
    let mut unified = None;
    for line in content.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(hierarchy), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        first.get_or_insert(path);
        if hierarchy == "0" && controllers.is_empty() {
            unified = Some(path);
        } else if controllers.split(',').any(|c| c == "memory") {
            memory = Some(path);
        }
    }
    unified
        .filter(|path| *path != "/")
        .or(memory)
        .or(unified)
        .or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "28fcb1a0-a45c-44e7-b9bf-e3b9360bedba";

    #[test]
    fn both_drivers_and_all_runtimes() {
        let flat = UID.replace('-', "_");
        let cases = [
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{flat}.slice/cri-containerd-{ID}.scope"
                ),
                "burstable",
                Some("containerd"),
            ),
            (
                format!("/kubepods.slice/kubepods-pod{flat}.slice/crio-{ID}.scope"),
                "guaranteed",
                Some("crio"),
            ),
            (
                format!("/kubepods/besteffort/pod{UID}/{ID}"),
                "besteffort",
                None,
            ),
            (
                format!(
                    "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{flat}.slice/cri-containerd-{ID}.scope"
                ),
                "burstable",
                Some("containerd"),
            ),
            (
                format!("/system.slice/kubepods-burstable-pod{flat}.slice:cri-containerd:{ID}"),
                "",
                None,
            ),
        ];
        for (path, qos, runtime) in cases {
            let identity = identify(&path);
            assert_eq!(identity.kind, "container", "{path}");
            assert_eq!(identity.container_id.as_deref(), Some(ID), "{path}");
            if !qos.is_empty() {
                assert_eq!(identity.pod_uid.as_deref(), Some(UID), "{path}");
                assert_eq!(identity.qos, Some(qos), "{path}");
            }
            assert_eq!(identity.runtime, runtime, "{path}");
        }
    }

    #[test]
    fn pods_static_pods_and_units() {
        assert_eq!(identify(&format!("/kubepods/pod{UID}")).kind, "pod");
        let hash = "c3f2a7b0d9e8f7a6b5c4d3e2f1a0b9c8";
        let identity = identify(&format!("/kubepods/burstable/pod{hash}"));
        assert_eq!(identity.pod_uid.as_deref(), Some(hash));
        let kubelet = identify("/system.slice/kubelet.service");
        assert_eq!(
            (kubelet.kind, kubelet.unit.as_deref()),
            ("service", Some("kubelet.service"))
        );
        assert_eq!(identify("/").kind, "root");
        assert_eq!(identify("/user.slice").kind, "slice");
        assert_eq!(identify("/kubepods/podnot-a-uid").kind, "other");
    }

    #[test]
    fn what_runs_inside_a_container_is_of_that_container() {
        let pod = format!("/kubepods/burstable/pod{UID}");
        let inner = UID.replace('2', "3");
        for tail in [
            "init.scope".to_owned(),
            "system.slice/docker-x.scope".to_owned(),
            format!("docker/{}", ID.replace('0', "f")),
            // kind in a pod: the inner pod is unknown to this node's kubelet
            format!(
                "kubelet/kubepods/besteffort/pod{inner}/{}",
                ID.replace('0', "f")
            ),
        ] {
            let path = format!("{pod}/{ID}/{tail}");
            let identity = identify(&path);
            assert_eq!(identity.kind, "other", "{path}");
            assert_eq!(identity.pod_uid.as_deref(), Some(UID), "{path}");
            assert_eq!(identity.container_id.as_deref(), Some(ID), "{path}");
            assert_eq!(identity.qos, Some("burstable"), "{path}");
            let container = format!("{pod}/{ID}");
            assert_eq!(
                groups(&path),
                (Some(pod.as_str()), Some(container.as_str()))
            );
        }
        // kind on a plain host: its node is a container, its pods are pods
        let path = format!("/docker/{ID}/kubelet/kubepods/pod{UID}/{ID}");
        let identity = identify(&path);
        assert_eq!(
            (identity.kind, identity.pod_uid.as_deref()),
            ("container", Some(UID))
        );
        assert_eq!(groups("/user.slice"), (None, None));
    }

    #[test]
    fn a_process_is_in_one_of_many_groups() {
        assert_eq!(
            cgroup_of_process("0::/system.slice/a.service\n"),
            Some("/system.slice/a.service")
        );
        let hybrid = "4:memory:/kubepods/x\n3:cpu,cpuacct:/y\n0::/\n";
        assert_eq!(cgroup_of_process(hybrid), Some("/kubepods/x"));
        assert_eq!(cgroup_of_process("1:name=systemd:/z\n"), Some("/z"));
        assert_eq!(cgroup_of_process(""), None);
    }
}
