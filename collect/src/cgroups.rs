//! Where the cgroup trees are and how they are walked.

use crate::source::{Cx, FILE};

/// Where systemd and every runtime look for them if `mountinfo` does not tell.
const USUAL: &str = "/sys/fs/cgroup";

/// Groups that are asked for at once.
const AT_ONCE: usize = 32;

/// Mount points of cgroup file systems, each tree once.
pub(crate) fn mounts(cx: &mut Cx<'_>) -> Vec<String> {
    let mut mounts: Vec<String> = Vec::new();
    // The first is the node's also in a pod with the node's /proc at --root.
    for table in ["/proc/1/mountinfo", "/proc/self/mountinfo"] {
        if cx.peek(table) {
            mounts = cgroup_mounts(&String::from_utf8_lossy(cx.bytes()));
        }
        if !mounts.is_empty() {
            break;
        }
    }
    if mounts.is_empty() {
        mounts.push(USUAL.to_owned());
    }
    mounts
}

/// The mount points of type cgroup and cgroup2 in a mountinfo, the first of each super block.
fn cgroup_mounts(mountinfo: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut mounts = Vec::new();
    for line in mountinfo.lines() {
        let Some((front, back)) = line.split_once(" - ") else {
            continue;
        };
        if !matches!(back.split(' ').next(), Some("cgroup" | "cgroup2")) {
            continue;
        }
        let mut fields = front.split(' ').skip(2);
        let (Some(device), Some(_), Some(point)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if !seen.contains(&device) {
            seen.push(device);
            mounts.push(point.to_owned());
        }
    }
    mounts
}

/// Reads the wanted files of every group of a tree, parents first; how many groups there were.
pub(crate) fn try_files(cx: &mut Cx<'_>, mount: &str, wanted: &dyn Fn(&str) -> bool) -> usize {
    let mut folders = vec![mount.to_owned()];
    let mut groups = 0;
    while !folders.is_empty() {
        if cx.is_spent() {
            let why = "groups with all below them: the deadline or byte limit of this source";
            cx.leave_out(why, folders.len() as u64);
            return groups;
        }
        // Last in, first out: one branch after the other, so that few folders wait.
        let some = folders.split_off(folders.len().saturating_sub(AT_ONCE));
        groups += some.len();
        let paths: Vec<_> = some.iter().map(|path| path.clone().into_bytes()).collect();
        let mut files = Vec::new();
        cx.list_each(&paths, &mut |folder, names| {
            let folder = String::from_utf8_lossy(folder);
            for name in names {
                let Some(text) = name.text() else { continue };
                if name.is_folder {
                    folders.push(format!("{folder}/{text}"));
                } else if wanted(text) {
                    files.push((format!("{folder}/{text}"), FILE));
                }
            }
        });
        cx.try_each("", &files, &mut |_, _| {});
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_trees_are_found_once_each() {
        let mountinfo = "\
31 24 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
32 31 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup rw
33 31 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
34 31 0:28 / /mnt/again rw - cgroup cgroup rw,cpu,cpuacct
broken line
35 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
";
        assert_eq!(
            cgroup_mounts(mountinfo),
            [
                "/sys/fs/cgroup/unified",
                "/sys/fs/cgroup/cpu,cpuacct",
                "/sys/fs/cgroup/memory"
            ]
        );
    }
}
