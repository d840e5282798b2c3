//! Interfaces by which components of a node can be asked: who has one at which port, and what there is.
//!
//! A component is asked only where the kernel says that a process of its name listens; a port alone says
//! nothing. Ports are each project's defaults.

/// What a program offers.
pub(crate) struct Program {
    /// Name of its process as the kernel keeps it: 15 bytes at most.
    pub(crate) comm: &'static str,
    /// Name under `api/`.
    pub(crate) name: &'static str,
    /// Where it offers it.
    pub(crate) interfaces: &'static [Interface],
}

/// What is offered at a port.
pub(crate) struct Interface {
    pub(crate) port: u16,
    pub(crate) speaks: Speaks,
    /// Paths of health, metrics and the like.
    pub(crate) paths: &'static [&'static str],
    /// Whether there may be Go's profiles at `/debug/pprof`.
    pub(crate) has_pprof: bool,
}

/// In what it is asked, and as whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http,
    /// As a user of the cluster; the certificate is one of the cluster's, or of no file at all.
    Cluster,
    /// As a client of etcd.
    Etcd,
}

const HEALTH: &[&str] = &["/livez?verbose", "/readyz?verbose", "/metrics"];
const METRICS: &[&str] = &["/metrics"];

const fn http(port: u16, paths: &'static [&'static str], has_pprof: bool) -> Interface {
    Interface {
        port,
        speaks: Speaks::Http,
        paths,
        has_pprof,
    }
}

const fn cluster(port: u16) -> Interface {
    Interface {
        port,
        speaks: Speaks::Cluster,
        paths: HEALTH,
        has_pprof: true,
    }
}

/// Those that are known.
pub(crate) const PROGRAMS: &[Program] = &[
    Program {
        comm: "kube-proxy",
        name: "kube-proxy",
        interfaces: &[
            http(10256, &["/healthz", "/livez"], false),
            http(10249, &["/proxyMode", "/metrics", "/configz"], true),
        ],
    },
    Program {
        comm: "kube-apiserver",
        name: "kube-apiserver",
        interfaces: &[cluster(6443)],
    },
    Program {
        comm: "kube-controller",
        name: "kube-controller-manager",
        interfaces: &[cluster(10257)],
    },
    Program {
        comm: "kube-scheduler",
        name: "kube-scheduler",
        interfaces: &[cluster(10259)],
    },
    Program {
        comm: "etcd",
        name: "etcd",
        interfaces: &[
            http(2381, &["/health", "/metrics"], false),
            Interface {
                port: 2379,
                speaks: Speaks::Etcd,
                paths: &["/health", "/metrics"],
                has_pprof: true,
            },
        ],
    },
    Program {
        comm: "cadvisor",
        name: "cadvisor",
        interfaces: &[http(8080, &["/healthz", "/metrics"], true)],
    },
    Program {
        comm: "coredns",
        name: "coredns",
        interfaces: &[
            http(8080, &["/health"], false),
            http(8181, &["/ready"], false),
            http(9153, METRICS, false),
            http(6053, &[], true),
        ],
    },
    Program {
        comm: "node-cache",
        name: "node-cache",
        interfaces: &[
            http(8080, &["/health"], false),
            http(9253, METRICS, false),
            http(6053, &[], true),
        ],
    },
    Program {
        comm: "cilium-agent",
        name: "cilium-agent",
        interfaces: &[
            http(9879, &["/healthz"], false),
            http(9962, METRICS, false),
            http(6060, &[], true),
        ],
    },
    Program {
        comm: "calico-node",
        name: "calico-node",
        interfaces: &[
            http(9099, &["/liveness", "/readiness"], false),
            http(9091, METRICS, false),
            http(6060, &[], true),
        ],
    },
    Program {
        comm: "kube-router",
        name: "kube-router",
        interfaces: &[
            http(20244, &["/healthz"], false),
            http(8080, METRICS, false),
            http(6060, &[], true),
        ],
    },
    Program {
        comm: "aws-k8s-agent",
        name: "aws-k8s-agent",
        interfaces: &[
            http(61678, METRICS, false),
            http(61679, &["/v1/enis", "/v1/env-settings"], true),
        ],
    },
    Program {
        comm: "antrea-agent",
        name: "antrea-agent",
        interfaces: &[cluster(10350)],
    },
    Program {
        comm: "node-problem-de",
        name: "node-problem-detector",
        interfaces: &[
            http(20256, &["/healthz", "/conditions"], true),
            http(20257, METRICS, false),
        ],
    },
    Program {
        comm: "node_exporter",
        name: "node_exporter",
        interfaces: &[http(9100, METRICS, true)],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_as_the_kernel_keeps_them_and_ports_differ() {
        let mut seen = BTreeSet::new();
        for program in PROGRAMS {
            assert!(program.comm.len() <= 15, "{}", program.comm);
            assert!(program.name.starts_with(program.comm), "{}", program.name);
            for interface in program.interfaces {
                assert!(
                    seen.insert((program.comm, interface.port)),
                    "{}",
                    interface.port
                );
                assert!(interface.has_pprof || !interface.paths.is_empty());
            }
        }
    }
}
