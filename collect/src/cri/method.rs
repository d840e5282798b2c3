//! The calls that are made: what each asks, how long it may take, and where its answer goes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::message::Field;
use super::schema;
use super::wire::{put_bytes, put_true};

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Method {
    Version,
    Status,
    RuntimeConfig,
    ListPodSandbox,
    ListContainers,
    PodSandboxStatus,
    ContainerStatus,
    ListImages,
    ImageFsInfo,
    ListContainerStats,
    ListPodSandboxStats,
}

/// A call, and of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) method: Method,
    /// Of a pod sandbox or container; empty where it is about all.
    pub(crate) id: String,
}

impl Method {
    /// It without an argument.
    pub(crate) fn of_all(self) -> Wanted {
        Wanted {
            method: self,
            id: String::new(),
        }
    }

    /// It of one pod sandbox or container.
    pub(crate) fn of(self, id: &str) -> Wanted {
        Wanted {
            method: self,
            id: id.to_owned(),
        }
    }

    /// Its name in the interface.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Version => "Version",
            Self::Status => "Status",
            Self::RuntimeConfig => "RuntimeConfig",
            Self::ListPodSandbox => "ListPodSandbox",
            Self::ListContainers => "ListContainers",
            Self::PodSandboxStatus => "PodSandboxStatus",
            Self::ContainerStatus => "ContainerStatus",
            Self::ListImages => "ListImages",
            Self::ImageFsInfo => "ImageFsInfo",
            Self::ListContainerStats => "ListContainerStats",
            Self::ListPodSandboxStats => "ListPodSandboxStats",
        }
    }

    pub(super) fn service(self) -> &'static str {
        match self {
            Self::ListImages | Self::ImageFsInfo => "ImageService",
            _ => "RuntimeService",
        }
    }

    /// How long it may take. Lists come from the runtime's memory; statistics read every cgroup.
    pub(super) fn patience(self) -> Duration {
        Duration::from_millis(match self {
            Self::Version => 2000,
            Self::PodSandboxStatus | Self::ContainerStatus => 1500,
            Self::ListContainerStats | Self::ListPodSandboxStats => 5000,
            _ => 3000,
        })
    }

    /// What its answer holds.
    pub(super) fn answer(self) -> &'static [Field] {
        match self {
            Self::Version => schema::VERSION,
            Self::Status => schema::STATUS,
            Self::RuntimeConfig => schema::RUNTIME_CONFIG,
            Self::ListPodSandbox => schema::PODS,
            Self::ListContainers => schema::CONTAINERS,
            Self::PodSandboxStatus => schema::POD_STATUS,
            Self::ContainerStatus => schema::CONTAINER_STATUS,
            Self::ListImages => schema::IMAGES,
            Self::ImageFsInfo => schema::IMAGE_FILE_SYSTEMS,
            Self::ListContainerStats => schema::CONTAINER_STATS,
            Self::ListPodSandboxStats => schema::POD_STATS,
        }
    }

    /// Whether its answer stands under `status`, where `crictl` puts it.
    pub(super) fn is_wrapped(self) -> bool {
        self == Self::ImageFsInfo
    }
}

impl Wanted {
    /// The member that the answer becomes; nothing for an id that is none.
    pub(crate) fn member(&self) -> Option<String> {
        let name = match self.method {
            Method::Version => "version",
            Method::Status => "status",
            Method::RuntimeConfig => "runtime_config",
            Method::ListPodSandbox => "pods",
            Method::ListContainers => "containers",
            Method::PodSandboxStatus => "pod_status/",
            Method::ContainerStatus => "container_status/",
            Method::ListImages => "images",
            Method::ImageFsInfo => "image_file_systems",
            Method::ListContainerStats => "container_stats",
            Method::ListPodSandboxStats => "pod_stats",
        };
        let is_name = |id: &str| {
            (1..=128).contains(&id.len())
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
                && id.bytes().any(|b| b != b'.')
        };
        let is_of_one = name.ends_with('/');
        (is_of_one == is_name(&self.id)).then(|| format!("cri/{name}{}.json", self.id))
    }

    /// The request. Verbose answers hold the pid, the configuration and the runtime's own.
    pub(super) fn request(&self) -> Vec<u8> {
        let mut request = Vec::new();
        match self.method {
            Method::PodSandboxStatus | Method::ContainerStatus => {
                put_bytes(&mut request, 1, self.id.as_bytes());
                put_true(&mut request, 2);
            }
            Method::Status => put_true(&mut request, 1),
            _ => {}
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_becomes_a_name_or_nothing() {
        let member = |id| Method::ContainerStatus.of(id).member();
        assert_eq!(
            member("ce6a2a9d").as_deref(),
            Some("cri/container_status/ce6a2a9d.json")
        );
        for hostile in ["", "..", "../../x", "a/b", "a\nb", &"a".repeat(129)] {
            assert_eq!(member(hostile), None, "{hostile}");
        }
        let all = Method::ListContainers.of_all();
        assert_eq!(all.member().as_deref(), Some("cri/containers.json"));
        assert_eq!(Method::ListContainers.of("x").member(), None);
    }
}
