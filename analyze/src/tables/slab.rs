//! Caches of the kernel's own objects.
//!
//! ```text
//! slabinfo - version: 2.1
//! # name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables ... : slabdata <active_slabs> <num_slabs> <sharedavail>
//! dentry 41286 45570 192 21 1 : tunables 0 0 0 : slabdata 2170 2170 0
//! ```

use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "slab",
    about: "caches of the kernel's own objects",
    columns: &[
        text("name", ""),
        int("active_objects_count", "in use"),
        int("objects_count", "allocated"),
        int("object_size_bytes", ""),
        int("total_bytes", "pages of the cache"),
        int("active_bytes", "objects in use"),
    ],
    reads: &["/proc/slabinfo"],
    decoder: || Box::new(Slab::default()),
};

#[derive(Default)]
struct Slab {
    caches: Vec<(String, i64, String, [u64; 6])>,
}

impl Decode for Slab {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        for (number, line) in input.lines() {
            if line.starts_with("slabinfo") || line.starts_with('#') {
                continue;
            }
            match parse(&line) {
                Some((name, cache)) => {
                    self.caches
                        .push((input.entry.to_owned(), number, name.to_owned(), cache));
                }
                None => damages.add(
                    input,
                    Some(number),
                    format!("not a line of slabinfo: `{line}`"),
                ),
            }
        }
    }

    fn finish(self: Box<Self>, node: &Node, rows: &mut Rows) {
        for (entry, number, name, [active, objects, size, _, pages, slabs]) in self.caches {
            let total = slabs
                .saturating_mul(pages)
                .saturating_mul(node.page_size_bytes());
            rows.add(&entry, Some(number))
                .set("name", name)
                .set("active_objects_count", active)
                .set("objects_count", objects)
                .set("object_size_bytes", size)
                .set("total_bytes", total)
                .set("active_bytes", active.saturating_mul(size));
        }
    }
}

/// Name; active objects, objects, object size, objects per slab, pages per slab, slabs.
fn parse(line: &str) -> Option<(&str, [u64; 6])> {
    let (front, back) = line.split_once(" : slabdata")?;
    let mut words = front.split_ascii_whitespace();
    let name = words.next()?;
    let mut next = || words.next()?.parse().ok();
    let (active, objects, size, per_slab, pages) = (next()?, next()?, next()?, next()?, next()?);
    let slabs = back.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some((name, [active, objects, size, per_slab, pages, slabs]))
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn bytes_of_a_cache() {
        let (rows, damages) = run(
            "slab",
            &[("root/proc/slabinfo", b"slabinfo - version: 2.1\n# name\ndentry 40 42 192 21 1 : tunables 0 0 0 : slabdata 2 2 0\nbad\n")],
        );
        let columns = [
            "name",
            "active_objects_count",
            "total_bytes",
            "active_bytes",
        ];
        assert_eq!(csv(&rows, &columns), "dentry,40,8192,7680\n");
        assert_eq!(damages.list.len(), 1);
    }
}
