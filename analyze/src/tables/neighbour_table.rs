//! Fill of the neighbour tables (ARP for IPv4, ND for IPv6), which all namespaces share.
//!
//! ```text
//! entries  allocs destroys hash_grows lookups hits res_failed rcv_probes_mcast rcv_probes_ucast periodic_gc_runs forced_gc_runs unresolved_discards table_fulls
//! 00000003  00000007 ...
//! ```

use std::collections::BTreeMap;

use crate::table::counter::{Counters, ratio};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "neighbour_table",
    about: "fill of the neighbour tables of IPv4 and IPv6",
    columns: &[
        text("family", "`arp` or `ndisc`"),
        int("entries_count", "last reading"),
        int("limit_count", "gc_thresh3: the table is never larger"),
        float("used_ratio", "entries_count / limit_count"),
        int("table_full_count", "entries refused, since boot"),
        int("table_full_delta", "in the window"),
        int(
            "unresolved_discard_delta",
            "packets dropped while an address was looked for",
        ),
        int("window_us", "time between the readings"),
    ],
    reads: &[
        "/proc/1/net/stat/arp_cache",
        "/proc/1/net/stat/ndisc_cache",
        "/proc/sys/net/ipv4/neigh/default/gc_thresh3",
        "/proc/sys/net/ipv6/neigh/default/gc_thresh3",
    ],
    decoder: || Box::new(NeighbourTables::default()),
};

#[derive(Default)]
struct NeighbourTables {
    /// Entries, `table_fulls`, `unresolved_discards`.
    stats: BTreeMap<&'static str, Counters>,
    limits: BTreeMap<&'static str, u64>,
}

impl Decode for NeighbourTables {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let family = if input.path.contains("ndisc") || input.path.contains("ipv6") {
            "ndisc"
        } else {
            "arp"
        };
        if input.path.ends_with("gc_thresh3") {
            if let Ok(limit) = input.text().trim().parse() {
                self.limits.insert(family, limit);
            }
            return;
        }
        let Some(values) = values(&input.text()) else {
            damages.add(input, None, "not a table of neighbour statistics");
            return;
        };
        self.stats
            .entry(family)
            .and_modify(|counters| counters.update(input, values.clone()))
            .or_insert_with(|| Counters::new(input, Some(2), values));
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (family, stat) in &self.stats {
            let limit = self.limits.get(family).copied();
            rows.add(&stat.entry, stat.line)
                .set("family", *family)
                .set("entries_count", stat.last(0))
                .set("limit_count", limit)
                .set("used_ratio", ratio(stat.last(0), limit))
                .set("table_full_count", stat.first(1))
                .set("table_full_delta", stat.delta(1))
                .set("unresolved_discard_delta", stat.delta(2))
                .set("window_us", stat.window_us());
        }
    }
}

/// Entries of the first line, for each CPU tells the same; the counters of all CPUs.
fn values(text: &str) -> Option<Vec<u64>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next()?.split_ascii_whitespace().collect();
    let place = |name: &str| names.iter().position(|n| *n == name);
    let (entries, fulls) = (place("entries")?, place("table_fulls"));
    let discards = place("unresolved_discards");
    let mut sums = vec![0_u64; 3];
    for (number, line) in lines.enumerate() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let value = |place: usize| u64::from_str_radix(words.get(place)?, 16).ok();
        let wanted = [Some(entries).filter(|_| number == 0), fulls, discards];
        for (sum, place) in sums.iter_mut().zip(wanted) {
            if let Some(place) = place {
                *sum = sum.wrapping_add(value(place)?);
            }
        }
    }
    Some(sums)
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn nearly_full() {
        let stat =
            b"entries allocs unresolved_discards table_fulls\n000003e8 0 0 5\n000003e8 0 1 0\n";
        let (rows, _) = run(
            "neighbour_table",
            &[
                ("root/proc/1/net/stat/arp_cache", stat),
                ("root/proc/sys/net/ipv4/neigh/default/gc_thresh3", b"1024\n"),
            ],
        );
        let columns = [
            "family",
            "entries_count",
            "used_ratio",
            "table_full_count",
            "table_full_delta",
        ];
        assert_eq!(csv(&rows, &columns), "arp,1000,0.9766,5,\n");
    }
}
