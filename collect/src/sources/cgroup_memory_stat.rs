//! `memory.stat` of every cgroup, which a sick node answers slowly.
//!
//! To print it the kernel adds up every CPU and every dying descendant under a global lock: seconds
//! on nodes with many of both. How long each read takes is evidence in itself.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "cgroup_memory_stat",
    order: 120,
    about: "what the memory of every cgroup consists of; the time of each read tells lock trouble",
    reads: &[
        "/sys/fs/cgroup/**/memory.stat",
        "/sys/fs/cgroup/memory/**/memory.stat (v1)",
    ],
    hazard: Hazard::Costly,
    privacy: Privacy::Names,
    deadline: Duration::from_secs(10),
    max_bytes: 64 << 20,
    estimate: Estimate::PerCgroup(1),
    capture,
    again: None,
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for mount in crate::cgroups::mounts(cx) {
        crate::cgroups::try_files(cx, &mount, &|name| name == "memory.stat");
    }
    Ok(())
}
