//! Whether `--root` is the machine that this process runs on.
//!
//! System calls answer for this machine and this network namespace, whatever `--root` says. They
//! are made only where the answer is one about the node.

use std::path::Path;

use freezeframe_bundle::Outcome;
use rustix::fs::{PROC_SUPER_MAGIC, fstatfs};

use crate::root::Root;

/// Whether the node's `/proc` is that of the running kernel: not so for a copy of a node's files.
pub(crate) fn is_live(root: &Root) -> Result<(), Outcome> {
    let is_proc = root
        .file(b"/proc/version")
        .is_ok_and(|file| fstatfs(&file).is_ok_and(|fs| fs.f_type == PROC_SUPER_MAGIC));
    if is_proc {
        Ok(())
    } else {
        Err(Outcome::Absent("only of the live node".to_owned()))
    }
}

/// Whether this process is in the network namespace of the node's first process.
pub(crate) fn shares_network(root: &Root) -> Result<(), Outcome> {
    is_live(root)?;
    let [own, node] =
        ["self", "1"].map(|process| root.link(format!("/proc/{process}/ns/net").as_bytes()));
    match (own, node) {
        (Ok(own), Ok(node)) if own != node => Err(Outcome::Denied(
            "this is another network namespace than the node's: needs hostNetwork: true".to_owned(),
        )),
        (Ok(_), Ok(_)) => Ok(()),
        // Without root the link of process 1 cannot be read. On the machine itself the namespace
        // is then taken to be the same; elsewhere nothing says so.
        _ if root.path() == Path::new("/") => Ok(()),
        _ => Err(Outcome::Denied(
            "the node's network namespace cannot be seen: needs CAP_SYS_PTRACE".to_owned(),
        )),
    }
}

/// Whether a kernel feature can be asked for without loading its module: a capture changes nothing.
pub(crate) fn has_module(root: &Root, name: &str) -> Result<(), Outcome> {
    // A kernel without this file cannot load any.
    let Some(modules) = read(root, "/proc/modules") else {
        return Ok(());
    };
    let is_loaded = modules
        .lines()
        .any(|line| line.split(' ').next() == Some(name));
    if is_loaded || root.exists(format!("/sys/module/{name}").as_bytes()) {
        return Ok(());
    }
    let release = read(root, "/proc/sys/kernel/osrelease").unwrap_or_default();
    let builtin = format!("/lib/modules/{}/modules.builtin", release.trim());
    let file = format!("/{name}.ko");
    match read(root, &builtin) {
        Some(builtin) if builtin.lines().any(|line| line.ends_with(&file)) => Ok(()),
        _ => Err(Outcome::Absent(format!(
            "the module {name} is not loaded, and asking would load it"
        ))),
    }
}

fn read(root: &Root, path: &str) -> Option<String> {
    let file = root.file(path.as_bytes()).ok()?;
    std::io::read_to_string(file).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn this_machine_is_live() {
        let root = Root::open(Path::new("/")).unwrap();
        assert_eq!(is_live(&root), Ok(()));
        assert_eq!(shares_network(&root), Ok(()));
    }

    #[test]
    fn a_copy_is_not_even_with_the_link_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let namespace = std::fs::read_link("/proc/self/ns/net").unwrap();
        for process in ["1", "self"] {
            let path = folder.path().join("proc").join(process).join("ns");
            std::fs::create_dir_all(&path).unwrap();
            symlink(&namespace, path.join("net")).unwrap();
        }
        std::fs::write(folder.path().join("proc/version"), "Linux version 6.1\n").unwrap();
        let root = Root::open(folder.path()).unwrap();
        assert!(matches!(is_live(&root), Err(Outcome::Absent(_))));
        assert!(matches!(shares_network(&root), Err(Outcome::Absent(_))));
    }

    #[test]
    fn a_module_is_loaded_built_in_or_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("proc/modules", "nf_tables 1 0 - Live 0x0\n");
        write("proc/sys/kernel/osrelease", "6.1.0\n");
        let builtin = "kernel/net/ipv4/inet_diag.ko\n";
        write("lib/modules/6.1.0/modules.builtin", builtin);
        let root = Root::open(folder.path()).unwrap();
        assert_eq!(has_module(&root, "nf_tables"), Ok(()));
        assert_eq!(has_module(&root, "inet_diag"), Ok(()));
        assert!(has_module(&root, "tcp_diag").is_err());
        assert!(has_module(&root, "diag").is_err());
    }
}
