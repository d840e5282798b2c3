//! What Kubernetes and its runtime tell of pods and containers.
//!
//! Many sources tell of the same pod: kubelet, the API server, the runtime by CRI, folders of logs,
//! files of the runtime, and at last the path of a cgroup, which is there when all others are dead.
//! Tables `pod_seen` and `container_seen` hold what each of them said; `pod`, `container` and
//! `container_resource` put it together, see [`merge`].

pub mod containers;
pub mod json;
pub mod log;
pub mod merge;
pub mod moment;
pub mod names;
pub mod objects;
pub mod paths;
pub mod pods;
pub mod prometheus;
pub mod quantity;
pub mod yaml;
