//! Where the cgroup trees are and how they are walked.

use crate::source::Cx;

/// Where systemd and every runtime look for them if `mountinfo` does not tell.
const USUAL: &str = "/sys/fs/cgroup";

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

/// Visits every group of a tree, parents first, with its folder and the names in it. A visit that
/// returns false ends the walk.
pub(crate) fn walk(
    cx: &mut Cx<'_>,
    mount: &str,
    visit: &mut dyn FnMut(&mut Cx<'_>, &str, &[&str]) -> bool,
) {
    let mut folders = vec![mount.to_owned()];
    while let Some(folder) = folders.pop() {
        let names = cx.list(&folder);
        let files: Vec<&str> = names
            .iter()
            .filter(|n| !n.is_folder)
            .filter_map(|n| n.text())
            .collect();
        if !visit(cx, &folder, &files) {
            return;
        }
        // Last in, first out: reversed, so that names come in order.
        let children = names
            .iter()
            .rev()
            .filter(|n| n.is_folder)
            .filter_map(|n| n.text());
        folders.extend(children.map(|child| format!("{folder}/{child}")));
    }
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
