//! A kubeconfig: where the API server is, who has signed its certificate, and who one is there.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

use super::place::{Place, anchors};
use crate::redact::decode_base64;
use crate::root::Root;
use crate::tls::{Anchor, Identity};
use crate::yaml;

/// A kubeconfig and where it lies.
pub(crate) struct Kubeconfig {
    place: Place,
    cluster: Value,
    user: Value,
}

impl Kubeconfig {
    /// Reads one; its current context is what counts.
    pub(crate) fn read(place: &Place, root: &Root) -> Result<Self, String> {
        let bytes = place.read(root);
        let bytes = bytes.map_err(|error| format!("{place}: {error}"))?;
        let value = yaml::read(&String::from_utf8_lossy(&bytes));
        let current = &value["current-context"];
        let context = named(&value["contexts"], current, "context");
        let cluster = named(&value["clusters"], &context["cluster"], "cluster");
        let user = named(&value["users"], &context["user"], "user");
        if cluster.is_null() && user.is_null() {
            return Err(format!("{place} is no kubeconfig"));
        }
        Ok(Self {
            place: place.clone(),
            cluster: cluster.clone(),
            user: user.clone(),
        })
    }

    /// The API server.
    pub(crate) fn server(&self) -> Option<&str> {
        self.cluster["server"].as_str()
    }

    /// The name that its certificate is made out for, where it is another than in its URL.
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.cluster["tls-server-name"].as_str()
    }

    /// Who has signed the API server's certificate.
    pub(crate) fn authorities(&self, root: &Root) -> Vec<Anchor> {
        let pem = self.bytes(&self.cluster, "certificate-authority", root);
        anchors(
            &pem.ok().flatten().unwrap_or_default(),
            &self.place.to_string(),
        )
    }

    /// The client certificate, if the user has one.
    pub(crate) fn identity(&self, root: &Root) -> Result<Option<Identity>, String> {
        let Some(certificate) = self.bytes(&self.user, "client-certificate", root)? else {
            return Ok(None);
        };
        let key = self.bytes(&self.user, "client-key", root)?;
        let key = key.unwrap_or_else(|| certificate.clone());
        identity(&certificate, &key)
            .map(Some)
            .map_err(|why| format!("{}: {why}", self.place))
    }

    /// The bearer token, if the user has one.
    pub(crate) fn token(&self, root: &Root) -> Result<Option<Vec<u8>>, String> {
        if let Some(token) = self.user["token"].as_str() {
            return Ok(Some(token.as_bytes().to_vec()));
        }
        let Some(file) = self.user["tokenFile"].as_str() else {
            return Ok(None);
        };
        let place = self.place.beside(file);
        let token = place.read(root);
        token.map(Some).map_err(|error| format!("{place}: {error}"))
    }

    /// Why its user is of no use, if it is known.
    pub(crate) fn obstacle(&self) -> Option<String> {
        let Self { place, user, .. } = self;
        ["exec", "auth-provider"]
            .iter()
            .find(|kind| !user[**kind].is_null())
            .map(|kind| {
                format!("the user of {place} takes a program ({kind}), and collect executes none")
            })
    }

    /// A field that is a file, or its contents with `-data` behind its name.
    fn bytes(&self, of: &Value, field: &str, root: &Root) -> Result<Option<Vec<u8>>, String> {
        if let Some(data) = of[format!("{field}-data")].as_str() {
            let packed: String = data.chars().filter(|c| !c.is_whitespace()).collect();
            return Ok(Some(decode_base64(packed.as_bytes())));
        }
        let Some(file) = of[field].as_str().filter(|file| !file.is_empty()) else {
            return Ok(None);
        };
        let place = self.place.beside(file);
        let bytes = place.read(root);
        bytes.map(Some).map_err(|error| format!("{place}: {error}"))
    }
}

/// The element of a list that has this name, or the first; its field.
fn named<'a>(list: &'a Value, name: &Value, field: &str) -> &'a Value {
    let empty = Vec::new();
    let items = list.as_array().unwrap_or(&empty);
    let found = items
        .iter()
        .position(|item| item["name"] == *name && !name.is_null());
    &list[found.unwrap_or(0)][field]
}

/// A client's certificate and key from PEM.
pub(crate) fn identity(certificate: &[u8], key: &[u8]) -> Result<Identity, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .filter_map(Result::ok)
        .collect();
    if chain.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| "there is no key with the certificate".to_owned())?;
    Ok(Identity { chain, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pki(name: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/pki");
        std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
    }

    fn base64(text: &str) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        text.as_bytes()
            .chunks(3)
            .flat_map(|part| {
                let bits = part.iter().fold(0_u32, |sum, b| sum << 8 | u32::from(*b))
                    << (8 * (3 - part.len()));
                (0..=part.len())
                    .map(move |n| char::from(LETTERS[(bits >> (18 - 6 * n) & 63) as usize]))
            })
            .collect()
    }

    fn read(text: &str) -> (Kubeconfig, Root, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config"), text).unwrap();
        for name in ["client.crt", "client.key", "ca.crt"] {
            std::fs::write(folder.path().join(name), pki(name)).unwrap();
        }
        std::fs::write(folder.path().join("token"), "abc\n").unwrap();
        let root = Root::open(folder.path()).unwrap();
        let config = Kubeconfig::read(&Place::Node("/config".to_owned()), &root).unwrap();
        (config, root, folder)
    }

    #[test]
    fn files_and_data_are_the_same() {
        let by_file = "\
clusters:
- cluster: {}
  name: other
- cluster:
    certificate-authority: ca.crt
    server: https://10.0.0.1:6443
    tls-server-name: kubernetes
  name: c
contexts:
- context:
    cluster: c
    user: u
  name: now
current-context: now
users:
- name: u
  user:
    client-certificate: /client.crt
    client-key: client.key
";
        let by_data = serde_json::json!({
            "clusters": [{"name": "c", "cluster": {
                "server": "https://10.0.0.1:6443", "tls-server-name": "kubernetes",
                "certificate-authority-data": base64(&pki("ca.crt")),
            }}],
            "users": [{"name": "u", "user": {
                "client-certificate-data": base64(&pki("client.crt")),
                "client-key-data": base64(&pki("client.key")),
            }}],
        });
        for text in [by_file.to_owned(), by_data.to_string()] {
            let (config, root, _folder) = read(&text);
            assert_eq!(config.server(), Some("https://10.0.0.1:6443"));
            assert_eq!(config.server_name(), Some("kubernetes"));
            assert_eq!(config.authorities(&root).len(), 1);
            assert_eq!(config.identity(&root).unwrap().unwrap().chain.len(), 1);
            assert_eq!(config.token(&root), Ok(None));
            assert_eq!(config.obstacle(), None);
        }
    }

    #[test]
    fn tokens_and_programs_are_told_apart() {
        let (config, root, _folder) = read("users:\n- name: u\n  user:\n    tokenFile: token\n");
        assert_eq!(config.token(&root), Ok(Some(b"abc\n".to_vec())));
        assert!(config.identity(&root).unwrap().is_none());
        let (config, ..) = read("users:\n- name: u\n  user:\n    exec:\n      command: aws\n");
        assert!(config.obstacle().unwrap().contains("exec"));
    }

    #[test]
    fn what_is_none_is_said() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x"), "hello: world\n").unwrap();
        let root = Root::open(folder.path()).unwrap();
        let read = |path: &str| Kubeconfig::read(&Place::Node(path.to_owned()), &root).err();
        assert_eq!(read("/x").unwrap(), "/x is no kubeconfig");
        assert!(read("/y").unwrap().starts_with("/y: "));
        assert!(identity(b"", b"").is_err());
        assert!(identity(pki("client.crt").as_bytes(), b"").is_err());
    }
}
