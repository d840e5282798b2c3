//! What names of files tell of pods and containers: works with kubelet, runtime and API server dead.

use super::json::Json;

/// A pod as a name tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodName {
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its UID, of a static pod the hash of its manifest.
    pub uid: Option<String>,
}

/// The folder of a pod's logs: `<namespace>_<name>_<uid>`; before Kubernetes 1.14 the UID alone.
pub fn log_folder(name: &str) -> Option<PodName> {
    let parts: Vec<&str> = name.split('_').collect();
    let owned = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    match parts.as_slice() {
        [namespace, name, uid] => Some(PodName {
            namespace: owned(namespace),
            name: owned(name),
            uid: Some(owned(uid)?),
        }),
        [uid] if is_uid(uid) => Some(PodName {
            uid: owned(uid),
            ..PodName::default()
        }),
        _ => None,
    }
}

/// A container as the path of its log tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPath {
    /// The pod.
    pub pod: PodName,
    /// The container's name.
    pub container: String,
    /// How many containers of this name and pod ran before it.
    pub attempt: Option<i64>,
}

/// The path of a log: `/var/log/pods/<namespace>_<name>_<uid>/<container>/<n>.log`; rotated ones
/// have a time behind it.
pub fn log_path(path: &str) -> Option<LogPath> {
    let (_, inner) = path.split_once("/pods/")?;
    let mut parts = inner.split('/');
    let (folder, container, file) = (parts.next()?, parts.next()?, parts.next()?);
    let number = file.split('.').next().unwrap_or_default();
    Some(LogPath {
        pod: log_folder(folder)?,
        container: container.to_owned(),
        attempt: number.parse().ok(),
    })
}

/// A link of `/var/log/containers`: `<pod>_<namespace>_<container>-<id>.log`.
pub fn log_link(name: &str) -> Option<(PodName, &str, &str)> {
    let name = name.strip_suffix(".log")?;
    let mut parts = name.split('_');
    let (pod, namespace, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (container, id) = rest.rsplit_once('-')?;
    let pod = PodName {
        namespace: Some(namespace.to_owned()),
        name: Some(pod.to_owned()),
        uid: None,
    };
    (is_id(id) && parts.next().is_none()).then_some((pod, container, id))
}

/// The id of a container: 64 hexadecimal digits.
pub fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_uid(text: &str) -> bool {
    matches!(text.len(), 32 | 36) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// A container as the annotations of its OCI bundle (`config.json`) tell it: containerd's
/// `io.kubernetes.cri.*`, CRI-O's `io.kubernetes.cri-o.*` and `io.kubernetes.*`.
#[derive(Clone, Debug, Default)]
pub struct Bundle<'a> {
    /// It holds the namespaces of its pod, and nothing runs in it but `pause`.
    pub is_sandbox: bool,
    /// The pod's sandbox.
    pub sandbox_id: Option<&'a str>,
    /// The pod's namespace.
    pub namespace: Option<&'a str>,
    /// The pod's name.
    pub pod: Option<&'a str>,
    /// The pod's UID; containerd before 1.6 does not tell it.
    pub uid: Option<String>,
    /// The container's name.
    pub container: Option<&'a str>,
    /// The image.
    pub image: Option<&'a str>,
    /// The cgroup as the runtime was told: a path, or `<slice>:<prefix>:<id>`.
    pub cgroups_path: Option<&'a str>,
}

impl<'a> Bundle<'a> {
    /// Reads a runtime spec, or docker's `config.v2.json`; nothing where it is of no pod.
    pub fn read(spec: Json<'a>) -> Option<Self> {
        let labels = spec.at("Config").at("Labels");
        if labels.is_there() {
            return Self::of_docker(spec, labels);
        }
        let annotations = spec.at("annotations");
        let first = |names: &[&str]| names.iter().find_map(|name| annotations.at(name).text());
        let kind = first(&[
            "io.kubernetes.cri.container-type",
            "io.kubernetes.cri-o.ContainerType",
        ])?;
        let cgroups_path = spec.at("linux").at("cgroupsPath").text();
        let uid = first(&["io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"]);
        Some(Self {
            is_sandbox: kind == "sandbox",
            sandbox_id: first(&[
                "io.kubernetes.cri.sandbox-id",
                "io.kubernetes.cri-o.SandboxID",
            ]),
            namespace: first(&[
                "io.kubernetes.cri.sandbox-namespace",
                "io.kubernetes.pod.namespace",
            ]),
            pod: first(&["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"]),
            uid: uid
                .map(str::to_owned)
                .or_else(|| uid_of_cgroups_path(cgroups_path?)),
            container: first(&[
                "io.kubernetes.cri.container-name",
                "io.kubernetes.container.name",
            ])
            .filter(|_| kind != "sandbox"),
            image: first(&[
                "io.kubernetes.cri.image-name",
                "io.kubernetes.cri-o.ImageName",
            ]),
            cgroups_path,
        })
    }
}

impl<'a> Bundle<'a> {
    /// Labels that dockershim and cri-dockerd put on containers.
    fn of_docker(config: Json<'a>, labels: Json<'a>) -> Option<Self> {
        let kind = labels.at("io.kubernetes.docker.type").text()?;
        let is_sandbox = kind == "podsandbox";
        let container = labels.at("io.kubernetes.container.name").text();
        Some(Self {
            is_sandbox,
            sandbox_id: labels.at("io.kubernetes.sandbox.id").text(),
            namespace: labels.at("io.kubernetes.pod.namespace").text(),
            pod: labels.at("io.kubernetes.pod.name").text(),
            uid: labels.at("io.kubernetes.pod.uid").text().map(str::to_owned),
            container: container.filter(|_| !is_sandbox),
            image: config.at("Config").at("Image").text(),
            cgroups_path: None,
        })
    }
}

/// The container whose bundle lies at this path: the folder is named after it.
pub fn bundle_id(path: &str) -> Option<&str> {
    path.split('/').rev().find(|part| is_id(part))
}

fn uid_of_cgroups_path(path: &str) -> Option<String> {
    // The systemd driver writes `<slice>:<prefix>:<id>`.
    let path = path.split(':').next()?;
    crate::table::identity::identify(path).pod_uid
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "28fcb1a0-a45c-44e7-b9bf-e3b9360bedba";

    #[test]
    fn logs_by_their_paths() {
        let path = format!("/var/log/pods/default_web-0_{UID}/app/3.log.20240101-000000.gz");
        let log = log_path(&path).unwrap();
        assert_eq!((log.container.as_str(), log.attempt), ("app", Some(3)));
        assert_eq!(log.pod.uid.as_deref(), Some(UID));
        assert_eq!(log_folder(UID).unwrap().uid.as_deref(), Some(UID));
        assert_eq!(log_folder("lost+found"), None);
        let name = format!("web-0_default_my-app-{ID}.log");
        let (pod, container, id) = log_link(&name).unwrap();
        assert_eq!(
            (pod.name.as_deref(), container, id),
            (Some("web-0"), "my-app", ID)
        );
        assert_eq!(log_link("web-0_default_app-1.log"), None);
    }

    #[test]
    fn bundles_of_containerd_and_crio() {
        let containerd = json!({
            "annotations": {
                "io.kubernetes.cri.container-type": "container",
                "io.kubernetes.cri.container-name": "c",
                "io.kubernetes.cri.sandbox-name": "web",
            },
            "linux": {"cgroupsPath": format!("kubepods-pod{}.slice:cri-containerd:{ID}", UID.replace('-', "_"))},
        });
        let bundle = Bundle::read(Json::new(&containerd)).unwrap();
        assert_eq!((bundle.is_sandbox, bundle.container), (false, Some("c")));
        assert_eq!(bundle.uid.as_deref(), Some(UID));
        let crio = json!({"annotations": {
            "io.kubernetes.cri-o.ContainerType": "sandbox",
            "io.kubernetes.container.name": "POD",
            "io.kubernetes.pod.uid": UID,
        }});
        let bundle = Bundle::read(Json::new(&crio)).unwrap();
        assert_eq!((bundle.is_sandbox, bundle.container), (true, None));
        let docker = json!({"Config": {"Image": "app:1", "Labels": {
            "io.kubernetes.docker.type": "container",
            "io.kubernetes.container.name": "app",
            "io.kubernetes.pod.uid": UID,
        }}});
        let bundle = Bundle::read(Json::new(&docker)).unwrap();
        assert_eq!(
            (bundle.container, bundle.image),
            (Some("app"), Some("app:1"))
        );
        assert!(Bundle::read(Json::new(&json!({"annotations": {}}))).is_none());
    }
}
