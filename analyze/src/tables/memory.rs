//! The node's memory, from `/proc/meminfo`.
//!
//! ```text
//! MemTotal:       24564316 kB
//! MemAvailable:   23010240 kB
//! HugePages_Total:       0
//! ```
//!
//! Fields come and go with kernels (`MemAvailable` since 3.14, `KReclaimable` since 4.20): what a
//! kernel does not print is null.

use std::collections::HashMap;

use crate::table::{Column, Damages, Decode, Input, Node, Rows, Table, float, int};

const COLUMNS: [(&str, Column); 40] = [
    ("MemTotal", int("total_bytes", "usable memory")),
    ("MemFree", int("free_bytes", "used for nothing")),
    (
        "MemAvailable",
        int(
            "available_bytes",
            "the kernel's estimate of what can be used without swapping",
        ),
    ),
    ("Buffers", int("buffers_bytes", "cache of block devices")),
    (
        "Cached",
        int("cached_bytes", "page cache, shared memory included"),
    ),
    (
        "SwapCached",
        int("swap_cached_bytes", "in memory and in swap"),
    ),
    ("Active", int("active_bytes", "used recently")),
    ("Inactive", int("inactive_bytes", "used less recently")),
    (
        "Active(anon)",
        int("active_anon_bytes", "memory of programs, used recently"),
    ),
    (
        "Inactive(anon)",
        int(
            "inactive_anon_bytes",
            "memory of programs, used less recently",
        ),
    ),
    (
        "Active(file)",
        int("active_file_bytes", "page cache, used recently"),
    ),
    (
        "Inactive(file)",
        int("inactive_file_bytes", "page cache, reclaimed first"),
    ),
    (
        "Unevictable",
        int("unevictable_bytes", "cannot be reclaimed"),
    ),
    ("Mlocked", int("mlocked_bytes", "locked by mlock")),
    ("SwapTotal", int("swap_total_bytes", "swap space")),
    ("SwapFree", int("swap_free_bytes", "swap space left")),
    ("Dirty", int("dirty_bytes", "to be written to disk")),
    ("Writeback", int("writeback_bytes", "being written to disk")),
    ("AnonPages", int("anon_bytes", "memory of programs")),
    ("Mapped", int("mapped_bytes", "files mapped into programs")),
    ("Shmem", int("shmem_bytes", "shared memory and tmpfs")),
    (
        "KReclaimable",
        int("kreclaimable_bytes", "kernel memory that can be reclaimed"),
    ),
    ("Slab", int("slab_bytes", "the kernel's own objects")),
    (
        "SReclaimable",
        int("slab_reclaimable_bytes", "slabs that can be reclaimed"),
    ),
    (
        "SUnreclaim",
        int("slab_unreclaimable_bytes", "slabs that cannot"),
    ),
    (
        "KernelStack",
        int("kernel_stack_bytes", "kernel stacks of threads"),
    ),
    ("PageTables", int("page_tables_bytes", "page tables")),
    (
        "CommitLimit",
        int(
            "commit_limit_bytes",
            "what may be promised with strict overcommit",
        ),
    ),
    (
        "Committed_AS",
        int("committed_bytes", "what was promised to programs"),
    ),
    (
        "VmallocUsed",
        int("vmalloc_used_bytes", "virtually contiguous kernel memory"),
    ),
    (
        "Percpu",
        int(
            "percpu_bytes",
            "per-CPU allocator: grows with CPUs and cgroups",
        ),
    ),
    (
        "HardwareCorrupted",
        int(
            "hardware_corrupted_bytes",
            "taken out of use after memory errors",
        ),
    ),
    (
        "AnonHugePages",
        int("anon_huge_bytes", "transparent huge pages of programs"),
    ),
    (
        "HugePages_Total",
        int("huge_pages_total_count", "reserved huge pages"),
    ),
    (
        "HugePages_Free",
        int("huge_pages_free_count", "of these, unused"),
    ),
    (
        "Hugepagesize",
        int("huge_page_size_bytes", "size of a huge page"),
    ),
    (
        "Hugetlb",
        int("hugetlb_bytes", "memory in huge pages of all sizes"),
    ),
    ("Zswap", int("zswap_bytes", "compressed swap in memory")),
    (
        "SecPageTables",
        int(
            "secondary_page_tables_bytes",
            "page tables of virtual machines",
        ),
    ),
    (
        "NFS_Unstable",
        int(
            "nfs_unstable_bytes",
            "sent to an NFS server, not yet durable there",
        ),
    ),
];

/// The table.
pub static TABLE: Table = Table {
    name: "memory",
    about: "the node's memory at the first reading: one row",
    columns: &{
        let mut columns = [float("available_ratio", "available_bytes / total_bytes"); 41];
        let mut place = 0;
        while place < 40 {
            columns[place] = COLUMNS[place].1;
            place += 1;
        }
        columns
    },
    reads: &["/proc/meminfo"],
    decoder: || Box::new(Memory::default()),
};

#[derive(Default)]
struct Memory {
    entry: Option<String>,
    values: HashMap<String, u64>,
}

impl Decode for Memory {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if input.reading > 0 {
            return;
        }
        self.entry = Some(input.entry.to_owned());
        for (number, line) in input.lines() {
            match parse(&line) {
                Some((name, value)) => {
                    self.values.insert(name.to_owned(), value);
                }
                None => damages.add(
                    input,
                    Some(number),
                    format!("not a line of meminfo: `{line}`"),
                ),
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        let Some(entry) = self.entry.filter(|_| !self.values.is_empty()) else {
            return;
        };
        let available = self
            .values
            .get("MemAvailable")
            .zip(self.values.get("MemTotal"));
        let ratio = available
            .filter(|(_, total)| **total > 0)
            .map(|(a, t)| *a as f64 / *t as f64);
        let mut row = rows.add(&entry, None);
        for (name, column) in COLUMNS {
            row.set(column.name, self.values.get(name).copied());
        }
        row.set("available_ratio", ratio);
    }
}

/// Name and value of a line; kB become bytes, counts stay.
pub(crate) fn parse(line: &str) -> Option<(&str, u64)> {
    let (name, rest) = line.split_once(':')?;
    let mut words = rest.split_ascii_whitespace();
    let value: u64 = words.next()?.parse().ok()?;
    match words.next() {
        Some("kB") => Some((name, value.checked_mul(1024)?)),
        None => Some((name, value)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn bytes_and_counts() {
        let (rows, damages) = run(
            "memory",
            &[("root/proc/meminfo", b"MemTotal:       1000 kB\nMemAvailable:    250 kB\nHugePages_Total:      3\nnonsense\n")],
        );
        let columns = [
            "total_bytes",
            "available_ratio",
            "huge_pages_total_count",
            "slab_bytes",
        ];
        assert_eq!(csv(&rows, &columns), "1024000,0.2500,3,\n");
        assert_eq!(damages.list.len(), 1);
    }

    #[test]
    fn kernels_before_3_14_do_not_estimate_what_is_available() {
        let (rows, _) = run(
            "memory",
            &[("root/proc/meminfo", b"MemTotal: 8 kB\nMemFree: 4 kB\n")],
        );
        assert_eq!(
            csv(&rows, &["free_bytes", "available_bytes", "available_ratio"]),
            "4096,,\n"
        );
    }
}
