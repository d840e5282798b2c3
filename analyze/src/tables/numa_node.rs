//! Memory and CPUs of each NUMA node. A node without CPUs or without memory is a node too.
//!
//! ```text
//! Node 0 MemTotal:       24683656 kB          (meminfo)
//! numa_hit 189533314                          (numastat, in pages)
//! 0-3,8-11                                    (cpulist)
//! 10 21                                       (distance)
//! ```

use std::collections::{BTreeMap, HashMap};

use crate::table::attribute::shown;
use crate::table::counter::Counters;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "numa_node",
    about: "NUMA nodes: their memory, their CPUs, and pages that went to another node than wanted",
    columns: &[
        int("node", "number"),
        text("cpus", "as `0-3,8-11`; empty: memory alone"),
        text("distances", "to each node, 10: itself"),
        int("total_bytes", "0: no memory of its own"),
        int("free_bytes", ""),
        int("used_bytes", "total_bytes - free_bytes"),
        int("anon_bytes", "memory of programs"),
        int("file_bytes", "page cache"),
        int("shmem_bytes", "shared memory and tmpfs, part of file_bytes"),
        int("slab_bytes", "the kernel's own objects"),
        int(
            "slab_unreclaimable_bytes",
            "of these, what cannot be given back",
        ),
        int("dirty_bytes", "waits to be written"),
        int("huge_pages_count", "reserved on this node"),
        int("huge_pages_free_count", ""),
        int("hit_count", "pages taken here as wanted, since boot"),
        int("hit_delta", "in the window"),
        int(
            "miss_count",
            "pages taken here though another node was wanted",
        ),
        int("miss_delta", "in the window"),
        int("foreign_count", "pages wanted here and taken elsewhere"),
        int("foreign_delta", "in the window"),
        int("local_count", "pages taken here by a CPU of this node"),
        int("local_delta", "in the window"),
        int("other_count", "pages taken here by a CPU of another node"),
        int("other_delta", "in the window"),
        int("window_us", "time between the readings"),
    ],
    reads: &[
        "/sys/devices/system/node/node*/meminfo",
        "/sys/devices/system/node/node*/numastat",
        "/sys/devices/system/node/node*/cpulist",
        "/sys/devices/system/node/node*/distance",
    ],
    decoder: || Box::new(NumaNodes::default()),
};

/// Counters of numastat with their columns (kernel doc `admin-guide/numastat`).
const COUNTERS: [(&str, &str, &str); 5] = [
    ("numa_hit", "hit_count", "hit_delta"),
    ("numa_miss", "miss_count", "miss_delta"),
    ("numa_foreign", "foreign_count", "foreign_delta"),
    ("local_node", "local_count", "local_delta"),
    ("other_node", "other_count", "other_delta"),
];

/// Fields of meminfo in kB with their columns.
const BYTES: [(&str, &str); 9] = [
    ("MemTotal", "total_bytes"),
    ("MemFree", "free_bytes"),
    ("MemUsed", "used_bytes"),
    ("AnonPages", "anon_bytes"),
    ("FilePages", "file_bytes"),
    ("Shmem", "shmem_bytes"),
    ("Slab", "slab_bytes"),
    ("SUnreclaim", "slab_unreclaimable_bytes"),
    ("Dirty", "dirty_bytes"),
];

#[derive(Default)]
struct NumaNodes {
    nodes: BTreeMap<u32, NumaNode>,
}

#[derive(Default)]
struct NumaNode {
    entry: String,
    cpus: Option<String>,
    distances: Option<String>,
    /// By the kernel's name: bytes, or huge pages.
    memory: HashMap<String, u64>,
    counters: Option<Counters>,
}

impl Decode for NumaNodes {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let number = input.part(4).and_then(|name| name.strip_prefix("node"));
        let Some(number) = number.and_then(|number| number.parse().ok()) else {
            return;
        };
        let node = self.nodes.entry(number).or_default();
        let file = input.path.rsplit('/').next().unwrap_or_default();
        if node.entry.is_empty() || file == "meminfo" && input.reading == 0 {
            input.entry.clone_into(&mut node.entry);
        }
        match file {
            "meminfo" if input.reading == 0 => node.meminfo(input, damages),
            "numastat" => node.numastat(input, damages),
            "cpulist" => node.cpus = Some(input.text().trim().to_owned()),
            "distance" => node.distances = Some(input.text().trim().to_owned()),
            _ => {}
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (number, node) in self.nodes {
            let memory = |name: &str| node.memory.get(name).copied();
            let counters = node.counters.as_ref();
            let mut row = rows.add(&node.entry, None);
            row.set("node", number)
                .set("cpus", node.cpus.as_deref())
                .set("distances", node.distances.as_deref())
                .set("huge_pages_count", memory("HugePages_Total"))
                .set("huge_pages_free_count", memory("HugePages_Free"))
                .set("window_us", counters.and_then(Counters::window_us));
            for (name, column) in BYTES {
                row.set(column, memory(name));
            }
            for (place, (_, count, delta)) in COUNTERS.iter().enumerate() {
                row.set(count, counters.and_then(|c| c.first(place)))
                    .set(delta, counters.and_then(|c| c.delta(place)));
            }
        }
    }
}

impl NumaNode {
    /// `Node 0 MemTotal:       24683656 kB`; counts of pages have no unit.
    fn meminfo(&mut self, input: &Input<'_>, damages: &mut Damages) {
        for (number, line) in input.lines() {
            match memory(&line) {
                Some((name, value)) => {
                    self.memory.insert(name.to_owned(), value);
                }
                None if line.trim().is_empty() => {}
                None => damages.add(
                    input,
                    Some(number),
                    format!("not a line of meminfo: `{}`", shown(&line)),
                ),
            }
        }
    }

    /// A counter that is missing makes the whole reading damage: kernels have all or none.
    fn numastat(&mut self, input: &Input<'_>, damages: &mut Damages) {
        let text = input.text();
        let find = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
                .and_then(|value| value.trim().parse().ok())
        };
        let values: Option<Vec<u64>> = COUNTERS.iter().map(|(name, ..)| find(name)).collect();
        match (values, &mut self.counters) {
            (Some(values), Some(counters)) => counters.update(input, values),
            (Some(values), none) => *none = Some(Counters::new(input, None, values)),
            (None, _) => damages.add(input, None, "a counter of numastat is missing"),
        }
    }
}

fn memory(line: &str) -> Option<(&str, u64)> {
    let mut words = line.strip_prefix("Node ")?.split_ascii_whitespace().skip(1);
    let name = words.next()?.strip_suffix(':')?;
    let value: u64 = words.next()?.parse().ok()?;
    match words.next() {
        Some("kB") => Some((name, value.checked_mul(1024)?)),
        Some(_) => None,
        None => Some((name, value)),
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const FOLDER: &str = "sys/devices/system/node";

    #[test]
    fn memory_cpus_and_gains() {
        let meminfo = "Node 1 MemTotal:       24683656 kB\nNode 1 MemFree:         7618144 kB\nNode 1 MemUsed:        17065512 kB\nNode 1 Active(anon):       1520 kB\nNode 1 FilePages:      16253828 kB\nNode 1 AnonPages:          7744 kB\nNode 1 Slab:             693204 kB\nNode 1 HugePages_Total:     4\nNode 1 HugePages_Free:      3\n";
        let numastat = "numa_hit 189533314\nnuma_miss 5\nnuma_foreign 0\ninterleave_hit 1130\nlocal_node 189533314\nother_node 0\n";
        let later = numastat.replace("numa_miss 5", "numa_miss 9");
        let (rows, damages) = run(
            "numa_node",
            &[
                (&format!("root/{FOLDER}/node1/meminfo"), meminfo.as_bytes()),
                (
                    &format!("root/{FOLDER}/node1/numastat"),
                    numastat.as_bytes(),
                ),
                (&format!("root/{FOLDER}/node1/cpulist"), b"0-3,8-11\n"),
                (&format!("root/{FOLDER}/node1/distance"), b"21 10\n"),
                (
                    &format!("window/10/{FOLDER}/node1/numastat"),
                    later.as_bytes(),
                ),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "node",
                    "total_bytes",
                    "free_bytes",
                    "used_bytes",
                    "anon_bytes",
                    "slab_bytes"
                ]
            ),
            "1,25276063744,7800979456,17475084288,7929856,709840896\n"
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "distances",
                    "huge_pages_free_count",
                    "hit_delta",
                    "miss_count",
                    "miss_delta",
                    "window_us"
                ]
            ),
            "21 10,3,0,5,4,10000000\n"
        );
        assert_eq!(rows.text(0, "cpus"), Some("0-3,8-11"));
        assert_eq!(
            rows.text(0, "entry"),
            Some("root/sys/devices/system/node/node1/meminfo")
        );
        assert!(damages.list.is_empty());
    }

    #[test]
    fn what_is_missing_or_damaged_is_null() {
        let (rows, damages) = run(
            "numa_node",
            &[
                (&format!("root/{FOLDER}/node10/meminfo"), b"Node 10 MemTotal: x kB\nNode 10 MemFree: 4 kB\nNode 10 Dirty: 18446744073709551615 kB\n"),
                (&format!("root/{FOLDER}/node2/cpulist"), b"\n"),
                (&format!("root/{FOLDER}/node2/numastat"), b"numa_hit 1\n"),
                (&format!("root/{FOLDER}/nodes/cpulist"), b"0\n"),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "node",
                    "cpus",
                    "total_bytes",
                    "free_bytes",
                    "dirty_bytes",
                    "hit_count",
                    "hit_delta"
                ]
            ),
            "2,,,,,,\n10,,,4096,,,\n"
        );
        assert_eq!(damages.list.len(), 3);
    }
}
