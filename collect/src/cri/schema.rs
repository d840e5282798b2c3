//! The answers of `k8s.io/cri-api/pkg/apis/runtime/v1/api.proto`: numbers and names of their fields.
//!
//! `runtime.v1alpha2`, which runtimes before Kubernetes 1.23 speak, has the same numbers. What concerns
//! Windows is left out.

use super::message::Kind::{
    Bool, Double, Enum, Info, Int32, Int64, Map, Message, Text, Uint32, Uint64,
};
use super::message::{Field, many, one};

/// `VersionResponse`.
pub(super) const VERSION: &[Field] = &[
    one(1, "version", Text),
    one(2, "runtimeName", Text),
    one(3, "runtimeVersion", Text),
    one(4, "runtimeApiVersion", Text),
];

/// `StatusResponse`.
pub(super) const STATUS: &[Field] = &[
    one(
        1,
        "status",
        Message(&[many(
            1,
            "conditions",
            Message(&[
                one(1, "type", Text),
                one(2, "status", Bool),
                one(3, "reason", Text),
                one(4, "message", Text),
            ]),
        )]),
    ),
    many(
        3,
        "runtimeHandlers",
        Message(&[
            one(1, "name", Text),
            one(
                2,
                "features",
                Message(&[
                    one(1, "recursiveReadOnlyMounts", Bool),
                    one(2, "userNamespaces", Bool),
                ]),
            ),
        ]),
    ),
    one(
        4,
        "features",
        Message(&[
            one(1, "supplementalGroupsPolicy", Bool),
            one(2, "userNamespacesHostNetwork", Bool),
            one(3, "mountOptions", Bool),
        ]),
    ),
    one(2, "info", Info),
];

/// `RuntimeConfigResponse`.
pub(super) const RUNTIME_CONFIG: &[Field] = &[one(
    1,
    "linux",
    Message(&[one(1, "cgroupDriver", Enum(&["SYSTEMD", "CGROUPFS"]))]),
)];

const POD_METADATA: &[Field] = &[
    one(1, "name", Text),
    one(2, "uid", Text),
    one(3, "namespace", Text),
    one(4, "attempt", Uint32),
];
const POD_STATE: &[&str] = &["SANDBOX_READY", "SANDBOX_NOTREADY"];

/// `ListPodSandboxResponse`.
pub(super) const PODS: &[Field] = &[many(
    1,
    "items",
    Message(&[
        one(1, "id", Text),
        one(2, "metadata", Message(POD_METADATA)),
        one(3, "state", Enum(POD_STATE)),
        one(4, "createdAt", Int64),
        one(5, "labels", Map),
        one(6, "annotations", Map),
        one(7, "runtimeHandler", Text),
    ]),
)];

const NAMESPACE_MODE: &[&str] = &["POD", "CONTAINER", "NODE", "TARGET"];
const ID_MAPPING: &[Field] = &[
    one(1, "hostId", Uint32),
    one(2, "containerId", Uint32),
    one(3, "length", Uint32),
];
const NAMESPACE_OPTIONS: &[Field] = &[
    one(1, "network", Enum(NAMESPACE_MODE)),
    one(2, "pid", Enum(NAMESPACE_MODE)),
    one(3, "ipc", Enum(NAMESPACE_MODE)),
    one(4, "targetId", Text),
    one(
        5,
        "usernsOptions",
        Message(&[
            one(1, "mode", Enum(NAMESPACE_MODE)),
            many(2, "uids", Message(ID_MAPPING)),
            many(3, "gids", Message(ID_MAPPING)),
        ]),
    ),
];

/// `PodSandboxStatusResponse`.
pub(super) const POD_STATUS: &[Field] = &[
    one(
        1,
        "status",
        Message(&[
            one(1, "id", Text),
            one(2, "metadata", Message(POD_METADATA)),
            one(3, "state", Enum(POD_STATE)),
            one(4, "createdAt", Int64),
            one(
                5,
                "network",
                Message(&[
                    one(1, "ip", Text),
                    many(2, "additionalIps", Message(&[one(1, "ip", Text)])),
                ]),
            ),
            one(
                6,
                "linux",
                Message(&[one(
                    1,
                    "namespaces",
                    Message(&[one(2, "options", Message(NAMESPACE_OPTIONS))]),
                )]),
            ),
            one(7, "labels", Map),
            one(8, "annotations", Map),
            one(9, "runtimeHandler", Text),
        ]),
    ),
    many(3, "containersStatuses", Message(STATUS_OF_CONTAINER)),
    one(4, "timestamp", Int64),
    one(2, "info", Info),
];

const CONTAINER_METADATA: &[Field] = &[one(1, "name", Text), one(2, "attempt", Uint32)];
const CONTAINER_STATE: &[&str] = &[
    "CONTAINER_CREATED",
    "CONTAINER_RUNNING",
    "CONTAINER_EXITED",
    "CONTAINER_UNKNOWN",
];
const IMAGE_SPEC: &[Field] = &[
    one(1, "image", Text),
    one(2, "annotations", Map),
    one(18, "userSpecifiedImage", Text),
    one(19, "runtimeHandler", Text),
    one(20, "imageRef", Text),
];

/// `ListContainersResponse`.
pub(super) const CONTAINERS: &[Field] = &[many(
    1,
    "containers",
    Message(&[
        one(1, "id", Text),
        one(2, "podSandboxId", Text),
        one(3, "metadata", Message(CONTAINER_METADATA)),
        one(4, "image", Message(IMAGE_SPEC)),
        one(5, "imageRef", Text),
        one(6, "state", Enum(CONTAINER_STATE)),
        one(7, "createdAt", Int64),
        one(8, "labels", Map),
        one(9, "annotations", Map),
        one(10, "imageId", Text),
    ]),
)];

const MOUNT: &[Field] = &[
    one(1, "containerPath", Text),
    one(2, "hostPath", Text),
    one(3, "readonly", Bool),
    one(4, "selinuxRelabel", Bool),
    one(
        5,
        "propagation",
        Enum(&[
            "PROPAGATION_PRIVATE",
            "PROPAGATION_HOST_TO_CONTAINER",
            "PROPAGATION_BIDIRECTIONAL",
        ]),
    ),
    many(6, "uidMappings", Message(ID_MAPPING)),
    many(7, "gidMappings", Message(ID_MAPPING)),
    one(8, "recursiveReadOnly", Bool),
    one(9, "image", Message(IMAGE_SPEC)),
    one(10, "imageSubPath", Text),
    many(11, "mountOptions", Text),
];

const RESOURCES: &[Field] = &[
    one(1, "cpuPeriod", Int64),
    one(2, "cpuQuota", Int64),
    one(3, "cpuShares", Int64),
    one(4, "memoryLimitInBytes", Int64),
    one(5, "oomScoreAdj", Int64),
    one(6, "cpusetCpus", Text),
    one(7, "cpusetMems", Text),
    many(
        8,
        "hugepageLimits",
        Message(&[one(1, "pageSize", Text), one(2, "limit", Uint64)]),
    ),
    one(9, "unified", Map),
    one(10, "memorySwapLimitInBytes", Int64),
];

const STATUS_OF_CONTAINER: &[Field] = &[
    one(1, "id", Text),
    one(2, "metadata", Message(CONTAINER_METADATA)),
    one(3, "state", Enum(CONTAINER_STATE)),
    one(4, "createdAt", Int64),
    one(5, "startedAt", Int64),
    one(6, "finishedAt", Int64),
    one(7, "exitCode", Int32),
    one(8, "image", Message(IMAGE_SPEC)),
    one(9, "imageRef", Text),
    one(10, "reason", Text),
    one(11, "message", Text),
    one(12, "labels", Map),
    one(13, "annotations", Map),
    many(14, "mounts", Message(MOUNT)),
    one(15, "logPath", Text),
    one(
        16,
        "resources",
        Message(&[one(1, "linux", Message(RESOURCES))]),
    ),
    one(17, "imageId", Text),
    one(
        18,
        "user",
        Message(&[one(
            1,
            "linux",
            Message(&[
                one(1, "uid", Int64),
                one(2, "gid", Int64),
                many(3, "supplementalGroups", Int64),
            ]),
        )]),
    ),
];

/// `ContainerStatusResponse`.
pub(super) const CONTAINER_STATUS: &[Field] = &[
    one(1, "status", Message(STATUS_OF_CONTAINER)),
    one(2, "info", Info),
];

/// A number that may be missing.
const NUMBER: super::message::Kind = Message(&[one(1, "value", Uint64)]);
const PRESSURE_OF: &[Field] = &[
    one(1, "Total", Uint64),
    one(2, "Avg10", Double),
    one(3, "Avg60", Double),
    one(4, "Avg300", Double),
];
const PRESSURE: super::message::Kind = Message(&[
    one(1, "Full", Message(PRESSURE_OF)),
    one(2, "Some", Message(PRESSURE_OF)),
]);
const CPU: &[Field] = &[
    one(1, "timestamp", Int64),
    one(2, "usageCoreNanoSeconds", NUMBER),
    one(3, "usageNanoCores", NUMBER),
    one(4, "psi", PRESSURE),
];
const MEMORY: &[Field] = &[
    one(1, "timestamp", Int64),
    one(2, "workingSetBytes", NUMBER),
    one(3, "availableBytes", NUMBER),
    one(4, "usageBytes", NUMBER),
    one(5, "rssBytes", NUMBER),
    one(6, "pageFaults", NUMBER),
    one(7, "majorPageFaults", NUMBER),
    one(8, "psi", PRESSURE),
];
const INPUT_OUTPUT: &[Field] = &[one(1, "timestamp", Int64), one(2, "psi", PRESSURE)];
const FILE_SYSTEM: &[Field] = &[
    one(1, "timestamp", Int64),
    one(2, "fsId", Message(&[one(1, "mountpoint", Text)])),
    one(3, "usedBytes", NUMBER),
    one(4, "inodesUsed", NUMBER),
];

const STATS_OF_CONTAINER: &[Field] = &[
    one(
        1,
        "attributes",
        Message(&[
            one(1, "id", Text),
            one(2, "metadata", Message(CONTAINER_METADATA)),
            one(3, "labels", Map),
            one(4, "annotations", Map),
        ]),
    ),
    one(2, "cpu", Message(CPU)),
    one(3, "memory", Message(MEMORY)),
    one(4, "writableLayer", Message(FILE_SYSTEM)),
    one(
        5,
        "swap",
        Message(&[
            one(1, "timestamp", Int64),
            one(2, "swapAvailableBytes", NUMBER),
            one(3, "swapUsageBytes", NUMBER),
        ]),
    ),
    one(6, "io", Message(INPUT_OUTPUT)),
];

/// `ListContainerStatsResponse`.
pub(super) const CONTAINER_STATS: &[Field] = &[many(1, "stats", Message(STATS_OF_CONTAINER))];

const INTERFACE: &[Field] = &[
    one(1, "name", Text),
    one(2, "rxBytes", NUMBER),
    one(3, "rxErrors", NUMBER),
    one(4, "txBytes", NUMBER),
    one(5, "txErrors", NUMBER),
];

/// `ListPodSandboxStatsResponse`.
pub(super) const POD_STATS: &[Field] = &[many(
    1,
    "stats",
    Message(&[
        one(
            1,
            "attributes",
            Message(&[
                one(1, "id", Text),
                one(2, "metadata", Message(POD_METADATA)),
                one(3, "labels", Map),
                one(4, "annotations", Map),
            ]),
        ),
        one(
            2,
            "linux",
            Message(&[
                one(1, "cpu", Message(CPU)),
                one(2, "memory", Message(MEMORY)),
                one(
                    3,
                    "network",
                    Message(&[
                        one(1, "timestamp", Int64),
                        one(2, "defaultInterface", Message(INTERFACE)),
                        many(3, "interfaces", Message(INTERFACE)),
                    ]),
                ),
                one(
                    4,
                    "process",
                    Message(&[one(1, "timestamp", Int64), one(2, "processCount", NUMBER)]),
                ),
                many(5, "containers", Message(STATS_OF_CONTAINER)),
                one(6, "io", Message(INPUT_OUTPUT)),
            ]),
        ),
    ]),
)];

/// `ListImagesResponse`.
pub(super) const IMAGES: &[Field] = &[many(
    1,
    "images",
    Message(&[
        one(1, "id", Text),
        many(2, "repoTags", Text),
        many(3, "repoDigests", Text),
        one(4, "size", Uint64),
        one(5, "uid", Message(&[one(1, "value", Int64)])),
        one(6, "username", Text),
        one(7, "spec", Message(IMAGE_SPEC)),
        one(8, "pinned", Bool),
    ]),
)];

/// `ImageFsInfoResponse`.
pub(super) const IMAGE_FILE_SYSTEMS: &[Field] = &[
    many(2, "containerFilesystems", Message(FILE_SYSTEM)),
    many(1, "imageFilesystems", Message(FILE_SYSTEM)),
];
