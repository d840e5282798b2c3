//! What kubelet was told: its configuration file, and its flags, which win.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;

use crate::api::component::{flag, reachable};
use crate::api::place::Place;
use crate::root::Root;
use crate::yaml;

/// Where its configuration is when no argument says so: kubeadm, EKS, others.
const FILES: [&str; 4] = [
    "/var/lib/kubelet/config.yaml",
    "/etc/kubernetes/kubelet/kubelet-config.json",
    "/etc/kubernetes/kubelet/config.json",
    "/etc/kubernetes/kubelet-config.yaml",
];
/// Its default ports (pkg/cluster/ports).
const PORT: u16 = 10250;
const READ_ONLY_PORT: u16 = 10255;
const HEALTHZ_PORT: u16 = 10248;
/// Where it keeps the certificates that it makes itself.
const CERTIFICATES: &str = "/var/lib/kubelet/pki";

/// What matters for reaching it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) port: u16,
    ip: Option<IpAddr>,
    /// 0: switched off.
    read_only_port: u16,
    healthz_port: u16,
    healthz_ip: Option<IpAddr>,
    /// Its certificate, if it does not make one.
    pub(super) certificate: Option<String>,
    /// The folder of those that it makes.
    pub(super) certificates: String,
    /// Who has signed the certificates of its clients: mostly the cluster's authority.
    pub(super) client_authority: Option<String>,
    /// Its name, if it is not the host's.
    pub(super) node: Option<String>,
}

impl Settings {
    pub(super) fn read(root: &Root, arguments: &[String]) -> Self {
        let text = |path: &str| {
            let bytes = Place::Node(path.to_owned()).read(root).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = match flag(arguments, "config") {
            Some(path) => text(path),
            None => FILES.iter().find_map(|path| text(path)),
        };
        let config = text.map_or(Value::Null, |text| yaml::read(&text));
        Self::of(arguments, &config)
    }

    pub(super) fn of(arguments: &[String], config: &Value) -> Self {
        let text = |name: &str, field: &Value| {
            let value = flag(arguments, name).or_else(|| field.as_str());
            value.filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let port = |name: &str, field: &Value, default: u16| {
            let written = flag(arguments, name).and_then(|value| value.parse().ok());
            let written = written.or_else(|| field.as_u64()?.try_into().ok());
            written.unwrap_or(default)
        };
        let ip = |name: &str, field: &Value| text(name, field)?.parse().ok();
        Self {
            port: port("port", &config["port"], PORT),
            ip: ip("address", &config["address"]),
            read_only_port: port("read-only-port", &config["readOnlyPort"], READ_ONLY_PORT),
            healthz_port: port("healthz-port", &config["healthzPort"], HEALTHZ_PORT),
            healthz_ip: ip("healthz-bind-address", &config["healthzBindAddress"]),
            certificate: text("tls-cert-file", &config["tlsCertFile"]),
            certificates: text("cert-dir", &Value::Null).unwrap_or_else(|| CERTIFICATES.to_owned()),
            client_authority: text(
                "client-ca-file",
                &config["authentication"]["x509"]["clientCAFile"],
            ),
            node: text("hostname-override", &Value::Null),
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        SocketAddr::new(self.ip.unwrap_or(any), self.port)
    }

    /// Where it tells what is no secret to anybody.
    pub(super) fn read_only_url(&self) -> Option<String> {
        let mut address = reachable(self.address());
        address.set_port(self.read_only_port);
        (self.read_only_port != 0).then(|| format!("http://{address}"))
    }

    /// Where it tells its health to anybody.
    pub(super) fn health_url(&self) -> Option<String> {
        let ip = self.healthz_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let address = reachable(SocketAddr::new(ip, self.healthz_port));
        (self.healthz_port != 0).then(|| format!("http://{address}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn flags_win_over_the_file() {
        let config = json!({
            "port": 10350, "address": "10.0.2.15", "readOnlyPort": 0, "healthzPort": 1,
            "tlsCertFile": "/etc/kubernetes/pki/kubelet-server.crt",
            "authentication": {"x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"}},
        });
        let line = "/usr/bin/kubelet --v=2 --port 10450 --hostname-override=node1 --cert-dir /x";
        let settings = Settings::of(&arguments(line), &config);
        assert_eq!(settings.address().to_string(), "10.0.2.15:10450");
        assert_eq!(settings.read_only_url(), None);
        assert_eq!(settings.health_url().as_deref(), Some("http://127.0.0.1:1"));
        let certificate = settings.certificate.as_deref();
        assert_eq!(certificate, Some("/etc/kubernetes/pki/kubelet-server.crt"));
        let authority = settings.client_authority.as_deref();
        assert_eq!(authority, Some("/etc/kubernetes/pki/ca.crt"));
        assert_eq!(settings.certificates, "/x");
        assert_eq!(settings.node.as_deref(), Some("node1"));
    }

    #[test]
    fn nothing_said_is_the_default() {
        let settings = Settings::of(&[], &Value::Null);
        assert_eq!(settings.address().to_string(), "0.0.0.0:10250");
        assert_eq!(
            settings.read_only_url().as_deref(),
            Some("http://127.0.0.1:10255")
        );
        assert_eq!(
            settings.health_url().as_deref(),
            Some("http://127.0.0.1:10248")
        );
        let nonsense = json!({"port": "many", "address": 7, "readOnlyPort": 99_999_999});
        assert_eq!(Settings::of(&[], &nonsense), settings);
    }

    #[test]
    fn its_own_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let lib = folder.path().join("var/lib/kubelet");
        std::fs::create_dir_all(&lib).unwrap();
        std::fs::write(lib.join("config.yaml"), "port: 7\n").unwrap();
        std::fs::write(lib.join("other"), "port: 8\n").unwrap();
        let root = Root::open(folder.path()).unwrap();
        assert_eq!(Settings::read(&root, &[]).port, 7);
        let line = arguments("kubelet --config /var/lib/kubelet/other");
        assert_eq!(Settings::read(&root, &line).port, 8);
    }
}
