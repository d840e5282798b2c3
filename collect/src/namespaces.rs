//! Namespaces, each seen through one process in it: nothing is entered.

use std::collections::BTreeSet;

use crate::processes::pids;
use crate::source::{Ask, Cx};

/// One pid for each namespace of this kind (`net`, `mnt`), process 1 first.
pub(crate) fn one_process_each(cx: &mut Cx<'_>, kind: &str) -> Vec<u32> {
    let mut pids = pids(cx);
    let links = pids.iter().map(|pid| format!("{pid}/ns/{kind}"));
    let links: Vec<_> = links.map(String::into_bytes).collect();
    let mut namespaces = BTreeSet::new();
    let mut first_of = BTreeSet::new();
    cx.peek_each("/proc", &links, Ask::Link, &mut |link, namespace| {
        if namespaces.insert(namespace.to_vec()) {
            first_of.insert(link.to_vec());
        }
    });
    let place = |pid: &u32| format!("{pid}/ns/{kind}").into_bytes();
    // A process whose namespace cannot be seen is of no use here, but for the first one.
    pids.retain(|pid| *pid == 1 || first_of.contains(&place(pid)));
    pids
}
