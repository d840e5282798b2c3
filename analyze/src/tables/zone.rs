//! Memory zones and their watermarks, from `/proc/zoneinfo`: reclaim begins below `low`, allocations
//! wait below `min`.
//!
//! ```text
//! Node 0, zone   Normal
//!   pages free     123456
//!         min      10000
//!         low      12500
//!         high     15000
//!         managed  3000000
//! ```

use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "zone",
    about: "memory zones and their watermarks at the first reading",
    columns: &[
        int("numa_node", ""),
        text("zone", "DMA, DMA32, Normal, Movable or Device"),
        int("free_bytes", ""),
        int("min_bytes", "below it allocations wait for reclaim"),
        int("low_bytes", "below it reclaim begins"),
        int("high_bytes", "above it reclaim ends"),
        int("managed_bytes", "memory of the zone"),
    ],
    reads: &["/proc/zoneinfo"],
    decoder: || Box::new(Zones::default()),
};

const COLUMNS: [(&str, &str); 5] = [
    ("pages free", "free_bytes"),
    ("min", "min_bytes"),
    ("low", "low_bytes"),
    ("high", "high_bytes"),
    ("managed", "managed_bytes"),
];

#[derive(Default)]
struct Zones {
    entry: String,
    zones: Vec<Zone>,
}

struct Zone {
    line: i64,
    numa_node: i64,
    name: String,
    pages: Vec<(&'static str, u64)>,
}

impl Decode for Zones {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if input.reading > 0 {
            return;
        }
        input.entry.clone_into(&mut self.entry);
        for (number, line) in input.lines() {
            if let Some(head) = line.strip_prefix("Node ") {
                match head
                    .split_once(", zone")
                    .and_then(|(node, name)| Some((node.parse().ok()?, name.trim())))
                {
                    Some((numa_node, name)) => {
                        let name = name.to_owned();
                        self.zones.push(Zone {
                            line: number,
                            numa_node,
                            name,
                            pages: Vec::new(),
                        });
                    }
                    None => damages.add(
                        input,
                        Some(number),
                        format!("not the head of a zone: `{line}`"),
                    ),
                }
                continue;
            }
            let text = line.trim();
            let named = COLUMNS.iter().find_map(|(name, column)| {
                let value = text
                    .strip_prefix(name)?
                    .strip_prefix(' ')?
                    .trim()
                    .parse()
                    .ok()?;
                Some((*column, value))
            });
            // Each name stands once before the lists per CPU, which use some of them again.
            if let Some((zone, (column, value))) = self.zones.last_mut().zip(named)
                && !zone.pages.iter().any(|(known, _)| *known == column)
            {
                zone.pages.push((column, value));
            }
        }
    }

    fn finish(self: Box<Self>, node: &Node, rows: &mut Rows) {
        for zone in self.zones {
            let mut row = rows.add(&self.entry, Some(zone.line));
            row.set("numa_node", zone.numa_node).set("zone", zone.name);
            for (column, pages) in zone.pages {
                row.set(column, pages.checked_mul(node.page_size_bytes()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn watermarks_and_not_the_lists_per_cpu() {
        let (rows, damages) = run(
            "zone",
            &[("root/proc/zoneinfo", b"Node 0, zone   Normal\n  pages free     100\n        min      10\n        low      12\n        high     15\n        managed  300\n  pagesets\n    cpu: 0\n              high:  9\n        high     99\nNode x, zone y\n")],
        );
        let columns = [
            "numa_node",
            "zone",
            "free_bytes",
            "min_bytes",
            "high_bytes",
            "managed_bytes",
        ];
        assert_eq!(
            csv(&rows, &columns),
            "0,Normal,409600,40960,61440,1228800\n"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
