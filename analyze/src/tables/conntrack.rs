//! The host's connection tracking table.
//!
//! ```text
//! entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop ...
//! 0000001c  00000000 00000000 ...
//! ```
//!
//! One line of hexadecimal numbers per CPU; `entries` is the same in all of them.

use crate::table::counter::{Counters, ratio};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int};

/// The table.
pub static TABLE: Table = Table {
    name: "conntrack",
    about: "the host's connection tracking table: one row",
    columns: &[
        int("entries_count", "connections tracked, last reading"),
        int("max_count", "sysctl nf_conntrack_max"),
        float("used_ratio", "entries_count / max_count"),
        int("buckets_count", "of the hash table"),
        int(
            "drop_count",
            "packets dropped because the table was full, since boot",
        ),
        int(
            "early_drop_count",
            "entries removed to make room, since boot",
        ),
        int("insert_failed_count", "lost races, since boot"),
        int("drop_delta", "in the window"),
        int("early_drop_delta", ""),
        int("insert_failed_delta", ""),
        int("window_us", "time between the readings"),
    ],
    reads: &[
        "/proc/sys/net/netfilter/nf_conntrack_count",
        "/proc/sys/net/netfilter/nf_conntrack_max",
        "/proc/sys/net/netfilter/nf_conntrack_buckets",
        "/proc/1/net/stat/nf_conntrack",
        "/proc/net/stat/nf_conntrack",
    ],
    decoder: || Box::new(Conntrack::default()),
};

#[derive(Default)]
struct Conntrack {
    entry: Option<String>,
    count: Option<u64>,
    max: Option<u64>,
    buckets: Option<u64>,
    /// drop, `early_drop`, `insert_failed`, summed over CPUs.
    stat: Option<Counters>,
}

impl Decode for Conntrack {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let number = || input.text().trim().parse::<u64>().ok();
        match input.path.rsplit('/').next() {
            Some("nf_conntrack_count") => {
                self.entry.get_or_insert_with(|| input.entry.to_owned());
                self.count = number();
            }
            Some("nf_conntrack_max") => self.max = number(),
            Some("nf_conntrack_buckets") => self.buckets = number(),
            _ => match sums(&input.text()) {
                Some(values) => match &mut self.stat {
                    Some(stat) => stat.update(input, values),
                    None => self.stat = Some(Counters::new(input, None, values)),
                },
                None => damages.add(input, None, "not a table of conntrack statistics"),
            },
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        let Some(entry) = self.entry else { return };
        let stat = self.stat.as_ref();
        rows.add(&entry, Some(1))
            .set("entries_count", self.count)
            .set("max_count", self.max)
            .set("used_ratio", ratio(self.count, self.max))
            .set("buckets_count", self.buckets)
            .set("drop_count", stat.and_then(|s| s.first(0)))
            .set("early_drop_count", stat.and_then(|s| s.first(1)))
            .set("insert_failed_count", stat.and_then(|s| s.first(2)))
            .set("drop_delta", stat.and_then(|s| s.delta(0)))
            .set("early_drop_delta", stat.and_then(|s| s.delta(1)))
            .set("insert_failed_delta", stat.and_then(|s| s.delta(2)))
            .set("window_us", stat.and_then(Counters::window_us));
    }
}

/// drop, `early_drop` and `insert_failed` over all CPUs; the columns differ between kernels.
fn sums(text: &str) -> Option<Vec<u64>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next()?.split_ascii_whitespace().collect();
    let place = |name: &str| names.iter().position(|n| *n == name);
    let places = [
        place("drop")?,
        place("early_drop")?,
        place("insert_failed")?,
    ];
    let mut sums = vec![0_u64; 3];
    for line in lines {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        for (sum, place) in sums.iter_mut().zip(places) {
            *sum = sum.wrapping_add(u64::from_str_radix(words.get(place)?, 16).ok()?);
        }
    }
    Some(sums)
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    const HEAD: &str = "entries clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop\n";

    #[test]
    fn full_and_dropping() {
        let first = format!("{HEAD}a 0 0 0 0 0 0 0 0 1 2 3\na 0 0 0 0 0 0 0 0 0 e 0\n");
        let last = format!("{HEAD}a 0 0 0 0 0 0 0 0 1 2 3\na 0 0 0 0 0 0 0 0 0 ff 0\n");
        let (rows, _) = run(
            "conntrack",
            &[
                ("root/proc/sys/net/netfilter/nf_conntrack_count", b"900\n"),
                ("root/proc/sys/net/netfilter/nf_conntrack_max", b"1000\n"),
                ("root/proc/1/net/stat/nf_conntrack", first.as_bytes()),
                ("window/10/proc/1/net/stat/nf_conntrack", last.as_bytes()),
            ],
        );
        let columns = ["used_ratio", "drop_count", "drop_delta", "early_drop_delta"];
        assert_eq!(csv(&rows, &columns), "0.9000,16,241,0\n");
    }
}
