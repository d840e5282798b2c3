//! Where the kernel's own memory went: slabs, huge pages, NUMA nodes, KSM.

use std::time::Duration;

use freezeframe_bundle::Outcome;

use crate::source::{Cx, Estimate, Hazard, Privacy, Source};

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "memory_detail",
    order: 230,
    about: "slabs, huge pages, NUMA nodes, KSM, transparent huge pages",
    reads: &[
        "/proc/slabinfo",
        "/sys/devices/system/node/node*/{meminfo,numastat,cpulist,distance}",
        "/sys/kernel/mm/{hugepages,ksm,transparent_hugepage,lru_gen}/*",
    ],
    hazard: Hazard::Costly,
    privacy: Privacy::Harmless,
    deadline: Duration::from_secs(5),
    max_bytes: 8 << 20,
    estimate: Estimate::Fixed(40),
    capture,
    again: Some(again),
    each_second: &[],
    calls: &[],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    cx.read("/proc/slabinfo");
    again(cx)?;
    for folder in numbered(cx, "/sys/devices/system/node", "node") {
        for file in ["cpulist", "distance"] {
            cx.try_read(format!("{folder}/{file}"));
        }
    }
    for file in [
        "transparent_hugepage/enabled",
        "transparent_hugepage/defrag",
        "lru_gen/enabled",
    ] {
        cx.try_read(format!("/sys/kernel/mm/{file}"));
    }
    for file in [
        "run",
        "pages_shared",
        "pages_sharing",
        "pages_unshared",
        "general_profit",
    ] {
        cx.try_read(format!("/sys/kernel/mm/ksm/{file}"));
    }
    for size in cx.list("/sys/kernel/mm/hugepages") {
        let Some(size) = size.text() else { continue };
        for file in [
            "nr_hugepages",
            "free_hugepages",
            "resv_hugepages",
            "surplus_hugepages",
        ] {
            cx.try_read(format!("/sys/kernel/mm/hugepages/{size}/{file}"));
        }
    }
    Ok(())
}

fn again(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    for folder in numbered(cx, "/sys/devices/system/node", "node") {
        for file in ["meminfo", "numastat", "vmstat"] {
            cx.try_read(format!("{folder}/{file}"));
        }
    }
    Ok(())
}

/// Folders called `prefix<number>`.
fn numbered(cx: &mut Cx<'_>, folder: &str, prefix: &str) -> Vec<String> {
    let names = cx.list(folder);
    let numbers = names.iter().filter_map(|name| {
        let name = name.text()?;
        name.strip_prefix(prefix)?.parse::<u32>().ok()?;
        Some(format!("{folder}/{name}"))
    });
    numbers.collect()
}
