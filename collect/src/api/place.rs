//! Where a certificate, key or token lies.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use crate::root::Root;
use crate::tls::Anchor;

/// A bundle of authorities has some hundred kilobytes.
const FILE_BYTES: u64 = 1 << 20;

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    /// Of the node: below `--root`.
    Node(String),
    /// As this process sees it: named on the command line, or mounted into its own container.
    Own(String),
}

impl Place {
    /// Reads it.
    pub(crate) fn read(&self, root: &Root) -> io::Result<Vec<u8>> {
        let file = match self {
            Self::Node(path) => root.file(path.as_bytes())?,
            Self::Own(path) => Root::open(Path::new("/"))?.file(path.as_bytes())?,
        };
        let mut bytes = Vec::new();
        file.take(FILE_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Another file, as this one names it: its own folder is where relative paths begin.
    pub(crate) fn beside(&self, path: &str) -> Self {
        let (Self::Node(own) | Self::Own(own)) = self;
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            let folder = own.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{path}")
        };
        match self {
            Self::Node(_) => Self::Node(path),
            Self::Own(_) => Self::Own(path),
        }
    }

    /// The certificates in it; none where it cannot be read.
    pub(crate) fn anchors(&self, root: &Root) -> Vec<Anchor> {
        let bytes = self.read(root).unwrap_or_default();
        anchors(&bytes, &self.to_string())
    }
}

/// The certificates in a text.
pub(crate) fn anchors(pem: &[u8], place: &str) -> Vec<Anchor> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .map(|certificate| Anchor {
            certificate,
            place: place.to_owned(),
        })
        .collect()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Node(path) | Self::Own(path)) = self;
        f.write_str(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_begin_at_the_file() {
        let config = Place::Node("/etc/kubernetes/kubelet.conf".to_owned());
        let of = |path: &str| config.beside(path).to_string();
        assert_eq!(of("pki/x.crt"), "/etc/kubernetes/pki/x.crt");
        assert_eq!(of("/a/b"), "/a/b");
    }
}
