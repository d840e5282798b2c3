//! Mounts, and how full the local file systems are.
//!
//! Only file systems on local devices are asked: `statvfs` on a dead network or FUSE mount never
//! returns. What NFS mounts suffer is in `mountstats`, which asks no server.

use std::time::{Duration, Instant};

use freezeframe_bundle::Outcome;
use serde::Serialize;

use crate::namespaces::one_process_each;
use crate::root::FileSystemSize;
use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// File systems that live on this node. Anything else may be a server's.
const LOCAL: [&str; 17] = [
    "ext2",
    "ext3",
    "ext4",
    "xfs",
    "btrfs",
    "zfs",
    "vfat",
    "exfat",
    "f2fs",
    "bcachefs",
    "jfs",
    "reiserfs",
    "tmpfs",
    "ramfs",
    "overlay",
    "hugetlbfs",
    "squashfs",
];

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "mount",
    order: 220,
    about: "mounts of the host and of containers, NFS counters, space and inodes of local file systems",
    reads: &[
        "/proc/1/{mountinfo,mountstats}",
        "/proc/<one process per mount namespace>/mountinfo",
        "/etc/fstab",
        "statvfs of local file systems",
    ],
    hazard: Hazard::Unkillable,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(5),
    max_bytes: 32 << 20,
    estimate: Estimate::Fixed(4),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

/// One line of `calls/statvfs.jsonl`.
#[derive(Serialize)]
struct FileSystem<'a> {
    mount_point: &'a str,
    filesystem_type: &'a str,
    device: &'a str,
    outcome: Outcome,
    took_us: u64,
    #[serde(flatten)]
    size: Option<FileSystemSize>,
}

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    let process = if cx.exists("/proc/1/mountinfo") {
        "1"
    } else {
        "self"
    };
    cx.read(format!("/proc/{process}/mountinfo"));
    let mountinfo = String::from_utf8_lossy(cx.bytes()).into_owned();
    cx.try_read(format!("/proc/{process}/mountstats"));
    cx.try_read("/etc/fstab");
    let began = Instant::now();
    let mut lines = Vec::new();
    let mut left_out = 0;
    for mount in mountinfo.lines().filter_map(parse) {
        if cx.is_spent() {
            left_out += 1;
            continue;
        }
        // A structure of strings and numbers: it always serialises.
        lines.extend(serde_json::to_vec(&ask(cx, &mount)).unwrap_or_default());
        lines.push(b'\n');
    }
    let outcome = if left_out == 0 {
        Outcome::Complete
    } else {
        Outcome::Partial(format!(
            "{left_out} mounts left out: deadline of this source"
        ))
    };
    cx.answer("calls/statvfs.jsonl", &lines, outcome, began.elapsed());
    // Last, for there are many: what each container has mounted.
    for pid in one_process_each(cx, "mnt")
        .into_iter()
        .filter(|pid| *pid != 1)
    {
        cx.try_read(format!("/proc/{pid}/mountinfo"));
    }
    Ok(())
}

/// A mount as `mountinfo` tells it, its path with `\040` for a space.
struct Mount<'a> {
    point: &'a str,
    kind: &'a str,
    device: &'a str,
}

fn parse(line: &str) -> Option<Mount<'_>> {
    let (front, back) = line.split_once(" - ")?;
    let mut back = back.split(' ');
    Some(Mount {
        point: front.split(' ').nth(4)?,
        kind: back.next()?,
        device: back.next()?,
    })
}

fn ask<'a>(cx: &mut Cx<'_>, mount: &Mount<'a>) -> FileSystem<'a> {
    let (result, took_us) = if LOCAL.contains(&mount.kind) {
        cx.statvfs(&unescape(mount.point))
    } else {
        let why = "not a local file system: asking may hang";
        (Err(Outcome::Skipped(why.to_owned())), 0)
    };
    let (outcome, size) = match result {
        Ok(size) => (Outcome::Complete, Some(size)),
        Err(outcome) => (outcome, None),
    };
    FileSystem {
        mount_point: mount.point,
        filesystem_type: mount.kind,
        device: mount.device,
        outcome,
        took_us,
        size,
    }
}

/// Decodes the kernel's octal escapes: space, tab, newline and backslash.
fn unescape(path: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..3).filter(|_| *first == b'\\');
        let code =
            code.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        if let Some(code) = code {
            bytes.push(code);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_the_kernel_are_decoded() {
        assert_eq!(unescape("/mnt/a\\040b\\134c"), b"/mnt/a b\\c");
        assert_eq!(unescape("/odd\\9"), b"/odd\\9");
    }
}
