//! Which components of this node have an interface, and how each is asked.

use std::net::SocketAddr;

use super::component::{arguments, flag, listeners, named, pod_address, reachable};
use super::credential::Credential;
use super::interface::{Interface, PROGRAMS, Program, Speaks};
use super::place::Place;
use super::way::{Reach, Trusted, Way};
use crate::source::Cx;

/// Users of the cluster that a node knows, in the order in which they are tried.
const USERS: [&str; 3] = [
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/super-admin.conf",
    "/etc/kubernetes/kubelet.conf",
];
/// The cluster's authority, and the API server's certificate.
const AUTHORITY: &str = "/etc/kubernetes/pki/ca.crt";
const API_SERVER: &str = "/etc/kubernetes/pki/apiserver.crt";
/// Who may ask etcd: for its health, or for anything.
const ETCD: &str = "/etc/kubernetes/pki/etcd";
const ETCD_CLIENTS: [&str; 2] = ["healthcheck-client", "server"];
/// What to do about a certificate that nothing proves.
const ADVICE: &str = "name a kubeconfig whose authority has signed it by --kubeconfig";

/// An interface that was found.
pub(crate) struct Found {
    /// Name under `api/`; the second process of a program has a number behind it.
    pub(crate) name: String,
    /// How it is asked.
    pub(crate) way: Way,
    /// What there is.
    pub(crate) interface: &'static Interface,
}

/// The interfaces of this node's processes.
pub(crate) fn interfaces(cx: &mut Cx<'_>) -> Vec<Found> {
    let names: Vec<_> = PROGRAMS.iter().map(|program| program.comm).collect();
    let mut found: Vec<Found> = Vec::new();
    for process in named(cx, &names) {
        let Some(program) = PROGRAMS.iter().find(|program| program.comm == process.comm) else {
            continue;
        };
        let listeners = listeners(cx, process.pid);
        if listeners.is_empty() {
            continue;
        }
        let pod = pod_address(cx, process.pid);
        let name = name(program, &found);
        for interface in program.interfaces {
            let mut at_port = listeners.iter().filter(|l| l.port() == interface.port);
            let Some(listener) = at_port.next() else {
                continue;
            };
            let address = match pod {
                // Loopback of a pod is reached from the pod alone.
                Some(_) if listener.ip().is_loopback() => continue,
                Some(ip) => SocketAddr::new(ip, interface.port),
                None => reachable(*listener),
            };
            let owner = format!("{} (pid {})", program.name, process.pid);
            found.push(Found {
                name: name.clone(),
                way: way(cx, interface, address, owner, process.pid),
                interface,
            });
        }
    }
    found
}

/// Its name, with a number if there is one of it already.
fn name(program: &Program, found: &[Found]) -> String {
    let numbers = (2..).map(|number| format!("{}.{number}", program.name));
    let mut names = std::iter::once(program.name.to_owned()).chain(numbers);
    let is_free = |name: &String| found.iter().all(|one| one.name != *name);
    names.find(is_free).unwrap_or_default()
}

fn way(
    cx: &mut Cx<'_>,
    interface: &Interface,
    address: SocketAddr,
    owner: String,
    pid: u32,
) -> Way {
    match interface.speaks {
        Speaks::Http => Way::plain(format!("http://{address}")),
        Speaks::Etcd => etcd(cx, address, pid),
        Speaks::Cluster => cluster(cx, address, owner, pid),
    }
}

/// etcd: its arguments name its certificate, and whose clients it takes. Without one it speaks HTTP.
fn etcd(cx: &mut Cx<'_>, address: SocketAddr, pid: u32) -> Way {
    let arguments = arguments(cx, pid);
    let node = |path: &str| Place::Node(path.to_owned());
    let Some(own) = flag(&arguments, "cert-file") else {
        return Way::plain(format!("http://{address}"));
    };
    let clients = ETCD_CLIENTS.iter();
    let mut clients = clients.filter(|name| cx.exists(&format!("{ETCD}/{name}.crt")));
    let client = clients.next().map(|name| Credential::Certificate {
        certificate: Place::Node(format!("{ETCD}/{name}.crt")),
        key: Place::Node(format!("{ETCD}/{name}.key")),
    });
    Way {
        url: format!("https://{address}"),
        address: None,
        credential: client.unwrap_or(Credential::Nobody),
        trusted: Trusted {
            pins: vec![node(own)],
            authorities: flag(&arguments, "trusted-ca-file")
                .map(node)
                .into_iter()
                .collect(),
            ..Trusted::default()
        },
        reach: Reach::Node,
    }
}

/// A component of the cluster: its certificate lies in the file that its arguments name, or in none.
fn cluster(cx: &mut Cx<'_>, address: SocketAddr, owner: String, pid: u32) -> Way {
    let arguments = arguments(cx, pid);
    let own = flag(&arguments, "tls-cert-file").map(|path| Place::Node(path.to_owned()));
    let config = cx.services().kubeconfig.clone().map(Place::Own);
    let mut users = USERS.iter();
    let user = config.clone().or_else(|| {
        let path = users.find(|path| cx.exists(path))?;
        Some(Place::Node((*path).to_owned()))
    });
    let mut trusted = Trusted {
        pins: own
            .iter()
            .cloned()
            .chain([Place::Node(API_SERVER.to_owned())])
            .collect(),
        authorities: vec![Place::Node(AUTHORITY.to_owned())],
        kubeconfigs: config.into_iter().collect(),
        advice: ADVICE.to_owned(),
        ..Trusted::default()
    };
    // Who makes its certificate in memory cannot be proven but by whose socket it is. A client
    // certificate may be shown to it, for nobody can use what it sees of that; a token may not.
    if own.is_none() {
        trusted.owner = Some(owner);
    }
    Way {
        url: format!("https://{address}"),
        address: None,
        credential: user.map_or(Credential::Nobody, Credential::User),
        trusted,
        reach: Reach::Node,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_a_kind_has_a_number() {
        let program = &PROGRAMS[0];
        let mut found = Vec::new();
        for expected in ["kube-proxy", "kube-proxy.2", "kube-proxy.3"] {
            assert_eq!(name(program, &found), expected);
            found.push(Found {
                name: expected.to_owned(),
                way: Way::plain(String::new()),
                interface: &program.interfaces[0],
            });
        }
    }
}
