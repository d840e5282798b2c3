//! Certificates of kubelet and the control plane: when they end, who signed them. Never a key.
//!
//! Keys lie in the same folders and even in the same files. So nothing is stored as it is read: of
//! each file the blocks of certificates, and not a byte beside them.

use std::io::Read;
use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::root;
use crate::source::{Brief, Cx, Estimate, Hazard, Privacy, Source, Told};

/// A longer file is no certificate: bundles of authorities have some hundred kilobytes.
const FILE_BYTES: u64 = 1 << 20;
/// A longer block is none.
const BLOCK_BYTES: usize = 64 << 10;
/// Files of one folder.
const FILES: usize = 200;

/// Folders, and whether those below are read.
const FOLDERS: [(&str, bool); 10] = [
    ("/var/lib/kubelet/pki", false),
    ("/etc/kubernetes/pki", true),
    ("/etc/kubernetes/ssl", true),
    ("/etc/kubernetes/certs", false),
    ("/etc/ssl/etcd/ssl", false),
    ("/etc/etcd/pki", false),
    ("/var/lib/rancher/k3s/agent", false),
    ("/var/lib/rancher/rke2/agent", false),
    ("/var/lib/rancher/k3s/server/tls", true),
    ("/var/lib/rancher/rke2/server/tls", true),
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "certificate",
    order: 325,
    about: "certificates of kubelet and the control plane; of each file the certificates alone, never a key",
    reads: &[
        "/var/lib/kubelet/pki/ (names), /var/lib/kubelet/pki/*.{crt,pem}",
        "/etc/kubernetes/{pki,ssl,certs}/**.{crt,pem}, the same of etcd, k3s, rke2",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(5),
    max_bytes: 8 << 20,
    estimate: Estimate::Fixed(20),
    capture,
    again: None,
    each_second: &[],
    calls: &[certificates],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    // Which one is in use, and when there was a new one.
    cx.try_listing("/var/lib/kubelet/pki", FILES);
    for (folder, is_deep) in FOLDERS {
        read(cx, folder, is_deep);
    }
    Ok(())
}

fn read(cx: &mut Cx<'_>, folder: &str, is_deep: bool) {
    for name in cx.list(folder).iter().take(FILES) {
        let Some(text) = name.text() else { continue };
        let path = format!("{folder}/{text}");
        if name.is_folder && is_deep {
            read(cx, &path, false);
        } else if is_certificate(text) {
            let member = ["root", &freezeframe_bundle::member::escape(path.as_bytes())].concat();
            cx.call(0, path.as_bytes(), &member);
        }
    }
}

fn is_certificate(name: &str) -> bool {
    match name.rsplit_once('.') {
        Some((_, "crt")) => true,
        Some((stem, "pem")) => !stem.contains("key"),
        _ => false,
    }
}

/// The certificates of a file.
fn certificates(brief: &Brief<'_>) -> Told {
    let read = brief.root.file(brief.argument).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(FILE_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    match read {
        Ok(bytes) => {
            let blocks = blocks(&String::from_utf8_lossy(&bytes));
            if blocks.is_empty() {
                return Told::none(Outcome::Absent("no certificate is in it".to_owned()));
            }
            Told {
                bytes: blocks.into_bytes(),
                outcome: Outcome::Complete,
                cut: None,
            }
        }
        Err(error) => Told::none(root::outcome(&error)),
    }
}

/// Whole blocks of certificates (RFC 7468), as they stand.
fn blocks(text: &str) -> String {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut blocks = String::new();
    for part in text.split(BEGIN).skip(1) {
        let Some((inner, _)) = part.split_once(END) else {
            continue;
        };
        let is_base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=\r\n".contains(&b);
        if inner.len() <= BLOCK_BYTES && inner.bytes().all(is_base64) {
            blocks += &format!("{BEGIN}{inner}{END}\n");
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_beside_certificates_stay_where_they_are() {
        let text = "subject=CN = system:node:node1\n-----BEGIN CERTIFICATE-----\nMIIBfirst\n-----END CERTIFICATE-----\n\
                    -----BEGIN EC PRIVATE KEY-----\nMHcCAQEEsecret\n-----END EC PRIVATE KEY-----\n\
                    -----BEGIN CERTIFICATE-----\r\nMIIBsecond==\r\n-----END CERTIFICATE-----\r\nMHcCAQEEsecret";
        let kept = blocks(text);
        assert_eq!(
            kept,
            "-----BEGIN CERTIFICATE-----\nMIIBfirst\n-----END CERTIFICATE-----\n\
             -----BEGIN CERTIFICATE-----\r\nMIIBsecond==\r\n-----END CERTIFICATE-----\n"
        );
    }

    #[test]
    fn what_is_no_whole_certificate_is_not_kept() {
        for text in [
            "",
            "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n",
            "-----BEGIN CERTIFICATE-----\nMIIB",
            "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n-----END CERTIFICATE-----",
        ] {
            assert_eq!(blocks(text), "", "{text}");
        }
    }
}
