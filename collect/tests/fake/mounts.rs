//! Mounts that fault tests need. They need root; where they cannot be had a test says so.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A file system that never answers, see `hangfs.py`.
pub(crate) struct DeadMount {
    server: Child,
    folder: PathBuf,
}

impl DeadMount {
    /// Mounts it; nothing where this machine does not allow it.
    pub(crate) fn at(folder: &Path, mode: &[&str]) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake/hangfs.py");
        let mut server = Command::new("python3")
            .arg(script)
            .arg(folder)
            .args(mode)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let is_ready = lines.map_while(Result::ok).any(|line| line == "ready");
        let mount = Self {
            server,
            folder: folder.to_owned(),
        };
        if !is_ready {
            println!("skipped: no FUSE mount can be made here (needs root, /dev/fuse, python3)");
        }
        is_ready.then_some(mount)
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        // With the server all that wait are let go.
        let _ = self.server.kill();
        let _ = self.server.wait();
        unmount(&self.folder);
    }
}

/// A small file system in memory.
pub(crate) struct Tmpfs {
    pub(crate) folder: PathBuf,
}

impl Tmpfs {
    /// Mounts it; nothing where this machine does not allow it.
    pub(crate) fn at(folder: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(folder)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            println!("skipped: no tmpfs can be mounted here (needs root)");
        }
        mounted.then(|| Self {
            folder: folder.to_owned(),
        })
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        unmount(&self.folder);
    }
}

fn unmount(folder: &Path) {
    let _ = Command::new("umount").arg("-l").arg(folder).status();
}
