//! Namespaces, each seen through one process in it: nothing is entered.

use std::collections::BTreeSet;

use crate::source::Cx;

/// One pid for each namespace of this kind (`net`, `mnt`), process 1 first.
pub(crate) fn one_process_each(cx: &mut Cx<'_>, kind: &str) -> Vec<u32> {
    let mut pids: Vec<u32> = cx
        .list("/proc")
        .iter()
        .filter_map(|name| name.text()?.parse().ok())
        .collect();
    pids.sort_unstable();
    let mut namespaces = BTreeSet::new();
    pids.retain(|pid| {
        let link = cx.root().link(format!("/proc/{pid}/ns/{kind}").as_bytes());
        // A process whose namespace cannot be seen is of no use here, but for the first one.
        link.map_or(*pid == 1, |namespace| namespaces.insert(namespace))
    });
    pids
}
