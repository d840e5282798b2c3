//! Who may ask kubelet, and whom to trust there: the places where a node has it, in order.
//!
//! What a person names comes first and alone. Then kubelet's own client certificate, the users of
//! kubeconfigs, the certificate by which the API server asks kubelets (on control planes), those of
//! other distributions, the service account of this pod, and nobody.

use std::path::Path;

use super::settings::Settings;
use crate::api::credential::Credential;
use crate::api::place::Place;
use crate::api::way::Trusted;
use crate::cli::Services;
use crate::root::Root;
use crate::tls::Certificate;

/// The certificate by which kubelet is a client of the API server; its key is in the same file.
pub(super) const OWN: &str = "kubelet-client-current.pem";
/// Users that a node knows.
const KUBECONFIGS: [&str; 6] = [
    "/etc/kubernetes/kubelet.conf",
    "/var/lib/kubelet/kubeconfig",
    "/etc/kubernetes/admin.conf",
    "/etc/kubernetes/super-admin.conf",
    "/etc/rancher/k3s/k3s.yaml",
    "/var/snap/microk8s/current/credentials/client.config",
];
/// Client certificates and their keys.
const PAIRS: [(&str, &str); 3] = [
    (
        "/etc/kubernetes/pki/apiserver-kubelet-client.crt",
        "/etc/kubernetes/pki/apiserver-kubelet-client.key",
    ),
    (
        "/var/lib/rancher/k3s/agent/client-kubelet.crt",
        "/var/lib/rancher/k3s/agent/client-kubelet.key",
    ),
    (
        "/var/lib/rancher/rke2/agent/client-kubelet.crt",
        "/var/lib/rancher/rke2/agent/client-kubelet.key",
    ),
];
/// Kubelet's own certificate elsewhere than in its folder.
const PINS: [&str; 2] = [
    "/var/lib/rancher/k3s/agent/serving-kubelet.crt",
    "/var/lib/rancher/rke2/agent/serving-kubelet.crt",
];
/// The cluster's authority.
const AUTHORITIES: [&str; 4] = [
    "/etc/kubernetes/pki/ca.crt",
    "/var/lib/rancher/k3s/agent/server-ca.crt",
    "/var/lib/rancher/rke2/agent/server-ca.crt",
    "/var/snap/microk8s/current/certs/ca.crt",
];
/// What Kubernetes mounts into a pod.
const OWN_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const OWN_AUTHORITY: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
/// What to do about a certificate that nothing proves.
const ADVICE: &str = "name its authority, or that certificate itself, by --kubelet-ca";

/// Who may ask, the first to be tried first.
pub(super) fn credentials(
    root: &Root,
    services: &Services,
    settings: &Settings,
) -> Vec<Credential> {
    let named = named(services);
    if !named.is_empty() {
        return named;
    }
    let node = |path: &str| Place::Node(path.to_owned());
    let mut found = Vec::new();
    let own = format!("{}/{OWN}", settings.certificates);
    if root.exists(own.as_bytes()) {
        found.push(Credential::Certificate {
            certificate: node(&own),
            key: node(&own),
        });
    }
    let configs = KUBECONFIGS
        .iter()
        .filter(|path| root.exists(path.as_bytes()));
    found.extend(configs.map(|path| Credential::User(node(path))));
    let pairs = PAIRS
        .iter()
        .filter(|(path, _)| root.exists(path.as_bytes()));
    found.extend(pairs.map(|(certificate, key)| Credential::Certificate {
        certificate: node(certificate),
        key: node(key),
    }));
    if is_own(OWN_TOKEN) {
        found.push(Credential::Token(Place::Own(OWN_TOKEN.to_owned())));
    }
    found.push(Credential::Nobody);
    found
}

/// What a person named.
fn named(services: &Services) -> Vec<Credential> {
    let own = |path: &String| Place::Own(path.clone());
    let mut named = Vec::new();
    if let Some(certificate) = &services.kubelet_cert {
        named.push(Credential::Certificate {
            certificate: own(certificate),
            key: own(services.kubelet_key.as_ref().unwrap_or(certificate)),
        });
    }
    named.extend(
        services
            .kubelet_token_file
            .as_ref()
            .map(own)
            .map(Credential::Token),
    );
    named.extend(services.kubeconfig.as_ref().map(own).map(Credential::User));
    named
}

/// Whom to trust.
pub(super) fn trusted(root: &Root, services: &Services, settings: &Settings) -> Trusted {
    let node = |path: &str| Place::Node(path.to_owned());
    let mut trusted = Trusted {
        nodes: nodes(root, settings),
        advice: ADVICE.to_owned(),
        ..Trusted::default()
    };
    if let Some(named) = &services.kubelet_ca {
        // Either of the two.
        trusted.pins.push(Place::Own(named.clone()));
        trusted.authorities.push(Place::Own(named.clone()));
        return trusted;
    }
    let folder = &settings.certificates;
    trusted
        .pins
        .extend(settings.certificate.as_deref().map(node));
    trusted.pins.extend(
        ["kubelet-server-current.pem", "kubelet.crt"].map(|name| node(&format!("{folder}/{name}"))),
    );
    trusted.pins.extend(PINS.map(node));
    trusted.authorities.extend(AUTHORITIES.map(node));
    trusted
        .authorities
        .extend(settings.client_authority.as_deref().map(node));
    trusted
        .authorities
        .push(Place::Own(OWN_AUTHORITY.to_owned()));
    trusted
        .kubeconfigs
        .extend(services.kubeconfig.clone().map(Place::Own));
    trusted.kubeconfigs.push(node(KUBECONFIGS[0]));
    trusted
}

/// Names that the node goes by.
fn nodes(root: &Root, settings: &Settings) -> Vec<String> {
    let mut names: Vec<String> = settings.node.iter().cloned().collect();
    let host = Place::Node("/etc/hostname".to_owned()).read(root);
    let host = String::from_utf8(host.unwrap_or_default()).unwrap_or_default();
    names.extend(Some(host.trim().to_lowercase()).filter(|name| !name.is_empty()));
    let own = Place::Node(format!("{}/{OWN}", settings.certificates));
    let own = own.anchors(root).into_iter().next();
    let own = own.and_then(|anchor| Certificate::read(&anchor.certificate));
    names.extend(own.as_ref().and_then(Certificate::node).map(str::to_owned));
    names.dedup();
    names
}

fn is_own(path: &str) -> bool {
    Root::open(Path::new("/")).is_ok_and(|root| root.exists(path.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> (Root, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let pki = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/pki");
        let write = |path: &str, from: &str| {
            let to = folder.path().join(path);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(format!("{pki}/{from}"), to).unwrap();
        };
        write(
            "var/lib/kubelet/pki/kubelet-client-current.pem",
            "kubelet-client-current.pem",
        );
        write("etc/kubernetes/pki/ca.crt", "ca.crt");
        write("etc/kubernetes/admin.conf", "ca.crt");
        write(
            "etc/kubernetes/pki/apiserver-kubelet-client.crt",
            "admin.crt",
        );
        std::fs::write(folder.path().join("etc/hostname"), "Host1\n").unwrap();
        (Root::open(folder.path()).unwrap(), folder)
    }

    fn shown(credentials: &[Credential]) -> Vec<String> {
        credentials.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_order_is_the_documented_one() {
        let (root, _folder) = node();
        let settings = Settings::read(&root, &[]);
        let found = credentials(&root, &Services::default(), &settings);
        let found: Vec<_> = shown(&found)
            .into_iter()
            .filter(|c| !c.contains("serviceaccount"))
            .collect();
        let expected = [
            "certificate /var/lib/kubelet/pki/kubelet-client-current.pem",
            "user of /etc/kubernetes/admin.conf",
            "certificate /etc/kubernetes/pki/apiserver-kubelet-client.crt",
            "nobody",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_a_person_names_is_all() {
        let (root, _folder) = node();
        let settings = Settings::read(&root, &[]);
        let services = Services {
            kubelet_cert: Some("/a.crt".to_owned()),
            kubelet_token_file: Some("/token".to_owned()),
            kubelet_ca: Some("/ca.crt".to_owned()),
            kubeconfig: Some("/config".to_owned()),
            ..Services::default()
        };
        let found = credentials(&root, &services, &settings);
        let expected = ["certificate /a.crt", "token /token", "user of /config"];
        assert_eq!(shown(&found), expected);
        let trusted = trusted(&root, &services, &settings);
        let named = [Place::Own("/ca.crt".to_owned())];
        assert_eq!(
            (&trusted.pins[..], &trusted.authorities[..]),
            (&named[..], &named[..])
        );
        assert_eq!(trusted.nodes, ["host1", "node1"]);
    }
}
