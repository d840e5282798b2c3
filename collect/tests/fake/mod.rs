//! A fake node: a folder of literal files for `--root`.

#![allow(dead_code)] // each test file uses a part of it

pub(crate) mod containerd;
pub(crate) mod grpc;
pub(crate) mod load;
pub(crate) mod mounts;
pub(crate) mod plant;
pub(crate) mod service;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use freezeframe_bundle::{Contents, Item, Reader};

/// A folder that stands for a node's `/`.
pub(crate) struct FakeNode {
    pub(crate) folder: tempfile::TempDir,
}

impl FakeNode {
    /// A node with one process and the files that every kernel has.
    pub(crate) fn new() -> Self {
        let node = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        node.file("etc/hostname", "node1\n");
        node.file("proc/uptime", "100.00 180.00\n");
        node.file(
            "proc/stat",
            "cpu  1 0 2 300 0 0 0 0 0 0\ncpu0 1 0 2 300 0 0 0 0 0 0\n",
        );
        node.file(
            "proc/meminfo",
            "MemTotal:        1000 kB\nMemAvailable:     500 kB\n",
        );
        node.process(1, "init", "S");
        node
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    pub(crate) fn process(&self, pid: u32, command: &str, state: &str) {
        let stat =
            format!("{pid} ({command}) {state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n");
        self.file(&format!("proc/{pid}/stat"), &stat);
        self.file(
            &format!("proc/{pid}/status"),
            format!("Name:\t{command}\nThreads:\t1\n"),
        );
        self.file(&format!("proc/{pid}/task/{pid}/stat"), stat);
        self.file(
            &format!("proc/{pid}/task/{pid}/stack"),
            "[<0>] io_schedule+0x46/0x70\n",
        );
        self.link(&format!("proc/{pid}/ns/net"), "net:[4026531840]");
    }

    /// Runs `collect --root` on it with more arguments, the bundle being `bundle.tar.zst`.
    pub(crate) fn collect(&self, arguments: &[&str]) -> Output {
        self.collect_to("bundle.tar.zst", arguments)
    }

    /// As [`FakeNode::collect`], with a bundle of another name.
    pub(crate) fn collect_to(&self, output: &str, arguments: &[&str]) -> Output {
        collect(self.folder.path())
            .arg("--root")
            .arg(self.root())
            .args(["-o", output])
            .args(arguments)
            .output()
            .unwrap()
    }

    pub(crate) fn read(&self) -> (Vec<Item>, Contents) {
        read(&self.folder.path().join("bundle.tar.zst"))
    }
}

/// The binary, to be run in a folder: the static one that `make test` names, or the one that cargo
/// built for the tests.
pub(crate) fn collect(folder: &Path) -> Command {
    let built = env!("CARGO_BIN_EXE_collect").into();
    let mut command = Command::new(std::env::var_os("FREEZEFRAME_COLLECT").unwrap_or(built));
    command.current_dir(folder);
    command
}

/// Everything in a bundle.
pub(crate) fn read(path: &Path) -> (Vec<Item>, Contents) {
    let mut items = Vec::new();
    let contents = Reader::open(path)
        .unwrap()
        .read(&mut |item| items.push(item));
    (items, contents)
}

/// The bytes of an entry.
pub(crate) fn bytes<'a>(items: &'a [Item], path: &str) -> Option<&'a [u8]> {
    items.iter().find_map(|item| match item {
        Item::Entry(entry) if entry.path == path => Some(&entry.bytes[..]),
        _ => None,
    })
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
