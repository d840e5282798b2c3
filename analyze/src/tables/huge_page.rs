//! Pools of huge pages: memory that is set apart and that nothing else can use.
//!
//! ```text
//! /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages      512
//! /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages    12
//! ```
//!
//! Kernel doc `admin-guide/mm/hugetlbpage`.

use crate::table::attribute::Objects;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int};

/// The table.
pub static TABLE: Table = Table {
    name: "huge_page",
    about: "pools of huge pages, one row per page size",
    columns: &[
        int("page_bytes", "size of one page"),
        int("pages_count", "in the pool"),
        int("free_count", "not yet in use"),
        int("reserved_count", "of the free ones, promised to a process"),
        int("surplus_count", "above the pool's set size"),
        int("total_bytes", "memory of the pool"),
        int("free_bytes", "neither in use nor free for other use"),
    ],
    reads: &[
        "/sys/kernel/mm/hugepages/*/nr_hugepages",
        "/sys/kernel/mm/hugepages/*/free_hugepages",
        "/sys/kernel/mm/hugepages/*/resv_hugepages",
        "/sys/kernel/mm/hugepages/*/surplus_hugepages",
    ],
    decoder: || Box::new(HugePages::default()),
};

#[derive(Default)]
struct HugePages {
    pools: Objects,
}

impl Decode for HugePages {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if let (Some(pool), Some(file)) = (input.part(4), input.part(5)) {
            self.pools.number(pool, file, input, damages);
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        let mut pools: Vec<_> = self
            .pools
            .into_iter()
            .map(|(name, pool)| (page_bytes(&name), pool))
            .collect();
        pools.sort_by_key(|(page_bytes, _)| *page_bytes);
        for (page_bytes, pool) in pools {
            let bytes = |name: &str| pool.get_times(name, page_bytes?);
            rows.add(&pool.entry, None)
                .set("page_bytes", page_bytes)
                .set("pages_count", pool.get("nr_hugepages"))
                .set("free_count", pool.get("free_hugepages"))
                .set("reserved_count", pool.get("resv_hugepages"))
                .set("surplus_count", pool.get("surplus_hugepages"))
                .set("total_bytes", bytes("nr_hugepages"))
                .set("free_bytes", bytes("free_hugepages"));
        }
    }
}

/// The size in `hugepages-2048kB`.
fn page_bytes(name: &str) -> Option<u64> {
    let kilobytes = name.strip_prefix("hugepages-")?.strip_suffix("kB")?;
    kilobytes.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn pools_by_size() {
        let (rows, damages) = run(
            "huge_page",
            &[
                (
                    "root/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages",
                    b"0\n",
                ),
                (
                    "root/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
                    b"512\n",
                ),
                (
                    "root/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
                    b"12\n",
                ),
                (
                    "root/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages",
                    b"none\n",
                ),
                ("root/sys/kernel/mm/hugepages/strange/nr_hugepages", b"4\n"),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "page_bytes",
                    "pages_count",
                    "free_count",
                    "reserved_count",
                    "total_bytes",
                    "free_bytes"
                ]
            ),
            ",4,,,,\n2097152,512,12,,1073741824,25165824\n1073741824,0,,,0,\n"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
