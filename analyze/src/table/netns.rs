//! Which network namespace an entry under `/proc/<pid>/net` is about.

use std::collections::HashMap;

use super::Input;

/// Namespaces by the process through which they were read.
#[derive(Debug, Default)]
pub struct Namespaces {
    by_pid: HashMap<u32, u64>,
}

/// The pattern that tables have to read for [`Namespaces`].
pub const LINKS: &str = "/proc/*/ns/net";

impl Namespaces {
    /// Takes a link of [`LINKS`]; says whether the entry was one.
    pub fn take(&mut self, input: &Input<'_>) -> bool {
        if input.part(2) != Some("ns") {
            return false;
        }
        let pid = input.part(1).and_then(|pid| pid.parse().ok());
        let inode = input
            .text()
            .split_once('[')
            .and_then(|(_, rest)| rest.trim().strip_suffix(']')?.parse().ok());
        if let Some((pid, inode)) = pid.zip(inode) {
            self.by_pid.insert(pid, inode);
        }
        true
    }

    /// The inode of the namespace that was read through this process.
    pub fn inode(&self, pid: Option<u32>) -> Option<u64> {
        self.by_pid.get(&pid?).copied()
    }
}

/// The process of `/proc/<pid>/net/...`: 1 stands for the host, as does `/proc/net/...`, which has
/// none.
pub fn reader(input: &Input<'_>) -> Option<u32> {
    input.part(1)?.parse().ok()
}

/// Whether the entry is about the host's own namespace.
pub fn is_host(pid: Option<u32>) -> bool {
    pid.is_none_or(|pid| pid == 1)
}
