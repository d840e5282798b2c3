//! Configuration: the files of a folder that look like it, and of folders below.

use crate::source::Cx;

/// A longer file is no configuration.
const FILE_BYTES: usize = 256 << 10;
/// Files of one folder.
const FILES: usize = 300;

/// Parts of names behind which keys and tokens are kept in the open.
const SECRET: [&str; 7] = [
    "encrypt",
    "secret",
    "token",
    "passw",
    "key",
    "credential",
    "auth",
];
/// Endings of names of configuration; other files have none at all.
const ENDINGS: [&str; 11] = [
    "yaml",
    "yml",
    "json",
    "toml",
    "conf",
    "conflist",
    "env",
    "cfg",
    "config",
    "kubeconfig",
    "bak",
];

/// Reads the files of a folder that not every node has, and of its folders down to `depth` levels.
pub(crate) fn read(cx: &mut Cx<'_>, folder: &str, depth: u32) {
    let names = cx.list(folder);
    if names.len() > FILES {
        let why = "files in crowded folders of configuration";
        cx.leave_out(why, (names.len() - FILES) as u64);
    }
    for name in names.iter().take(FILES) {
        let Some(text) = name.text() else { continue };
        let path = format!("{folder}/{text}");
        if name.is_folder {
            if depth > 0 && !is_secret(text) && !is_of_keys(text) {
                read(cx, &path, depth - 1);
            }
        } else if is_configuration(text) {
            cx.read_up_to(&path, FILE_BYTES);
        }
    }
}

/// Folders of certificates lie with their keys.
fn is_of_keys(name: &str) -> bool {
    ["pki", "ssl", "tls", "certs"].contains(&name)
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

fn is_configuration(name: &str) -> bool {
    let is_known = match name.rsplit_once('.') {
        None => true,
        Some((_, ending)) => ENDINGS.contains(&ending),
    };
    is_known && !is_secret(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_keys_is_left_alone() {
        for name in [
            "config.yaml",
            "kubelet",
            "kubelet.conf",
            "10-calico.conflist",
            "kube-apiserver.yaml",
        ] {
            assert!(is_configuration(name), "{name}");
        }
        for name in [
            "encryption-config.yaml",
            "known_tokens.csv",
            "tokens.csv",
            "sa.key",
            "admin.pem",
            "server.crt",
            "credentials.json",
            "basic_auth.csv",
            "data.db",
            "master-key.conf",
        ] {
            assert!(!is_configuration(name), "{name}");
        }
    }
}
